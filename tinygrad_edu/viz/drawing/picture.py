"""A picture of a graph and of its backward pass, in the DOT language of Graphviz."""

import os
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite, log10, prod, sqrt
from pathlib import Path
from typing import Any, Literal, get_args

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.formula import Numeral, expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notation.styles import PRETTY
from tinygrad_edu.notebook import printable
from tinygrad_edu.viz.graph.data import Graph, GraphEdge, GraphNode
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.words.chain import chain_rule, in_numbers
from tinygrad_edu.viz.words.names import names_of, shortened

Rankdir = Literal["LR", "TB", "RL", "BT"]
DrawStyle = Literal["both", "forward", "backward"]
ThemeName = Literal["light", "dark", "print"]

FONT = "DejaVu Sans,Verdana,sans-serif"  # of equal widths, so that text fits in every browser
SUFFIXES = (".svg", ".png", ".pdf", ".dot")
DECADES = range(-8, 5, 2)  # the scale of gradients, from 1e-8 to 1e4
LARGE = 150  # edges, from which on Graphviz is told to hurry, and labels are short
LINES = 4  # of a formula, at most
WIDTH = 30  # characters of a line of it
POINTED = 300  # characters of each part of a tooltip: Graphviz reads no string beyond 16,384
KEY = "dashed: the gradient that flows back, by the chain rule"

# Each role has an outline of its own: a picture can be read without its colours.
OUTLINES = {
    "input": {"shape": "note", "style": "filled"},
    "parameter": {"style": "filled", "penwidth": "3"},
    "constant": {"style": "filled,dotted"},
    "intermediate": {"style": "filled,rounded"},
    "module": {"shape": "folder", "style": "filled"},
    "root": {"style": "filled,rounded", "peripheries": "2"},
}


@dataclass(frozen=True)
class Theme:
    """The colours of a picture; `back` for all that is backward, `ramp` from small to large."""

    paper: str
    ink: str
    pale: str
    back: str
    box: str
    fills: dict[str, str]
    ramp: tuple[str, ...]  # one for each of DECADES
    not_finite: str

    def shade(self, size: float) -> str:
        """The colour of a gradient of this size, by its logarithm."""
        place = (log10(size) - DECADES[0]) / DECADES.step
        place = min(max(place, 0.0), len(self.ramp) - 1.0)
        low = min(int(place), len(self.ramp) - 2)
        return mixed(self.ramp[low], self.ramp[low + 1], place - low)


