"""What do people get wrong in a backward pass? One mistake at one place, as another formula."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu.notation.formula import TRANSPOSED, expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notation.terms import Call, Ref, summed
from tinygrad_edu.viz.graph.data import GraphNode
from tinygrad_edu.viz.pages.passes import Pass
from tinygrad_edu.viz.words.chain import gradient_name
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.steps import forward_steps_of

GATES = ("relu", "maximum", "minimum")
LONGEST = 28  # characters of an operation that is quoted


@dataclass(frozen=True)
class Slip:
    """One mistake in a backward pass.

    kind     its kind: a key of `KINDS`
    reason   the mistake, in a sentence for the learner
    place    where it is made: an operation or a node, as text
    node     the node whose gradient is wrong first
    terms    the wrong formulas, by edge
    product  whether the contributions to the node are multiplied
    """

    kind: str
    reason: str
    place: str
    node: int
    terms: Mapping[int, Any] = field(default_factory=dict)
    product: bool = False


Wrong = tuple[str, str, Any]  # the kind, the reason, and the wrong formula


@dataclass(frozen=True)
class Use:
    """An edge with its names.

    term      its formula before broadcasting is undone
    is_summed whether broadcasting is undone by a sum
    g, x, out references to the incoming gradient, the source and the target
    operands  references to all operands of the target
    incoming  the name of the incoming gradient
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
    """Each edge that has a formula and carries a gradient, by its place."""
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


def slips_in(backward: Pass) -> Iterator[Slip]:
    uses = uses_in(backward)
    for node, edges in enumerate(backward.uses):
        if len(edges) > 1 and all(e in uses for e in edges):
            yield from slips_in_a_sum(node, {e: uses[e] for e in edges})
    for e, use in uses.items():
        for kind, reason, term in slips_on(use):
            yield Slip(kind, reason, use.equation, use.source.id, {e: summed_like(use, term)})


def slips_in_a_sum(node: int, uses: Mapping[int, Use]) -> Iterator[Slip]:
    """Mistakes at a node that is used several times."""
    n, place = len(uses), next(iter(uses.values())).source_name
    others = {e: dict.fromkeys(uses.keys() - {e}, 0.0) for e in uses}
    for e, use in uses.items():
        alone = (
            f"This is the contribution through {use.target_name} alone. There are {n} uses: add "
            "the contributions of all of them."
        )
        yield Slip("uses", alone, place, node, others[e])
    for e, use in uses.items() if n > 2 else ():
        missing = (
            f"The contribution through {use.target_name} is missing: add the contributions of all "
            f"{n} uses."
        )
        yield Slip("uses", missing, place, node, {e: 0.0})
    multiplied = f"The contributions of the {n} uses are multiplied here: add them."
    yield Slip("uses", multiplied, place, node, product=True)
    for e, use in uses.items():
        local = {e: summed_like(use, local_derivative(use))}
        yield Slip("incoming", local_alone(use), place, node, others[e] | local)
    for e, use in uses.items():
        turned = f"The contribution through {use.target_name} has the wrong sign."
        yield Slip("sign", turned, place, node, {e: summed_like(use, negative(use.term))})


def slips_on(use: Use) -> Iterator[Wrong]:
    """Mistakes on one edge, the likeliest first."""
    operation = use.target.operation
    if operation == "square" or (operation == "power" and use.position == 0):
        yield from slips_in_a_power(use)
    elif operation == "subtract" and use.position == 1:
        subtracted = f"{use.source_name} is subtracted in {use.equation}: its gradient gets a minus"
        yield "sign", f"{subtracted} sign.", negative(use.term)
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
                "with respect to one operand is the other operand."
            )
            yield "operand", wrong, times(use.g, use.x)
    yield "incoming", local_alone(use), local_derivative(use)
    if operation not in ("matmul", *GATES):
        unchanged = (
            f"Here {use.incoming} is passed on unchanged: multiply it by the derivative of "
            f"{use.equation}."
        )
        yield "chain", unchanged, use.g


