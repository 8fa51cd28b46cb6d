"""A picture of a graph and of its backward pass, in the DOT language of Graphviz."""

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log10, sqrt
from pathlib import Path
from typing import Any, Literal, get_args
from xml.etree.ElementTree import Element

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.formula import Numeral, expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notation.styles import PRETTY
from tinygrad_edu.viz.drawing.labels import (
    bold,
    colored,
    escaped,
    html_rows,
    plain_text,
    quoted,
    row,
    stacked,
    swatch,
    tooltip,
    wrapped,
)
from tinygrad_edu.viz.drawing.order import LARGE, REACH, Tracks, boxes, hurry, ranks
from tinygrad_edu.viz.drawing.rendering import file_of, part_of_a_page, render, titled
from tinygrad_edu.viz.drawing.themes import THEMES, Scale, Theme, ink_on, scale_around
from tinygrad_edu.viz.graph.data import Graph, GraphEdge, GraphNode
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.words.chain import chain_rule, in_numbers
from tinygrad_edu.viz.words.names import names_of, shortened

Rankdir = Literal["LR", "TB", "RL", "BT"]
DrawStyle = Literal["both", "forward", "backward"]
ThemeName = Literal["light", "dark", "print"]

FONT = "DejaVu Sans,Verdana,sans-serif"  # equally wide fonts: text fits in every browser
SUFFIXES = (".svg", ".png", ".pdf", ".dot")
ACROSS = 7  # ranks from left to right, at most; a longer graph goes from top to bottom
KEY = "dashed: the gradient that flows back, by the chain rule"
BAR = "colour of a node, width of a dashed edge: root mean square (rms) of the gradient"
WIDTHS = 0.6, 5.0  # of the lines of the smallest and of the largest gradient

# Each role has an outline of its own: a picture can be read without its colours.
OUTLINES = {
    "input": {"shape": "note", "style": "filled"},
    "parameter": {"style": "filled", "penwidth": "3"},
    "constant": {"style": "filled,dotted"},
    "intermediate": {"style": "filled,rounded"},
    "module": {"shape": "folder", "style": "filled"},
    "root": {"style": "filled,rounded", "peripheries": "2"},
}


# The gradient is a second edge in the same direction, with its arrow at the tail: this gives it a
# lane of its own.
BACK = {"dir": "back", "weight": "2", "style": "dashed"}


def draw(
    root: Node,
    *,
    grad: Any = None,
    max_nodes: int | None = 400,
    rankdir: Rankdir | None = None,
    record: Record | None = None,
    depth: int | None = None,
    style: DrawStyle = "both",
    theme: ThemeName = "light",
    color_by_gradient: bool | tuple[float, float] = False,
) -> "Drawing":
    """The graph behind root: solid edges go forward, dashed edges carry the gradients back.

    root       a Value or a Tensor; without requires_grad, only the forward pass is drawn.
               After `backward(create_graph=True)`, `draw(x.grad)` is the graph of that pass
    grad       where the backward pass starts, of the shape of root; 1 for a scalar
    max_nodes  the largest graph to draw, after folding; None for any
    rankdir    the direction of the forward pass: "LR" for left to right, "TB" for top to bottom,
               ...; by default "LR", or "TB" for a graph of more than seven ranks
    record     what `viz.record(model)` noted: each module is drawn as a box around its nodes
    depth      fold every module that lies this deep in the model into one node: 1 for its layers
    style      "forward" for values only, "backward" for gradients and the nodes that get one
    theme      "light", "dark", or "print" for black on white
    color_by_gradient
               fill each node by the root mean square of its gradient, norm / sqrt(size), which
               compares layers of different widths; a wider dashed edge has a larger gradient.
               The scale is logarithmic and goes from the smallest to the largest gradient of
               this graph. A pair such as (1e-8, 1e4) sets the scale, to compare several pictures

    A dashed edge is labelled with the derivative rule for that operand: in the names of the graph,
    in its numbers, and the result, which is a norm for an array. In a browser, the source of the
    rule appears under the pointer. No `.grad` is changed.
    Raises ValueError for a larger graph, an unknown choice, an invalid scale, style="backward" if
    no gradient flows, and what `root.backward(grad)` raises.
    """
    if rankdir is not None:
        refuse_unknown("rankdir", rankdir, get_args(Rankdir))
    refuse_unknown("style", style, get_args(DrawStyle))
    refuse_unknown("theme", theme, get_args(ThemeName))
    graph = describe(root, grad=grad, max_nodes=max_nodes, record=record, depth=depth)
    if style == "backward" and not graph.order:
        raise ValueError(
            "style='backward' draws gradients, and this graph tracks none: give an input "
            "requires_grad=True, or draw style='forward'"
        )
    scale = scale_for(graph, color_by_gradient)
    source = Picture(graph, style, THEMES[theme], scale).source(rankdir or direction(graph))
    return Drawing(source, in_words(graph, style))


