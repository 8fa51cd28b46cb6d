"""When a number goes wrong, the message says where and why."""

import re
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, functional, no_grad
from tinygrad_edu.anomaly import detect_anomaly, explain
from tinygrad_edu.graph import RECORDING, WATCH


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
    assert x.grad is None
    assert t.grad is None
