"""Whole numbers and float16 at every entrance: each function has one row, in two tests.

A row is a function of arrays and the shapes of these. What it gives for whole numbers is what it
gives for the same numbers as floats; what it gives for float16 is, to the precision of float16,
what it gives for the same numbers in float64.
"""

import operator
import pickle

import numpy as np
import pytest

from tinygrad_edu import Tensor, functional, kernels, losses, optim
from tinygrad_edu.nn.normalization import BatchNorm1d

F, L = functional, losses
WHOLE = [np.int8, np.uint8, np.int64, np.bool]


def signs(x):
    return np.where(x > 1, 1, -1)


CLASSES = np.array([2, 0, 1])
MIXED = np.array([[0.1, 0.5, 0.4], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])

ROWS = {
    "adaptive_avg_pool2d": [(lambda x: F.adaptive_avg_pool2d(x, 2), (2, 4, 5))],
    "avg_pool1d": [(lambda x: F.avg_pool1d(x, 3, 2, 1, True, False), (2, 3, 6))],
    "avg_pool2d": [(lambda x: F.avg_pool2d(x, 2, padding=1), (2, 3, 4, 4))],
    "batch_norm": [
        (lambda x: F.batch_norm(x, None, None, training=True), (3, 2)),
        (lambda x: F.batch_norm(x, np.zeros(2), np.ones(2)), (3, 2)),
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (3, 2, 4), (2,), (2,)),
    ],
    "celu": [(lambda x: F.celu(x, 2), (3, 3))],
    "conv1d": [(F.conv1d, (2, 2, 5), (2, 2, 3), (2,))],
    "conv2d": [(F.conv2d, (2, 2, 4, 4), (2, 2, 3, 3), (2,))],
    "conv_transpose2d": [(F.conv_transpose2d, (2, 2, 3, 3), (2, 2, 2, 2), (2,))],
    "cosine_similarity": [(F.cosine_similarity, (3, 3), (3, 3))],
    "dropout": [(lambda x: F.dropout(x, rng=np.random.default_rng(0)), (3, 3))],
    "elu": [(lambda x: F.elu(x, 2), (3, 3))],
    "embedding": [(lambda w: F.embedding(CLASSES, w), (3, 2))],
    "gelu": [(F.gelu, (3, 3)), (lambda x: F.gelu(x, "tanh"), (3, 3))],
    "glu": [(F.glu, (3, 4))],
    "group_norm": [(lambda x, w, b: F.group_norm(x, 2, w, b), (3, 4, 2), (4,), (4,))],
    "hardsigmoid": [(F.hardsigmoid, (3, 3))],
    "hardswish": [(F.hardswish, (3, 3))],
    "hardtanh": [(F.hardtanh, (3, 3))],
    "layer_norm": [(lambda x, w, b: F.layer_norm(x, 3, w, b), (3, 3), (3,), (3,))],
    "leaky_relu": [(F.leaky_relu, (3, 3)), (lambda x: F.leaky_relu(x, 2), (3, 3))],
    "log_softmax": [(F.log_softmax, (3, 3)), (lambda x: F.log_softmax(x, 0), (3, 3))],
    "logsigmoid": [(F.logsigmoid, (3, 3))],
    "max_pool1d": [(lambda x: F.max_pool1d(x, 3, 2, 1), (2, 3, 6))],
    "max_pool2d": [(lambda x: F.max_pool2d(x, 2, padding=1), (2, 3, 4, 4))],
    "mish": [(F.mish, (3, 3))],
    "normalize": [(F.normalize, (3, 3)), (lambda x: F.normalize(x, 3.0), (3, 3))],
    "one_hot": [],
    "pad": [(lambda x: F.pad(x, (1, 1), value=0.5), (2, 3)), (lambda x: F.pad(x, (1, 1)), (2, 3))],
    "prelu": [(F.prelu, (3, 2), (2,))],
    "relu": [(F.relu, (3, 3))],
    "relu6": [(F.relu6, (3, 3))],
    "rms_norm": [(lambda x, w: F.rms_norm(x, 3, w), (3, 3), (3,))],
    "scaled_dot_product_attention": [
        (F.scaled_dot_product_attention, (3, 2), (4, 2), (4, 2)),
    ],
    "selu": [(F.selu, (3, 3))],
    "sigmoid": [(F.sigmoid, (3, 3))],
    "silu": [(F.silu, (3, 3))],
    "softmax": [(F.softmax, (3, 3)), (lambda x: F.softmax(x, 0), (3, 3))],
    "softmin": [(F.softmin, (3, 3))],
    "softplus": [(F.softplus, (3, 3)), (lambda x: F.softplus(x, 2), (3, 3))],
    "softsign": [(F.softsign, (3, 3))],
    "tanh": [(F.tanh, (3, 3))],
    # losses
    "mse_loss": [(L.mse_loss, (3, 3), (3, 3))],
    "half_squared_error": [(L.half_squared_error, (3, 3), (3, 3))],
    "l1_loss": [(L.l1_loss, (3, 3), (3, 3))],
    "huber_loss": [(L.huber_loss, (3, 3), (3, 3))],
    "smooth_l1_loss": [(lambda x, y: L.smooth_l1_loss(x, y, beta=2), (3, 3), (3, 3))],
    "cross_entropy": [
        (lambda x: L.cross_entropy(x, CLASSES), (3, 3)),
        (lambda x: L.cross_entropy(x, MIXED), (3, 3)),
        (lambda x: L.cross_entropy(x, CLASSES, MIXED[0], label_smoothing=0.25), (3, 3)),
    ],
    "nll_loss": [
        (lambda x: L.nll_loss(x, CLASSES), (3, 3)),
        (lambda x: L.nll_loss(x, CLASSES, MIXED[2]), (3, 3)),
    ],
    "categorical_cross_entropy": [
        (lambda x: L.categorical_cross_entropy(np.eye(3, dtype=x.dtype), [0, 1, 2]), (3, 3)),
        (lambda x: L.categorical_cross_entropy(F.softmax(x), CLASSES), (3, 3)),
    ],
    "binary_cross_entropy": [(lambda x: L.binary_cross_entropy(x > 1, MIXED), (3, 3))],
    "binary_cross_entropy_with_logits": [
        (lambda x: L.binary_cross_entropy_with_logits(x, MIXED), (3, 3)),
        (lambda x: L.binary_cross_entropy_with_logits(x, MIXED, pos_weight=[1, 2, 3]), (3, 3)),
    ],
    "hinge_loss": [(lambda x, y: L.hinge_loss(x, signs(y)), (3, 3), (3, 3))],
    "multi_margin_loss": [(lambda x: L.multi_margin_loss(x, CLASSES, p=2), (3, 3))],
    "kl_div": [(lambda x: L.kl_div(x, MIXED), (3, 3))],
    "gaussian_nll_loss": [(L.gaussian_nll_loss, (3, 3), (3, 3), "positive")],
    "cosine_embedding_loss": [
        (lambda x, y: L.cosine_embedding_loss(x, y, [1, -1, 1]), (3, 3), (3, 3)),
    ],
    "triplet_margin_loss": [(L.triplet_margin_loss, (3, 3), (3, 3), (3, 3))],
    # kernels
    "linear": [],  # NumPy's own @
    "erf": [(kernels.erf, (3, 3))],
    "logsumexp": [(kernels.logsumexp, (3, 3)), (lambda x: kernels.logsumexp(x, 0), (3, 3))],
    "clip": [(lambda x: np.clip(x, 1, 5), (3, 3))],
    "vdot": [],  # NumPy's own
}
CASES = [(name, i) for name, rows in ROWS.items() for i in range(len(rows))]