def mixed(a: str, b: str, share: float) -> str:
    """A colour this share of the way from a to b."""
    pairs = ((int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(x + (y - x) * share):02X}" for x, y in pairs)


THEMES = {
    "light": Theme(
        paper="#FFFFFF",
        ink="#222222",
        pale="#666666",
        back="#B84300",
        box="#F6F6F6",
        fills={
            "input": "#E3EFF9",
            "parameter": "#FFF1C9",
            "constant": "#EEEEEE",
            "module": "#ECE6F5",
            "root": "#DDF2E9",
        },
        ramp=("#FFFFD9", "#C7E9B4", "#7FCDBB", "#41B6C4", "#1D91C0", "#225EA8", "#0C2C84"),
        not_finite="#D55E00",
    ),
    "dark": Theme(
        paper="#15181C",
        ink="#E8E8E8",
        pale="#A6A6A6",
        back="#FFA564",
        box="#1F242A",
        fills={
            "input": "#1E3A52",
            "parameter": "#4F400F",
            "constant": "#33383E",
            "module": "#3A2F52",
            "root": "#1D4A39",
        },
        ramp=("#440154", "#443983", "#31688E", "#21918C", "#35B779", "#90D743", "#FDE725"),
        not_finite="#E0457B",
    ),
    "print": Theme(
        paper="#FFFFFF",
        ink="#000000",
        pale="#000000",
        back="#000000",
        box="#FFFFFF",
        fills={},
        ramp=("#FFFFFF", "#E8E8E8", "#D4D4D4", "#C0C0C0", "#ACACAC", "#989898", "#848484"),
        not_finite="#000000",
    ),
}


def draw(
    root: Node,
    *,
    grad: Any = None,
    max_nodes: int | None = 400,
    rankdir: Rankdir = "LR",
    record: Record | None = None,
    depth: int | None = None,
    style: DrawStyle = "both",
    theme: ThemeName = "light",
    color_by_gradient: bool = False,
) -> "Drawing":
    """The graph behind root: solid edges go forward, dashed edges carry the gradients back.

    root       a Value or a Tensor; without requires_grad, only the forward pass is drawn.
               After `backward(create_graph=True)`, `draw(x.grad)` is the graph of that pass
    grad       where the backward pass starts, of the shape of root; 1 for a scalar
    max_nodes  the largest graph to draw, after folding; None for any
    rankdir    the way forward: "LR" for left to right, "TB" for top to bottom, ...
    record     what `viz.record(model)` noted: each module is drawn as a box around its nodes
    depth      fold every module that lies this deep in the model into one node: 1 for its layers
    style      "forward" for values only, "backward" for gradients and the nodes that get one
    theme      "light", "dark", or "print" for black on white
    color_by_gradient
               fill each node by the root mean square of its gradient, norm / sqrt(size), which
               compares layers of different widths; the scale is logarithmic and always the same

    A dashed edge shows what the rule says about that operand, in the names and in the numbers of
    the graph, and what it comes to, for an array its norm; under the pointer, a browser shows the
    rule itself. No `.grad` is changed.
    Raises ValueError for a larger graph, an unknown choice, style="backward" where no gradient
    flows, and what `root.backward(grad)` raises.
    """
    refuse_unknown("rankdir", rankdir, get_args(Rankdir))
    refuse_unknown("style", style, get_args(DrawStyle))
    refuse_unknown("theme", theme, get_args(ThemeName))
    graph = describe(root, grad=grad, max_nodes=max_nodes, record=record, depth=depth)
    if style == "backward" and not graph.order:
        raise ValueError("style='backward' draws gradients, and this graph tracks none")
    return Drawing(Picture(graph, style, THEMES[theme], color_by_gradient).source(rankdir))


def refuse_unknown(argument: str, given: str, choices: Sequence[str]) -> None:
    if given not in choices:
        raise ValueError(f"{argument}={given!r} is none of {', '.join(map(repr, choices))}")


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


class Picture:
    """Writes a graph as DOT text. Labels are in Graphviz's subset of HTML."""

    def __init__(self, graph: Graph, style: str, theme: Theme, color_by_gradient: bool) -> None:
        self.graph = graph
        self.style = style
        self.theme = theme
        self.color_by_gradient = color_by_gradient
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
                "ranksep": "0.4",
                "bgcolor": theme.paper,
                "fontname": FONT,
                "fontcolor": theme.pale,
                "fontsize": "11",
                **hurry(self.graph),
            },
            node_attr={**shared, "fontsize": "12", "shape": "box", "margin": "0.08,0.04"},
            edge_attr={**shared, "fontsize": "11", "arrowsize": "0.8"},
        )
        self.add_nodes(dot, None)
        for edge in self.graph.edges:
            self.add_edge(dot, edge)
        if keys := self.keys():
            dot.attr(label=html_rows(keys, padding=2), labelloc="b", labeljust="l")
        return dot.source

    def add_nodes(self, dot: Any, path: str | None) -> None:
        """The nodes of a module, then the modules in it, each in a box of its own."""
        for i in self.boxes[path]:
            node = self.graph.nodes[i]
            if self.style != "backward" or node.gradient is not None:
                dot.node(str(i), self.label(node), **self.look(node))
        for k, group in enumerate(self.graph.groups):
            if group.parent == path:
                with dot.subgraph(name=f"cluster_{k}") as box:
                    title = f"<{bold(group.path)} {escaped(shortened(group.kind))}>"
                    box.attr(label=title, labelloc="t", labeljust="l", margin="12")
                    box.attr(
                        style="rounded,filled", fillcolor=self.theme.box, color=self.theme.pale
                    )
                    self.add_nodes(box, group.path)

    def add_edge(self, dot: Any, edge: GraphEdge) -> None:
        ends = str(edge.source), str(edge.target)
        if self.style != "backward":
            dot.edge(*ends)
        if self.style != "forward" and edge.contribution is not None:
            # A second edge in the same direction, pointed at its tail, gets a lane of its own.
            back = {"dir": "back", "weight": "2", "style": "dashed"}
            color = self.theme.back
            rule = quoted(self.graph.nodes[edge.target].rule)
            dot.edge(
                *ends, self.flow(edge), color=color, fontcolor=color, labeltooltip=rule, **back
            )

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
        return self.color_by_gradient and node.norm is not None

    def fill(self, node: GraphNode) -> str:
        if not self.color_by_gradient:
            return self.theme.fills.get(node.role, self.theme.paper)
        if not node.norm:
            return self.theme.paper
        return self.theme.shade(rms(node)) if isfinite(node.norm) else self.theme.not_finite

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
            if plain and node.norm and prod(node.shape) != 1:
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
        role = f'<FONT POINT-SIZE="10">{node.role}</FONT>'
        return f"{name} {role if plain else colored(role, self.theme.pale)}"

    # What stands at a dashed edge

    def flow(self, edge: GraphEdge) -> str:
        """What flows back: ∂L/∂z₁ · w = 6.6 · 2 = 13.2, of an array its norm; brief if large."""
        symbols, numbers = chain_rule(self.graph, edge, self.names)
        size = edge.contribution or 0.0
        sides = [expression(symbols).pretty]
        if numbers is not None and len(self.graph.edges) < LARGE:
            sides.append(expression(in_numbers(numbers, size)).pretty)
        if prod(self.graph.nodes[edge.source].shape) == 1:
            sides.append(expression(Numeral(size)).pretty)
            sides = list(dict.fromkeys(sides))
            lines = wrapped(" = ".join(sides)) if len(sides) < 3 else stacked(sides)
        else:
            lines = [*wrapped(sides[0]), f"norm {number(size)}"]
        return html_rows([f"<TD>{'<BR/>'.join(map(escaped, lines))}</TD>"], padding=3)

    # What stands below the picture

    def keys(self) -> list[str]:
        keys = []
        if self.style != "forward" and any(
            edge.formula and edge.contribution is not None for edge in self.graph.edges
        ):
            keys.append(f'<TD ALIGN="LEFT" BALIGN="LEFT">{KEY}</TD>')
        if self.color_by_gradient:
            keys.append(f'<TD ALIGN="LEFT">{self.scale()}</TD>')
        return keys

    def scale(self) -> str:
        """The colours of gradients and what they stand for, as a row of cells."""
        theme = self.theme
        cells = [f'<TD BORDER="0">{escaped("root mean square of the gradient")}</TD>']
        cells.append('<TD STYLE="dashed">0</TD>')
        for decade in DECADES:
            end = {DECADES[0]: "\u2264 ", DECADES[-1]: "\u2265 "}.get(decade, "")
            cells.append(swatch(theme.shade(10.0**decade), f"{end}1e{decade}"))
        cells.append(swatch(theme.not_finite, "nan, inf"))
        inside = "".join(cells)
        return (
            '<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="4">'
            f"<TR>{inside}</TR></TABLE>"
        )


