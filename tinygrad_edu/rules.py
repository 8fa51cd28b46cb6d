"""The derivative table: for each function of NumPy, one short function of calculus.

A rule gets the gradient `g` of the result, the result `out`, and the arguments of the forward call.
It returns one partial for each input. It need not handle broadcasting, dtypes, or inputs that need
no gradient: `backward` does. A rule calls only functions that have rules themselves, so it works on
arrays, and also on nodes, for derivatives of derivatives.
"""

import math
import operator

import numpy as np

from tinygrad_edu.graph import backward_of
from tinygrad_edu.kernels import unindex
from tinygrad_edu.precision import wide

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


@backward_of(operator.pow, np.power, np.float_power)
def power_backward(g, out, x, y):
    # At x = 0, x**0 is flat and 0**y jumps: both slopes are taken as 0 there, not as 0 * infinity.
    # A Python number y stays a Python number: an array would turn float32 into float64.
    # Otherwise 1.0 * y turns bools and integers into floats: in uint8, 0 - 1 is 255.
    y_minus_1 = y - (y != 0) if isinstance(y, int | float) else 1.0 * y - ((x != 0) | (y != 0))
    return lambda: g * y * x**y_minus_1, lambda: g * out * log_or_0(x, out)


def log_or_0(x, out):
    """log(x), and 0 at x = 0. For a Python number x, the dtype is that of out, such as float32."""
    log = np.log(1.0 * x + (x == 0))
    is_number = isinstance(x, int | float) and hasattr(out, "dtype")
    return log.astype(out.dtype) if is_number else log


@backward_of(operator.mod, np.remainder)
def remainder_backward(g, out, x, y):
    # (x - out) / y is the whole number that was used; floor(x / y) may be rounded to another one.
    return g, g * ((out - x) / y)


@backward_of(np.square)
def square_backward(g, out, x):
    return g * 2 * x


@backward_of(np.reciprocal)
def reciprocal_backward(g, out, x):
    return -g * out * out


@backward_of(operator.neg, np.negative)
def negative_backward(g, out, x):
    return -g


@backward_of(operator.pos, np.positive, np.conjugate)
def positive_backward(g, out, x):
    return g


@backward_of(operator.abs, np.absolute, np.fabs)
def absolute_backward(g, out, x):
    return g * np.sign(x)


@backward_of(np.maximum)
def maximum_backward(g, out, x, y):
    return lambda: (g * (x > y) + g * (x >= y)) / 2, lambda: (g * (y > x) + g * (y >= x)) / 2


@backward_of(np.minimum)
def minimum_backward(g, out, x, y):
    return lambda: (g * (x < y) + g * (x <= y)) / 2, lambda: (g * (y < x) + g * (y <= x)) / 2


@backward_of(np.where)
def where_backward(g, out, condition, x, y):
    return None, lambda: np.where(condition, g, 0), lambda: np.where(condition, 0, g)


# Exponentials and roots


@backward_of(np.exp, math.exp)
def exp_backward(g, out, x):
    return g * out


@backward_of(np.exp2)
def exp2_backward(g, out, x):
    return g * math.log(2) * out


@backward_of(np.expm1)
def expm1_backward(g, out, x):
    return g * (out + 1)


@backward_of(np.log, math.log)
def log_backward(g, out, x):
    return g / x


@backward_of(np.log2)
def log2_backward(g, out, x):
    return g / (math.log(2) * x)


@backward_of(np.log10)
def log10_backward(g, out, x):
    return g / (math.log(10) * x)


@backward_of(np.log1p)
def log1p_backward(g, out, x):
    return g / (1 + x)


@backward_of(np.sqrt, math.sqrt)
def sqrt_backward(g, out, x):
    return g * 0.5 / out


@backward_of(np.cbrt)
def cbrt_backward(g, out, x):
    return g / (3 * out * out)


@backward_of(np.hypot)
def hypot_backward(g, out, x, y):
    # At (0, 0), the tip of the cone, all derivatives are taken as 0, as for every norm.
    g = ratio_or_0(g, out)
    return g * x, g * y


def ratio_or_0(x, y):
    """x / y, and 0 where y is 0."""
    return (y != 0) * x / (y + (y == 0))


# Angles and waves


