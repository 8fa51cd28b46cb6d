"""The derivative table: for each function of NumPy, one short function of calculus.

A rule gets the gradient `g` of the result, the result `out`, and what the forward call got. It
returns one partial for each input. It need not think of broadcasting, of dtypes or of inputs that
want no gradient: `backward` does. It is written in functions that have rules themselves, so that it
works on arrays, and on nodes where derivatives of derivatives are wanted.
"""

import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.graph import backward_of
from tinygrad_edu.kernels import sigmoid, unindex
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
    # At x = 0, x**0 is flat and 0**y jumps: there both slopes are taken as 0, not as 0 * infinity.
    # A Python number stays one, since an array of exponents would turn float32 into float64.
    # Otherwise 1.0 * y makes floats of bools and integers: in uint8, 0 - 1 is 255.
    y_minus_1 = y - (y != 0) if isinstance(y, int | float) else 1.0 * y - ((x != 0) | (y != 0))
    return lambda: g * y * x**y_minus_1, lambda: g * out * log_or_0(x)


def log_or_0(x):
    """log(x), and 0 at 0; a Python number if x is one."""
    log = np.log(1.0 * x + (x == 0))
    return float(log) if isinstance(x, int | float) else log


@backward_of(operator.mod, np.remainder)
def remainder_backward(g, out, x, y):
    # x - out is y floor(x / y), exactly what was subtracted: floor(x / y) may round to another.
    return g, g * ((out - x) / y)


@backward_of(np.fmod)
def fmod_backward(g, out, x, y):
    return remainder_backward(g, out, x, y)


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


@backward_of(np.copysign)
def copysign_backward(g, out, x, y):
    return lambda: g * (np.sign(x) * np.sign(out)), lambda: 0 * g


@backward_of(np.nextafter)
def nextafter_backward(g, out, x, y):
    return g, 0 * g


@backward_of(np.maximum)
def maximum_backward(g, out, x, y):
    return (g * (x > y) + g * (x >= y)) / 2, (g * (y > x) + g * (y >= x)) / 2


@backward_of(np.minimum)
def minimum_backward(g, out, x, y):
    return (g * (x < y) + g * (x <= y)) / 2, (g * (y < x) + g * (y <= x)) / 2


@backward_of(np.fmax)
def fmax_backward(g, out, x, y):
    # Unlike x >= y, out == x is true of the number beside a nan.
    chosen = out == x
    return g * chosen, g * ~chosen


@backward_of(np.fmin)
def fmin_backward(g, out, x, y):
    return fmax_backward(g, out, x, y)


@backward_of(np.nan_to_num)
def nan_to_num_backward(g, out, x, nan=0.0, posinf=None, neginf=None):
    return g * np.isfinite(x)


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


@backward_of(np.logaddexp)
def logaddexp_backward(g, out, x, y):
    # Where both are -inf or both are inf, x - y would be nan.
    impossible, tie = out == -np.inf, (x == np.inf) & (y == np.inf)
    x, y = np.where(tie, 0, x), np.where(tie, 0, y)
    return (
        g * sigmoid(x - np.where(impossible, 0, y)),
        g * sigmoid(y - np.where(impossible, 0, x)),
    )


@backward_of(np.logaddexp2)
def logaddexp2_backward(g, out, x, y):
    scale = math.log(2)
    return logaddexp_backward(g, scale * out, scale * x, scale * y)


@backward_of(np.sqrt, math.sqrt)
def sqrt_backward(g, out, x):
    return g * 0.5 / out


@backward_of(np.cbrt)
def cbrt_backward(g, out, x):
    return g / (3 * out * out)


@backward_of(np.hypot)
def hypot_backward(g, out, x, y):
    # At the tip of the cone, as for every norm, all derivatives are taken as 0.
    g = g * (out != 0) / (out + (out == 0))
    return g * x, g * y


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
    g, r = g * (r != 0), r + (r == 0)  # at the origin there is no angle: flat
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


@backward_of(np.deg2rad, np.radians)
def deg2rad_backward(g, out, x):
    return g * (math.pi / 180)


@backward_of(np.rad2deg, np.degrees)
def rad2deg_backward(g, out, x):
    return g * (180 / math.pi)


