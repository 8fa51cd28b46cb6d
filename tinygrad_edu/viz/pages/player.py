"""The backward pass as a page to play: one HTML file that needs nothing else."""

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.formula import Numeral, expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notation.terms import Term
from tinygrad_edu.viz.drawing.frames import frames_of
from tinygrad_edu.viz.drawing.layout import Layout, Size, arranged
from tinygrad_edu.viz.graph.data import Cells, Graph, GraphEdge, GraphNode, strict
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.graph.unfolding import Unfolding, unfolding_of
from tinygrad_edu.viz.pages.views import view_steps
from tinygrad_edu.viz.words.chain import refs_in
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.steps import (
    Contribution,
    ForwardStep,
    Step,
    forward_steps_of,
    steps_of,
)

FILM_BYTES = 1_500_000  # of a page that still opens at once
SHOWN = 16  # characters of a name or an operation in a box
# The files of the page in `assets`, in their order; the scripts are one module.
STYLES = ("page", "print")
SCRIPTS = (
    *("dom", "theme", "elements", "tip", "states", "folds", "strides"),
    *("tables", "products", "graph", "panel", "camera", "motion", "nodes", "hands"),
    *("timeline", "print", "rows", "controls"),
)
SPARED = "numbers", "totals"  # fields that a step leaves out if they are None, as most are
FEW = 16  # a table of no more cells is shown in numbers
# The measures of a node's box, in pixels: for its size, which is computed here, and for the page,
# which draws it.
BOX = {"side": 10, "title": 19, "line": 18, "end": 9, "table": 44, "below": 22, "cell": 16}


def play(
    root: Node,
    path: str | os.PathLike[str] | None = None,
    *,
    grad: Any = None,
    record: Record | None = None,
    depth: int | None = None,
    max_nodes: int = 400,
) -> "Page":
    """The forward and the backward pass of root, to play step by step in a browser.

    path  where to save the page, if anywhere; grad, record, depth and max_nodes as in `describe`

    With `depth`, modules are folded. Each opens in its place, by a click on its + or by the key o.
    They stay folded if the graph with all modules open has more than max_nodes nodes.

    No `.grad` is changed. Raises what `describe` raises, and FileNotFoundError if the folder of
    path does not exist.
    """
    graph = describe(root, grad=grad, max_nodes=max_nodes, record=record, depth=depth)
    unfolding = None
    if record is not None and depth is not None:
        unfolding = unfolding_of(root, grad=grad, record=record, depth=depth, max_nodes=max_nodes)
    return page_of(play_data(graph) if unfolding is None else views_data(unfolding)).saved(path)


def film(
    frames: Iterable[Node | Graph], path: str | os.PathLike[str] | None = None, max_nodes: int = 400
) -> "Page":
    """One graph while it learns: its values, gradients and loss over many frames.

        def frames():
            for _ in range(60):
                loss = mse_loss(model(x), y)
                yield loss
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        film(frames(), "film.html")

    frames     the result of each forward pass, or its description by `describe`; all graphs must
               have the same structure
    path       where to save the page, if anywhere
    max_nodes  the largest graph to accept

    Each result is described before the next one is requested: so a generator may change the
    parameters in between. Raises ValueError for no frames, for a frame of another structure, and
    for a page of more than 1.5 MB.
    """
    graphs = [x if isinstance(x, Graph) else describe(x, max_nodes=max_nodes) for x in frames]
    if not graphs:
        raise ValueError("there are no frames: pass the result of each forward pass")
    for k, graph in enumerate(graphs):
        refuse_another_structure(k, graphs[0], graph)
    page = page_of(film_data(graphs))
    if len(page.html) > FILM_BYTES:
        every = -(-len(page.html) // FILM_BYTES)
        raise ValueError(
            f"{len(graphs)} frames make a page of {len(page.html) / 1e6:.1f} MB, more than "
            f"{FILM_BYTES / 1e6} MB: pass one frame of every {every}, or fold modules with "
            "describe(root, record=..., depth=1)"
        )
    return page.saved(path)


@dataclass(frozen=True)
class Page:
    """A page that needs no other file and no network, as text in `html`; a notebook shows it.

    height  the height of its frame in a notebook, in pixels
    kind    "play", "quiz", ...: the title of that frame
    """

    html: str
    height: int = 640
    kind: str = "page"

    def __repr__(self) -> str:
        return f"<Page '{self.kind}': a notebook shows it; .save('page.html') is for a browser>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file. Raises FileNotFoundError if the folder does not exist."""
        Path(path).write_text(self.html, encoding="utf-8")

    def saved(self, path: str | os.PathLike[str] | None) -> "Page":
        if path is not None:
            self.save(path)
        return self

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" title="{self.kind}" sandbox="allow-scripts" '
            f'style="width: 100%; height: {self.height}px; border: 1px solid #8888"></iframe>'
        )


