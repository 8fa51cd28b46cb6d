"""In which order do things run? A plan: loops that lines share, products, and lines of NumPy.

Lines that go through the same elements in the same order share one nest of loops. There, a result
that one of them passes to another is a number, not an array. A line that cannot become a loop stays
a line of NumPy, and runs before the loops of its stage.
"""

from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops import lowerings
from tinygrad_edu.compiler.loops.elements import Elements
from tinygrad_edu.compiler.loops.lowerings import dtype_of, function_of
from tinygrad_edu.compiler.loops.nests import Access, Block, Nest, Node, Patch, Product, Single
from tinygrad_edu.compiler.loops.views import (
    basic_index,
    block_of,
    composed,
    is_reshape,
    straight,
    view_of,
)
from tinygrad_edu.compiler.program import Program, operands
from tinygrad_edu.compiler.tape import draw
from tinygrad_edu.tracing import Line, astype, item


class Plan(Elements):
    """The order of a program, in stages.

    steps     steps[stage]: nests, products, patches, single lines, in order
    python    python[stage]: lines of NumPy, which run before these steps
    needed    lines that lines of NumPy, or the caller, must see
    stored    lines of the loops whose results are arrays
    in_order  arrays that are stored with all their axes, in order
    onto      onto[line]: the input that the result is written to
    absorbed  lines that are computed as a part of another
    reshaped  reshaped[line]: the line that it gives another shape
    copies    copies[line]: the line that it copies, for a product
    """

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.results = set(program.results())
        self.scalars = self.python_scalars()
        for line in program.lines:
            self.kinds[line] = self.kind(line)
        self.needed = self.needed_by_python()
        for line in self.needed:
            if self.kinds.get(line) == "view" and lowerings.elementwise(line):
                self.kinds[line] = "loop"  # outside of the loops, a copy must be a real one
        self.onto = {u: w for u, w in program.targets.items() if self.kinds[u] == "loop"}
        self.absorbed: set[Line] = set()
        self.updates = {u: found for u in self.onto if (found := self.product_in(u))}
        self.blocks: dict[Line, list[tuple[Line, bool]]] = {}
        self.find_blocks()
        self.find_cheap(self.needed)
        self.copies: dict[Line, Line] = {}
        self.reshaped: dict[Line, Line] = {}
        self.stored: set[Line] = set()
        self.in_order: set[Line] = set(self.needed)
        self.steps: list[list[Any]] = []
        self.python: list[list[Line]] = []
        self.step_of: dict[Line, tuple[int, int]] = {}
        self.schedule()
        self.find_stored()

    def number(self, line: Line) -> int:
        """The place of a line in the program; inputs come first, copies last."""
        return self.numbers[line]

    # What each line is

    def python_scalars(self) -> set[Line]:
        """Python numbers that depend on Python numbers only: Python computes them first."""
        found = {line for line in self.given if type(line.data) in (float, int, bool)}
        inside = set()
        for line in self.program.lines:
            plain = type(line.data) in (float, int, bool) and line.function is not draw
            if plain and all(x in found for x in operands(line)):
                found.add(line)
                inside.add(line)
        return inside

    def kind(self, line: Line) -> str:
        if line in self.scalars:
            return "scalar"
        if lowerings.is_question(line):
            return "question"
        if lowerings.is_product(line):
            return "product" if all(isinstance(x, Line) for x in line.inputs) else "python"
        if view_of(line) is not None and not self.is_real_copy(line):
            return "view"
        if lowerings.elementwise(line):
            return "loop"
        if lowerings.reduction(line):
            return "reduce"
        if block_of(line) is not None:
            return "patch"
        return "reshape" if is_reshape(line) else "python"

    def is_real_copy(self, line: Line) -> bool:
        """Whether the line copies an array that the program changes later."""
        if line.function not in (np.copy, astype):
            return False
        return self.source(line.inputs[0]) in self.program.targets.values()

    def source(self, x: Line) -> Line:
        """The line whose memory x may be a view of, reshaped or not."""
        base = self.resolve(x).base
        return self.source(base.inputs[0]) if self.kinds.get(base) == "reshape" else base

    def needed_by_python(self) -> set[Line]:
        found = set(self.results)
        for line in reversed(self.program.lines):
            as_view = self.kinds[line] in ("view", "reshape") and line in found
            if self.kinds[line] == "python" or as_view:
                found.update(operands(line))
        return found

    def readers(self, w: Line) -> list[Line]:
        """The lines that read the memory of w, also through views."""
        found = []
        for line in self.uses.get(w, ()):
            found.append(line)
            if self.kinds[line] in ("view", "reshape") or line in self.program.views:
                found += self.readers(line)
        return found

    def is_private(self, line: Any, user: Line) -> bool:
        """Whether only `user` reads the line."""
        return isinstance(line, Line) and self.uses.get(line) == [user] and line not in self.needed

    # Lines that are a part of another

    def product_in(self, u: Line) -> tuple[Line, Any] | None:
        """(p, rate) if u is w - rate * p, and p a product: that is one call of BLAS."""
        w = self.onto[u]
        if function_of(u) is not np.subtract or u.inputs[0] is not w:
            return None
        s = u.inputs[1]
        if not self.is_private(s, u) or function_of(s) is not np.multiply:
            return None
        changed = set(self.program.targets.values())
        for rate, p in (s.inputs, s.inputs[::-1]):
            if self.kinds.get(p) != "product" or not self.is_private(p, s) or p.data.ndim != 2:
                continue
            number = rate.data if isinstance(rate, Line) else rate
            early = not isinstance(rate, Line) or rate in self.given | self.scalars
            # The product now runs later, and must not read what another update has changed.
            safe = not any(self.source(x) in changed for x in p.inputs)
            fits = isinstance(number, float | np.floating) and dtype_of(p) == dtype_of(u)
            if fits and early and safe:
                self.absorbed |= {s, p}
                return p, rate
        return None

    def find_blocks(self) -> None:
        """Make one patch, with several blocks, of patches that only the next patch reads."""
        for line in self.program.lines:
            if self.kinds[line] != "patch":
                continue
            x, index, value = line.inputs
            adds = False
            looks = [x]
            if isinstance(value, Line) and function_of(value) is np.add:
                looks = [y for y in value.inputs if self.looks_at(y, x, index, value)]
                adds = bool(looks) and self.is_private(value, line)
            own = [line, looks[0]] if adds else [line]
            before: list[tuple[Line, bool]] = []
            private = set(self.uses[x]) <= set(own) and x not in self.needed
            if self.kinds.get(x) == "patch" and private:
                before = self.blocks[x]
                self.absorbed.add(x)
            if adds:
                self.absorbed |= {value, looks[0]}
            self.blocks[line] = [*before, (line, adds)]

    def looks_at(self, y: Any, x: Line, index: Any, value: Line) -> bool:
        """Whether y is x[index], and only `value` needs it."""
        if not self.is_private(y, value) or y.function is not item or y.inputs[0] is not x:
            return False
        return basic_index(x.data, y.inputs[1]) == basic_index(x.data, index)

    # Order

    def schedule(self) -> None:
        """Put each line into the earliest stage, and there into the first possible loops."""
        loops_at: dict[Line, int] = {}  # the first stage whose loops can read it
        python_at: dict[Line, int] = {}  # the first stage whose lines of NumPy can read it
        latest_draw = everything = 0
        for line in self.program.lines:
            if line in self.scalars:
                continue
            before = [x for x in operands(line) if x not in self.given and x not in self.scalars]
            kind = self.kinds[line]
            if kind == "python":
                stage = max((python_at[x] for x in before), default=0)
                if line.function is draw:
                    stage = latest_draw = max(stage, latest_draw)
                if line in self.program.targets:
                    stage = max(stage, everything + 1)
                loops_at[line] = python_at[line] = stage
                self.stage(stage)[1].append(line)
            else:
                stage = max((loops_at[x] for x in before), default=0)
                if line in self.onto:
                    stage = max(stage, everything)
                if kind in ("view", "reshape") and line in self.needed:
                    python_at[line] = max((python_at[x] for x in before), default=0)
                    self.stage(python_at[line])[1].append(line)
                loops_at[line] = stage
                python_at.setdefault(line, stage + 1)
                if line not in self.absorbed and line not in self.cheap and kind != "view":
                    self.place(line, stage)
            everything = max(everything, stage, python_at.get(line, 0) if kind == "python" else 0)

    def stage(self, number: int) -> tuple[list[Any], list[Line]]:
        while len(self.steps) <= number:
            self.steps.append([])
            self.python.append([])
        return self.steps[number], self.python[number]

    def place(self, line: Line, stage: int) -> None:
        steps, _ = self.stage(stage)
        kind = self.kinds[line]
        step: Any
        if line in self.updates:
            p, rate = self.updates[line]
            step = self.product(p, stage)
            step.rate, step.onto = rate, self.onto[line]
        elif kind == "product":
            step = self.product(line, stage)
            self.stored.add(line)
            self.in_order.add(line)
        elif kind == "patch":
            patch = self.patch(line, stage)
            self.stored.add(line)
            self.in_order.add(line)
            # Each block is a step of its own: there may be one for each step in time.
            steps.append(Patch(line, patch.whole, []))
            steps += [Patch(line, None, [block]) for block in patch.blocks[:-1]]
            step = Patch(line, None, patch.blocks[-1:])
        elif kind == "reshape":
            self.reshaped[line] = self.whole(line.inputs[0], stage)
            step = Single(line)
        elif kind == "question":
            step = Single(line)
        else:
            self.place_node(self.node(line), stage)
            return
        steps.append(step)
        self.step_of[line] = stage, len(steps) - 1

    def place_node(self, node: Node, stage: int) -> None:
        steps, _ = self.stage(stage)
        reads = list(self.opened(node.reads))
        first = 0
        for x in reads:
            at, i = self.step_of.get(x.base, (-1, 0))
            if at == stage:
                first = max(first, i)
        if node.line in self.onto:
            first = max(first, self.after_readers(node.line, stage))
        number = first
        while number < len(steps):
            step = steps[number]
            if isinstance(step, Nest) and step.join(node, reads, self.given):
                break
            number += 1
        else:
            nest = Nest(node.space)
            nest.join(node, reads, self.given)
            steps.append(nest)
        self.step_of[node.line] = stage, number

    def after_readers(self, u: Line, stage: int) -> int:
        """The first step after all guards and all steps that read the array that u overwrites."""
        todo = [x for x in self.readers(self.onto[u]) if x is not u]
        todo += [x for x in self.program.lines if self.kinds[x] == "question"]
        todo += [copy for copy, x in self.copies.items() if self.resolve(x).base is self.onto[u]]
        seen: set[Line] = set()
        first = 0
        while todo:
            line = todo.pop()
            if line in seen:
                continue
            seen.add(line)
            at, i = self.step_of.get(line, (-1, 0))
            if at == stage:
                first = max(first, i + 1)
            if line in self.cheap or line in self.absorbed or self.kinds.get(line) == "view":
                todo += self.uses.get(line, ())
        return first

    # Arrays that are read as a whole

    def is_contiguous(self, base: Line) -> bool:
        """Whether an array is C-contiguous; one that loops make is, once it is in `in_order`."""
        ours = base in self.step_of and base not in self.needed and self.kinds[base] != "python"
        return ours or bool(base.data.flags.c_contiguous)

    def whole(self, x: Line, stage: int) -> Line:
        """x, or a copy of it, as an array with its own axes in order."""
        access = self.resolve(x)
        base = access.base
        alone = access.index == straight(np.ndim(x.data)) and base not in self.cheap
        alone = alone and np.shape(base.data) == np.shape(x.data)
        if not (alone and self.is_contiguous(base)):
            base = self.copied(x, stage)
        self.in_order.add(base)
        return base

    def copied(self, x: Line, stage: int) -> Line:
        copy = Line(np.ascontiguousarray(x.data), np.copy, (x,))
        self.kinds[copy] = "loop"
        self.copies[copy] = x
        self.numbers[copy] = len(self.numbers)
        self.in_order.add(copy)
        self.place_node(self.node(copy), stage)
        return copy

    def product(self, line: Line, stage: int) -> Product:
        a, b = (self.matrix(x, line.data.ndim, stage) for x in line.inputs)
        return Product(line, a, b)

    def matrix(self, x: Line, ndim: int, stage: int) -> Access:
        """x, or a copy of it that BLAS can read, along the loops of a product with ndim axes."""
        if not self.suits_blas(x):
            x = self.copied(x, stage)
        shape = x.data.shape
        more = ndim - len(shape)
        loops = [None if i < len(shape) - 2 and n == 1 else i + more for i, n in enumerate(shape)]
        access = self.resolve(x)
        self.in_order.add(access.base)
        index = tuple((loop, 0, 1) for loop in loops)
        return Access(access.base, composed(access.index, index))

    def suits_blas(self, x: Line) -> bool:
        """Whether BLAS can read x: elements are adjacent along one of the last two axes."""
        access = self.resolve(x)
        base, index = access.base, access.index
        if base in self.cheap or not index or not isinstance(base.data, np.ndarray):
            return False
        last = (x.data.ndim - 2, x.data.ndim - 1)
        steps = [step for loop, _, step in index if loop in last]
        beside = index[-1][0] in last and index[-1][2] == 1
        return self.is_contiguous(base) and beside and len(steps) == 2 and min(steps) > 0

    def patch(self, line: Line, stage: int) -> Patch:
        """All blocks that are written to one array."""
        parts = self.blocks[line]
        start = parts[0][0].inputs[0]
        blocks = []
        for part, adds in parts:
            x, index, value = part.inputs
            if adds:
                value = next(y for y in value.inputs if y not in self.absorbed)
            there, shape = basic_index(x.data, index), x.data[index].shape
            assert there is not None
            blocks.append(Block(there, self.value(value, shape, stage), shape, adds))
        whole = self.value(start, start.data.shape, stage)
        return Patch(line, whole, blocks)

    def value(self, x: Any, shape: tuple[int, ...], stage: int) -> Any:
        """The element of x, broadcast to this shape, at the loops i, j, ..., or a number."""
        if isinstance(x := self.line_of(x), Line):
            base = self.resolve(x).base
            if function_of(base) in lowerings.FILLED:
                return lowerings.FILLED[function_of(base)]
            if base in self.cheap:
                x = self.copied(x, stage)
        as_it_is = lowerings.Elementwise("{}", [x], [dtype_of(x)])
        return self.reads(as_it_is, shape, straight(len(shape)))[0]

    # Arrays

    def find_stored(self) -> None:
        """Find the results of loops that are arrays, mostly because another step reads them."""
        everything = [step for steps in self.steps for step in steps]
        inside = {x: step for step in everything if isinstance(step, Nest) for x in step.where}
        for line in inside:
            node = self.node(line)
            if line in self.in_order or line in self.onto:
                self.stored.add(line)
            if node.reduces and not node.ends_with_row and node.kept:
                self.stored.add(line)
        for step in everything:
            if isinstance(step, Nest):
                self.stored |= step.again
            for x in self.looked_at(step):
                if x in inside and inside[x] is not step:
                    self.stored.add(x)
        seen = self.in_order | set(self.onto)
        for line in list(self.stored):
            single = not self.orders.get(line, (0,)) and line not in seen
            if np.ndim(line.data) == 0 or single:
                self.stored.discard(line)  # a number
        self.in_order |= set(self.onto)

    def looked_at(self, step: Any) -> set[Line]:
        """The lines whose arrays or numbers a step reads."""
        if isinstance(step, Nest):
            return {x for node in step.nodes() for x in self.bases(node)}
        if isinstance(step, Product):
            return {x for x in (step.a.base, step.b.base, step.rate) if isinstance(x, Line)}
        if isinstance(step, Patch):
            reads = [step.whole, *(block.value for block in step.blocks)]
            return {x.base for x in self.opened(reads)}
        if step.line in self.reshaped:
            return {self.reshaped[step.line]}
        return {self.resolve(step.line.inputs[1]).base}
