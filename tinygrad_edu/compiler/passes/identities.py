"""Which lines change nothing?"""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import Program, is_array, layout_of
from tinygrad_edu.tracing import Line, astype

ONE = {operator.mul: (0, 1), np.multiply: (0, 1), operator.truediv: (1,), np.true_divide: (1,)}
ONE[operator.pow] = ONE[np.power] = (1,)
NEGATE = operator.neg, np.negative
COPY = operator.pos, np.positive, np.copy
LAYOUT = np.reshape, np.broadcast_to, astype


def drop_identities(program: Program) -> Program:
    """Remove x * 1, x / 1, -(-x), copies that nobody changes, and reshapes that change nothing.

    `x + 0` stays, because it turns -0 into 0. An array that the program returns keeps its own
    memory.
    """
    taken: dict[Line, Any] = {}
    leaving = set(program.results())
    given = set(program.inputs)
    kept = []
    for line in program.lines:
        x = same_as(line)
        while isinstance(x, Line) and x in taken:
            x = taken[x]
        leaves_memory = is_array(line) and line in leaving
        if x is None or (leaves_memory and program.owner(x) in given | leaving):
            kept.append(line)
            continue
        taken[line] = x
        if line in leaving:
            leaving.add(x)
    return program.with_lines(kept, taken)


def same_as(line: Line) -> Line | None:
    """The operand that equals the result in bits and memory layout; None if there is none."""
    for x in candidates(line):
        if isinstance(x, Line) and layout_of(x.data) == layout_of(line.data):
            return x
    return None


def candidates(line: Line) -> Iterator[Any]:
    function, inputs = line.function, line.inputs
    if function in ONE:
        for i in ONE[function]:
            if isinstance(inputs[i], int | float | np.generic) and inputs[i] == 1:
                yield inputs[1 - i]
    elif function in NEGATE and isinstance(inputs[0], Line) and inputs[0].function in NEGATE:
        yield inputs[0].inputs[0]
    elif (function in COPY and not line.options) or function in LAYOUT:
        yield inputs[0]
