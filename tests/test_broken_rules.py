"""Twenty-odd typical mistakes in a rule: `gradcheck` finds each, and names the function."""

import operator
from typing import NamedTuple

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, checkpoint, gradcheck, kernels
from tinygrad_edu.gradient_check import GradcheckError
from tinygrad_edu.graph import RULES, forward_of, plain
from tinygrad_edu.messages import operation
from tinygrad_edu.numpy_api import reductions
from tinygrad_edu.testing import check_rule

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(0.5, 1.5, (2, 3)), RNG.uniform(0.5, 1.5, (2, 3))
SQUARE, ROW = RNG.uniform(0.5, 1.5, (3, 3)), RNG.uniform(0.5, 1.5, 3)


class Mistake(NamedTuple):
    what: str
    function: object
    rule: object
    call: object
    inputs: tuple


def in_place(g, out, x):
    g *= np.cos(x)
    return g


def in_place_of_the_operand(g, out, x):
    x += 1
    return g * np.cos(x - 1)


def assigned(g, out, x, index):
    gx = np.zeros_like(plain(x))
    gx[index] = plain(g)
    return gx, None


MISTAKES = [
    Mistake("forgotten factor", np.square, lambda g, out, x: g * x, np.square, (X,)),
    Mistake("wrong factor", np.sqrt, lambda g, out, x: g / out, np.sqrt, (X,)),
    Mistake("wrong sign", np.cos, lambda g, out, x: g * np.sin(x), np.cos, (X,)),
    Mistake(
        "sign of the second operand",
        operator.sub,
        lambda g, out, x, y: (g, g),
        operator.sub,
        (X, ROW),
    ),
    Mistake("missing incoming gradient", np.exp, lambda g, out, x: out, np.exp, (X,)),
    Mistake("x for out", np.tanh, lambda g, out, x: g * (1 - x * x), np.tanh, (X,)),
    Mistake("out for x", np.log, lambda g, out, x: g / out, np.log, (X + 1,)),
    Mistake(
        "swapped operands", operator.mul, lambda g, out, x, y: (g * x, g * y), np.multiply, (X, Y)
    ),
    Mistake(
        "forgotten operand",
        operator.truediv,
        lambda g, out, x, y: (g / y, None),
        operator.truediv,
        (X, Y),
    ),
    Mistake(
        "short tuple", operator.truediv, lambda g, out, x, y: (g / y,), operator.truediv, (X, Y)
    ),
    Mistake(
        "no chain through the quotient",
        operator.truediv,
        lambda g, out, x, y: (g / y, -g / y),
        operator.truediv,
        (X, ROW),
    ),
    Mistake(
        "exponent not lowered",
        operator.pow,
        lambda g, out, x, y: (g * y * x**y, g * out * np.log(x)),
        operator.pow,
        (X, Y),
    ),
    Mistake(
        "transposed matmul",
        operator.matmul,
        lambda g, out, x, y: (g @ y, x @ g),
        operator.matmul,
        (SQUARE, SQUARE[::-1]),
    ),
    Mistake(
        "matmul without a transposition, which does not fit",
        operator.matmul,
        lambda g, out, x, y: (g @ y, x @ g),
        operator.matmul,
        (X, SQUARE[:, :2]),
    ),
    Mistake(
        "missing sum over a broadcast",
        operator.add,
        lambda g, out, x, y: (g, g[0]),
        operator.add,
        (X, ROW),
    ),
    Mistake(
        "mean over a broadcast",
        operator.add,
        lambda g, out, x, y: (g, g.mean(axis=0)),
        operator.add,
        (X, ROW),
    ),
    Mistake(
        "a partial of a reduced shape",
        np.exp,
        lambda g, out, x: (g * out).sum(axis=0),
        np.exp,
        (X[:, :2],),
    ),
    Mistake(
        "wrong axis",
        np.cumsum,
        lambda g, out, x, axis=None: np.flip(np.cumsum(np.flip(g, 0), 0), 0),
        lambda x: np.cumsum(x, axis=1),
        (SQUARE,),
    ),
    Mistake(
        "not reversed",
        np.cumsum,
        lambda g, out, x, axis=None: np.cumsum(g, axis),
        lambda x: np.cumsum(x, axis=1),
        (X,),
    ),
    Mistake(
        "no division by n",
        np.mean,
        lambda g, out, x, axis=None, keepdims=False: np.broadcast_to(g, x.shape),
        np.mean,
        (X,),
    ),
    Mistake(
        "keepdims forgotten, and the wrong axis broadcasts",
        reductions.array_sum,
        lambda g, out, x, axis=None, keepdims=False: np.broadcast_to(g, x.shape),
        lambda x: x.sum(axis=1),
        (SQUARE,),
    ),
    Mistake(
        "keepdims forgotten, and nothing broadcasts",
        reductions.array_sum,
        lambda g, out, x, axis=None, keepdims=False: np.broadcast_to(g, x.shape),
        lambda x: x.sum(axis=1),
        (X,),
    ),
    Mistake(
        "the inverse permutation forgotten",
        np.transpose,
        lambda g, out, x, axes=None: np.transpose(g, axes),
        lambda x: np.transpose(x * x, (1, 2, 0)),
        (RNG.standard_normal((2, 2, 2)),),
    ),
    Mistake(
        "lost repeated index",
        operator.getitem,
        assigned,
        lambda x: (x * x)[[0, 0, 2]],
        (ROW,),
    ),
    Mistake("g changed in place", np.sin, in_place, lambda x: np.sin(x) + np.cos(x), (X,)),
    Mistake("g changed in place, unnoticed", np.sin, in_place, np.sin, (X,)),
    Mistake("x changed in place", np.sin, in_place_of_the_operand, np.sin, (X,)),
    Mistake(
        "second derivative only: .data",
        np.sin,
        lambda g, out, x: g * np.cos(plain(x)),
        lambda x: np.sin(x * x),
        (X,),
    ),
    Mistake(
        "second derivative only: g.data",
        np.square,
        lambda g, out, x: 2 * plain(g) * x,
        lambda x: np.exp(np.square(x)),
        (X,),
    ),
    Mistake(
        "slope 1 on both sides",
        forward_of(kernels.relu),
        lambda g, out, x: g,
        kernels.relu,
        (X - 1,),
    ),
    Mistake(
        "a slope at the kink outside of those on its sides",
        forward_of(kernels.relu),
        lambda g, out, x: g * ((x > 0) + 2.0 * (x == 0)),
        kernels.relu,
        (np.array([0.0, 1.0]),),
    ),
    Mistake(
        "softmax without its sum",
        forward_of(kernels.log_softmax),
        lambda g, out, x, axis=-1: g - np.exp(out) * g,
        kernels.log_softmax,
        (X,),
    ),
    Mistake("off by a millionth", np.exp, lambda g, out, x: 1.000001 * g * out, np.exp, (X,)),
]


