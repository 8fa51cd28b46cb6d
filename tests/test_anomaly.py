"""When a number goes wrong, the message says where and why."""

import gc
import re
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, backward_of, functional, no_grad, primitive
from tinygrad_edu.anomaly import Origin, detect_anomaly, explain
from tinygrad_edu.graph import RULES, forward_of
from tinygrad_edu.modes import RECORDING, WATCH


def parameter(data, name):
    return Tensor(data, requires_grad=True, name=name)


def raises(*words):
    return pytest.raises(FloatingPointError, match=".*".join(map(re.escape, words)))


def test_a_forward_anomaly_names_the_operation_the_operand_and_the_line():
    x = parameter([1.0, 0.0, 2.0], "x")
    with (
        raises("log gives -inf at [1]", "'x' of shape (3,) from 0 to 2", "test_anomaly.py:"),
        detect_anomaly(),
    ):
        np.log(x)


def test_the_line_is_the_users_own():
    x = parameter([0.0], "x")
    with detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        1 / x
    line = int(re.search(r"test_anomaly\.py:(\d+)", str(caught.value))[1])
    assert "1 / x" in Path(__file__).read_text().splitlines()[line - 1]


def test_a_backward_anomaly_names_the_rule_and_the_operand():
    x = parameter([0.0, 1.0], "x")
    with (
        raises("the rule of sqrt sends inf at [0] to its operand 0", "'x'", "test_anomaly.py"),
        detect_anomaly(),
    ):
        np.sqrt(x).sum().backward()
    assert x.grad is None


def test_finite_numbers_pass_and_everything_is_put_back():
    x = parameter([1.0, 2.0], "x")
    with detect_anomaly():
        (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])
    assert RECORDING.get() is True
    assert WATCH.get() is None
    with np.errstate(divide="ignore"):
        assert (1 / parameter([0.0], "y")).data == np.inf


def test_a_forward_anomaly_that_came_in_is_blamed_on_its_operand():
    x, w = parameter([1.0], "x"), parameter([np.nan], "w")
    with raises("multiply gives nan at [0]: it got one from operand 1"), detect_anomaly():
        x * w


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: np.max(np.where(np.array([True, False]), x, -np.inf)),
        lambda x: functional.max_pool1d(x[None], 2, padding=1).sum(),
        lambda x: functional.scaled_dot_product_attention(
            x[:, None], x[:, None], x[:, None], is_causal=True
        ).sum(),
    ],
)
def test_an_infinity_that_was_written_is_no_anomaly(compute):
    x = parameter([1.0, 2.0], "x")
    with detect_anomaly():
        compute(x).backward()
    with raises("sqrt gives nan"), detect_anomaly():
        np.sqrt(-compute(x))
    assert "sqrt gave nan" in explain(x, with_warnings_off(lambda: np.sqrt(-compute(x))))


def with_warnings_off(f):
    with np.errstate(all="ignore"):
        return f()


def test_an_infinity_that_was_written_excuses_no_nan():
    x = parameter([1.0, 2.0], "x")
    with raises("subtract gives nan"), detect_anomaly():
        y = np.where(np.array([True, False]), x, np.inf)
        y - y


ATTENTION = np.array([[[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]]])
FLOAT_MASK = np.where(np.tri(3, dtype=bool), 0.0, -np.inf)


@pytest.mark.parametrize("mask", [FLOAT_MASK, Tensor(FLOAT_MASK), FLOAT_MASK + 0.5])
def test_a_float_mask_that_holds_minus_infinity_is_meant(mask):
    x = parameter(ATTENTION, "x")
    with detect_anomaly():
        functional.scaled_dot_product_attention(x, x, x, attn_mask=mask).sum().backward()
        scores = -2 * (x @ x.mT + mask)
        np.where(scores < 9, scores, 9.0).sum().backward()
    assert np.all(np.isfinite(x.grad))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda x: x * np.array([1.0, np.inf]), "multiply gives inf at [1]: it got one from oper"),
        (lambda x: x + np.array([-np.inf, np.nan]), "add gives nan at [1]: it got one from oper"),
        (lambda x: x + parameter([-np.inf, 0], "b"), "add gives -inf at [0]: it got one from oper"),
    ],
)
def test_other_operands_that_are_not_finite_are_not_meant(bad, words):
    with raises(words), detect_anomaly():
        bad(parameter([1.0, 2.0], "x"))


