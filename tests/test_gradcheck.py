"""gradcheck: what it accepts, what it refuses, and what its report says."""

import numpy as np
import pytest
from test_partials import WIDENED
from test_rules import TABLE, at, name

from tinygrad_edu import Tensor, Value, gradcheck, kernels, nn, relu
from tinygrad_edu.gradient_check import GradcheckError
from tinygrad_edu.graph import RULES
from tinygrad_edu.memory import memory_of
from tinygrad_edu.modes import no_grad
from tinygrad_edu.rng import Package

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])


def sides(report):
    return [(kink.left, kink.right, kink.analytic) for kink in report.kinks]


def test_a_report_has_one_comparison_for_each_order_and_prints_them():
    report = gradcheck(np.exp, X, order=3)
    assert len(report.comparisons) == 3
    assert not report.kinks
    lines = str(report).splitlines()
    assert lines[0] == "gradcheck: all derivatives agree"
    assert repr(report) == str(report)
    assert lines[1].startswith("  order 1, random direction: analytic ")


def test_numerical_derivatives_are_good_to_nine_digits():
    for comparison in gradcheck(lambda x: np.sin(x * x), X).comparisons:
        assert comparison.analytic == pytest.approx(comparison.numerical, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (relu, [0.0, 1.0, -1.0], [(0, 1, 0)]),
        (abs, [0.0, 2.0], [(-1, 1, 0)]),
        (np.max, [3.0, 1.0, 3.0], [(0, 1, 0.5), (0, 1, 0.5)]),
        (lambda x: np.clip(x, 0.0, 1.0), [0.0, 1.0, 0.5], [(0, 1, 1), (1, 0, 1)]),
        (lambda x: np.maximum(x, 1.0), [1.0, 2.0], [(0, 1, 0.5)]),
        (np.linalg.norm, [0.0, 0.0], [(-1, 1, 0), (-1, 1, 0)]),
    ],
)
def test_a_kink_is_reported_and_no_failure(f, x, expected, dtype):
    report = gradcheck(f, np.array(x, dtype))
    np.testing.assert_allclose(sides(report), expected, atol=1e-6 if dtype == np.float64 else 1e-2)
    assert "a kink, left " in str(report)


def test_a_kink_of_the_slope_is_one_at_second_order():
    (kink,) = gradcheck(lambda x: relu(x) ** 2, np.array([0.0, 1.0])).kinks
    assert kink.what == "order 2, input 0[0]"
    assert kink.analytic == 0


def test_a_point_close_to_a_kink_is_none():
    assert not gradcheck(relu, np.array([1e-4, -1e-4])).kinks


def test_a_point_close_to_a_pole_is_none():
    gradcheck(lambda x: 1 / x, np.array([0.01]))


def test_kinks_that_cancel_are_a_wrong_derivative_of_right_rules():
    with pytest.raises(GradcheckError, match=r"right on its own here.*Do kinks meet"):
        gradcheck(lambda x: relu(x) - relu(-x), np.array([0.0, 1.0]))


def test_a_jump_is_no_kink():
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: np.where(x.data > 0, x, x + 1), np.array([0.0]))


def test_a_function_that_leaves_the_graph_is_told_so():
    with pytest.raises(GradcheckError, match=r"leave the graph on its way, by \.data"):
        gradcheck(lambda x: x * x.data, X)


def test_a_module_is_checked_with_its_parameters():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    before = [(p.data, p.data.copy(), memory_of(p).changed) for p in model.parameters()]
    gradcheck(model, X)
    gradcheck(lambda x: np.exp(model(x)).mean(), X, parameters=model)
    gradcheck(lambda: model(X).sum(), parameters=model.parameters())
    for p, (data, copy, changed) in zip(model.parameters(), before, strict=True):
        assert p.data is data
        assert p.grad is None
        assert memory_of(p).changed == changed
        np.testing.assert_array_equal(data, copy)


def test_a_wrong_parameter_is_named_by_its_path():
    class Detached(nn.Linear):
        def __call__(self, x):
            return x @ self.weight + self.bias.detach()

    model = nn.Sequential(nn.Linear(3, 2), Detached(2, 2))
    with pytest.raises(
        GradcheckError, match=r"order 1, parameter layers\.1\.bias\[0\]: analytic 0"
    ):
        gradcheck(model, X)


def test_frozen_parameters_are_left_alone():
    model = nn.Linear(3, 2)
    model.bias.requires_grad = False
    gradcheck(model, X)


def test_parameters_keep_their_gradients_after_a_failure_too():
    w = Tensor([1.0, 2.0], requires_grad=True)
    w.grad = np.array([5.0, 6.0])
    with pytest.raises(GradcheckError):
        gradcheck(lambda: w * w.data, parameters=[w])
    np.testing.assert_array_equal(w.grad, [5, 6])
    np.testing.assert_array_equal(w.data, [1, 2])


def test_a_network_of_values_is_checked():
    model = nn.MLP(2, [3, 1])
    gradcheck(lambda x, y: model([x, y]), Value(0.3), Value(-0.8), parameters=model)


class Dropout(nn.Module):
    def __init__(self, rng=None):
        self.rng = rng

    def __call__(self, x):
        return x * ((self.rng or Package.rng).random(x.shape) > 0.5)


