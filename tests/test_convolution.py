"""Convolution and pooling against PyTorch's numbers, to second order, and what they refuse."""

import re

import numpy as np
import pytest
from foreign import Foreign
from hypothesis import given, settings
from hypothesis import strategies as st
from references import check, check_module, stored

from tinygrad_edu import Tensor, gradcheck, kernels
from tinygrad_edu.functional.windows import (
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    conv1d,
    conv2d,
    conv_transpose2d,
    max_pool1d,
    max_pool2d,
    pad,
)
from tinygrad_edu.nn.convolution import Conv1d, Conv2d, ConvTranspose2d
from tinygrad_edu.nn.pooling import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d


def called(function, **options):
    return lambda *inputs: function(*inputs, **options)


FUNCTIONS = {
    "conv1d": conv1d,
    "conv1d, all": called(conv1d, stride=2, padding=3, dilation=2, groups=2),
    "conv1d, same": called(conv1d, padding="same"),
    "conv1d, no batch": conv1d,
    "conv2d": conv2d,
    "conv2d, no bias": conv2d,
    "conv2d, no batch": called(conv2d, padding=1),
    "conv2d, stride": called(conv2d, stride=(2, 3)),
    "conv2d, padding": called(conv2d, padding=(2, 1)),
    "conv2d, dilation": called(conv2d, dilation=(2, 3)),
    "conv2d, groups": called(conv2d, groups=2),
    "conv2d, one channel each": called(conv2d, groups=2, padding=1),
    "conv2d, all": called(conv2d, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
    "conv2d, same": called(conv2d, padding="same", dilation=(1, 2)),
    "conv2d, valid": called(conv2d, padding="valid"),
    "conv_transpose2d": conv_transpose2d,
    "conv_transpose2d, no batch": called(conv_transpose2d, stride=2),
    "conv_transpose2d, output_padding": called(
        conv_transpose2d, stride=(3, 2), output_padding=(2, 1)
    ),
    "conv_transpose2d, all": called(
        conv_transpose2d, stride=2, padding=(1, 2), output_padding=(1, 0), groups=2, dilation=(2, 1)
    ),
    "max_pool1d": called(max_pool1d, kernel_size=2),
    "max_pool1d, all": called(max_pool1d, kernel_size=3, stride=2, padding=1, dilation=2),
    "max_pool2d": called(max_pool2d, kernel_size=2),
    "max_pool2d, no batch": called(max_pool2d, kernel_size=(3, 2)),
    "max_pool2d, overlap": called(max_pool2d, kernel_size=3, stride=1),
    "max_pool2d, padding of negatives": called(max_pool2d, kernel_size=3, stride=2, padding=1),
    "max_pool2d, all": called(
        max_pool2d, kernel_size=(2, 3), stride=(1, 2), padding=1, dilation=(2, 1), ceil_mode=True
    ),
    "max_pool2d, ceil_mode": called(max_pool2d, kernel_size=2, ceil_mode=True),
    "avg_pool1d": called(avg_pool1d, kernel_size=3, stride=2, padding=1),
    "avg_pool2d": called(avg_pool2d, kernel_size=2),
    "avg_pool2d, no batch": called(
        avg_pool2d, kernel_size=2, stride=1, padding=1, count_include_pad=False
    ),
    "avg_pool2d, padding": called(avg_pool2d, kernel_size=3, stride=(2, 1), padding=(1, 0)),
    "avg_pool2d, ceil_mode": called(avg_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True),
    "avg_pool2d, all": called(
        avg_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False
    ),
    "adaptive_avg_pool2d": called(adaptive_avg_pool2d, output_size=(2, 4)),
    "adaptive_avg_pool2d, one": called(adaptive_avg_pool2d, output_size=1),
    "adaptive_avg_pool2d, None": called(adaptive_avg_pool2d, output_size=(None, 7)),
    "pad": lambda x: pad(x, (1, 0, 2, 3), value=1.5) ** 2,
    **{
        f"pad, {mode}": lambda x, mode=mode: pad(x, (1, 0, 3, 2), mode) ** 2
        for mode in ("reflect", "replicate", "circular")
    },
}

MODULES = {
    "Conv1d": Conv1d(2, 3, 3, 2, 1),
    "Conv2d": Conv2d(2, 4, (3, 2), stride=2, padding=1, dilation=2, groups=2),
    "Conv2d, no bias": Conv2d(2, 3, 3, padding="same", bias=False),
    "ConvTranspose2d": ConvTranspose2d(2, 2, 3, 2, 1, 1, 2, True, 2),
    "MaxPool1d": MaxPool1d(3, 2, 1),
    "MaxPool2d": MaxPool2d(3, 2, 1, ceil_mode=True),
    "AvgPool1d": AvgPool1d(3, 2, 1, True, False),
    "AvgPool2d": AvgPool2d(3, 2, 1, True, False),
    "AdaptiveAvgPool2d": AdaptiveAvgPool2d((3, 2)),
}


def test_every_row_has_a_reference_and_every_reference_a_row():
    assert FUNCTIONS.keys() | MODULES.keys() == stored("convolution").keys()


@pytest.mark.parametrize("case", FUNCTIONS)
def test_function_is_pytorchs_to_second_order(case):
    check(stored("convolution")[case], FUNCTIONS[case])


@pytest.mark.parametrize("case", MODULES)
def test_layer_is_pytorchs(case):
    check_module(stored("convolution")[case], MODULES[case])


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("case", MODULES)
def test_layer_is_right_to_second_order(case):
    layer = MODULES[case]
    x = normal(1, 2, 4) if "1d" in case else normal(1, 2, 4, 3)

    def f(x, *parameters):
        for (name, _), p in zip(named, parameters, strict=True):
            setattr(layer, name, p)
        return layer(x)

    named = list(layer.named_parameters())
    try:
        gradcheck(f, x, *[p.data for _, p in named], order=2)
    finally:
        for name, p in named:
            setattr(layer, name, p)


# The two kernels

AXIS = st.tuples(*(st.integers(1, 3) for _ in range(3)), st.integers(0, 4))


@settings(deadline=None, max_examples=60)
@given(st.lists(AXIS, min_size=1, max_size=3), st.booleans())
def test_each_is_the_derivative_of_the_other_even_with_room_for_more_windows(axes, batch):
    kernel_size, stride, dilation, more = zip(*axes, strict=True)
    output = tuple(1 + m // 2 for m in more)
    size = tuple((o - 1) * s + d * (k - 1) + 1 + m for (k, s, d, m), o in zip(axes, output))
    windows = Tensor(normal(2, *kernel_size, *output, *(3,) * batch), requires_grad=True)
    out = kernels.fold(windows, size=size, stride=stride, dilation=dilation)
    w = normal(*out.shape)
    (out * w).sum().backward()
    np.testing.assert_allclose(np.vdot(out.data, w), np.vdot(windows.data, windows.grad))


@settings(deadline=None, max_examples=60)
@given(st.lists(AXIS, min_size=1, max_size=3), st.booleans())
def test_unfold_and_fold_are_adjoint(axes, batch):
    """sum(unfold(x) w) = sum(x fold(w)), of any x and w."""
    kernel_size, stride, dilation, _ = zip(*axes, strict=True)
    size = tuple(d * (k - 1) + 1 + m for k, _, d, m in axes)
    x = normal(2, *size, *(3,) * batch)
    windows = kernels.unfold(x, kernel_size=kernel_size, stride=stride, dilation=dilation)
    w = normal(*windows.shape)
    back = kernels.fold(w, size=size, stride=stride, dilation=dilation)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.vdot(windows, w), np.vdot(x, back), atol=1e-12)


def test_unfold_is_a_view_with_window_k_o_at_o_stride_plus_k_dilation():
    x = np.arange(10.0)[None]
    windows = kernels.unfold(x, kernel_size=(2,), stride=(3,), dilation=(2,))
    assert windows.tolist() == [[[0, 3, 6], [2, 5, 8]]]
    assert np.shares_memory(windows, x)


def test_fold_counts_how_many_windows_hold_an_element():
    windows = np.ones((1, 3, 4))
    out = kernels.fold(windows, size=(6,), stride=(1,), dilation=(1,))
    assert out.tolist() == [[1, 2, 3, 3, 2, 1]]


def test_any_array_that_speaks_numpys_protocols_can_be_convolved_and_pooled():
    arrays = normal(2, 4, 5, 5), normal(6, 2, 3, 3), normal(6)

    def gradients(kind):
        inputs = [Tensor(kind(x), requires_grad=True) for x in arrays]
        y = conv2d(*inputs, stride=(1, 2), padding=1, groups=2)
        y = avg_pool2d(max_pool2d(y, 3, 2, 1), 2, 1)
        (y * y).sum().backward()
        return [x.grad for x in inputs]

    for foreign, plain in zip(gradients(Foreign), gradients(np.array), strict=True):
        assert isinstance(foreign, Foreign)
        np.testing.assert_array_equal(foreign.array, plain)


# What is a convolution, and what is a maximum


def test_conv2d_is_its_definition():
    x, weight, bias = normal(2, 4, 6, 7), normal(6, 2, 2, 3), normal(6)
    y = conv2d(x, weight, bias, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    expected = np.empty((2, 6, 4, 3))
    for o, s, t in np.ndindex(expected.shape[1:]):
        channels = slice(2, 4) if o >= 3 else slice(0, 2)
        window = x[:, channels, 2 * s : 2 * s + 2, t : t + 5 : 2]
        expected[:, o, s, t] = (window * weight[o]).sum(axis=(1, 2, 3)) + bias[o]
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_conv_transpose2d_is_the_transpose_of_conv2d():
    options = {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    x, weight = normal(2, 4, 7, 9), normal(6, 2, 3, 2)
    y = conv2d(x, weight, **options)
    w = normal(*y.shape)
    back = conv_transpose2d(w, weight, output_padding=(0, 0), **options)
    np.testing.assert_allclose(np.vdot(y, w), np.vdot(x, back), atol=1e-10)


def test_the_maximum_of_a_tie_is_shared_equally():
    x = Tensor([[[1.0, 1.0], [0.0, 1.0]]], requires_grad=True)
    max_pool2d(x, 2).sum().backward()
    np.testing.assert_allclose(x.grad, [[[1 / 3, 1 / 3], [0, 1 / 3]]])


def test_padding_is_never_the_maximum():
    x = Tensor(np.full((1, 3, 3), -1e300), requires_grad=True)
    y = max_pool2d(x, 3, stride=2, padding=1)
    assert np.all(y.data == -1e300)
    y.sum().backward()
    assert np.all(np.isfinite(x.grad))
    assert x.grad.sum() == pytest.approx(4)


def test_whole_numbers_have_means_too():
    x = np.arange(16).reshape(1, 4, 4)
    for y in (avg_pool2d(x, 2), avg_pool2d(x, 2, ceil_mode=True), adaptive_avg_pool2d(x, 2)):
        assert y.tolist() == [[[2.5, 4.5], [10.5, 12.5]]]


@pytest.mark.parametrize("case", MODULES)
def test_float32_stays_float32(case):
    layer = MODULES[case]
    state = layer.state_dict()
    try:
        x = normal(2, 2, 5) if "1d" in case else normal(2, 2, 5, 5)
        x = Tensor(x.astype(np.float32), requires_grad=True)
        y = layer.astype(np.float32)(x)
        y.sum().backward()
        assert y.dtype == np.float32
        assert all(p.grad.dtype == np.float32 for p in [x, *layer.parameters()])
    finally:
        layer.astype(float).load_state_dict(state)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv1d(4, 2, 3), (0, 2, 3)),
        (Conv2d(4, 2, 3, padding=1, groups=2), (0, 2, 5, 5)),
        (ConvTranspose2d(4, 2, 3), (0, 2, 7, 7)),
        (MaxPool2d(2), (0, 4, 2, 2)),
        (AvgPool2d(2, padding=1, count_include_pad=False), (0, 4, 3, 3)),
        (AdaptiveAvgPool2d(2), (0, 4, 2, 2)),
    ],
    ids=repr,
)
def test_an_empty_batch_gives_an_empty_result(layer, shape):
    x = Tensor(np.empty((0, 4, 5) if len(shape) == 3 else (0, 4, 5, 5)), requires_grad=True)
    y = layer(x)
    assert y.shape == shape
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert all(not p.grad.any() for p in layer.parameters())


