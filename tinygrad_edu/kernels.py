"""Functions that NumPy lacks: each forward pass directly above its rule.

They compute with NumPy's functions, and take arrays or Tensors. The conventions are the same as in
rules.py.
"""

import math
import operator
from types import EllipsisType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_edu.graph import backward_of, primitive
from tinygrad_edu.operands import is_lazy
from tinygrad_edu.precision import floating, wide


@primitive
def relu(x):
    """max(x, 0), with slope 0 at 0."""
    return np.maximum(x, 0.0)


@backward_of(relu)
def relu_backward(g, out, x):
    return g * (out > 0.0)  # the same as x > 0.0, and the next layer has just read out


@primitive
def linear(x, weight, bias):
    """x W + b, with x: (..., n), W: (n, m), b: (m,): a layer as one operation."""
    out = rows(x) @ weight + bias
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], weight.shape[-1])


@backward_of(linear)
def linear_backward(g, out, x, weight, bias):
    return (
        lambda: (rows(g) @ weight.T).reshape(x.shape),
        lambda: rows(x).T @ rows(g),
        lambda: wide(rows(g)).sum(axis=0),
    )


def rows(x):
    """x: (..., n) as one matrix (rows, n); NumPy would multiply more axes matrix by matrix."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


@primitive
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    x = floating(x)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


@backward_of(sigmoid)
def sigmoid_backward(g, out, x):
    return g * out * (1 - out)


@primitive
def log1pexp(x):
    """log(1 + exp(x)), without overflow: a smooth relu."""
    x = floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@backward_of(log1pexp)
def log1pexp_backward(g, out, x):
    return g * sigmoid(x)


@primitive
def erf(x):
    """2/sqrt(pi) times the integral of exp(-t²) from 0 to x.

    It is also 2/pi times the integral of exp(-t²) sin(2xt)/t over t > 0. The code computes that as
    a sum at the points t = n/4, which is exact up to rounding for |x| < 6 (Trefethen and Weideman
    2014, "The exponentially convergent trapezoidal rule"). Beyond 6, erf is ±1.
    """
    x = floating(x)
    near = np.clip(x, -6, 6)
    # The sum of exp(-t²)/n sin(n near/2) over n is sin(near/2) times b1, by Clenshaw's recurrence.
    twice_cos, b1, b2 = 2 * np.cos(near / 2), 0, 0
    for n in range(24, 0, -1):
        b1, b2 = math.exp(-((n / 4) ** 2)) / n + twice_cos * b1 - b2, b1
    return np.where(near == x, 2 / math.pi * (near / 4 + np.sin(near / 2) * b1), np.sign(x))


@backward_of(erf)
def erf_backward(g, out, x):
    return g * (2 / math.sqrt(math.pi)) * np.exp(-x * x)


@primitive
def logsumexp(x, axis=-1, keepdims=False):
    """log(sum(exp(x))) along axis (int, tuple or None for all), without overflow."""
    x = floating(x)
    peak = x.max(axis=axis, keepdims=True)
    total = wide(np.exp(x - finite_or_0(peak))).sum(axis=axis, keepdims=True)
    out = np.log(total + (total == 0)) + peak  # if all x are -inf: log(1) - inf
    return (out if keepdims else np.squeeze(out, axis=axis)).astype(x.dtype, copy=False)


@backward_of(logsumexp)
def logsumexp_backward(g, out, x, axis=-1, keepdims=False):
    if not keepdims and axis is not None:
        g, out = np.expand_dims(g, axis), np.expand_dims(out, axis)
    infinite = x == np.inf
    # inf outweighs all others; several share equally
    if is_lazy(infinite) or np.any(infinite):
        ties = infinite.sum(axis=axis, keepdims=True)
        x = np.where(infinite, -np.log(np.maximum(ties, 1)), np.where(ties > 0, -np.inf, x))
    return g * np.exp(x - finite_or_0(out))


def finite_or_0(x):
    """x with 0 where it is infinite: exp(x - finite_or_0(x)) is then 0 or inf, and never nan."""
    return np.where(np.isfinite(x), x, 0)


@primitive
def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along axis, without overflow."""
    x = floating(x)
    _, e, total = exponentials(x, axis)
    return (e / total).astype(x.dtype, copy=False)


@backward_of(softmax)
def softmax_backward(g, out, x, axis=-1):
    return out * (g - sums(g * out, axis))


