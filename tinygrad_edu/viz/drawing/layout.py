"""Where the boxes of a graph stand, for a picture that is drawn in a browser."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from tinygrad_edu.viz.drawing.numbers_on_edges import LABEL, Curve, Point, Size, label_places
from tinygrad_edu.viz.drawing.order import REACH, Tracks, boxes, hurry, in_order_of_use, ranks
from tinygrad_edu.viz.drawing.rendering import render
from tinygrad_edu.viz.graph.data import Graph, GraphEdge

__all__ = ["Doors", "Layout", "Point", "Size", "arranged"]

ROOM = 1.15  # inches between ranks, for the numbers on edges
GAP = 90  # between the ranks of the simple layout
MARGIN = 12


@dataclass(frozen=True)
class Layout:
    """The places of everything in a picture, in pixels, with y downwards.

    nodes   the centre of each node
    paths   the curve of each edge from source to target, as the `d` of an SVG path
    labels  the centre of the number on each edge
    groups  for each module that has a box: left, top, width, height
    """

    size: Size
    nodes: tuple[Point, ...]
    paths: tuple[str, ...]
    labels: tuple[Point, ...]
    groups: dict[str, tuple[float, float, float, float]]


@dataclass(frozen=True)
class Doors:
    """Nodes with special places, for the inside of a module.

    entries  nodes that stand before all others
    exits    nodes that stand behind all others
    sides    nodes whose edges end in the middle of a side
    """

    entries: Sequence[int] = ()
    exits: Sequence[int] = ()
    sides: Collection[int] = ()


def arranged(graph: Graph, sizes: Sequence[Size], doors: Doors = Doors()) -> Layout:
    """The layout by Graphviz, or in ranks from left to right if Graphviz is not installed."""
    try:
        found = json.loads(render(dot_of_boxes(graph, sizes, doors), "json0"))
    except RuntimeError:
        layout = in_ranks(graph, sizes)
    else:
        layout = read(found, graph, sizes)
    return replace(layout, nodes=rounded(layout.nodes), labels=rounded(layout.labels))


def rounded(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple((round(x, 1), round(y, 1)) for x, y in points)


def dot_of_boxes(graph: Graph, sizes: Sequence[Size], doors: Doors) -> str:
    """Boxes of these sizes, without text: all that a layout needs."""
    import graphviz

    dot = graphviz.Digraph(
        graph_attr={"rankdir": "LR", "nodesep": "0.25", "ranksep": str(ROOM), **hurry(graph)},
        node_attr={"shape": "box", "fixedsize": "true", "label": ""},
    )
    inside = boxes(graph)

    def add(path: str | None, into: Any) -> None:
        """The nodes and the groups directly inside the group at path."""
        for i in inside[path]:
            width, height = sizes[i]
            into.node(f"n{i}", width=f"{width / 72}", height=f"{height / 72}")
        for k, group in enumerate(graph.groups):
            if group.parent == path:
                with into.subgraph(name=f"cluster_{k}") as inner:
                    inner.attr(label=" ", margin="10")
                    add(group.path, inner)

    add(None, dot)
    for rank, ids in (("source", doors.entries), ("sink", doors.exits)):
        with dot.subgraph() as side:
            side.attr(rank=rank)
            for i in ids:
                side.node(f"n{i}")
    tracks = Tracks(graph)
    for start, end in {piece: None for k in range(len(graph.edges)) for piece in tracks.pieces(k)}:
        dot.node(f"n{end}", shape="point", width="0", height="0")
        dot.edge(f"n{start}", f"n{end}", id=f"{start} {end}", minlen=str(REACH), arrowhead="none")
    for k, edge in enumerate(graph.edges):
        length = str(tracks.length(edge))
        side = {"tailport": "e"} if edge.source in doors.sides and not tracks.points[k] else {}
        side |= {"headport": "w"} if edge.target in doors.sides else {}
        dot.edge(f"n{tracks.start(k)}", f"n{edge.target}", id=str(k), minlen=length, **side)
    return dot.source


def read(found: Any, graph: Graph, sizes: Sequence[Size]) -> Layout:
    """The layout that Graphviz returned, in points and with y upwards."""
    _, _, width, height = map(float, found["bb"].split(","))

    def point(text: str) -> Point:
        x, y = map(float, text.split(","))
        return x + MARGIN, height - y + MARGIN

    nodes, groups = {}, {}
    for x in found.get("objects", []):
        if "pos" in x:
            nodes[x["name"]] = point(x["pos"])
        elif "bb" in x:
            left, bottom, right, top = map(float, x["bb"].split(","))
            path = graph.groups[int(x["name"].removeprefix("cluster_"))].path
            groups[path] = (left + MARGIN, height - top + MARGIN, right - left, top - bottom)
    curves = {x["id"]: curve(x["pos"], point) for x in found.get("edges", [])}
    tracks, count = Tracks(graph), len(graph.edges)
    last = [curves[str(k)] for k in range(count)]
    lines = [[curves[f"{start} {end}"] for start, end in tracks.pieces(k)] for k in range(count)]
    centres = [nodes[f"n{x.id}"] for x in graph.nodes]
    return Layout(
        size=(width + 2 * MARGIN, height + 2 * MARGIN),
        nodes=tuple(centres),
        paths=tuple(" ".join(map(path_text, [*pieces, end])) for pieces, end in zip(lines, last)),
        labels=label_places(graph.edges, last, centres, sizes),
        groups=groups,
    )


def curve(text: str, point: Callable[[str], Point]) -> Curve:
    """A curve of Graphviz, with the straight line that its arrow stands on as a last piece."""
    tip, *rest = text.split()
    if not tip.startswith("e,"):
        return [point(p) for p in (tip, *rest)]
    points, end = [point(p) for p in rest], point(tip.removeprefix("e,"))
    return [*points, points[-1], end, end]


def path_text(curve: Curve) -> str:
    """As the `d` of an SVG path."""
    start, *others = (f"{x:.1f},{y:.1f}" for x, y in curve)
    return f"M{start} C{' '.join(others)}"


# Without Graphviz


def in_ranks(graph: Graph, sizes: Sequence[Size], gap: float = GAP) -> Layout:
    """Each node right of all its operands; an edge that passes a rank has a lane there.

    In its rank, a node or a lane stands as near as possible to the mean height of its predecessors.
    """
    rank = ranks(graph)
    chains: list[list[Any]] = [
        [x.source, *((k, r) for r in range(rank[x.source] + 1, rank[x.target])), x.target]
        for k, x in enumerate(graph.edges)
    ]
    before: dict[Any, list[Any]] = defaultdict(list)
    columns: dict[int, list[Any]] = defaultdict(list)
    for i in in_order_of_use(graph):
        columns[rank[i]].append(i)
    for chain in chains:
        for a, b in pairwise(chain):
            before[b].append(a)
        for lane in chain[1:-1]:
            columns[lane[1]].append(lane)

    centres: dict[Any, Point] = {}
    left, sides = float(MARGIN), {}
    for r in sorted(columns):
        width = max(sizes[x][0] for x in columns[r] if isinstance(x, int))
        heights = {x: middle([centres[y][1] for y in before[x]]) for x in columns[r]}
        top = float(MARGIN)
        for x in sorted(columns[r], key=heights.__getitem__):
            height = sizes[x][1] if isinstance(x, int) else LABEL[1]
            centres[x] = left + width / 2, max(top + height / 2, heights[x])
            top = centres[x][1] + height / 2 + 24
        sides[r] = left, left + width
        left += width + gap

    routes = []
    for edge, chain in zip(graph.edges, chains):
        start, end = ends(graph, edge, centres, sizes)
        through = [(side, centres[lane][1]) for lane in chain[1:-1] for side in sides[lane[1]]]
        routes.append([start, *through, end])
    curves = [s_curves(route) for route in routes]
    bottom = max(y for _, y in centres.values()) + max(height for _, height in sizes) / 2
    return Layout(
        size=(left - gap + MARGIN, bottom + MARGIN),
        nodes=tuple(centres[x.id] for x in graph.nodes),
        paths=tuple(map(path_text, curves)),
        labels=label_places(graph.edges, curves, [centres[x.id] for x in graph.nodes], sizes),
        groups={},
    )


def ends(
    graph: Graph, edge: GraphEdge, centres: Mapping[int, Point], sizes: Sequence[Size]
) -> tuple[Point, Point]:
    """From the right side of the source to a place of its own on the left side of the target."""
    (a, b), (c, d) = centres[edge.source], centres[edge.target]
    into = [x for x in graph.edges if x.target == edge.target]
    place = (into.index(edge) + 1) / (len(into) + 1) - 0.5
    return (
        (a + sizes[edge.source][0] / 2, b),
        (c - sizes[edge.target][0] / 2, d + place * sizes[edge.target][1]),
    )


def middle(xs: Sequence[float]) -> float:
    return sum(xs) / len(xs) if xs else 0.0


def s_curves(points: Sequence[Point]) -> Curve:
    """A smooth curve through the points, level at each."""
    found = [points[0]]
    for (a, b), (c, d) in pairwise(points):
        found += [((a + c) / 2, b), ((a + c) / 2, d), (c, d)]
    return found
