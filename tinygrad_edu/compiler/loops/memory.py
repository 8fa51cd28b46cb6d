"""Where are the arrays of the loops? In one piece of memory for each dtype, used again and again.

A new array takes the place of an array that nobody reads any more, if one has a suitable size. Or
else it comes after the others.
"""

from collections.abc import Iterator
from typing import Any

from tinygrad_edu.compiler.loops.lowerings import dtype_of
from tinygrad_edu.compiler.loops.nests import Nest, Patch, Product
from tinygrad_edu.compiler.loops.plan import Plan
from tinygrad_edu.compiler.program import ALIGNED
from tinygrad_edu.tracing import Line


class Memory:
    """Places for the arrays that the loops keep.

    places  places[line]: (dtype, first element)
    totals  totals[dtype]: how many elements the memory has
    same    same[line]: the array that it overwrites, element by element
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.places: dict[Line, tuple[str, int]] = {}
        self.totals: dict[str, int] = {}
        self.same: dict[Line, Line] = {}
        self.sizes: dict[Line, int] = {}
        self.gone: set[Line] = set()
        self.free: dict[str, list[tuple[int, int]]] = {}
        steps = [step for steps in plan.steps for step in steps]
        born: list[list[Line]] = [[] for _ in steps]
        self.last: dict[Line, int] = {}
        for number, step in enumerate(steps):
            for line in self.kept_by(step):
                if line not in self.last:
                    born[number].append(line)
                self.last[line] = number
        dying: list[list[Line]] = [[] for _ in steps]
        for line, number in self.last.items():
            dying[number].append(line)
        for number, step in enumerate(steps):
            for line in born[number]:
                self.place(line, step, number)
            for line in dying[number]:
                if line not in self.gone:
                    dtype, offset = self.places[line]
                    self.free.setdefault(dtype, []).append((offset, self.sizes[line]))

    def place(self, line: Line, step: Any, number: int) -> None:
        old = self.replaced_by(line, step, number)
        if old is not None:
            self.places[line], self.sizes[line] = self.places[old], self.sizes[old]
            self.same[line] = old
            self.gone.add(old)
            return
        dtype = dtype_of(line)
        unit = ALIGNED // dtype.itemsize
        size = -(-line.data.size // unit) * unit
        free = self.free.get(dtype.name, [])
        if fitting := [x for x in free if size <= x[1] <= 2 * size]:
            chosen = min(fitting, key=lambda x: x[1])
            free.remove(chosen)
            offset, size = chosen
        else:
            offset = self.totals.get(dtype.name, 0)
            self.totals[dtype.name] = offset + size
        self.places[line], self.sizes[line] = (dtype.name, offset), size

    def replaced_by(self, line: Line, step: Any, number: int) -> Line | None:
        """An array that `line` can overwrite element by element: nobody reads it afterwards."""
        if not isinstance(step, Nest) or step.where[line][1].reduces:
            return None
        plan = self.plan
        moments = {node.line: i for i, node in enumerate(step.nodes())}
        node = step.where[line][1]
        whole = [(loop, 0, 1) for loop in range(len(step.space))]
        if [(node.axes[i], 0, 1) for i in self.axes(line)] != whole:
            return None
        reads = [(n, x) for n in step.nodes() for x in plan.opened(n.reads)]
        for base in dict.fromkeys(x.base for _, x in reads):
            dies = base in self.places and self.last[base] == number
            if not dies or base in self.gone or base in plan.reshaped.values():
                continue
            if base is line or dtype_of(base) != dtype_of(line):
                continue
            mine = [(n, x) for n, x in reads if x.base is base]
            plain = all([x.index[i] for i in self.axes(base)] == whole for _, x in mine)
            early = all(moments[n.line] <= moments[line] for n, _ in mine)
            if plain and early and self.shape(base) == self.shape(line):
                return base
        return None

    def kept_by(self, step: Any) -> Iterator[Line]:
        """The arrays in kept memory that a step reads or writes."""
        plan = self.plan
        found = list(plan.looked_at(step))
        if isinstance(step, Nest):
            found += step.where
        elif isinstance(step, Patch) or (isinstance(step, Product) and step.onto is None):
            found.append(step.line)
        found.sort(key=plan.number)
        for line in found:
            while line in plan.reshaped:
                line = plan.reshaped[line]
            if line in plan.stored and line not in plan.needed and line not in plan.onto:
                yield line

    def axes(self, line: Line) -> list[int]:
        """The axes of an array as it is stored: without those of length 1 if only loops use it."""
        plan = self.plan
        if line in plan.stored and line not in plan.in_order:
            return list(plan.orders[line])
        return list(range(line.data.ndim))

    def shape(self, line: Line) -> list[int]:
        """The shape of an array as it is stored."""
        return [line.data.shape[i] for i in self.axes(line)]
