"""The derivative table, one row an operation: each right to second order, with broadcasting.

A row is a function of arrays and the shapes of its inputs. `domain` maps standard normal numbers
to where the function is smooth. test_rules_drawn.py draws shapes, axes and options for every
function that has a row; test_partials.py looks at what its rule returns, in float32 as well.
"""

import math
import operator
from typing import NamedTuple

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, gradcheck, kernels, recurrences, value
from tinygrad_edu.graph import RULES, apply, forward_of
from tinygrad_edu.numpy_api.elementwise import convert
from tinygrad_edu.numpy_api.joining import concatenate_arrays, stack_arrays
from tinygrad_edu.numpy_api.products import inner_product
from tinygrad_edu.numpy_api.reductions import array_max, array_min, array_sum


def same(x):
    return x


def positive(x):
    return np.exp(0.4 * x) + 0.2


def apart(x):
    """Away from 0, so that nothing that is compared with 0 or with another x comes close."""
    return x + 0.3 * np.sign(x)


def inside(x):
    """Between -1 and 1."""
    return 0.9 * np.tanh(x)


def above_1(x):
    return np.exp(0.4 * x) + 1.2


def with_zeros(x):
    """Every third element is 0."""
    return x * (np.arange(x.size).reshape(x.shape) % 3 > 0)


class Row(NamedTuple):
    function: object
    shapes: list
    call: object = None
    domain: object = same

    @property
    def f(self):
        return self.call or self.function


EMPTY = np.empty((4, 3, 2))
ZERO_ONE = np.float32([0, 1, 0])
TRUE = np.array([[False, True, False], [True, False, False]])
DARK = np.array([[True, False, True], [False, False, False]])
MASK = np.array([[True, False, True], [False, True, True]])

