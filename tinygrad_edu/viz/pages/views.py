"""The data of a page whose modules fold and unfold: `assets/views.js` makes each view of it."""

from collections import defaultdict
from typing import Any

from tinygrad_edu.notation.formula import Name, Verbatim
from tinygrad_edu.notation.terms import Ref
from tinygrad_edu.viz.graph.data import GraphNode
from tinygrad_edu.viz.graph.unfolding import Unfolding
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.steps import (
    Arrival,
    arrivals_at,
    edges_into,
    forward_steps_of,
    steps_of,
)

# Placeholders that each view fills in: for the name of the node that is shown for a node, and for
# the names of all operands of a node.
NAME, OPERANDS = "\ue000{}\ue001", "\ue000a{}\ue001"


def view_steps(unfolding: Unfolding) -> tuple[Any, Any]:
    """The forward and the backward steps of all views, with placeholders for changing names."""
    graph, into = unfolding.graph, edges_into(unfolding.graph)
    names = [
        name if home is None and graph.nodes[i].role != "module" else Name(NAME.format(i))
        for i, (name, home) in enumerate(zip(names_of(graph), unfolding.homes))
    ]

    def operands(node: GraphNode) -> list[Any]:
        if node.role == "module":
            return [Verbatim(OPERANDS.format(node.id))]
        sources = (graph.edges[e].source for e in into[node.id])
        return [Ref(i) for i in sources if graph.nodes[i].role != "module"]

    return forward_steps_of(graph, names, operands), steps_of(graph, names, arrivals(unfolding))


def arrivals(unfolding: Unfolding) -> dict[int, Arrival]:
    """The gradient of each source after an edge, which stands for one or several uses."""
    graph, found = unfolding.graph, {}
    edges: dict[int, list[int]] = defaultdict(list)
    for e, edge in enumerate(graph.edges):
        if edge.contribution is not None:
            edges[edge.source].append(e)
    covers = [
        [k for k in ks if unfolding.uses[k].contribution is not None] for ks in unfolding.covers
    ]
    for i, from_here in edges.items():
        uses = sorted({k for e in from_here for k in covers[e]})
        at = dict(zip(uses, arrivals_at(graph.nodes[i], [unfolding.uses[k] for k in uses])))
        for e in from_here:
            first, last = at[min(covers[e])], at[max(covers[e])]
            use, count = (1, 1) if len(covers[e]) == len(uses) else (last.use, last.uses)
            found[e] = Arrival(use, count, first.before, last.total, last.totals)
    return found
