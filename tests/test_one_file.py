"""The engine in one file computes what the package computes."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, losses, optim

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))

import one_file

OPERATIONS = [
    (lambda np, x, y: x + y, [(2, 3), (3,)]),
    (lambda np, x, y: x - y, [(2, 1), (1, 3)]),
    (lambda np, x, y: x * y * 2.0, [(), (2, 3)]),
    (lambda np, x, y: x @ y, [(2, 3), (3, 4)]),
    (lambda np, x: np.exp(x) * np.tanh(x), [(2, 3)]),
    (lambda np, x: np.log(x * x + 1.0), [(4,)]),
    (lambda np, x: np.array_of_ones * x, [(2, 3)]),
]


class Package:
    """The names of one_file, as NumPy has them."""

    exp, log, tanh, mean = np.exp, np.log, np.tanh, np.mean
    array_of_ones = np.ones((2, 3))


one_file.array_of_ones = Package.array_of_ones


@pytest.mark.parametrize(("function", "shapes"), OPERATIONS)
def test_values_and_gradients_are_those_of_the_package(function, shapes):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    mine = [one_file.Node(x) for x in arrays]
    theirs = [Tensor(x, requires_grad=True) for x in arrays]
    out, expected = function(one_file, *mine), function(Package, *theirs)
    np.testing.assert_array_equal(out.data, expected.data)
    one_file.mean(out * out).backward()
    np.mean(expected * expected).backward()
    for x, t in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(x.grad, t.grad, rtol=1e-14)


def test_a_number_that_is_used_again_and_again_is_visited_once():
    x, v = one_file.Node(3.0), Value(3.0)
    out, expected = x, v
    for _ in range(60):  # 2**60 paths
        out, expected = out * out * 0.5 + out, expected * expected * 0.5 + expected
        out, expected = one_file.tanh(out), expected.tanh()
    out.backward()
    expected.backward()
    assert out.data == pytest.approx(expected.data, rel=1e-12)
    assert x.grad == pytest.approx(v.grad, rel=1e-12)


def test_gradients_accumulate_over_two_passes():
    x = one_file.Node([1.0, 2.0])
    for _ in range(2):
        one_file.mean(x * x).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def test_the_network_learns_step_by_step_as_that_of_the_package():
    rng = np.random.default_rng(0)
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
    shapes = [(2, 4), (4,), (4, 1), (1,)]
    parameters = [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]
    sgd = optim.SGD(parameters, lr=0.1)
    curve = []
    for _ in range(50):
        w1, b1, w2, b2 = parameters
        loss = losses.mse_loss(np.tanh(x @ w1 + b1) @ w2 + b2, y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        curve.append(loss.item())
    np.testing.assert_allclose(one_file.main(50), curve, rtol=1e-9)
    assert one_file.main()[-1] < 1e-3
