"""Loss functions: PyTorch's numbers, what they promise beyond them, and what they refuse.

tests/reference/make_losses_reference.py made the numbers; test_reference.py has those of the two
commonest losses.
"""

import inspect
import json

import numpy as np
import pytest
from references import assert_close, check, stored

from tinygrad_edu import Tensor, gradcheck, kernels, losses
from tinygrad_edu.functional import one_hot
from tinygrad_edu.kernels import log_softmax
from tinygrad_edu.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    categorical_cross_entropy,
    cosine_embedding_loss,
    cross_entropy,
    gaussian_nll_loss,
    half_squared_error,
    hinge_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    multi_margin_loss,
    nll_loss,
    smooth_l1_loss,
    triplet_margin_loss,
)

REFERENCE = dict(stored("loss_functions"))
EDGES = REFERENCE.pop("edges")
LOGITS = np.array([[1.0, 2.0, 4.0], [0.0, -1.0, 3.0]])
DTYPES = [np.float32, np.float64]


def tracked(x, dtype=float):
    return Tensor(np.asarray(x, dtype), requires_grad=True)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("case", REFERENCE)
def test_loss_equals_pytorch(case):
    loss, _, options = case.partition(" {")
    f = getattr(losses, loss.partition(",")[0])
    check(REFERENCE[case], lambda *inputs: f(*inputs, **json.loads("{" + options)))


# A call of each loss with shapes and domains that suit it; small, and away from kinks.
X, Y = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]]), np.array([[0.1, 0.4, -1.0], [0.6, 3.0, 0.2]])
P, Q, SIGNS = softmax(X), softmax(Y), np.array([[1, -1, 1], [-1, -1, 1]])
CALLS = {
    mse_loss: (X, Y),
    half_squared_error: (X, Y),
    l1_loss: (X, Y),
    huber_loss: (X, Y),
    smooth_l1_loss: (X, Y),
    cross_entropy: (X, Q),
    nll_loss: (X, np.array([2, 0])),
    categorical_cross_entropy: (P, Q),
    binary_cross_entropy: (P, Q),
    binary_cross_entropy_with_logits: (X, Q),
    hinge_loss: (X, SIGNS),
    multi_margin_loss: (X, np.array([2, 0])),
    kl_div: (np.log(P), Q),
    gaussian_nll_loss: (X, Y, Q),
    cosine_embedding_loss: (X, Y, np.array([1, -1])),
    triplet_margin_loss: (X, Y, P),
}
EACH = pytest.mark.parametrize("loss", CALLS, ids=lambda f: f.__name__)


def test_every_loss_has_a_call_and_a_reference():
    public = {
        f
        for name, f in vars(losses).items()
        if inspect.isfunction(f)
        and f.__module__ == losses.__name__
        and "reduction" in inspect.signature(f).parameters
    } - {losses.reduced, losses.weighted_nll}
    assert public == CALLS.keys()
    assert {f.__name__ for f in public} == {case.partition(" ")[0].strip(",") for case in REFERENCE}


@EACH
def test_second_derivatives(loss):
    inputs = CALLS[loss]
    floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]

    def f(*tracked):
        if loss is categorical_cross_entropy:  # rows with sum 1 only
            tracked = [x / x.sum(axis=-1, keepdims=True) for x in tracked]
        given = dict(zip(floats, tracked, strict=True))
        return loss(*(given.get(i, x) for i, x in enumerate(inputs)), reduction="none")

    gradcheck(f, *(Tensor(inputs[i], requires_grad=True) for i in floats), order=2)


@EACH
def test_reductions(loss):
    one_by_one = loss(*CALLS[loss], reduction="none")
    assert loss(*CALLS[loss]) == pytest.approx(one_by_one.mean(), rel=1e-14)
    assert loss(*CALLS[loss], reduction="sum") == pytest.approx(one_by_one.sum(), rel=1e-14)
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none', and is 'average'"):
        loss(*CALLS[loss], reduction="average")