# From the data to the page


def page_of(data: dict[str, Any], *parts: str) -> Page:
    """The player that shows data; `parts` names more style and script files."""
    views = ("views",) if "insides" in data else ()
    style, script = assets("css", *STYLES, *parts), assets("js", *views, *SCRIPTS, *parts)
    height = frame_height(*data["size"])
    return assembled("page", data, style, script, height, allow="img-src data:; ")  # heat maps


def assets(kind: str, *names: str) -> str:
    """The text of some files of a kind, one after the other."""
    folder = files("tinygrad_edu.viz.pages") / "assets"
    return "\n".join((folder / f"{name}.{kind}").read_text("utf-8") for name in names)


def assembled(
    body: str,
    data: dict[str, Any],
    style: str,
    script: str,
    height: int = 640,
    *,
    allow: str = "",
    head: str = "",
) -> Page:
    """The page with the body of the file `body`, and with its title, data, style and script.

    allow  what else the page may do, as a part of its Content-Security-Policy: "img-src data:; "
    head   more lines of its head

    The policy allows only this style and this script: even if a name were read as markup, it could
    do nothing.
    """
    policy = (
        f"default-src 'none'; {allow}style-src 'sha256-{digest(style)}'; "
        f"script-src 'sha256-{digest(script)}'"
    )
    html = Template(assets("html", "document")).substitute(
        policy=policy,
        title=escape(data["title"]),
        head=head,
        style=style,
        body=Template(assets("html", body)).substitute(
            title=escape(data["title"]), script=script, data=embedded(data)
        ),
    )
    return Page(html, height, data.get("kind", body))


def frame_height(width: float, height: float) -> int:
    """The height for a whole graph with the panel below it, in a cell 900 pixels wide."""
    scale = min(1.6, 900 / width)
    return 640 if scale < 0.6 else round(max(480.0, min(800.0, 387 + scale * height)))


def digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def embedded(data: Any) -> str:
    """JSON that cannot end the <script> element around it."""
    text = json.dumps(strict(data), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


# The graph


def play_data(graph: Graph) -> dict[str, Any]:
    return {**picture(graph), "kind": "play", "steps": steps(graph)}


def picture(graph: Graph, *others: Graph) -> dict[str, Any]:
    """The nodes, edges and modules with their places, and room for the numbers of all graphs."""
    labels = [expression(name).text for name in names_of(graph)]
    same_nodes = zip(*(each.nodes for each in (graph, *others)))
    letters = [max(map(longest_line, nodes)) for nodes in same_nodes]
    sizes = [size(*each) for each in zip(graph.nodes, labels, letters)]
    places = arranged(graph, sizes)
    nodes = [
        {**node_data(node), "title": label, "x": x, "y": y, "w": w, "h": h}
        for node, label, (x, y), (w, h) in zip(graph.nodes, labels, places.nodes, sizes)
    ]
    edges = [
        {**edge_data(edge), "path": path, "label": label}
        for edge, path, label in zip(graph.edges, places.paths, places.labels)
    ]
    return {**setting(graph, places), "nodes": nodes, "edges": edges}


def setting(graph: Graph, places: Layout) -> dict[str, Any]:
    """What a page has besides nodes and edges: its title, its size, the rules and the modules."""
    return {
        "title": f"How {root_name(graph)} is computed, and its gradients",
        "size": places.size,
        "box": BOX,
        "rules": {node.operation: node.rule for node in graph.nodes if node.rule},
        "groups": [{**asdict(x), "box": places.groups.get(x.path)} for x in graph.groups],
    }


def views_data(unfolding: Unfolding) -> dict[str, Any]:
    """The data of `play_data` for all views, and the inside of each module that opens."""
    graph, names = unfolding.graph, names_of(unfolding.graph)
    written = [expression(name) for name in names]
    sizes = [size(x, name.text, longest_line(x)) for x, name in zip(graph.nodes, written)]
    drawn = frames_of(unfolding, sizes)
    nodes = []
    for node, home, name, (w, h) in zip(graph.nodes, unfolding.homes, written, sizes):
        x, y = drawn.frames[home].nodes[node.id]
        place = {"title": name.text, "x": x, "y": y, "w": w, "h": h}
        nodes.append({**node_data(node), **place, "formula": name.mathml, "home": home})
    edges = [
        {**edge_data(edge), "uses": uses, "routes": routes}
        for edge, uses, routes in zip(graph.edges, unfolding.covers, drawn.routes)
    ]
    return {
        **setting(graph, drawn.frames[None].layout),
        "kind": "play",
        "nodes": nodes,
        "edges": edges,
        "steps": steps_data(graph, *view_steps(unfolding)),
        "insides": [
            {
                "home": home,
                "size": frame.layout.size,
                "door": frame.door,
                "routes": list(zip(frame.layout.paths, frame.layout.labels)),
            }
            for home, frame in drawn.frames.items()
        ],
    }


def root_name(graph: Graph) -> str:
    return expression(names_of(graph)[graph.root]).text


def longest_line(node: GraphNode) -> int:
    """The length of a value or a gradient with its caption, or of a shape with a norm."""
    if node.values is None:
        return len("value") + max(map(letters, (node.value, node.gradient)))
    return len("x".join(map(str, node.shape))) + letters(node.gradient)


def letters(x: float | str | None) -> int:
    return 0 if x is None else min(14, len(x if isinstance(x, str) else number(x)))


def size(node: GraphNode, label: str, longest: int) -> Size:
    """The box of a node: a line for its name, then its value and gradient below each other."""
    if node.role == "constant" and node.values is None:
        return 20 + 8.0 * min(len(label), SHOWN), 30
    title, kind = (min(len(x), SHOWN) for x in (label, node.operation or node.role))
    width = max(100.0, 36 + 8.4 * title + 7.2 * kind, 26 + 8.0 * longest)
    if node.values is None:
        lines = 1 if node.gradient is None else 2
        return width, BOX["title"] + lines * BOX["line"] + BOX["end"]
    rows = min(4, len(node.values.rows))
    return max(width, 168.0, 30 + 8.4 * longest), BOX["table"] + rows * BOX["cell"] + BOX["below"]


def node_data(node: GraphNode) -> dict[str, Any]:
    tables = {"values": table_data(node.values), "gradients": table_data(node.gradients)}
    # Births differ from run to run; a formula is written in the steps, a rule once for all nodes.
    told = {name: x for name, x in asdict(node).items() if name not in ("birth", "made", "rule")}
    return told | tables


def edge_data(edge: GraphEdge) -> dict[str, Any]:
    return {
        "source": edge.source,
        "target": edge.target,
        "contribution": edge.contribution,
        "local": edge.local,
        "size": edge.size,
        "contributions": table_data(edge.contributions),
    }


def table_data(cells: Cells | None) -> dict[str, Any] | None:
    return None if cells is None else {"rows": rounded_rows(cells, 4), "exact": cells.exact}


def rounded_rows(cells: Cells, digits: int) -> list[list[float]]:
    return [[float(f"{x:.{digits}g}") for x in row] for row in cells.rows]


# What happens, one thing after the other


def steps(graph: Graph) -> list[dict[str, Any]]:
    """The steps: the leaves, each operation, the start of the backward pass, each contribution."""
    return steps_data(graph, forward_steps_of(graph), steps_of(graph))


def steps_data(
    graph: Graph, forward: Iterable[ForwardStep], backward: Iterable[Step]
) -> list[dict[str, Any]]:
    given = "The inputs and the parameters are given."
    found: list[dict[str, Any]] = [
        {"phase": "start", "node": None, "to": None, "edges": [], "text": given}
    ]
    found += [forward_step(step, graph) for step in forward]
    for step in backward:
        if step.is_root:
            found.append(seed_step(step))
        for each in step.contributions:
            found.append(backward_step(step, each, graph.edges[each.edge].formula))
    return [{k: x for k, x in each.items() if x is not None or k not in SPARED} for each in found]


def forward_step(step: ForwardStep, graph: Graph) -> dict[str, Any]:
    return {
        "phase": "forward",
        "node": step.node,
        "to": step.node,
        "edges": [k for k, edge in enumerate(graph.edges) if edge.target == step.node],
        "text": str(step),
        "left": step.name.mathml,
        "symbols": step.symbols.mathml,
        "numbers": step.numbers and step.numbers.mathml,
        "result": None if isinstance(step.value, str) else expression(Numeral(step.value)).mathml,
    }


def seed_step(step: Step) -> dict[str, Any]:
    return {
        "phase": "seed",
        "node": step.node,
        "to": step.node,
        "edges": [],
        "text": str(step).partition("\n")[0],
        "left": step.derivative.mathml,
        "result": result(step.gradient),
    }


def backward_step(step: Step, part: Contribution, formula: Term | None) -> dict[str, Any]:
    """`reads` are the nodes whose values enter the formula."""
    return {
        "phase": "backward",
        "node": step.node,
        "to": part.target,
        "edges": [part.edge],
        "text": str(part),
        "left": part.gradient.mathml,
        "symbols": part.symbols.mathml,
        "numbers": part.numbers and part.numbers.mathml,
        "result": result(part.value if part.sizes[0] == 1 else f"norm {number(part.value)}"),
        "reads": [ref.node for ref in refs_in(formula) if not ref.is_gradient] if formula else [],
        "use": part.use,
        "uses": part.uses,
        "total": part.total,
        "totals": table_data(part.totals) if part.uses > 1 else None,
    }


def result(x: float | str) -> str:
    """A result as MathML."""
    return f"<mtext>{escape(x)}</mtext>" if isinstance(x, str) else expression(Numeral(x)).mathml


# Films


def film_data(graphs: Sequence[Graph]) -> dict[str, Any]:
    title = f"{root_name(graphs[0])} during training"
    frames = [frame(graph) for graph in graphs]
    return {**picture(*graphs), "kind": "film", "title": title, "frames": frames}


def refuse_another_structure(k: int, first: Graph, graph: Graph) -> None:
    there, here = structure_of(first), structure_of(graph)
    for a, b in zip(there, here):
        if a != b:
            raise ValueError(f"frame {k} differs in structure from frame 0: {b}, not {a}")
    if len(there) != len(here):
        raise ValueError(
            f"frame {k} differs in structure from frame 0: {len(graph.nodes)} nodes and "
            f"{len(graph.edges)} edges, not {len(first.nodes)} and {len(first.edges)}"
        )


def structure_of(graph: Graph) -> list[str]:
    """All that must stay the same from frame to frame, in words."""
    nodes = [
        f"node {x.id} is {x.name!r} {x.operation or x.role} {x.options} of shape {x.shape}"
        for x in graph.nodes
    ]
    edges = [f"node {x.target} takes node {x.source} at {x.position}" for x in graph.edges]
    return nodes + edges


def frame(graph: Graph) -> dict[str, Any]:
    """The numbers of one frame, with as many digits as can be seen."""
    return {
        "value": [brief(x.value) for x in graph.nodes],
        "gradient": [brief(x.gradient) for x in graph.nodes],
        "values": [visible(x.values) for x in graph.nodes],
        "gradients": [visible(x.gradients) for x in graph.nodes],
        "contribution": [brief(x.contribution) for x in graph.edges],
    }


def brief(x: float | str | None) -> float | str | None:
    """A number with more digits than the page shows: rounding twice could change the last one."""
    return float(f"{x:.9g}") if isinstance(x, float | int) else x


def visible(cells: Cells | None) -> list[list[float]] | None:
    """A table with four digits if the page shows its numbers, with two if it shows colours."""
    if cells is None:
        return None
    few = len(cells.rows) * len(cells.rows[0]) <= FEW
    return rounded_rows(cells, 4 if few else 2)
