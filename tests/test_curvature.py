"""lab: sharpness against the whole Hessian, the stable learning rate, the range test."""

import itertools

import numpy as np
import pytest

from tinygrad_edu import Tensor, losses, nn, optim, train
from tinygrad_edu.lab.curvature import hessian_product, sharpness, stable_learning_rate
from tinygrad_edu.lab.range_test import lr_range_test


def network(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    layers = []
    for n, m in itertools.pairwise(sizes):
        layers += [nn.Linear(n, m, rng=rng), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    x, y = rng.standard_normal((30, sizes[0])), rng.standard_normal((30, sizes[-1]))
    return model, lambda: losses.mse_loss(model(x), y)


def full_hessian(loss, parameters):
    product = hessian_product(loss, parameters)
    return np.array([product(v) for v in np.eye(sum(p.size for p in parameters))])


@pytest.mark.parametrize("sizes", [(1, 1), (2, 4, 1), (3, 8, 8, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_sharpness_is_the_largest_eigenvalue(sizes, seed):
    model, loss = network(*sizes, seed=seed)
    matrix = full_hessian(loss, model.parameters())
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    largest = np.linalg.eigvalsh(matrix)[-1]
    assert sharpness(loss, model.parameters()) == pytest.approx(largest, rel=1e-4)


def test_sharpness_of_a_quadratic_and_where_it_is_negative():
    x = Tensor([1.0, -2.0], requires_grad=True)
    assert sharpness(lambda: x[0] ** 2 - 3 * x[1] ** 2, [x]) == pytest.approx(2)
    assert stable_learning_rate(lambda: 5 * (x**2).sum(), [x]) == pytest.approx(0.2)
    assert sharpness(lambda: -(x**2).sum(), [x]) == pytest.approx(-2)
    assert stable_learning_rate(lambda: -(x**2).sum(), [x]) == np.inf
    assert sharpness(x.sum, [x]) == 0


def test_the_stable_rate_divides_what_converges_from_what_diverges():
    x = Tensor([1.0, 1.0], requires_grad=True)

    def loss():
        return (x[0] ** 2 + 10 * x[1] ** 2) / 2

    limit = stable_learning_rate(loss, [x])
    for share, shrinks in ((0.99, True), (1.01, False)):
        x.data = np.array([1.0, 1.0])
        optimizer = optim.SGD([x], lr=share * limit)
        for _ in range(2000):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        assert (loss().item() < 1e-8) == shrinks


def test_gradients_stay_as_they_were():
    model, loss = network(2, 3, 1)
    loss().backward()
    before = [p.grad for p in model.parameters()]
    sharpness(loss, model.parameters())
    assert all(p.grad is g for p, g in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: sharpness(x.sum, []), "list of parameters is empty"),
        (lambda x: sharpness(lambda: x * 2, [x]), r"scalar Tensor, not .*\(2,\)"),
        (lambda x: sharpness(lambda: x.sum() * np.inf, [x]), "the loss is"),
    ],
)
def test_bad_losses_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor([1.0, 2.0], requires_grad=True))


def regression():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    model = nn.Linear(3, 1, rng=rng)
    data = train.batches(x, x @ np.array([[1.0], [-2.0], [0.5]]), 20, rng=rng)
    return model, optim.SGD(model.parameters(), lr=0.01), data


def test_the_range_test_finds_where_a_regression_breaks():
    model, sgd, data = regression()
    found = lr_range_test(model, losses.mse_loss, sgd, data)
    limit = stable_learning_rate(lambda: losses.mse_loss(model(data.x), data.y), model.parameters())
    assert limit / 3 < found.limit < 10 * limit
    assert found.suggestion < limit
    assert len(found.lr) == len(found.loss) == len(found.smoothed) < 100
    np.testing.assert_allclose(found.lr[1:] / found.lr[:-1], found.lr[1] / found.lr[0])
    assert str(found).startswith("the loss is lowest at learning rate")
    assert found.suggestion == pytest.approx(found.lr[np.argmin(found.smoothed)] / 10)


def test_a_loss_that_is_nan_is_not_the_lowest():
    model, sgd, data = regression()
    sizes = []

    def loss(prediction, y):
        sizes.append(1)
        return losses.mse_loss(prediction, y) if len(sizes) < 30 else (prediction * np.nan).sum()

    found = lr_range_test(model, loss, sgd, data)
    assert len(found.smoothed) == 30
    assert found.limit == found.lr[29]
    lowest = found.lr[np.argmin(found.smoothed[:29])]
    assert found.suggestion == lowest / 10
    assert f"lowest at learning rate {lowest:.2g}" in str(found)


def test_a_loss_below_0_is_not_broken_at_once():
    model, sgd, data = regression()
    whole = lr_range_test(model, losses.mse_loss, sgd, data)
    lowered = lr_range_test(model, lambda p, y: losses.mse_loss(p, y) - 8, sgd, data)
    assert lowered.loss[0] < 0
    assert 1 / 3 < lowered.limit / whole.limit < 3


def test_a_range_test_needs_a_loss_to_begin_with():
    model, sgd, data = regression()
    with pytest.raises(ValueError, match="the loss at the start must be finite, and it is nan"):
        lr_range_test(model, lambda prediction, y: (prediction * np.nan).sum(), sgd, data)


def test_model_and_optimizer_are_as_before():
    model, sgd, data = regression()
    before = model.state_dict()
    lr_range_test(model, losses.mse_loss, sgd, data, steps=50)
    np.testing.assert_equal(model.state_dict(), before)
    assert sgd.lr == 0.01
    assert model.weight.grad is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 1.0, "end": 0.1}, "must grow"),
        ({"start": -1.0}, "must grow"),
        ({"steps": 3}, "steps must be at least 10"),
        ({"data": iter([])}, "gave no batch"),
    ],
)
def test_bad_range_tests_are_refused(settings, message):
    model, sgd, data = regression()
    settings = {"data": data} | settings
    with pytest.raises(ValueError, match=message):
        lr_range_test(model, losses.mse_loss, sgd, **settings)