@EACH
def test_losses_stay_in_float32(loss):
    inputs = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in CALLS[loss]]
    prediction = tracked(inputs[0], np.float32)
    for reduction in ("mean", "none"):
        out = loss(prediction, *inputs[1:], reduction=reduction)
        assert out.dtype == np.float32
        out.sum().backward()
    assert prediction.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("loss", "options", "inputs"),
    [
        (cross_entropy, {"weight": [1.0, 2.0, 3.0], "label_smoothing": 0.1}, (X, [0, 1])),
        (multi_margin_loss, {"weight": [1.0, 2.0, 3.0], "p": 2}, (X, [0, 1])),
        (binary_cross_entropy, {"weight": [1.0, 2.0, 3.0]}, (P, SIGNS > 0)),
        (binary_cross_entropy_with_logits, {"pos_weight": 2.0}, (X, SIGNS > 0)),
        (gaussian_nll_loss, {"full": True}, (X, [[1, 2, 3], [0, 0, 0]], 0.5)),
        (kl_div, {"reduction": "batchmean", "log_target": True}, (X, Y.astype(np.float32))),
    ],
)
def test_options_stay_in_float32(loss, options, inputs):
    x, *rest = inputs
    target = [np.asarray(t, np.float32) if np.ndim(t) == 2 else t for t in rest]
    assert loss(tracked(x, np.float32), *target, **options).dtype == np.float32


@EACH
def test_an_empty_batch_is_refused(loss):
    inputs = [x[:0] for x in CALLS[loss]]
    with pytest.raises(ValueError, match=rf"{loss.__name__} .*\(0, 3\)"):
        loss(*inputs)


@EACH
def test_a_target_does_not_broadcast(loss):
    x, target, *rest = CALLS[loss]
    with pytest.raises(ValueError, match=rf"{loss.__name__} .*\(2, 3\)") as error:
        loss(x, target[:1], *rest)
    assert str(target[:1].shape) in str(error.value)


@pytest.mark.parametrize(
    ("prediction", "target"), [((3,), (3, 1)), ((3, 1), (3,)), ((3, 1), (1, 3)), ((2, 3), (3,))]
)
def test_mse_loss_does_not_broadcast(prediction, target):
    with pytest.raises(ValueError, match="one target for each prediction") as error:
        mse_loss(tracked(np.ones(prediction)), np.ones(target))
    assert str(prediction) in str(error.value)
    assert str(target) in str(error.value)


@pytest.mark.parametrize("target", [[1, 2], np.array([1.0, 2.0]), Tensor([1.0, 2.0])])
def test_mse_loss_takes_lists_arrays_and_tensors(target):
    prediction = tracked([1.5, 4.0])
    loss = mse_loss(prediction, target)
    loss.backward()
    assert loss.item() == (0.25 + 4) / 2
    np.testing.assert_array_equal(prediction.grad, [0.5, 2.0])


def test_mse_loss_sends_a_gradient_to_its_target():
    prediction, target = tracked([1.0, 2.0]), tracked([0.0, 0.0])
    mse_loss(prediction, target).backward()
    np.testing.assert_array_equal(target.grad, -prediction.grad)


@pytest.mark.parametrize(
    "target",
    [
        [2, 0],
        (2, 0),
        np.array([2, 0], np.uint8),
        Tensor([2, 0]),
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
        one_hot([2, 0], 3),
        Tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    ],
)
def test_cross_entropy_takes_classes_and_probabilities_of_any_kind(target):
    logits = tracked(LOGITS)
    loss = cross_entropy(logits, target)
    loss.backward()
    p = softmax(LOGITS)
    assert loss.item() == pytest.approx(-np.log([p[0, 2], p[1, 0]]).mean(), rel=1e-14)
    one_hot = np.eye(3)[[2, 0]]
    np.testing.assert_allclose(logits.grad, (p - one_hot) / 2, rtol=0, atol=1e-15)


def test_cross_entropy_takes_any_number_of_axes():
    rows = np.stack([LOGITS, LOGITS + 1, -LOGITS])
    classes = np.array([[0, 1], [2, 2], [1, 0]])
    whole = cross_entropy(Tensor(rows), classes).item()
    apart = [
        cross_entropy(Tensor(row), int(c)).item()
        for row, c in zip(rows.reshape(6, 3), classes.ravel(), strict=True)
    ]
    assert whole == pytest.approx(np.mean(apart), rel=1e-14)


