"""How is one nest of loops written? A number in it is named after its line and its loops: h2_ij."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops.element_text import LETTERS, ElementText, literal
from tinygrad_edu.compiler.loops.lowerings import FLOATS, Elementwise, Reduction, dtype_of
from tinygrad_edu.compiler.loops.nests import Access, Nest, Node, Stretch
from tinygrad_edu.compiler.loops.views import along
from tinygrad_edu.tracing import Line

UNROLLED = 2  # an innermost loop as short as this is better unrolled
BLOCK = 4096  # longer sums of float64 are split into parts of about this size, and the parts added
FLOAT64 = np.dtype(np.float64)


@dataclass
class Around:
    """What stands before a loop, and after it."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


class NestText:
    """Writes one nest.

    flat    whether one loop over all elements is enough
    space   how often each loop runs
    block   the loop that runs in blocks of about BLOCK elements; None if no sum needs blocks
    around  what stands before and after each loop
    blocks  what stands before and after the loop within a block
    local   the names of the lines that are numbers at this point
    suffix  the end of the names of numbers: the letters of the loops around them
    """

    def __init__(self, nest: Nest, elements: ElementText) -> None:
        self.nest, self.elements = nest, elements
        self.plan = elements.plan
        self.depth = len(nest.space)
        long = math.prod(nest.space) > BLOCK
        self.flat = (self.depth > 1 or (self.depth == 1 and long)) and self.can_be_flat()
        self.loops = 1 if self.flat else self.depth
        self.space = (math.prod(nest.space),) if self.flat else nest.space
        self.block = self.loop_in_blocks()
        self.around = [Around() for _ in range(max(self.loops, 1))]
        self.blocks = Around()
        self.local: dict[Line, str] = {}
        self.again: dict[Access, str] = {}
        self.flats: dict[str, str] = {}
        self.suffix = ""
        bases = (base for node in nest.nodes() for base in self.plan.bases(node))
        self.used_here = set(bases) & set(nest.where)

    def lines(self) -> Iterator[str]:
        first = self.around[0].before
        for node in self.nest.nodes():
            if node.reduces and node.kept and not self.is_set_once(node):
                first += self.filled(node)
        body: list[tuple[int, str]] = []  # (how far to indent, text)
        for number, stretch in enumerate(self.nest.stretches):
            body += self.stretch(stretch, number)
        if self.block is None or not self.flat:
            yield from (f"{flat} = {x}.reshape({x}.size)" for x, flat in self.flats.items())
        outer = range(self.loops - 1)
        for loop in outer:
            yield from (indented(level, text) for level, text in self.into(loop))
        yield from (indented(level, text) for level, text in body)
        for loop in reversed(outer):
            yield from (indented(level, text) for level, text in self.out_of(loop))

    def stretch(self, stretch: Stretch, number: int) -> Iterator[tuple[int, str]]:
        """The innermost loop, or what stands just outside of it."""
        inner = stretch.inner and self.depth > 0
        if inner and number:
            for line in self.nest.again:
                self.local.pop(line, None)  # it has the last number of the loop before
        self.again = {}
        last = max(self.loops - 1, 0)
        self.around[last] = Around(self.around[0].before if last == 0 and number == 0 else [])
        if self.block == last:
            self.blocks = Around()
        level = self.loops if stretch.inner else last
        self.suffix = "_" + LETTERS[:level] if level else ""
        lines: list[str] = []
        for node in stretch.nodes:
            if node.reduces:
                self.reduce(node, lines)
            else:
                self.map(node, lines)
        if inner:
            yield from self.into(last)
            yield from ((self.level(self.loops), text) for text in lines)
            yield from self.out_of(last)
        else:
            around = self.around[last]
            yield from ((self.level(last), x) for x in [*around.before, *lines, *around.after])

    # Where the loops begin and end

    def level(self, loops: int) -> int:
        """How far to indent within so many loops."""
        return loops + (self.block is not None and loops > self.block and self.rounds() > 1)

    def rounds(self) -> int:
        """How many rounds of its loop a block has."""
        assert self.block is not None
        return max(1, BLOCK // math.prod(self.space[self.block + 1 :]))

    def into(self, loop: int) -> Iterator[tuple[int, str]]:
        """The head of a loop, and what stands before it."""
        level, letter, bound = self.level(loop), LETTERS[loop], self.bound(loop)
        head = f"for {letter} in range({bound}):"
        yield from ((level, text) for text in self.around[loop].before)
        if loop != self.block:
            yield level, head
            return
        step, start = self.rounds(), f"{letter}_0"
        whole = f"{next(iter(self.flats))}.size" if self.flat else bound
        yield level, f"for {start} in range(0, {whole}, {step}):" if step > 1 else head
        yield from ((level + 1, text) for text in self.blocks.before)
        if self.flat:  # a loop from 0 takes several numbers at once, one from elsewhere does not
            for x, flat in self.flats.items():
                yield level + 1, f"{flat} = {x}.reshape({x}.size)[{start} : {start} + {step}]"
            yield level + 1, head
        elif step > 1:
            yield level + 1, f"for {letter} in range({start}, min({start} + {step}, {bound})):"

    def out_of(self, loop: int) -> Iterator[tuple[int, str]]:
        """What stands after a loop."""
        level = self.level(loop)
        if loop == self.block:
            yield from ((level + 1, text) for text in self.blocks.after)
        yield from ((level, text) for text in self.around[loop].after)

    def loop_in_blocks(self) -> int | None:
        """The outermost loop of which one round has few elements, if there is a long sum.

        A row in several loops is not cut: its elements are added several at once.
        """
        for loop in range(1 if self.flat else self.loops - 1):
            if self.loops - loop <= 2 or math.prod(self.space[loop + 1 :]) <= BLOCK:
                return loop if any(self.is_long(x, loop) for x in self.nest.nodes()) else None
        return None

    def is_long(self, node: Node, loop: int) -> bool:
        """Whether it adds more float64 to one number than a block has, along this loop too."""
        if not isinstance(node.what, Reduction) or node.what.ufunc is not np.add:
            return False
        start, space = self.first_inside(node), self.space[: len(node.space)]
        long = start <= loop < len(space) and math.prod(space[start:]) > BLOCK
        return long and dtype_of(node.line) == FLOAT64

    def first_inside(self, node: Node) -> int:
        """The outermost loop within which a total is one number."""
        return 0 if self.flat else max(node.kept, default=-1) + 1

    def is_set_once(self, node: Node) -> bool:
        """Whether the total is complete after one run of the loops inside."""
        return not self.flat and node.kept == list(range(self.first_inside(node)))

    # One loop in the place of several

    def can_be_flat(self) -> bool:
        """Whether all arrays are read as a whole, in order, element by element."""
        stretches = self.nest.stretches
        if len(stretches) != 1 or not stretches[0].inner:
            return False
        found = []
        for node in self.nest.nodes():
            if node.reduces and node.kept:
                return False
            accesses = [x for x in node.reads if isinstance(x, Access)]
            if any(x.base in self.plan.cheap for x in accesses):
                return False
            if self.is_stored(node) and not node.reduces:
                accesses.append(Access(node.line, along(node.axes)))
            found += [x for x in accesses if self.is_array(x.base) and x.loops()]
        return bool(found) and all(map(self.is_whole, found))

    def is_array(self, base: Line) -> bool:
        return self.elements.is_array(base) and (
            base not in self.nest.where or base in self.plan.stored
        )

    def is_whole(self, x: Access) -> bool:
        """Whether the loops go through the memory of an array from its start to its end."""
        loops = [x.index[i][0] for i in self.elements.memory.axes(x.base)]
        plain = all(loop is None or (start, step) == (0, 1) for loop, start, step in x.index)
        in_order = [loop for loop in loops if loop is not None] == list(range(self.depth))
        size = int(np.prod(self.nest.space))
        return plain and in_order and size == x.base.data.size and self.elements.in_order(x.base)

    def flat_name(self, line: Line) -> str:
        name = self.elements.array(line)
        return self.flats.setdefault(name, f"{name}_flat")

    def bound(self, loop: int) -> str:
        """How often a loop runs, read from an array: a number would make the compiler unroll it."""
        if self.flat:
            return f"{next(iter(self.flats.values()))}.size"
        n = self.nest.space[loop]
        if n <= UNROLLED and loop == self.depth - 1:
            return str(n)
        for node in self.nest.nodes():
            accesses = list(self.plan.opened(node.reads))
            if not node.reduces and self.is_stored(node):
                accesses.append(Access(node.line, along(node.axes)))
            for x in accesses:
                if self.is_array(x.base):
                    for i, axis in enumerate(self.elements.memory.axes(x.base)):
                        if x.index[axis][0] == loop and x.base.data.shape[axis] == n:
                            return f"{self.elements.array(x.base)}.shape[{i}]"
        return str(n)

    # Lines

    def is_stored(self, node: Node) -> bool:
        return node.line in self.plan.stored or node.line in self.plan.onto

    def map(self, node: Node, lines: list[str]) -> None:
        """A line that does the same to each element."""
        text = self.computed(node, lines)
        line, stored = node.line, self.is_stored(node)
        target = self.target(node) if stored else ""
        if stored and line not in self.used_here:
            lines.append(f"{target} = {text}")
            return
        name = self.elements.names[line] + (self.suffix or "_0" * stored)
        lines.append(f"{name} = {text}")
        self.local[line] = name
        if stored:
            lines.append(f"{target} = {name}")
        elif not self.suffix:
            self.elements.defined.add(line)

    def target(self, node: Node) -> str:
        """The element that a node writes."""
        if self.flat and not node.reduces:
            return f"{self.flat_name(node.line)}[i]"
        return self.elements.at(node.line, along(node.axes))

    def computed(self, node: Node, lines: list[str]) -> str:
        """What the node does to one element, as text."""
        what = node.what
        assert isinstance(what, Elementwise)
        operands = zip(node.reads, what.dtypes, strict=True)
        parts = [self.operand(x, dtype, lines) for x, dtype in operands]
        text = what.text.format(*parts)
        is_wider = "**" in what.text or "sign" in what.text
        single = dtype_of(node.line) == np.float32
        return f"np.float32({text})" if single and is_wider else text

    def operand(self, x: Any, dtype: Any, lines: list[str]) -> str:
        if not isinstance(x, Access):
            return literal(x, dtype)
        if x.base in self.local:
            text = self.local[x.base]
        elif x.base in self.plan.cheap:
            text = self.computed_again(x, lines)
        elif self.flat and x.loops() and self.elements.is_array(x.base):
            text = f"{self.flat_name(x.base)}[i]"
        else:
            text = self.elements.element(x)
        return converted(text, dtype_of(x.base), dtype)

    def computed_again(self, x: Access, lines: list[str]) -> str:
        """The name of a cheap line, which is computed again here."""
        if x not in self.again:
            what = self.plan.node(x.base).what
            assert isinstance(what, Elementwise)
            reads = self.plan.reads(what, np.shape(x.base.data), x.index)
            text = self.computed(Node(x.base, what, (), reads, []), lines)
            name = self.elements.names[x.base] + self.suffix
            if name in self.again.values():
                name = f"{name}{len(self.again)}"
            lines.append(f"{name} = {text}")
            self.again[x] = name
        return self.again[x]

    # Reductions

    def reduce(self, node: Node, lines: list[str]) -> None:
        """A reduction: into an array in each round, or into a number before and after a loop."""
        line, reduction, out = node.line, node.what, dtype_of(node.line)
        assert isinstance(reduction, Reduction)
        start = self.first_inside(node)
        if start == len(node.space):
            x = self.operand(node.reads[0], out, lines)
            lines.append(taken_in(reduction, self.target(node), x, out, False))
            return
        # A sum of many float32 is kept in float64: NumPy adds in pairs, which is as exact.
        wide = FLOAT64 if out == np.float32 and reduction.ufunc is np.add else out
        x = self.operand(node.reads[0], wide, lines)
        once = not node.kept or self.is_set_once(node)
        stored = line in self.plan.stored
        level = LETTERS[:start]
        name = self.elements.names[line] + (f"_{level}" if level else "_0" * stored)
        total = name if wide == out else f"{name}_sum"
        around = self.around[start]
        around.before.append(f"{total} = {first_of(reduction, wide)}")
        if self.block is not None and self.is_long(node, self.block):
            self.blocks.before.append(f"{name}_part = {first_of(reduction, wide)}")
            lines.append(taken_in(reduction, f"{name}_part", x, wide, True))
            self.blocks.after.append(f"{total} += {name}_part")
        else:
            lines.append(taken_in(reduction, total, x, wide, True))
        if total != name:
            around.after.append(f"{name} = np.{out.name}({total})")
        if not once:
            around.after.append(taken_in(reduction, self.target(node), name, out, False))
            return
        self.local[line] = name
        if stored:
            around.after.append(f"{self.target(node)} = {name}")
        elif not level:
            self.elements.defined.add(line)

    def filled(self, node: Node) -> Iterator[str]:
        """Loops that fill the array of a reduction with its first value."""
        line, reduction = node.line, node.what
        assert isinstance(reduction, Reduction)
        axes = self.elements.memory.axes(line)
        name = self.elements.array(line)
        loops = [(node.axes[a], i) for i, a in enumerate(axes) if node.axes[a] is not None]
        for level, (loop, i) in enumerate(loops):
            yield indented(level, f"for {LETTERS[loop or 0]} in range({name}.shape[{i}]):")
        start = first_of(reduction, dtype_of(line))
        yield indented(len(loops), f"{self.target(node)} = {start}")


def indented(level: int, text: str) -> str:
    return "    " * level + text


def converted(text: str, have: Any, want: Any) -> str:
    if have == want:
        return text
    return f"({text} != 0)" if want == np.bool else f"np.{want.name}({text})"


def first_of(reduction: Reduction, dtype: Any) -> str:
    """The first value of a reduction."""
    if reduction.ufunc is np.add:
        return literal(0, dtype)
    if reduction.ufunc is np.multiply:
        return literal(1, dtype)
    lowest = reduction.ufunc is np.maximum
    if dtype in FLOATS:
        return literal(-np.inf if lowest else np.inf, dtype)
    limits = np.iinfo(dtype)
    return literal(limits.min if lowest else limits.max, dtype)


def taken_in(reduction: Reduction, total: str, x: str, dtype: Any, several: bool) -> str:
    """A line that takes in one more element; `several`: the compiler may add several at once."""
    if reduction.ufunc is np.add:
        return f"{total} = add({total}, {x})" if several and dtype in FLOATS else f"{total} += {x}"
    if reduction.ufunc is np.multiply:
        return f"{total} *= {x}"
    return f"{total} = np.{reduction.ufunc.__name__}({total}, {x})"
