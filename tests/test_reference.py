"""Values, gradients and updates, against numbers that PyTorch computed.

tests/reference/make_reference.py made the numbers, and holds PyTorch's side of each row below.
"""

import numpy as np
import pytest
from references import assert_close, check, gradients, group, stored, weights

from tinygrad_edu import Tensor, Value, hessian, index_update, nn, relu, sigmoid, softplus
from tinygrad_edu.kernels import linear, log_softmax, logsumexp, unindex
from tinygrad_edu.losses import cross_entropy, mse_loss
from tinygrad_edu.value import weighted_sum

FUNCTIONS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "power, integer exponent": lambda x: x**3,
    "power, number as base": lambda y: 2.0**y,
    "negative": np.negative,
    "positive": np.positive,
    "absolute": np.absolute,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": np.where,
    "clip": np.clip,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "logsumexp": logsumexp,
    "logsumexp, keepdims": lambda x: logsumexp(x, axis=0, keepdims=True),
    "logsumexp, all axes": lambda x: logsumexp(x, axis=None),
    "log_softmax": log_softmax,
    "log_softmax, axis 0": lambda x: log_softmax(x, axis=0),
    "sum": np.sum,
    "sum, axis": lambda x: x.sum(1),
    "sum, axes, keepdims": lambda x: x.sum((0, -1), keepdims=True),
    "mean": np.mean,
    "mean, axes": lambda x: x.mean((0, -1)),
    "max": np.max,
    "max, axis": lambda x: x.max(1),
    "min": np.min,
    "min, axes, keepdims": lambda x: x.min((0, 2), keepdims=True),
    "var": np.var,
    "var, axis, ddof": lambda x: x.var(1, ddof=1),
    "std": np.std,
    "std, axes, keepdims": lambda x: x.std((0, 2), ddof=1, keepdims=True),
    "matmul": np.matmul,
    "matmul, row": np.matmul,
    "matmul, column": np.matmul,
    "matmul, vectors": np.matmul,
    "matmul, batches": np.matmul,
    "matmul, batch and column": np.matmul,
    "matmul, row and batch": np.matmul,
    "vdot": np.vdot,
    "linear": linear,
    "linear, vector": linear,
    "weighted_sum": lambda w, x, b: w @ x + b,
    "reshape": lambda x: x.reshape(3, -1) ** 2,
    "transpose": lambda x: x.transpose(2, 0, 1) ** 2,
    "swapaxes": lambda x: x.swapaxes(0, -1) ** 2,
    "moveaxis": lambda x: np.moveaxis(x, 0, -1) ** 2,
    "expand_dims": lambda x: np.expand_dims(x, 1) ** 2,
    "squeeze": lambda x: x.squeeze(1) ** 2,
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 3)) ** 2,
    "concatenate": lambda x, y: np.concatenate([x, y], axis=1) ** 2,
    "stack": lambda x, y: np.stack([x, y], axis=1) ** 2,
    "astype": lambda x: x.astype(np.float32).astype(float) ** 2,
    "getitem, slices": lambda x: x[..., None, :2] ** 2,
    "getitem, rows twice": lambda x: x[[0, 1, 0]] ** 2,
    "getitem, pairs": lambda x: x[[0, 1, 0], [2, 1, 2]] ** 2,
    "getitem, mask": lambda x: x[[True, False, True]] ** 2,
    "index_update": lambda x, y: index_update(x, [0, 2], y) ** 2,
    "unindex": lambda y: unindex(y, [0, 2, 0], np.zeros((4, 2))) ** 2,
    "float_power": np.float_power,
    "remainder": np.remainder,
    "fmod": np.fmod,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "fabs": np.fabs,
    "copysign": np.copysign,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "nan_to_num": lambda x: np.nan_to_num(x, nan=2.0) ** 2,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "logaddexp": np.logaddexp,
    "logaddexp2": np.logaddexp2,
    "hypot": np.hypot,
    "tan": np.tan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "arctan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "deg2rad": np.deg2rad,
    "rad2deg": np.rad2deg,
    "sinc": np.sinc,
    "ptp": np.ptp,
    "median": np.median,
    "median, axis": lambda x: np.median(x, 1),
    "nansum": np.nansum,
    "nanmean": lambda x: np.nanmean(x, 0),
    "prod": np.prod,
    "prod, axis": lambda x: np.prod(x, 1, keepdims=True),
    "cumsum": lambda x: np.cumsum(x, 1) ** 2,
    "cumprod": lambda x: np.cumprod(x, 1),
    "diff": lambda x: np.diff(x, 2) ** 2,
    "trapezoid": np.trapezoid,
    "norm": np.linalg.norm,
    "norm, fro": lambda x: np.linalg.norm(x, "fro", (0, 2)),
    "norm, 0.5": lambda x: np.linalg.norm(x, 0.5, 1),
    "norm, 1": lambda x: np.linalg.norm(x, 1, 1),
    "norm, 1.5": lambda x: np.linalg.norm(x, 1.5, 1),
    "norm, 3": lambda x: np.linalg.norm(x, 3, 1),
    "norm, -1": lambda x: np.linalg.norm(x, -1, 1),
    "norm, inf": lambda x: np.linalg.norm(x, np.inf, 1),
    "norm, -inf": lambda x: np.linalg.norm(x, -np.inf, 1),
    "norm of a matrix, 1": lambda x: np.linalg.norm(x, 1),
    "norm of a matrix, -1": lambda x: np.linalg.norm(x, -1),
    "norm of a matrix, inf": lambda x: np.linalg.norm(x, np.inf),
    "norm of a matrix, -inf": lambda x: np.linalg.norm(x, -np.inf),
}