# Layers


def test_weights_start_as_pytorchs():
    layer = Conv2d(8, 100, 5, groups=2, rng=np.random.default_rng(0))
    transposed = ConvTranspose2d(50, 8, 5, groups=2, rng=np.random.default_rng(0))
    for weight, bias in [(layer.weight, layer.bias), (transposed.weight, transposed.bias)]:
        assert weight.shape[1:] == (4, 5, 5)
        assert 0.99 < abs(weight.data).max() * 10 <= 1
        assert 0.5 < abs(bias.data).max() * 10 <= 1
        assert weight.data.std() * 10 == pytest.approx(1 / np.sqrt(3), rel=0.05)
    again = Conv2d(8, 100, 5, groups=2, rng=np.random.default_rng(0), dtype=np.float32)
    assert again.weight.dtype == again.bias.dtype == np.float32
    np.testing.assert_array_equal(again.weight.data, layer.weight.data.astype(np.float32))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv2d(1, 16, 3), "Conv2d(1, 16, kernel_size=(3, 3), stride=(1, 1))"),
        (
            MODULES["Conv2d"],
            "Conv2d(2, 4, kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), dilation=(2, 2), "
            "groups=2)",
        ),
        (
            MODULES["Conv2d, no bias"],
            "Conv2d(2, 3, kernel_size=(3, 3), stride=(1, 1), padding=same, bias=False)",
        ),
        (Conv1d(4, 2, 3), "Conv1d(4, 2, kernel_size=(3,), stride=(1,))"),
        (
            ConvTranspose2d(4, 2, 3, 2, 1, 1, 2),
            "ConvTranspose2d(4, 2, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
            "output_padding=(1, 1), groups=2)",
        ),
        (
            MaxPool2d((2, 3), 1, 1, ceil_mode=True),
            "MaxPool2d(kernel_size=(2, 3), stride=1, padding=1, dilation=1, ceil_mode=True)",
        ),
        (AvgPool2d(2), "AvgPool2d(kernel_size=2, stride=2, padding=0)"),
        (AdaptiveAvgPool2d((2, None)), "AdaptiveAvgPool2d(output_size=(2, None))"),
    ],
)
def test_repr_is_pytorchs(layer, text):
    assert repr(layer) == text