@primitive
def masked_softmax(x, mask):
    """softmax(x) along the last axis over the elements where mask is True; 0 at all others.

    mask: bools, broadcasts to x. Hidden elements have no influence, even if they are nan. A row
    without any True is 0.
    """
    sees = mask.any(axis=-1, keepdims=True)
    hidden = np.where(sees, -math.inf, 0).astype(x.dtype)
    out = softmax(np.where(mask, x, hidden))
    return out if not is_lazy(sees) and sees.all() else np.where(sees, out, 0)


@backward_of(masked_softmax)
def masked_softmax_backward(g, out, x, mask):
    return softmax_backward(g, out, x), None


@primitive
def log_softmax(x, axis=-1):
    """log(exp(x) / sum(exp(x))) along axis, without overflow."""
    x = floating(x)
    shifted, _, total = exponentials(x, axis)
    return (shifted - np.log(total)).astype(x.dtype, copy=False)


@backward_of(log_softmax)
def log_softmax_backward(g, out, x, axis=-1):
    return g - np.exp(out) * sums(g, axis)


@primitive
def cross_entropy(x, true):
    """The mean over all rows of -log(softmax(x)) at the true class: log(sum(exp(x))) - x[true].

    x: (..., classes); true: bools of the same shape, one True in each row. It is fastest if `true`
    lies in memory class by class, as `by_column` reads it.
    """
    shifted, _, total = exponentials(by_column(x).copy(), axis=0)
    return (np.log(total).sum() - expected(shifted, by_column(true))) / total.size


@backward_of(cross_entropy)
def cross_entropy_backward(g, out, x, true):
    p = softmax(by_column(x).copy(), axis=0).T.reshape(x.shape)
    return (p - true) * (g / math.prod(x.shape[:-1])), None


def by_column(x):
    """x: (..., n) as a view of shape (n, rows)."""
    return rows(x).T


def exponentials(x, axis):
    """x - max(x), its exp, which cannot overflow, and the sum of that exp; all along axis."""
    shifted = x - largest(x, axis)
    e = np.exp(shifted)
    return shifted, e, sums(e, axis)


def largest(x, axis):
    """The maxima along axis, which stays as length 1. Short rows are faster as columns."""
    if has_short_rows(x, axis):
        return by_column(x).copy().max(axis=0).reshape(*x.shape[:-1], 1)
    return x.max(axis=axis, keepdims=True)


def sums(x, axis):
    """The sums along axis, which stays as length 1."""
    return row_sums(x) if has_short_rows(x, axis) else wide(x).sum(axis=axis, keepdims=True)


@primitive
def row_sums(x):
    """The sums along the last axis, which stays as length 1. For short rows a product is faster."""
    x = wide(x)
    return x @ np.ones((x.shape[-1], 1), x.dtype, like=x)


@backward_of(row_sums)
def row_sums_backward(g, out, x):
    return np.broadcast_to(g, x.shape)


def has_short_rows(x, axis):
    """Whether axis is the last one, and so short that NumPy spends most time between the rows."""
    return axis == -1 and x.ndim > 1 and 0 < x.shape[-1] <= 64


@primitive
def soft_nll(log_p, q):
    """-sum(q log p) over all elements."""
    return -expected(log_p, q)


@backward_of(soft_nll)
def soft_nll_backward(g, out, log_p, q):
    return lambda: -g * q, lambda: -g * np.where(q == 0, 0, log_p)


def expected(log_p, q):
    """sum(q log p) over all elements; a class with q = 0 adds nothing, even where p = 0."""
    total = np.vdot(q, log_p)
    if is_lazy(total) or total != total:  # nan: 0 times -inf, or a nan in the data
        total = np.vdot(q, np.where(q == 0, 0, log_p))
    return total


@primitive
def centered(x):
    """x - mean(x) along the last axis."""
    return x - means(x)


@backward_of(centered)
def centered_backward(g, out, x):
    return centered(g)


@primitive
def rms_normalized(x, eps):
    """x / sqrt(mean(x²) + eps) along the last axis."""
    return x / root_mean_square(x, eps)


@backward_of(rms_normalized)
def rms_normalized_backward(g, out, x, eps):
    return (g - out * means(g * out)) / root_mean_square(x, eps), None


@primitive
def root_mean_square(x, eps):
    """sqrt(mean(x²) + eps) along the last axis, which stays as length 1."""
    return np.sqrt(means(x * x) + eps)


