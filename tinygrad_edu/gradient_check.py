"""Is the derivative right? Compare `backward` with slopes that are measured on the function itself.

`gradcheck` runs f at several points near the given one and measures its slope. If `backward` gives
another slope, it checks the rule of each operation alone in the same way, and names the wrong one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.graph import RULES, Node, apply, plain
from tinygrad_edu.messages import operation, user_line
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.nn.module import Module, generators_of
from tinygrad_edu.rng import Package
from tinygrad_edu.slopes import Function, GradcheckError, Report, Slopes
from tinygrad_edu.structures import leaves as structure_leaves
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.value import Value


def gradcheck(
    f: Function,
    *inputs: Any,
    parameters: Module | Iterable[Node] = (),
    generators: Iterable[np.random.Generator] = (),
    order: int = 2,
    rng: np.random.Generator | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> Report:
    """Compare the derivatives of f up to `order` with Richardson-extrapolated central differences.

    f           takes and returns Tensors, or Values if the inputs are Values; or a Module
    inputs      floating-point arrays, Tensors or Values: where to differentiate
    parameters  also differentiate with respect to these: nodes, or a Module for its parameters;
                by default the parameters of f if f is a Module
    generators  the random generators that f uses: each run of f starts from the same state of
                these, of the package's own generator and of those that a Module holds
    order       the highest order of derivatives to compare
    rng         draws the random directions; by default always the same ones
    rtol        tolerance relative to the slope; by default the square root of the dtype's machine
                epsilon and at least 1e-7, so 1e-7 for float64, 3e-4 for float32
    atol        tolerance beyond that; by default the effect of ten roundings in each node

    The number to compare is the slope of a random combination of the outputs along a random
    direction, in which any wrong partial shows. Only if it is wrong, bisection finds the partials.
    At a kink any slope between those of the two sides is right, and the report lists all three.
    `backward` runs in the dtype of the inputs, and the differences are taken in float64.
    Raises GradcheckError, which lists the wrong partials and names the wrong rule; ValueError if f
    has no slope here or computes something else in float64, and for an order below 1; TypeError for
    inputs that are not floats and for results that are not nodes; RuntimeError under no_grad().
    """
    if not RECORDING.get():
        raise RuntimeError("gradcheck needs the graph of f, and under no_grad() there is none")
    if order < 1:
        raise ValueError(f"order must be at least 1, and it is {order}: nothing would be compared")
    if isinstance(f, Module) and not parameters:
        parameters = f
    held = [g for x in (f, parameters) if isinstance(x, Module) for g in generators_of(x)]
    leaves = as_leaves(inputs, parameters)
    if not any(np.size(x.data) for x in leaves.values()):
        raise ValueError("gradcheck got empty arrays only, so there is nothing to compare")
    xs = list(leaves.values())[: len(inputs)]
    with borrowed(leaves.values(), [Package.rng, *generators, *held]) as rewind:

        def run() -> list[Any]:
            rewind()
            return outputs(f(*xs))

        expect_slope(run)
        slopes = Slopes(leaves, rtol, atol)
        try:
            slopes.expect_one_function(run)
            report = slopes.check(run, order, rng or np.random.default_rng(0))
            expect_unchanged_arguments(recorded(run))
        except GradcheckError as error:
            reasons = broken_rules(recorded(run), order, rtol, atol) or [RULES_ARE_RIGHT]
            message = "\n".join([f"backward and f differ:\n  {error}", *reasons])
            raise GradcheckError(message) from error
    return report


# Which rule is wrong?

RULES_ARE_RIGHT = (
    "The rule of each operation is right on its own here. Does f leave the graph on its way, by "
    ".data, detach() or no_grad()? Do kinks meet at this point, or is it very near to one?"
)


def recorded(f: Function) -> dict[Node, str]:
    """Every node that f makes, with the line of the user's code that made it."""
    lines: dict[Node, str] = {}

    def record(out: Node) -> None:
        if out.function is not None:
            lines[out] = user_line()

    with temporarily(RECORDING, record):
        f()
    return lines


def broken_rules(
    lines: Mapping[Node, str], order: int, rtol: float | None, atol: float | None
) -> list[str]:
    """A message for each rule that is wrong on its own, with the line of its first wrong node.

    A rule that loses how its gradient g depends on the operands is right as long as g is constant.
    So if all rules are right, they are checked again with g as one more operand. `checkpoint` is
    left out: its rule only runs other rules, whose nodes are in `lines` too.
    """
    found: dict[Any, str] = {}
    lines = {node: line for node, line in lines.items() if node.function in RULES}
    for g_moves in (False, True):
        for node, line in lines.items():
            if found and (g_moves or node.rule in found):
                continue
            f, operands = operation_alone(node, g_moves)
            try:
                Slopes(operands, rtol, atol).check(f, order, np.random.default_rng(0))
                expect_unchanged_arguments([node])
            except GradcheckError as error:
                name = operation(node.rule)
                found[node.rule] = f"The rule of {name} is wrong, at the node of {line}:\n  {error}"
    return list(found.values())