def test_every_function_has_a_row():
    assert {*F.__all__, *L.__all__} <= ROWS.keys()


def whole(shape, dtype, seed):
    """Numbers from the ends of the dtype as well as small ones."""
    rng = np.random.default_rng(seed)
    if shape == "positive":
        return rng.integers(1, 2, (3, 3)).astype(dtype)
    ends = {np.bool: [0, 1], np.uint8: [0, 1, 5, 200, 255], np.int8: [-128, -3, 0, 1, 7, 127]}
    return rng.choice(ends.get(dtype, [-300, -3, 0, 1, 40]), shape).astype(dtype)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("dtype", WHOLE, ids=lambda d: d.__name__)
@pytest.mark.parametrize(("name", "i"), CASES)
def test_whole_numbers_become_floats_at_the_entrance(name, i, dtype):
    f, *shapes = ROWS[name][i]
    xs = [whole(shape, dtype, seed) for seed, shape in enumerate(shapes)]
    expected = f(*[x.astype(float) for x in xs])
    for out in (f(*xs), f(*map(Tensor, xs))):
        np.testing.assert_allclose(getattr(out, "data", out), expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", WHOLE, ids=lambda d: d.__name__)
@pytest.mark.parametrize(("name", "i"), [(n, i) for n, i in CASES if len(ROWS[n][i]) > 2])
def test_whole_numbers_beside_a_tracked_tensor_leave_its_gradient_right(name, i, dtype):
    f, *shapes = ROWS[name][i]
    xs = [whole(shape, dtype, seed) for seed, shape in enumerate(shapes)]
    for j in range(len(xs)):

        def gradient(constants, j=j):
            t = Tensor(xs[j].astype(float), requires_grad=True)
            out = f(*constants[:j], t, *constants[j + 1 :])
            if isinstance(out, Tensor) and out.requires_grad:
                (out * np.cos(np.arange(out.size)).reshape(out.shape)).sum().backward()
            return t.grad

        ours, expected = gradient(xs), gradient([x.astype(float) for x in xs])
        np.testing.assert_allclose(0 if ours is None else ours, 0 if ours is None else expected)


# float16


def compared(f, xs, rtol=4e-3):
    """f of float16 and the gradients of its sum, weighted, against those in float64."""

    def run(dtype):
        tensors = [Tensor(x.astype(dtype), requires_grad=True) for x in xs]
        out = f(*tensors)
        if not isinstance(out, Tensor) or not out.requires_grad:
            return [np.asarray(getattr(out, "data", out))]
        weights = np.cos(np.arange(out.size)).astype(dtype).reshape(out.shape)
        out.backward(weights)
        return [out.data, *(np.zeros(1) if t.grad is None else t.grad for t in tensors)]

    for ours, exact in zip(run(np.float16), run(np.float64), strict=True):
        expected = exact.astype(np.float16)
        largest = np.max(np.abs(expected), where=np.isfinite(expected), initial=1e-2)
        np.testing.assert_allclose(ours, expected, rtol, float(rtol * largest))


def half(shape, scale, seed):
    shape, positive = ((3, 3), True) if shape == "positive" else (shape, False)
    x = np.random.default_rng(seed).standard_normal(shape)
    return (np.abs(x) + 0.5 if positive else scale * x).astype(np.float16)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("scale", [1, 120], ids=["small", "large"])
@pytest.mark.parametrize(("name", "i"), CASES)
def test_float16_is_as_exact_as_it_can_be(name, i, scale):
    f, *shapes = ROWS[name][i]
    if name == "categorical_cross_entropy":  # whose probabilities would be 0 in float16
        scale = 1
    compared(f, [half(shape, scale, seed) for seed, shape in enumerate(shapes)])


LONG = np.full(70_000, 0.5)
IMAGE = np.full((1, 20, 20), 200.0)  # whose sum float16 does not hold
FEW = np.array([300.0, -300.0, 3.0])
EQUAL = np.full((5000, 2), 1.0)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x.mean(), LONG),
        (np.mean, EQUAL),
        (lambda x: np.mean(x, axis=0), EQUAL),
        (np.nanmean, LONG),
        (np.max, LONG),
        (lambda x: np.max(x, axis=0), EQUAL),
        (np.median, LONG),
        (np.linalg.norm, np.full(4, 200.0)),
        (lambda x: np.linalg.norm(x, 3), np.full(4, 200.0)),
        (lambda x: np.linalg.norm(x, axis=0, keepdims=True), EQUAL),
        (lambda x: np.linalg.norm(x, "nuc"), EQUAL),
        (lambda x: F.avg_pool2d(x, 20), IMAGE),
        (lambda x: F.avg_pool2d(x, 20, count_include_pad=False), IMAGE),
        (lambda x: F.avg_pool2d(x, 19, 10, padding=9, ceil_mode=True), IMAGE),
        (lambda x: F.avg_pool1d(x, 400, ceil_mode=True), IMAGE.reshape(1, 1, 400)),
        (lambda x: F.adaptive_avg_pool2d(x, 1), IMAGE),
        (np.std, FEW),
        (lambda x: x.std(ddof=1), FEW),
        (np.var, FEW / 2),
        (lambda x: x.var(axis=0, keepdims=True), EQUAL),
        (np.var, LONG * np.sign(np.arange(70_000) - 30_000.5)),
        (kernels.logsumexp, LONG),
        (lambda x: kernels.logsumexp(x, 0), EQUAL),
        (lambda x: kernels.log_softmax(x, 0), EQUAL),
        (lambda x: F.softmax(x, 0) * 5000, EQUAL),
        (lambda x: L.mse_loss(x, np.zeros_like(x)), FEW / 2),
        (lambda x: L.mse_loss(x, np.zeros_like(x)), LONG),
        (lambda x: L.l1_loss(x, np.zeros_like(x)), LONG),
        (lambda x: L.cross_entropy(x, np.zeros(len(x), int)), np.full((70_000, 2), 0.5)),
        (lambda x: L.cross_entropy(x, np.full_like(x, 0.5)), np.full((70_000, 2), 0.5)),
    ],
)
def test_many_numbers_and_large_squares_of_float16_are_added_up_in_a_wider_dtype(f, x):
    compared(f, [x])