X, W = normal(2, 3, 4, 4), normal(4, 3, 3, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: Conv2d(2, 4, 3)(X),
            "conv2d: x of shape (2, 3, 4, 4) has 3 channels, and weight of shape (4, 2, 3, 3) with "
            "groups=1 takes 2",
        ),
        (
            lambda: Conv2d(6, 4, 3, groups=2)(X),
            "has 3 channels, and weight of shape (4, 3, 3, 3) with groups=2 takes 6",
        ),
        (
            lambda: ConvTranspose2d(2, 4, 3)(X),
            "conv_transpose2d: x of shape (2, 3, 4, 4) has 3 channels",
        ),
        (
            lambda: conv2d(X[0, 0], W),
            "conv2d takes x of shape (N, C, H, W) or (C, H, W), and x has shape (4, 4)",
        ),
        (lambda: conv1d(X, W[0]), "conv1d takes x of shape (N, C, L) or (C, L)"),
        (lambda: conv2d(X, W[0]), "this has shape (3, 3, 3)"),
        (lambda: conv2d(X, W, np.zeros(3)), "bias has shape (3,), and there are 4 output channels"),
        (lambda: conv2d(X, W, np.zeros(1)), "bias has shape (1,)"),
        (lambda: conv2d(X, W, padding=-1), "conv2d: padding is 0 or more, not -1"),
        (lambda: Conv2d(3, 4, 3, padding=(0, -1)), "Conv2d: padding is 0 or more, not (0, -1)"),
        (lambda: conv2d(X, W, padding="full"), "not 'full'"),
        (lambda: conv2d(X, W, padding="same", stride=2), "stride is (2, 2)"),
        (lambda: conv2d(X, W, stride=0), "conv2d: stride is 1 or more, not 0"),
        (lambda: conv2d(X, W, dilation=(1, 0)), "dilation is 1 or more, not (1, 0)"),
        (lambda: conv2d(X, W, stride=(1, 1, 1)), "stride is a whole number or a tuple of 2"),
        (lambda: conv2d(X, W, stride=1.5), "stride is a whole number or a tuple of 2, not 1.5"),
        (
            lambda: conv2d(X, W, dilation=2),
            "a kernel of (3, 3) with dilation (2, 2) spans (5, 5), more than the (4, 4)",
        ),
        (lambda: conv2d(X, W, groups=3), "groups=3 must divide"),
        (lambda: conv2d(X, W, groups=0), "groups=0 must divide"),
        (lambda: Conv2d(4, 6, 3, groups=4), "groups=4 must divide the 4 input channels and the 6"),
        (lambda: Conv2d(0, 4, 3), "at least one channel on each side, not 0 in and 4 out"),
        (lambda: Conv2d(3, 4, 0), "Conv2d: kernel_size is 1 or more, not 0"),
        (lambda: ConvTranspose2d(3, 4, 3, output_padding=1), "output_padding=1 must be less than"),
        (lambda: conv_transpose2d(X, W[:3], padding=3), "padding=3 cuts off the whole output"),
        (lambda: max_pool2d(X, 5), "max_pool2d: a kernel of (5, 5) with dilation (1, 1) spans"),
        (lambda: max_pool2d(X, 3, padding=2), "padding=2 is more than half of a window"),
        (lambda: avg_pool2d(X, 2, padding=-1), "avg_pool2d: padding is 0 or more, not -1"),
        (lambda: avg_pool2d(X, 2, stride=0), "avg_pool2d: stride is 1 or more, not 0"),
        (lambda: max_pool1d(X, 2), "max_pool1d takes x of shape (N, C, L) or (C, L)"),
        (lambda: adaptive_avg_pool2d(X, 0), "output_size is 1 or more, not (0, 0)"),
        (
            lambda: adaptive_avg_pool2d(X, (1, 2, 3)),
            "output_size is a whole number or a tuple of 2",
        ),
        (lambda: adaptive_avg_pool2d(X[0, 0], 1), "and x has shape (4, 4)"),
        (lambda: pad(X, (1, -1)), "pad=(1, -1) for an x of shape (2, 3, 4, 4)"),
        (lambda: pad(X, (1,)), "pad takes (before, after)"),
        (lambda: pad(X, (1,) * 10), "pad takes (before, after)"),
        (lambda: pad(X, (1, 1), "edge"), "mode is one of constant, reflect, replicate, circular"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 0.5, 2])
def test_pad_takes_any_number(value):
    for x in (np.ones(2), Tensor([1.0, 1.0])):
        out = pad(x, (1, 1), value=value)
        np.testing.assert_array_equal(getattr(out, "data", out), [value, 1, 1, value])
