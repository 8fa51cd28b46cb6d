"""Pooling layers: one number for each window."""

from typing import Any

from tinygrad_edu.functional.windows import (
    Size,
    adaptive_avg_pool2d,
    average_pooling,
    max_pooling,
)
from tinygrad_edu.nn.module import Module


class MaxPool(Module):
    """What MaxPool1d and MaxPool2d have in common: everything but the number of axes."""

    axes: int

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def __call__(self, x: Any) -> Any:
        return max_pooling(
            self.axes,
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool):
    """y[c, t] = max_k x[c, t stride + k dilation], with x: (N, C, L) or (C, L).

    Settings and errors are those of `functional.max_pool1d`.
    """

    axes = 1


class MaxPool2d(MaxPool):
    """y[c, s, t] = max_i,j x[c, s stride + i dilation, t stride + j dilation].

    x: (N, C, H, W) or (C, H, W). Settings and errors are those of `functional.max_pool2d`.
    """

    axes = 2


class AvgPool(Module):
    """What AvgPool1d and AvgPool2d have in common: everything but the number of axes."""

    axes: int

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def __call__(self, x: Any) -> Any:
        return average_pooling(
            self.axes,
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(AvgPool):
    """y[c, t] = mean_k x[c, t stride + k], with x: (N, C, L) or (C, L).

    Settings and errors are those of `functional.avg_pool1d`.
    """

    axes = 1


class AvgPool2d(AvgPool):
    """y[c, s, t] = mean_i,j x[c, s stride + i, t stride + j], with x: (N, C, H, W) or (C, H, W).

    Settings and errors are those of `functional.avg_pool2d`.
    """

    axes = 2


class AdaptiveAvgPool2d(Module):
    """y = A x Bᵀ, the means of H' by W' parts of x: (N, C, H, W) or (C, H, W).

    output_size: (H', W') or one number for both, as in `functional.adaptive_avg_pool2d`.
    """

    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        self.output_size = output_size

    def __call__(self, x: Any) -> Any:
        return adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
