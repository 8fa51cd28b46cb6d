"""Normalization: PyTorch's numbers, what each layer promises, and what it refuses."""

import numpy as np
import pytest
from references import check, check_module, stored

from tinygrad_edu import Tensor, gradcheck, no_grad
from tinygrad_edu.functional.normalization import (
    batch_norm,
    cosine_similarity,
    group_norm,
    layer_norm,
    normalize,
    rms_norm,
)
from tinygrad_edu.nn.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def training_batch(x, weight, bias):
    return batch_norm(x, None, None, weight, bias, True, eps=0.1)


FUNCTIONS = {
    "layer_norm": lambda x: layer_norm(x, 3),
    "layer_norm, affine": lambda x, w, b: layer_norm(x, (2, 3), w, b, 0.1),
    "rms_norm": lambda x: rms_norm(x, 3),
    "rms_norm, small": lambda x: rms_norm(x, [3]),
    "rms_norm, weight": lambda x, w: rms_norm(x, (2, 3), w, 0.1),
    "group_norm": lambda x: group_norm(x, 2),
    "group_norm, affine": lambda x, w, b: group_norm(x, 2, w, b, 0.1),
    "batch_norm, training": training_batch,
    "batch_norm, training, image": training_batch,
    "batch_norm, running": lambda x: batch_norm(x, np.zeros(3), np.ones(3)),
    "normalize": normalize,
    "normalize, short": normalize,
    "normalize, p 1, dim 0": lambda x: normalize(x, 1.0, 0),
    "normalize, p 3, dim -1": lambda x: normalize(x, 3.0, -1),
    "normalize, p inf": lambda x: normalize(x, np.inf),
    "cosine_similarity": cosine_similarity,
    "cosine_similarity, dim -1, broadcast": lambda x, y: cosine_similarity(x, y, -1),
}

TRAIN_AND_EVAL = {
    "BatchNorm1d": lambda: BatchNorm1d(3),
    "BatchNorm1d, sequence": lambda: BatchNorm1d(3),
    "BatchNorm1d, eps, momentum": lambda: BatchNorm1d(3, 0.1, 0.3),
    "BatchNorm1d, average": lambda: BatchNorm1d(3, momentum=None),
    "BatchNorm1d, not affine": lambda: BatchNorm1d(3, affine=False),
    "BatchNorm1d, untracked": lambda: BatchNorm1d(3, track_running_stats=False),
    "BatchNorm2d": lambda: BatchNorm2d(3),
}

MODULES = {
    "LayerNorm": lambda: LayerNorm(3),
    "LayerNorm, two axes": lambda: LayerNorm([2, 3], 0.1),
    "LayerNorm, no bias": lambda: LayerNorm(3, bias=False),
    "LayerNorm, not affine": lambda: LayerNorm(3, elementwise_affine=False),
    "GroupNorm": lambda: GroupNorm(2, 4),
    "GroupNorm, image": lambda: GroupNorm(1, 3, 0.1),
    "GroupNorm, not affine": lambda: GroupNorm(4, 4, affine=False),
    "RMSNorm": lambda: RMSNorm(3),
    "RMSNorm, two axes, eps": lambda: RMSNorm([2, 3], 0.1),
    "RMSNorm, not affine": lambda: RMSNorm(3, elementwise_affine=False),
}


def train_and_eval(module, x, y):
    return np.concatenate([module(x), module(y), module.eval()(x)])


def test_every_row_has_a_reference_and_every_reference_a_row():
    rows = FUNCTIONS.keys() | TRAIN_AND_EVAL.keys() | MODULES.keys()
    assert rows == stored("normalization").keys()


@pytest.mark.parametrize("case", FUNCTIONS)
def test_function(case):
    check(stored("normalization")[case], FUNCTIONS[case])


@pytest.mark.parametrize("case", MODULES)
def test_module(case):
    check_module(stored("normalization")[case], MODULES[case]())


@pytest.mark.parametrize("case", TRAIN_AND_EVAL)
def test_two_batches_in_training_then_one_in_eval(case):
    check_module(stored("normalization")[case], TRAIN_AND_EVAL[case](), train_and_eval)


LAYERS = [
    (BatchNorm1d(2), (3, 2)),
    (BatchNorm1d(2).eval(), (1, 2)),
    (BatchNorm1d(2), (2, 2, 2)),
    (BatchNorm2d(2), (2, 2, 1, 2)),
    (LayerNorm(3), (2, 3)),
    (LayerNorm((2, 2)), (2, 2, 2)),
    (GroupNorm(2, 4), (2, 4, 2)),
    (RMSNorm(3), (2, 3)),
]
IDS = [f"{type(layer).__name__} {shape}" for layer, shape in LAYERS]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=IDS)
def test_gradcheck(layer, shape):
    gradcheck(layer, normal(*shape))


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=IDS)
def test_float32_stays_float32(layer, shape):
    arguments = {
        BatchNorm1d: (2,),
        BatchNorm2d: (2,),
        LayerNorm: (shape[1:],),
        GroupNorm: (2, 4),
        RMSNorm: (3,),
    }
    for single in (type(layer)(*arguments[type(layer)], dtype=np.float32), layer.astype("f4")):
        single.train(layer.training)
        x = Tensor(normal(*shape).astype(np.float32), requires_grad=True)
        out = single(x)
        (out * out).sum().backward()
        arrays = [out, x.grad, *[p.grad for p in single.parameters()]]
        arrays += [b for name, b in single.named_buffers() if name != "num_batches_tracked"]
        assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    layer.astype(float)


