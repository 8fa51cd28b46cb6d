"""Which wrong answers do typical mistakes lead to?

Each is computed: the backward pass runs once more on the formulas of the graph, with one mistake in
it, so that a mistake is known by its answer wherever on the way it was made.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.notation.formula import TRANSPOSED, expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notation.terms import Call, Ref, evaluated, summed
from tinygrad_edu.tensor import unbroadcast
from tinygrad_edu.viz.graph.data import Cells, Graph, GraphNode
from tinygrad_edu.viz.words.chain import gradient_name, refs_in
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.steps import edges_into, forward_steps_of

# What each kind of mistake is called in a summary, and what to look at again.
KINDS = {
    "uses": (
        "a use left out, or uses not added",
        "Fan-outs: what is used several times gets the sum of the contributions of all its uses.",
    ),
    "incoming": (
        "the gradient that comes in left out",
        "The chain rule: each local derivative is multiplied by the gradient that comes in.",
    ),
    "chain": (
        "a derivative on the way left out",
        "The chain rule: a gradient is multiplied by the derivative of every operation it passes.",
    ),
    "power": (
        "the derivative of a power",
        "Powers: the derivative of xⁿ is n · xⁿ⁻¹. The exponent comes down as a factor.",
    ),
    "operand": (
        "the wrong operand of a product",
        "Products: the derivative of x · y with respect to x is y, the other operand.",
    ),
    "quotient": (
        "the derivative of a quotient",
        "Quotients: the derivative of x / y is 1 / y with respect to x, and -x / y² to y.",
    ),
    "sign": (
        "a wrong sign",
        "Signs: what is subtracted gets the gradient with its sign turned.",
    ),
    "gate": (
        "a gate: relu, maximum, minimum",
        "Gates: relu passes a gradient on where its input is positive, and nothing elsewhere; of a "
        "maximum, the larger operand gets it.",
    ),
    "function": (
        "the derivative of a function",
        "Functions: the derivative of tanh is 1 - tanh², of its result; that of exp is its result.",
    ),
    "broadcast": (
        "the sum over a broadcast axis left out",
        "Broadcasting: what was stretched over an axis gets the sum of the gradients along it.",
    ),
    "transpose": (
        "the transpose in a matrix product",
        "Matrix products: of y = W x, the gradient of x is Wᵀ g, that of W is g xᵀ.",
    ),
    "element": ("another element", "Indices: row first, then column, both from 0."),
    "prediction": (
        "a prediction",
        "Predicting: look at where the value stands in the rule, as a factor or not at all.",
    ),
}
GATES = ("relu", "maximum", "minimum")
LONGEST = 28  # characters of an operation that is quoted


@dataclass(frozen=True)
class Mistake:
    """A wrong answer, what the learner who gives it did, and of which of KINDS that is."""

    answer: float
    reason: str
    kind: str


@dataclass(frozen=True)
class Slip:
    """One mistake in a backward pass.

    place    where it is made, in words
    node     whose gradient it spoils right there
    flows    the terms that are computed in place of the formulas of edges
    product  whether the contributions to the node are multiplied
    """

    kind: str
    reason: str
    place: str
    node: int
    flows: Mapping[int, Any] = field(default_factory=dict)
    product: bool = False


class Pass:
    """The backward pass of a graph once more, in which something may go wrong."""

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

    def with_slip(self, slip: Slip) -> dict[int, Any]:
        """The gradients that come out wrong, by node; None for what cannot be computed."""
        wrong: dict[int, Any] = {}
        flows: dict[int, Any] = {}
        for i in self.graph.order:
            is_here = slip.product and slip.node == i
            if is_here or not flows.keys().isdisjoint(self.uses[i]):
                parts = [flows.get(e, self.contributions[e]) for e in self.uses[i]]
                is_known = all(part is not None for part in parts)
                wrong[i] = (math.prod if is_here else sum)(parts) if is_known else None
            g = wrong.get(i, self.gradients[i])
            for e in self.into[i]:
                if e in slip.flows:
                    flows[e] = self.flow(e, slip.flows[e], g)
                elif i in wrong and self.graph.edges[e].contribution is not None:
                    flows[e] = self.flow(e, self.graph.edges[e].formula, g)
        return wrong

    def flow(self, e: int, term: Any, g: Any) -> Any:
        """What flows back along an edge if `term` says it; None if that cannot be computed."""
        partial = self.partial(e, term, g)
        if partial is None:
            return None
        flow = unbroadcast(partial, self.shape(e))
        return flow if flow.shape == self.shape(e) else None

    def partial(self, e: int, term: Any, g: Any) -> Any:
        """The same before broadcasting is undone."""
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
        except ValueError:  # nobody gets an answer so
            return None

    def evaluated(self, term: Any, g: Any) -> Any:
        """What a term comes to; None if the numbers are not there, or the shapes do not fit."""

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
        """What is added up to the contribution of an edge when broadcasting is undone."""
        edge, shape = self.graph.edges[e], self.shape(e)
        g = self.gradients[edge.target]
        partial = None if edge.formula is None or g is None else self.partial(e, edge.formula, g)
        if partial is None or partial.shape == shape:
            return [float(self.contributions[e][index])]
        kept = (slice(None) if n == 1 else i for n, i in zip(shape, index, strict=True))
        return partial[(..., *kept)].ravel().tolist()

    def products(self, e: int, index: tuple[int, ...]) -> list[float]:
        """What a matrix product adds up to one element of the contribution of an edge."""
        g = self.gradients[self.graph.edges[e].target]
        match self.graph.edges[e].formula:
            case Call(function=function, operands=operands) if function is np.matmul:
                left, right = (self.evaluated(x, g) for x in operands)
                if left is not None and right is not None and left.ndim <= 2 >= right.ndim:
                    row = left[index[0]] if left.ndim == 2 else left
                    column = right[:, index[-1]] if right.ndim == 2 else right
                    return (row * column).tolist() if len(row) > 1 else []
        return []


class Mistakes:
    """The mistakes that can be made in a graph, and what each of them leads to."""

    def __init__(self, graph: Graph) -> None:
        self.backward = Pass(graph)
        place = {i: k for k, i in enumerate(graph.order)}
        made = sorted(slips(self.backward), key=lambda slip: -place[slip.node])
        with np.errstate(all="ignore"):
            self.made = [(slip, self.backward.with_slip(slip)) for slip in made]

    def of(self, node: int, index: tuple[int, ...]) -> Iterator[Mistake]:
        """The wrong answers at one element of the gradient of a node, the likelier first."""
        gradient = self.backward.gradients[node]
        yield from self.of_sums(node, index)
        for slip, wrong in self.made:
            if wrong.get(node) is not None:
                at = "" if slip.node == node else f"At {slip.place}: "
                yield Mistake(float(wrong[node][index]), at + slip.reason, slip.kind)
        yield Mistake(-float(gradient[index]), "The size is right, the sign is wrong.", "sign")
        for other in np.ndindex(gradient.shape):
            reason = f"This is the element [{', '.join(map(str, other))}]."
            yield Mistake(float(gradient[other]), reason, "element")

    def of_sums(self, node: int, index: tuple[int, ...]) -> Iterator[Mistake]:
        """Sums that were forgotten."""
        backward = self.backward
        for e in backward.uses[node]:
            others = float((backward.gradients[node] - backward.contributions[e])[index])
            parts = backward.parts(e, index)
            if len(parts) > 1:
                stretched = "Broadcasting used the element several times: sum over the axes that it"
                for part in parts:
                    reason = f"This is one summand. {stretched} stretched."
                    yield Mistake(others + part, reason, "broadcast")
                reason = f"This is the mean of the summands. {stretched} stretched."
                yield Mistake(others + sum(parts) / len(parts), reason, "broadcast")
            for product in backward.products(e, index):
                reason = (
                    "This is one product. A matrix product adds them up: go along the row and the "
                    "column."
                )
                yield Mistake(others + product, reason, "transpose")


# What people get wrong

Wrong = tuple[str, str, Any]  # of which kind, what was done, the term that it comes to


@dataclass(frozen=True)
class Use:
    """An edge with its names.

    term      its formula before broadcasting is undone, and whether that is summed then
    g, x, out references to the gradient that comes in, the source and the target
    operands  references to all operands of the target
    incoming  what the gradient that comes in is called
    equation  the operation: z1 = w · x
    """

    source: GraphNode
    target: GraphNode
    position: int
    term: Any
    is_summed: bool
    g: Ref
    x: Ref
    out: Ref
    operands: tuple[Ref, ...]
    source_name: str
    target_name: str
    incoming: str
    equation: str


def uses_in(backward: Pass) -> dict[int, Use]:
    """Each edge with a formula that a gradient flows along, by its place."""
    graph = backward.graph
    names = names_of(graph)
    labels = [expression(name).pretty for name in names]
    made = {step.node: step.symbols.pretty for step in forward_steps_of(graph)}
    found = {}
    for e, edge in enumerate(graph.edges):
        if edge.contribution is None or edge.formula is None:
            continue
        i, equation = edge.target, labels[edge.target]
        if len(made[i]) <= LONGEST:
            equation += f" = {made[i]}"
        found[e] = Use(
            graph.nodes[edge.source],
            graph.nodes[i],
            edge.position,
            stripped(edge.formula),
            stripped(edge.formula) is not edge.formula,
            Ref(i, is_gradient=True),
            Ref(edge.source),
            Ref(i),
            tuple(Ref(graph.edges[k].source) for k in backward.into[i]),
            labels[edge.source],
            labels[i],
            expression(gradient_name(graph, i, names)).pretty,
            equation,
        )
    return found


def slips(backward: Pass) -> Iterator[Slip]:
    uses = uses_in(backward)
    for node, edges in enumerate(backward.uses):
        if len(edges) > 1 and all(e in uses for e in edges):
            yield from slips_in_a_sum(node, {e: uses[e] for e in edges})
    for e, use in uses.items():
        for kind, reason, term in slips_on(use):
            yield Slip(kind, reason, use.equation, use.source.id, {e: summed_like(use, term)})


def slips_in_a_sum(node: int, uses: Mapping[int, Use]) -> Iterator[Slip]:
    """Where a node is used several times."""
    n, place = len(uses), next(iter(uses.values())).source_name
    others = {e: dict.fromkeys(uses.keys() - {e}, 0.0) for e in uses}
    for e, use in uses.items():
        alone = (
            f"This is the contribution through {use.target_name} alone. There are {n} uses: add "
            "the contributions of all."
        )
        yield Slip("uses", alone, place, node, others[e])
    for e, use in uses.items() if n > 2 else ():
        missing = f"The contribution through {use.target_name} is missing: add those of all {n} "
        yield Slip("uses", f"{missing}uses.", place, node, {e: 0.0})
    multiplied = f"The contributions of the {n} uses are multiplied here: add them."
    yield Slip("uses", multiplied, place, node, product=True)
    for e, use in uses.items():
        local = {e: summed_like(use, local_derivative(use))}
        yield Slip("incoming", local_alone(use), place, node, others[e] | local)
    for e, use in uses.items():
        turned = f"The contribution through {use.target_name} has the wrong sign."
        yield Slip("sign", turned, place, node, {e: summed_like(use, negative(use.term))})


def slips_on(use: Use) -> Iterator[Wrong]:
    """Mistakes on one edge, the likelier first."""
    operation = use.target.operation
    if operation == "square" or (operation == "power" and use.position == 0):
        yield from slips_in_a_power(use)
    elif operation == "subtract" and use.position == 1:
        subtracted = f"{use.source_name} is subtracted in {use.equation}: its gradient has the sign"
        yield "sign", f"{subtracted} turned.", negative(use.term)
    elif operation == "divide":
        yield from slips_in_a_quotient(use)
    elif operation == "matmul":
        yield from slips_in_a_matrix_product(use)
    elif operation in GATES:
        yield from slips_at_a_gate(use)
    elif len(use.operands) == 1 and use.source.shape == use.target.shape:
        yield from slips_in_a_function(use)
    match use.term:
        case Call(function=function, operands=(Ref(is_gradient=True), Ref() as other)) if (
            function is np.multiply and other != use.out
        ):
            wrong = (
                f"This takes the wrong operand of the product {use.target_name}: the derivative "
                "with respect to one operand is the other one."
            )
            yield "operand", wrong, times(use.g, use.x)
    yield "incoming", local_alone(use), local_derivative(use)
    if operation not in ("matmul", *GATES):
        unchanged = (
            f"Here {use.incoming} went on unchanged: multiply it by the derivative of "
            f"{use.equation}."
        )
        yield "chain", unchanged, use.g


def slips_in_a_power(use: Use) -> Iterator[Wrong]:
    match use.term:
        case (
            Call(operands=(Call(operands=(_, Ref(number=float() | int() as n))), _))
            | Call(operands=(Call(operands=(_, float() | int() as n)), _))
        ):
            down = f"The exponent {number(n)} comes down as a factor."
            yield "power", down, times(use.g, Call(np.power, (use.x, n - 1)))
            kept = f"The exponent goes down by one, from {number(n)} to {number(n - 1)}."
            yield "power", kept, times(times(use.g, n), Call(np.power, (use.x, n)))


def slips_in_a_quotient(use: Use) -> Iterator[Wrong]:
    x, y = use.operands
    if use.position == 0:
        reason = "This multiplies by the denominator: the derivative of x / y is 1 / y."
        yield "quotient", reason, times(use.g, y)
        return
    minus = "The derivative of x / y with respect to y is -x / y²: the minus is missing."
    yield "quotient", minus, negative(use.term)
    square = "The derivative of x / y with respect to y is -x / y²: the square is missing."
    yield "quotient", square, negative(Call(np.divide, (times(use.g, x), y)))


def slips_in_a_matrix_product(use: Use) -> Iterator[Wrong]:
    transposed = "One of the factors has to be transposed: look at the shapes."
    yield "transpose", transposed, mapped(use.term, without_transpose)
    match use.term:
        case Call(function=function, operands=(a, b), options=options):
            order = "The factors of the matrix product are in the wrong order."
            yield "transpose", order, Call(function, (b, a), options)


def slips_at_a_gate(use: Use) -> Iterator[Wrong]:
    name, source = use.target.operation, use.source_name
    if name == "relu":
        shut = f"relu passes a gradient on only where its input is positive: look at {source}."
        opened = f"The gate is open: the input of relu, {source}, is positive."
        slope = "This multiplies by the input. Where it is positive, the derivative of relu is 1."
        yield "gate", slope, times(use.g, use.x)
    else:
        shut = f"The gradient of a {name} goes to one operand alone, and {source} is not that one."
        opened = f"The {name} is {source}: the whole gradient goes there."
    yield "gate", shut, use.g
    yield "gate", opened, 0.0


def slips_in_a_function(use: Use) -> Iterator[Wrong]:
    """Of one operand."""
    name = use.target.operation
    of_input = mapped(use.term, lambda x: use.x if x == use.out else x)
    if of_input != use.term:
        reason = f"The derivative of {name} is computed from its result here, not from its input."
        yield "function", reason, of_input
    square = times(use.out, use.out)
    not_squared = mapped(use.term, lambda x: use.out if x == square else x)
    if not_squared != use.term:
        yield "function", f"The derivative of {name} has the square of its result.", not_squared
    value = f"This multiplies by the value of {name}, not by its derivative."
    yield "function", value, times(use.g, use.out)


def local_alone(use: Use) -> str:
    return (
        f"This has the local derivative of {use.target_name} alone. Multiply it by the gradient "
        f"that comes in, {use.incoming}."
    )


# Terms


def local_derivative(use: Use) -> Any:
    """The formula, as if the gradient that comes in were 1."""
    return mapped(use.term, lambda x: np.ones(use.target.shape) if x == use.g else x)


def stripped(term: Any) -> Any:
    """A term before broadcasting is undone."""
    match term:
        case Call(function=function, operands=(inner,)) if function is summed:
            return inner
    return term


def summed_like(use: Use, term: Any) -> Any:
    """What is computed in place of a formula is summed as the formula is."""
    return Call(summed, (term,)) if use.is_summed else term


def times(x: Any, y: Any) -> Call:
    return Call(np.multiply, (x, y))


def negative(term: Any) -> Call:
    return Call(np.negative, (term,))


def without_transpose(x: Any) -> Any:
    match x:
        case Call(function=function, operands=(inner, *_)) if function in TRANSPOSED:
            return inner
    return x


def mapped(term: Any, by: Callable[[Any], Any]) -> Any:
    """A term with by(x) in the place of each of its parts x that is no array, inner ones first."""
    match term:
        case Call(function=function, operands=operands, options=options):
            return by(Call(function, tuple(mapped(x, by) for x in operands), options))
        case np.ndarray():
            return term
    return by(term)


def whole_array(scalar: float | str | None, cells: Cells | None, shape: tuple[int, ...]) -> Any:
    """The array behind a number or a small table; None if that is not all of it."""
    if cells is None:
        return np.full(shape, scalar) if isinstance(scalar, float) else None
    return np.reshape(cells.rows, shape) if cells.exact else None