TABLE = [
    # arithmetic, with broadcasting both ways
    Row(operator.add, [(2, 3), (3,)]),
    Row(np.add, [(2, 1), (1, 3)]),
    Row(operator.sub, [(3,), (2, 3)]),
    Row(np.subtract, [(), (2, 3)]),
    Row(operator.mul, [(2, 3), (2, 1)]),
    Row(np.multiply, [(2, 3), ()]),
    Row(operator.truediv, [(2, 3), (3,)], domain=positive),
    Row(np.divide, [(1, 3), (2, 1)], domain=positive),
    Row(operator.pow, [(2, 3), (3,)], domain=positive),
    Row(np.power, [(2, 1), (3,)], domain=positive),
    Row(operator.pow, [(2, 3)], lambda x: x**3),
    Row(operator.pow, [(2, 3)], lambda x: x**-2, positive),
    Row(operator.pow, [(2, 3)], lambda x: 2**x),
    Row(np.float_power, [(2, 3), (3,)], domain=positive),
    Row(operator.mod, [(2, 3), (3,)], lambda x, y: apply(operator.mod, x + 40, y - 12), inside),
    Row(np.remainder, [(2, 1), (3,)], lambda x, y: np.remainder(x - 40, y + 12), inside),
    Row(np.fmod, [(3,), (2, 3)], lambda x, y: np.fmod(x - 40, y + 12), inside),
    Row(np.divmod, [(2, 3)], lambda x: np.divmod(x + 40, 7.5)[1], inside),
    Row(np.modf, [(2, 3)], lambda x: np.modf(x * x)[0]),
    Row(np.square, [(2, 3)]),
    Row(np.reciprocal, [(2, 3)], domain=apart),
    Row(operator.neg, [(2, 3)]),
    Row(np.negative, [()]),
    Row(operator.pos, [(2, 3)]),
    Row(np.positive, [(3,)]),
    Row(np.conjugate, [(3,)]),
    Row(operator.abs, [(2, 3)], domain=apart),
    Row(np.absolute, [()], domain=apart),
    Row(np.fabs, [(2, 3)], domain=apart),
    Row(np.copysign, [(2, 1), (3,)], domain=apart),
    Row(np.nextafter, [(2, 3)], lambda x: np.nextafter(x * x, 9.0)),
    Row(np.heaviside, [(3,)], lambda y: np.heaviside(ZERO_ONE, y * y)),
    Row(np.maximum, [(2, 3), (3,)]),
    Row(np.minimum, [(2, 3), (2, 1)]),
    Row(np.fmax, [(2, 3), (3,)], lambda x, y: np.fmax(np.where(MASK, x * x, np.nan), y)),
    Row(np.fmin, [(3,), (2, 3)], lambda x, y: np.fmin(x, np.where(MASK, y * y, np.nan))),
    Row(np.where, [(2, 3), (3,)], lambda x, y: np.where(MASK, x * x, y * y)),
    Row(np.nan_to_num, [(2, 3)], lambda x: np.nan_to_num(np.where(MASK, x * x, np.nan))),
    Row(np.nan_to_num, [(3,)], lambda x: np.nan_to_num(np.where(MASK[0], x, np.inf), posinf=1)),
    # exponentials and roots
    Row(np.exp, [(2, 3)]),
    Row(np.exp2, [(2, 3)]),
    Row(np.expm1, [(2, 3)]),
    Row(np.log, [(2, 3)], domain=positive),
    Row(np.log2, [(2, 3)], domain=positive),
    Row(np.log10, [(2, 3)], domain=positive),
    Row(np.log1p, [(2, 3)], domain=inside),
    Row(np.logaddexp, [(2, 3), (2, 1)]),
    Row(np.logaddexp2, [(), (2, 3)]),
    Row(np.sqrt, [(2, 3)], domain=positive),
    Row(np.cbrt, [(2, 3)], domain=apart),
    Row(np.hypot, [(2, 3), (3,)]),
    # angles and waves
    Row(np.sin, [(2, 3)]),
    Row(np.cos, [(2, 3)]),
    Row(np.tan, [(2, 3)], domain=inside),
    Row(np.arcsin, [(2, 3)], domain=inside),
    Row(np.arccos, [(2, 3)], domain=inside),
    Row(np.arctan, [(2, 3)]),
    Row(np.arctan2, [(2, 1), (3,)], domain=apart),
    Row(np.sinh, [(2, 3)]),
    Row(np.cosh, [(2, 3)]),
    Row(np.tanh, [(2, 3)]),
    Row(np.arcsinh, [(2, 3)]),
    Row(np.arccosh, [(2, 3)], domain=above_1),
    Row(np.arctanh, [(2, 3)], domain=inside),
    *[Row(f, [(2, 3)], lambda x, f=f: f(60 * x * x)) for f in (np.deg2rad, np.radians)],
    *[Row(f, [(2, 3)], lambda x, f=f: f(0.01 * x * x)) for f in (np.rad2deg, np.degrees)],
    Row(np.sinc, [(2, 3)]),
    Row(np.sinc, [(2, 3)], domain=lambda x: 0.02 * x),
    Row(np.sinc, [(3,)], domain=np.zeros_like),
    # reductions
    Row(np.sum, [(2, 3)], lambda x: np.sum(x * x)),
    Row(np.sum, [(2, 3, 4)], lambda x: np.sum(x * x, axis=(0, -1))),
    Row(np.sum, [(2, 3)], lambda x: np.sum(x * x, axis=1, keepdims=True)),
    Row(np.add.reduce, [(2, 3)], lambda x: np.add.reduce(x * x)),
    Row(array_sum, [(2, 3)], lambda x: (x * x).sum(axis=-1)),
    Row(np.mean, [(2, 3)], lambda x: np.mean(x * x)),
    Row(np.mean, [(2, 3, 4)], lambda x: (x * x).mean(axis=(1, 2), keepdims=True)),
    Row(np.max, [(2, 3)], lambda x: np.max(x * x)),
    Row(np.max, [(2, 3, 4)], lambda x: np.max(x * x, axis=(0, 2))),
    Row(np.maximum.reduce, [(2, 3)], lambda x: np.maximum.reduce(x * x)),
    Row(array_max, [(2, 3)], lambda x: (x * x).max(axis=1, keepdims=True)),
    Row(np.amax, [(2, 3)], lambda x: np.amax(x * x, axis=-1)),
    Row(np.amin, [(2, 3)], lambda x: np.amin(x * x, axis=0)),
    Row(np.min, [(2, 3)], lambda x: np.min(x * x, axis=0)),
    Row(np.minimum.reduce, [(2, 3)], lambda x: np.minimum.reduce(x * x)),
    Row(array_min, [(2, 3)], lambda x: (x * x).min()),
    Row(np.ptp, [(2, 3)], lambda x: np.ptp(x * x)),
    Row(np.ptp, [(2, 3, 4)], lambda x: np.ptp(x * x, axis=(0, -1), keepdims=True)),
    Row(np.nansum, [(2, 3)], lambda x: np.nansum(np.where(MASK, x * x, np.nan))),
    Row(np.nansum, [(2, 3)], lambda x: np.nansum(np.where(MASK, x * x, np.nan), 1)),
    Row(np.nanmean, [(2, 3)], lambda x: np.nanmean(np.where(MASK, x * x, np.nan))),
    Row(np.nanmean, [(2, 3)], lambda x: np.nanmean(np.where(MASK, x * x, np.nan), 0)),
    Row(np.average, [(2, 3)], lambda x: np.average(x * x)),
    Row(np.average, [(2, 3), (2, 3)], lambda x, w: np.average(x, 0, w + 5, keepdims=True)),
    Row(np.average, [(2, 3), (3,)], lambda x, w: np.average(x, axis=1, weights=w + 5)),
    Row(np.average, [(2, 3, 4), (4, 2)], lambda x, w: np.average(x, axis=(-1, 0), weights=w + 5)),
    Row(np.median, [(3, 5)], lambda x: np.median(x * x)),
    Row(np.median, [(3, 4)], lambda x: np.median(x * x, axis=-1)),
    Row(np.median, [(2, 3, 4)], lambda x: np.median(x * x, axis=(0, 2), keepdims=True)),
    Row(np.prod, [(2, 3)]),
    Row(np.prod, [(2, 3)], domain=with_zeros),
    Row(np.prod, [(2, 3, 4)], lambda x: np.prod(x, axis=(2, 0), keepdims=True), with_zeros),
    Row(np.multiply.reduce, [(4, 3)], np.multiply.reduce, with_zeros),
    Row(np.cumsum, [(2, 3)], lambda x: np.cumsum(x * x)),
    Row(np.cumsum, [(2, 3, 4)], lambda x: np.cumsum(x * x, axis=-2)),
    Row(np.cumprod, [(3, 2)], domain=with_zeros),
    Row(np.cumprod, [(2, 7)], lambda x: np.cumprod(x, axis=-1), with_zeros),
    Row(np.cumprod, [(5, 2)], lambda x: np.cumprod(x, axis=0)),
    Row(np.diff, [(2, 4)], lambda x: np.diff(x * x)),
    Row(np.diff, [(4, 3), (1, 3)], lambda x, y: np.diff(x * x, 2, 0, prepend=y * y, append=y)),
    Row(np.gradient, [(2, 4)], lambda x: np.gradient(x * x, axis=-1)),
    Row(np.gradient, [(4,), ()], lambda x, h: np.gradient(x, h * h)),
    Row(np.trapezoid, [(2, 4)], lambda y: np.trapezoid(y * y, dx=0.5)),
    Row(np.trapezoid, [(4, 3), (4,)], lambda y, x: np.trapezoid(y, x, axis=0)),
    Row(np.trapezoid, [(2, 4), (2, 4)], np.trapezoid),
    Row(np.trapezoid, [(4,), (3, 4)], np.trapezoid),
    Row(np.trapezoid, [(2, 1, 4), (3, 4)], np.trapezoid),
    Row(np.bincount, [(4,)], lambda x: np.bincount([1, 0, 3, 1], x * x, 6)),
    Row(np.linalg.norm, [(2, 3)]),
    Row(np.linalg.norm, [(2, 3)], lambda x: np.linalg.norm(x, "fro", keepdims=True)),
    Row(np.linalg.norm, [(2, 3, 4)], lambda x: np.linalg.norm(x, axis=(0, 2))),
    *[
        Row(np.linalg.norm, [(4, 3)], lambda x, p=p: np.linalg.norm(x, p, axis=0), apart)
        for p in (0.5, 1, 1.5, 2, 3, -1, np.inf, -np.inf)
    ],
    *[
        Row(np.linalg.norm, [(2, 3, 4)], lambda x, p=p: np.linalg.norm(x, p, (2, 0)), apart)
        for p in (1, -1, np.inf, -np.inf, 2, -2, "nuc")
    ],
    Row(np.var, [(2, 3)]),
    Row(np.var, [(2, 3, 4)], lambda x: x.var(axis=(0, 2), ddof=1, keepdims=True)),
    Row(np.std, [(2, 3)]),
    Row(np.std, [(4, 3)], lambda x: x.std(axis=0, ddof=1)),
    # values, and values among others
    Row(np.linspace, [(2,), ()], lambda x, y: np.linspace(x * x, y, 5)),
    Row(np.linspace, [(), (3,)], lambda x, y: np.linspace(x, y * y, 4, False, axis=-1)),
    Row(np.full_like, [(2, 3)], lambda x: np.full_like(x, np.max(x * x, axis=0))),
    Row(np.unique, [(2, 3)], lambda x: np.unique(x * x)),
    Row(np.unique, [(3, 2)], lambda x: np.unique(x * x, axis=0)),
    Row(np.unique_values, [(2, 3)], lambda x: np.unique_values(x * x)),
    Row(np.unique_all, [(2, 3)], lambda x: np.unique_all(x * x).values),
    Row(np.unique_counts, [(2, 3)], lambda x: np.unique_counts(x * x).values),
    Row(np.unique_inverse, [(2, 3)], lambda x: np.unique_inverse(x * x).values),
    Row(np.union1d, [(2, 3), (3,)], lambda x, y: np.union1d(x * x, y)),
    Row(np.setxor1d, [(2, 3), (3,)], lambda x, y: np.setxor1d(x * x, y)),
    Row(np.setdiff1d, [(2, 3)], lambda x: np.setdiff1d(x * x, [9.0])),
    Row(np.intersect1d, [(2, 3)], lambda x: np.intersect1d(x * x, np.where(MASK, x * x, 9))),
    Row(np.histogram_bin_edges, [(2, 3)], lambda x: np.histogram_bin_edges(x * x, 4)),
    Row(np.histogram, [(2, 3)], lambda x: np.histogram(x * x, 4)[1]),
    # products
    Row(operator.matmul, [(2, 3), (3, 4)]),
    Row(np.matmul, [(3,), (3,)]),
    Row(np.matmul, [(3,), (3, 4)]),
    Row(np.matmul, [(2, 3), (3,)]),
    Row(np.matmul, [(5, 2, 3), (3,)]),
    Row(np.matmul, [(3,), (5, 3, 4)]),
    Row(np.matmul, [(5, 2, 3), (3, 4)]),
    Row(np.matmul, [(2, 3), (5, 3, 4)]),
    Row(np.matmul, [(5, 1, 2, 3), (6, 3, 4)]),
    Row(np.vdot, [(2, 3), (2, 3)]),
    Row(inner_product, [(4,), (4,)]),
    Row(kernels.cross_entropy, [(2, 3)], lambda x: kernels.cross_entropy(x, TRUE)),
    Row(kernels.cross_entropy, [(2, 1, 3)], lambda x: kernels.cross_entropy(x, TRUE[:, None])),
    Row(kernels.cross_entropy, [(3,)], lambda x: kernels.cross_entropy(x, TRUE[0])),
    Row(kernels.soft_nll, [(2, 3)], lambda x: kernels.soft_nll(x * x, MASK)),
    Row(kernels.soft_nll, [(2, 3), (2, 3)]),
    # shapes
    Row(np.reshape, [(2, 3)], lambda x: np.reshape(x * x, (3, -1))),
    Row(np.transpose, [(2, 3)], lambda x: np.transpose(x * x)),
    Row(np.transpose, [(2, 3, 4)], lambda x: (x * x).transpose(1, -1, 0)),
    Row(np.swapaxes, [(2, 3, 4)], lambda x: np.swapaxes(x * x, 0, -1)),
    Row(np.moveaxis, [(2, 3, 4)], lambda x: np.moveaxis(x * x, 0, -1)),
    Row(np.flip, [(2, 3)], lambda x: np.flip(x * x)),
    Row(np.flip, [(2, 3, 4)], lambda x: np.flip(x * x, axis=(0, -1))),
    Row(np.expand_dims, [(2, 3)], lambda x: np.expand_dims(x * x, (0, -1))),
    Row(np.squeeze, [(2, 1, 3, 1)], lambda x: np.squeeze(x * x)),
    Row(np.squeeze, [(2, 1, 3, 1)], lambda x: (x * x).squeeze(axis=-1)),
    Row(np.broadcast_to, [(2, 1)], lambda x: np.broadcast_to(x * x, (4, 2, 3))),
    Row(operator.getitem, [(4, 3)], lambda x: (x * x)[1:, 0]),
    Row(operator.getitem, [(4, 3)], lambda x: (x * x)[::-2, None, ...]),
    Row(operator.getitem, [(4, 3)], lambda x: (x * x)[[0, 2, 0]]),
    Row(operator.getitem, [(4, 3)], lambda x: (x * x)[np.array([[0, 1], [3, 3]]), 1]),
    Row(operator.getitem, [(2, 3)], lambda x: (x * x)[MASK]),
    Row(operator.getitem, [(4, 3)], lambda x: (x * x)[-1, -1]),
    Row(
        concatenate_arrays,
        [(2, 3), (1, 3)],
        lambda x, y: np.concatenate([x * x, y], axis=0),
    ),
    Row(
        concatenate_arrays,
        [(2, 3), (2, 1)],
        lambda x, y: np.concatenate([x * x, y], axis=-1),
    ),
    Row(
        concatenate_arrays,
        [(2, 3), (2,)],
        lambda x, y: np.concatenate([x * x, y], axis=None),
    ),
    Row(stack_arrays, [(2, 3), (2, 3)], lambda x, y: np.stack([x * x, y], axis=1)),
    Row(stack_arrays, [(2, 3), (2, 3)], lambda x, y: np.stack([x * x, y], axis=-1)),
    Row(kernels.unindex, [(3,)], lambda y: kernels.unindex(y * y, [1, 0, 1], np.empty(4))),
    Row(kernels.unindex, [(2, 2)], lambda y: kernels.unindex(y * y, (slice(1, 3), 0), EMPTY)),
    Row(
        kernels.index_update,
        [(4, 3), (2, 3)],
        lambda x, y: kernels.index_update(x * x, slice(1, 3), y * y),
    ),
    Row(
        kernels.index_update,
        [(4, 3), (5, 1)],
        lambda x, y: kernels.index_update(x * x, [1, 0, 1, 3, 1], y * y),
    ),
    Row(kernels.index_update, [(), ()], lambda x, y: kernels.index_update(x * x, np.True_, y * y)),
    Row(convert, [(2, 3)], lambda x: convert(x * x, np.float64)),
    # kernels
    Row(kernels.linear, [(5, 3), (3, 2), (2,)]),
    Row(kernels.linear, [(3,), (3, 2), (2,)]),
    Row(kernels.linear, [(2, 5, 3), (3, 2), (2,)]),
    Row(recurrences.rnn, [(3, 2, 2), (2, 2), (2, 2)]),
    Row(
        recurrences.rnn,
        [(3, 2), (2, 2), (2,)],
        lambda *inputs: recurrences.rnn(*inputs, rectified=True),
        domain=apart,
    ),
    Row(recurrences.gru, [(3, 2, 6), (2, 6), (6,), (2, 2)]),
    Row(recurrences.gru, [(2, 3), (1, 3), (3,), (1,)]),
    Row(recurrences.gru, [(3, 2, 3), (1, 3), (2, 3), (2, 1)]),
    Row(recurrences.lstm, [(3, 2, 8), (2, 8), (2, 2), (2, 2)]),
    Row(recurrences.lstm, [(2, 4), (1, 4), (1,), (1,)]),
    Row(kernels.relu, [(2, 3)], domain=apart),
    Row(kernels.sigmoid, [(2, 3)]),
    Row(kernels.log1pexp, [(2, 3)]),
    Row(kernels.erf, [(2, 3)]),
    Row(kernels.logsumexp, [(2, 3)]),
    Row(kernels.logsumexp, [(2, 3, 4)], lambda x: kernels.logsumexp(x, axis=(0, 1))),
    Row(kernels.logsumexp, [(2, 3)], lambda x: kernels.logsumexp(x, axis=None)),
    Row(kernels.logsumexp, [(2, 3)], lambda x: kernels.logsumexp(x, axis=0, keepdims=True)),
    Row(kernels.softmax, [(2, 3)]),
    Row(kernels.softmax, [(2, 3, 4)], lambda x: kernels.softmax(x, axis=1)),
    Row(kernels.softmax, [(2, 70)]),  # no short rows
    Row(kernels.masked_softmax, [(2, 3)], lambda x: kernels.masked_softmax(x, MASK)),
    Row(kernels.masked_softmax, [(4, 2, 3)], lambda x: kernels.masked_softmax(x, DARK)),
    Row(kernels.row_sums, [(2, 3)], lambda x: kernels.row_sums(x * x)),
    Row(kernels.centered, [(2, 3)], lambda x: kernels.centered(x * x)),
    Row(kernels.root_mean_square, [(2, 3)], lambda x: kernels.root_mean_square(x, 0.1)),
    Row(kernels.rms_normalized, [(2, 3)], lambda x: kernels.rms_normalized(x, 0.1)),
    Row(kernels.scaled_and_shifted, [(2, 3), (3,), (2, 1)]),
    Row(kernels.filtered, [(2, 3, 4), (2, 4, 5)]),
    Row(kernels.framed, [(2, 3)], lambda x: kernels.framed(x * x, ((1, 0), (0, 2)), 7.0)),
    Row(kernels.log_softmax, [(2, 3)]),
    Row(kernels.log_softmax, [(2, 3, 4)], lambda x: kernels.log_softmax(x, axis=1)),
    Row(np.clip, [(4, 3)], lambda x: np.clip(x * x * x, -0.3, 0.4)),
    Row(np.clip, [(4, 3)], lambda x: (x * x * x).clip(max=0.1)),
    Row(np.clip, [(4, 3), (3,), (4, 1)], lambda x, y, z: np.clip(4 * x, y - 2, z * z + 2)),
]