@backward_of(root_mean_square)
def root_mean_square_backward(g, out, x, eps):
    return g * x / (x.shape[-1] * out), None


@primitive
def scaled_and_shifted(x, weight, bias):
    """x · weight + bias, element by element; the graph keeps no array for the product."""
    return x * weight + bias


@backward_of(scaled_and_shifted)
def scaled_and_shifted_backward(g, out, x, weight, bias):
    return lambda: g * weight, lambda: g * x, g


def means(x):
    """The means along the last axis, which stays as length 1."""
    return sums(x, -1) / x.shape[-1]


@primitive
def unindex(y, index, x):
    """Zeros in the shape of x, with y added at [index]: the adjoint of x[index].

    An element that the index names twice gets the sum of both values.
    """
    if is_lazy(y):
        return gathered(wide(y), index, x.shape).astype(y.dtype)
    if not may_repeat(index):
        out = np.zeros_like(y, shape=x.shape)
        out[index] = y
        return out
    if names_many_rows(index, y, x):
        return rows_added(wide(y), index, x).astype(y.dtype, copy=False)
    out = np.zeros_like(y, wide(y).dtype, shape=x.shape)
    np.add.at(out, index, y)
    return out.astype(y.dtype, copy=False)


@backward_of(unindex)
def unindex_backward(g, out, y, index, x):
    return g[index], None, None


def names_many_rows(index, y, x):
    """Whether the index is an array of integers that names as many whole rows as x has, or more."""
    if not hasattr(index, "dtype") or index.dtype == bool or x.ndim < 2 or not x.size:
        return False
    return index.size >= len(x) and y.shape == (*index.shape, *x.shape[1:])


def rows_added(y, index, x):
    """The rows of y added at index, as by `np.add.at` but faster: they are sorted, then summed."""
    index = index.reshape(-1).astype(int) % len(x)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(x) + 1))
    # One extra row, dropped below, gives a valid start to rows of x after the largest index.
    ordered = y.reshape(-1, *x.shape[1:])[np.append(order, 0)]
    out = np.add.reduceat(ordered, starts, axis=0)[:-1]
    out[starts[1:] == starts[:-1]] = 0
    return out


def gathered(y, index, shape):
    """`unindex` without a change in place, for an array that is computed later.

    An index of whole numbers sends each row of y to a row of the result. The result is a sum of
    arrays: the first takes for each of its rows the first row of y that is sent there, the second
    takes the second, and so on. Where no row is left, an array takes a row of zeros.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if not may_repeat(index):
        out, old = np.zeros_like(y, shape=shape), tuple(i for i in parts if i is not None)
        out[old] = y if len(old) == len(parts) else y.reshape(np.broadcast_to(0, shape)[old].shape)
        return out
    named = [axis for axis, part in enumerate(parts) if not is_whole(part)]
    one = parts[named[0]]
    if len(named) > 1 or np.ndim(one) != 1 or is_lazy(one):
        raise TypeError(
            "the gradient at an index of an array that is computed later needs an index that is "
            f"one list of whole numbers, such as x[:, [2, 0, 2]], and this is {index!r:.80}"
        )
    rows = np.arange(shape[named[0]])[one]
    front, order = (slice(None),) * named[0], np.argsort(rows, kind="stable")
    turn = np.arange(rows.size) - np.searchsorted(rows[order], rows[order])
    places = np.full((turn.max(initial=0) + 1, shape[named[0]]), rows.size)
    places[turn, rows[order]] = order
    row = np.zeros_like(y, shape=(*y.shape[: named[0]], 1, *y.shape[named[0] + 1 :]))
    with_row = np.concatenate([y, row], named[0])
    return sum(with_row[(*front, place)] for place in places)


def is_whole(part):
    """Whether this part of an index is `:`."""
    return isinstance(part, slice) and part == slice(None)


def may_repeat(index):
    """Whether an index can name one element twice: only arrays and lists of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        not isinstance(i, int | np.integer | slice | None | EllipsisType)
        and (i if hasattr(i, "dtype") else np.asarray(i)).dtype != bool
        for i in parts
    )