@backward_of(np.sin, math.sin)
def sin_backward(g, out, x):
    return g * np.cos(x)


@backward_of(np.cos, math.cos)
def cos_backward(g, out, x):
    return -g * np.sin(x)


@backward_of(np.tan)
def tan_backward(g, out, x):
    return g * (1 + out * out)


@backward_of(np.arcsin)
def arcsin_backward(g, out, x):
    return g / np.sqrt((1 - x) * (1 + x))


@backward_of(np.arccos)
def arccos_backward(g, out, x):
    return -g / np.sqrt((1 - x) * (1 + x))


@backward_of(np.arctan)
def arctan_backward(g, out, x):
    return g / (1 + x * x)


@backward_of(np.arctan2)
def arctan2_backward(g, out, y, x):
    r = np.hypot(x, y)
    g, r = g * (r != 0), r + (r == 0)  # the origin has no angle: slope 0
    return g * (x / r) / r, -g * (y / r) / r


@backward_of(np.sinh)
def sinh_backward(g, out, x):
    return g * np.cosh(x)


@backward_of(np.cosh)
def cosh_backward(g, out, x):
    return g * np.sinh(x)


@backward_of(np.tanh, math.tanh)
def tanh_backward(g, out, x):
    return g * (1 - out * out)


@backward_of(np.arcsinh)
def arcsinh_backward(g, out, x):
    return g / np.hypot(x, 1)


@backward_of(np.arccosh)
def arccosh_backward(g, out, x):
    return g / np.sqrt((x - 1) * (x + 1))


@backward_of(np.arctanh)
def arctanh_backward(g, out, x):
    return g / ((1 - x) * (1 + x))


# Reductions


@backward_of(np.sum)
def sum_backward(g, out, x, axis=None, keepdims=False):
    # NumPy sums a 0-d array along axis 0 or -1, although it has no axis.
    return np.broadcast_to(kept(g, axis, keepdims) if x.ndim else g, x.shape)


@backward_of(np.mean)
def mean_backward(g, out, x, axis=None, keepdims=False):
    return np.broadcast_to(kept(wide(g) / count(x, out), axis, keepdims), x.shape)


@backward_of(np.max, np.amax)
def max_backward(g, out, x, axis=None, keepdims=False):
    ties = x == kept(out, axis, keepdims)
    return kept(g, axis, keepdims) / counted(ties, axis, g) * ties


@backward_of(np.min, np.amin)
def min_backward(g, out, x, axis=None, keepdims=False):
    return max_backward(g, out, x, axis, keepdims)


def kept(y, axis, keepdims):
    """A reduced array with its reduced axes as axes of length 1, so that it broadcasts to x."""
    return y if keepdims or axis is None else np.expand_dims(y, axis)


def count(x, out):
    """How many elements of x went into each element of out."""
    return x.size / max(out.size, 1)


def counted(chosen, axis, g):
    """How many bools are True along axis, in the dtype of g; in float32 if that is float16."""
    dtype = np.result_type(g.dtype, np.float32)
    return chosen.sum(axis=axis, keepdims=True, dtype=dtype)


# Products


@backward_of(operator.matmul, np.matmul)
def matmul_backward(g, out, x, y):
    # NumPy treats a vector on the left as a row, and a vector on the right as a column.
    row, column = x.ndim == 1, y.ndim == 1
    if row:
        x, g = x[None, :], np.expand_dims(g, -1 if column else -2)
    if column:
        y, g = y[:, None], g[..., None]
    return (
        lambda: g @ y.swapaxes(-1, -2),
        lambda: (x.swapaxes(-1, -2) @ g)[..., 0] if column else x.swapaxes(-1, -2) @ g,
    )


# Shapes


@backward_of(np.reshape)
def reshape_backward(g, out, x, shape):
    return g.reshape(x.shape), None


@backward_of(np.transpose)
def transpose_backward(g, out, x, axes=None):
    if axes is None:
        return g.transpose()
    places = [axis % x.ndim for axis in np.atleast_1d(axes)]
    return g.transpose(*map(places.index, range(x.ndim)))


@backward_of(np.swapaxes)
def swapaxes_backward(g, out, x, axis1, axis2):
    return np.swapaxes(g, axis1, axis2), None, None


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
