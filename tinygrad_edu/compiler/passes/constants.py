"""Which lines have the same result in every run?"""

from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import Program, must_stay, swapped
from tinygrad_edu.tracing import Line


def fold_constants(program: Program) -> Program:
    """Replace each line whose operands are all constants by its result.

    An array that the function holds is no constant: a later run may find another array there.
    """
    taken: dict[Line, Any] = {}
    kept = []
    leaving = set(program.results())
    for line in program.lines:
        inputs, options = swapped(line.inputs, taken), swapped(line.options, taken)
        fixed = is_fixed((inputs, options), {id(x) for x in taken.values()})
        if fixed and not must_stay(line) and line not in leaving:
            data = line.data
            taken[line] = data[()] if isinstance(data, np.ndarray) and data.ndim == 0 else data
        else:
            kept.append(line)
    return program.with_lines(kept, taken)


def is_fixed(x: Any, ours: set[int]) -> bool:
    """Whether x contains only constants, and arrays computed from constants (ids in `ours`)."""
    match x:
        case tuple() | list():
            return all(is_fixed(y, ours) for y in x)
        case dict():
            return is_fixed(list(x.values()), ours)
        case slice():
            return is_fixed([x.start, x.stop, x.step], ours)
        case np.generic() | float() | int() | str() | None | type() | np.dtype():
            return True
        case np.ndarray():
            return id(x) in ours
    return x is Ellipsis
