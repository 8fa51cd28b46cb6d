"""Activations: functions of x, element by element or along one axis.

Each is a formula of NumPy's functions, for Tensors and plain arrays. At a kink the slope is that of
PyTorch. Where a formula has two branches, np.where computes both and takes one. The other one must
not overflow, because its gradient would be 0 times infinity. So the exponentials get `below`, which
is 0 where their result is not used (np.minimum(x, 0) would halve the slope at 0).
"""

import math
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.functional.arguments import arrays
from tinygrad_edu.kernels import erf, relu, sigmoid
from tinygrad_edu.precision import floating, in_single
from tinygrad_edu.rng import default_rng

__all__ = [
    "celu",
    "dropout",
    "elu",
    "gelu",
    "glu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
]


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope x."""
    x = floating(x)
    return np.where(x > 0, x, negative_slope * x)


def prelu(x: Any, weight: Any) -> Any:
    """x where x > 0, else weight x: a leaky_relu with slopes that are learned.

    weight  one slope for all, of shape (1,), or (channels,) for x: (batch, channels, ...)
    Raises ValueError for another number of slopes.
    """
    x, weight = arrays(floating(x), weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.size not in (1, channels):
        raise ValueError(
            f"prelu of x of shape {x.shape} takes 1 slope or one for each of {channels} channels, "
            f"and weight has shape {weight.shape}"
        )
    weight = weight.reshape((-1,) + (1,) * (x.ndim - 2) if weight.size > 1 else ())
    return np.where(x > 0, x, weight * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (exp(x) - 1)."""
    x = floating(x)
    below = np.where(x > 0, 0, x)
    return np.where(x > 0, x, alpha * np.expm1(below))


def selu(x: Any) -> Any:
    """scale elu(x, alpha): with weights of `lecun_normal_`, layers tend to mean 0 and variance 1.

    Klambauer et al. 2017, "Self-normalizing neural networks", section 2, gives the two constants.
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * elu(x, alpha)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (exp(x / alpha) - 1): slope 1 on both sides of 0.

    Raises ValueError for alpha 0.
    """
    if alpha == 0:
        raise ValueError("celu divides by alpha, so alpha cannot be 0")
    x = floating(x)
    below = np.where(x > 0, 0, x)
    return np.where(x > 0, x, alpha * np.expm1(below / alpha))


@in_single
def gelu(x: Any, approximate: str = "none") -> Any:
    """x P(X < x) for a standard normal X: x (1 + erf(x / sqrt(2))) / 2.

    approximate  "none", or "tanh" for x (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) / 2

    Raises ValueError for another word.
    Hendrycks and Gimpel 2016, "Gaussian error linear units (GELUs)", section 2.
    """
    x = floating(x)
    if approximate == "none":
        return 0.5 * x * (1 + erf(x / math.sqrt(2)))
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    raise ValueError(f'gelu is approximate="none" or "tanh", not {approximate!r}')


def silu(x: Any) -> Any:
    """x sigmoid(x), also called swish."""
    x = floating(x)
    return x * sigmoid(x)


def mish(x: Any) -> Any:
    """x tanh(softplus(x))."""
    x = floating(x)
    return x * np.tanh(kernels.log1pexp(x))


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta x)) / beta; just x where beta x > threshold.

    Raises ValueError for beta 0.
    """
    if beta == 0:
        raise ValueError("softplus divides by beta, so beta cannot be 0")
    x = floating(x)
    return np.where(beta * x > threshold, x, kernels.log1pexp(beta * x) / beta)


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    x = floating(x)
    return x / (1 + np.abs(x))


def logsigmoid(x: Any) -> Any:
    """log(sigmoid(x)) = -softplus(-x)."""
    return -kernels.log1pexp(-floating(x))


def tanh(x: Any) -> Any:
    """tanh(x)."""
    return np.tanh(floating(x))


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x between min_val and max_val, else the nearer of the two; slope 0 at both.

    Raises ValueError if min_val is not below max_val.
    """
    if not min_val < max_val:
        raise ValueError(f"hardtanh needs min_val < max_val, not {min_val} and {max_val}")
    x = floating(x)
    # np.clip has slope 1 at its bounds.
    return np.where(x <= min_val, min_val, np.where(x >= max_val, max_val, x))


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6)."""
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6: straight lines close to sigmoid(x)."""
    return relu6(floating(x) + 3) / 6


def hardswish(x: Any) -> Any:
    """x hardsigmoid(x)."""
    x = floating(x)
    return x * hardsigmoid(x)


@in_single
def softmax(x: Any, dim: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along dim, without overflow."""
    return kernels.softmax(x, axis=dim)


def log_softmax(x: Any, dim: int = -1) -> Any:
    """log(softmax(x)) along dim, without overflow."""
    return kernels.log_softmax(x, axis=dim)


def softmin(x: Any, dim: int = -1) -> Any:
    """softmax(-x): the smallest x gets the largest share."""
    return softmax(-floating(x), dim)


def glu(x: Any, dim: int = -1) -> Any:
    """a sigmoid(b), with a and b the two halves of x along dim.

    Raises ValueError if that axis of x has an odd length.
    """
    x = floating(x)
    if x.shape[dim] % 2:
        raise ValueError(
            f"glu halves axis {dim} of x, so its length must be even, and x has shape {x.shape}"
        )
    a, b = np.split(x, 2, axis=dim)
    return a * sigmoid(b)


def dropout(
    x: Any, p: float = 0.5, training: bool = True, rng: np.random.Generator | None = None
) -> Any:
    """x / (1 - p) with probability 1 - p, else 0, so the mean is x. Just x if not training.

    Raises ValueError for a p outside of [0, 1].

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting";
    scaled in training, so that no scaling is needed afterwards (section 10).
    """
    check_probability(p)
    if not training or p == 0:
        return x
    x = floating(x)
    kept = default_rng(rng).random(x.shape) >= p
    return x * (kept / x.dtype.type(1 - p or 1))  # p = 1 keeps nothing


def check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p is the probability of a zero: it must be from 0 to 1, and is {p}")
