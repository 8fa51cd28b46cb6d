"""A graph as an indented tree, for a terminal."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any
from unicodedata import combining, east_asian_width

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.viz.graph.data import Graph, GraphNode
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.words.names import names_of, shortened

HEADS = ("", "shape", "value", "gradient", "module")
TO_ASCII = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "…": "~"})


def text(
    root: Node,
    *,
    grad: Any = None,
    max_nodes: int | None = 400,
    record: Record | None = None,
    depth: int | None = None,
    ascii: bool = False,
) -> str:
    """The graph behind root as a tree: the result first, the operands of each node below it.

    root       a Value or a Tensor
    grad       where the backward pass starts, of the shape of root; 1 for a scalar
    max_nodes  the largest graph to write, after folding; None for any
    record     what `viz.record(model)` noted: a column names the module of each node
    depth      fold every module that lies this deep in the model into one line
    ascii      lines of | and - instead of box-drawing characters

    A node that is used more than once is written once, marked [1], and referred to by that mark.
    Raises ValueError for a larger graph, and what `root.backward(grad)` raises.
    """
    graph = describe(root, grad=grad, max_nodes=max_nodes, record=record, depth=depth)
    rows = [HEADS, *lines_of(graph)]
    # A column that no row fills is left out, and the last one needs no spaces after it.
    filled = [column for column in zip_longest(*rows, fillvalue="") if any(column[1:])]
    padded = zip(*map(aligned, filled), strict=True)
    lines = "\n".join("  ".join(cells).rstrip() for cells in padded)
    return lines.translate(TO_ASCII) if ascii else lines


def lines_of(graph: Graph) -> Iterator[tuple[str, ...]]:
    """The cells of each line, depth first. An explicit stack, because graphs may be deep."""
    names = names_of(graph)
    operands = defaultdict(list)
    for edge in graph.edges:
        operands[edge.target].append(edge.source)
    uses = Counter(edge.source for edge in graph.edges)
    marks: dict[int, str] = {}
    stack = [(graph.root, "", "")]
    while stack:
        i, branch, below = stack.pop()
        node = graph.nodes[i]
        if i in marks:
            yield (f"{branch}{title(node, names[i])}, see {marks[i]}",)
            continue
        mark = ""
        if uses[i] > 1:
            marks[i] = f"[{len(marks) + 1}]"
            mark = f" {marks[i]}"
        yield f"{branch}{title(node, names[i])}{mark}", *columns(node)
        ends = [("├─ ", "│  ")] * (len(operands[i]) - 1) + [("└─ ", "   ")]
        pairs = zip(operands[i], ends, strict=False)
        stack += reversed([(x, below + end, below + line) for x, (end, line) in pairs])


def title(node: GraphNode, name: Any) -> str:
    """What a node is called, and what made it: `z1 = mean`, `w (parameter)`, `2`."""
    if node.is_plain_number:
        return short(node.value)
    if not node.operation:
        return f"{name.name} ({node.role})"
    options = f"({shortened(node.options)})" if node.options else ""
    return f"{name.name} = {shortened(node.operation)}{options}"


def columns(node: GraphNode) -> tuple[str, ...]:
    if node.is_plain_number:
        return ()
    shape = str(node.shape) if node.shape else ""
    gradient = "" if node.gradient is None else short(node.gradient)
    return shape, short(node.value), gradient, shortened(node.module or "")


def short(x: float | str) -> str:
    return x if isinstance(x, str) else number(x)


def aligned(column: tuple[str, ...]) -> list[str]:
    widest = max(map(width, column))
    return [cell + " " * (widest - width(cell)) for cell in column]


def width(cell: str) -> int:
    """The number of columns that a cell takes in a terminal."""
    wide = sum(east_asian_width(c) in "WF" for c in cell)
    return len(cell) + wide - sum(combining(c) > 0 for c in cell)
