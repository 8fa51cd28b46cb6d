"""The slope of a function along a direction, as `backward` computes it and as differences show it.

`backward` runs in the dtype of the leaves, as it does in training. The differences always move the
leaves in float64, so the slope that they show has about nine right digits, in any dtype.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.graph import Node

Function = Callable[..., Any]
Array = npt.NDArray[Any]

STEP = 0.02  # the largest step of the differences; the smallest is STEP / 2**5
FINE = float(np.finfo(np.float64).eps)
ROUNDINGS = 10  # so many roundings, all in one direction, are not an error
ALIKE = 100  # leaves whose slopes differ by a smaller factor are compared together


class GradcheckError(AssertionError):
    """An analytic and a numerical derivative differ."""


@dataclass(frozen=True)
class Comparison:
    """One derivative, as `backward` computes it and as differences of the function estimate it.

    what         which derivative it is
    error        an estimate of the error of the numerical number
    tolerance    how far the two numbers may differ
    left, right  the slopes on both sides, where f has a kink
    """

    what: str
    analytic: float
    numerical: float
    error: float
    tolerance: float
    left: float = math.nan
    right: float = math.nan

    @property
    def agrees(self) -> bool:
        """Whether the two are the same slope, and there is only one."""
        return not self.kink and abs(self.analytic - self.numerical) <= self.tolerance

    @property
    def certain(self) -> bool:
        """Whether the numerical number is so exact that no shorter step can make the two agree."""
        return not self.kink and self.error < 1e-6 * abs(self.analytic - self.numerical)

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


@dataclass(frozen=True)
class Projection:
    """One number, sum(w f), that stands for all outputs of f.

    f, ws     a function without arguments that returns nodes, and an array of weights for each
    gradient  of the number with respect to all leaves, from `backward`: one flat array
    here      the number at the point
    size      the scale of its rounding error: the norm of value times gradient of all nodes
    eps       the machine epsilon of the outputs if the leaves are float64
    steps     the largest step of the differences, for each try
    """

    f: Function
    ws: list[Array]
    gradient: Array
    here: float
    size: float
    eps: float
    steps: list[float]

    def value(self) -> float:
        return projected(self.f(), self.ws)


class Slopes:
    """The slopes of a function at one point, analytic and numerical.

    The functions here take no arguments: they compute with `leaves`, and these methods change the
    data of the leaves. A direction is one flat array for all leaves.
    """

    def __init__(self, leaves: Mapping[str, Node], rtol: float | None, atol: float | None) -> None:
        self.names, self.leaves = list(leaves), list(leaves.values())
        self.point = [np.array(x.data) for x in self.leaves]
        self.ends = np.cumsum([x.size for x in self.point])
        self.start = np.concatenate([np.zeros(0), *(x.ravel() for x in self.point)])  # float64
        self.smooth = np.ones(self.start.size, bool)
        self.eps = max(FINE, *map(epsilon, self.point))
        self.rtol = max(1e-7, math.sqrt(self.eps)) if rtol is None else rtol
        self.atol = atol

    def check(self, f: Function, order: int, rng: np.random.Generator) -> Report:
        comparisons: list[Comparison] = []
        kinks: list[Comparison] = []
        for n in range(1, order + 1):
            self.move(self.start)
            projection = self.project(f, [weights(rng, np.shape(out.data)) for out in f()])
            what = f"order {n}, random direction"
            for alike in self.alike(projection.gradient):
                direction = alike * self.random(rng)
                comparison = self.compare(what, projection, direction)
                if not comparison.agrees:
                    kinks += self.look_at_partials(n, projection, direction)
                    comparison = self.compare(what, projection, alike * self.random(rng))
                    if not comparison.kink and not comparison.agrees:
                        raise GradcheckError(str(comparison))
                comparisons.append(comparison)
            f = self.gradient(f, projection.ws)
        return Report(tuple(comparisons), tuple(kinks))

    def project(self, f: Function, ws: list[Array]) -> Projection:
        self.move(self.start)
        outs = f()
        eps = max([FINE, *(epsilon(np.asarray(out.data)) for out in outs if out.requires_grad)])
        # A shorter step is for points close to a kink or a pole. In float32 it shows only noise.
        steps = [STEP, STEP / 1000] if eps == FINE else [STEP]
        here = projected(outs, ws)
        self.move_home()
        sizes: list[float] = []

        def watch(node: Node, g: Any, flows: tuple[Any, ...]) -> None:
            with np.errstate(all="ignore"):
                share = np.asarray(g, float) * node.data
                sizes.append(float(np.linalg.norm(share[np.isfinite(share)])))

        gradients = [
            np.zeros(x.size) if g is None else np.asarray(g, float).ravel()
            for g, x in zip(self.gradients(f, ws, watch=watch), self.point, strict=True)
        ]
        return Projection(f, ws, np.concatenate(gradients), here, math.hypot(*sizes), eps, steps)

    def expect_one_function(self, f: Function) -> None:
        """Raises ValueError if f computes something else in float64 than in the leaves' dtype."""
        self.move(self.start)
        rng = np.random.default_rng(0)
        projection = self.project(f, [weights(rng, np.shape(out.data)) for out in f()])
        self.move_home()
        here, there = projection.value(), projection.here
        tolerance = math.sqrt(self.eps) * abs(there) + ROUNDINGS * self.eps * projection.size
        if abs(here - there) > tolerance:
            dtypes = ", ".join(sorted({str(x.dtype) for x in self.point}))
            raise ValueError(
                f"a combination of the outputs of f is {here:.6g} for inputs of {dtypes}, and "
                f"{there:.6g} for the same numbers in float64. Slopes are measured in float64, so "
                "f must compute the same there; or check f at inputs of float64"
            )

    def alike(self, gradient: Array) -> list[Array]:
        """The leaves in groups with slopes of similar size, each as a mask of the elements.

        Next to a leaf with large slopes, an error in small slopes would be within the tolerance.
        """
        leaf = np.repeat(np.arange(len(self.point)), [x.size for x in self.point])
        sizes = [float(np.linalg.norm(gradient[leaf == i])) for i in range(len(self.point))]
        groups: list[list[int]] = []
        for i in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
            if not groups or not sizes[i] >= sizes[groups[-1][0]] / ALIKE:
                groups.append([])
            groups[-1].append(i)
        return [np.isin(leaf, group) for group in groups]

    def random(self, rng: np.random.Generator) -> Array:
        """A direction that moves every element but those at kinks."""
        return self.smooth * weights(rng, self.smooth.shape)

    def look_at_partials(
        self, order: int, projection: Projection, direction: Array
    ) -> list[Comparison]:
        """The partials at kinks. Raises GradcheckError with the first ten wrong partials.

        Random weights hide no error, but numbers for weights of 1 are easier to follow. So these
        are shown, unless the error appears only with random weights.
        """
        simple = self.project(projection.f, [np.ones_like(w) for w in projection.ws])
        wrong, kinks = [], []
        for position in self.suspects(projection, direction):
            basis = np.zeros(self.start.size)
            basis[position] = 1
            what = f"order {order}, {self.name(position)}"
            partial = self.compare(what, projection, basis)
            if partial.agrees:
                continue
            shown = self.compare(what, simple, basis)
            if not shown.agrees and shown.kink == partial.kink:
                partial = shown
            if partial.kink:
                kinks.append(partial)
                self.smooth[position] = False
            else:
                wrong.append(str(partial))
            if len(wrong) == 10:
                break
        if wrong:
            raise GradcheckError("\n  ".join(wrong))
        return kinks

    def suspects(self, projection: Projection, direction: Array) -> Iterator[int]:
        """Positions of the partials that may be wrong, by bisection; `direction` shows an error.

        One half of the elements is moved alone: if it shows no error, the error is in the other
        half. One wrong partial among a million takes 20 to 40 slopes, of a few differences each.
        """

        def wrong(part: Any) -> bool:
            along = np.zeros(self.start.size)
            along[part] = direction[part]
            return not self.compare("", projection, along, brief=True).agrees

        parts = [(np.flatnonzero(self.smooth), True)]
        while parts:
            part, known = parts.pop()
            if not (known or wrong(part)):
                continue
            if part.size == 1:
                yield int(part[0])
                continue
            first, second = np.array_split(part, 2)
            in_first = wrong(first)
            parts.append((second, not in_first))
            if in_first:
                parts.append((first, True))

    def name(self, position: int) -> str:
        """`input 0[1, 2]`: the leaf and the index of an element."""
        i = int(np.searchsorted(self.ends, position, side="right"))
        x = self.point[i]
        index = np.unravel_index(position - self.ends[i] + x.size, x.shape)
        where = f"[{', '.join(map(str, map(int, index)))}]" if index else ""
        return f"{self.names[i]}{where}"

    def compare(
        self, what: str, projection: Projection, direction: Array, brief: bool = False
    ) -> Comparison:
        """The slope along `direction`, analytic and numerical; `brief` takes four values of f."""

        @cache
        def along(t: float) -> float:
            if t == 0:
                return projection.here
            self.move(self.start + t * direction)
            return projection.value()

        moved = direction != 0
        flow = projection.gradient[moved] * direction[moved]
        with np.errstate(all="ignore"):
            analytic, norm = float(flow.sum()), float(np.linalg.norm(flow))
        tried = []
        for step in projection.steps[-1:] if brief else projection.steps:
            sizes = [abs(along(step)), abs(along(-step)), norm]
            size = max(projection.size, *filter(math.isfinite, sizes))
            rounding = self.eps * size + projection.eps * size / step
            atol = ROUNDINGS * rounding if self.atol is None else self.atol
            tried.append(self.measure(what, analytic, along, step, 2 if brief else 6, atol))
            if tried[-1].agrees or tried[-1].certain:
                break
        self.move_home()
        return next((c for c in tried[:-1] if c.kink and tried[-1].kink), tried[-1])

    def measure(
        self,
        what: str,
        analytic: float,
        f: Callable[[float], float],
        step: float,
        rows: int,
        atol: float,
    ) -> Comparison:
        """Compare `analytic` with the slope of f at 0, or find a kink there.

        It is a kink if the slopes of the two sides differ and `analytic` is between them.
        """
        numerical, error = two_sided_slope(f, step, rows)
        left, error_left = one_sided_slope(f, -step, rows)
        right, error_right = one_sided_slope(f, step, rows)
        size = max(abs(left), abs(right))
        doubt = atol + 3e-4 * size + 4 * (error_left + error_right)
        slack = atol + self.rtol * size
        if abs(left - right) > doubt:
            if min(left, right) - slack <= analytic <= max(left, right) + slack:
                return Comparison(what, analytic, numerical, error, slack, left, right)
        elif error_left + error_right < error:  # the slope has a kink, as for relu(x)²
            numerical, error = (left + right) / 2, error_left + error_right
        # Relative to the measured slope: an infinite analytic one would make this infinite.
        tolerance = atol + self.rtol * abs(numerical)
        return Comparison(what, analytic, numerical, max(error, 1e-16), tolerance)

    def move(self, to: Array) -> None:
        """Set every leaf to its part of `to`, in the dtype of `to`."""
        parts = np.split(to, self.ends[:-1])
        for leaf, x, part in zip(self.leaves, self.point, parts, strict=True):
            leaf.data = part.reshape(x.shape) if leaf.broadcasts else part.item()

    def move_home(self) -> None:
        """Set every leaf back to the point, in its own dtype."""
        for leaf, x in zip(self.leaves, self.point, strict=True):
            leaf.data = x.copy() if leaf.broadcasts else x.item()

    def gradients(
        self, f: Function, ws: list[Array], create_graph: bool = False, watch: Any = None
    ) -> list[Any]:
        """d sum(w f) / d leaf for each leaf; None where f does not depend on it."""
        try:
            for out, w in zip(f(), ws, strict=True):
                if out.requires_grad:
                    seed = w.astype(out.data.dtype) if out.broadcasts else w.item()
                    self.backward(out, seed, create_graph, watch)
            return [x.grad for x in self.leaves]
        finally:
            for x in self.leaves:
                x.grad = None

    def backward(self, out: Node, seed: Any, create_graph: bool, watch: Any) -> None:
        try:
            out.backward(seed, create_graph, inputs=self.leaves, watch=watch)
        except Exception as error:
            raise GradcheckError(f"backward raised {type(error).__name__}: {error}") from error

    def gradient(self, f: Function, ws: list[Array]) -> Function:
        """The gradient of sum(w f), as nodes that can be differentiated again."""

        def nodes() -> list[Node]:
            gradients = self.gradients(f, ws, create_graph=True)
            pairs: Any = zip(self.leaves, gradients, strict=True)
            return [type(x)(0 * x.data, False) if g is None else g for x, g in pairs]

        return nodes