def test_cross_entropy_sends_a_gradient_to_its_probabilities():
    target = tracked(softmax(LOGITS))
    cross_entropy(Tensor(LOGITS), target).backward()
    np.testing.assert_allclose(target.grad, -np.log(softmax(LOGITS)) / 2, rtol=1e-14)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([0, 3], IndexError, "target must be from 0 to 2, and the indices run from 0 to 3"),
        ([-1, 2], IndexError, "target must be from 0 to 2, and the indices run from -1 to 2"),
        ([-100, 7], IndexError, "target must be from 0 to 2, and the indices run from 7 to 7"),
        ([0.0, 1.0], TypeError, "integers, and target is float64"),
        ([True, False], TypeError, "integers, and target is bool"),
        ([[0, 0, 1], [1, 0, 0]], TypeError, "target has that shape and is int64"),
        ([0, 1, 2], ValueError, r"shape \(2,\) .* shape \(2, 3\); target has \(3,\)"),
        ([[0], [1]], ValueError, r"target has \(2, 1\)"),
        (1, ValueError, r"target has \(\)"),
        (np.ones((3, 2)) / 2, ValueError, r"target has \(3, 2\)"),
        ([], ValueError, r"target has \(0,\)"),
    ],
)
def test_cross_entropy_refuses_a_wrong_target(target, error, message):
    with pytest.raises(error, match=message):
        cross_entropy(tracked(LOGITS), target)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), ()])
def test_cross_entropy_refuses_logits_without_rows(shape):
    with pytest.raises(ValueError, match="needs rows of logits") as error:
        cross_entropy(tracked(np.ones(shape)), np.zeros(shape[:-1], int))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("label", "loss", "grad"), [(0, 0.0, [0, 0, 0]), (1, 2000.0, [1, -1, 0]), (2, 1000, [1, 0, -1])]
)
def test_cross_entropy_is_exact_at_large_logits(dtype, label, loss, grad):
    logits = tracked([[1000.0, -1000.0, 0.0]], dtype)
    out = cross_entropy(logits, [label])
    out.backward()
    assert out.item() == loss
    np.testing.assert_array_equal(logits.grad, [grad])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [[0, 1], np.full((2, 3), 1 / 3, np.float32)])
def test_cross_entropy_stays_in_the_dtype_of_the_logits(dtype, target):
    logits = tracked(LOGITS, dtype)
    loss = cross_entropy(logits, target)
    loss.backward()
    assert loss.dtype == logits.grad.dtype == dtype


def test_cross_entropy_of_a_masked_class_ignores_it():
    logits = tracked([[0.0, -np.inf, 1.0]])
    loss = cross_entropy(logits, [2])
    loss.backward()
    p = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    assert loss.item() == pytest.approx(-np.log(p[1]))
    np.testing.assert_allclose(logits.grad, [[p[0], 0.0, p[1] - 1]])


def test_the_mean_over_one_hot_rows_ignores_a_masked_class_as_their_sum_does():
    logits = tracked([[0.0, -np.inf, 1.0]])
    target = one_hot([2], 3)
    loss = cross_entropy(logits, target)
    loss.backward()
    assert loss.item() == pytest.approx(0.31326168751822286, rel=1e-14)
    assert loss.item() == pytest.approx(cross_entropy(logits, target, reduction="sum").item())
    p = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    np.testing.assert_allclose(logits.grad, [[p[0], 0.0, p[1] - 1]])


def test_the_loss_of_a_true_class_that_is_impossible_is_infinite():
    assert cross_entropy([[0.0, -np.inf]], [[0.5, 0.5]]) == np.inf
    assert np.isnan(cross_entropy([[0.0, np.nan]], [[0.5, 0.5]]))