CONVENTIONS = {
    "relu at 0": relu,
    "abs at 0": abs,
    "max over ties": np.max,
    "max over ties, axis": lambda x: x.max(1),
    "min over ties": np.min,
    "min over ties, axis": lambda x: x.min(1),
    "maximum of equals": np.maximum,
    "maximum of x and x": lambda x: np.maximum(x, x),
    "minimum of equals": np.minimum,
    "minimum of x and x": lambda x: np.minimum(x, x),
    "clip at its bounds": lambda x: x.clip(-1, 1),
    "clip without a bound": lambda x: x.clip(max=1),
    "clip at bounds with gradients": np.clip,
    "clip with crossed bounds": np.clip,
    "var of equals": lambda x: x.var(1),
    "std of equals": lambda x: x.std(1),
    "x**0 at 0": lambda x: x**0,
    "x**1 at 0": lambda x: x**1,
    "x**2 at 0": lambda x: x**2,
    "0**y": lambda y: 0.0**y,
    "x**y at 0": np.power,
    "logsumexp of -inf": logsumexp,
    "log_softmax of -inf": lambda x: log_softmax(x)[0, ::2],
    "logsumexp at 1000": logsumexp,
    "log_softmax at 1000": log_softmax,
    "sigmoid at 1000": sigmoid,
    "softplus at 1000": softplus,
    "tanh at 1000": np.tanh,
    "remainder at a multiple": np.remainder,
    "fmod at a multiple": np.fmod,
    "copysign at 0": np.copysign,
    "fmax beside nan": np.fmax,
    "fmin beside nan": np.fmin,
    "nan_to_num of inf and nan": np.nan_to_num,
    "logaddexp at 1000": np.logaddexp,
    "logaddexp of -inf": np.logaddexp,
    "prod with a zero": np.prod,
    "prod with two zeros": np.prod,
    "prod with zeros, axis": lambda x: np.prod(x, 1),
    "cumprod with zeros": np.cumprod,
    "median over ties": np.median,
    "median over an even tie": np.median,
    "arctan2 on the axes": np.arctan2,
    "norm 0.5 at 0": lambda x: np.linalg.norm(x, 0.5),
    "norm 0.5 with 0 and ties": lambda x: np.linalg.norm(x, 0.5),
    "norm 1 at 0": lambda x: np.linalg.norm(x, 1),
    "norm 1 with 0 and ties": lambda x: np.linalg.norm(x, 1),
    "norm 1.5 at 0": lambda x: np.linalg.norm(x, 1.5),
    "norm 1.5 with 0 and ties": lambda x: np.linalg.norm(x, 1.5),
    "norm 2 at 0": lambda x: np.linalg.norm(x, 2),
    "norm 2 with 0 and ties": lambda x: np.linalg.norm(x, 2),
    "norm 3 at 0": lambda x: np.linalg.norm(x, 3),
    "norm 3 with 0 and ties": lambda x: np.linalg.norm(x, 3),
    "norm inf at 0": lambda x: np.linalg.norm(x, np.inf),
    "norm inf with 0 and ties": lambda x: np.linalg.norm(x, np.inf),
    "norm -inf at 0": lambda x: np.linalg.norm(x, -np.inf),
    "norm -inf with 0 and ties": lambda x: np.linalg.norm(x, -np.inf),
}

LOSSES = {
    "mse_loss": mse_loss,
    "cross_entropy, indices": cross_entropy,
    "cross_entropy, one row": cross_entropy,
    "cross_entropy, sequences": cross_entropy,
    "cross_entropy, probabilities": cross_entropy,
    "cross_entropy, probabilities of sequences": cross_entropy,
    "cross_entropy, right at 1000": cross_entropy,
    "cross_entropy, wrong at 1000": cross_entropy,
    "cross_entropy, probabilities at 1000": cross_entropy,
}
LOSSES |= {f"{case}, float32": f for case, f in LOSSES.items()}

ON_VALUES = {name: FUNCTIONS[name] for name in FUNCTIONS if name.startswith("power")} | {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    "positive": np.positive,
    "absolute": np.absolute,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "relu": np.vectorize(Value.relu, otypes=[object]),
    "sigmoid": np.vectorize(Value.sigmoid, otypes=[object]),
    "weighted_sum": lambda w, x, b: weighted_sum(*w, *x, b.item()),
}


