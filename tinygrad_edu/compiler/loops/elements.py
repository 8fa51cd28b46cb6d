"""Where are the elements of each line? Which loops run over them, and what does each read?"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops import lowerings
from tinygrad_edu.compiler.loops.lowerings import Elementwise, dtype_of, function_of
from tinygrad_edu.compiler.loops.nests import Access, Node
from tinygrad_edu.compiler.loops.views import Index, along, composed, straight, view_of
from tinygrad_edu.compiler.program import Program, operands
from tinygrad_edu.tracing import Line

CHEAP = {np.multiply, np.negative, np.logical_not, np.subtract}


class Elements:
    """The elements of a program's lines.

    kinds   of each line: "scalar", "view", "loop", "reduce", "product", "question", "reshape",
            "patch", "python"; the plan says which is which
    orders  the axes of a line that are longer than 1, in the order of memory: the one along which
            elements are closest is last
    held    lines made for arrays that the program holds as constants
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.kinds: dict[Line, str] = {}
        self.orders: dict[Line, tuple[int, ...]] = {}
        self.nodes: dict[Line, Node] = {}
        self.held: dict[int, Line] = {}
        self.numbers = {x: i for i, x in enumerate([*program.inputs, *program.lines])}
        self.given = set(program.inputs)
        self.uses: dict[Line, list[Line]] = {}
        for line in program.lines:
            for x in operands(line):
                self.uses.setdefault(x, []).append(line)
        self.cheap: set[Line] = set()

    def line_of(self, x: Any) -> Any:
        """An operand; an array that the program holds becomes a line, and counts as given."""
        if isinstance(x, np.ndarray):
            if id(x) not in self.held:
                self.held[id(x)] = Line(x)
                self.numbers[self.held[id(x)]] = -len(self.held)
                self.given.add(self.held[id(x)])
            return self.held[id(x)]
        return x

    def resolve(self, x: Line) -> Access:
        """Where the elements of x are: in x, or in the array that x is a view of."""
        if self.kinds.get(x) == "view":
            index = view_of(x)
            inside = self.resolve(x.inputs[0])
            assert index is not None
            return Access(inside.base, composed(inside.index, index))
        return Access(x, straight(np.ndim(x.data)))

    def access(self, x: Line, loops: Index) -> Access:
        """The element of x at these loops, one for each axis."""
        found = self.resolve(x)
        return Access(found.base, composed(found.index, loops))

    def order(self, x: Line) -> tuple[int, ...]:
        if x not in self.orders:
            self.orders[x] = self.order_in_memory(x)
        return self.orders[x]

    def order_in_memory(self, x: Line) -> tuple[int, ...]:
        shape = np.shape(x.data)
        long = [i for i, n in enumerate(shape) if n > 1]
        access = self.resolve(x)
        if access.base is x:
            return tuple(sorted(long, key=lambda i: -abs(x.data.strides[i])))
        at = {i: loop for i, (loop, _, _) in enumerate(access.index)}
        found = [i for i in (at[j] for j in self.order(access.base)) if i in long]
        return (*(i for i in long if i not in found), *found)

    # Nodes

    def node(self, line: Line) -> Node:
        if line not in self.nodes:
            what = lowerings.elementwise(line)
            self.nodes[line] = self.mapped(line, what) if what else self.reduced(line)
        return self.nodes[line]

    def mapped(self, line: Line, what: Elementwise) -> Node:
        """A node that computes each element of its result once."""
        shape = np.shape(line.data)
        order = self.orders[line] = self.loop_order(shape, what.inputs)
        axes = [order.index(i) if i in order else None for i in range(len(shape))]
        reads = self.reads(what, shape, along(axes))
        return Node(line, what, tuple(shape[i] for i in order), reads, axes)

    def reduced(self, line: Line) -> Node:
        """A node that goes through all elements of its operand."""
        reduction: Any = lowerings.reduction(line)
        x = reduction.x
        order = self.order(x)
        loops = [order.index(i) if i in order else None for i in range(x.data.ndim)]
        access = self.access(x, along(loops))
        axes = [None if i is None else loops[i] for i in reduction.kept()]
        known = {loop: i for i, loop in enumerate(axes) if loop is not None}
        self.orders[line] = tuple(known[loop] for loop in sorted(known))
        if len(known) == len(order):  # one element each
            reduction = Elementwise("{}", [x], [dtype_of(line)])
        return Node(line, reduction, tuple(x.data.shape[i] for i in order), [access], axes)

    def loop_order(self, shape: tuple[int, ...], inputs: list[Any]) -> tuple[int, ...]:
        """The memory order of the operand that has the most axes longer than 1."""
        long = [i for i, n in enumerate(shape) if n > 1]
        best: tuple[int, ...] = ()
        for x in map(self.line_of, inputs):
            if isinstance(x, Line) and np.ndim(x.data):
                more = len(shape) - np.ndim(x.data)
                found = tuple(i + more for i in self.order(x))
                best = found if len(found) > len(best) else best
        return best if len(best) == len(long) else tuple(long)

    def reads(self, what: Elementwise, shape: tuple[int, ...], loops: Index) -> list[Any]:
        """The operands at the element of the result at `loops`, one for each axis."""
        found: list[Any] = []
        for x in map(self.line_of, what.inputs):
            if not isinstance(x, Line):
                found.append(x)
                continue
            more = len(shape) - np.ndim(x.data)
            own = np.shape(x.data)
            index = tuple((None, 0, 0) if n == 1 else loops[i + more] for i, n in enumerate(own))
            found.append(self.access(x, index))
        return found

    def opened(self, reads: list[Any]) -> Iterator[Access]:
        """The accesses; in place of a cheap line, the accesses that it is computed from."""
        for x in reads:
            if isinstance(x, Access) and x.base in self.cheap:
                what = self.node(x.base).what
                assert isinstance(what, Elementwise)
                yield from self.opened(self.reads(what, np.shape(x.base.data), x.index))
            elif isinstance(x, Access):
                yield x

    def bases(self, node: Node) -> Iterator[Line]:
        """The lines that a node reads; in place of a cheap line, the lines that it reads."""
        return (x.base for x in self.opened(node.reads))

    # What is computed again wherever it is used: one_hot = labels == classes, mask = h > 0

    def find_cheap(self, needed: set[Line]) -> None:
        for line in self.program.lines:
            if self.kinds[line] == "loop" and line not in needed and np.ndim(line.data):
                kinds = {"loop", "reduce", "view"}
                kinds |= {"patch"} if function_of(line) in lowerings.FILLED else set()
                for_loops = all(self.kinds[u] in kinds for u in self.uses.get(line, ()))
                if for_loops and line not in self.program.targets and self.is_cheap(line):
                    self.cheap.add(line)

    def is_cheap(self, line: Line) -> bool:
        """Whether it is zeros or ones, compares arrays that exist anyway, or is made of such."""
        what = lowerings.elementwise(line)
        assert what is not None
        if function_of(line) in lowerings.FILLED:
            return True
        compares = function_of(line) in lowerings.COMPARISONS
        inputs = [x for x in map(self.line_of, what.inputs) if isinstance(x, Line)]
        bases = [self.resolve(x).base for x in inputs]
        compared = compares or any(x in self.cheap for x in bases)
        if not compared or not (compares or function_of(line) in CHEAP):
            return False
        changed = set(self.program.targets.values())
        if any(x in changed for x in bases):  # computed again later, it would differ
            return False
        if all(x in self.given or x in self.cheap for x in bases):
            return True
        computed = [x for x in bases if x not in self.given and np.ndim(x.data)]
        return len(computed) == 1 and all(map(self.is_multiplied, computed))

    def is_multiplied(self, x: Line) -> bool:
        """Whether a matrix product needs x as an array anyway."""
        if self.kinds.get(x) not in ("loop", "product"):
            return False
        users = list(self.uses.get(x, ()))
        users += [v for u in users if self.kinds[u] == "view" for v in self.uses.get(u, ())]
        return any(self.kinds[u] == "product" for u in users)
