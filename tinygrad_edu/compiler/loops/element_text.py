"""How is an element written? As h2[i, j], or as the name of a number."""

from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops.memory import Memory
from tinygrad_edu.compiler.loops.nests import Access
from tinygrad_edu.compiler.loops.views import Index
from tinygrad_edu.tracing import Line

LETTERS = "ijklmnopqr"
NOT_FINITE = {"inf": "np.inf", "-inf": "(-np.inf)", "nan": "np.nan"}


class ElementText:
    """Writes elements, and notes what a function uses.

    names    what each line is called
    used     arrays and numbers that the text names
    defined  numbers that the function has computed itself
    offsets  offsets[number]: for a shared function, the name of a number in an index
    """

    def __init__(self, memory: Memory, names: dict[Line, str], shared: bool) -> None:
        self.memory, self.plan, self.names = memory, memory.plan, names
        self.shared = shared
        self.offsets: dict[int, str] = {}
        self.used: dict[Line, None] = {}
        self.defined: set[Line] = set()

    def name(self, line: Line) -> str:
        self.used.setdefault(line)
        return self.names[line]

    def array(self, line: Line) -> str:
        return self.name(self.plan.onto.get(line, line))

    def is_array(self, line: Line) -> bool:
        """Whether a line is an array in memory, and not a number in the loops."""
        plan = self.plan
        if line in plan.cheap:
            return False
        if line in plan.step_of and line not in plan.reshaped:
            return line in plan.stored
        return isinstance(line.data, np.ndarray)

    def is_seen(self, line: Line) -> bool:
        """Whether a line of NumPy, or the caller, reads an array that the loops make."""
        plan = self.plan
        return line in plan.stored and line in plan.needed and line not in plan.onto

    def in_order(self, line: Line) -> bool:
        """Whether the elements are in the order of the stored axes, without gaps."""
        kept = line in self.plan.stored and not self.is_seen(line)
        return kept or bool(line.data.flags.c_contiguous)

    def element(self, access: Access) -> str:
        base = access.base
        if self.is_array(base):
            return self.at(base, access.index)
        made_before = base in self.plan.step_of and base not in self.defined
        no_axes = isinstance(base.data, np.ndarray) and made_before and base in self.plan.needed
        return self.name(base) + "[()]" * no_axes

    def at(self, line: Line, index: Index) -> str:
        """The element of an array at an index, one entry for each axis."""
        name = self.array(line)
        parts = [self.place(*index[i]) for i in self.memory.axes(line)]
        return f"{name}[{', '.join(parts) or '()'}]"

    def place(self, loop: int | None, start: int, step: int) -> str:
        if loop is None:
            return self.offset(start)
        letter = LETTERS[loop]
        if step < 0:
            return f"{start} - {letter}" if step == -1 else f"{start} - {-step} * {letter}"
        text = letter if step == 1 else f"{step} * {letter}"
        return f"{text} + {self.offset(start)}" if start else text

    def offset(self, start: int) -> str:
        """A number in an index; a name in a shared function, so that steps in time can share it."""
        if not self.shared:
            return str(start)
        return self.offsets.setdefault(start, f"at_{len(self.offsets) + 1}")


def literal(x: Any, dtype: Any) -> str:
    """A number as text, of this dtype in compiled code too."""
    if dtype == np.bool:
        return repr(bool(x))
    if dtype == np.int64:
        return repr(int(x)) if x >= 0 else f"({int(x)!r})"
    with np.errstate(over="ignore"):
        value = repr(float(dtype.type(x)) if dtype == np.float64 else float(x))
    text = NOT_FINITE.get(value, value)
    if dtype == np.float32:
        return f"np.float32({text})"
    return f"({text})" if text.startswith("-") else text