@pytest.mark.parametrize(
    ("overflow", "words"),
    [
        (np.exp, "exp gives inf at [1]"),
        (lambda y: np.exp(y) * 0.5, "exp gives inf at [1]"),
        (lambda y: y * 1e306, "multiply gives inf at [1]"),
        (lambda y: np.expm1(-1.0 * (y * -1.0)), "expm1 gives inf at [1]"),
    ],
)
@pytest.mark.parametrize("mask", [np.array([True, False, False]), FLOAT_MASK[1, ::-1]])
def test_an_overflow_beside_an_infinity_that_was_written_is_found(overflow, words, mask):
    x = parameter([1.0, 1000.0, 3.0], "x")
    with raises(words + ": it made it from finite numbers"), detect_anomaly():
        overflow(np.where(mask, -np.inf, x) if mask.dtype == bool else x + mask)


def test_values_are_watched_too():
    v = Value(1e200, name="v")
    with raises("multiply gives inf"), detect_anomaly():
        v * v


def test_explain_tells_why_a_gradient_is_none():
    x, y = parameter([1.0, 2.0], "x"), parameter([1.0, 2.0], "y")
    labels = Tensor([1, 2], name="labels")
    loss = (x * labels).sum()
    loss.name = "loss"
    assert explain(labels, loss) == (
        "d loss / d labels is None: 'labels' has requires_grad=False, and int64 data can have no "
        "gradient."
    )
    assert "no path leads from 'y' to 'loss'" in explain(y, loss)
    detached = (y.detach() * x).sum()
    assert "it went through .detach(), .data" in explain(y, detached)
    with no_grad():
        untracked = (x * x).sum()
    assert "nothing that went into" in explain(x, untracked)


def test_explain_tells_why_a_gradient_is_zero():
    x = parameter([-1.0, -2.0], "x")
    assert explain(x, x.relu().sum()) == (
        "d root / d x is zero: relu passed nothing on for 100% of its inputs."
    )
    masked = np.where(np.array([True, True]), 0.0, x * 2)
    assert "where passed nothing on for 100%" in explain(x, masked.sum())
    assert "cancel" in explain(x, (x - x).sum())


def test_explain_tells_why_a_gradient_is_not_finite():
    x = parameter([0.0, 1.0], "x")
    text = explain(x, np.sqrt(x).sum())
    assert "the rule of sqrt made inf at [0] of a finite gradient" in text
    with np.errstate(over="ignore"):
        out = np.exp(parameter([1000.0], "big") * (y := parameter([1.0], "y")))
    assert "exp gave inf at [0] in the forward pass" in explain(y, out)
    overflow = with_warnings_off(lambda: np.sum(np.exp(y * 1000)))
    assert "exp gave inf at [0] in the forward pass" in explain(y, overflow)
    broken = parameter([np.inf], "broken")
    assert explain(broken, np.sum(broken * broken)) == (
        "d root / d broken is not finite: 'broken' holds inf at [0]."
    )


def test_explain_lists_the_ways_by_which_a_gradient_came():
    x = Value(3.0, name="x")
    y = x * x * x
    y.name = "y"
    assert explain(x, y).splitlines() == [
        "d y / d x is 27, the sum of",
        "  9 as operand 1 of multiply",
        "  9 as operand 0 of multiply",
        "  9 as operand 1 of multiply",
    ]
    t = parameter([-1.0, 1.0, 2.0, 3.0], "t")
    assert "relu passed nothing on for 25% of its inputs" in explain(t, t.relu().sum())
    mask = np.array([1.0, 0.0, 0.0, 1.0])
    assert "multiply passed nothing on for 50% of its inputs" in explain(t, (t * mask).sum())
    assert "nothing" not in explain(t, np.where(mask > 0, t, 2 * t).sum())  # one way or the other
    assert x.grad is None
    assert t.grad is None


# Changes in place


def changed(*words):
    return pytest.raises(RuntimeError, match="(?s)" + ".*".join(map(re.escape, words)))


W, X, MASK, INDEX = np.arange(1.0, 4), np.ones((2, 3)), np.array([True, False, True]), [2, 0]


def by_slice(w):
    w.data[...] = 5


def by_out(w):
    np.add(w.data, 5, out=w.data)


def by_another_name(w):
    d = w.data
    d += 5


def by_augmented_data(w):
    w.data += 5


def by_a_view(w):
    w.data[::-1][:1] *= -1


def by_a_permutation(w):
    w.data[:] = w.data[::-1].copy()


def by_one_bit(w):
    w.data.view(np.uint8)[0] ^= 1


def under_no_grad(w):
    with no_grad():
        w.data[0] = 7


