"""Is the derivative right? Compare `backward` with the slope that the function itself shows."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.graph import Node, plain
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.value import Value

Function = Callable[..., Any]
Arrays = Sequence[npt.NDArray[Any]]

STEP = 0.02  # the largest step of the differences; the smallest is STEP / 2**5


class GradcheckError(AssertionError):
    """An analytic and a numerical derivative differ."""


@dataclass(frozen=True)
class Comparison:
    """One derivative, as `backward` computes it and as differences of the function estimate it.

    what   which derivative it is
    error  how far off the numerical number may be, by an estimate of its own
    """

    what: str
    analytic: float
    numerical: float
    error: float

    def agrees(self, rtol: float, atol: float) -> bool:
        size = max(abs(self.analytic), abs(self.numerical))
        return abs(self.analytic - self.numerical) <= atol + rtol * size

    def __str__(self) -> str:
        return (
            f"{self.what}: analytic {self.analytic:.10g}, numerical {self.numerical:.10g} "
            f"(± {self.error:.0e})"
        )


@dataclass(frozen=True)
class Report:
    """What `gradcheck` compared, one comparison for each order."""

    comparisons: tuple[Comparison, ...]

    def __str__(self) -> str:
        return "\n".join(["gradcheck: all derivatives agree", *map(str, self.comparisons)])


def gradcheck(
    f: Function,
    *inputs: Any,
    order: int = 2,
    rng: np.random.Generator | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> Report:
    """Compare the derivatives of f up to `order` with Richardson-extrapolated central differences.

    f       takes and returns Tensors, or Values if the inputs are Values
    inputs  floating-point arrays, Tensors or Values: where to differentiate
    rtol    how far off a derivative may be, relative to its size: 1e-7, for float32 1e-2
    atol    how far off a derivative near 0 may be: 1e-9, for float32 1e-2

    The slope of a random combination of the outputs along one random direction shows a wrong
    partial anywhere in one number. Only where it is wrong is every partial looked at on its own.
    Raises GradcheckError that lists the partials that are wrong.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    kind = Value if any(isinstance(x, Value) for x in inputs) else Tensor
    arrays = [np.array(plain(x)) for x in inputs]
    for i, x in enumerate(arrays):
        if x.dtype.kind != "f":
            raise TypeError(f"input {i} of gradcheck is {x.dtype}; only floats have a derivative")
    coarse = any(x.dtype != np.float64 for x in arrays)
    rtol = (1e-2 if coarse else 1e-7) if rtol is None else rtol
    atol = (1e-2 if coarse else 1e-9) if atol is None else atol

    comparisons = []
    for n in range(1, order + 1):
        f = combination(f, nodes(kind, arrays), rng)
        direction = [rng.standard_normal(x.shape).astype(x.dtype) for x in arrays]
        comparison = compare(f"order {n}, random direction", f, kind, arrays, direction)
        if not comparison.agrees(rtol, atol):
            partials = (
                compare(f"order {n}, input {i}{index}", f, kind, arrays, basis)
                for i, index, basis in basis_vectors(arrays)
            )
            wrong = [p for p in partials if not p.agrees(rtol, atol)] or [comparison]
            raise GradcheckError("\n  ".join(["backward and f differ:", *map(str, wrong[:10])]))
        comparisons.append(comparison)
        f = gradient(f)
    return Report(tuple(comparisons))


def nodes(kind: Any, arrays: Arrays) -> list[Any]:
    return [kind(x if kind is Tensor else x.item(), requires_grad=True) for x in arrays]


def combination(f: Function, xs: list[Any], rng: np.random.Generator) -> Function:
    """x -> sum(w f(x)) with random weights w: a scalar that every output moves."""
    weights = [rng.standard_normal(np.shape(plain(out))) for out in outputs(f(*xs))]

    def scalar(*xs: Any) -> Any:
        terms = [w * out for w, out in zip(weights, outputs(f(*xs)), strict=True)]
        return sum(term.sum() if isinstance(term, Tensor) else term for term in terms)

    return scalar


def outputs(result: Any) -> list[Any]:
    results = list(result) if isinstance(result, list | tuple) else [result]
    for x in results:
        if not isinstance(x, Node):
            raise TypeError(f"gradcheck needs a function that returns Tensors, not {x!r}")
    return results


def gradient(f: Function) -> Function:
    """x -> the gradient of the scalar f at x, as nodes that can be differentiated again."""

    def of(*xs: Any) -> list[Any]:
        out = f(*xs)
        if out.requires_grad:
            out.backward(create_graph=True, inputs=xs)
        gradients = [0.0 * x if x.grad is None else x.grad for x in xs]
        for x in xs:
            x.grad = None
        return gradients

    return of


def compare(what: str, f: Function, kind: Any, arrays: Arrays, direction: Arrays) -> Comparison:
    """The slope of the scalar f along `direction`, analytic and numerical."""
    xs = nodes(kind, arrays)
    out = f(*xs)
    if out.requires_grad:
        out.backward(inputs=xs)
    pairs = [(x.grad, d) for x, d in zip(xs, direction, strict=True) if x.grad is not None]

    def along(t: float) -> float:
        moved = [x + x.dtype.type(t) * d for x, d in zip(arrays, direction, strict=True)]
        return float(f(*nodes(kind, moved)).data)

    analytic = float(sum(np.vdot(g, d) for g, d in pairs))
    return Comparison(what, analytic, *slope(along))


def basis_vectors(arrays: Arrays) -> Iterator[tuple[int, list[int], Arrays]]:
    """For each element of each input: which input, which index, and the direction of that one."""
    for i, x in enumerate(arrays):
        for index in np.ndindex(x.shape):
            basis = [np.zeros_like(y) for y in arrays]
            basis[i][index] = 1
            yield i, list(index), basis


def slope(f: Callable[[float], float]) -> tuple[float, float]:
    """f'(0) and an estimate of its error, by Ridders' method.

    Central differences at steps h, h/2, h/4, ... have an error in h², h⁴, ...; each column of the
    tableau removes one more of these. The entry that agrees best with its neighbours is taken.
    Ridders 1982, "Accurate computation of F'(x) and F'(x) F''(x)".
    """
    best = (math.nan, math.inf)
    previous: list[float] = []
    for i in range(6):
        h = STEP / 2**i
        with np.errstate(all="ignore"):
            row = [(f(h) - f(-h)) / (2 * h)]
        for j, above in enumerate(previous, start=1):
            row.append((4**j * row[-1] - above) / (4**j - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - above))
            if error < best[1]:
                best = (row[-1], error)
        previous = row
    return best
