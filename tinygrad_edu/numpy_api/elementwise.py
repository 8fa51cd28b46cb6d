"""What do the rarer functions of one element, or of two, do on Tensors?

The common ones (exp, tanh, maximum, ...) are in rules.py.
"""

import math

import numpy as np

from tinygrad_edu.graph import Node, apply, backward_of, plain, primitive
from tinygrad_edu.kernels import sigmoid
from tinygrad_edu.numpy_api.arguments import common_dtype
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.operands import as_array
from tinygrad_edu.precision import floating
from tinygrad_edu.rules import remainder_backward

# Remainders; of two results, the whole numbers are plain arrays without derivative


@backward_of(np.fmod)
def fmod_backward(g, out, x, y):
    return remainder_backward(g, out, x, y)


@composes(np.divmod)
def floor_and_remainder(x, y):
    return np.floor_divide(x, y), np.remainder(x, y)


@composes(np.modf)
def modf(x):
    x = floating(x)
    # np.fmod of inf is nan, but np.modf gives an infinite number the fraction ±0.
    beyond = np.where(np.isinf(x), np.copysign(0.0, plain(x)), x)
    return np.fmod(beyond, 1), np.trunc(x)


# Signs, neighbours and nan


@backward_of(np.copysign)
def copysign_backward(g, out, x, y):
    return lambda: g * (np.sign(x) * np.sign(out)), lambda: 0 * g


@backward_of(np.nextafter)
def nextafter_backward(g, out, x, y):
    return g, 0 * g


@backward_of(np.fmax)
def fmax_backward(g, out, x, y):
    # If y is nan, x >= y is False, but out == x is True.
    chosen = out == x
    return g * chosen, g * ~chosen


@backward_of(np.fmin)
def fmin_backward(g, out, x, y):
    return fmax_backward(g, out, x, y)


@backward_of(np.nan_to_num)
def nan_to_num_backward(g, out, x, nan=0.0, posinf=None, neginf=None):
    return g * np.isfinite(x)


# One argument chooses between the others, and has no derivative


@composes(np.heaviside)
def heaviside(x1, x2):
    """1 where x1 > 0, 0 where x1 < 0, x2 where x1 is 0: only x2 has a derivative."""
    x1 = plain(x1)
    if not (isinstance(x2, Node) and x2.requires_grad):
        return np.heaviside(x1, plain(x2))
    return np.where(np.equal(x1, 0), x2, np.heaviside(x1, plain(x2)))


@composes(np.where)
def where(condition, x=None, y=None):
    if x is None and y is None:
        return np.nonzero(condition)
    return apply(np.where, plain(condition), x, y)


@composes(np.select)
def select(condlist, choicelist, default=0):
    if len(condlist) != len(choicelist) or len(condlist) == 0:
        raise ValueError(
            f"np.select takes as many choices as conditions, and at least one; it got "
            f"{len(condlist)} conditions and {len(choicelist)} choices"
        )
    out = default
    if not isinstance(default, Node):  # else np.where rounds it to a choice's dtype
        out = np.asarray(as_array(default), common_dtype([*choicelist, default]))
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        out = np.where(plain(condition), choice, out)
    return out


@composes(np.clip)
def clip(a, a_min=None, a_max=None, *, min=None, max=None):
    low, high = a_min if min is None else min, a_max if max is None else max
    return apply(np.clip, a, low, high)


@backward_of(np.clip)
def clip_backward(g, out, x, low, high):
    passes = out == x
    under = ~passes & (out == low)
    return g * passes, g * under, g * ~(passes | under)


# Exponentials and waves


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


@backward_of(np.deg2rad, np.radians)
def deg2rad_backward(g, out, x):
    return g * (math.pi / 180)


@backward_of(np.rad2deg, np.degrees)
def rad2deg_backward(g, out, x):
    return g * (180 / math.pi)


@backward_of(np.sinc)
def sinc_backward(g, out, x):
    # The slope (cos(pi x) - sinc(x)) / x is 0 / 0 at 0: near 0 use its power series.
    near = np.abs(x) < 0.1
    z = (math.pi * np.where(near, x, 0)) ** 2
    series = -(math.pi**2) / 3 * x * (1 - z / 10 * (1 - z / 28 * (1 - z / 54 * (1 - z / 88))))
    return g * np.where(near, series, (np.cos(math.pi * x) - out) / (x + near))


# The same numbers


@composes(np.real)
def real(val):
    return +val


@composes(np.copy)
def copy(a, order="K", subok=False):
    return +a


def astype(x, dtype, /, *, copy=True):
    return x.astype(dtype)


if hasattr(np, "astype"):  # since NumPy 2.1
    composes(np.astype)(astype)


@primitive
def convert(x, dtype):
    """x.astype(dtype): the gradient comes back in the dtype of x."""
    return x.astype(dtype)


@backward_of(convert)
def astype_backward(g, out, x, dtype):
    return g, None