def operation_alone(node: Node, g_moves: bool) -> tuple[Function, dict[str, Node]]:
    """The operation of one node as a function of its tracked operands, and these operands."""
    function: Any = node.function
    kind: Any = type(node)
    operands = list(node.seen[1:])
    leaves = {}
    for i, x in enumerate(node.inputs):
        if isinstance(x, Node) and x.requires_grad:
            leaves[titled(f"operand {i}", x)] = operands[i] = kind(operands[i], requires_grad=True)
    if not g_moves:
        return lambda: [apply(function, *operands, **node.options)], leaves
    leaves["g"] = g = kind(0 * node.data + 1, requires_grad=True)
    return lambda: [apply(function, *operands, **node.options) * g], leaves


def expect_unchanged_arguments(nodes: Iterable[Node]) -> None:
    """Raises GradcheckError if a rule changes one of its arguments in place."""
    for node in nodes:
        given = (np.ones_like(node.data) if node.broadcasts else 1.0, *node.seen)
        lent = [x.copy() if isinstance(x, np.ndarray) else x for x in given]
        with np.errstate(all="ignore"):
            partials: Any = node.rule(*lent, **node.options)  # type: ignore
            node.contributions(partials if isinstance(partials, tuple) else (partials,))
        for i, (before, after) in enumerate(zip(given, lent, strict=True)):
            if isinstance(before, np.ndarray) and before.tobytes() != after.tobytes():
                what = ("its gradient g", "the result out")[i] if i < 2 else f"operand {i - 2}"
                raise GradcheckError(
                    f"the rule of {operation(node.rule)} changes {what} in place; that array is "
                    "used elsewhere too: make a new one"
                )


# The arguments of gradcheck


def as_leaves(inputs: tuple[Any, ...], parameters: Module | Iterable[Node]) -> dict[str, Node]:
    """A node for each input, then the parameters that require a gradient; by their titles."""
    if isinstance(parameters, Module):
        named = {f"parameter {path}": p for path, p in parameters.named_parameters()}
    else:
        named = {titled(f"parameter {i}", p): p for i, p in enumerate(parameters)}
    named = {name: p for name, p in named.items() if p.requires_grad}
    kind = Value if any(isinstance(x, Value) for x in [*inputs, *named.values()]) else Tensor
    leaves: dict[str, Node] = {}
    for i, x in enumerate(inputs):
        data = np.array(plain(x))
        if data.dtype.kind != "f":
            raise TypeError(
                f"input {i} of gradcheck is {data.dtype}; only floats have a derivative. If f "
                "needs it as it is, close over it: gradcheck(lambda x: f(x, indices), x)"
            )
        if kind is Value and data.ndim:
            raise TypeError(f"input {i} of gradcheck is an array, and f computes with Values")
        number: Any = data if kind is Tensor else data.item()
        leaves[titled(f"input {i}", x)] = kind(number, True, getattr(x, "name", None))
    leaves |= named
    if not leaves:
        raise TypeError("gradcheck needs an input or a parameter, and got neither")
    return leaves


def titled(what: str, x: Any) -> str:
    """`input 0`, or `input 0 'w'` if it has a name."""
    return f"{what} {x.name!r}" if isinstance(x, Node) and x.name else what


@contextmanager
def borrowed(
    leaves: Iterable[Node], generators: list[np.random.Generator]
) -> Iterator[Callable[[], None]]:
    """Restore leaves and generators at the end; yields a function that rewinds the generators."""
    held = [(x, x.data, x.grad) for x in leaves]
    states = [generator.bit_generator.state for generator in generators]

    def rewind() -> None:
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state

    for x, _, _ in held:
        x.grad = None
    try:
        yield rewind
    finally:
        for x, data, grad in held:
            x.grad = grad
            if x.data is not data:  # the same array again would count as changed in place
                x.data = data
        rewind()


def outputs(result: Any) -> list[Any]:
    """The nodes that f returns: one, or nested lists, tuples and dicts of them, as from an LSTM."""
    results = structure_leaves(result)
    for x in results:
        if not isinstance(x, Node):
            raise TypeError(f"gradcheck needs a function that returns Tensors, not {x!r}")
    if not results:
        raise TypeError("gradcheck needs a function that returns Tensors, and this returns none")
    return results


def expect_slope(f: Callable[[], list[Any]]) -> None:
    """Raises ValueError if the result of f is empty, not finite, or different in a second run."""
    first, second = ([np.asarray(x.data) for x in f()] for _ in range(2))
    if not any(x.size for x in first):
        raise ValueError("f gives empty arrays only, so there is nothing to compare")
    if not all(np.all(np.isfinite(x)) for x in first):
        raise ValueError("f is not finite here, so it has no slope: look with detect_anomaly()")
    if len(first) != len(second) or not all(map(np.array_equal, first, second)):
        raise ValueError(
            "f gives different numbers for the same inputs, so it has no slope. If it draws random "
            "numbers, pass what it draws from: gradcheck(f, x, generators=[rng])"
        )
