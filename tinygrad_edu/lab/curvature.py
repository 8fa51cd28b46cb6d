"""How curved is the loss where the weights are now, and how large a step does it bear?"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.lab.descent import Array, scalar_loss
from tinygrad_edu.lab.weights import arrays_like, gradient_row
from tinygrad_edu.numpy_api.products import inner_product
from tinygrad_edu.tensor import Tensor

Loss = Callable[[], Any]


def sharpness(
    loss: Loss,
    parameters: Sequence[Tensor],
    *,
    tolerance: float = 1e-6,
    max_products: int = 200,
    rng: np.random.Generator | None = None,
) -> float:
    """λ, the largest eigenvalue of the Hessian H of the loss by all parameters.

    loss          a function without arguments: the scalar loss, on all data
    tolerance     how far off λ may be, as a share of it
    max_products  how many products H v to make at the most
    rng           where the first direction comes from; a fixed one by default

    H is never made. Lanczos' method builds a small symmetric matrix from the products H v with a
    growing orthonormal basis; its largest eigenvalue comes close to λ after few of them (Golub and
    Van Loan 2013, "Matrix computations", section 10.1). H v is the gradient of <gradient, v>
    (Pearlmutter 1994, "Fast exact multiplication by the Hessian"). No `.grad` is changed.
    Raises ValueError for no parameters and for a loss that is no finite scalar.
    """
    if not parameters:
        raise ValueError("sharpness is of parameters, and there are none")
    product = hessian_product(loss, parameters)
    n = sum(p.size for p in parameters)
    v = (rng or np.random.default_rng(0)).standard_normal(n)
    basis = [v / np.linalg.norm(v)]
    diagonal: list[float] = []
    beside: list[float] = []
    largest = math.nan
    for _ in range(min(max_products, n)):
        w = product(basis[-1])
        diagonal.append(float(w @ basis[-1]))
        previous = largest
        tridiagonal = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        largest = float(np.linalg.eigvalsh(tridiagonal)[-1])
        for u in basis * 2:  # twice: rounding leaves a rest of what was taken away
            w = w - (w @ u) * u
        rest = float(np.linalg.norm(w))
        if rest <= 1e-12 * max(map(abs, diagonal)):
            break  # the basis holds all that H can reach
        if len(diagonal) > 3 and abs(largest - previous) <= 0.01 * tolerance * abs(largest):
            break
        beside.append(rest)
        basis.append(w / rest)
    return largest


def stable_learning_rate(loss: Loss, parameters: Sequence[Tensor], **options: Any) -> float:
    """2 / λ: a larger step of gradient descent overshoots by more than it was off.

    Along the direction of the largest curvature λ each step multiplies the distance from the bottom
    by 1 - lr λ, which is beyond ±1 when lr > 2 / λ. Infinite where the loss curves upwards nowhere.
    Options are those of `sharpness`.
    """
    curvature = sharpness(loss, parameters, **options)
    return 2 / curvature if curvature > 0 else math.inf


def hessian_product(loss: Loss, parameters: Sequence[Tensor]) -> Callable[[Array], Array]:
    """The function v -> H v; v and H v are flat, all parameters in one row."""
    with grads_put_back(parameters):
        out = scalar_loss(loss())
        if not np.all(np.isfinite(out.data)):
            raise ValueError(f"the loss is {out.item()}: it has no curvature here")
        out.backward(create_graph=True, inputs=parameters)
        gradients = [p.grad for p in parameters]

    def product(v: Array) -> Array:
        parts = arrays_like(parameters, v)
        pairs = zip(gradients, parts, strict=True)
        slope = sum(inner_product(g, x) for g, x in pairs if g is not None)
        with grads_put_back(parameters):
            if isinstance(slope, Tensor) and slope.requires_grad:
                slope.backward(inputs=parameters)
            return gradient_row(parameters)

    return product


@contextmanager
def grads_put_back(parameters: Sequence[Any]) -> Iterator[None]:
    """Inside, no parameter has a gradient; afterwards each has its own again."""
    before = [p.grad for p in parameters]

    def restore() -> None:
        for p, g in zip(parameters, before, strict=True):
            p.grad = g

    with afterwards(restore):
        for p in parameters:
            p.grad = None
        yield
