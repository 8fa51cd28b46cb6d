"""The derivative table, one row an operation: each right to second order, with broadcasting.

A row is a function of arrays and the shapes of its inputs. `domain` maps standard normal numbers
to where the function is smooth. Every row is also run in float32, and drawn shapes go through the
broadcasting ones.
"""

import math
import operator
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinygrad_edu import Tensor, Value, gradcheck, kernels, value
from tinygrad_edu.graph import RULES, apply, forward_of


def same(x):
    return x


def positive(x):
    return np.exp(0.4 * x) + 0.2


def apart(x):
    """Away from 0, so that nothing that is compared with 0 or with another x comes close."""
    return x + 0.3 * np.sign(x)


class Row(NamedTuple):
    function: object
    shapes: list
    call: object = None
    domain: object = same

    @property
    def f(self):
        return self.call or self.function


EMPTY = np.empty((4, 3, 2))
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
    Row(operator.neg, [(2, 3)]),
    Row(np.negative, [()]),
    Row(operator.pos, [(2, 3)]),
    Row(np.positive, [(3,)]),
    Row(operator.abs, [(2, 3)], domain=apart),
    Row(np.absolute, [()], domain=apart),
    Row(np.maximum, [(2, 3), (3,)]),
    Row(np.minimum, [(2, 3), (2, 1)]),
    Row(np.where, [(2, 3), (3,)], lambda x, y: np.where(MASK, x * x, y * y)),
    # exponentials and waves
    Row(np.exp, [(2, 3)]),
    Row(np.log, [(2, 3)], domain=positive),
    Row(np.sqrt, [(2, 3)], domain=positive),
    Row(np.sin, [(2, 3)]),
    Row(np.cos, [(2, 3)]),
    Row(np.tanh, [(2, 3)]),
    # reductions
    Row(np.sum, [(2, 3)], lambda x: np.sum(x * x)),
    Row(np.sum, [(2, 3, 4)], lambda x: np.sum(x * x, axis=(0, -1))),
    Row(np.sum, [(2, 3)], lambda x: np.sum(x * x, axis=1, keepdims=True)),
    Row(np.add.reduce, [(2, 3)], lambda x: np.add.reduce(x * x)),
    Row(np.add.reduce, [(2, 3)], lambda x: (x * x).sum(axis=-1)),
    Row(np.mean, [(2, 3)], lambda x: np.mean(x * x)),
    Row(np.mean, [(2, 3, 4)], lambda x: (x * x).mean(axis=(1, 2), keepdims=True)),
    Row(np.max, [(2, 3)], lambda x: np.max(x * x)),
    Row(np.max, [(2, 3, 4)], lambda x: np.max(x * x, axis=(0, 2))),
    Row(np.maximum.reduce, [(2, 3)], lambda x: (x * x).max(axis=1, keepdims=True)),
    Row(np.min, [(2, 3)], lambda x: np.min(x * x, axis=0)),
    Row(np.minimum.reduce, [(2, 3)], lambda x: (x * x).min()),
    Row(np.var, [(2, 3)]),
    Row(np.var, [(2, 3, 4)], lambda x: x.var(axis=(0, 2), ddof=1, keepdims=True)),
    Row(np.std, [(2, 3)]),
    Row(np.std, [(4, 3)], lambda x: x.std(axis=0, ddof=1)),
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
    Row(kernels.vdot, [(4,), (4,)]),
    Row(kernels.nll, [(2, 3)], lambda x: kernels.nll(x * x, MASK)),
    # shapes
    Row(np.reshape, [(2, 3)], lambda x: np.reshape(x * x, (3, -1))),
    Row(np.transpose, [(2, 3)], lambda x: np.transpose(x * x)),
    Row(np.transpose, [(2, 3, 4)], lambda x: (x * x).transpose(1, -1, 0)),
    Row(np.swapaxes, [(2, 3, 4)], lambda x: np.swapaxes(x * x, 0, -1)),
    Row(np.moveaxis, [(2, 3, 4)], lambda x: np.moveaxis(x * x, 0, -1)),
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
    Row(kernels.concatenate, [(2, 3), (1, 3)], lambda x, y: np.concatenate([x * x, y], axis=0)),
    Row(kernels.concatenate, [(2, 3), (2, 1)], lambda x, y: np.concatenate([x * x, y], axis=-1)),
    Row(kernels.concatenate, [(2, 3), (2,)], lambda x, y: np.concatenate([x * x, y], axis=None)),
    Row(kernels.stack, [(2, 3), (2, 3)], lambda x, y: np.stack([x * x, y], axis=1)),
    Row(kernels.stack, [(2, 3), (2, 3)], lambda x, y: np.stack([x * x, y], axis=-1)),
    Row(kernels.unindex, [(3,)], lambda y: kernels.unindex(y * y, [1, 0, 1], np.empty(4))),
    Row(kernels.unindex, [(2, 2)], lambda y: kernels.unindex(y * y, (slice(1, 3), 0), EMPTY)),
    Row(
        kernels.index_update,
        [(4, 3), (2, 3)],
        lambda x, y: kernels.index_update(x * x, slice(1, 3), y * y),
    ),
    Row(kernels.astype, [(2, 3)], lambda x: kernels.astype(x * x, np.float64)),
    # kernels
    Row(kernels.linear, [(5, 3), (3, 2), (2,)]),
    Row(kernels.linear, [(3,), (3, 2), (2,)]),
    Row(kernels.linear, [(2, 5, 3), (3, 2), (2,)]),
    Row(kernels.relu, [(2, 3)], domain=apart),
    Row(kernels.sigmoid, [(2, 3)]),
    Row(kernels.softplus, [(2, 3)]),
    Row(kernels.logsumexp, [(2, 3)]),
    Row(kernels.logsumexp, [(2, 3, 4)], lambda x: kernels.logsumexp(x, axis=(0, 1))),
    Row(kernels.logsumexp, [(2, 3)], lambda x: kernels.logsumexp(x, axis=None)),
    Row(kernels.logsumexp, [(2, 3)], lambda x: kernels.logsumexp(x, axis=0, keepdims=True)),
    Row(kernels.log_softmax, [(2, 3)]),
    Row(kernels.log_softmax, [(2, 3, 4)], lambda x: kernels.log_softmax(x, axis=1)),
    Row(kernels.clip, [(4, 3)], lambda x: np.clip(x * x * x, -0.3, 0.4)),
    Row(kernels.clip, [(4, 3)], lambda x: (x * x * x).clip(max=0.1)),
    Row(kernels.clip, [(4, 3), (3,), (4, 1)], lambda x, y, z: np.clip(4 * x, y - 2, z * z + 2)),
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


