"""Functions that NumPy lacks: each forward pass directly above its rule.

They compute on arrays with NumPy's own functions and, like those, take Tensors too. The conventions
are those of rules.py.
"""

import math
from types import EllipsisType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_edu.graph import backward_of, primitive
from tinygrad_edu.precision import floating, wide


@primitive
def relu(x):
    """max(x, 0), with slope 0 at 0."""
    return np.maximum(x, 0.0)


@backward_of(relu)
def relu_backward(g, out, x):
    return g * (x > 0.0)


@primitive
def linear(x, weight, bias):
    """x W + b, with x: (..., n), W: (n, m), b: (m,): a layer as one operation."""
    return x @ weight + bias


@backward_of(linear)
def linear_backward(g, out, x, weight, bias):
    return (
        lambda: g @ weight.T,
        lambda: rows(x).T @ rows(g),
        lambda: wide(rows(g)).sum(axis=0),
    )


def rows(x):
    """x as a matrix: all axes but the last made one."""
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

    It is also 2/pi times the integral of exp(-t²) sin(2xt)/t over t > 0. Here that is a sum at the
    points t = n/4, right to rounding while |x| < 6 (Trefethen and Weideman 2014, "The exponentially
    convergent trapezoidal rule"); from there on erf is ±1.
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
    out = np.log(total + (total == 0)) + peak  # where all are -inf, log(1) - inf
    return (out if keepdims else np.squeeze(out, axis=axis)).astype(x.dtype, copy=False)


@backward_of(logsumexp)
def logsumexp_backward(g, out, x, axis=-1, keepdims=False):
    if not keepdims and axis is not None:
        g, out = np.expand_dims(g, axis), np.expand_dims(out, axis)
    infinite = x == np.inf
    if np.any(infinite):  # beside inf nothing else counts; several share equally
        ties = infinite.sum(axis=axis, keepdims=True)
        x = np.where(infinite, -np.log(np.maximum(ties, 1)), np.where(ties > 0, -np.inf, x))
    return g * np.exp(x - finite_or_0(out))


def finite_or_0(x):
    """x with 0 where it is infinite: exp(x - finite_or_0(x)) is then 0 or inf, and never nan."""
    return np.where(np.isfinite(x), x, 0)


@primitive
def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along axis, without overflow."""
    return by_columns(normalized, floating(x), axis)


def normalized(x, axis):
    _, e, total = exponentials(x, axis)
    out = e / total
    return out if out.dtype is x.dtype else out.astype(x.dtype)


@backward_of(softmax)
def softmax_backward(g, out, x, axis=-1):
    flow = g * out
    return flow - out * wide(flow).sum(axis=axis, keepdims=True)


@primitive
def log_softmax(x, axis=-1):
    """log(exp(x) / sum(exp(x))) along axis, without overflow."""
    return by_columns(normalized_log, floating(x), axis)


def normalized_log(x, axis):
    shifted, _, total = exponentials(x, axis)
    out = shifted - np.log(total)
    return out if out.dtype is x.dtype else out.astype(x.dtype)


@backward_of(log_softmax)
def log_softmax_backward(g, out, x, axis=-1):
    return g - np.exp(out) * wide(g).sum(axis=axis, keepdims=True)


@primitive
def cross_entropy(x, true):
    """-log(softmax(x)) of the true class, mean of all rows; true: bools, one True in each row.

    It is log(sum(exp(x))) - x[true]. True is best in the order of `by_class` in memory.
    """
    shifted, _, total = exponentials(by_class(x).copy(), axis=0)
    return (np.log(total).sum() - expected(shifted, by_class(true))) / total.size


@backward_of(cross_entropy)
def cross_entropy_backward(g, out, x, true):
    p = softmax(by_class(x).copy(), axis=0).T.reshape(x.shape)
    return (p - true) * (g / math.prod(x.shape[:-1])), None


def by_class(x):
    """x: (..., classes) as a view of shape (classes, rows).

    NumPy takes the largest of each of many short rows more slowly than of each column of a copy.
    """
    return rows(x).T


def exponentials(x, axis):
    """x less its largest, exp of that, which cannot overflow, and the sum of those, along axis."""
    shifted = x - x.max(axis=axis, keepdims=True)
    e = np.exp(shifted)
    return shifted, e, wide(e).sum(axis=axis, keepdims=True)


def by_columns(function, x, axis):
    """function(x, axis); for short rows of a matrix, by the columns of a copy."""
    if x.ndim == 2 and x.shape[1] <= 32 and axis in (-1, 1):
        return function(by_class(x).copy(), 0).T.copy()
    return function(x, axis)


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
    if total != total:  # nan: 0 times -inf, or a nan in the data
        total = np.vdot(q, np.where(q == 0, 0, log_p))
    return total


@primitive
def unindex(y, index, x):
    """Zeros in the shape of x, with y added at [index]: the adjoint of x[index].

    An element that the index names twice is added to twice.
    """
    if may_repeat(index):
        out = np.zeros_like(y, wide(y).dtype, shape=x.shape)
        np.add.at(out, index, y)
        return out.astype(y.dtype, copy=False)
    out = np.zeros_like(y, shape=x.shape)
    out[index] = y
    return out


@backward_of(unindex)
def unindex_backward(g, out, y, index, x):
    return g[index], None, None


def may_repeat(index):
    """Whether an index can name one element twice: only arrays and lists of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        not isinstance(i, int | slice | None | EllipsisType)
        and (i if hasattr(i, "dtype") else np.asarray(i)).dtype != bool
        for i in parts
    )


@primitive
def index_update(x, index, y):
    """A copy of x with y at x[index], in a dtype that holds both.

    Where the index names an element twice, the last value stays, as in `x[index] = y`.
    """
    out = np.zeros_like(x, dtype=np.result_type(x, y))  # an array, even if x is one of its numbers
    out[...] = x
    # NumPy puts values in the order of their memory: a copy in C order keeps the last one last.
    out[index] = np.broadcast_to(y, x[index].shape).copy()
    return out


@backward_of(index_update)
def index_update_backward(g, out, x, index, y):
    return index_update(g, index, 0), None, lambda: np.where(stays(index, x.shape), g[index], 0)


def stays(index, shape):
    """For each value that is put at [index], whether it stays: no later one takes its place."""
    if not may_repeat(index):
        return True
    last = np.empty(shape, int)
    numbers = np.arange(last[index].size).reshape(last[index].shape)
    last[index] = numbers
    return last[index] == numbers


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
    return np.moveaxis(windows[(slice(None), *strided, ..., *dilated)], range(-n, 0), axes)


@backward_of(unfold)
def unfold_backward(g, out, x, kernel_size, stride, dilation):
    size = x.shape[1 : 1 + len(kernel_size)]
    return lambda: fold(g, size=size, stride=stride, dilation=dilation)


@primitive
def fold(windows, size, stride, dilation):
    """Each window added where `unfold` took it, in an x of this size: the adjoint of `unfold`."""
    n = len(size)
    kernel_size, output = windows.shape[1 : 1 + n], windows.shape[1 + n : 1 + 2 * n]
    every = slice(None)
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
    # A size may leave room for more windows than there were.
    return taken[(slice(None),) * (1 + n) + tuple(slice(m) for m in output)]
