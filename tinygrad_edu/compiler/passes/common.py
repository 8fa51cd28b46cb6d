"""Which lines compute the same?"""

from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import Program, swapped
from tinygrad_edu.compiler.tape import draw
from tinygrad_edu.tracing import Line, with_at, with_item


def share_common(program: Program) -> Program:
    """Make each call once: the same function of the same operands has the same result.

    Random draws stay, because each draw gives new numbers. Two lines whose results are both
    returned stay too, because each returned array has its own memory.
    """
    leaving = set(program.results())
    first: dict[Any, Line] = {}
    taken: dict[Line, Any] = {}
    kept = []
    for line in program.lines:
        inputs, options = swapped(line.inputs, taken), swapped(line.options, taken)
        key = line.function, key_of(inputs), key_of(options)
        known = first.setdefault(key, line)
        if known is line or line.function in (draw, with_item, with_at) or {line, known} <= leaving:
            kept.append(line)
        else:
            taken[line] = known
            if line in leaving:
                leaving.add(known)
    return program.with_lines(kept, taken)


def key_of(x: Any) -> Any:
    """A key that is equal for equal operands: numbers by type and bits, arrays by identity."""
    match x:
        case tuple() | list():
            return type(x), tuple(map(key_of, x))
        case dict():
            return tuple((name, key_of(y)) for name, y in x.items())
        case slice():
            return slice, key_of((x.start, x.stop, x.step))
        case np.generic():
            return type(x), x.tobytes()
        case float():
            return float, x.hex()
        case bool() | int() | str() | None:
            return type(x), x
    return id(x)