# On floats: rules of `math`, and of the kernels as Values have them
VALUE_TABLE = [
    Row(math.exp, [()], lambda x: x.exp()),
    Row(math.log, [()], lambda x: x.log(), positive),
    Row(math.sqrt, [()], lambda x: x.sqrt(), positive),
    Row(math.sin, [()], lambda x: x.sin()),
    Row(math.cos, [()], lambda x: x.cos()),
    Row(math.tanh, [()], lambda x: x.tanh()),
    Row(value.relu, [()], lambda x: x.relu(), apart),
    Row(value.sigmoid, [()], lambda x: x.sigmoid()),
    Row(value.weighted_sum, [()] * 5),
    Row(operator.add, [(), ()]),
    Row(operator.sub, [(), ()]),
    Row(operator.mul, [(), ()]),
    Row(operator.truediv, [(), ()], domain=positive),
    Row(operator.pow, [(), ()], domain=positive),
    Row(operator.mod, [(), ()], lambda x, y: apply(operator.mod, x + 40, y - 12), inside),
    Row(operator.neg, [()]),
    Row(operator.pos, [()]),
    Row(operator.abs, [()], domain=apart),
]


def name(row):
    function = forward_of(row.function)
    return f"{function.__name__}{row.shapes}".replace(" ", "")


