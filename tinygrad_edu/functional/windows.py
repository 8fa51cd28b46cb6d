"""Convolution and pooling: what a network computes in every window of its input.

`unfold` lists all windows. A convolution multiplies each window by a kernel and adds the products;
pooling takes its mean or its maximum. `fold`, the transpose of `unfold`, adds windows back. Inside,
the batch is the last axis, (C, *size, N): then all windows are the columns of one matrix, and NumPy
copies many numbers in one run.
"""

import math
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.functional.arguments import arrays
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.precision import floating, in_single

Size = int | tuple[int, ...]
Sides = list[tuple[int, int]]  # for each axis, how much before it and how much after
MODES: dict[str, Any] = {  # PyTorch's names for NumPy's
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """y[o, t] = b[o] + Σ_c,k W[o, c, k] x[c, t stride + k dilation]: `conv2d` along one axis.

    x: (N, C, L) or (C, L), weight: (O, C / groups, K), bias: (O,), y: (N, O, L') or (O, L').
    """
    return convolution(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """y[o, s, t] = b[o] + Σ_c,i,j W[o, c, i, j] x[c, s stride + i dilation, t stride + j dilation].

    x: (N, C, H, W) or (C, H, W), weight: (O, C / groups, I, J), bias: (O,), y: (N, O, H', W') or
    (O, H', W') with H' = (H + 2 padding - dilation (I - 1) - 1) // stride + 1.

    stride, padding, dilation  one number for both axes, or a pair
    padding  zeros on each side; "valid" for none, "same" for as many as keep H and W
    groups   the number of groups of channels; each group has its own output channels
    Raises ValueError for shapes and settings that do not fit each other.

    Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning, sections 2.4 and
    5.1. The kernel is not flipped: in signal processing this is called a cross-correlation.
    """
    return convolution(2, x, weight, bias, stride, padding, dilation, groups)


def convolution(
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Any:
    """Each kernel, as a row of a matrix, times each window of x, as a column; along n axes."""
    name = f"conv{n}d"
    steps = per_axis(name, "stride", stride, n, least=1)
    gaps = per_axis(name, "dilation", dilation, n, least=1)
    x, weight, bias = arrays(x, weight, bias)
    check_weight(name, weight, n)
    weight = floating(weight)
    out_channels, kernel = weight.shape[0], weight.shape[2:]
    check_groups(name, groups, weight.shape[1] * groups, out_channels)
    sides = margins(name, padding, kernel, steps, gaps)

    check_axes(name, x, n)
    check_channels(name, x, weight, weight.shape[1] * groups, groups)
    x = batch_last(x, n)
    windows = unfolded(name, x, kernel, steps, gaps, sides)
    columns = windows.reshape(groups, weight.size // out_channels, -1)
    y = kernels.filtered(weight.reshape(groups, out_channels // groups, -1), columns)
    y = y.reshape(out_channels, *windows.shape[1 + n :])
    return batch_first(plus(name, y, bias), n)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Any:
    """y[o, s stride + i dilation, t stride + j dilation] += x[c, s, t] W[c, o, i, j], from y = b.

    The transpose of `conv2d` as a linear map: the gradient of `conv2d` computes the same. What
    `conv2d` pads is cut off here.

    x: (N, C, H, W) or (C, H, W), weight: (C, O / groups, I, J), bias: (O,), y: (N, O, H', W') or
    (O, H', W') with H' = (H - 1) stride - 2 padding + dilation (I - 1) + output_padding + 1.

    output_padding  extra rows and columns at the end, since conv2d maps several H' to one H
    Raises ValueError for shapes and settings that do not fit each other.

    Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning, chapter 4.
    """
    name = "conv_transpose2d"
    steps = per_axis(name, "stride", stride, 2, least=1)
    gaps = per_axis(name, "dilation", dilation, 2, least=1)
    cuts = per_axis(name, "padding", padding, 2, least=0)
    more = output_margins(name, output_padding, steps, gaps)
    x, weight, bias = arrays(x, weight, bias)
    check_weight(name, weight, 2)
    weight = floating(weight)
    in_channels, kernel = weight.shape[0], weight.shape[2:]
    out_channels = weight.shape[1] * groups
    check_groups(name, groups, in_channels, out_channels)

    check_axes(name, x, 2)
    check_channels(name, x, weight, in_channels, groups)
    x = batch_last(x, 2)
    columns = weight.reshape(groups, in_channels // groups, -1).mT @ x.reshape(
        groups, in_channels // groups, -1
    )
    windows = columns.reshape(out_channels, *kernel, *x.shape[1:])
    size = tuple(
        (length - 1) * step + span + end
        for length, step, span, end in zip(
            x.shape[1:3], steps, spans(kernel, gaps), more, strict=True
        )
    )
    if any(length <= 2 * cut for length, cut in zip(size, cuts, strict=True)):
        raise ValueError(f"{name}: padding={padding} cuts off the whole output, {size}")
    y = kernels.fold(windows, size=size, stride=steps, dilation=gaps)
    inner = (slice(cut, length - cut) for length, cut in zip(size, cuts, strict=True))
    return batch_first(plus(name, y[(slice(None), *inner)], bias), 2)


def max_pool1d(
    x: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Any:
    """y[c, t] = max_k x[c, t stride + k dilation]: `max_pool2d` along one axis."""
    return max_pooling(1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Any:
    """y[c, s, t] = max_i,j x[c, s stride + i dilation, t stride + j dilation].

    x: (N, C, H, W) or (C, H, W). The padding is -inf. If several elements are the maximum, they
    share the gradient equally, as in np.max; in PyTorch the first one gets all of it.

    stride     kernel_size by default
    padding    on each side, at most half of the length of a window
    ceil_mode  add a window if the last rows or columns would be in no window
    Raises ValueError for shapes and settings that do not fit each other.
    """
    return max_pooling(2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pooling(
    n: int,
    x: Any,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> Any:
    """The maximum of each window, along n axes."""
    name = f"max_pool{n}d"
    x, settings, _, sides = pooling(name, n, x, kernel_size, stride, padding, dilation, ceil_mode)
    windows = unfolded(name, x, *settings, sides, -math.inf)
    return batch_first(flattened(windows, n).max(axis=1), n)


def pooling(
    name: str,
    n: int,
    x: Any,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> tuple[Any, tuple[Any, Any, Any], Any, Any]:
    """x with the batch last; kernel, steps and gaps; the margins without and with `ceil_mode`."""
    x = array(x)
    check_axes(name, x, n)
    x = batch_last(floating(x), n)
    kernel = per_axis(name, "kernel_size", kernel_size, n, least=1)
    steps = kernel if stride is None else per_axis(name, "stride", stride, n, least=1)
    gaps = per_axis(name, "dilation", dilation, n, least=1)
    inner = sides = pool_margins(name, padding, spans(kernel, gaps))
    if ceil_mode:
        sides = completed(inner, x.shape[1 : 1 + n], spans(kernel, gaps), steps)
    return x, (kernel, steps, gaps), inner, sides


@in_single
def avg_pool1d(
    x: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """y[c, t] = mean_k x[c, t stride + k]: `avg_pool2d` along one axis."""
    return average_pooling(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


@in_single
def avg_pool2d(
    x: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """y[c, s, t] = mean_i,j x[c, s stride + i, t stride + j].

    x: (N, C, H, W) or (C, H, W). The zeros of `padding` count in the mean unless
    `count_include_pad` is False. Elements that `ceil_mode` adds beyond them never count. Settings
    and errors are the same as in `max_pool2d`.
    """
    return average_pooling(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def average_pooling(
    n: int,
    x: Any,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    """The mean of each window, along n axes."""
    name = f"avg_pool{n}d"
    x, settings, inner, sides = pooling(name, n, x, kernel_size, stride, padding, 1, ceil_mode)
    windows = flattened(unfolded(name, x, *settings, sides), n)
    if count_include_pad and sides == inner:
        return batch_first(windows.mean(axis=1), n)

    # 1 for each element that counts, else 0. Padding may count, what is beyond it does not.
    counts = np.ones((1, *x.shape[1 : 1 + n], *(1,) * (x.ndim - 1 - n)), x.dtype)
    counts = padded(counts, inner, float(count_include_pad))
    beyond = [(0, after - p) for (_, after), (p, _) in zip(sides, inner, strict=True)]
    counted = flattened(unfolded(name, counts, *settings, beyond), n)
    return batch_first(windows.sum(axis=1) / counted.sum(axis=1), n)


def adaptive_avg_pool2d(x: Any, output_size: int | tuple[int | None, ...] | None) -> Any:
    """y = A x Bᵀ, where row i of A averages the rows ⌊i H / H'⌋ to ⌈(i + 1) H / H'⌉ - 1 of x.

    x: (N, C, H, W) or (C, H, W), y: (N, C, H', W') or (C, H', W'), output_size: (H', W'), or one
    number for both, None for the size that x has. B averages columns in the same way.
    Raises ValueError for an output_size below 1 and for an x of other than 3 or 4 axes.
    """
    name = "adaptive_avg_pool2d"
    x = array(x)
    check_axes(name, x, 2)
    size = x.shape[-2:]
    wanted: Any = output_size if isinstance(output_size, tuple) else (output_size, output_size)
    if len(wanted) == 2:
        wanted = tuple(m if k is None else k for m, k in zip(size, wanted, strict=True))
    rows, columns = per_axis(name, "output_size", wanted, 2, least=1)
    dtype = np.result_type(x.dtype, 1.0)
    return averages(size[0], rows, dtype) @ x @ averages(size[1], columns, dtype).mT


def averages(length: int, parts: int, dtype: Any) -> Any:
    """(parts, length): each row averages one part; parts overlap if they cannot be equal."""
    i, at = np.arange(parts)[:, None], np.arange(length)
    inside = (at >= i * length // parts) & (at < -(-(i + 1) * length // parts))
    return (inside / inside.sum(axis=1, keepdims=True)).astype(dtype)


def pad(x: Any, pad: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Any:
    """x with more elements around it: (before, after) in `pad` for each axis, the last axis first.

    mode  "constant" for `value`, "reflect" for the mirrored elements next to the edge, "replicate"
          for the edge itself, "circular" for the elements at the other end
    Raises ValueError for another mode, and for sides that are negative, too many, or not in pairs.
    """
    if mode not in MODES:
        raise ValueError(f"pad: mode is one of {', '.join(MODES)}, not {mode!r}")
    x = array(x)
    if len(pad) % 2 or len(pad) > 2 * x.ndim or any(side < 0 for side in pad):
        raise ValueError(
            f"pad takes (before, after), 0 or more, of the last axis, then of the one before it; "
            f"pad={pad} for an x of shape {x.shape}"
        )
    sides = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[-2::-2], pad[::-2], strict=True))
    if mode == "constant":
        x = x if float(value).is_integer() else floating(x)
        return np.pad(x, tuple(sides), constant_values=value)
    return np.pad(x, tuple(sides), MODES[mode])


# Helpers for all of them. x: (C, *size, N) or (C, *size), with n axes of size


def batch_last(x: Any, n: int) -> Any:
    """(N, C, *size) as (C, *size, N), a view; an x without batch as it is."""
    return x.transpose(*range(1, x.ndim), 0) if x.ndim == n + 2 else x


def batch_first(y: Any, n: int) -> Any:
    """The inverse of `batch_last`."""
    return y.transpose(-1, *range(y.ndim - 1)) if y.ndim == n + 2 else y


def unfolded(
    name: str,
    x: Any,
    kernel: tuple[int, ...],
    steps: tuple[int, ...],
    gaps: tuple[int, ...],
    sides: Sides,
    value: float = 0.0,
) -> Any:
    """The windows (C, *kernel, *output, N) of x, which is padded with `value`."""
    size = [m + before + after for m, (before, after) in zip(x.shape[1:], sides, strict=False)]
    if any(m < span for m, span in zip(size, spans(kernel, gaps), strict=True)):
        raise ValueError(
            f"{name}: a kernel of {kernel} with dilation {gaps} spans {spans(kernel, gaps)}, more "
            f"than the {tuple(size)} that x has with its padding"
        )
    x = padded(x, sides, value)
    return kernels.unfold(x, kernel_size=kernel, stride=steps, dilation=gaps)


def flattened(windows: Any, n: int) -> Any:
    """(C, *kernel, *output, N) as (C, the product of kernel, *output, N)."""
    # NumPy reduces one axis of such a copy many times faster than several axes of the view.
    kernel = windows.shape[1 : 1 + n]
    return windows.reshape(windows.shape[0], math.prod(kernel), *windows.shape[1 + n :])


def padded(x: Any, sides: Sides, value: float) -> Any:
    """x padded with `value` along its axes of size."""
    if not any(map(any, sides)):
        return x
    rest = [(0, 0)] * (x.ndim - 1 - len(sides))
    return kernels.framed(x, ((0, 0), *sides, *rest), value)


def plus(name: str, y: Any, bias: Any) -> Any:
    """y + b, one number for each channel of y."""
    if bias is None:
        return y
    if bias.shape != y.shape[:1]:
        raise ValueError(
            f"{name}: bias has shape {bias.shape}, and there are {y.shape[0]} output channels"
        )
    return y + bias.reshape(-1, *(1,) * (y.ndim - 1))


def spans(kernel: tuple[int, ...], gaps: tuple[int, ...]) -> tuple[int, ...]:
    """The length of a window along each axis, from its first element to its last."""
    return tuple(gap * (k - 1) + 1 for k, gap in zip(kernel, gaps, strict=True))


def margins(
    name: str,
    padding: Size | str,
    kernel: tuple[int, ...],
    steps: tuple[int, ...],
    gaps: tuple[int, ...],
) -> Sides:
    """The padding before and after each axis; if "same" needs an odd number, one more after."""
    if not isinstance(padding, str):
        return [(p, p) for p in per_axis(name, "padding", padding, len(kernel), least=0)]
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding != "same":
        raise ValueError(f'{name}: padding is a number, "same" or "valid", not {padding!r}')
    if any(step != 1 for step in steps):
        raise ValueError(f'{name}: padding="same" is for stride 1, and stride is {steps}')
    return [((span - 1) // 2, span // 2) for span in spans(kernel, gaps)]


def output_margins(
    name: str, output_padding: Size, steps: tuple[int, ...], gaps: tuple[int, ...]
) -> tuple[int, ...]:
    more = per_axis(name, "output_padding", output_padding, len(steps), least=0)
    if any(end >= max(step, gap) for end, step, gap in zip(more, steps, gaps, strict=True)):
        raise ValueError(
            f"{name}: output_padding={output_padding} must be less than stride {steps} or "
            f"dilation {gaps}"
        )
    return more


def pool_margins(name: str, padding: Size, span: tuple[int, ...]) -> Sides:
    """Padding on both sides, at most half a window: no window may hold only padding."""
    sides = per_axis(name, "padding", padding, len(span), least=0)
    if any(2 * p > m for p, m in zip(sides, span, strict=True)):
        raise ValueError(
            f"{name}: padding={padding} is more than half of a window, which spans {span}"
        )
    return [(p, p) for p in sides]


def completed(
    sides: Sides, size: tuple[int, ...], span: tuple[int, ...], steps: tuple[int, ...]
) -> Sides:
    """`sides`, with the elements after each axis that the last window of ceil_mode needs.

    That window starts in x or in the padding before it.
    """
    out = []
    for (p, _), m, reach, step in zip(sides, size, span, steps, strict=True):
        last = min(-(-(m + 2 * p - reach) // step), (m + p - 1) // step) * step
        out.append((p, max(p, last + reach - m - p)))
    return out


def per_axis(name: str, argument: str, value: Size, n: int, least: int) -> tuple[int, ...]:
    """n whole numbers, one for each axis, from one number for all axes or from n numbers."""
    numbers = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    if len(numbers) != n or not all(isinstance(k, int | np.integer) for k in numbers):
        wanted = "a whole number" + (f" or a tuple of {n}" if n > 1 else "")
        raise ValueError(f"{name}: {argument} is {wanted}, not {value!r}")
    if any(k < least for k in numbers):
        raise ValueError(f"{name}: {argument} is {least} or more, not {value!r}")
    return numbers


def check_axes(name: str, x: Any, n: int) -> None:
    size = ("L",) if n == 1 else ("H", "W")
    if x.ndim not in (n + 1, n + 2):
        raise ValueError(
            f"{name} takes x of shape (N, C, {', '.join(size)}) or (C, {', '.join(size)}), "
            f"and x has shape {x.shape}"
        )


def check_weight(name: str, weight: Any, n: int) -> None:
    if weight.ndim != n + 2 or weight.size == 0:
        raise ValueError(
            f"{name}: weight has two axes of channels and {n} of the kernel, none of them empty; "
            f"this has shape {weight.shape}"
        )


def check_groups(name: str, groups: int, in_channels: int, out_channels: int) -> None:
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{name}: groups={groups} must divide the {in_channels} input channels and the "
            f"{out_channels} output channels"
        )


def check_channels(name: str, x: Any, weight: Any, channels: int, groups: int) -> None:
    axis = 1 - weight.ndim  # the axis before *size
    if x.shape[axis] != channels:
        raise ValueError(
            f"{name}: x of shape {x.shape} has {x.shape[axis]} channels, and weight of shape "
            f"{weight.shape} with groups={groups} takes {channels}"
        )
