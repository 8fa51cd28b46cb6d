"""Activations and embeddings: values and derivatives of PyTorch, as functions and as layers.

tests/reference/make_activation_reference.py made the numbers.
"""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from references import check, stored

from tinygrad_edu import Tensor, gradcheck, kernels
from tinygrad_edu.functional import activation as functional
from tinygrad_edu.functional.indices import embedding, one_hot
from tinygrad_edu.nn import activation as nn

ELEMENTWISE = {
    "relu": (functional.relu, nn.ReLU()),
    "leaky_relu": (functional.leaky_relu, nn.LeakyReLU()),
    "leaky_relu, slope": (lambda x: functional.leaky_relu(x, 0.3), nn.LeakyReLU(0.3)),
    "elu": (functional.elu, nn.ELU()),
    "elu, alpha": (lambda x: functional.elu(x, alpha=0.7), nn.ELU(alpha=0.7)),
    "selu": (functional.selu, nn.SELU()),
    "celu": (functional.celu, nn.CELU()),
    "celu, alpha": (lambda x: functional.celu(x, alpha=0.5), nn.CELU(alpha=0.5)),
    "gelu": (functional.gelu, nn.GELU()),
    "gelu, tanh": (lambda x: functional.gelu(x, approximate="tanh"), nn.GELU(approximate="tanh")),
    "silu": (functional.silu, nn.SiLU()),
    "mish": (functional.mish, nn.Mish()),
    "softplus": (functional.softplus, nn.Softplus()),
    "softplus, beta": (lambda x: functional.softplus(x, beta=2.0), nn.Softplus(beta=2.0)),
    "softplus, threshold": (
        lambda x: functional.softplus(x, 0.5, threshold=1.1),
        nn.Softplus(0.5, threshold=1.1),
    ),
    "softsign": (functional.softsign, nn.Softsign()),
    "sigmoid": (functional.sigmoid, nn.Sigmoid()),
    "logsigmoid": (functional.logsigmoid, nn.LogSigmoid()),
    "tanh": (functional.tanh, nn.Tanh()),
    "hardtanh": (functional.hardtanh, nn.Hardtanh()),
    "hardtanh, bounds": (
        lambda x: functional.hardtanh(x, min_val=-2.5, max_val=3.0),
        nn.Hardtanh(min_val=-2.5, max_val=3.0),
    ),
    "hardsigmoid": (functional.hardsigmoid, nn.Hardsigmoid()),
    "hardswish": (functional.hardswish, nn.Hardswish()),
    "relu6": (functional.relu6, nn.ReLU6()),
}
ALONG_AN_AXIS = {
    "softmax": (functional.softmax, nn.Softmax()),
    "softmax, dim": (lambda x: functional.softmax(x, dim=0), nn.Softmax(dim=0)),
    "log_softmax": (functional.log_softmax, nn.LogSoftmax()),
    "log_softmax, dim": (lambda x: functional.log_softmax(x, dim=0), nn.LogSoftmax(dim=0)),
    "softmin": (functional.softmin, nn.Softmin()),
    "softmin, dim": (lambda x: functional.softmin(x, dim=0), nn.Softmin(dim=0)),
    "glu": (functional.glu, nn.GLU()),
    "glu, dim": (lambda x: functional.glu(x, dim=0), nn.GLU(dim=0)),
}
AT_1000 = {
    f"{case} at 1000": ALONG_AN_AXIS[case] for case in ("softmax", "log_softmax", "softmin", "glu")
}
ACTIVATIONS = ELEMENTWISE | ALONG_AN_AXIS | AT_1000

INDEX = np.array([[0, 2, 2], [4, 0, 1]])
TABLE = {case: f for case, (f, _) in ACTIVATIONS.items()} | {
    "erf": kernels.erf,
    "prelu": functional.prelu,
    "prelu at 0": functional.prelu,
    "prelu, channels": functional.prelu,
    "prelu, images": functional.prelu,
    "embedding": lambda w: embedding(INDEX, w) ** 2,
    "embedding, padding": lambda w: embedding(INDEX, w, padding_idx=-3) ** 2,
}
TABLE |= {f"{case}, float32": TABLE[case] for case in [*ELEMENTWISE, *AT_1000, "erf"]}