def test_the_result_of_a_loss_and_of_a_norm_is_float16_again():
    x = Tensor(np.float16([[300, -300, 3]]), requires_grad=True)
    for f in (np.std, np.linalg.norm, lambda x: F.layer_norm(x, 3), F.normalize):
        assert f(x).dtype == np.float16
    assert np.var(x / 2).dtype == L.mse_loss(x, x.data).dtype == np.float16
    assert L.mse_loss(prediction=x, target=x.data).dtype == np.float16
    assert F.layer_norm(x, 3, np.ones(3, np.float32)).dtype == np.float16
    L.mse_loss(x / 2, np.zeros((1, 3)), reduction="sum").backward(np.float16(1 / 64))
    assert x.grad.dtype == np.float16
    np.testing.assert_allclose(x.grad, x.data / 128, rtol=1e-3)


def test_gradients_of_float16_are_summed_over_many_rows():
    weight, bias = (Tensor(np.zeros(s, np.float16), requires_grad=True) for s in ((1, 2), 2))
    kernels.linear(EQUAL[:, :1].astype(np.float16), weight, bias).backward(EQUAL.astype(np.float16))
    np.testing.assert_array_equal(weight.grad, [[5000, 5000]])
    np.testing.assert_array_equal(bias.grad, [5000, 5000])
    x = Tensor(np.ones(5000, np.float16), requires_grad=True)
    np.cumsum(x).backward(x.data)
    np.testing.assert_allclose(x.grad, np.arange(5000, 0, -1), rtol=1e-3)


