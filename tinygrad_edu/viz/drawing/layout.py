"""Where the boxes of a graph stand, for a picture that is drawn in a browser."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tinygrad_edu.notation.numbers import number
from tinygrad_edu.viz.drawing.order import boxes, hurry, in_order_of_use, ranks
from tinygrad_edu.viz.drawing.rendering import render
from tinygrad_edu.viz.graph.data import Graph, GraphEdge

Point = tuple[float, float]
Size = tuple[float, float]

LABEL = 62, 16  # room for a number on an edge, in pixels; more for a long one
GAP = 90  # between the ranks of the simple layout
MARGIN = 12


@dataclass(frozen=True)
class Layout:
    """Pixels, y downwards.

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


def arranged(graph: Graph, sizes: Sequence[Size]) -> Layout:
    """By Graphviz where it is there, else in ranks from left to right."""
    try:
        found = json.loads(render(dot_of_boxes(graph, sizes), "json0"))
    except RuntimeError:
        return in_ranks(graph, sizes)
    return read(found, graph)


def dot_of_boxes(graph: Graph, sizes: Sequence[Size]) -> str:
    """Boxes of these sizes, without text: all that a layout needs."""
    import graphviz

    dot = graphviz.Digraph(
        graph_attr={"rankdir": "LR", "nodesep": "0.25", "ranksep": "0.12", **hurry(graph)},
        node_attr={"shape": "box", "fixedsize": "true", "label": ""},
    )
    inside = boxes(graph)

    def add(path: str | None, into: Any) -> None:
        """The nodes and the groups right inside the group at path."""
        for i in inside[path]:
            width, height = sizes[i]
            into.node(f"n{i}", width=f"{width / 72}", height=f"{height / 72}")
        for k, group in enumerate(graph.groups):
            if group.parent == path:
                with into.subgraph(name=f"cluster_{k}") as inner:
                    inner.attr(label=" ", margin="10")
                    add(group.path, inner)

    add(None, dot)
    for k, edge in enumerate(graph.edges):
        label = {} if edge.contribution is None else {"label": room_for(edge.contribution)}
        dot.edge(f"n{edge.source}", f"n{edge.target}", id=str(k), **label)
    return dot.source


def room_for(x: float) -> str:
    width, height = LABEL
    width = max(width, 10 * len(number(x)))
    return (
        f'<<TABLE BORDER="0" FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}">'
        "<TR><TD></TD></TR></TABLE>>"
    )


def read(found: Any, graph: Graph) -> Layout:
    """A layout of Graphviz, whose y goes upwards and whose unit is the point."""
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
    curves, labels = {}, {}
    for x in found.get("edges", []):
        k = int(x["id"])
        end, *points = x["pos"].removeprefix("e,").split()
        at = [point(p) for p in [*points, end]]
        curves[k] = spline(at)
        labels[k] = point(x["lp"]) if "lp" in x else at[len(at) // 2]
    return Layout(
        size=(width + 2 * MARGIN, height + 2 * MARGIN),
        nodes=tuple(nodes[f"n{x.id}"] for x in graph.nodes),
        paths=tuple(curves[k] for k in range(len(graph.edges))),
        labels=tuple(labels[k] for k in range(len(graph.edges))),
        groups=groups,
    )


def spline(points: Sequence[Point]) -> str:
    """A Bezier spline through every third point, then a straight end."""
    start, *middle, end = (f"{x:.1f},{y:.1f}" for x, y in points)
    return f"M{start} C{' '.join(middle)} L{end}"


# Without Graphviz


def in_ranks(graph: Graph, sizes: Sequence[Size]) -> Layout:
    """Each node right of all its operands; an edge that goes past a rank has a lane there.

    In its rank a node or a lane stands as near as can be to the middle of what comes before it.
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
        left += width + GAP

    routes = []
    for edge, chain in zip(graph.edges, chains):
        start, end = ends(graph, edge, centres, sizes)
        through = [(side, centres[lane][1]) for lane in chain[1:-1] for side in sides[lane[1]]]
        routes.append([start, *through, end])
    bottom = max(y for _, y in centres.values()) + max(height for _, height in sizes) / 2
    return Layout(
        size=(left - GAP + MARGIN, bottom + MARGIN),
        nodes=tuple(centres[x.id] for x in graph.nodes),
        paths=tuple(map(s_curves, routes)),
        labels=tuple(above_middle(*route[-2:]) for route in routes),
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


def above_middle(start: Point, end: Point) -> Point:
    return (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 10


def s_curves(points: Sequence[Point]) -> str:
    """From point to point, level at each."""
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (a, b), (c, d) in pairwise(points):
        path += f" C{(a + c) / 2:.1f},{b:.1f} {(a + c) / 2:.1f},{d:.1f} {c:.1f},{d:.1f}"
    return path