def direction(graph: Graph) -> Rankdir:
    """From left to right, unless that is wider than a page."""
    return "LR" if max(ranks(graph).values()) < ACROSS else "TB"


def scale_for(graph: Graph, color_by_gradient: bool | tuple[float, float]) -> Scale | None:
    """The scale of the colours of gradients; None for a picture that colours nodes by role."""
    if isinstance(color_by_gradient, bool):
        return scale_around(map(rms, graph.nodes)) if color_by_gradient else None
    match color_by_gradient:
        case [int() | float() as low, int() | float() as high] if 0 < low < high < float("inf"):
            scale = Scale(log10(low), log10(high))
            if scale.low < scale.high:
                return scale
    raise ValueError(
        f"color_by_gradient={color_by_gradient!r} is not a scale: give the smallest and the "
        "largest gradient, such as (1e-8, 1e4), or True for those of the graph"
    )


def in_words(graph: Graph, style: DrawStyle) -> str:
    """What the picture shows, for readers who cannot see it."""
    result = expression(names_of(graph)[graph.root]).text
    parts = [f"A graph of {len(graph.nodes)} nodes, which ends in {shortened(result)}."]
    if style != "backward":
        parts.append("Solid edges go forward.")
    if style != "forward" and graph.order:
        parts.append("Dashed edges carry the gradients back.")
    return " ".join(parts)


def refuse_unknown(argument: str, given: str, choices: Sequence[str]) -> None:
    if given not in choices:
        known = ", ".join(map(repr, choices))
        raise ValueError(f"{argument} must be one of {known}, not {given!r}")


@dataclass(frozen=True)
class Drawing:
    """A picture, as DOT text in `source`; a notebook shows it.

    source       the DOT text
    description  what the picture shows, in words: its alternative text

    Everything except the text needs Graphviz. Without it, a RuntimeError says how to install it.
    """

    source: str
    description: str = "A graph."

    def svg(self) -> str:
        """The picture as SVG for a web page: no wider than the page until a click."""
        return part_of_a_page(self.picture())

    def picture(self) -> Element:
        """The picture as an SVG element, with readable titles and a description."""
        return titled(render(self.source, "svg"), self.description)

    def _repr_svg_(self) -> str:
        return self.svg()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture in the format that the suffix names: .svg, .png, .pdf or .dot.

        Raises ValueError for another suffix, FileNotFoundError if the folder does not exist.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(
                f"{path.name!r} has no suffix of a picture: use one of {', '.join(SUFFIXES)}"
            )
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(path.parent)!r}: create it first")
        match suffix:
            case ".dot":
                data = self.source.encode()
            case ".svg":
                data = file_of(self.picture())
            case _:
                data = render(self.source, suffix[1:])
        path.write_bytes(data)