@pytest.fixture
def broken(monkeypatch):
    """Put a wrong rule into the table, for every spelling of the function."""

    def patch(function, rule):
        right = RULES[function]
        rule.__name__ = right.__name__
        for other, its_rule in list(RULES.items()):
            if its_rule is right:
                monkeypatch.setitem(RULES, other, rule)
        return operation(right)

    return patch


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.what)
def test_a_mistake_is_found_and_the_function_named(mistake, broken):
    gradcheck(mistake.call, *mistake.inputs)
    name = broken(mistake.function, mistake.rule)
    with pytest.raises(GradcheckError, match=rf"The rule of {name} is wrong, at .*{__file__}:\d+"):
        gradcheck(mistake.call, *mistake.inputs)


def test_only_the_broken_rule_is_named_in_a_long_computation(broken):
    def network(x, w):
        hidden = np.tanh(x @ w)
        return np.log(np.exp(hidden).sum(axis=1)) * np.sqrt(hidden * hidden + 1).mean()

    gradcheck(network, X, SQUARE)
    broken(np.tanh, lambda g, out, x: g * (1 - out))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(network, X, SQUARE)
    assert str(caught.value).count("The rule of") == 1
    assert "The rule of tanh is wrong" in str(caught.value)


def test_the_message_names_operand_index_numbers_and_the_users_line(broken):
    broken(operator.mul, lambda g, out, x, y: (g * y, 2 * g * x))

    def f(x, w):
        return x * w  # this line

    line = f.__code__.co_firstlineno + 1
    x, w = Tensor([2.0, 3.0], name="x"), Tensor([5.0, 7.0], requires_grad=True, name="w")
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, x, w, order=1)
    lines = str(caught.value).splitlines()
    assert lines[0] == "backward and f differ:"
    assert lines[2].startswith("  order 1, input 1 'w'[1]: analytic 6, numerical 3 (")
    assert lines[3] == f"The rule of multiply is wrong, at the node of {__file__}:{line}:"
    assert lines[4].startswith("  order 1, operand 1 'w'[0]: analytic 4, numerical 2 (")