def test_cross_entropy_of_a_masked_class_with_options():
    logits = tracked([[0.0, -np.inf, 1.0], [1.0, -np.inf, 2.0]])
    loss = cross_entropy(logits, [2, 0], weight=[1.0, 1.0, 1.0])
    loss.backward()
    finite = tracked([[0.0, 1.0], [1.0, 2.0]])
    expected = cross_entropy(finite, [1, 0])
    expected.backward()
    assert loss.item() == pytest.approx(expected.item())
    np.testing.assert_allclose(logits.grad[:, ::2], finite.grad, atol=1e-15)
    np.testing.assert_array_equal(logits.grad[:, 1], 0)


def test_ignored_rows_have_no_loss_and_no_gradient():
    logits = tracked(np.stack([LOGITS[0], LOGITS[1], LOGITS[0]]))
    loss = cross_entropy(logits, [1, -100, 2])
    loss.backward()
    assert loss.item() == pytest.approx(cross_entropy(LOGITS[[0, 0]], [1, 2]))
    np.testing.assert_array_equal(logits.grad[1], 0)
    assert cross_entropy(logits, [-100, 0, -100], reduction="none").data[[0, 2]].tolist() == [0, 0]


@pytest.mark.parametrize("options", [{}, {"weight": [1, 1, 1]}, {"label_smoothing": 0.1}])
def test_a_mean_over_nothing_is_refused(options):
    with pytest.raises(ValueError, match="no target to take the mean over: every one is -100"):
        cross_entropy(LOGITS, [-100, -100], **options)
    assert cross_entropy(LOGITS, [-100, -100], reduction="sum", **options) == 0
    with pytest.raises(ValueError, match="has weight 0"):
        cross_entropy(LOGITS, [1, 1], weight=[1, 0, 1])


def test_float32_stays_so_where_rows_are_ignored():
    logits = Tensor(np.ones((3, 4), np.float32), requires_grad=True)
    for options in ({}, {"label_smoothing": 0.1}, {"weight": np.ones(4, np.float32)}):
        loss = cross_entropy(logits, [0, 1, -100], **options)
        loss.backward()
        assert (loss.dtype, logits.grad.dtype) == (np.float32, np.float32)
    assert nll_loss(log_softmax(logits), [0, 1, -100]).dtype == np.float32


def test_nll_loss_of_log_softmax_is_cross_entropy():
    ours, theirs = tracked(LOGITS), tracked(LOGITS)
    nll_loss(log_softmax(ours), [2, 1]).backward()
    cross_entropy(theirs, [2, 1]).backward()
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-14)
    with pytest.raises(ValueError, match=r"class indices of shape \(2,\); target has \(2, 3\)"):
        nll_loss(LOGITS, LOGITS)


def test_categorical_cross_entropy_is_0_log_0_and_infinite_where_it_must_be():
    p, y = (
        tracked([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]]),
        tracked([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]),
    )
    loss = categorical_cross_entropy(p, y, reduction="sum")
    loss.backward()
    assert loss.item() == pytest.approx(-0.5 * np.log(0.25) - 0.5 * np.log(0.75) - np.log(0.5))
    np.testing.assert_allclose(p.grad, [[0, -2, -2 / 3], [-2, 0, 0]])
    np.testing.assert_allclose(y.grad[0], [0, -np.log(0.25), -np.log(0.75)])
    assert categorical_cross_entropy(p, [1, 0], reduction="none").data.tolist() == [
        pytest.approx(np.log(4)),
        pytest.approx(np.log(2)),
    ]
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert categorical_cross_entropy(p, [0, 0]).item() == np.inf


def test_kl_div_of_zeros():
    target, log_q = tracked([[0.0, 1.0]]), tracked([[-np.inf, 0.0]])
    kl_div(log_q, target, reduction="batchmean").backward()
    np.testing.assert_array_equal(log_q.grad, [[0, -1]])
    assert np.isfinite(target.grad).all()
    assert kl_div(np.log(P), np.log(P), log_target=True) == 0
    assert kl_div(log_q, [[-np.inf, 0.0]], log_target=True).item() == 0