def at(row, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(row.domain(rng.standard_normal(shape))) for shape in row.shapes]


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_rule_is_right_to_second_order(row):
    gradcheck(row.f, *at(row), order=2)


@pytest.mark.parametrize("row", VALUE_TABLE, ids=name)
def test_rule_is_right_on_values_to_third_order(row):
    gradcheck(row.f, *[Value(x.item()) for x in at(row)], order=3)


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_forward_is_numpys_own(row):
    xs = at(row)
    expected = row.f(*xs)
    out = row.f(*[Tensor(x, requires_grad=True) for x in xs])
    assert isinstance(out, Tensor)
    np.testing.assert_array_equal(out.data, expected)


EMPTY_REDUCTIONS = [np.sum, np.nansum, np.prod, np.cumsum, np.cumprod, np.linalg.norm]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0)], ids=str)
@pytest.mark.parametrize("function", EMPTY_REDUCTIONS, ids=lambda f: f.__name__)
def test_reductions_take_no_axis_and_no_element(function, shape):
    for axis in [None, *range(-len(shape), len(shape))]:
        x = Tensor(np.full(shape, 2.0), requires_grad=True)
        out = function(x, axis=axis)
        np.testing.assert_array_equal(out.data, function(x.data, axis=axis))
        out.backward(np.ones(out.shape))
        np.testing.assert_array_equal(x.grad, np.ones(shape))


