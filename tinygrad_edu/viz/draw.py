"""A picture of a graph and of its backward pass, in the DOT language of Graphviz."""

import os
import re
import textwrap
from dataclasses import dataclass
from html import escape
from math import prod
from pathlib import Path
from typing import Any, Literal

from tinygrad_edu.graph import Node
from tinygrad_edu.viz.data import Graph, GraphEdge, GraphNode
from tinygrad_edu.viz.describe import describe
from tinygrad_edu.viz.numbers import number

FONT = "DejaVu Sans,Verdana,sans-serif"  # of equal widths, so that text fits in every browser
INK = "#222222"
PALE = "#666666"
ACCENT = "#B84300"  # all that is backward

# Each role has an outline of its own: a picture can be read without its colours.
OUTLINES = {
    "input": {"style": "filled", "fillcolor": "#E3EFF9"},
    "parameter": {"style": "filled", "fillcolor": "#FFF1C9", "penwidth": "3"},
    "constant": {"style": "filled", "fillcolor": "#EEEEEE", "color": "none"},
    "intermediate": {"style": "filled,rounded", "fillcolor": "white"},
    "root": {"style": "filled,rounded", "fillcolor": "#DDF2E9", "peripheries": "2"},
}
SUFFIXES = (".svg", ".png", ".pdf", ".dot")


def draw(
    root: Node,
    *,
    grad: Any = None,
    max_nodes: int = 400,
    rankdir: Literal["LR", "TB", "RL", "BT"] = "LR",
) -> "Drawing":
    """The graph behind root: solid edges go forward, dashed edges carry the gradients back.

    root       a Value or a Tensor; without requires_grad, only the forward pass is drawn
    grad       where the backward pass starts, of the shape of root; 1 for a scalar
    max_nodes  the largest graph to draw
    rankdir    the way forward: "LR" for left to right, "TB" for top to bottom, ...

    A dashed edge shows what the rule returns for that operand and the number that it comes to, for
    an array its norm. No `.grad` is changed.
    Raises ValueError for a larger graph, and what `root.backward(grad)` raises.
    """
    return Drawing(dot_source(describe(root, grad=grad, max_nodes=max_nodes), rankdir))


@dataclass(frozen=True)
class Drawing:
    """A picture, as DOT text in `source`; a notebook shows it.

    All but the text needs Graphviz: RuntimeError says how to get it.
    """

    source: str

    def svg(self) -> str:
        """The picture as SVG, for a web page."""
        return render(self.source, "svg").decode()

    def _repr_svg_(self) -> str:
        return self.svg()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture in the format that the suffix names: .svg, .png, .pdf or .dot.

        Raises ValueError for another suffix, FileNotFoundError for a folder that is not there.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"{path.name!r} has none of the suffixes {', '.join(SUFFIXES)}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(path.parent)!r}: make it first")
        data = self.source.encode() if suffix == ".dot" else render(self.source, suffix[1:])
        path.write_bytes(data)


def render(source: str, format: str) -> bytes:
    """The picture, laid out by the Graphviz inside pygraphviz, else by the program `dot`."""
    if format == "png":
        source = source.replace("{", "{\n\tdpi=160", 1)  # sharp on a slide
    try:
        import pygraphviz
    except ImportError:
        return render_by_program(source, format)
    return pygraphviz.AGraph(string=source).draw(format=format, prog="dot")


def render_by_program(source: str, format: str) -> bytes:
    import graphviz

    try:
        return graphviz.Source(source).pipe(format=format)
    except graphviz.ExecutableNotFound:
        raise RuntimeError(
            'drawing needs Graphviz: pip install "tinygrad_edu[draw]", or install the program '
            '`dot` from graphviz.org; without it, .save("x.dot") still saves the DOT text'
        ) from None


def dot_source(graph: Graph, rankdir: str) -> str:
    import graphviz

    shared = {"fontname": FONT, "fontcolor": INK, "color": INK}
    dot = graphviz.Digraph(
        graph_attr={"rankdir": rankdir, "nodesep": "0.3", "ranksep": "0.5"},
        node_attr={**shared, "fontsize": "12", "shape": "box", "margin": "0.08,0.04"},
        edge_attr={**shared, "fontsize": "11", "arrowsize": "0.8"},
    )
    # In this order Graphviz tends to place the operands as they stand in the formula.
    for i in dict.fromkeys([edge.source for edge in graph.edges] + [x.id for x in graph.nodes]):
        dot.node(str(i), node_label(graph.nodes[i]), **OUTLINES[graph.nodes[i].role])
    backward = {"dir": "back", "weight": "2", "style": "dashed"}
    for edge in graph.edges:
        ends = str(edge.source), str(edge.target)
        dot.edge(*ends)
        if edge.contribution is not None:
            label = flow_label(edge, is_norm=prod(graph.nodes[edge.source].shape) != 1)
            # A second edge in the same direction, pointed at its tail, gets a lane of its own.
            dot.edge(*ends, label, color=ACCENT, fontcolor=ACCENT, **backward)
    return dot.source


# Labels are in Graphviz's subset of HTML, in which an empty element is an error.


def node_label(node: GraphNode) -> str:
    value = text(node.value)
    rows = [f'<TD COLSPAN="2">{heading(node)}</TD>']
    if node.shape:
        rows.append(row("shape", [f"{node.shape} {node.dtype}"], INK))
    rows.append(row("data", value.split(", ") if node.shape else [value], INK))
    if node.gradient is not None:
        rows.append(row("grad", [text(node.gradient)], ACCENT))
    return table(rows, padding=1)


def heading(node: GraphNode) -> str:
    name = f"<B>{escaped(node.name)}</B>" if node.name else ""
    operation = escaped(node.operation + (f"({node.options})" if node.options else ""))
    if operation:
        return f"{name} = {operation}" if name else operation
    role = f'<FONT COLOR="{PALE}" POINT-SIZE="10">{node.role}</FONT>'
    return f"{name} {role}" if name else role


def row(title: str, lines: list[str], color: str) -> str:
    content = "<BR/>".join(f"&#160; {escaped(line)}" for line in lines)
    return (
        f'<TD ALIGN="LEFT" VALIGN="TOP"><FONT COLOR="{color}">{title}</FONT></TD>'
        f'<TD ALIGN="RIGHT" BALIGN="RIGHT"><FONT COLOR="{color}">{content}</FONT></TD>'
    )


def flow_label(edge: GraphEdge, is_norm: bool) -> str:
    size = number(edge.contribution or 0)
    lines = textwrap.wrap(edge.formula or "?", 30, break_long_words=False, break_on_hyphens=False)
    if is_norm:
        lines.append(f"norm {size}")
    else:
        lines[-1] += f" = {size}"
    return table([f"<TD>{'<BR/>'.join(map(escaped, lines))}</TD>"], padding=3)


def table(rows: list[str], padding: int) -> str:
    inside = "".join(f"<TR>{row}</TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="{padding}">{inside}</TABLE>>'


def text(x: float | str) -> str:
    return x if isinstance(x, str) else number(x)


def escaped(x: str) -> str:
    """Text that shows exactly x; of what has no picture, such as a newline, its escape."""
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in x)
    # Graphviz replaces \N by an id, \\ by one \, and more: keep each backslash apart.
    return re.sub(r"\\(?=[GNETHL\\])", r"<FONT>\\</FONT>", escape(printable))
