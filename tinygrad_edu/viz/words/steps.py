"""The forward and the backward pass as lists of steps, in symbols and in numbers."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.formula import Expression, Numeral, Verbatim, expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notation.terms import Call, Ref, with_refs
from tinygrad_edu.viz.graph.data import Cells, Graph, GraphEdge, GraphNode
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.graph.numbers import norm_of
from tinygrad_edu.viz.words.chain import (
    chain_rule,
    gradient_name,
    in_numbers,
    numeral,
    refs_in,
    total,
)
from tinygrad_edu.viz.words.names import names_of


@dataclass(frozen=True)
class Contribution:
    """What one use of a node adds to its gradient: a line of the backward pass.

    edge      the place of this use in `Graph.edges`
    target    the id of the node that gets this contribution
    gradient  the name of the gradient of that node: dL/dw
    shape     the shape of that gradient
    sizes     how many numbers `value` has, and `total`: if more than one, it is a norm
    symbols   the derivative rule with the names of this graph: dL/dz * x
    numbers   the same with the numbers of this graph; None for arrays
    value     the contribution: the number, or the norm of an array
    use, uses which contribution to this gradient it is, from 1, and of how many
    before    the gradient before this contribution: the number, or the norm of an array; None
              before the first one, and if the norm is not known
    total     the gradient with this contribution, in the same form
    totals    the gradient of an array with this contribution, as a small table
    """

    edge: int
    target: int
    gradient: Expression
    shape: tuple[int, ...]
    sizes: tuple[int, int]
    symbols: Expression
    numbers: Expression | None
    value: float
    use: int
    uses: int
    before: float | None
    total: float | None
    totals: Cells | None

    def __str__(self) -> str:
        line = f"{self.gradient.text} += {self.symbols.text}"
        if self.sizes != (1, 1):
            line += self.arrived()
            known = self.uses > 1 and self.total is not None
            return f"{line}, so far norm {number(self.total or 0.0)}" if known else line
        result = text_of(self.value)
        if self.numbers is not None and self.numbers.text != result:
            line += f" = {self.numbers.text}"
        line += f" = {result}"
        if self.uses == 1 or self.total is None:
            return line
        so_far = text_of(self.total)
        if self.before is not None:
            parts = total([Numeral(self.before), Numeral(self.value)])
            so_far = f"{expression(in_numbers(parts, self.total)).text} = {so_far}"
        return f"{line}, so far {so_far}"

    def arrived(self) -> str:
        """The value with its shape; for several outputs of a folded module, with their size."""
        size, _ = self.sizes
        if size == 1:
            return f" = {text_of(self.value)}"
        what = self.shape if math.prod(self.shape) == size else f"{size} numbers"
        return f"   {what}, norm {number(self.value)}"


@dataclass(frozen=True)
class Step:
    """One call of a derivative rule: it turns a node's gradient into contributions to its operands.

    node           the id of the node
    name           the name of the node in all steps of its graph
    operation      the function that made it: multiply, tanh, ...
    gradient       d root / d node: the number, or the norm of an array as text
    derivative     the name of the gradient: dL/dz
    contributions  the contributions to the operands, in their order
    is_root        whether the pass starts here
    """

    node: int
    name: Expression
    operation: str
    gradient: float | str
    derivative: Expression
    contributions: tuple[Contribution, ...]
    is_root: bool

    def __str__(self) -> str:
        seed = text_of(self.gradient)
        start = [f"{self.derivative.text} = {seed}"] if self.is_root else []
        return "\n".join(start + [str(each) for each in self.contributions])


@dataclass(frozen=True)
class ForwardStep:
    """One operation of the forward pass.

    node     the id of its result
    name     the name of the result
    symbols  the operation on the names of its operands: w * x
    numbers  the same with their numbers; None for arrays
    value    the result: the number, or a summary of an array
    """

    node: int
    name: Expression
    symbols: Expression
    numbers: Expression | None
    value: float | str

    def __str__(self) -> str:
        result = text_of(self.value)
        middle = [] if self.numbers is None else [self.numbers.text]
        return " = ".join([self.name.text, self.symbols.text, *middle, result])


def text_of(x: float | str) -> str:
    return x if isinstance(x, str) else expression(Numeral(x)).text


def backward_steps(
    root: Node, grad: Any = None, record: Record | None = None, max_nodes: int | None = 2000
) -> list[Step]:
    """The backward pass: a step for each call of a derivative rule, in the order of `backward`.

        for step in viz.backward_steps(loss):
            print(step)  # dL/dw += dL/dz * x = -1.5 * 1.0 = -1.5

    root       a Value or a Tensor
    grad       where the pass starts, of the shape of root; 1 for a scalar
    record     what `viz.record(model)` noted: tells parameters of the same name apart by module
    max_nodes  the largest graph to accept; None for any

    No `.grad` is changed. Raises ValueError if no gradient flows and for a larger graph, and what
    `root.backward(grad)` raises.
    """
    graph = describe(root, grad=grad, record=record, max_nodes=max_nodes)
    if not graph.order:
        root.seed(grad, create_graph=False)
    return steps_of(graph)


def steps_of(
    graph: Graph,
    names: Sequence[Any] | None = None,
    arrivals: Mapping[int, "Arrival"] | None = None,
) -> list[Step]:
    """The steps of the backward pass; none if the root tracks no gradient.

    names     the names of the nodes; those of `names_of` by default
    arrivals  for each edge, the gradient of its source after it; as in the graph by default
    """
    names = names_of(graph) if names is None else names
    arrivals = arrivals_in(graph) if arrivals is None else arrivals
    derivatives = [expression(gradient_name(graph, i, names)) for i in range(len(names))]
    into = edges_into(graph)
    steps = []
    for i in graph.order:
        node = graph.nodes[i]
        if not into[i] and node.role != "root":
            continue
        steps.append(
            Step(
                node=i,
                name=expression(names[i]),
                operation=node.operation,
                gradient=0.0 if node.gradient is None else node.gradient,
                derivative=derivatives[i],
                contributions=tuple(
                    contribution(graph, e, names, derivatives, arrivals[e])
                    for e in into[i]
                    if e in arrivals
                ),
                is_root=node.role == "root",
            )
        )
    return steps


def contribution(
    graph: Graph,
    e: int,
    names: Sequence[Any],
    derivatives: Sequence[Expression],
    arrival: "Arrival",
) -> Contribution:
    edge = graph.edges[e]
    source, value = graph.nodes[edge.source], edge.contribution or 0.0
    symbols, numbers = chain_rule(graph, edge, names)
    return Contribution(
        edge=e,
        target=edge.source,
        gradient=derivatives[edge.source],
        shape=source.shape,
        sizes=(edge.size, source.size),
        symbols=expression(symbols),
        numbers=numbers and expression(in_numbers(numbers, value)),
        value=value,
        **vars(arrival),
    )


@dataclass(frozen=True)
class Arrival:
    """The gradient of a node before and after one contribution: see `Contribution`."""

    use: int
    uses: int
    before: float | None
    total: float | None
    totals: Cells | None


def arrivals_in(graph: Graph) -> dict[int, Arrival]:
    """For each edge that brings a gradient to its source."""
    into = edges_into(graph)
    back = [e for i in graph.order for e in into[i] if graph.edges[e].contribution is not None]
    to: dict[int, list[int]] = defaultdict(list)
    for e in back:
        to[graph.edges[e].source].append(e)
    found: dict[int, Arrival] = {}
    for i, edges in to.items():
        found.update(zip(edges, arrivals_at(graph.nodes[i], [graph.edges[e] for e in edges])))
    return found


def arrivals_at(node: GraphNode, edges: Sequence[GraphEdge]) -> list[Arrival]:
    """An Arrival for each of the edges that bring gradient to a node, in their order."""
    gradient, found = Gradient(len(edges)), []
    for edge in edges:
        before = gradient.total
        gradient.add(edge, node)
        found.append(Arrival(gradient.use, gradient.uses, before, gradient.total, gradient.cells))
    return found


class Gradient:
    """The gradient of one node while its contributions come in."""

    def __init__(self, uses: int) -> None:
        self.use, self.uses = 0, uses
        self.total: float | None = None
        self.cells: Cells | None = None

    def add(self, edge: GraphEdge, source: GraphNode) -> None:
        """Add the contribution of an edge.

        Small tables can be added up to the table of the sum. Norms cannot.
        """
        self.use += 1
        if source.leaving > 1:  # several values: only the norm of all of them is known
            self.total = source.norm if self.use == self.uses else None
            return
        if self.use == 1:
            self.total, self.cells = edge.contribution, edge.contributions
            return
        if self.cells is not None and edge.contributions is not None:
            rows = np.array(self.cells.rows) + np.array(edge.contributions.rows)
            self.cells = Cells(tuple(map(tuple, rows.tolist())), self.cells.exact)
        if self.use == self.uses:
            whole = source.gradient
            self.total = source.norm if whole is None or isinstance(whole, str) else whole
            self.cells = source.gradients
        elif math.prod(source.shape) == 1:
            self.total = (self.total or 0.0) + (edge.contribution or 0.0)
        elif self.cells is not None and self.cells.exact:
            self.total = norm_of(np.array(self.cells.rows))
        else:
            self.total = None


def edges_into(graph: Graph) -> list[list[int]]:
    """For each node, the places of the edges that end there."""
    into: list[list[int]] = [[] for _ in graph.nodes]
    for i, edge in enumerate(graph.edges):
        into[edge.target].append(i)
    return into


# The forward pass


def forward_steps(
    root: Node, record: Record | None = None, max_nodes: int | None = 2000
) -> list[ForwardStep]:
    """The forward pass, a step for each operation: z = w * x = 0.5 * 2.0 = 1.0.

    The arguments are those of `backward_steps`. Raises ValueError for a larger graph.
    """
    return forward_steps_of(describe(root, record=record, max_nodes=max_nodes))


def forward_steps_of(
    graph: Graph,
    names: Sequence[Any] | None = None,
    operands: Callable[[GraphNode], Sequence[Any]] | None = None,
) -> list[ForwardStep]:
    """The steps of the forward pass.

    names     the names of the nodes; those of `names_of` by default
    operands  a function from a node to its operands; by default the sources of its edges
    """
    names, into = names_of(graph) if names is None else names, edges_into(graph)

    def sources(node: GraphNode) -> list[Any]:
        return [Ref(graph.edges[i].source) for i in into[node.id]]

    steps = []
    for node in graph.nodes:
        if not node.operation:
            continue
        made = node.made or as_call(node, (operands or sources)(node))
        symbols = expression(with_refs(made, lambda ref: names[ref.node]))
        numbers = None
        if isinstance(node.value, float) and all(numeral(ref, graph) for ref in refs_in(made)):
            in_full = with_refs(made, lambda ref: numeral(ref, graph))
            numbers = expression(in_numbers(in_full, node.value) if node.made else in_full)
        steps.append(ForwardStep(node.id, expression(names[node.id]), symbols, numbers, node.value))
    return steps


def as_call(node: GraphNode, operands: Sequence[Any]) -> Call:
    """An operation that cannot be written with operators, as a call: sum(x, axis=0)."""
    return Call(node.operation, (*operands, *([Verbatim(node.options)] if node.options else [])))
