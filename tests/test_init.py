"""Initial values: each function has the distribution that it promises, and refuses the rest."""

import math
import re
from statistics import NormalDist

import numpy as np
import pytest

from tinygrad_edu import Tensor, manual_seed, nn
from tinygrad_edu.nn import init

MATRIX = (300, 200)  # (in, out)
KERNEL = (40, 30, 5, 5)  # (out, in, height, width)
N = math.prod(MATRIX)


def empty(*shape, dtype=float):
    return Tensor(np.full(shape, np.nan, dtype), requires_grad=True, name="weight")


def drawn(function, shape, *args, **options):
    return function(empty(*shape), *args, rng=np.random.default_rng(0), **options).data


def assert_mean_and_std(x, mean, std):
    """Within five standard errors; that of the std holds for a kurtosis up to the normal's."""
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(x.size)
    assert abs(x.std() - std) < 5 * std / math.sqrt(2 * x.size)


UNIFORM = {
    "uniform_": ((300,), init.uniform_, (-2, 2), 2),
    "xavier_uniform_": (MATRIX, init.xavier_uniform_, (3.0,), 3 * math.sqrt(6 / 500)),
    "xavier_uniform_, kernel": (KERNEL, init.xavier_uniform_, (), math.sqrt(6 / (70 * 25))),
    "kaiming_uniform_": (MATRIX, init.kaiming_uniform_, (), math.sqrt(6 / 300)),
    "kaiming_uniform_, a": (MATRIX, init.kaiming_uniform_, (2.0,), math.sqrt(6 / 5 / 300)),
    "kaiming_uniform_, fan_out": (
        KERNEL,
        init.kaiming_uniform_,
        (0, "fan_out", "linear"),
        math.sqrt(3 / (40 * 25)),
    ),
}

NORMAL = {
    "normal_": (MATRIX, init.normal_, (3.0, 2.0), 3, 2),
    "xavier_normal_": (MATRIX, init.xavier_normal_, (3.0,), 0, 3 * math.sqrt(2 / 500)),
    "kaiming_normal_": (MATRIX, init.kaiming_normal_, (), 0, math.sqrt(2 / 300)),
    "kaiming_normal_, fan_out": (
        MATRIX,
        init.kaiming_normal_,
        (0, "fan_out", "tanh"),
        0,
        5 / 3 / math.sqrt(200),
    ),
    "kaiming_normal_, kernel": (KERNEL, init.kaiming_normal_, (), 0, math.sqrt(2 / (30 * 25))),
    "lecun_normal_": (MATRIX, init.lecun_normal_, (), 0, 1 / math.sqrt(300)),
    "lecun_normal_, kernel": (KERNEL, init.lecun_normal_, (), 0, 1 / math.sqrt(30 * 25)),
}


@pytest.mark.parametrize("case", UNIFORM)
def test_uniform(case):
    shape, function, args, bound = UNIFORM[case]
    x = drawn(function, shape, *args)
    assert_mean_and_std(x, 0, bound / math.sqrt(3))
    assert bound * (1 - 20 / x.size) < np.abs(x).max() < bound


@pytest.mark.parametrize("case", NORMAL)
def test_normal(case):
    shape, function, args, mean, std = NORMAL[case]
    x = drawn(function, shape, *args)
    assert_mean_and_std(x, mean, std)
    beyond = np.mean(np.abs(x - mean) > 2 * std)
    assert beyond == pytest.approx(2 * NormalDist().cdf(-2), rel=0.1)  # and so not uniform


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (1, 2, 0, 1.5), (0, 0.5, 0.6, 9), (3, 1, -10, 1.5), (0, 0.02, -2, 2)],
)
def test_trunc_normal(mean, std, a, b):
    x = drawn(init.trunc_normal_, MATRIX, mean, std, a, b)
    assert x.min() >= a
    assert x.max() <= b
    low, high, normal = (a - mean) / std, (b - mean) / std, NormalDist()
    z = normal.cdf(high) - normal.cdf(low)
    shift = (normal.pdf(low) - normal.pdf(high)) / z
    variance = 1 + (low * normal.pdf(low) - high * normal.pdf(high)) / z - shift**2
    assert abs(x.mean() - mean - std * shift) < 5 * std * math.sqrt(variance / N)
    assert x.std() == pytest.approx(std * math.sqrt(variance), rel=0.02)
    middle = (a + b) / 2
    below = (normal.cdf((middle - mean) / std) - normal.cdf(low)) / z
    assert abs(np.mean(x < middle) - below) < 5 * math.sqrt(below * (1 - below) / N) + 1e-12


def test_constants_and_the_identity():
    assert (init.zeros_(empty(3)).data == 0).all()
    assert (init.ones_(empty(2, 3)).data == 1).all()
    assert init.constant_(empty(), 2.5).item() == 2.5
    np.testing.assert_array_equal(init.eye_(empty(2, 3)).data, [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (4, 2, 3), (8, 3, 2)])
def test_orthogonal(shape):
    q = drawn(init.orthogonal_, shape, 2.0).reshape(shape[0], -1) / 2
    gram = q.T @ q if q.shape[0] > q.shape[1] else q @ q.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-14)


def test_orthogonal_is_uniform():
    """Of a rotation or reflection that is uniform, each element has mean 0 and variance 1 / n."""
    rng = np.random.default_rng(0)
    draws = np.array([init.orthogonal_(empty(2, 2), rng=rng).data for _ in range(4000)])
    assert_mean_and_std(draws[:, 0, 0], 0, math.sqrt(1 / 2))
    assert_mean_and_std(draws[:, 1, 1], 0, math.sqrt(1 / 2))
    assert abs(np.mean(np.linalg.det(draws) > 0) - 0.5) < 0.05