def projected(outs: list[Any], ws: list[Array]) -> float:
    return float(sum(np.vdot(w, out.data) for w, out in zip(ws, outs, strict=True)))


def epsilon(x: Array) -> float:
    """The distance from 1 to the next number of the dtype of x."""
    return float(np.finfo(x.dtype).eps)


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Random numbers of size 0.5 to 1.5: none is small enough to hide what it multiplies."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


# Numerical derivatives


def two_sided_slope(f: Callable[[float], float], step: float, rows: int) -> tuple[float, float]:
    """f'(0) and an estimate of its error: central differences have an error in h², h⁴, ..."""
    return extrapolated(lambda h: (f(h) - f(-h)) / (2 * h), step, 4, rows)


def one_sided_slope(f: Callable[[float], float], step: float, rows: int) -> tuple[float, float]:
    """The slope on the side of `step`: differences to one side have an error in h, h², ..."""
    return extrapolated(lambda h: (f(h) - f(0)) / h, step, 2, rows)


def extrapolated(
    difference: Callable[[float], float], step: float, ratio: int, rows: int
) -> tuple[float, float]:
    """The limit of difference(h) for h -> 0 and an estimate of its error, by Ridders' method.

    Of differences at steps h, h/2, h/4, ... each column of the tableau removes one more power in
    the error. The entry that agrees best with its neighbours is taken.
    Ridders 1982, "Accurate computation of F'(x) and F'(x) F''(x)".
    """
    best = (math.nan, math.inf)
    previous: list[float] = []
    for i in range(rows):
        with np.errstate(all="ignore"):
            row = [difference(step / 2**i)]
        for j, above in enumerate(previous, start=1):
            row.append((ratio**j * row[-1] - above) / (ratio**j - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - above))
            if error < best[1]:
                best = (row[-1], error)
        previous = row
    return best