def test_kl_div_and_entropy_make_cross_entropy():
    entropy = -(Q * np.log(Q)).sum(-1).mean()
    divergence = kl_div(log_softmax(X), Q, reduction="batchmean")
    assert divergence + entropy == pytest.approx(cross_entropy(X, Q), rel=1e-14)


def test_binary_cross_entropy_holds_logarithms_at_100():
    p = tracked(EDGES["probabilities"])
    loss = binary_cross_entropy(p, EDGES["target"], reduction="none")
    assert_close(loss.data, EDGES["value"])
    loss.sum().backward()
    np.testing.assert_allclose(p.grad, [1, 0, 0, -1, 0, -1e20])  # flat where held


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_cross_entropy_with_logits_is_precise(dtype):
    x = tracked([-1000.0, -40.0, 40.0, 1000.0], dtype)
    loss = binary_cross_entropy_with_logits(x, np.array([0, 0, 1, 1]), reduction="none")
    np.testing.assert_allclose(loss.data, [0, np.exp(-40), np.exp(-40), 0], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, [0, np.exp(-40), -np.exp(-40), 0], rtol=1e-6)


def test_smoothed_targets_are_the_probabilities_they_stand_for():
    smooth = 0.8 * np.eye(3)[[2, 0]] + 0.2 / 3
    assert cross_entropy(LOGITS, [2, 0], label_smoothing=0.2) == pytest.approx(
        cross_entropy(LOGITS, smooth), rel=1e-14
    )


def test_cosine_embedding_loss_of_zeros_is_that_of_a_right_angle():
    x = tracked(np.zeros((2, 3)))
    loss = cosine_embedding_loss(x, X, [1, -1], reduction="none")
    loss.sum().backward()
    np.testing.assert_array_equal(loss.data, [1, 0])
    assert np.isfinite(x.grad).all()


@pytest.mark.parametrize("loss", [mse_loss, l1_loss, binary_cross_entropy_with_logits, hinge_loss])
@pytest.mark.parametrize("target", [[1, 1], np.array([1, 1]), np.ones(2, np.uint8), Tensor([1, 1])])
def test_whole_numbers_as_targets_take_the_dtype_of_the_prediction(loss, target):
    out = loss(tracked([0.5, 2.0], np.float32), target)
    assert out.dtype == np.float32
    assert out.item() == pytest.approx(loss(np.array([0.5, 2.0]), np.ones(2)), rel=1e-6)


def test_whole_numbers_do_not_overflow():
    assert mse_loss(np.array([0], np.uint8), np.array([30], np.uint8)) == 900


