"""The derivative table: for each function of NumPy, one short function of calculus.

A rule gets the gradient `g` of the result, the result `out`, and what the forward call got. It
returns one partial for each input. It need not think of broadcasting, of dtypes or of inputs that
want no gradient: `backward` does. It is written in functions that have rules themselves, so that it
works on arrays, and on nodes where derivatives of derivatives are wanted.
"""

import math
import operator

import numpy as np

from tinygrad_edu.graph import backward_of
from tinygrad_edu.kernels import unindex

# Arithmetic


@backward_of(operator.add, np.add)
def add_backward(g, out, x, y):
    return g, g


@backward_of(operator.sub, np.subtract)
def subtract_backward(g, out, x, y):
    return g, -g


@backward_of(operator.mul, np.multiply)
def multiply_backward(g, out, x, y):
    return g * y, g * x


@backward_of(operator.truediv, np.divide)
def divide_backward(g, out, x, y):
    return g / y, lambda: -g * out / y


@backward_of(operator.pow, np.power)
def power_backward(g, out, x, y):
    # At x = 0, x**0 is flat and 0**y jumps: there both slopes are taken as 0, not as 0 * infinity.
    y_minus_1 = y - ((x != 0) | (y != 0))
    return lambda: g * y * x**y_minus_1, lambda: g * out * np.log(x + (x == 0))


@backward_of(operator.neg, np.negative)
def negative_backward(g, out, x):
    return -g


@backward_of(operator.pos, np.positive)
def positive_backward(g, out, x):
    return g


@backward_of(operator.abs, np.absolute)
def absolute_backward(g, out, x):
    return g * np.sign(x)


@backward_of(np.maximum)
def maximum_backward(g, out, x, y):
    return (g * (x > y) + g * (x >= y)) / 2, (g * (y > x) + g * (y >= x)) / 2


@backward_of(np.minimum)
def minimum_backward(g, out, x, y):
    return (g * (x < y) + g * (x <= y)) / 2, (g * (y < x) + g * (y <= x)) / 2


@backward_of(np.where)
def where_backward(g, out, condition, x, y):
    return None, np.where(condition, g, 0), np.where(condition, 0, g)


# Exponentials and waves


@backward_of(np.exp, math.exp)
def exp_backward(g, out, x):
    return g * out


@backward_of(np.log, math.log)
def log_backward(g, out, x):
    return g / x


@backward_of(np.sqrt, math.sqrt)
def sqrt_backward(g, out, x):
    return g * 0.5 / out


@backward_of(np.sin, math.sin)
def sin_backward(g, out, x):
    return g * np.cos(x)


@backward_of(np.cos, math.cos)
def cos_backward(g, out, x):
    return -g * np.sin(x)


@backward_of(np.tanh, math.tanh)
def tanh_backward(g, out, x):
    return g * (1 - out * out)


# Reductions


@backward_of(np.sum, np.add.reduce)
def sum_backward(g, out, x, axis=None, keepdims=False):
    return np.broadcast_to(kept(g, axis, keepdims), x.shape)


@backward_of(np.mean)
def mean_backward(g, out, x, axis=None, keepdims=False):
    return np.broadcast_to(kept(g / count(x, out), axis, keepdims), x.shape)


@backward_of(np.max, np.maximum.reduce)
def max_backward(g, out, x, axis=None, keepdims=False):
    ties = x == kept(out, axis, keepdims)
    shares = np.add.reduce(ties, axis=axis, keepdims=True, dtype=g.dtype)
    return kept(g, axis, keepdims) * ties / shares


@backward_of(np.min, np.minimum.reduce)
def min_backward(g, out, x, axis=None, keepdims=False):
    return max_backward(g, out, x, axis, keepdims)


@backward_of(np.var)
def var_backward(g, out, x, axis=None, ddof=0, keepdims=False):
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    return kept(g * 2 / (count(x, out) - ddof), axis, keepdims) * deviation


@backward_of(np.std)
def std_backward(g, out, x, axis=None, ddof=0, keepdims=False):
    # d sqrt(v) = dv / (2 sqrt(v)). Where v is 0 so is dv, and the slope is taken as 0.
    g = g * (out != 0) / (2 * (out + (out == 0)))
    return var_backward(g, out, x, axis, ddof, keepdims)


def kept(y, axis, keepdims):
    """A reduced array with its reduced axes as axes of length 1, so that it broadcasts to x."""
    return y if keepdims or axis is None else np.expand_dims(y, axis)


def count(x, out):
    """How many elements of x went into each element of out."""
    return x.size / max(out.size, 1)


# Products


@backward_of(operator.matmul, np.matmul)
def matmul_backward(g, out, x, y):
    # NumPy takes a vector on the left for a row, a vector on the right for a column.
    row, column = x.ndim == 1, y.ndim == 1
    if row:
        x, g = x[None, :], np.expand_dims(g, -1 if column else -2)
    if column:
        y, g = y[:, None], g[..., None]
    return (
        lambda: g @ y.mT,
        lambda: (x.mT @ g)[..., 0] if column else x.mT @ g,
    )


# Shapes


@backward_of(np.reshape)
def reshape_backward(g, out, x, shape):
    return g.reshape(x.shape), None


@backward_of(np.transpose)
def transpose_backward(g, out, x, axes=None):
    return np.transpose(g, None if axes is None else np.argsort([axis % x.ndim for axis in axes]))


@backward_of(np.swapaxes)
def swapaxes_backward(g, out, x, axis1, axis2):
    return np.swapaxes(g, axis1, axis2), None, None


@backward_of(np.moveaxis)
def moveaxis_backward(g, out, x, source, destination):
    return np.moveaxis(g, destination, source), None, None


@backward_of(np.expand_dims)
def expand_dims_backward(g, out, x, axis):
    return g.reshape(x.shape), None


@backward_of(np.squeeze)
def squeeze_backward(g, out, x, axis=None):
    return g.reshape(x.shape)


@backward_of(np.broadcast_to)
def broadcast_to_backward(g, out, x, shape):
    return g, None


@backward_of(operator.getitem)
def getitem_backward(g, out, x, index):
    return unindex(g, index, x), None


# Answers that do not change under small changes of x: there is nothing to differentiate, and they
# come back as plain arrays.
NON_DIFFERENTIABLE = {
    *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
    *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor),
    *(np.isnan, np.isinf, np.isfinite, np.signbit, np.isclose, np.allclose, np.array_equal),
    *(np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.floor_divide),
    *(np.argmax, np.argmin, np.argsort, np.nonzero, np.count_nonzero, np.searchsorted),
    *(np.all, np.any, np.shape, np.ndim, np.size, np.result_type, np.can_cast),
    *(np.zeros_like, np.ones_like, np.empty_like, np.full_like),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert),
    *(np.array_repr, np.array_str, np.array2string),
}