@backward_of(np.sinc)
def sinc_backward(g, out, x):
    # The slope (cos(pi x) - sinc(x)) / x is 0 / 0 at 0: near it, its power series.
    near = np.abs(x) < 0.1
    z = (math.pi * np.where(near, x, 0)) ** 2
    series = -(math.pi**2) / 3 * x * (1 - z / 10 * (1 - z / 28 * (1 - z / 54 * (1 - z / 88))))
    return g * np.where(near, series, (np.cos(math.pi * x) - out) / (x + near))


# Reductions


@backward_of(np.sum, np.add.reduce)
def sum_backward(g, out, x, axis=None, keepdims=False):
    # NumPy sums a 0-d array along axis 0 or -1, although it has no axis.
    return np.broadcast_to(kept(g, axis, keepdims) if x.ndim else g, x.shape)


@backward_of(np.nansum)
def nansum_backward(g, out, x, axis=None, keepdims=False):
    return kept(g, axis, keepdims) * ~np.isnan(x)


@backward_of(np.mean)
def mean_backward(g, out, x, axis=None, keepdims=False):
    return np.broadcast_to(kept(wide(g) / count(x, out), axis, keepdims), x.shape)


@backward_of(np.nanmean)
def nanmean_backward(g, out, x, axis=None, keepdims=False):
    numbers = ~np.isnan(x)
    n = counted(numbers, axis, g)
    return kept(g, axis, keepdims) * numbers / np.maximum(n, 1)


@backward_of(np.max, np.amax, np.maximum.reduce)
def max_backward(g, out, x, axis=None, keepdims=False):
    ties = x == kept(out, axis, keepdims)
    return kept(g, axis, keepdims) / counted(ties, axis, g) * ties


@backward_of(np.min, np.amin, np.minimum.reduce)
def min_backward(g, out, x, axis=None, keepdims=False):
    return max_backward(g, out, x, axis, keepdims)


@backward_of(np.median)
def median_backward(g, out, x, axis=None, keepdims=False):
    # The median is the mean of the largest element up to it and the smallest one from it.
    g, middle = kept(g / 2, axis, keepdims), kept(out, axis, keepdims)
    low = np.max(np.where(x <= middle, x, -np.inf), axis=axis, keepdims=True)
    high = np.min(np.where(x >= middle, x, np.inf), axis=axis, keepdims=True)
    return max_backward(g, low, x, axis, True) + max_backward(g, high, x, axis, True)


@backward_of(np.prod)
def prod_backward(g, out, x, axis=None, keepdims=False):
    return kept(g, axis, keepdims) * others(x, axis)


@backward_of(np.multiply.reduce)
def multiply_reduce_backward(g, out, x, axis=0, keepdims=False):
    return prod_backward(g, out, x, axis, keepdims)


def others(x, axis):
    """For each element of x the product of all the others along axis, without a division."""
    every = axis is None or x.ndim == 0  # NumPy takes axis 0 and -1 of a 0-d array
    axes = normalize_axis_tuple(range(x.ndim) if every else axis, x.ndim)
    last = tuple(range(-len(axes), 0))
    front = np.moveaxis(x, axes, last)
    n = math.prod(x.shape[i] for i in axes)
    rows = front.reshape(*front.shape[: x.ndim - len(axes)], n)
    products = products_before(rows) * products_before(rows[..., ::-1])[..., ::-1]
    return np.moveaxis(products.reshape(front.shape), last, axes)


def products_before(x):
    """x[..., 0] x[..., 1] ... x[..., i - 1] at [..., i]."""
    shifted = np.concatenate([np.ones_like(x[..., :1]), x[..., :-1]], axis=-1)
    return np.cumprod(shifted, axis=-1)


@backward_of(np.cumsum)
def cumsum_backward(g, out, x, axis=None):
    return np.flip(np.cumsum(np.flip(wide(g), axis), axis or 0), axis).reshape(x.shape)