def test_products_of_many_factors_take_the_memory_of_a_few():
    x = Tensor(np.ones(100_000), requires_grad=True)
    for function, slope in ((np.prod, np.ones(x.shape)), (np.cumprod, np.arange(100_000, 0, -1))):
        x.zero_grad()
        function(x).sum().backward()
        np.testing.assert_array_equal(x.grad, slope)


WITHOUT_DERIVATIVE = [
    *(np.isposinf, np.isneginf, np.iscomplex, np.isreal, np.iscomplexobj, np.isrealobj),
    *(np.fix, np.spacing, np.nanargmax, np.nanargmin, np.flatnonzero, np.argwhere),
    *(np.common_type, np.min_scalar_type, lambda x: np.histogram(x)[0]),
    *(lambda x: np.isin(x, [1.0, 2.0]), lambda x: np.array_equiv(x, x)),
    *(lambda x: np.shares_memory(x, x), lambda x: np.may_share_memory(x, x)),
    *(lambda x: np.heaviside(x, 0.5), lambda x: np.digitize(2, x)),
    *(lambda x: np.unique(x, return_counts=True)[1], lambda x: np.where(x > 1, 1, 2)),
    *(lambda x: np.argpartition(x, 1), lambda x: np.lexsort((x, -x)), np.lexsort),
    *(lambda x: np.bincount(x.astype(int)), lambda x: np.gcd(x.astype(int), 2)),
]