def test_random_functions_are_replayed():
    rng = np.random.default_rng(0)
    gradcheck(Dropout(), X)
    gradcheck(Dropout(rng), X)
    gradcheck(lambda x: x * rng.random(x.shape), X, generators=[rng])
    assert rng.random() == np.random.default_rng(0).random()


def test_a_function_that_cannot_be_repeated_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"different numbers .* generators=\[rng\]"):
        gradcheck(lambda x: x * rng.random(x.shape), X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: gradcheck(np.exp, np.array([1, 2])),
            TypeError,
            "input 0 .* is int64; only floats",
        ),
        (lambda: gradcheck(np.exp), TypeError, "needs an input or a parameter"),
        (
            lambda: gradcheck(np.exp, X, order=0),
            ValueError,
            "order must be at least 1, and it is 0",
        ),
        (lambda: gradcheck(lambda x: x.data, X), TypeError, "returns Tensors, not"),
        (lambda: gradcheck(lambda x: None, X), TypeError, "returns Tensors, not None"),
        (lambda: gradcheck(lambda x: [], X), TypeError, "this returns none"),
        (lambda: gradcheck(lambda x: x + np.inf, X), ValueError, "not finite here"),
        (lambda: gradcheck(np.sum, np.ones((0, 3))), ValueError, "got empty arrays only"),
        (lambda: gradcheck(lambda x: x[:0], X), ValueError, "f gives empty arrays only"),
        (lambda: gradcheck(lambda x, y: x, Value(1.0), X), TypeError, "input 1 .* is an array"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors_of_the_function_itself_come_through():
    with pytest.raises(ValueError, match="matmul of"):
        gradcheck(lambda x: x @ x, X)


def test_tuples_of_outputs_and_constants_among_them_are_fine():
    gradcheck(lambda x: (np.exp(x), x.sum(), Tensor(1.0)), X)
    gradcheck(lambda x: Tensor([1.0, 2.0]), X)
    gradcheck(nn.LSTM(3, 2), X)  # (output, (h, c))


def test_the_message_under_no_grad_says_so():
    with no_grad(), pytest.raises(RuntimeError, match=r"under no_grad\(\)"):
        gradcheck(np.exp, X)


def test_large_and_small_tolerances_are_obeyed():
    def roughly(x):
        return np.exp(x) + 1e-4 * np.sin(x.data)

    with pytest.raises(GradcheckError):
        gradcheck(roughly, X)
    gradcheck(roughly, X, rtol=1e-2, atol=1e-2, order=1)


def test_kernels_with_options_are_checked_alone():
    with pytest.raises(GradcheckError, match="right on its own"):
        gradcheck(lambda x: kernels.logsumexp(x, axis=0) * x.data[0], X)


@pytest.mark.parametrize("row", [r for r in TABLE if r.function not in WIDENED], ids=name)
def test_right_rules_agree_to_second_order_in_coarse_dtypes(row):
    gradcheck(row.f, *(x.astype(np.float32) for x in at(row)), order=2)
    if row.function is np.linalg.norm:
        return  # NumPy has no linear algebra in float16
    with np.errstate(invalid="ignore"):
        finite = np.all(np.isfinite(row.f(*(x.astype(np.float16) for x in at(row)))))
    if finite:  # before NumPy 2.1 np.sinc(np.float16(0)) is nan
        gradcheck(row.f, *(x.astype(np.float16) for x in at(row)), order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sin(x) ** 2 + np.cos(x) ** 2 - 1,
        lambda x: kernels.log_softmax(x).exp().sum(axis=-1) - 1,
        lambda x: (x + 30) - (x + 30),
    ],
)
def test_a_slope_of_zero_that_rounding_disturbs_is_no_failure(f, dtype):
    gradcheck(f, X.astype(dtype))


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_size_of_a_function_decides_nothing(dtype, scale):
    gradcheck(lambda x: np.sin(x) * scale, X.astype(dtype))
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: (np.sin(x) + 1e-2 * np.cos(x.data)) * scale, X.astype(dtype))


def test_a_function_that_is_another_one_in_float64_is_refused():
    def f(x):
        return x * (3.0 if x.dtype == np.float32 else 2.0)

    gradcheck(f, X)
    with pytest.raises(ValueError, match=r"for inputs of float32, and .* numbers in float64"):
        gradcheck(f, X.astype(np.float32))


def test_kinks_in_a_large_array_are_found_by_bisection():
    x = np.random.default_rng(0).standard_normal(20_000)
    x[[7, 11_111]] = 0
    calls = []
    report = gradcheck(lambda x: calls.append(1) or relu(x), x, order=1)
    assert [kink.what for kink in report.kinks] == [
        "order 1, input 0[7]",
        "order 1, input 0[11111]",
    ]
    assert len(calls) < 500


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e4, np.float32), (1e4, np.float64), (1e10, np.float64)]
)
def test_a_wrong_slope_does_not_hide_beside_a_large_one(scale, dtype, monkeypatch):
    def f(x, y):
        return np.concatenate([x * scale, np.tanh(y)])

    x = X[0].astype(dtype)
    gradcheck(f, x, x)
    monkeypatch.setitem(RULES, np.tanh, lambda g, out, x: g * (1 - out * out) / 2)
    with pytest.raises(GradcheckError, match=r"input 1\["):
        gradcheck(f, x, x, order=1)
