"""Layers that normalize their input; `functional` computes the equations."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tinygrad_edu.functional.normalization import (
    as_shape,
    batch_norm,
    check_eps,
    check_groups,
    check_momentum,
    check_normalized_shape,
    group_norm,
    layer_norm,
    rms_norm,
)
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor


class BatchNorm(Module):
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with μ and σ² of each channel.

    What BatchNorm1d and BatchNorm2d share: they differ only in the shapes that they take.
    """

    inputs: ClassVar[dict[int, str]]  # the shape to take for each number of axes

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: npt.DTypeLike = float,
    ) -> None:
        name = type(self).__name__
        if num_features < 1:
            raise ValueError(f"{name} needs at least one channel, not num_features {num_features}")
        check_eps(name, eps)
        check_momentum(name, momentum or 0)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.track_running_stats = track_running_stats
        self.weight = self.bias = None
        if affine:
            self.weight, self.bias = ones_and_zeros(num_features, dtype)
        if track_running_stats:
            wide = np.result_type(dtype, np.float32)  # a variance above 65504 is inf in float16
            self.running_mean = np.zeros(num_features, wide)
            self.running_var = np.ones(num_features, wide)
            self.num_batches_tracked = np.array(0)

    def __call__(self, x: Any) -> Any:
        if x.ndim not in self.inputs or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__} takes {' or '.join(self.inputs.values())} with C = "
                f"{self.num_features} channels, and this input has shape {x.shape}"
            )
        if not self.track_running_stats:
            return batch_norm(x, None, None, self.weight, self.bias, True, eps=self.eps)
        momentum: Any = self.momentum
        if momentum is None:  # average over all batches: each batch gets the same weight
            momentum = 1 / (self.num_batches_tracked + 1)
        out = batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            momentum,
            self.eps,
        )
        if self.training:
            self.num_batches_tracked += 1
        return out

    def extra_repr(self) -> str:
        affine, track = self.weight is not None, self.track_running_stats
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={affine}, "
            f"track_running_stats={track}"
        )


class BatchNorm1d(BatchNorm):
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with μ and σ² of each channel of the batch.

    x                    (N, C) or (N, C, L)
    momentum             running = (1 - momentum) running + momentum batch, for the μ and σ² that
                         are used after eval(); None: they are the average over all batches
    affine               True: weight and bias (C,), which start at 1 and 0; False: neither
    track_running_stats  False: the μ and σ² of the batch are used after eval(), too

    Raises ValueError for other shapes, for a training batch of fewer than two values per channel,
    and for an eps or a momentum out of range.
    Ioffe, Szegedy 2015, Batch Normalization, section 3, algorithms 1 and 2.
    """

    inputs: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(BatchNorm):
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with μ and σ² of each channel of the batch.

    x  (N, C, H, W); all else is as in BatchNorm1d
    """

    inputs: ClassVar = {4: "(N, C, H, W)"}


class LayerNorm(Module):
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, with μ and σ² over the last axes.

    normalized_shape    x is (..., *normalized_shape); n stands for (n,)
    elementwise_affine  True: weight and bias of that shape, which start at 1 and 0; False: neither
    bias                False: y is scaled but not shifted

    Raises ValueError for other shapes and for a negative eps.
    Ba, Kiros, Hinton 2016, Layer Normalization, section 3.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike = float,
    ) -> None:
        self.normalized_shape, self.eps = as_shape(normalized_shape), eps
        check_normalized_shape("LayerNorm", self.normalized_shape)
        check_eps("LayerNorm", eps)
        self.weight = self.bias = None
        if elementwise_affine:
            self.weight, shift = ones_and_zeros(self.normalized_shape, dtype)
            self.bias = shift if bias else None

    def __call__(self, x: Any) -> Any:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine, bias = self.weight is not None, self.bias is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}" + (
            ", bias=False" if affine and not bias else ""
        )


class RMSNorm(Module):
    """y = x / sqrt(mean(x²) + eps) · weight: a LayerNorm that does not subtract the mean.

    normalized_shape    x is (..., *normalized_shape); n stands for (n,)
    eps                 None: the machine epsilon of the dtype of x, or of float32 if that is
                        float16
    elementwise_affine  True: a weight of that shape, which starts at 1; False: y is not scaled

    Raises ValueError for other shapes and for a negative eps.
    Zhang, Sennrich 2019, Root Mean Square Layer Normalization, section 4.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: npt.DTypeLike = float,
    ) -> None:
        self.normalized_shape, self.eps = as_shape(normalized_shape), eps
        check_normalized_shape("RMSNorm", self.normalized_shape)
        check_eps("RMSNorm", eps or 0)
        self.weight = None
        if elementwise_affine:
            self.weight, _ = ones_and_zeros(self.normalized_shape, dtype)

    def __call__(self, x: Any) -> Any:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        affine = self.weight is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class GroupNorm(Module):
    """y = (x - μ) / sqrt(σ² + eps) · weight + bias, μ and σ² of each group of channels of a sample.

    x       (N, C, ...) with C = num_channels, split into num_groups groups of neighbours
    affine  True: weight and bias (C,), which start at 1 and 0; False: neither

    One group normalizes all channels together; num_channels groups normalize each channel alone.
    Raises ValueError for other shapes, if num_groups does not divide C, and for a negative eps.
    Wu, He 2018, Group Normalization, section 3.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: npt.DTypeLike = float,
    ) -> None:
        check_groups("GroupNorm", num_groups, num_channels)
        check_eps("GroupNorm", eps)
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = self.bias = None
        if affine:
            self.weight, self.bias = ones_and_zeros(num_channels, dtype)

    def __call__(self, x: Any) -> Any:
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm takes (N, C, ...) with C = {self.num_channels} channels, and this "
                f"input has shape {x.shape}"
            )
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = self.weight is not None
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={affine}"


def ones_and_zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> tuple[Tensor, Tensor]:
    """A weight of ones and a bias of zeros, which change nothing until they are trained."""
    return (
        Tensor(np.ones(shape, dtype), requires_grad=True, name="weight"),
        Tensor(np.zeros(shape, dtype), requires_grad=True, name="bias"),
    )
