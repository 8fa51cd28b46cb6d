"""Traced: it computes what NumPy computes, and what it wrote down comes to the same again."""

import numpy as np
import pytest
import test_rules
import test_rules_linalg
import test_rules_shapes
from test_rules import at, name

from tinygrad_edu import Tensor, kernels
from tinygrad_edu.gradient_check import recorded
from tinygrad_edu.notation.derivations import Written
from tinygrad_edu.tracing import Line, Traced, lines, untraced

X = np.random.default_rng(0).standard_normal((3, 4))


def again(x, values):
    """What was written down, computed once more, with `values` for what was given."""
    match lines(x):
        case Line(function=None) as line:
            return values.get(line.name, line.data)
        case Line() as line:
            inputs, options = again(line.inputs, values), again(line.options, values)
            return line.function(*inputs, **options)
        case tuple() | list() as several:
            return type(several)(again(y, values) for y in several)
        case dict() as options:
            return {name: again(y, values) for name, y in options.items()}
    return x


FUNCTIONS = [
    lambda x: x * 2 + 1 - x / 3,
    lambda x: 2 ** abs(x) @ x.T,
    lambda x: np.exp(-x).sum(axis=1, keepdims=True) * x,
    lambda x: np.where(x > 0, x, 0.1 * x).mean(),
    lambda x: x[1:, ::2].reshape(-1),
    lambda x: x.reshape(2, 6).transpose(1, 0).swapaxes(0, 1),
    lambda x: np.concatenate([x, x[:1]]).max(axis=0),
    lambda x: np.split(x, 2, axis=1)[1].astype(np.float32),
    lambda x: np.einsum("ij,kj->ik", x, x),
    lambda x: np.add.reduce(x, axis=0) + np.linalg.norm(x, axis=0),
    lambda x: np.linalg.svd(x, full_matrices=False)[1],
    lambda x: x.clip(-1, 1).cumsum(axis=1).T.copy(),
    lambda x: kernels.log_softmax(x) + kernels.sigmoid(x),
    lambda x: kernels.unindex(x[0], (slice(None), 1), 0 * x.T[:, :2]),
    lambda x: np.stack([row.sum() for row in x]),
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_it_computes_and_writes_down_what_numpy_computes(f):
    x = Traced(X, "x")
    out = f(x)
    np.testing.assert_array_equal(out.data, f(X))
    assert out.data.dtype == f(X).dtype
    np.testing.assert_array_equal(again(out, {}), f(X))
    np.testing.assert_allclose(again(out, {"x": X + 1}), f(X + 1))


def test_an_item_that_is_set_is_a_new_array_written_down():
    x = Traced(X.copy(), "x")
    before = x * 1
    x[0] = before[1] * 2
    np.testing.assert_array_equal(x.data[0], X[1] * 2)
    np.testing.assert_array_equal(before.data, X)
    np.testing.assert_array_equal(again(x, {}), x.data)
    changed = again(x, {"x": X + 1})
    np.testing.assert_array_equal(changed[0], 2 * (X + 1)[1])
    np.testing.assert_array_equal(again(before, {"x": X + 1}), X + 1)


def test_a_change_in_place_changes_no_line_that_was_written():
    x = Traced(X.astype(np.float32), "x")
    y = before = x * 1
    y *= np.float64(2)
    assert y is before
    assert y.dtype == np.float32
    np.testing.assert_array_equal(again(y, {"x": X}), 2 * X)
    with pytest.raises(TypeError, match="out= of a plain array"):
        np.add(x, 1, out=np.empty_like(X))


def test_it_answers_for_its_data_and_does_not_leave_in_silence():
    x = Traced(X)
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((3, 4), 2, 12, X.dtype, 3)
    assert np.shape(x) == (3, 4)
    with pytest.raises(TypeError, match="not a plain array"):
        np.asarray(x)
    with pytest.raises(TypeError, match="leave the trace"):
        float(x.sum())


def test_a_tensor_computes_on_it_and_its_backward_pass_is_written_down():
    x, w = Traced(X), Traced(X.T)
    tracked = [Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)]
    ours = [Tensor(X, requires_grad=True), Tensor(X.T, requires_grad=True)]
    for a, b in (tracked, ours):
        np.tanh(a @ b).sum().backward()
    for a, b in zip(tracked, ours, strict=True):
        np.testing.assert_array_equal(a.grad.data, b.grad)
        np.testing.assert_allclose(again(a.grad, {}), b.grad)


ROWS = test_rules.TABLE + test_rules_linalg.TABLE + test_rules_shapes.TABLE


@pytest.mark.parametrize("row", ROWS, ids=name)
@np.errstate(all="ignore")  # a partial that nobody wants may be no number
def test_every_rule_says_on_traced_arrays_what_it_says_on_arrays(row):
    for node in recorded(lambda: row.f(*(Tensor(x, requires_grad=True) for x in at(row)))):
        g = np.random.default_rng(1).standard_normal(node.data.shape).astype(node.data.dtype)
        traced = [Written(x) if is_float(x) else x for x in node.seen]
        plain = in_a_row(node.rule(g, *node.seen, **node.options))
        written = in_a_row(node.rule(Written(g), *traced, **node.options))
        for a, b in zip(plain, written, strict=True):
            np.testing.assert_array_equal(a, untraced(b), strict=True)


def is_float(x):
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f"


def in_a_row(partials):
    partials = partials if isinstance(partials, tuple) else (partials,)
    return [x() if callable(x) else x for x in partials]
