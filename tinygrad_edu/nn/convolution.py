"""Convolutional layers."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.functional.windows import (
    Size,
    check_groups,
    conv_transpose2d,
    convolution,
    margins,
    output_margins,
    per_axis,
)
from tinygrad_edu.nn.init import uniform_parameter
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor


class Convolution(Module):
    """What Conv1d and Conv2d have in common: everything but the number of axes of a kernel."""

    axes: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        name = type(self).__name__
        check_channel_counts(name, in_channels, out_channels, groups)
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.axes, least=1)
        self.stride = per_axis(name, "stride", stride, self.axes, least=1)
        self.dilation = per_axis(name, "dilation", dilation, self.axes, least=1)
        margins(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = (
            padding
            if isinstance(padding, str)
            else per_axis(name, "padding", padding, self.axes, least=0)
        )
        self.groups = groups
        shape = out_channels, in_channels // groups, *self.kernel_size
        self.weight, self.bias = drawn(shape, out_channels if bias else None, rng, dtype)

    def __call__(self, x: Any) -> Any:
        return convolution(
            self.axes,
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )

    def extra_repr(self) -> str:
        out_channels, in_channels = self.weight.shape[:2]
        return layer_text(self, in_channels * self.groups, out_channels)


class Conv1d(Convolution):
    """y[o, t] = b[o] + Σ_c,k W[o, c, k] x[c, t stride + k dilation]: `functional.conv1d`.

    x: (N, in_channels, L) or without N, W: (out_channels, in_channels / groups, kernel_size),
    b: (out_channels,). Settings, start values and errors are those of Conv2d.
    """

    axes = 1


class Conv2d(Convolution):
    """y[o, s, t] = b[o] + Σ_c,i,j W[o, c, i, j] x[c, s stride + i dilation, t stride + j dilation].

    x: (N, in_channels, H, W) or without N, W: (out_channels, in_channels / groups, *kernel_size),
    b: (out_channels,). The settings are those of `functional.conv2d`.

    W and b start uniform in ±1/sqrt(n), as in PyTorch; n is the number of weights of one output
    channel. Raises ValueError for settings and for an x that do not fit.

    LeCun et al. 1989, Backpropagation applied to handwritten zip code recognition.
    """

    axes = 2


class ConvTranspose2d(Module):
    """y[o, s stride + i dilation, t stride + j dilation] += x[c, s, t] W[c, o, i, j], from y = b.

    x: (N, in_channels, H, W) or without N, W: (in_channels, out_channels / groups, *kernel_size),
    b: (out_channels,). The settings are those of `functional.conv_transpose2d`.

    W and b start uniform in ±1/sqrt(n), as in PyTorch; n is the number of elements of W[0].
    Raises ValueError for settings and for an x that do not fit.

    Zeiler, Krishnan, Taylor and Fergus 2010, Deconvolutional networks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        name = type(self).__name__
        check_channel_counts(name, in_channels, out_channels, groups)
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, 2, least=1)
        self.stride = per_axis(name, "stride", stride, 2, least=1)
        self.padding = per_axis(name, "padding", padding, 2, least=0)
        self.dilation = per_axis(name, "dilation", dilation, 2, least=1)
        self.output_padding = output_margins(name, output_padding, self.stride, self.dilation)
        self.groups = groups
        shape = in_channels, out_channels // groups, *self.kernel_size
        self.weight, self.bias = drawn(shape, out_channels if bias else None, rng, dtype)

    def __call__(self, x: Any) -> Any:
        return conv_transpose2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )

    def extra_repr(self) -> str:
        in_channels, out_channels = self.weight.shape[:2]
        return layer_text(self, in_channels, out_channels * self.groups)


def check_channel_counts(name: str, in_channels: int, out_channels: int, groups: int) -> None:
    if in_channels < 1 or out_channels < 1:
        raise ValueError(
            f"{name} needs at least one channel on each side, not {in_channels} in and "
            f"{out_channels} out"
        )
    check_groups(name, groups, in_channels, out_channels)


def drawn(
    shape: tuple[int, ...],
    biases: int | None,
    rng: np.random.Generator | None,
    dtype: npt.DTypeLike,
) -> tuple[Tensor, Tensor | None]:
    """A weight and a bias, uniform in ±1/sqrt(the number of elements of weight[0])."""
    rng = default_rng(rng)
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    weight = uniform_parameter("weight", shape, bound, rng, dtype)
    if biases is None:
        return weight, None
    return weight, uniform_parameter("bias", biases, bound, rng, dtype)


def layer_text(layer: Any, in_channels: int, out_channels: int) -> str:
    """The channels and the settings; `usual` values are left out."""
    n = len(layer.kernel_size)
    usual = {
        "padding": (0,) * n,
        "output_padding": (0,) * n,
        "dilation": (1,) * n,
        "groups": 1,
    }
    settings = [
        f"{name}={vars(layer)[name]}"
        for name, value in usual.items()
        if vars(layer).get(name, value) != value
    ]
    return ", ".join(
        [
            f"{in_channels}, {out_channels}, kernel_size={layer.kernel_size}",
            f"stride={layer.stride}",
            *settings,
            *(["bias=False"] if layer.bias is None else []),
        ]
    )
