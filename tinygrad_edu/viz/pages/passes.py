"""What if one formula of a backward pass is wrong? The pass runs again on the formulas of edges."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.notation.terms import Call, Ref, evaluated, summed
from tinygrad_edu.tensor import unbroadcast
from tinygrad_edu.viz.graph.data import Cells, Graph
from tinygrad_edu.viz.words.chain import refs_in
from tinygrad_edu.viz.words.steps import edges_into


class Pass:
    """The backward pass of a graph, run again with wrong formulas."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values = [whole_array(x.value, x.values, x.shape) for x in graph.nodes]
        self.gradients = [whole_array(x.gradient, x.gradients, x.shape) for x in graph.nodes]
        self.contributions = [
            whole_array(x.contribution, x.contributions, graph.nodes[x.source].shape)
            for x in graph.edges
        ]
        self.into = edges_into(graph)
        self.uses: list[list[int]] = [[] for _ in graph.nodes]
        for i in graph.order:  # in the order in which they contribute
            for e in self.into[i]:
                if graph.edges[e].contribution is not None:
                    self.uses[graph.edges[e].source].append(e)

    def gone_wrong(self, terms: Mapping[int, Any], multiplied: int | None) -> dict[int, Any]:
        """The gradients that come out wrong, by node; None for what cannot be computed.

        terms       the wrong formulas, by edge
        multiplied  the node whose contributions are multiplied instead of added, if any
        """
        wrong: dict[int, Any] = {}
        flows: dict[int, Any] = {}
        for i in self.graph.order:
            if i == multiplied or not flows.keys().isdisjoint(self.uses[i]):
                parts = [flows.get(e, self.contributions[e]) for e in self.uses[i]]
                is_known = all(part is not None for part in parts)
                join = math.prod if i == multiplied else sum
                wrong[i] = join(parts) if is_known else None
            g = wrong.get(i, self.gradients[i])
            for e in self.into[i]:
                if e in terms:
                    flows[e] = self.flow(e, terms[e], g)
                elif i in wrong and self.graph.edges[e].contribution is not None:
                    flows[e] = self.flow(e, self.graph.edges[e].formula, g)
        return wrong

    def flow(self, e: int, term: Any, g: Any) -> Any:
        """The contribution of an edge with the formula `term`; None if it cannot be computed."""
        partial = self.partial(e, term, g)
        if partial is None:
            return None
        flow = unbroadcast(partial, self.shape(e))
        return flow if flow.shape == self.shape(e) else None

    def partial(self, e: int, term: Any, g: Any) -> Any:
        """The contribution before broadcasting is undone."""
        edge = self.graph.edges[e]
        if term is None:
            return None if edge.local is None or g is None else g * edge.local
        shape = self.shape(e)
        match term:
            case Call(function=function, operands=(inner,)) if function is summed:
                term, shape = inner, self.graph.nodes[edge.target].shape
        found = self.evaluated(term, g)
        if found is None:
            return None
        try:
            is_reshaped = found.size == math.prod(shape)
            return found.reshape(shape) if is_reshaped else np.broadcast_to(found, shape)
        except ValueError:  # with these shapes nobody gets an answer
            return None

    def evaluated(self, term: Any, g: Any) -> Any:
        """The value of a term; None if numbers are missing, or the shapes do not fit."""

        def value(ref: Ref) -> Any:
            return g if ref.is_gradient else self.values[ref.node]

        if any(value(ref) is None for ref in refs_in(term)):
            return None
        try:
            return np.asarray(evaluated(term, value), float)
        except (ValueError, TypeError, IndexError, ArithmeticError):
            return None

    def shape(self, e: int) -> tuple[int, ...]:
        return self.graph.nodes[self.graph.edges[e].source].shape

    def parts(self, e: int, index: tuple[int, ...]) -> list[float]:
        """The numbers whose sum is the contribution of an edge, when broadcasting is undone."""
        edge, shape = self.graph.edges[e], self.shape(e)
        g = self.gradients[edge.target]
        partial = None if edge.formula is None or g is None else self.partial(e, edge.formula, g)
        if partial is None or partial.shape == shape:
            return [float(self.contributions[e][index])]
        kept = (slice(None) if n == 1 else i for n, i in zip(shape, index, strict=True))
        return partial[(..., *kept)].ravel().tolist()

    def products(self, e: int, index: tuple[int, ...]) -> list[float]:
        """The products whose sum is one element of the contribution of a matrix product."""
        g = self.gradients[self.graph.edges[e].target]
        match self.graph.edges[e].formula:
            case Call(function=function, operands=operands) if function is np.matmul:
                left, right = (self.evaluated(x, g) for x in operands)
                if left is not None and right is not None and left.ndim <= 2 >= right.ndim:
                    row = left[index[0]] if left.ndim == 2 else left
                    column = right[:, index[-1]] if right.ndim == 2 else right
                    return (row * column).tolist() if len(row) > 1 else []
        return []


def whole_array(scalar: float | str | None, cells: Cells | None, shape: tuple[int, ...]) -> Any:
    """The array of a number or of a small table; None if the table is not exact."""
    if cells is None:
        return np.full(shape, scalar) if isinstance(scalar, float) else None
    return np.reshape(cells.rows, shape) if cells.exact else None
