"""What are the steps of a plan? Nests of loops, products, arrays made of blocks, single lines.

An `Access` says which element of an array the loops i, j, ... of a nest read. So a transpose or a
broadcast is no array of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops.lowerings import FLAT, Elementwise, Reduction, function_of
from tinygrad_edu.compiler.loops.views import Index
from tinygrad_edu.tracing import Line

MOST_ARRAYS = 10  # in one loop: compiled code checks whether any two of them overlap
SHORT = 32  # a shorter row is not worth a loop of its own for exp


@dataclass(frozen=True)
class Access:
    """An element of `base`: for each of its axes (number of the loop or None, start, step)."""

    base: Line
    index: Index

    def loops(self) -> list[int]:
        return [loop for loop, _, _ in self.index if loop is not None]


@dataclass(eq=False)
class Node:
    """A line inside loops.

    what   what it does
    space  how often each loop runs
    reads  its operands: an access, or a number
    axes   for each axis of the result, the loop that goes along it, or None
    """

    line: Line
    what: Elementwise | Reduction
    space: tuple[int, ...]
    reads: list[Any]
    axes: list[int | None]

    @property
    def reduces(self) -> bool:
        return isinstance(self.what, Reduction)

    @property
    def kept(self) -> list[int]:
        return [i for i in self.axes if i is not None]

    @property
    def ends_with_row(self) -> bool:
        """Whether it is a reduction to one number for each run of the innermost loop."""
        return self.reduces and self.kept == list(range(len(self.space) - 1))


@dataclass(eq=False)
class Product:
    """out := a @ b; or, with `onto`, the update onto := onto - rate * (a @ b)."""

    line: Line
    a: Access
    b: Access
    rate: Any = None
    onto: Line | None = None


@dataclass(eq=False)
class Block:
    """A value that is written, or added, to one part of an array.

    index  for each axis of the array, (axis of the value or None, start, step)
    value  an access, along the axes of the value, or a number
    """

    index: Index
    value: Any
    shape: tuple[int, ...]
    adds: bool


@dataclass(eq=False)
class Patch:
    """An array into which blocks are written.

    whole  what it contains before: an access or a number to copy; None if an earlier patch did this
    """

    line: Line
    whole: Any
    blocks: list[Block]


@dataclass(eq=False)
class Single:
    """A guard, or a reshape, between the loops."""

    line: Line


@dataclass(eq=False)
class Stretch:
    """A part of a nest: the nodes in one innermost loop, or just before or after such a loop.

    inner  whether they are in a loop
    """

    inner: bool
    nodes: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Nest:
    """Loops inside each other. There may be several innermost loops, one after the other.

    where  where[line]: the number of its stretch, and its node
    again  lines that a later stretch reads as well
    """

    space: tuple[int, ...]
    stretches: list[Stretch] = field(default_factory=list)
    where: dict[Line, tuple[int, Node]] = field(default_factory=dict)
    again: set[Line] = field(default_factory=set)

    def nodes(self) -> Iterator[Node]:
        for stretch in self.stretches:
            yield from stretch.nodes

    def join(self, node: Node, reads: list[Access], given: set[Line]) -> bool:
        """Add the node if it can be computed here. Returns whether it was added.

        reads  all elements that the node reads
        given  the arrays that exist before all loops
        """
        depth = len(self.space)
        inner = node.space == self.space
        if not inner and not (depth and node.space == self.space[:-1]):
            return False
        mine = [x for x in reads if x.base in self.where]
        if not inner and ((node.kept and node.ends_with_row) or not mine):
            return False
        if not inner and function_of(node.line) in FLAT and self.space[-1] < SHORT:
            return False  # with many short rows, a separate loop over the rows is faster
        first = 0
        for x in mine:
            number = self.from_stretch(x, inner)
            if number is None:
                return False
            first = max(first, number)
        if not (mine or not self.stretches or self.is_related(reads, given)):
            return False
        if not self.has_room(node, inner):
            return False
        number = first
        while number < len(self.stretches) and self.stretches[number].inner != inner:
            number += 1
        if number >= len(self.stretches):
            number = len(self.stretches)
            self.stretches.append(Stretch(inner))
        for x in mine:
            earlier, other = self.where[x.base]
            if earlier < number and self.stretches[earlier].inner and not other.reduces:
                self.again.add(x.base)
        self.stretches[number].nodes.append(node)
        self.where[node.line] = number, node
        return True

    def from_stretch(self, x: Access, inner: bool) -> int | None:
        """The first stretch that can read an element computed in this nest; None if none can."""
        depth = len(self.space)
        number, other = self.where[x.base]
        by_row = not self.stretches[number].inner
        if other.reduces:
            fine = not by_row and other.ends_with_row and is_at_hand(x, other, depth - 1)
            return number + 1 if fine else None
        if by_row:
            return number if is_at_hand(x, other, depth - 1) else None
        return number if inner and is_at_hand(x, other, depth) else None

    def is_related(self, reads: list[Access], given: set[Line]) -> bool:
        """Whether `reads` has only given arrays, or one that the nest already reads."""
        if all(x.base in given for x in reads):
            return True
        arrays = {x.base for x in reads if np.ndim(x.base.data)}
        return any(
            isinstance(y, Access) and y.base in arrays
            for other in self.nodes()
            for y in other.reads
        )

    def has_room(self, node: Node, inner: bool) -> bool:
        """Whether the loop stays fast with this node: few arrays, nothing that slows down exp."""
        if not self.stretches:
            return True
        nodes = [*self.nodes(), node]
        accesses = [(y, x) for y in nodes for x in y.reads if isinstance(x, Access)]
        arrays = {x.base for _, x in accesses if x.base not in self.where and np.ndim(x.base.data)}
        if len(arrays) > MOST_ARRAYS:
            return False
        flat = any(function_of(y.line) in FLAT and y.space == self.space for y in nodes)
        if not flat or not self.space:
            return True
        # To compute exp of several numbers at once, a loop may not sum up its row. It needs long
        # rows, or whole arrays without any sum, for then one loop runs over all elements.
        if not inner or any(y.reduces and y.ends_with_row for y in nodes):
            return False
        if len(self.space) == 1 or self.space[-1] >= SHORT:
            return True
        whole = all(len(x.loops()) in (0, len(self.space)) for _, x in accesses)
        return whole and not any(y.reduces for y in nodes)


def is_at_hand(x: Access, other: Node, depth: int) -> bool:
    """Whether x is the number that the other node computes in the same round of the loops."""
    for axis, (loop, start, _) in enumerate(x.index):
        if start or loop != other.axes[axis]:
            return False
    return all(loop < depth for loop in x.loops())