@backward_of(np.cumprod)
def cumprod_backward(g, out, x, axis=None):
    # d out[i] / d x[k] is the product of all before k, times all from k+1 to i. The sum of the
    # latter, times g[i], over i is a recurrence: total[k] = g[k] + x[k+1] total[k+1]. It is solved
    # in strides of 1, 2, 4, ..., without the division of g * out / x.
    axis = axis or 0
    rows, total = np.moveaxis(x.reshape(g.shape), axis, -1), np.moveaxis(g, axis, -1)
    factor, stride = ahead(rows, 1), 1
    while stride < rows.shape[-1]:
        total = total + factor * ahead(total, stride)
        factor = factor * ahead(factor, stride)
        stride *= 2
    return np.moveaxis(products_before(rows) * total, -1, axis).reshape(x.shape)


def ahead(x, n):
    """x[..., i + n] at [..., i], and 0 beyond the end."""
    return np.concatenate([x[..., n:], np.zeros_like(x[..., :n])], axis=-1)


@backward_of(np.linalg.norm)
def norm_backward(g, out, x, ord=None, axis=None, keepdims=False):
    g, out = kept(g, axis, keepdims), kept(out, axis, keepdims)
    if ord in (None, 2, "fro"):
        return g * (out != 0) * (x / (out + (out == 0)))
    if ord in (np.inf, -np.inf):
        return max_backward(g, out, np.abs(x), axis, True) * np.sign(x)
    # Where x is 0 the sign is 0, and 0 is not raised to a power that may be negative.
    ratio = np.abs(x) / (out + (out == 0)) + (x == 0)
    return g * np.sign(x) * (ratio ** (ord - 1) if ord else 0)  # ord 0 counts


@backward_of(np.var)
def var_backward(g, out, x, axis=None, ddof=0, keepdims=False):
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    return kept(wide(g) * 2 / (count(x, out) - ddof), axis, keepdims) * deviation


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


def counted(chosen, axis, g):
    """How many bools are true along axis, in the dtype of g; in float32 if that is float16."""
    dtype = np.result_type(g.dtype, np.float32)
    return np.add.reduce(chosen, axis=axis, keepdims=True, dtype=dtype)


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
    return np.transpose(g, None if axes is None else np.argsort(np.atleast_1d(axes) % x.ndim))


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


@backward_of(np.flip)
def flip_backward(g, out, x, axis=None):
    return np.flip(g, axis)


@backward_of(np.fliplr)
def fliplr_backward(g, out, x):
    return np.fliplr(g)


@backward_of(np.flipud)
def flipud_backward(g, out, x):
    return np.flipud(g)


@backward_of(np.rot90)
def rot90_backward(g, out, x, k=1, axes=(0, 1)):
    return np.rot90(g, -k, axes)


@backward_of(np.roll)
def roll_backward(g, out, x, shift, axis=None):
    return np.roll(g, np.multiply(shift, -1), axis), None


@backward_of(np.tril)
def tril_backward(g, out, x, k=0):
    return np.tril(g, k)


@backward_of(np.triu)
def triu_backward(g, out, x, k=0):
    return np.triu(g, k)


@backward_of(np.pad)
def pad_backward(g, out, x, pad_width, constant_values=0):
    before = [width[0] for width in np.broadcast_to(pad_width, (x.ndim, 2))]
    return g[tuple(slice(i, i + n) for i, n in zip(before, x.shape))], None


# Answers that do not change under small changes of x: there is nothing to differentiate, and they
# come back as plain arrays.
NON_DIFFERENTIABLE = {
    *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
    *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.all, np.any),
    *(np.isnan, np.isinf, np.isfinite, np.isposinf, np.isneginf, np.signbit),
    *(np.iscomplex, np.isreal, np.iscomplexobj, np.isrealobj),
    *(np.isclose, np.allclose, np.array_equal, np.array_equiv, np.isin),
    *(np.shares_memory, np.may_share_memory),
    *(np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around),
    *(np.fix, np.floor_divide),
    np.spacing,
    *(np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition),
    *(np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero, np.searchsorted),
    *(np.digitize, np.ravel_multi_index, np.unravel_index, np.diag_indices_from),
    *(np.tril_indices_from, np.triu_indices_from, np.linalg.matrix_rank, np.imag),
    *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type),
    *(np.zeros_like, np.ones_like, np.empty_like),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift),
    *(np.bitwise_count, np.gcd, np.lcm),
    *(np.array_repr, np.array_str, np.array2string),
}
