"""Where does everything stand in each module of a graph that unfolds?

Each module is laid out on its own, with the modules in it folded. A value from outside comes in
through an entry, and a value that is used outside goes out through an exit. A page puts an open
module in the place of its box, and moves the rest apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tinygrad_edu.viz.drawing.layout import Doors, Layout, Size, arranged
from tinygrad_edu.viz.graph.data import Graph, GraphEdge, GraphNode
from tinygrad_edu.viz.graph.unfolding import Unfolding

Home = int | None  # the id of the module around; None outside all modules that fold
Door = tuple[str, int]  # "in" or "out", and the id of the value that goes through it
End = int | Door
Route = tuple[End, End, int | None]  # start, end, and the use, unless the route serves several


@dataclass(frozen=True)
class Frame:
    """The inside of a module.

    layout  the places of its nodes, doors and routes
    nodes   the centre of each node by id
    door    the height at which edges come in; at which they go out, if none comes in
    """

    layout: Layout
    nodes: dict[int, tuple[float, float]]
    door: float


@dataclass(frozen=True)
class Frames:
    """The frames, and for each edge its routes: pairs of a frame and a place in its layout."""

    frames: dict[Home, Frame]
    routes: tuple[tuple[tuple[Home, int], ...], ...]


def frames_of(unfolding: Unfolding, sizes: Sequence[Size]) -> Frames:
    ways = [list(way(unfolding, e)) for e in range(len(unfolding.graph.edges))]
    routes: dict[Home, dict[Route, GraphEdge]] = {home: {} for home in unfolding.homes}
    for edge, pieces in zip(unfolding.graph.edges, ways):
        for home, route in pieces:
            routes[home].setdefault(route, edge)
    frames, places = {}, {}
    for home, inside in routes.items():
        frames[home], in_order = frame(unfolding, sizes, home, inside)
        places[home] = {route: k for k, route in enumerate(in_order)}
    return Frames(
        frames, tuple(tuple((home, places[home][x]) for home, x in pieces) for pieces in ways)
    )


def way(unfolding: Unfolding, e: int) -> Iterator[tuple[Home, Route]]:
    """The routes of an edge: out of the modules around its source, into those around its target."""
    edge, use = unfolding.graph.edges[e], unfolding.covers[e][0]
    value = unfolding.uses[use].source
    homes_of_source = [*homes_around(unfolding, edge.source)]
    homes_of_target = [*homes_around(unfolding, edge.target)]
    common = next(home for home in homes_of_source if home in homes_of_target)

    def arriving(start: End, end: int) -> Route:
        return start, end, None if unfolding.graph.nodes[end].role == "module" else use

    source = edge.source
    for home in homes_of_source[: homes_of_source.index(common)]:
        yield home, (source, ("out", value), None)
        source = home  # type: ignore[assignment]  # the common one alone may be None
    target, inside = edge.target, []
    for home in homes_of_target[: homes_of_target.index(common)]:
        inside.append((home, arriving(("in", value), target)))
        target = home  # type: ignore[assignment]
    yield common, arriving(source, target)
    yield from reversed(inside)


def homes_around(unfolding: Unfolding, node: int) -> Iterator[Home]:
    """The modules around a node, the innermost first, None last."""
    home = unfolding.homes[node]
    while home is not None:
        yield home
        home = unfolding.homes[home]
    yield None


def frame(
    unfolding: Unfolding, sizes: Sequence[Size], home: Home, routes: dict[Route, GraphEdge]
) -> tuple[Frame, list[Route]]:
    """The layout of one module, and its routes in the order of their curves there."""
    nodes = [x for x, other in zip(unfolding.graph.nodes, unfolding.homes) if other == home]
    doors = dict.fromkeys(end for route in routes for end in route[:2] if isinstance(end, tuple))
    entries, exits = ([door for door in doors if door[0] == way] for way in ("in", "out"))
    inside: list[End] = [*entries, *(x.id for x in nodes), *exits]
    places = {end: k for k, end in enumerate(inside)}
    in_order = sorted(routes, key=lambda x: (places[x[1]], routes[x].position))
    drawn = Graph(
        nodes=tuple(
            door_node(k) if isinstance(end, tuple) else replace(unfolding.graph.nodes[end], id=k)
            for k, end in enumerate(inside)
        ),
        edges=tuple(
            replace(routes[route], source=places[route[0]], target=places[route[1]], position=k)
            for k, route in enumerate(in_order)
        ),
        order=(),
        groups=unfolding.graph.groups if home is None else (),
    )
    layout = arranged(
        drawn,
        [(2.0, 2.0) if isinstance(end, tuple) else sizes[end] for end in inside],
        Doors(
            entries=[places[door] for door in entries],
            exits=[places[door] for door in exits],
            sides=[places[x.id] for x in nodes if x.role == "module"],
        ),
    )
    heights = [layout.nodes[places[door]][1] for door in entries or exits]
    return (
        Frame(
            layout,
            {x.id: layout.nodes[places[x.id]] for x in nodes},
            sum(heights) / len(heights) if heights else layout.size[1] / 2,
        ),
        in_order,
    )


def door_node(i: int) -> GraphNode:
    return GraphNode(i, "", "", "", "constant", shape=(), dtype="", value=0.0, gradient=None)
