"""Which lines can be written as simpler lines? They are, before the loops are planned."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops.lowerings import (
    FILLED,
    FLOATS,
    dtype_of,
    function_of,
    is_operand,
    reduction,
)
from tinygrad_edu.compiler.loops.views import block_of
from tinygrad_edu.compiler.passes.dead import remove_dead
from tinygrad_edu.compiler.program import Program, is_array, operands
from tinygrad_edu.tracing import Line, item, with_item


def expand(program: Program) -> Program:
    """The program in simpler lines."""
    lines: list[Line] = []
    taken: dict[Line, Any] = {}
    for line in program.lines:
        *fills, plain = filled(line, program)
        simpler = [*fills, *simple(plain)]
        lines += simpler
        for x in simpler:
            if x is not line and line in program.origins:
                program.origins[x] = program.origins[line]
        if simpler[-1] is not line:
            taken[line] = simpler[-1]
    new = program.with_lines(lines, taken)
    divide_exps(new)
    add_blocks(new)
    return remove_dead(new)


def filled(line: Line, program: Program) -> list[Line]:
    """The line, after lines that make its arrays of zeros and ones: loops do not store these."""
    made = {id(x): program.computed.get(id(x)) for x in line.inputs if isinstance(x, np.ndarray)}
    fills = {
        i: Line(x.data, x.function, x.inputs) for i, x in made.items() if x and x.function in FILLED
    }
    if not fills:
        return [line]
    inputs = tuple(fills.get(id(x), x) for x in line.inputs)
    return [*fills.values(), Line(line.data, line.function, inputs, line.options)]


def simple(line: Line) -> Iterator[Line]:
    """vdot, count_nonzero and mean as sums; any other line as it is."""
    function, inputs = line.function, line.inputs
    plain = all(map(is_operand, inputs)) and not line.options
    if function is np.vdot and plain and dtype_of(line) in FLOATS:
        x, y = (a.data if isinstance(a, Line) else a for a in inputs)
        if np.shape(x) == np.shape(y) and np.ndim(x):
            product = Line(np.asarray(x * y, dtype_of(line)), np.multiply, inputs)
            yield from (product, Line(line.data, np.sum, (product,)))
            return
    counts = function is np.count_nonzero and len(inputs) == 1 and plain
    if counts and is_array(inputs[0]) and dtype_of(inputs[0]) == np.bool:
        yield Line(line.data, np.sum, inputs)
        return
    if function is np.mean and inputs and is_operand(inputs[0]) and is_array(inputs[0]):
        x = inputs[0].data
        options = {k: y for k, y in line.options.items() if k in ("axis", "keepdims")}
        if options == line.options and len(inputs) <= 2 and dtype_of(line) == x.dtype:
            total = Line(np.sum(x, *inputs[1:], **options), np.sum, inputs, options)
            count = x.dtype.type(x.size // max(1, np.size(line.data)))
            yield from (total, Line(line.data, np.true_divide, (total, count)))
            return
    yield line


def divide_exps(program: Program) -> None:
    """Replace exp(x - log(s)) by exp(x) / s, where exp(x) is computed too: softmax and its log."""
    exps: dict[Any, Line] = {}
    lines: list[Line] = []
    for line in program.lines:
        lines.append(line)
        if function_of(line) is not np.exp or not isinstance(line.inputs[0], Line):
            continue
        exps[line.inputs[0]] = line
        views, y = [], line.inputs[0]
        while isinstance(y, Line) and y.function in (np.copy, np.transpose):
            views.append(y)
            y = y.inputs[0]
        x, s = difference(y)
        if not isinstance(x, Line) or x not in exps or not isinstance(s, Line):
            continue
        if function_of(s) is np.log and is_total(s.inputs[0], exps[x], x):
            last = Line(y.data, np.true_divide, (exps[x], s.inputs[0]))
            steps = [last]
            for view in reversed(views):
                last = Line(view.data, view.function, (last, *view.inputs[1:]), view.options)
                steps.append(last)
            # A copy: unlike a view, the result of exp has memory of its own.
            line.function, line.inputs, line.options = np.copy, (last,), {}
            for step in steps:
                lines.insert(-1, step)
                if line in program.origins:
                    program.origins[step] = program.origins[line]
    program.lines = lines


def is_total(s: Any, exps: Line, x: Line) -> bool:
    """Whether s is the sum of exp(x) where the maximum of x is 0: then s is at least 1.

    For any other s, one of log(s) and exp(x) / s may be infinite or nan where the other is not.
    """
    z, peak = difference(x)
    if not (isinstance(z, Line) and isinstance(peak, Line) and isinstance(s, Line)):
        return False
    total, most = reduction(s), reduction(peak)
    if total is None or most is None or (total.x, most.x) != (exps, z):
        return False
    kinds = (total.ufunc, most.ufunc) == (np.add, np.maximum)
    return kinds and total.axes == most.axes and total.keeps and most.keeps


def difference(line: Any) -> tuple[Any, Any]:
    """(x, y) if the line is x - y."""
    if isinstance(line, Line) and function_of(line) is np.subtract and not line.options:
        return line.inputs
    return None, None


def add_blocks(program: Program) -> None:
    """Replace x + y, where y is zero outside of a block: add to that block of x.

    Gradients of slices have this form.
    """
    uses: dict[Line, int] = {}
    for line in program.lines:
        for x in operands(line):
            uses[x] = uses.get(x, 0) + 1
    for x in program.results():
        uses[x] = uses.get(x, 0) + 1
    lines: list[Line] = []
    for line in program.lines:
        if function_of(line) is np.add and not line.options:
            for x, part in (line.inputs, line.inputs[::-1]):
                if is_block(part) and uses[part] == 1 and is_like(x, line, part):
                    _, index, value = part.inputs
                    before = Line(x.data[index], item, (x, index))
                    after = Line(before.data, np.add, (before, value))
                    for new in (before, after):
                        lines.append(new)
                        if line in program.origins:
                            program.origins[new] = program.origins[line]
                    line.function, line.inputs = with_item, (x, index, after)
                    break
        lines.append(line)
    program.lines = lines


def is_block(x: Any) -> bool:
    """Whether x is an array of zeros into which one block was written."""
    if not isinstance(x, Line) or not block_of(x):
        return False
    whole, index, value = x.inputs
    empty = isinstance(whole, Line) and FILLED.get(whole.function) == 0
    return empty and np.ndim(whole.data[index]) > 0 and dtype_of(value) == dtype_of(x)


def is_like(x: Any, *others: Line) -> bool:
    """Whether x has the shape and the dtype of the other arrays."""
    kinds = {(np.shape(y.data), dtype_of(y)) for y in others}
    return isinstance(x, Line) and is_array(x) and kinds == {(x.data.shape, x.data.dtype)}
