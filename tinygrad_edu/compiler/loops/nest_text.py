"""How is one nest of loops written? A number in a loop is named after its line and the loops
around it: h2_ij.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops.element_text import LETTERS, ElementText, literal
from tinygrad_edu.compiler.loops.lowerings import FLOATS, Elementwise, Reduction, dtype_of
from tinygrad_edu.compiler.loops.nests import Access, Nest, Node, Stretch
from tinygrad_edu.compiler.loops.views import along
from tinygrad_edu.tracing import Line

UNROLLED = 2  # an innermost loop as short as that is better written out
FLOAT64 = np.dtype(np.float64)


@dataclass
class Inside:
    """What stands before a loop, in it, and after it."""

    before: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


class NestText:
    """Writes one nest.

    flat    whether one loop over all elements is enough
    local   the names of what is a number at this moment
    suffix  of the names of numbers: the letters of the loops around them
    """

    def __init__(self, nest: Nest, elements: ElementText) -> None:
        self.nest, self.elements = nest, elements
        self.plan = elements.plan
        self.depth = len(nest.space)
        self.flat = self.depth > 1 and self.can_be_flat()
        self.loops = 1 if self.flat else self.depth
        self.whole = Inside()
        self.local: dict[Line, str] = {}
        self.again: dict[Access, str] = {}
        self.flats: dict[str, str] = {}
        self.suffix = ""
        bases = (base for node in nest.nodes() for base in self.plan.bases(node))
        self.used_here = set(bases) & set(nest.where)

    def lines(self) -> Iterator[str]:
        for node in self.nest.nodes():
            if node.reduces and node.kept and not self.ends_with_row(node):
                self.whole.before += self.filled(node)
        body: list[tuple[int, str]] = []  # (how far to indent, text)
        for number, stretch in enumerate(self.nest.stretches):
            body += self.stretch(stretch, number)
        yield from (f"{name} = {array}.reshape({array}.size)" for array, name in self.flats.items())
        yield from self.whole.before
        for loop in range(self.loops - 1):
            yield indented(loop, self.head(loop))
        yield from (indented(level, text) for level, text in body)
        yield from self.whole.after

    def stretch(self, stretch: Stretch, number: int) -> Iterator[tuple[int, str]]:
        """The innermost loop, or what stands just outside of it."""
        inner = stretch.inner and self.depth > 0
        if inner and number:
            for line in self.nest.again:
                self.local.pop(line, None)  # that was the last number of the loop before
        self.again = {}
        level = self.loops if stretch.inner else max(self.loops - 1, 0)
        self.suffix = "_" + LETTERS[:level] if level else ""
        inside = Inside()
        for node in stretch.nodes:
            if node.reduces:
                self.reduce(node, inside)
            else:
                self.map(node, inside.lines)
        outside = max(self.loops - 1, 0)
        yield from ((outside, text) for text in inside.before)
        if inner:
            yield outside, self.head(self.loops - 1)
        yield from ((level, text) for text in inside.lines)
        yield from ((outside, text) for text in inside.after)

    def head(self, loop: int) -> str:
        return f"for {LETTERS[loop]} in range({self.bound(loop)}):"

    # One loop in the place of several

    def can_be_flat(self) -> bool:
        """Whether all arrays are whole, in order, and looked at element by element."""
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
        """How often a loop runs: read from an array, since a number would be unrolled."""
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
        """The name of what is cheap, computed here."""
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

    def ends_with_row(self, node: Node) -> bool:
        """Whether the total is a number that is there after each innermost loop."""
        return node.ends_with_row and not self.flat

    def reduce(self, node: Node, inside: Inside) -> None:
        """A reduction: into an array, at each step; or into a number, before and after a loop."""
        line, reduction, out = node.line, node.what, dtype_of(node.line)
        assert isinstance(reduction, Reduction)
        if node.kept and not node.ends_with_row:
            x = self.operand(node.reads[0], out, inside.lines)
            inside.lines.append(taken_in(reduction, self.target(node), x, out, False))
            return
        # A sum of many float32 is kept in float64: NumPy adds in pairs, which is as exact.
        wide = FLOAT64 if out == np.float32 and reduction.ufunc is np.add else out
        x = self.operand(node.reads[0], wide, inside.lines)
        by_row = self.ends_with_row(node) and node.space == self.nest.space and self.depth > 0
        level = self.suffix[:-1] if by_row and len(self.suffix) > 2 else ""
        stored = line in self.plan.stored
        name = self.elements.names[line] + (level or "_0" * stored)
        total = name if wide == out else f"{name}_sum"
        inside.lines.append(taken_in(reduction, total, x, wide, True))
        where = inside if by_row else self.whole
        where.before.append(f"{total} = {first_of(reduction, wide)}")
        if total != name:
            where.after.append(f"{name} = np.{out.name}({total})")
        self.local[line] = name
        if stored:
            where.after.append(f"{self.target(node)} = {name}")
        elif not level:
            self.elements.defined.add(line)

    def filled(self, node: Node) -> Iterator[str]:
        """The array that a reduction begins with."""
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
    """What a reduction begins with."""
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
    """One element more; a sum in one number may be taken several at once."""
    if reduction.ufunc is np.add:
        return f"{total} = add({total}, {x})" if several and dtype in FLOATS else f"{total} += {x}"
    if reduction.ufunc is np.multiply:
        return f"{total} *= {x}"
    return f"{total} = np.{reduction.ufunc.__name__}({total}, {x})"
