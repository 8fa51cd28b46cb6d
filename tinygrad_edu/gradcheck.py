"""Is the derivative right? Compare `backward` with the slope that the function itself shows.

`gradcheck` runs f at many points near the given one, and compares. Where the two numbers differ it
checks the rule of every node alone in the same way, and names the one that is wrong.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.graph import RECORDING, Node, apply, operation, plain, setting, user_line
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import Package
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.transforms import leaves as structure_leaves
from tinygrad_edu.value import Value

Function = Callable[..., Any]
Arrays = list[npt.NDArray[Any]]

STEP = 0.02  # the largest step of the differences; the smallest is STEP / 2**5


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


@dataclass(frozen=True, repr=False)
class Report:
    """What `gradcheck` compared: one comparison for each order, and the kinks that it met."""

    comparisons: tuple[Comparison, ...]
    kinks: tuple[Comparison, ...] = ()

    def __repr__(self) -> str:
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
    if not RECORDING.get():
        raise RuntimeError("gradcheck needs the graph of f, and this is under no_grad()")
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
            report = slopes.check(run, order, rng or np.random.default_rng(0))
            expect_unchanged_arguments(recorded(run))
        except GradcheckError as error:
            reasons = broken_rules(recorded(run), order, rtol, atol) or [RULES_ARE_RIGHT]
            message = "\n".join([f"backward and f differ:\n  {error}", *reasons])
            raise GradcheckError(message) from error
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
            ws = [weights(rng, np.shape(out.data)) for out in f()]
            what = f"order {n}, random direction"
            comparison = self.compare(what, f, ws, self.random(rng))
            if comparison.kink or not comparison.agrees(self.rtol, self.atol):
                kinks += self.look_at_every_partial(n, f, ws)
                comparison = self.compare(what, f, ws, self.random(rng))
                if not comparison.kink and not comparison.agrees(self.rtol, self.atol):
                    raise GradcheckError(str(comparison))
            comparisons.append(comparison)
            f = self.gradient(f, ws)
        return Report(tuple(comparisons), tuple(kinks))

    def random(self, rng: np.random.Generator) -> Arrays:
        """A direction that moves every element but those at kinks."""
        return [smooth * weights(rng, smooth.shape) for smooth in self.smooth]

    def look_at_every_partial(self, order: int, f: Function, ws: Arrays) -> list[Comparison]:
        """The kinks. Raises GradcheckError that lists the first ten partials that are wrong.

        Random weights hide no error, and with weights of 1 one can follow the numbers: those are
        shown, unless only the random ones show what is wrong.
        """
        ones = [np.ones_like(w) for w in ws]
        wrong, kinks = [], []
        for i, index in self.elements():
            basis = [np.zeros(x.shape) for x in self.point]
            basis[i][index] = 1
            where = f"[{', '.join(map(str, index))}]" if index else ""
            what = f"order {order}, {self.names[i]}{where}"
            partial = self.compare(what, f, ws, basis)
            if partial.kink or not partial.agrees(self.rtol, self.atol):
                simple = self.compare(what, f, ones, basis)
                if simple.kink == partial.kink and (
                    simple.kink or not simple.agrees(self.rtol, self.atol)
                ):
                    partial = simple
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

    def compare(self, what: str, f: Function, ws: Arrays, direction: Arrays) -> Comparison:
        """The slope of sum(w f) along `direction`, analytic and numerical."""

        @cache
        def along(t: float) -> float:
            self.move(t, direction)
            return float(sum(np.vdot(w, out.data) for w, out in zip(ws, f(), strict=True)))

        self.move(0, direction)
        pairs = [
            (np.asarray(g)[d != 0], d[d != 0])
            for g, d in zip(self.gradients(f, ws), direction, strict=True)
            if g is not None
        ]
        analytic = float(sum(np.vdot(g, d) for g, d in pairs))
        tried = []
        for step in self.steps:
            tried.append(self.measure(what, analytic, along, step))
            if not tried[-1].kink and tried[-1].agrees(self.rtol, self.atol):
                break
        self.move(0, direction)
        return next((c for c in tried[:-1] if c.kink and tried[-1].kink), tried[-1])

    def measure(
        self, what: str, analytic: float, f: Callable[[float], float], step: float
    ) -> Comparison:
        """A kink, if f has a slope on either side, they differ, and `analytic` is between them."""
        numerical, error = slope(f, step)
        left, error_left = one_sided_slope(f, -step)
        right, error_right = one_sided_slope(f, step)
        size = max(abs(left), abs(right))
        doubt = self.atol + math.sqrt(self.rtol) * size + 4 * (error_left + error_right)
        slack = self.atol + self.rtol * size
        if abs(left - right) > doubt:
            if min(left, right) - slack <= analytic <= max(left, right) + slack:
                return Comparison(what, analytic, numerical, error, left, right)
        elif error_left + error_right < error:  # the slope itself has a kink, as that of relu(x)²
            numerical, error = (left + right) / 2, error_left + error_right
        return Comparison(what, analytic, numerical, max(error, 1e-16))

    def move(self, t: float, direction: Arrays) -> None:
        """Every leaf to point + t direction."""
        for leaf, x, d in zip(self.leaves, self.point, direction, strict=True):
            moved = (x + t * d).astype(x.dtype)
            leaf.data = moved if leaf.broadcasts else moved.item()

    def gradients(self, f: Function, ws: Arrays, create_graph: bool = False) -> list[Any]:
        """d sum(w f) / d leaf for each leaf; None where f does not depend on it."""
        try:
            for out, w in zip(f(), ws, strict=True):
                if out.requires_grad:
                    seed = w.astype(out.data.dtype) if out.broadcasts else w.item()
                    self.backward(out, seed, create_graph)
            return [x.grad for x in self.leaves]
        finally:
            for x in self.leaves:
                x.grad = None

    def backward(self, out: Node, seed: Any, create_graph: bool) -> None:
        try:
            out.backward(seed, create_graph, inputs=self.leaves)
        except Exception as error:
            raise GradcheckError(f"backward raised {type(error).__name__}: {error}") from error

    def gradient(self, f: Function, ws: Arrays) -> Function:
        """The gradient of sum(w f), as nodes that can be differentiated again."""

        def nodes() -> list[Node]:
            gradients = self.gradients(f, ws, create_graph=True)
            pairs: Any = zip(self.leaves, gradients, strict=True)
            return [type(x)(0 * x.data, False) if g is None else g for x, g in pairs]

        return nodes


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Random numbers of which none is so small that it hides what it is multiplied with."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


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

    with setting(RECORDING, record):
        f()
    return lines


def broken_rules(
    lines: Mapping[Node, str], order: int, rtol: float | None, atol: float | None
) -> list[str]:
    """Each rule that is wrong on its own: where, and the line that made the first such node.

    A rule that forgets how its gradient g depends on other things is right as long as g is a
    constant: if all are right, g becomes an operand as well.
    """
    found: dict[Any, str] = {}
    for g_moves in (False, True):
        for node, line in lines.items():
            if found and (g_moves or node.rule in found):
                continue
            f, operands = alone(node, g_moves)
            try:
                Slopes(operands, rtol, atol).check(f, order, np.random.default_rng(0))
                expect_unchanged_arguments([node])
            except GradcheckError as error:
                name = operation(node.rule)
                found[node.rule] = f"The rule of {name} is wrong, at the node of {line}:\n  {error}"
    return list(found.values())


def alone(node: Node, g_moves: bool) -> tuple[Function, dict[str, Node]]:
    """The operation of one node: its tracked operands free, all else as the node saw it."""
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
    """Raises GradcheckError if a rule changes what it is given, which is not its own."""
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
        number: Any = data if kind is Tensor else data.item()
        leaves[titled(f"input {i}", x)] = kind(number, True, getattr(x, "name", None))
    leaves |= named
    if not leaves:
        raise TypeError("gradcheck needs an input or a parameter to differentiate by")
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
            x.grad = grad
            if x.data is not data:  # set to the same array, a node would be born again
                x.data = data
        rewind()


def outputs(result: Any) -> list[Any]:
    """The nodes in what f returns, which may be lists and tuples of them, as an LSTM's."""
    results = structure_leaves(result)
    for x in results:
        if not isinstance(x, Node):
            raise TypeError(f"gradcheck needs a function that returns Tensors, not {x!r}")
    if not results:
        raise TypeError("gradcheck needs a function that returns Tensors, and this returns none")
    return results


def expect_slope(f: Callable[[], list[Any]]) -> None:
    """Raises ValueError if f is empty or not finite, or another one each time that it is run."""
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