@pytest.mark.parametrize(
    ("name", "table"),
    [("functions", FUNCTIONS), ("conventions", CONVENTIONS), ("losses", LOSSES)],
)
def test_every_row_has_a_reference_and_every_reference_a_row(name, table):
    assert table.keys() == stored(name).keys()


@pytest.mark.parametrize("case", FUNCTIONS)
def test_function(case):
    check(stored("functions")[case], FUNCTIONS[case])


@pytest.mark.parametrize("case", CONVENTIONS)
def test_convention(case):
    check(stored("conventions")[case], CONVENTIONS[case])


@pytest.mark.parametrize("case", LOSSES)
def test_loss(case):
    check(stored("losses")[case], LOSSES[case])


@pytest.mark.parametrize("case", ON_VALUES)
def test_function_on_values(case):
    row = stored("functions")[case]
    arrays = group(row, "input")
    inputs = [np.vectorize(Value, otypes=[object])(x) for x in arrays]
    values = [v for x in inputs for v in x.flat]
    out = np.asarray(ON_VALUES[case](*inputs))
    first = gradients(np.sum(weights(row["value"]) * out), values)
    v = np.concatenate([weights(x, i).ravel() for i, x in enumerate(arrays, start=1)])
    second = gradients(np.sum(v * first), values)
    for ours, what in ((out.flat, "value"), (first, "first"), (second, "second")):
        theirs = np.concatenate([x.ravel() for x in group(row, what)])
        assert_close(np.array([x.item() for x in ours]), theirs)


def test_network():
    rows = stored("network")
    model = nn.Sequential(
        nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4, bias=False), nn.ReLU(), nn.Linear(4, 2)
    )
    model.load_state_dict(rows["state"])
    x = Tensor(rows[""]["input"], requires_grad=True)
    out = model(x)
    (weights(out) * out).sum().backward()
    assert_close(out.data, rows[""]["output"])
    for name, p in [("input", x), *model.named_parameters()]:
        assert_close(p.grad, rows["gradient"][name])


def test_the_curvature_at_the_tip_of_a_cone_is_taken_as_0():
    def norm(x):
        return np.linalg.norm(x, axis=-1)

    for f in (norm, lambda x: np.hypot(x[..., 0], x[..., 1]), lambda x: np.std(x, axis=-1)):
        np.testing.assert_array_equal(hessian(f)(np.zeros(2)), np.zeros((2, 2)))
        rows = np.array([[3.0, 4.0], [0.0, 0.0]])  # a tip beside another row spoils nothing
        ours = hessian(lambda x, f=f: f(x).sum())(rows)
        np.testing.assert_allclose(ours[0, :, 0], hessian(f)(rows[0]), atol=1e-15)
    at_origin = hessian(lambda x: np.arctan2(x[0], x[1]))(np.zeros(2))
    np.testing.assert_array_equal(at_origin, np.zeros((2, 2)))


def test_beside_inf_nothing_else_counts_in_logsumexp():
    x = np.array([[np.inf, 0.0, 1.0], [1000.0, 0.0, -np.inf], [np.inf, np.inf, 3.0]])
    t = Tensor(x, requires_grad=True)
    out = logsumexp(t)
    np.testing.assert_array_equal(out.data, [np.inf, 1000, np.inf])
    out.backward(np.ones(3), create_graph=True)
    np.testing.assert_array_equal(t.grad.data, [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0]])
    first, t.grad = t.grad, None
    first.backward(np.ones((3, 3)))
    np.testing.assert_array_equal(t.grad, np.zeros((3, 3)))


def test_modf_is_numpys_at_infinity_and_for_whole_numbers():
    for x in (np.array([np.inf, -np.inf, -2.5, 0.0, -0.0]), np.array([3, -4])):
        for ours, theirs in zip(np.modf(Tensor(x)), np.modf(x), strict=True):
            np.testing.assert_array_equal(getattr(ours, "data", ours), theirs)
            np.testing.assert_array_equal(
                np.signbit(getattr(ours, "data", ours)), np.signbit(theirs)
            )


def test_matrix_power_takes_whole_exponents_only():
    x = Tensor(np.eye(2), requires_grad=True)
    with pytest.raises(TypeError, match=r"whole number as exponent, not 2\.5"):
        np.linalg.matrix_power(x, 2.5)
    assert np.linalg.matrix_power(x, np.int8(2)).shape == (2, 2)


@pytest.mark.parametrize("classes", [1, 2, 32, 33])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_log_softmax_of_short_rows_is_that_of_long_ones(classes, dtype):
    x = np.random.default_rng(classes).normal(0, 30, (7, classes)).astype(dtype)
    x[3, 0], x[5, -1], x[6, 0] = -np.inf, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = log_softmax(x[:, None])[:, 0]  # three axes: no row is short
        for axis in (-1, 1):
            assert_same(log_softmax(x, axis), expected, dtype)
        assert_same(log_softmax(x.T, 0).T, expected, dtype)


def assert_same(got, expected, dtype):
    assert got.dtype == expected.dtype == dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(got, expected, rtol=4 * eps, atol=4 * eps)
