"""Normalization: numbers are shifted to mean 0 and scaled to variance 1, or to length 1.

Batch, layer and group normalization are one equation, y = (x - μ) / sqrt(σ² + eps) · weight + bias.
They differ in the numbers over which the mean μ and the variance σ² are taken. The code arranges
these numbers along the last axis.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.functional.arguments import arrays
from tinygrad_edu.functional.windows import batch_first, batch_last
from tinygrad_edu.graph import plain
from tinygrad_edu.operands import is_lazy
from tinygrad_edu.precision import floating, in_single


@in_single
def layer_norm(
    input: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with μ and σ² over the last axes.

    input             (..., *normalized_shape)
    normalized_shape  the last axes, which are normalized together
    weight, bias      of shape normalized_shape, or None

    Raises ValueError for other shapes and for a negative eps.
    Ba, Kiros, Hinton 2016, Layer Normalization, section 3.
    """
    x, shape = floating(input), as_shape(normalized_shape)
    check_last_axes("layer_norm", x, shape)
    weight, bias = arrays(weight, bias)
    check_shape("layer_norm", shape, weight=weight, bias=bias)
    check_eps("layer_norm", eps)
    return scaled_and_shifted(along_last(standardized, x, shape, eps), weight, bias)


@in_single
def rms_norm(
    input: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    eps: float | None = None,
) -> Any:
    """y = x / sqrt(mean(x²) + eps) · weight: `layer_norm` without subtracting the mean.

    input             (..., *normalized_shape)
    normalized_shape  the last axes, which are normalized together
    weight            of shape normalized_shape, or None
    eps               by default the machine epsilon of the dtype of the input, or of float32 if
                      that is float16

    Raises ValueError for other shapes and for a negative eps.
    Zhang, Sennrich 2019, Root Mean Square Layer Normalization, section 4.
    """
    x, shape = floating(input), as_shape(normalized_shape)
    check_last_axes("rms_norm", x, shape)
    (weight,) = arrays(weight)
    check_shape("rms_norm", shape, weight=weight)
    if eps is None:
        eps = float(np.finfo(x.dtype).eps)
    check_eps("rms_norm", eps)
    return scaled_and_shifted(along_last(kernels.rms_normalized, x, shape, eps), weight, None)