def slips_in_a_power(use: Use) -> Iterator[Wrong]:
    match use.term:
        case (
            Call(operands=(Call(operands=(_, Ref(number=float() | int() as n))), _))
            | Call(operands=(Call(operands=(_, float() | int() as n)), _))
        ):
            down = f"The factor {number(n)} is missing: the exponent comes down as a factor."
            yield "power", down, times(use.g, Call(np.power, (use.x, n - 1)))
            kept = f"The exponent goes down by one, from {number(n)} to {number(n - 1)}."
            yield "power", kept, times(times(use.g, n), Call(np.power, (use.x, n)))


def slips_in_a_quotient(use: Use) -> Iterator[Wrong]:
    x, y = use.operands
    if use.position == 0:
        reason = (
            "This multiplies by the denominator: the derivative of x / y with respect to x is "
            "1 / y."
        )
        yield "quotient", reason, times(use.g, y)
        return
    minus = "The derivative of x / y with respect to y is -x / y²: the minus is missing."
    yield "quotient", minus, negative(use.term)
    square = "The derivative of x / y with respect to y is -x / y²: the square is missing."
    yield "quotient", square, negative(Call(np.divide, (times(use.g, x), y)))


def slips_in_a_matrix_product(use: Use) -> Iterator[Wrong]:
    transposed = "One of the factors must be transposed: look at the shapes."
    yield "transpose", transposed, mapped(use.term, without_transpose)
    match use.term:
        case Call(function=function, operands=(a, b), options=options):
            order = "The factors of the matrix product are in the wrong order."
            yield "transpose", order, Call(function, (b, a), options)


def slips_at_a_gate(use: Use) -> Iterator[Wrong]:
    name, source = use.target.operation, use.source_name
    if name == "relu":
        shut = f"relu passes a gradient on only where its input is positive: look at {source}."
        opened = f"The gate is open where the input of relu, {source}, is positive."
        slope = "This multiplies by the input. Where it is positive, the derivative of relu is 1."
        yield "gate", slope, times(use.g, use.x)
    else:
        taken = "larger" if name == "maximum" else "smaller"
        shut = opened = (
            f"A {name} passes the gradient to the {taken} operand, and half of it to each if they "
            f"are equal: look at {source}."
        )
    yield "gate", shut, use.g
    yield "gate", opened, 0.0


def slips_in_a_function(use: Use) -> Iterator[Wrong]:
    """Mistakes at a function of one operand."""
    name = use.target.operation
    of_input = mapped(use.term, lambda x: use.x if x == use.out else x)
    if of_input != use.term:
        reason = f"The derivative of {name} is computed from its result here, not from its input."
        yield "function", reason, of_input
    square = times(use.out, use.out)
    not_squared = mapped(use.term, lambda x: use.out if x == square else x)
    if not_squared != use.term:
        reason = f"The derivative of {name} contains the square of its result."
        yield "function", reason, not_squared
    value = f"This multiplies by the value of {name}, not by its derivative."
    yield "function", value, times(use.g, use.out)


def local_alone(use: Use) -> str:
    return (
        f"This uses only the local derivative of {use.target_name}. Multiply it by the incoming "
        f"gradient, {use.incoming}."
    )


# Terms


def local_derivative(use: Use) -> Any:
    """The formula with an incoming gradient of 1."""
    return mapped(use.term, lambda x: np.ones(use.target.shape) if x == use.g else x)


def stripped(term: Any) -> Any:
    """A term before broadcasting is undone."""
    match term:
        case Call(function=function, operands=(inner,)) if function is summed:
            return inner
    return term


def summed_like(use: Use, term: Any) -> Any:
    """A wrong term, summed if the formula in its place is summed."""
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
    """A term with each part x, except arrays, replaced by by(x), inner parts first."""
    match term:
        case Call(function=function, operands=operands, options=options):
            return by(Call(function, tuple(mapped(x, by) for x in operands), options))
        case np.ndarray():
            return term
    return by(term)
