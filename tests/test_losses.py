"""Loss functions: what they promise, and what they refuse. Numbers are in test_reference.py."""

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.losses import cross_entropy, mse_loss

LOGITS = np.array([[1.0, 2.0, 4.0], [0.0, -1.0, 3.0]])
DTYPES = [np.float32, np.float64]


def tracked(x, dtype=float):
    return Tensor(np.asarray(x, dtype), requires_grad=True)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


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
        [[0, 0, 1], [1, 0, 0]],
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
        ([0, 3], IndexError, "from 0 to 2 here, and target has 0 to 3"),
        ([-1, 2], IndexError, "from 0 to 2 here, and target has -1 to 2"),
        ([-100, 7], IndexError, "target has -100 to 7"),
        ([0.0, 1.0], TypeError, "integers, and target is float64"),
        ([True, False], TypeError, "integers, and target is bool"),
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


def test_mse_loss_refuses_an_empty_batch():
    with pytest.raises(ValueError, match=r"empty batch.*\(0, 3\)"):
        mse_loss(tracked(np.ones((0, 3))), np.ones((0, 3)))


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


@pytest.mark.parametrize("dtype", DTYPES)
def test_mse_loss_stays_in_the_dtype_of_the_prediction(dtype):
    prediction = tracked([1.0, 2.0], dtype)
    loss = mse_loss(prediction, np.zeros(2, np.float32))
    loss.backward()
    assert loss.dtype == prediction.grad.dtype == dtype


def test_cross_entropy_of_a_masked_class_ignores_it():
    logits = tracked([[0.0, -np.inf, 1.0]])
    loss = cross_entropy(logits, [2])
    loss.backward()
    p = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    assert loss.item() == pytest.approx(-np.log(p[1]))
    np.testing.assert_allclose(logits.grad, [[p[0], 0.0, p[1] - 1]])
