"""How does NumPy compute max(h, 0) faster? With an array of zeros instead of the number 0."""

from dataclasses import replace

import numpy as np

from tinygrad_edu.compiler.program import Program, is_array, layout_of
from tinygrad_edu.tracing import Line

SIZE = 1000  # elements; in smaller arrays the number 0 is as fast


def use_zeros(program: Program) -> Program:
    """Compute max(h, 0) as max(h, zeros), in half the time; arrays of one layout share zeros."""
    new = program.with_lines(program.lines, {})
    zeros: dict[object, Line] = {}
    for line in new.lines:
        if line.function is np.maximum and is_with_zero(line) and fits(line):
            x, layout = line.data, layout_of(line.data)
            if layout not in zeros:
                zeros[layout] = Line(np.zeros_like(x), np.zeros, (x.shape, x.dtype))
            line.inputs = (line.inputs[0], zeros[layout].data)
    return replace(new, computed=new.computed | {id(x.data): x for x in zeros.values()})


def fits(line: Line) -> bool:
    """Whether an array of zeros is faster and gives the same bits: the number must be 0, not -0."""
    x, zero = line.inputs
    if not is_array(line) or line.data.size < SIZE or np.signbit(zero):
        return False
    return layout_of(line.data) == layout_of(x.data)


def is_with_zero(line: Line) -> bool:
    """Whether the line is function(x, 0), where x is the result of another line."""
    x, y = (*line.inputs, None, None)[:2]
    is_result = isinstance(x, Line) and x.function is not None
    return is_result and len(line.inputs) == 2 and not line.options and is_zero(y)


def is_zero(y: object) -> bool:
    return isinstance(y, int | float | np.floating) and y == 0