@pytest.mark.parametrize("f", [normalize, lambda x: cosine_similarity(x, x + 1)])
def test_functions_of_float32_are_float32(f):
    assert f(Tensor(normal(2, 3).astype(np.float32))).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=IDS)
def test_constant_input_has_a_finite_gradient(layer, shape, dtype):
    for value in (0, 1e6):
        x = Tensor(np.full(shape, value, dtype), requires_grad=True)
        out = layer(x)
        (out * normal(*shape)).sum().backward()
        assert np.isfinite(out.data).all()
        assert np.isfinite(x.grad).all()


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=IDS)
def test_plain_arrays_and_a_state_that_travels(layer, shape):
    arguments = {BatchNorm1d: (2,), BatchNorm2d: (2,), GroupNorm: (2, 4), RMSNorm: (3,)}
    other = type(layer)(*arguments.get(type(layer), (shape[1:],))).train(layer.training)
    for p in layer.parameters():
        p.data = normal(*p.shape, seed=1)
    layer(normal(*shape))
    other.load_state_dict(layer.state_dict())
    np.testing.assert_equal(other.state_dict(), layer.state_dict())
    np.testing.assert_array_equal(other(normal(*shape)).data, layer(normal(*shape)).data)


def test_an_empty_batch_stays_empty():
    for layer in (LayerNorm(4), RMSNorm(4), LayerNorm((2, 4))):
        assert layer(np.zeros((0, 2, 4))).shape == (0, 2, 4)


def test_in_training_a_channel_has_mean_0_and_variance_1():
    layer = BatchNorm2d(3, eps=0.0)
    out = layer(5 + 3 * normal(4, 3, 2, 2)).data
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-14)
    np.testing.assert_allclose(out.var(axis=(0, 2, 3)), 1, rtol=1e-14)


def test_running_statistics_come_to_those_of_the_data():
    layer, x = BatchNorm1d(2, momentum=0.5), 3 + 2 * normal(10, 2)
    mean, variance = layer.running_mean, layer.running_var
    for _ in range(60):
        layer(x)
    assert mean is layer.running_mean
    assert variance is layer.running_var
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(variance, x.var(axis=0, ddof=1), rtol=1e-14)
    assert layer.num_batches_tracked == 60


def test_without_momentum_they_are_the_average_over_the_batches():
    layer, batches = BatchNorm1d(2, momentum=None), normal(5, 4, 2)
    for x in batches:
        layer(x)
    np.testing.assert_allclose(layer.running_mean, batches.mean(axis=(0, 1)), rtol=1e-13)
    expected = batches.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(layer.running_var, expected, rtol=1e-13)


def test_eval_takes_the_running_statistics_and_leaves_them():
    layer = BatchNorm1d(2)
    layer(normal(6, 2))
    layer.eval()
    state = layer.state_dict()
    x = normal(5, 2, seed=1)
    expected = (x - state["running_mean"]) / np.sqrt(state["running_var"] + 1e-5)
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-14)
    np.testing.assert_allclose(layer(x[:1]).data, expected[:1], rtol=1e-14)
    np.testing.assert_equal(layer.state_dict(), state)


def test_the_statistics_are_no_part_of_the_graph():
    layer = BatchNorm1d(2)
    x = Tensor(normal(3, 2), requires_grad=True)
    layer.eval()
    out = layer(x)
    layer.train()
    with no_grad():
        layer(normal(4, 2, seed=1))
    assert layer.num_batches_tracked == 1
    out.sum().backward()
    np.testing.assert_allclose(x.grad, 1 / np.sqrt(1 + 1e-5), rtol=1e-14)
    assert {type(b) for _, b in layer.named_buffers()} == {np.ndarray}


def test_group_norm_is_between_layer_norm_and_each_channel_alone():
    x = normal(2, 4, 3)
    np.testing.assert_allclose(group_norm(x, 1), layer_norm(x, (4, 3)), rtol=1e-13)
    np.testing.assert_allclose(group_norm(x, 4), layer_norm(x, 3), rtol=1e-13)


def test_cosine_similarity_of_short_vectors():
    x, y = normal(3), 30 * normal(3, seed=1)
    expected = x @ y / (10 * np.linalg.norm(y))
    np.testing.assert_allclose(cosine_similarity(x, y, 0, 10.0), expected, rtol=1e-14)
    gradcheck(lambda x, y: cosine_similarity(x, y, 0, 10.0), x, y)