@primitive
def index_update(x, index, y):
    """A copy of x with y at x[index], in a dtype that holds both.

    Where the index names an element twice, the last value stays, as in `x[index] = y`.
    """
    out = np.zeros_like(x, dtype=np.result_type(x, y))  # an array, even if x is a NumPy number
    out[...] = x
    # NumPy assigns values in memory order: in a copy in C order, the last value is assigned last.
    out[index] = np.broadcast_to(y, x[index].shape).copy()
    return out


@backward_of(index_update)
def index_update_backward(g, out, x, index, y):
    return index_update(g, index, 0), None, lambda: np.where(stays(index, x.shape), g[index], 0)


def stays(index, shape):
    """For each value assigned at [index], whether it stays: no later value overwrites it."""
    if not may_repeat(index):
        return True
    last = np.empty(shape, int)
    numbers = np.arange(last[index].size).reshape(last[index].shape)
    last[index] = numbers
    return last[index] == numbers


@primitive
def framed(x, sides, value):
    """x padded with `value`, in a third of the time of np.pad; sides: (before, after) by axis."""
    shape = [before + n + after for n, (before, after) in zip(x.shape, sides)]
    out = np.full_like(x, value, order="C", shape=shape)
    out[inside(x, sides)] = x
    return out


@backward_of(framed)
def framed_backward(g, out, x, sides, value):
    return g[inside(x, sides)], None, None


def inside(x, sides):
    """The slices where x lies in an array that is padded by `sides`."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, sides))


@primitive
def filtered(weight, columns):
    """W X, each filter times each window: (..., O, n) by (..., n, M)."""
    return weight @ columns


@backward_of(filtered)
def filtered_backward(g, out, weight, columns):
    # A window has more numbers than there are filters: BLAS is faster with the taller matrix first.
    return (
        lambda: (columns @ g.swapaxes(-1, -2)).swapaxes(-1, -2),
        lambda: weight.swapaxes(-1, -2) @ g,
    )


@primitive
def unfold(x, kernel_size, stride, dilation):
    """All windows of x, as a view: out[c, *k, *o] = x[c, *(o stride + k dilation)]; im2col.

    x: (C, *size, ...), out: (C, *kernel_size, *output, ...), with one entry of kernel_size, stride
    and dilation for each axis of size; further axes stay as they are.
    """
    n = len(kernel_size)
    axes = tuple(range(1, 1 + n))
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation))
    windows = sliding_window_view(x, spans, axes)
    strided, dilated = (tuple(slice(None, None, step) for step in s) for s in (stride, dilation))
    windows = windows[(slice(None), *strided, ..., *dilated)]
    kernel = windows.ndim - n
    return windows.transpose(0, *range(kernel, kernel + n), *range(1, kernel))


@backward_of(unfold)
def unfold_backward(g, out, x, kernel_size, stride, dilation):
    size = x.shape[1 : 1 + len(kernel_size)]
    return lambda: fold(g, size=size, stride=stride, dilation=dilation)


@primitive
def fold(windows, size, stride, dilation):
    """Add each window at the place where `unfold` took it: the adjoint of `unfold`, or col2im."""
    n = len(size)
    kernel_size, output = windows.shape[1 : 1 + n], windows.shape[1 + n : 1 + 2 * n]
    every = slice(None)
    if stride == kernel_size and size == tuple(map(operator.mul, kernel_size, output)):
        # The windows do not overlap: each number has one place.
        pairs = (axis for i in range(1, 1 + n) for axis in (n + i, i))
        rest = range(1 + 2 * n, windows.ndim)
        shape = (windows.shape[0], *size, *windows.shape[1 + 2 * n :])
        return windows.transpose(0, *pairs, *rest).reshape(shape)
    first = windows[(every, *(0,) * n)]  # out gets the memory layout of this
    out = np.zeros_like(first, shape=(first.shape[0], *size, *first.shape[1 + n :]))
    for k in np.ndindex(kernel_size):
        slices = (slice(i * d, i * d + m * s, s) for i, m, s, d in zip(k, output, stride, dilation))
        place = (every, *slices)
        out[place] = out[place] + windows[(every, *k)]
    return out


@backward_of(fold)
def fold_backward(g, out, windows, size, stride, dilation):
    n = len(size)
    kernel_size, output = windows.shape[1 : 1 + n], windows.shape[1 + n : 1 + 2 * n]
    taken = unfold(g, kernel_size=kernel_size, stride=stride, dilation=dilation)
    # `size` may have room for more windows than were folded.
    return taken[(slice(None),) * (1 + n) + tuple(slice(m) for m in output)]
