"""How are the elements along an axis combined into one number, or into running results?

The rules of sum, mean, max and min are in rules.py.
"""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_edu.graph import Node, apply, backward_of, plain
from tinygrad_edu.kernels import unindex
from tinygrad_edu.numpy_api.arguments import array, in_one_dtype
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.precision import floating, in_single, wide
from tinygrad_edu.rules import (
    count,
    counted,
    kept,
    max_backward,
    min_backward,
    ratio_or_0,
    sum_backward,
)

# The methods of an array: they are faster than NumPy's functions, and every array library has them


def array_sum(x, axis=None, keepdims=False):
    return x.sum(axis=axis, keepdims=keepdims)


def array_max(x, axis=None, keepdims=False):
    return x.max(axis=axis, keepdims=keepdims)


def array_min(x, axis=None, keepdims=False):
    return x.min(axis=axis, keepdims=keepdims)


backward_of(array_sum)(sum_backward)
backward_of(array_max)(max_backward)
backward_of(array_min)(min_backward)


def reduces(ufunc, function):
    """Let `function`, such as np.sum, answer for ufunc.reduce, whose axis is 0 by default."""

    def reduced(array, axis=0, keepdims=False):
        return function(array, axis=axis, keepdims=keepdims)

    composes(ufunc.reduce)(reduced)


reduces(np.add, np.sum)
reduces(np.multiply, np.prod)
reduces(np.maximum, np.max)
reduces(np.minimum, np.min)


# Sums and means


@backward_of(np.nansum)
def nansum_backward(g, out, x, axis=None, keepdims=False):
    return kept(g, axis, keepdims) * ~np.isnan(x)


@backward_of(np.nanmean)
def nanmean_backward(g, out, x, axis=None, keepdims=False):
    numbers = ~np.isnan(x)
    n = counted(numbers, axis, g)
    return kept(g, axis, keepdims) * numbers / np.maximum(n, 1)


@composes(np.average)
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    if weights is None:
        out = np.mean(a, axis=axis, keepdims=keepdims)
        total = out.dtype.type(array(a).size / max(out.size, 1))
    else:
        if np.shape(weights) != np.shape(a):
            weights = spread(weights, np.ndim(a), axis)
        a, weights = in_one_dtype([floating(a), weights])
        total = np.sum(weights, axis=axis, keepdims=keepdims)
        if np.any(total == 0):
            raise ZeroDivisionError("np.average: the weights sum to 0, so there is no mean")
        out = np.sum(np.multiply(a, weights), axis=axis, keepdims=keepdims) / total
    return (out, np.broadcast_to(total, out.shape)) if returned else out


def spread(weights, ndim, axis):
    """Weights along `axis` with axes of length 1 for the others."""
    if axis is None:
        raise TypeError("np.average needs axis= if weights and data differ in shape")
    axes = normalize_axis_tuple(axis, ndim)
    if np.ndim(weights) != len(axes):
        raise ValueError(
            f"np.average along axis {axis} needs weights with {len(axes)} axes, "
            f"and these have shape {np.shape(weights)}"
        )
    weights = np.transpose(weights, tuple(np.argsort(axes)))
    return np.expand_dims(weights, tuple(i for i in range(ndim) if i not in axes))


@backward_of(np.cumsum)
def cumsum_backward(g, out, x, axis=None):
    return np.flip(np.cumsum(np.flip(wide(g), axis), axis or 0), axis).reshape(x.shape)


@composes(np.bincount)
def bincount(x, /, weights=None, minlength=0):
    x = np.asarray(plain(x))
    if not isinstance(weights, Node):
        return np.bincount(x, weights, minlength)
    length = np.bincount(x, minlength=minlength).size
    return unindex(weights.astype(float), x.astype(int), np.zeros(length))


# Order and spread


@backward_of(np.median)
def median_backward(g, out, x, axis=None, keepdims=False):
    # The median is the mean of the largest element <= median and the smallest element >= median.
    g, middle = kept(g / 2, axis, keepdims), kept(out, axis, keepdims)
    low = np.max(np.where(x <= middle, x, -np.inf), axis=axis, keepdims=True)
    high = np.min(np.where(x >= middle, x, np.inf), axis=axis, keepdims=True)
    return max_backward(g, low, x, axis, True) + max_backward(g, high, x, axis, True)


@composes(np.ptp)
def ptp(a, axis=None, *, keepdims=False):
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composes(np.var)
@in_single
def var(a, axis=None, *, ddof=0, keepdims=False):
    return apply(np.var, a, axis=axis, ddof=ddof, keepdims=keepdims)


@backward_of(np.var)
def var_backward(g, out, x, axis=None, ddof=0, keepdims=False):
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    return kept(wide(g) * 2 / (count(x, out) - ddof), axis, keepdims) * deviation


@composes(np.std)
@in_single
def std(a, axis=None, *, ddof=0, keepdims=False):
    return apply(np.std, a, axis=axis, ddof=ddof, keepdims=keepdims)


@backward_of(np.std)
def std_backward(g, out, x, axis=None, ddof=0, keepdims=False):
    # d sqrt(v) = dv / (2 sqrt(v)). Where v is 0, dv is 0, too, and the slope is taken as 0.
    return var_backward(ratio_or_0(g, 2 * out), out, x, axis, ddof, keepdims)


# Products


@backward_of(np.prod)
def prod_backward(g, out, x, axis=None, keepdims=False):
    return kept(g, axis, keepdims) * products_of_others(x, axis)


def products_of_others(x, axis):
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


@backward_of(np.cumprod)
def cumprod_backward(g, out, x, axis=None):
    # d out[i] / d x[k] is the product of the elements before k, times that of elements k+1 to i.
    # The sum over i of g[i] times the second product is a recurrence: total[k] = g[k] + x[k+1]
    # total[k+1]. Strides of 1, 2, 4, ... solve it without a division by x, which may be 0.
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
