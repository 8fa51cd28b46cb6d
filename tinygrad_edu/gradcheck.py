"""Is the derivative right? Compare `backward` with the slope that the function itself shows.

`gradcheck` runs f at many points near the given one, and compares. Where the two numbers differ it
checks the rule of every node alone in the same way, and names the one that is wrong.
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.graph import Node, apply, mode, operation, plain
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import Package
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.value import Value

Function = Callable[..., Any]
Arrays = list[npt.NDArray[Any]]

STEP = 0.02  # the largest step of the differences; the smallest is STEP / 2**5
PACKAGE = str(Path(__file__).parent)


class GradcheckError(AssertionError):
    """An analytic and a numerical derivative differ."""


@dataclass(frozen=True)
class Comparison:
    """One derivative, as `backward` computes it and as differences of the function estimate it.

    what         which derivative it is
    error        how far off the numerical number may be, by an estimate of its own
    left, right  the slopes on both sides, where f has a kink
    """

    what: str
    analytic: float
    numerical: float
    error: float
    left: float = math.nan
    right: float = math.nan

    def agrees(self, rtol: float, atol: float) -> bool:
        size = max(abs(self.analytic), abs(self.numerical))
        return abs(self.analytic - self.numerical) <= atol + rtol * size

    @property
    def kink(self) -> bool:
        return not math.isnan(self.left)

    def __str__(self) -> str:
        if self.kink:
            sides = f"left {self.left:.6g}, right {self.right:.6g}"
            return f"{self.what}: a kink, {sides}, chosen {self.analytic:.6g}"
        return (
            f"{self.what}: analytic {self.analytic:.10g}, numerical {self.numerical:.10g} "
            f"(± {self.error:.0e})"
        )


@dataclass(frozen=True)
class Report:
    """What `gradcheck` compared: one comparison for each order, and the kinks that it met."""

    comparisons: tuple[Comparison, ...]
    kinks: tuple[Comparison, ...] = ()

    def __str__(self) -> str:
        lines = ["gradcheck: all derivatives agree", *self.comparisons, *self.kinks]
        return "\n  ".join(map(str, lines))


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
    parameters  differentiate by these as well: those of a Module, or nodes; a Module's by default
    generators  what f draws random numbers from; each run of f starts from the same state, as it
                does for the package's own generator and those that a Module holds
    rtol        how far off a derivative may be, relative to its size: 1e-7, for float32 1e-2
    atol        how far off a derivative near 0 may be: 1e-9, for float32 1e-2

    The slope of a random combination of the outputs along one random direction shows a wrong
    partial anywhere in one number. Only where it is wrong is every partial looked at on its own. At
    a kink any slope between those of the two sides is right, and the report tells all three.
    Raises GradcheckError that lists the partials that are wrong, and the rule that is to blame.
    """
    module = f if isinstance(f, Module) else parameters
    if isinstance(module, Module):
        generators = [*generators, *generators_of(module)]
    leaves = as_leaves(inputs, f if isinstance(f, Module) and not parameters else parameters)
    n = len(inputs)
    with borrowed(leaves.values(), [Package.rng, *generators]) as rewind:
        xs = list(leaves.values())[:n]

        def run() -> list[Any]:
            rewind()
            return outputs(f(*xs))

        expect_repeatable(run)
        slopes = Slopes(leaves, rtol, atol)
        try:
            report = slopes.check(run, order, rng or np.random.default_rng(0))
            expect_unchanged_arguments(recorded(run))
        except GradcheckError as error:
            reasons = "\n".join(broken_rules(recorded(run), order, rtol, atol)) or RULES_ARE_RIGHT
            raise GradcheckError(f"backward and f differ:\n  {error}\n{reasons}") from error
    return report