def test_gaussian_nll_loss_is_least_at_the_squared_error():
    var = Tensor(np.full(3, 4.0), requires_grad=True)
    gaussian_nll_loss(np.zeros(3), [2.0, -2.0, 2.0], var).backward()
    np.testing.assert_allclose(var.grad, 0, atol=1e-16)
    low = Tensor(np.zeros(3), requires_grad=True)
    gaussian_nll_loss(np.zeros(3), np.ones(3), low).backward()
    assert (low.grad < 0).all()  # it can grow


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: huber_loss(X, Y, delta=0), ValueError, "delta must be positive, and is 0"),
        (lambda: smooth_l1_loss(X, Y, beta=-1), ValueError, "beta must not be negative"),
        (lambda: cross_entropy(X, Q, label_smoothing=1.5), ValueError, "label_smoothing .* 1.5"),
        (
            lambda: cross_entropy(X, Q, weight=[1, 2]),
            ValueError,
            r"weight .*\(3,\), and has \(2,\)",
        ),
        (lambda: cross_entropy(X, [0, 3], weight=[1, 2, 3]), IndexError, "indices run from 0 to 3"),
        (lambda: cross_entropy(X, [0, 2], ignore_index=5, reduction="x"), ValueError, "is 'x'"),
        (lambda: nll_loss(X, [0.0, 1.0]), TypeError, "integers, and target is float64"),
        (lambda: nll_loss(X, [0, -1]), IndexError, "indices run from -1 to 0"),
        (lambda: multi_margin_loss(X, [0, 3]), IndexError, "indices run from 0 to 3"),
        (lambda: multi_margin_loss(X, [0.0, 1.0]), TypeError, "target is float64"),
        (lambda: multi_margin_loss(X, [0, 1], p=3), ValueError, "p must be 1 or 2, and is 3"),
        (lambda: categorical_cross_entropy(X, [0, 1]), ValueError, "probabilities .* -1.2 to 2"),
        (
            lambda: categorical_cross_entropy(P / 2, [0, 1]),
            ValueError,
            "sum 1, and the sums run from 0.",
        ),
        (lambda: categorical_cross_entropy(P, 2 * P / 3), ValueError, "row of target"),
        (lambda: categorical_cross_entropy(P * np.nan, [0, 1]), ValueError, "run from nan to nan"),
        (lambda: binary_cross_entropy(X, Q), ValueError, "probabilities must be from 0 to 1"),
        (
            lambda: binary_cross_entropy(P, SIGNS),
            ValueError,
            "target must be .*, and its numbers run from -1.0 to 1.0",
        ),
        (lambda: binary_cross_entropy_with_logits(X, SIGNS), ValueError, "target must be from 0"),
        (lambda: binary_cross_entropy(P, Q, weight=[1, 2]), ValueError, r"weight has shape \(2,\)"),
        (
            lambda: binary_cross_entropy_with_logits(X, Q, pos_weight=np.ones((4, 2, 3))),
            ValueError,
            r"pos_weight has shape \(4, 2, 3\)",
        ),
        (lambda: hinge_loss(X, SIGNS > 0), ValueError, "targets 1 and -1"),
        (lambda: hinge_loss(X, [[0, 1, 1], [1, 0, 1]]), ValueError, r"pass 2 \* target - 1"),
        (lambda: cosine_embedding_loss(X, Y, [0, 1]), ValueError, "these run from 0.0 to 1.0"),
        (lambda: cosine_embedding_loss(X, Y[:1], [0, 1]), ValueError, "one x2 for each x1"),
        (lambda: triplet_margin_loss(X, Y, X, margin=0), ValueError, "margin must be positive"),
        (lambda: triplet_margin_loss(X, Y, X[0]), ValueError, r"negative has shape \(3,\)"),
        (lambda: kl_div(X, Y), ValueError, "target must be 0 or more, and its .* from -1.0 to 3.0"),
        (lambda: gaussian_nll_loss(X, Y, Y), ValueError, "var must be 0 or more"),
        (lambda: gaussian_nll_loss(X, Y, P, eps=0), ValueError, "eps must be positive"),
        (lambda: gaussian_nll_loss(X, Y, np.ones(3)), ValueError, r"var has shape \(3,\)"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_gradient_of_soft_targets_is_finite_where_a_class_has_no_probability():
    logits = np.array([[1.0, 2.0, -np.inf]])
    target = Tensor([[0.25, 0.75, 0.0]], requires_grad=True)
    kernels.soft_nll(kernels.log_softmax(logits), target).backward()
    expected = -kernels.log_softmax(logits)
    np.testing.assert_allclose(target.grad[:, :2], expected[:, :2])
    assert target.grad[0, 2] == 0


def test_infinite_terms_of_logsumexp_share_the_slope_and_leave_other_rows_alone():
    x = Tensor([[np.inf, 0.0, np.inf], [np.inf, 1.0, 2.0], [0.0, 0.0, 0.0]], requires_grad=True)
    kernels.logsumexp(x).backward(np.ones(3))
    np.testing.assert_allclose(x.grad, [[0.5, 0, 0.5], [1, 0, 0], [1 / 3] * 3], atol=1e-15)


@pytest.mark.parametrize("ignored", [0, 1])
@pytest.mark.parametrize("options", [{}, {"weight": [1.0, 2.0, 3.0]}, {"label_smoothing": 0.1}])
def test_the_classes_are_looked_up_once(monkeypatch, ignored, options):
    calls, look_up = [], losses.true_class
    monkeypatch.setattr(losses, "true_class", lambda *x: calls.append(x) or look_up(*x))
    cross_entropy(np.ones((3, 3)), np.array([2, 1, -100 if ignored else 0]), **options)
    assert len(calls) == 1