class Picture:
    """Writes a graph as DOT text. Labels are in Graphviz's subset of HTML."""

    def __init__(self, graph: Graph, style: str, theme: Theme, scale: Scale | None) -> None:
        self.graph = graph
        self.style = style
        self.theme = theme
        self.scale = scale
        self.tracks = Tracks(graph)
        self.edges_inside = self.tracks.inside_boxes()
        self.names = names_of(graph)
        self.boxes = boxes(graph)

    def source(self, rankdir: str) -> str:
        import graphviz

        theme = self.theme
        shared = {"fontname": FONT, "fontcolor": theme.ink, "color": theme.ink}
        dot = graphviz.Digraph(
            graph_attr={
                "rankdir": rankdir,
                "nodesep": "0.3",
                "ranksep": "0.4" if rankdir in ("LR", "RL") else "0.2",
                "bgcolor": theme.paper,
                "fontname": FONT,
                "fontcolor": theme.pale,
                "fontsize": "11",
                **hurry(self.graph),
            },
            node_attr={**shared, "fontsize": "12", "shape": "box", "margin": "0.08,0.04"},
            edge_attr={**shared, "fontsize": "11", "arrowsize": "0.8"},
        )
        self.add_box(dot, None)
        self.add_tracks(dot)
        if keys := self.keys():
            dot.attr(label=html_rows(keys, padding=2), labelloc="b", labeljust="l")
        return dot.source

    def add_box(self, dot: Any, path: str | None) -> None:
        """The nodes of a module, the modules in it, each in a box of its own, and the edges."""
        for i in self.boxes[path]:
            node = self.graph.nodes[i]
            if self.style != "backward" or node.gradient is not None:
                dot.node(str(i), self.label(node), **self.look(node))
        for k, group in enumerate(self.graph.groups):
            if group.parent == path:
                with dot.subgraph(name=f"cluster_{k}") as box:
                    title = f"<{bold(group.path)} {escaped(shortened(group.kind))}>"
                    box.attr(label=title, labelloc="t", labeljust="l", margin="18")
                    box.attr(
                        style="rounded,filled", fillcolor=self.theme.box, color=self.theme.pale
                    )
                    box.attr(tooltip=quoted(shortened(f"{group.path} {group.kind}".strip())))
                    self.add_box(box, group.path)
        for k in self.edges_inside[path]:
            self.add_edge(dot, k)

    def add_edge(self, dot: Any, k: int) -> None:
        edge = self.graph.edges[k]
        ends = self.tracks.start(k), str(edge.target)
        length = {"minlen": "2"} if self.tracks.length(edge) == 2 else {}
        if self.style != "backward":
            dot.edge(*ends, **length)
        if self.flows_back(edge):
            rule = quoted(self.graph.nodes[edge.target].rule)
            dot.edge(*ends, self.flow(edge), labeltooltip=rule, **self.backward(edge), **length)

    def add_tracks(self, dot: Any) -> None:
        """The lines that several distant uses of a node share."""
        edges = self.graph.edges
        pieces = {piece: k for k in range(len(edges)) for piece in self.tracks.pieces(k)}
        back = {x for k, e in enumerate(edges) if self.flows_back(e) for x in self.tracks.pieces(k)}
        for (start, end), k in pieces.items():
            if self.style == "backward" and (start, end) not in back:
                continue
            from_node = start == str(edges[k].source)
            dot.node(end, shape="point", width="0", height="0", style="invis")
            if self.style != "backward":
                dot.edge(start, end, arrowhead="none", minlen=str(REACH))
            if (start, end) in back:
                look = BACK | {"color": self.theme.back, "minlen": str(REACH)}
                dot.edge(start, end, **look | ({} if from_node else {"arrowtail": "none"}))

    def flows_back(self, edge: GraphEdge) -> bool:
        return self.style != "forward" and edge.contribution is not None

    def backward(self, edge: GraphEdge) -> dict[str, str]:
        color = self.theme.back
        look = BACK | {"color": color, "fontcolor": color}
        if self.scale is not None and isfinite(size := self.rms_of_flow(edge)):
            thin, thick = WIDTHS
            look["penwidth"] = f"{thin + self.scale.place(size) * (thick - thin):.1f}"
        return look

    def rms_of_flow(self, edge: GraphEdge) -> float:
        return abs(edge.contribution or 0.0) / sqrt(edge.size or 1)

    def look(self, node: GraphNode) -> dict[str, str]:
        look = OUTLINES[node.role] | {"tooltip": tooltip(node)}
        if node.is_plain_number:
            return look | {
                "shape": "plaintext",
                "style": "",
                "margin": "0.05",
                "width": "0",
                "height": "0",
            }
        fill = self.fill(node)
        if self.is_colored(node):
            look["fontcolor"] = ink_on(fill)
            if node.norm == 0:
                look["style"] += ",dashed"
        return look | {"fillcolor": fill}

    def is_colored(self, node: GraphNode) -> bool:
        return self.scale is not None and node.norm is not None

    def fill(self, node: GraphNode) -> str:
        if self.scale is None:
            return self.theme.fills.get(node.role, self.theme.paper)
        if not node.norm:
            return self.theme.paper
        if not isfinite(node.norm):
            return self.theme.not_finite
        return self.theme.shade(self.scale.place(rms(node)))

    # What stands in a node

    def label(self, node: GraphNode) -> str:
        if node.is_plain_number:
            return f"<{escaped(plain_text(node.value))}>"
        plain = self.is_colored(node)  # on a dark fill, all text has the colour that can be read
        rows = [f'<TD COLSPAN="2">{self.heading(node, plain)}</TD>']
        if node.shape:
            rows.append(row("shape", [f"{node.shape} {node.dtype}"]))
        if self.style != "backward":
            value = plain_text(node.value)
            title = "holds" if node.role == "module" else "data"
            rows.append(row(title, value.split(", ") if node.shape else [value]))
        if self.style != "forward" and node.gradient is not None:
            back = None if plain else self.theme.back
            rows.append(row("grad", [plain_text(node.gradient)], back))
            if plain and node.norm and node.size != 1:
                rows.append(row("", [f"rms {number(rms(node))}"], back))
        return html_rows(rows, padding=1)

    def heading(self, node: GraphNode, plain: bool) -> str:
        name = bold(PRETTY.name(self.names[node.id].name))
        operation = escaped(shortened(node.operation))
        if node.options:
            wrapped = textwrap.wrap(shortened(node.options), 24) or [""]
            operation += f"({'<BR/>'.join(map(escaped, wrapped))})"
        if operation:
            return f"{name} = {operation}"
        role = f'<FONT POINT-SIZE="11">{node.role}</FONT>'
        return f"{name} {role if plain else colored(role, self.theme.pale)}"

    # What stands at a dashed edge

    def flow(self, edge: GraphEdge) -> str:
        """The contribution: ∂L/∂z₁ · w = 6.6 · 2 = 13.2, or a norm; shorter in a large graph."""
        size = edge.contribution or 0.0
        is_number = edge.size == 1
        amount = expression(Numeral(size)).pretty if is_number else f"norm {number(size)}"
        if edge.count > 1:
            return self.flow_label([f"{edge.count} values", f"norm {number(size)}"])
        if self.graph.nodes[edge.target].role == "module":  # its rules are folded up
            return self.flow_label([amount])
        symbols, numbers = chain_rule(self.graph, edge, self.names)
        sides = [expression(symbols).pretty]
        if numbers is not None and len(self.graph.edges) < LARGE:
            sides.append(expression(in_numbers(numbers, size)).pretty)
        if not is_number:
            return self.flow_label([*wrapped(sides[0]), amount])
        sides = list(dict.fromkeys([*sides, amount]))
        return self.flow_label(wrapped(" = ".join(sides)) if len(sides) < 3 else stacked(sides))

    def flow_label(self, lines: Sequence[str]) -> str:
        return html_rows([f"<TD>{'<BR/>'.join(map(escaped, lines))}</TD>"], padding=5)

    # What stands below the picture

    def keys(self) -> list[str]:
        keys = []
        if self.style != "forward" and any(
            edge.formula and edge.contribution is not None for edge in self.graph.edges
        ):
            keys.append(f'<TD ALIGN="LEFT" BALIGN="LEFT">{KEY}</TD>')
        if self.scale is not None:
            keys += [
                f'<TD ALIGN="LEFT">{BAR}:</TD>',
                f'<TD ALIGN="LEFT">{self.bar(self.scale)}</TD>',
            ]
        return keys

    def bar(self, scale: Scale) -> str:
        """The colours of gradients and their sizes, as a row of cells."""
        theme = self.theme
        sizes = [rms(node) for node in self.graph.nodes if node.norm is not None]
        cells = []
        if 0 in sizes:
            cells.append('<TD STYLE="dashed">0</TD>')
        marks = scale.marks(len(theme.ramp))
        marks[0] = "\u2264 " * any(0 < x < 10**scale.low for x in sizes) + marks[0]
        marks[-1] = "\u2265 " * any(x > 10**scale.high for x in sizes) + marks[-1]
        for n, mark in enumerate(marks):
            cells.append(swatch(theme.shade(n / (len(marks) - 1)), mark))
        if not all(map(isfinite, sizes)):
            cells.append(swatch(theme.not_finite, "nan, inf"))
        inside = "".join(cells)
        return (
            '<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="4">'
            f"<TR>{inside}</TR></TABLE>"
        )


def rms(node: GraphNode) -> float:
    """The root mean square of the gradient's elements: norm / sqrt(size)."""
    return (node.norm or 0.0) / sqrt(node.size or 1)