class Slopes:
    """The slopes of a function at one point, analytic and numerical.

    A function here takes no arguments: it computes with `leaves`, whose data is moved for it.
    """

    def __init__(self, leaves: Mapping[str, Node], rtol: float | None, atol: float | None) -> None:
        self.names, self.leaves = list(leaves), list(leaves.values())
        self.point = [np.array(x.data) for x in self.leaves]
        self.smooth = [np.ones(x.shape, bool) for x in self.point]
        coarse = any(x.dtype != np.float64 for x in self.point)
        self.rtol = (1e-2 if coarse else 1e-7) if rtol is None else rtol
        self.atol = (1e-2 if coarse else 1e-9) if atol is None else atol
        # A shorter step is for a point close to a kink or a pole; in float32 it drowns in noise.
        self.steps = [STEP] if coarse else [STEP, STEP / 1000]

    def check(self, f: Function, order: int, rng: np.random.Generator) -> Report:
        comparisons: list[Comparison] = []
        kinks: list[Comparison] = []
        for n in range(1, order + 1):
            f = combination(f, rng)
            what = f"order {n}, random direction"
            comparison = self.compare(what, f, self.random(rng))
            if not comparison.agrees(self.rtol, self.atol):
                found = self.look_at_every_partial(n, f)
                if found:
                    comparison = self.compare(what, f, self.random(rng))
                if not comparison.agrees(self.rtol, self.atol):
                    raise GradcheckError(str(comparison))
                kinks += found
            comparisons.append(comparison)
            f = self.gradient(f)
        return Report(tuple(comparisons), tuple(kinks))

    def random(self, rng: np.random.Generator) -> Arrays:
        """A direction that moves every element but those at kinks."""
        normal = [rng.standard_normal(x.shape) for x in self.point]
        return [d * smooth for d, smooth in zip(normal, self.smooth, strict=True)]

    def look_at_every_partial(self, order: int, f: Function) -> list[Comparison]:
        """The kinks. Raises GradcheckError that lists the first ten partials that are wrong."""
        wrong, kinks = [], []
        for i, index in self.elements():
            basis = [np.zeros(x.shape) for x in self.point]
            basis[i][index] = 1
            where = f"[{', '.join(map(str, index))}]" if index else ""
            partial = self.compare(f"order {order}, {self.names[i]}{where}", f, basis)
            if partial.kink:
                kinks.append(partial)
                self.smooth[i][index] = False
            elif not partial.agrees(self.rtol, self.atol):
                wrong.append(str(partial))
            if len(wrong) == 10:
                break
        if wrong:
            raise GradcheckError("\n  ".join(wrong))
        return kinks

    def elements(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        for i, smooth in enumerate(self.smooth):
            yield from ((i, tuple(map(int, index))) for index in np.argwhere(smooth))

    def compare(self, what: str, f: Function, direction: Arrays) -> Comparison:
        """The slope of the scalar f along `direction`, analytic and numerical."""

        def along(t: float) -> float:
            self.move(t, direction)
            return float(f().data)

        self.move(0, direction)
        pairs = [
            (np.asarray(g)[d != 0], d[d != 0])
            for g, d in zip(self.gradients(f()), direction, strict=True)
            if g is not None
        ]
        analytic = float(sum(np.vdot(g, d) for g, d in pairs))
        comparison = Comparison(what, analytic, math.nan, math.inf)
        for step in self.steps:
            comparison = Comparison(what, analytic, *slope(along, step))
            if not comparison.agrees(self.rtol, self.atol):
                comparison = self.with_sides(comparison, along, step)
            if comparison.kink or comparison.agrees(self.rtol, self.atol):
                break
        self.move(0, direction)
        return comparison

    def with_sides(self, wrong: Comparison, f: Callable[[float], float], step: float) -> Comparison:
        """`wrong` as a kink, if f is smooth on either side and the analytic slope is between."""
        left, error_left = one_sided_slope(f, -step)
        right, error_right = one_sided_slope(f, step)
        size = max(abs(left), abs(right))
        doubt = math.sqrt(self.atol) + math.sqrt(self.rtol) * size + 4 * (error_left + error_right)
        slack = self.atol + self.rtol * size
        between = min(left, right) - slack <= wrong.analytic <= max(left, right) + slack
        if abs(left - right) > doubt and between:
            return Comparison(wrong.what, wrong.analytic, wrong.numerical, wrong.error, left, right)
        return wrong

    def move(self, t: float, direction: Arrays) -> None:
        """Every leaf to point + t direction."""
        for leaf, x, d in zip(self.leaves, self.point, direction, strict=True):
            moved = (x + t * d).astype(x.dtype)
            leaf.data = moved if leaf.broadcasts else moved.item()

    def gradients(self, out: Node, create_graph: bool = False) -> list[Any]:
        """d out / d leaf for each leaf; None where out does not depend on it."""
        try:
            if out.requires_grad:
                out.backward(create_graph=create_graph, inputs=self.leaves)
            return [x.grad for x in self.leaves]
        except Exception as error:
            raise GradcheckError(f"backward raised {type(error).__name__}: {error}") from error
        finally:
            for x in self.leaves:
                x.grad = None

    def gradient(self, f: Function) -> Function:
        """The gradient of the scalar f, as nodes that can be differentiated again."""
        return lambda: [
            0.0 * x if g is None else g
            for x, g in zip(self.leaves, self.gradients(f(), create_graph=True), strict=True)
        ]


def combination(f: Function, rng: np.random.Generator) -> Function:
    """sum(w f) with random weights w: a scalar that every output moves."""
    weights = [rng.standard_normal(np.shape(plain(out))) for out in f()]

    def scalar() -> Any:
        terms = [w * out for w, out in zip(weights, f(), strict=True)]
        return sum(term.sum() if isinstance(term, Tensor) else term for term in terms)

    return scalar


# Numerical derivatives


def slope(f: Callable[[float], float], step: float) -> tuple[float, float]:
    """f'(0) and an estimate of its error: central differences have an error in h², h⁴, ..."""
    return extrapolated(lambda h: (f(h) - f(-h)) / (2 * h), step, 4)


def one_sided_slope(f: Callable[[float], float], step: float) -> tuple[float, float]:
    """The slope on the side of `step`: differences to one side have an error in h, h², ..."""
    return extrapolated(lambda h: (f(h) - f(0)) / h, step, 2)


def extrapolated(
    difference: Callable[[float], float], step: float, ratio: int
) -> tuple[float, float]:
    """The limit of difference(h) for h -> 0 and an estimate of its error, by Ridders' method.

    Of differences at steps h, h/2, h/4, ... each column of the tableau removes one more power in
    the error. The entry that agrees best with its neighbours is taken.
    Ridders 1982, "Accurate computation of F'(x) and F'(x) F''(x)".
    """
    best = (math.nan, math.inf)
    previous: list[float] = []
    for i in range(6):
        with np.errstate(all="ignore"):
            row = [difference(step / 2**i)]
        for j, above in enumerate(previous, start=1):
            row.append((ratio**j * row[-1] - above) / (ratio**j - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - above))
            if error < best[1]:
                best = (row[-1], error)
        previous = row
    return best


# Whose fault is it?

RULES_ARE_RIGHT = (
    "The rule of each operation is right on its own here. Does f leave the graph on its way, by "
    ".data, detach() or no_grad()? Do kinks meet at this point, or is it next to one?"
)


def recorded(f: Function) -> dict[Node, str]:
    """Every node that f makes on its way, with the user's line that made it."""
    lines: dict[Node, str] = {}

    def record(out: Node) -> None:
        if out.function is not None:
            lines[out] = user_line()

    previous, mode.recording = mode.recording, record
    try:
        f()
    finally:
        mode.recording = previous
    return lines


def broken_rules(
    lines: Mapping[Node, str], order: int, rtol: float | None, atol: float | None
) -> Iterator[str]:
    """Each rule that is wrong on its own: where, and the line that made the first such node."""
    found = set()
    for node, line in lines.items():
        if node.rule in found:
            continue
        f, operands = alone(node)
        try:
            Slopes(operands, rtol, atol).check(f, order, np.random.default_rng(0))
            expect_unchanged_arguments([node])
        except GradcheckError as error:
            found.add(node.rule)
            yield f"The rule of {operation(node.rule)} is wrong, at the node of {line}:\n  {error}"


def alone(node: Node) -> tuple[Function, dict[str, Node]]:
    """The operation of one node: its tracked operands free, all else as the node saw it."""
    operands = list(node.seen[1:])
    leaves = {}
    for i, x in enumerate(node.inputs):
        if isinstance(x, Node) and x.requires_grad:
            kind: Any = type(x)
            leaves[titled(f"operand {i}", x)] = operands[i] = kind(operands[i], requires_grad=True)
    return lambda: [apply(node.function, *operands, **node.options)], leaves  # type: ignore


def expect_unchanged_arguments(nodes: Iterable[Node]) -> None:
    """Raises GradcheckError if a rule changes what it is given, which is not its own."""
    for node in nodes:
        given = (np.ones_like(node.data) if node.broadcasts else 1.0, *node.seen)
        lent = [x.copy() if isinstance(x, np.ndarray) else x for x in given]
        partials: Any = node.rule(*lent, **node.options)  # type: ignore
        for partial in partials if isinstance(partials, tuple) else (partials,):
            if callable(partial):
                partial()
        for i, (before, after) in enumerate(zip(given, lent, strict=True)):
            if isinstance(before, np.ndarray) and before.tobytes() != after.tobytes():
                what = ("its gradient g", "the result out")[i] if i < 2 else f"operand {i - 2}"
                raise GradcheckError(
                    f"the rule of {operation(node.rule)} changes {what} in place; that array is "
                    "used elsewhere too: make a new one"
                )


def user_line() -> str:
    """The line outside of this package that is being run."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


# What is given to gradcheck


def as_leaves(inputs: tuple[Any, ...], parameters: Module | Iterable[Node]) -> dict[str, Node]:
    """A node for each input, then the parameters that are trained; by what to call them."""
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
        title = getattr(x, "name", None)
        leaves[titled(f"input {i}", x)] = kind(data if kind is Tensor else data.item(), True, title)
    leaves |= named
    if not leaves:
        raise TypeError("gradcheck needs an input or a parameter to differentiate by")
    for name, leaf in leaves.items():
        if not np.size(leaf.data):
            raise ValueError(f"{name} of gradcheck is empty: there is nothing to differentiate by")
    return leaves


def titled(what: str, x: Any) -> str:
    """`input 0`, or `input 0 'w'` if it has a name."""
    return f"{what} {x.name!r}" if isinstance(x, Node) and x.name else what


def generators_of(module: Module) -> Iterator[np.random.Generator]:
    """Those that are attributes of a module or of one inside it, as a dropout layer's."""
    for part in module.modules():
        yield from (x for x in vars(part).values() if isinstance(x, np.random.Generator))


@contextmanager
def borrowed(
    leaves: Iterable[Node], generators: list[np.random.Generator]
) -> Iterator[Callable[[], None]]:
    """Lend the leaves out; afterwards they are as before. Gives what rewinds the generators."""
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
            x.data, x.grad = data, grad
        rewind()


def outputs(result: Any) -> list[Any]:
    results = list(result) if isinstance(result, list | tuple) else [result]
    for x in results:
        if not isinstance(x, Node):
            raise TypeError(f"gradcheck needs a function that returns Tensors, not {x!r}")
    if not results:
        raise TypeError("gradcheck needs a function that returns Tensors, and this returns none")
    return results


def expect_repeatable(f: Callable[[], list[Any]]) -> None:
    """Raises ValueError if f has no slope because it gives another number each time, or no number."""
    first, second = ([np.asarray(x.data) for x in f()] for _ in range(2))
    if len(first) != len(second) or not all(map(np.array_equal, first, second)):
        if not all(np.all(np.isfinite(x)) for x in first):
            raise ValueError("f is not finite here, so it has no slope: try detect_anomaly()")
        raise ValueError(
            "f gives different numbers for the same inputs, so it has no slope. If it draws random "
            "numbers, pass what it draws from: gradcheck(f, x, generators=[rng])"
        )