def test_every_row_has_a_reference_and_every_reference_a_row():
    assert TABLE.keys() == stored("activation").keys()


@pytest.mark.parametrize("case", TABLE)
def test_values_and_derivatives_are_pytorch_s(case):
    check(stored("activation")[case], TABLE[case])


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_a_layer_is_its_function_with_its_settings(case):
    f, layer = ACTIVATIONS[case]
    x = stored("activation")[case]["input0"]
    for same in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(same(Tensor(x)).data, f(x))


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_a_plain_array_gives_a_plain_array(case):
    f, _ = ACTIVATIONS[case]
    row = stored("activation")[case]
    out = f(row["input0"])
    assert not isinstance(out, Tensor)
    np.testing.assert_allclose(out, row["value"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_derivatives_are_right_to_second_order(case):
    x = np.random.default_rng(0).standard_normal((2, 4))
    gradcheck(ACTIVATIONS[case][0], x, order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ELEMENTWISE)
def test_far_from_0_nothing_overflows_to_second_order(case, dtype):
    x = Tensor(np.array([-1000, 1000], dtype), requires_grad=True)
    out = ELEMENTWISE[case][0](x)
    out.sum().backward(create_graph=True)
    first, x.grad = x.grad, None
    assert np.isfinite(out.data).all()
    assert np.isfinite(first.data).all()
    if first.requires_grad:
        first.sum().backward()
        assert x.grad is None or np.isfinite(x.grad).all()
    assert {out.dtype, first.dtype} == {np.dtype(dtype)}


@pytest.mark.parametrize("case", ELEMENTWISE)
def test_one_number_without_axes(case):
    f, _ = ELEMENTWISE[case]
    x = Tensor(0.3, requires_grad=True)
    out = f(x)
    out.backward()
    assert out.shape == x.grad.shape == ()
    assert out.data == f(np.array([0.3]))[0]


@pytest.mark.parametrize("case", ["relu", "selu", "gelu", "mish", "softplus", "hardtanh", "tanh"])
def test_nan_stays_nan(case):
    assert np.isnan(ELEMENTWISE[case][0](np.array([np.nan]))).all()


def test_erf_is_that_of_the_math_module():
    x = np.concatenate([np.linspace(-7, 7, 2001), [1e-30, 1e-20, 1e-5, -1e-5]])
    exact = [math.erf(xi) for xi in x]
    np.testing.assert_allclose(kernels.erf(x), exact, rtol=1e-15)
    np.testing.assert_allclose(kernels.erf(np.float32(x)), exact, rtol=5e-7)
    out = kernels.erf(np.array([np.inf, -np.inf, np.nan, 1000, -6]))
    np.testing.assert_array_equal(out, [1, -1, np.nan, 1, -1])
    assert kernels.erf(np.empty((0, 2))).shape == (0, 2)


def test_softmax_gives_nothing_to_what_is_masked():
    x = Tensor([0.0, -np.inf, 0.0], requires_grad=True)
    out = functional.softmax(x)
    np.testing.assert_array_equal(out.data, [0.5, 0, 0.5])
    out[0].backward()
    np.testing.assert_array_equal(x.grad, [0.25, 0, -0.25])


def test_a_layer_shows_and_types_its_settings():
    assert repr(nn.Softplus(threshold=3.0)) == "Softplus(beta=1.0, threshold=3.0)"
    assert repr(nn.GELU("tanh")) == "GELU(approximate='tanh')"
    assert repr(nn.SiLU()) == "SiLU()"
    assert repr(nn.PReLU(3)) == "PReLU(num_parameters=3)"
    signature = inspect.signature(nn.Hardtanh)
    assert str(signature) == "(min_val: float = -1.0, max_val: float = 1.0) -> None"
    with pytest.raises(TypeError, match="slope"):
        nn.LeakyReLU(slope=0.1)


LAYERS = [x for x in vars(nn).values() if isinstance(x, type) and x.__module__ == nn.__name__]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_every_layer_says_its_equation(layer):
    assert layer.__doc__.startswith("y = ")


def test_a_changed_setting_counts():
    layer = nn.LeakyReLU()
    layer.negative_slope = 0.5
    assert layer(np.array(-2.0)) == -1
    assert layer != nn.LeakyReLU(0.5)  # layers are told apart by what they are, as all modules


def test_prelu_learns_its_slopes():
    layer = nn.PReLU(3)
    layer(np.array([[-1.0, 0.0, 2.0], [-2.0, 3.0, -1.0]])).sum().backward()
    np.testing.assert_array_equal(layer.weight.data, [0.25] * 3)
    np.testing.assert_array_equal(layer.weight.grad, [-3.0, 0.0, -1.0])
    assert nn.PReLU(dtype=np.float32)(np.float32([[-1]])).dtype == np.float32
    gradcheck(functional.prelu, np.array([[-1.0, 2.0], [3.0, -4.0]]), np.array([0.2, 0.3]), order=2)


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional.gelu(X, "erf"), ValueError, '"none" or "tanh", not \'erf\''),
        (lambda: functional.celu(X, 0), ValueError, "alpha, so alpha cannot be 0"),
        (lambda: functional.softplus(X, 0), ValueError, "beta, so beta cannot be 0"),
        (lambda: functional.hardtanh(X, 1, -1), ValueError, "min_val < max_val, not 1 and -1"),
        (lambda: functional.glu(X), ValueError, r"axis -1 of x, .* even, and x has shape \(2, 3\)"),
        (lambda: functional.prelu(X, np.ones(2)), ValueError, r"each of 3 channels.*\(2,\)"),
        (lambda: functional.prelu(np.ones(3), np.ones(3)), ValueError, "each of 1 channels"),
        (lambda: nn.PReLU(0), ValueError, "at least one parameter, not 0"),
        (lambda: functional.softmax(X, 2), ValueError, "axis 2 is out of bounds"),
        (lambda: functional.softmax(Tensor(X), 2), ValueError, "axis 2 is out of bounds"),
        (lambda: functional.dropout(X, 1.5), ValueError, "from 0 to 1, and is 1.5"),
        (
            lambda: embedding([0, 3], X),
            IndexError,
            "input must be from 0 to 1, and the indices run from 0 to 3",
        ),
        (
            lambda: embedding([-1], X),
            IndexError,
            "input must be from 0 to 1, and the indices run from -1 to -1",
        ),
        (lambda: embedding([0.0], X), TypeError, "input is float64; write input.astype"),
        (lambda: embedding([True], X), TypeError, "input is bool"),
        (lambda: embedding([0], X, 2), ValueError, "padding_idx is 2, and the table has 2 rows"),
        (
            lambda: one_hot([1, 2], 2),
            IndexError,
            "labels must be from 0 to 1, and the indices run from 1 to 2",
        ),
        (
            lambda: one_hot([-2, 1]),
            IndexError,
            "labels must be from 0 to 1, and the indices run from -2 to 1",
        ),
        (
            lambda: one_hot([-1]),
            IndexError,
            "labels must be from 0 to 0, and the indices run from -1 to -1",
        ),
        (lambda: one_hot(np.empty(0, int)), ValueError, "labels is empty"),
    ],
)
def test_bad_input_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_one_hot_counts_the_classes_itself():
    np.testing.assert_array_equal(one_hot([2, 0]), [[0, 0, 1], [1, 0, 0]])
    assert one_hot(np.zeros((2, 0), int), 4).shape == (2, 0, 4)
