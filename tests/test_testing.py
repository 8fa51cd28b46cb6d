"""check_rule: what it demands of a new operation; the strategies: what they promise."""

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu import backward_of, gradcheck, kernels, primitive
from tinygrad_edu.gradient_check import GradcheckError
from tinygrad_edu.graph import RULES, forward_of, plain
from tinygrad_edu.testing import (
    axes,
    broadcastable_shapes,
    check_rule,
    float_arrays,
    indices,
    shapes,
)


@pytest.fixture
def new():
    """Make an operation of a forward function and a rule, for the length of a test."""
    made = []

    def make(forward, rule):
        operation = primitive(forward)
        backward_of(operation)(rule)
        made.append(forward_of(operation))
        return operation

    yield make
    for function in made:
        del RULES[function]


def cube(x):
    return x * x * x


def larger(x, y):
    return np.maximum(x, y)


def cube_backward(g, out, x):
    return g * 3 * x * x


def test_a_right_operation_passes_in_one_line(new):
    check_rule(new(cube, cube_backward), order=3)


@pytest.mark.parametrize("function", [np.exp, np.multiply, np.hypot, kernels.log1pexp])
def test_those_of_the_table_pass(function):
    check_rule(function)


def test_shapes_and_a_domain_may_be_given():
    check_rule(operator.matmul, (2, 3), (3, 4))
    check_rule(np.log, domain=np.exp)
    check_rule(lambda x: np.max(x, axis=0), (3, 2))


@pytest.mark.parametrize(
    ("forward", "rule", "sentence"),
    [
        (cube, lambda g, out, x: g * 2 * x * x, r"^cube of shapes \(\) has a wrong derivative"),
        (
            cube,
            lambda g, out, x: np.float64(3) * g * x * x,
            "operand 0, which is float32, in float64",
        ),
        (
            lambda x: np.asarray(x * x, np.float64),
            lambda g, out, x: (2 * g * x).astype(x.dtype),
            r"in float32 gives float64",
        ),
        (
            larger,
            lambda g, out, x, y: (g * (x >= y), g * (y >= x)),
            "the shares of a tie must add up",
        ),
        (
            lambda x, y: x * y,
            lambda g, out, x, y: (g * y, (g * x).reshape(y.shape)),
            "wrong derivative: .*raised ValueError",
        ),
    ],
)
def test_a_wrong_operation_is_told_what_is_wrong(new, forward, rule, sentence):
    with pytest.raises(GradcheckError, match=f"(?s){sentence}"):
        check_rule(new(forward, rule))


def shares(g, x, y):
    """The right rule of `larger`: a tie is shared."""
    to_x = g * (x > y) + g * (x == y) / 2
    return to_x, g - to_x


def in_float32(wrong, right):
    """What is `right`, but in float32."""
    return lambda *args: (wrong if args[-1].dtype == np.float32 else right)(*args)


@pytest.mark.parametrize(
    ("forward", "rule", "sentence"),
    [
        (
            cube,
            in_float32(lambda g, out, x: 3.01 * g * x * x, cube_backward),
            "in float32 has a wrong derivative: .*order 1",
        ),
        (
            cube,
            in_float32(lambda g, out, x: 3 * g * plain(x) ** 2, cube_backward),
            "in float32 has a wrong derivative: .*order 2",
        ),
        (
            larger,
            in_float32(
                lambda g, out, x, y: (g * (x >= y), g * (y >= x)),
                lambda g, out, x, y: shares(g, x, y),
            ),
            "in float32 is wrong where elements are equal",
        ),
        (
            in_float32(lambda x: x * x * x + 0.1, cube),
            cube_backward,
            r"in float32 is far from what it gives in float64, by 0\.1",
        ),
    ],
)
def test_what_is_wrong_in_float32_only_is_found(new, forward, rule, sentence):
    forward.__name__, rule.__name__ = "new", "new_backward"
    with pytest.raises(GradcheckError, match=f"(?s){sentence}"):
        check_rule(new(forward, rule), *[(3,)] * (2 if forward is larger else 1))


def test_what_leaves_the_graph_is_no_operation():
    with pytest.raises(GradcheckError, match="returns ndarray instead of Tensor: is it marked"):
        check_rule(lambda x: np.array(x.data), (2,))
    with pytest.raises(GradcheckError, match="leaves the graph"):
        check_rule(lambda x: x.detach(), (2,))


def test_the_shapes_of_many_inputs_must_be_given():
    with pytest.raises(TypeError, match="needs the shapes of the 4 inputs"):
        check_rule(lambda a, b, c, d: a)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_strategies_keep_their_promises(data):
    shape = data.draw(shapes())
    x = data.draw(float_arrays(shape, apart=True))
    values = np.sort(np.append(x.ravel(), 0))
    assert np.all(np.diff(values) > 0.04)
    assert data.draw(float_arrays(shape, np.float32)).dtype == np.float32
    assert np.all(np.abs(data.draw(float_arrays())) <= 3)
    np.sum(x, axis=data.draw(axes(shape)))
    x[data.draw(indices(shape))]
    np.broadcast_shapes(*data.draw(broadcastable_shapes(3)))


@given(x=float_arrays(apart=True))
@settings(max_examples=20, deadline=None)
def test_arrays_apart_meet_no_kink(x):
    assert not gradcheck(kernels.relu, x).kinks