@pytest.mark.parametrize(("sparsity", "zeros"), [(0, 0), (0.1, 30), (0.9999, 300), (1, 300)])
def test_sparse(sparsity, zeros):
    x = drawn(init.sparse_, MATRIX, sparsity, 0.1)
    np.testing.assert_array_equal((x == 0).sum(axis=0), zeros)
    if zeros < 300:
        assert_mean_and_std(x[x != 0], 0, 0.1)
    if zeros == 30:
        rows = (x == 0).sum(axis=1)  # 200 columns with one zero in ten: binomial, mean 20, std 4.2
        assert abs(rows.mean() - 20) < 1e-9
        assert 3.5 < rows.std() < 5


@pytest.mark.parametrize(
    ("nonlinearity", "param", "gain"),
    [
        ("linear", None, 1),
        ("conv2d", None, 1),
        ("sigmoid", None, 1),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 0, math.sqrt(2)),
        ("leaky_relu", 1.0, 1),
        ("selu", None, 0.75),
    ],
)
def test_gain(nonlinearity, param, gain):
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain, rel=1e-15)


RANDOM = {
    "uniform_": init.uniform_,
    "normal_": init.normal_,
    "trunc_normal_": init.trunc_normal_,
    "xavier_uniform_": init.xavier_uniform_,
    "xavier_normal_": init.xavier_normal_,
    "kaiming_uniform_": init.kaiming_uniform_,
    "kaiming_normal_": init.kaiming_normal_,
    "lecun_normal_": init.lecun_normal_,
    "orthogonal_": init.orthogonal_,
    "sparse_": lambda tensor, rng=None: init.sparse_(tensor, 0.5, rng=rng),
}


@pytest.mark.parametrize("name", RANDOM)
def test_a_tensor_is_changed_in_place_from_the_rng_or_the_seed(name):
    function = RANDOM[name]
    weight = empty(3, 4, dtype=np.float32)
    assert function(weight, rng=np.random.default_rng(1)) is weight
    assert weight.dtype == np.float32
    assert np.isfinite(weight.data).all()
    again = function(empty(3, 4, dtype=np.float32), rng=np.random.default_rng(1))
    np.testing.assert_array_equal(weight.data, again.data)
    manual_seed(5)
    seeded = function(empty(3, 4)).data
    assert np.any(seeded != function(empty(3, 4)).data)
    manual_seed(5)
    np.testing.assert_array_equal(seeded, function(empty(3, 4)).data)


def test_what_was_computed_before_keeps_its_gradient():
    layer, x = nn.Linear(2, 1, bias=False), Tensor([3.0, 5.0], requires_grad=True)
    before = layer.weight.data.copy()
    out = layer(x)
    init.zeros_(layer.weight)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, before[:, 0])
    assert not layer(x).data.any()


def test_an_orthogonal_linear_keeps_lengths_in_both_directions():
    layer, x = nn.Linear(5, 5, bias=False), Tensor(np.arange(5.0), requires_grad=True)
    init.orthogonal_(layer.weight)
    out = layer(x)
    assert np.linalg.norm(out.data) == pytest.approx(np.linalg.norm(x.data), rel=1e-14)
    out.backward(np.ones(5))
    assert np.linalg.norm(x.grad) == pytest.approx(math.sqrt(5), rel=1e-14)


@pytest.mark.parametrize("dims", [(), (3,), (0, 3)])
@pytest.mark.parametrize("kind", ["xavier_uniform", "kaiming_normal", "lecun_normal"])
def test_without_fans(kind, dims):
    with pytest.raises(ValueError, match=re.escape(f"this tensor has shape {dims}")):
        RANDOM[f"{kind}_"](empty(*dims))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.orthogonal_(empty(3)), r"orthogonal_ needs at least two axes.*\(3,\)"),
        (lambda: init.eye_(empty(2, 2, 2)), r"eye_ needs a matrix.*\(2, 2, 2\)"),
        (lambda: init.sparse_(empty(2), 0.5), r"sparse_ needs a matrix.*\(2,\)"),
        (lambda: init.sparse_(empty(2, 2), 1.5), "sparsity from 0 to 1, not 1.5"),
        (lambda: init.sparse_(empty(2, 2), 0.5, -1.0), "std >= 0, not -1.0"),
        (lambda: init.uniform_(empty(2), 1, 0), "a is 1 and b is 0"),
        (lambda: init.normal_(empty(2), 0, float("nan")), "std >= 0, not nan"),
        (lambda: init.trunc_normal_(empty(2), 0, 0), "std > 0, not 0"),
        (
            lambda: init.trunc_normal_(empty(2), 0, 0.1, 1, 2),
            r"only a share of .* falls in \[1, 2\]",
        ),
        (lambda: init.trunc_normal_(empty(2), 0, 1, 2, -2), "only a share of 0 falls"),
        (lambda: init.kaiming_normal_(empty(2, 2), mode="fan"), "not 'fan'"),
        (lambda: init.kaiming_normal_(empty(2, 2), nonlinearity="Relu"), "'Relu'; known .* relu"),
        (lambda: init.calculate_gain("gelu"), "no gain is known for 'gelu'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("tensor", "what"),
    [(np.zeros((2, 2)), "ndarray of float64"), (Tensor([[1, 2]]), "Tensor of int64")],
)
def test_only_tensors_of_floats_are_initialized(tensor, what):
    with pytest.raises(TypeError, match=what):
        init.xavier_normal_(tensor)