def test_a_broken_rule_is_found_on_values(broken):
    broken(operator.mul, lambda g, out, x, y: (g * y, g * y))
    with pytest.raises(GradcheckError, match="The rule of multiply is wrong"):
        gradcheck(lambda x, y: (x * y).exp(), Value(0.5), Value(2.0))


def test_a_tie_that_is_counted_twice_is_found_by_check_rule(broken):
    check_rule(np.maximum)
    broken(np.maximum, lambda g, out, x, y: (g * (x >= y), g * (y >= x)))
    gradcheck(np.maximum, X, Y)
    with pytest.raises(GradcheckError, match="wrong where elements are equal"):
        check_rule(np.maximum)


def test_a_tie_of_a_reduction_that_is_counted_twice_is_found_by_check_rule(broken):
    def largest(x):
        return np.max(x, axis=-1)

    check_rule(largest, (2, 3))
    broken(np.max, lambda g, out, x, axis=None, keepdims=False: g[:, None] * (x == out[:, None]))
    with pytest.raises(GradcheckError, match="wrong where elements are equal"):
        check_rule(largest, (2, 3))


def test_a_rule_that_raises_is_named(broken):
    def raising(g, out, x):
        raise RuntimeError("oh")

    broken(np.exp, raising)
    with pytest.raises(GradcheckError, match=r"backward raised RuntimeError: oh\nThe rule of exp"):
        gradcheck(np.exp, X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", [slice(None), (1, 2)])
def test_a_partial_that_is_not_finite_never_agrees(where, bad, dtype, broken):
    def spoiled(g, out, x):
        gx = np.array(plain(g) * plain(out))
        gx[where] = bad
        return gx

    broken(np.exp, spoiled)
    with pytest.raises(GradcheckError, match=rf"order 1, input 0\[.*analytic {bad}, numerical"):
        gradcheck(np.exp, X.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_factor_in_many_small_partials_is_found(dtype, broken):
    broken(np.mean, lambda g, out, x, axis=None, keepdims=False: 2 * g / x.size + 0 * x)
    x = np.random.default_rng(0).standard_normal(1000).astype(dtype)
    for seed in range(8):
        with pytest.raises(GradcheckError, match="The rule of mean is wrong"):
            gradcheck(np.mean, x, order=1, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wrong", [[0], [99_999], [12_345, 77_777]])
def test_a_wrong_partial_among_many_is_named_after_few_values(wrong, dtype, broken):
    def rule(g, out, x):
        factors = np.ones(x.shape, x.dtype)
        factors[wrong] = 2
        return g * np.cos(x) * factors

    broken(np.sin, rule)
    x = np.random.default_rng(0).standard_normal(100_000).astype(dtype)
    calls = []
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x: calls.append(1) or np.sin(x), x, order=1)
    named = [line.split(":")[0] for line in str(caught.value).splitlines() if "analytic" in line]
    assert named == [f"  order 1, {what} 0[{i}]" for what in ("input", "operand") for i in wrong]
    assert len(calls) < 300


def test_a_wrong_rule_inside_of_a_checkpoint_is_named(monkeypatch):
    def doubled(g, out, x):
        return 2 * g * np.cos(x)

    monkeypatch.setitem(RULES, np.sin, doubled)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x: checkpoint(lambda y: np.sin(y) * y, x * 2), X)
    assert "The rule of doubled is wrong" in str(caught.value)
    assert "The rule of checkpoint" not in str(caught.value)