def hurry(graph: Graph) -> dict[str, str]:
    """For a large graph fewer rounds of improving the layout: seconds instead of minutes."""
    if len(graph.edges) < LARGE:
        return {}
    return {"splines": "line", "nslimit": "0.2", "nslimit1": "0.2", "mclimit": "0.1"}


def boxes(graph: Graph) -> dict[str | None, list[int]]:
    """The nodes in the box of each module, and under None those in no box."""
    around = {group.path: group.path for group in graph.groups}
    target = {edge.source: graph.nodes[edge.target] for edge in graph.edges}
    found: dict[str | None, list[int]] = defaultdict(list)
    for i in in_order_of_use(graph):
        node = graph.nodes[i]
        if node.is_plain_number:
            node = target[i]  # a number stands beside the operation that uses it
        path = node.module
        while path is not None and path not in around:  # a folded module stands in the one around
            path = path.rpartition(".")[0] if path else None
        found[path].append(i)
    return found


def in_order_of_use(graph: Graph) -> list[int]:
    """In this order Graphviz tends to place the operands as they stand in the formula."""
    return list(dict.fromkeys([x.source for x in graph.edges] + [x.id for x in graph.nodes]))


def rms(node: GraphNode) -> float:
    """The root mean square of the gradient's elements: norm / sqrt(size)."""
    return (node.norm or 0.0) / sqrt(prod(node.shape) or 1)


def ink_on(fill: str) -> str:
    """Black or white, whichever has the higher contrast (WCAG 2.1, relative luminance)."""
    channels = (int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000000" if luminance > 0.179 else "#FFFFFF"


# Labels: an empty element is an error in Graphviz.


def bold(name: str) -> str:
    return f"<B>{escaped(shortened(name))}</B>" if name else ""


def colored(label: str, color: str) -> str:
    return f'<FONT COLOR="{color}">{label}</FONT>'


def row(title: str, lines: list[str], color: str | None = None) -> str:
    content = "<BR/>".join(f"&#160; {escaped(line)}" for line in lines)
    if color:
        title, content = colored(title, color), colored(content, color)
    return (
        f'<TD ALIGN="LEFT" VALIGN="TOP">{title}</TD><TD ALIGN="RIGHT" BALIGN="RIGHT">{content}</TD>'
    )


def stacked(sides: Sequence[str]) -> list[str]:
    """a = b = c in one line if it is short, or else a line for each side."""
    line = " = ".join(sides)
    if len(line) <= WIDTH:
        return [line]
    return [line for i, side in enumerate(sides) for line in wrapped("= " * (i > 0) + side)]


def wrapped(line: str) -> list[str]:
    lines = textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], "\u2026"]


def swatch(fill: str, label: str) -> str:
    return f'<TD BGCOLOR="{fill}">{colored(escaped(label), ink_on(fill))}</TD>'


def html_rows(rows: list[str], padding: int) -> str:
    inside = "".join(f"<TR>{row}</TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="{padding}">{inside}</TABLE>>'


def plain_text(x: float | str) -> str:
    return x if isinstance(x, str) else number(x)


def tooltip(node: GraphNode) -> str:
    """What a browser shows under the pointer: more of the name, and the line of the program."""
    parts = [node.name or node.operation or node.role, node.options, node.line or ""]
    text = "   ".join(shortened(part, POINTED) for part in parts if part)
    return quoted(text)


def quoted(text: str) -> str:
    """Text for an attribute that is no label."""
    # Twice over Graphviz replaces \\ by one \, and \N by an id: four stand for one.
    return escape(text).replace("\\", "\\" * 4).replace("\n", "\\n")


def escaped(x: str) -> str:
    """HTML text that shows exactly x."""
    # Graphviz replaces \N by an id, \\ by one \, and more: keep each backslash apart.
    return escape(printable(x)).replace("\\", "<FONT>\\</FONT>")