@pytest.mark.parametrize("norm_type", [2.0, 3.0, 0.5, 1.0, np.inf])
def test_clipping_measures_float16_in_a_wider_dtype(norm_type):
    p = Tensor(np.zeros(400, np.float16), requires_grad=True)
    p.grad = np.full(400, 200, np.float16)
    expected = np.linalg.norm(p.grad.astype(float), norm_type)
    assert optim.clip_grad_norm_(p, 1.0, norm_type) == pytest.approx(expected)
    assert p.grad.dtype == np.float16
    np.testing.assert_allclose(p.grad, 200 / expected, rtol=1e-3, atol=6e-8)


def test_running_statistics_of_float16_hold_a_large_variance():
    layer = BatchNorm1d(1, momentum=1.0, dtype=np.float16)
    x = np.float16([[300], [-300], [3]])
    assert layer(x).dtype == np.float16
    assert layer.running_var == pytest.approx(np.var(x.astype(float), ddof=1))
    layer.eval()
    np.testing.assert_allclose(layer(x).data[:2, 0], np.array([299, -301]) / 300.0, rtol=0.2)


# Rules whose other operand is made of small integers


BINARY = [
    *(np.add, np.subtract, np.multiply, np.divide, np.power, np.float_power, np.remainder, np.fmod),
    *(np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2, np.hypot, np.arctan2),
    *(np.copysign, np.matmul, np.vecdot),
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod),
]