CHANGES = [
    *(by_slice, by_out, by_another_name, by_augmented_data, by_a_view, by_a_permutation),
    *(by_one_bit, under_no_grad),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("compute", "operand"),
    [
        (lambda w: w * w, "operand 0 of multiply"),
        (lambda w: w[1:] * 2, "operand 0 of getitem"),
        (lambda w: np.exp(np.stack([w, w])[::-1].T @ Tensor([1.0, 2.0])), "operand 0 of stack"),
        (lambda w: Tensor(X, requires_grad=True) @ w, "operand 1 of matmul"),
    ],
)
def test_a_parameter_that_is_changed_before_backward_is_named(change, compute, operand):
    w = parameter(W, "w")
    line = compute.__code__.co_firstlineno
    with (
        changed(operand, "'w' of shape (3,), was changed in place after", f"anomaly.py:{line} had"),
        detect_anomaly(),
    ):
        loss = np.sum(compute(w))
        change(w)
        loss.backward()
    assert w.grad is None


def array_of(data):
    return data.copy() if isinstance(data, np.ndarray) else list(data)


@pytest.mark.parametrize(
    ("use", "data", "words"),
    [
        (lambda w, a: w * a, W, "operand 1 of multiply, an array of shape (3,)"),
        (lambda w, a: w * Tensor(a, name="a"), W, "operand 1 of multiply, 'a' of shape (3,)"),
        (lambda w, a: w * Tensor(np.stack([a, a]), name="a").T[:, 0], W, None),
        (lambda w, a: w * np.broadcast_to(a, (2, 3)), W, "operand 1 of multiply"),
        (lambda w, a: w @ Tensor(a).T, X, "operand 1 of matmul"),
        (lambda w, a: np.where(a, w, 0.0), MASK, "operand 0 of where"),
        (lambda w, a: w[np.asarray(a), None], np.array(INDEX), "operand 1 of getitem"),
        (lambda w, a: w[a], INDEX, "operand 1 of getitem"),
        (lambda w, a: w[a, None], INDEX, "operand 1 of getitem"),
        (np.take, np.array(INDEX), None),
    ],
)
def test_a_plain_array_that_is_changed_before_backward_is_named(use, data, words):
    w, a = parameter(W, "w"), array_of(data)
    with detect_anomaly():
        loss = np.sum(use(w, a))
        a[0] = not a[0] if isinstance(a[0], np.bool) else a[0] - 1
        if words is None:  # it was a copy
            loss.backward()
            return
        with changed(words, "was changed in place after", "test_anomaly.py:"):
            loss.backward()
    assert w.grad is None


@pytest.mark.parametrize(
    ("index", "new"), [(MASK, [True, False, False]), (np.array(INDEX), [0, 9])]
)
def test_a_rule_that_fails_on_what_was_changed_is_explained(index, new):
    w, index = parameter(W, "w"), index.copy()

    def step():
        with detect_anomaly():
            loss = w[index].sum()
            index[:] = new
            loss.backward()

    with pytest.raises(
        (ValueError, IndexError), match=r"(?s)operand 1 of getitem.*changed in place after"
    ):
        step()
    assert w.grad is None


def test_a_result_that_is_changed_before_backward_is_named():
    x = parameter(W, "x")
    for change in CHANGES:
        with (
            changed("the result of exp, an array of shape (3,)", "changed in place"),
            detect_anomaly(),
        ):
            y = np.exp(x)
            change(y)
            y.sum().backward()
        assert x.grad is None


def test_an_option_that_is_changed_before_backward_is_named():
    @primitive
    def scaled(x, by=1.0):
        return x * by

    @backward_of(scaled)
    def scaled_backward(g, out, x, by=1.0):
        return g * by

    x, by = parameter(W, "x"), W.copy()
    with changed("option 'by' of scaled", "changed in place"), detect_anomaly():
        loss = scaled(x, by=by).sum()
        by += 1
        loss.backward()
    del RULES[forward_of(scaled)]
    assert x.grad is None


def test_what_is_changed_after_backward_or_for_another_graph_is_no_matter():
    w, x = parameter(W, "w"), W.copy()
    with detect_anomaly():
        for _ in range(3):
            loss = np.sum(w * w * x)
            loss.backward(create_graph=True)
            loss.backward()
            w.data -= 0.1
            x += 1
            w.zero_grad()
        kept = w.data
        w.data = w.data + 1
        np.sum(w * w).backward()
        np.testing.assert_array_equal(w.grad, 2 * (kept + 1))


def test_a_graph_that_is_changed_back_is_the_same_graph():
    w = parameter(W, "w")
    with detect_anomaly():
        loss = np.sum(w * w)
        w.data[0] += 1
        w.data[0] -= 1
        loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * W)


def test_the_records_of_a_graph_go_with_it():
    w = parameter(W, "w")
    with detect_anomaly():
        loss = np.sum(np.exp(w) * w)
        assert sum(isinstance(x, Origin) for x in gc.get_objects()) == 3
        loss.backward()
        del loss
        assert not any(isinstance(x, Origin) for x in gc.get_objects())