@pytest.mark.parametrize("function", WITHOUT_DERIVATIVE, ids=lambda f: f.__name__)
def test_functions_without_a_derivative_give_plain_answers(function):
    x = np.array([1.0, 2.0, 3.5])
    out = function(Tensor(x, requires_grad=True))
    for ours, theirs in zip(np.atleast_1d(out), np.atleast_1d(function(x)), strict=True):
        assert not isinstance(ours, Tensor)
        np.testing.assert_array_equal(ours, theirs)


def test_a_rule_of_the_users_own_needs_one_def():
    from tinygrad_edu import backward_of, primitive

    @primitive
    def cube(x):
        return x * x * x

    @backward_of(cube)
    def cube_backward(g, out, x):
        return g * 3 * x * x

    try:
        gradcheck(cube, np.array([1.0, -2.0]), order=3)
        assert cube(np.array(2.0)) == 8
    finally:
        del RULES[forward_of(cube)]


@pytest.mark.parametrize("function", [np.sign, np.round], ids=lambda f: f.__name__)
def test_a_rule_of_the_users_own_counts_where_there_was_no_derivative(function, monkeypatch):
    """Such as the straight-through estimator of a rounded number."""
    monkeypatch.setitem(RULES, function, lambda g, out, a: g)
    x = Tensor([0.4, -1.7], requires_grad=True)
    function(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0])


def test_functions_without_a_rule_are_refused_in_the_forward_pass():
    with pytest.raises(NotImplementedError, match=r"np\.i0 has no backward rule; add one"):
        np.i0(Tensor(1.0, requires_grad=True))
    with pytest.raises(NotImplementedError, match=r"np\.linalg\.eig has no backward rule"):
        np.linalg.eig(Tensor(np.eye(2)))


def test_apply_names_the_operation_and_its_operands_when_shapes_differ():
    x = Tensor(np.ones((2, 3)), name="x")
    w = Tensor(np.ones((4, 5)), name="w")
    with pytest.raises(
        ValueError, match=r"matmul of 'x' of shape \(2, 3\) and 'w' of shape \(4, 5\)"
    ):
        x @ w
    with pytest.raises(ValueError, match=r"add of 'x' of shape \(2, 3\) and 'w' of shape \(4, 5\)"):
        apply(np.add, x, w)