def test_normalize_and_cosine_similarity_at_zero():
    x = Tensor(np.zeros((1, 3)), requires_grad=True)
    assert not normalize(x).data.any()
    cosine_similarity(x, np.ones((1, 3))).sum().backward()
    np.testing.assert_allclose(x.grad, 1e8 / np.sqrt(3), rtol=1e-14)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            BatchNorm2d(3),
            "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        ),
        (LayerNorm(3), "LayerNorm((3,), eps=1e-05, elementwise_affine=True)"),
        (
            LayerNorm(3, bias=False),
            "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=False)",
        ),
        (RMSNorm(3), "RMSNorm((3,), eps=None, elementwise_affine=True)"),
        (GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True)"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: BatchNorm1d(3)(normal(2, 4)),
            r"takes \(N, C\) or \(N, C, L\) with C = 3 channels, and this input has shape \(2, 4\)",
        ),
        (lambda: BatchNorm1d(3)(normal(3)), r"this input has shape \(3,\)"),
        (lambda: BatchNorm1d(3)(normal(2, 3, 1, 1)), r"\(N, C, L\).* has shape \(2, 3, 1, 1\)"),
        (lambda: BatchNorm2d(3)(normal(2, 3, 4)), r"\(N, C, H, W\).* has shape \(2, 3, 4\)"),
        (lambda: BatchNorm1d(3)(normal(1, 3)), r"more than one value per channel.*\(1, 3\)"),
        (lambda: BatchNorm1d(3)(normal(0, 3)), r"more than one value per channel.*\(0, 3\)"),
        (lambda: BatchNorm2d(3)(normal(1, 3, 1, 1)), "more than one value per channel"),
        (lambda: BatchNorm1d(0), "num_features 0"),
        (lambda: BatchNorm1d(3, eps=-1e-5), "BatchNorm1d needs eps >= 0, not -1e-05"),
        (lambda: BatchNorm2d(3, momentum=1.5), "BatchNorm2d needs a momentum from 0 to 1, not 1.5"),
        (lambda: BatchNorm2d(3, momentum=float("nan")), "not nan"),
        (lambda: LayerNorm(3, eps=float("nan")), "LayerNorm needs eps >= 0, not nan"),
        (lambda: LayerNorm(()), r"LayerNorm .* at least one number, and normalized_shape is \(\)"),
        (lambda: LayerNorm(0), r"normalized_shape is \(0,\)"),
        (
            lambda: LayerNorm((2, 3))(normal(2, 4, 3)),
            r"expects an input \(..., 2, 3\), and this is \(2, 4, 3\)",
        ),
        (lambda: LayerNorm((2, 3))(normal(3)), r"expects an input \(..., 2, 3\)"),
        (lambda: RMSNorm(3)(normal(2, 4)), r"rms_norm expects an input \(..., 3\)"),
        (lambda: RMSNorm(3, eps=-1), "RMSNorm needs eps >= 0, not -1"),
        (lambda: GroupNorm(3, 4), "GroupNorm cannot split 4 channels into 3 groups"),
        (lambda: GroupNorm(0, 4), "4 channels into 0 groups"),
        (lambda: GroupNorm(2, 4)(normal(2, 6)), r"C = 4 .* this input has shape \(2, 6\)"),
        (lambda: GroupNorm(2, 4, eps=-1.0), "GroupNorm needs eps >= 0"),
        (lambda: layer_norm(normal(2, 3), 3, np.ones(1)), r"weight \(3,\), and this is \(1,\)"),
        (lambda: layer_norm(normal(2, 3), 3, None, np.ones((2, 3))), r"bias \(3,\), and this is"),
        (lambda: group_norm(normal(2, 4), 3), "group_norm cannot split 4 channels into 3"),
        (lambda: group_norm(normal(4), 2), r"group_norm takes an input \(N, C, ...\)"),
        (lambda: group_norm(normal(2, 4, 0), 2), r"this is \(2, 4, 0\)"),
        (lambda: batch_norm(normal(3), None, None), r"batch_norm takes an input \(N, C, ...\)"),
        (lambda: batch_norm(normal(2, 3), None, None), "or training=True"),
        (lambda: batch_norm(normal(2, 3), np.ones(2), np.ones(3)), r"expects running_mean \(3,\)"),
        (lambda: normalize(normal(2, 3), eps=-1.0), "normalize needs eps >= 0"),
        (lambda: cosine_similarity(normal(2, 3), normal(2, 3), eps=-1.0), "similarity needs eps"),
        (lambda: cosine_similarity(normal(2, 3), normal(2, 4)), "shape mismatch"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_failed_batch_is_not_counted():
    layer = BatchNorm1d(3)
    state = layer.state_dict()
    with pytest.raises(ValueError, match="more than one value"):
        layer(normal(1, 3))
    np.testing.assert_equal(layer.state_dict(), state)


def test_normalize_takes_one_axis():
    with pytest.raises(TypeError, match=r"dim is \(0, 1\)"):
        normalize(normal(2, 3), dim=(0, 1))


def test_running_statistics_are_plain_arrays():
    with pytest.raises(TypeError, match="not changed in place"):
        batch_norm(normal(2, 3), Tensor(np.zeros(3)), Tensor(np.ones(3)), training=True)