@pytest.mark.parametrize("row", [r for r in TABLE if r.function is not kernels.astype], ids=name)
def test_float32_stays_float32_forward_and_backward(row):
    xs = [Tensor(x.astype(np.float32), requires_grad=True) for x in at(row)]
    out = row.f(*xs)
    assert out.dtype == np.float32
    out.backward(np.ones(out.shape, np.float32))
    for x in xs:
        assert x.grad.dtype == np.float32
        assert x.grad.shape == x.shape


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_forward_is_numpys_own(row):
    xs = at(row)
    expected = row.f(*xs)
    out = row.f(*[Tensor(x, requires_grad=True) for x in xs])
    assert isinstance(out, Tensor)
    np.testing.assert_array_equal(out.data, expected)


def test_every_rule_has_a_row():
    rows = {forward_of(row.function) for row in TABLE + VALUE_TABLE}
    missing = sorted(rule.__name__ for function, rule in RULES.items() if function not in rows)
    assert not missing, f"no row in tests/test_rules.py for {missing}"


BINARY = [np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum]


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
@given(shapes=arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
@settings(max_examples=20, deadline=None)
def test_binary_functions_broadcast_as_numpy_does(function, shapes):
    rng = np.random.default_rng(0)
    gradcheck(function, *[positive(rng.standard_normal(s)) for s in shapes.input_shapes], order=2)


@pytest.mark.parametrize(
    "function", [np.sum, np.mean, np.max, np.var, kernels.logsumexp], ids=lambda f: f.__name__
)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_reductions_take_every_axis(function, data):
    shape = data.draw(arrays.array_shapes(max_dims=3, max_side=3))
    axes = arrays.valid_tuple_axes(len(shape), min_size=1)
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1) | axes)
    keepdims = data.draw(st.booleans())
    x = np.random.default_rng(0).standard_normal(shape)
    gradcheck(lambda x: function(x, axis=axis, keepdims=keepdims), x, order=2)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_indexing_of_every_kind(data):
    shape = data.draw(arrays.array_shapes(max_dims=3, max_side=4))
    index = data.draw(
        arrays.basic_indices(shape, allow_newaxis=True)
        | arrays.integer_array_indices(shape)
        | arrays.arrays(bool, shape)
    )
    x = np.random.default_rng(0).standard_normal(shape)
    gradcheck(lambda x: (x * x)[index], x, order=2)


@given(
    shapes=arrays.mutually_broadcastable_shapes(
        signature=np.matmul.signature, max_dims=2, max_side=3
    )
)
@settings(max_examples=40, deadline=None)
def test_matmul_takes_all_shapes(shapes):
    rng = np.random.default_rng(0)
    gradcheck(operator.matmul, *[rng.standard_normal(s) for s in shapes.input_shapes], order=2)


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


def test_functions_without_a_rule_are_refused_in_the_forward_pass():
    with pytest.raises(NotImplementedError, match=r"np\.cbrt has no backward rule; add one"):
        np.cbrt(Tensor(1.0, requires_grad=True))
    with pytest.raises(NotImplementedError, match=r"np\.linalg\.qr has no backward rule"):
        np.linalg.qr(Tensor(np.eye(2)))


def test_apply_names_the_operation_and_its_operands_when_shapes_differ():
    x = Tensor(np.ones((2, 3)), name="x")
    w = Tensor(np.ones((4, 5)), name="w")
    with pytest.raises(
        ValueError, match=r"matmul of 'x' of shape \(2, 3\) and 'w' of shape \(4, 5\)"
    ):
        x @ w
    with pytest.raises(ValueError, match=r"add of 'x' of shape \(2, 3\) and 'w' of shape \(4, 5\)"):
        apply(np.add, x, w)
