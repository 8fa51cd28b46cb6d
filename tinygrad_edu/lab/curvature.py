"""How strongly is the loss curved at the current weights, and how large may a step be there?"""

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
    """λ, the largest eigenvalue of the Hessian H of the loss with respect to all parameters.

    loss          a function without arguments that returns the scalar loss on all data
    parameters    the Tensors that the loss depends on
    tolerance     the relative error of λ that is allowed
    max_products  the largest number of products H v
    rng           the generator of the first direction; default: a fixed seed

    H itself is never computed. Lanczos' method multiplies H with the vectors of a growing
    orthonormal basis, and builds a small symmetric matrix from the products. After few products its
    largest eigenvalue is close to λ (Golub and Van Loan 2013, "Matrix computations", section 10.1).
    H v is the gradient of <gradient, v> (Pearlmutter 1994, "Fast exact multiplication by the
    Hessian"). No `.grad` is changed.
    Raises ValueError for an empty list of parameters and for a loss that is not a finite scalar.
    """
    if not parameters:
        raise ValueError("the list of parameters is empty: sharpness needs at least one")
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
        for u in basis * 2:  # twice, because rounding errors leave w not quite orthogonal
            w = w - (w @ u) * u
        rest = float(np.linalg.norm(w))
        if rest <= 1e-12 * max(map(abs, diagonal)):
            break  # H maps the space of the basis into itself: λ is exact there
        if len(diagonal) > 3 and abs(largest - previous) <= 0.01 * tolerance * abs(largest):
            break
        beside.append(rest)
        basis.append(w / rest)
    return largest


def stable_learning_rate(loss: Loss, parameters: Sequence[Tensor], **options: Any) -> float:
    """2 / λ: with a larger learning rate, gradient descent moves away from the minimum.

    In the direction of the largest curvature λ, each step multiplies the distance from the minimum
    by 1 - lr λ. Its absolute value is above 1 if lr > 2 / λ. The result is infinite if the loss
    curves upwards in no direction.

    options  those of `sharpness`, with the same errors
    """
    curvature = sharpness(loss, parameters, **options)
    return 2 / curvature if curvature > 0 else math.inf


def hessian_product(loss: Loss, parameters: Sequence[Tensor]) -> Callable[[Array], Array]:
    """The function v -> H v. v and H v have shape (n,): the numbers of all parameters."""
    with grads_put_back(parameters):
        out = scalar_loss(loss())
        if not np.all(np.isfinite(out.data)):
            raise ValueError(f"the loss is {out.item()}: only a finite loss has a curvature")
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
    """Inside the block no parameter has a gradient; afterwards each has its old one again."""
    before = [p.grad for p in parameters]

    def restore() -> None:
        for p, g in zip(parameters, before, strict=True):
            p.grad = g

    with afterwards(restore):
        for p in parameters:
            p.grad = None
        yield