@in_single
def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, μ and σ² of each group of channels of a sample.

    input         (N, C, ...); its C channels are split into num_groups groups of neighbours
    weight, bias  (C,), or None

    Raises ValueError for other shapes, if num_groups does not divide C, and for a negative eps.
    Wu, He 2018, Group Normalization, section 3.
    """
    x, weight, bias = arrays(floating(input), weight, bias)
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise ValueError(f"group_norm takes an input (N, C, ...), and this is {x.shape}")
    n, channels = x.shape[:2]
    check_groups("group_norm", num_groups, channels)
    check_shape("group_norm", (channels,), weight=weight, bias=bias)
    check_eps("group_norm", eps)
    size = math.prod(x.shape[1:]) // num_groups
    out = standardized(x.reshape(n, num_groups, size), eps).reshape(x.shape)
    return scaled_and_shifted(out, per_channel(weight, out), per_channel(bias, out))


@in_single
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with μ and σ² over all numbers of a channel.

    input         (N, C, ...)
    running_mean, running_var
                  arrays (C,), or None: running averages of μ and σ². Outside of training they
                  take the place of the batch's μ and σ². In training they are changed in place:
                  running = (1 - momentum) running + momentum batch, where the batch's variance
                  is divided by n - 1.
    weight, bias  (C,), or None

    Raises ValueError for other shapes, for a training batch of fewer than two values per channel,
    for an eps or a momentum out of range, and outside of training without running averages;
    TypeError for lists as running averages in training.
    Ioffe, Szegedy 2015, Batch Normalization, section 3, algorithms 1 and 2.
    """
    if training:
        check_in_place("batch_norm", running_mean=running_mean, running_var=running_var)
    x, running_mean, running_var, weight, bias = arrays(
        floating(input), running_mean, running_var, weight, bias
    )
    if x.ndim < 2:
        raise ValueError(f"batch_norm takes an input (N, C, ...), and this is {x.shape}")
    channels = x.shape[1]
    check_shape(
        "batch_norm",
        (channels,),
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    check_momentum("batch_norm", momentum)
    check_eps("batch_norm", eps)
    if training:
        n = x.size // max(channels, 1)
        if n < 2:
            raise ValueError(
                "batch_norm needs more than one value per channel in training, and the input "
                f"has shape {x.shape}"
            )
        across = batch_last(x, x.ndim - 2)
        channel = across.reshape(channels, n)
        deviation = kernels.centered(channel)
        track(running_mean, kernels.means(plain(channel)), momentum)
        track(running_var, kernels.sums(plain(deviation) ** 2, -1) / (n - 1), momentum)
        out = kernels.rms_normalized(deviation, eps)
        weight, bias = (None if y is None else y[:, None] for y in (weight, bias))
        out = scaled_and_shifted(out, weight, bias)
        return batch_first(out.reshape(across.shape), x.ndim - 2)
    if running_mean is None or running_var is None:
        raise ValueError(
            "batch_norm needs running_mean and running_var, or training=True to take the mean "
            "and the variance of the batch"
        )
    mean, variance = per_channel(running_mean, x), per_channel(running_var, x)
    out = (x - mean) / np.sqrt(variance + eps)
    return scaled_and_shifted(out, per_channel(weight, x), per_channel(bias, x))


@in_single
def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """x / max(‖x‖, eps), with the p-norm along one axis: vectors of length 1.

    Raises TypeError for a dim that is not an integer, ValueError for a negative eps.
    """
    if not isinstance(dim, int | np.integer):
        raise TypeError(f"normalize takes vectors along one axis, and dim is {dim!r}")
    check_eps("normalize", eps)
    x = floating(input)
    return x / np.maximum(np.linalg.norm(x, p, axis=dim, keepdims=True), eps)


@in_single
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x1 · x2 / (max(‖x1‖, eps) max(‖x2‖, eps)), the cosine of the angle between two vectors.

    x1, x2  vectors along axis `dim`, broadcast to one shape; the result does not have that axis

    If a length is less than eps, the gradient is that of this equation; PyTorch's is another one.
    Raises ValueError for shapes that do not broadcast and for a negative eps.
    """
    check_eps("cosine_similarity", eps)
    x1, x2 = np.broadcast_arrays(floating(x1), floating(x2))
    length1 = np.maximum(np.linalg.norm(x1, axis=dim), eps)
    length2 = np.maximum(np.linalg.norm(x2, axis=dim), eps)
    return (x1 * x2).sum(axis=dim) / (length1 * length2)


def along_last(function: Any, x: Any, shape: tuple[int, ...], eps: float) -> Any:
    """function(x, eps), with the last axes of x, of shape `shape`, made one axis."""
    if len(shape) == 1:
        return function(x, eps)
    lead = x.shape[: -len(shape)]
    return function(x.reshape(*lead, math.prod(shape)), eps).reshape(x.shape)


def standardized(x: Any, eps: float) -> Any:
    """(x - μ) / sqrt(σ² + eps), with the mean μ and the variance σ² along the last axis."""
    return kernels.rms_normalized(kernels.centered(x), eps)


def scaled_and_shifted(x: Any, weight: Any, bias: Any) -> Any:
    """x · weight + bias; a weight or a bias that is None is left out."""
    if weight is not None and bias is not None:
        return kernels.scaled_and_shifted(x, weight, bias)
    if weight is not None:
        x = x * weight
    if bias is not None:
        x = x + bias
    return x


def per_channel(y: Any, x: Any) -> Any:
    """y: (C,), in a shape that broadcasts to x: (N, C, ...); None stays None."""
    return None if y is None else y.reshape(-1, *[1] * (x.ndim - 2))


def track(running: Any, batch: Any, momentum: float) -> None:
    """running = (1 - momentum) running + momentum batch, in place and outside the graph."""
    if is_lazy(batch) and running is not None and not is_lazy(running):
        raise TypeError(
            "the running statistics are an array of NumPy, and those of the batch are computed "
            "later: move the model to the library of the batch, as in model.to(dask.array)"
        )
    if running is not None:
        running[...] = (1 - momentum) * running + momentum * batch.reshape(-1)


def as_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """(n,) for n."""
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


def check_last_axes(name: str, x: Any, shape: tuple[int, ...]) -> None:
    check_normalized_shape(name, shape)
    if x.shape[-len(shape) :] != shape:
        expected = ", ".join(map(str, ("...", *shape)))
        raise ValueError(f"{name} expects an input ({expected}), and this is {x.shape}")


# Checks that the layers use, too


def check_normalized_shape(name: str, shape: tuple[int, ...]) -> None:
    if not shape or min(shape) < 1:
        raise ValueError(f"{name} normalizes at least one number, and normalized_shape is {shape}")


def check_shape(name: str, shape: tuple[int, ...], **arrays: Any) -> None:
    for argument, x in arrays.items():
        if x is not None and np.shape(plain(x)) != shape:
            raise ValueError(f"{name} expects {argument} {shape}, and this is {np.shape(plain(x))}")


def check_in_place(name: str, **arrays: Any) -> None:
    for argument, x in arrays.items():
        if not (x is None or hasattr(x, "__array_function__")):
            raise TypeError(
                f"{name} changes {argument} in place in training, and this is a "
                f"{type(x).__name__}: make an array of it first, {argument} = np.array(...)"
            )


def check_groups(name: str, num_groups: int, num_channels: int) -> None:
    if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
        raise ValueError(
            f"{name} cannot split {num_channels} channels into {num_groups} groups of equal size"
        )


def check_eps(name: str, eps: float) -> None:
    if not eps >= 0:
        raise ValueError(f"{name} needs eps >= 0, not {eps}")


def check_momentum(name: str, momentum: float) -> None:
    if not 0 <= momentum <= 1:
        raise ValueError(f"{name} needs a momentum from 0 to 1, not {momentum}")