@pytest.mark.parametrize("dtype", WHOLE, ids=lambda d: d.__name__)
@pytest.mark.parametrize("f", BINARY, ids=lambda f: getattr(f, "__module__", "np") + f.__name__)
@pytest.mark.parametrize("side", [0, 1])
def test_an_operand_of_whole_numbers_leaves_the_gradient_of_the_other_right(f, side, dtype):
    n = np.array([1, 0, 1, 1] if dtype is np.bool else [1, 0, 3, 120]).astype(dtype)
    if side == 1 and f in (np.divide, np.remainder, np.fmod, operator.truediv, operator.mod):
        n = np.maximum(n, np.ones(1, dtype))
    if f is np.copysign:  # knows no bools
        n = n.astype(np.float16)

    def gradients(n):
        t = Tensor([1.5, 2.5, 0.5, 1.25], requires_grad=True)
        out = f(n, t) if side == 0 else f(t, n)
        out.backward(np.ones(out.shape), create_graph=True)
        first = t.grad
        t.grad = None
        if first.requires_grad:
            first.backward(np.ones(4))
        return out.data, first.data, 0 if t.grad is None else t.grad

    for ours, expected in zip(gradients(n), gradients(n.astype(float)), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-14)


def test_the_power_of_zero_has_slope_zero_whatever_the_dtype_of_the_exponent():
    for exponent in (0, 0.0, np.uint8([0]), np.int8([0]), np.array([False])):
        t = Tensor([1000.0], requires_grad=True)
        (t**exponent).sum().backward()
        assert t.grad == 0
    t = Tensor([0.0, 2.0], requires_grad=True)
    (t ** np.uint8([0, 2])).sum().backward()
    np.testing.assert_array_equal(t.grad, [0, 4])


@pytest.mark.parametrize(
    "use",
    [
        lambda b: b + np.zeros((5000, 1), np.float16),
        lambda b: b[[0] * 5000],
        lambda b: np.broadcast_to(b, (5000, 1)),
        lambda b: np.take(b, np.zeros(5000, int)),
    ],
)
def test_a_float16_that_is_used_5000_times_gets_the_gradient_of_all(use):
    b = Tensor(np.ones(1, np.float16), requires_grad=True)
    out = use(b)
    out.backward(np.ones(out.shape))
    assert b.grad.dtype == np.float16
    assert b.grad.tolist() == [5000.0]


@pytest.mark.parametrize("dtype", [pickle.loads(pickle.dumps(np.dtype(np.float16))), ">f2"])
def test_float16_is_known_in_every_object_and_byte_order(dtype):
    """An array that was pickled, as between processes, has a dtype object of its own."""
    x = np.array([300, -300, 3]).astype(dtype)
    assert x.dtype is not np.dtype(np.float16)
    expected = F.layer_norm(np.float16([300, -300, 3]), 3)
    np.testing.assert_array_equal(F.layer_norm(x, 3), expected)
    np.testing.assert_array_equal(F.layer_norm(Tensor(x), 3).data, expected)
    b = Tensor(np.zeros(1, dtype), requires_grad=True)
    (b + np.zeros((5000, 1), np.float16)).sum().backward()
    assert b.grad == 5000


def test_softmax_of_float16_is_taken_in_float32():
    x = np.random.default_rng(0).standard_normal((20, 64)).astype(np.float16)
    expected = functional.softmax(x.astype(float))
    np.testing.assert_allclose(functional.softmax(x), expected, rtol=6e-4, atol=1e-7)
