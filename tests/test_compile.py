"""compile: the same bits as without, in every layer, loss and optimizer, and never wrong in silence."""

import functools
import json

import numpy as np
import pytest
from references import stored
from test_losses import CALLS

from tinygrad_edu import Tensor, losses, manual_seed, nn, no_grad, optim
from tinygrad_edu.compiler import compile  # noqa: A004
from tinygrad_edu.graph import plain
from tinygrad_edu.rng import Package
from tinygrad_edu.structures import leaves

PASSES = {"all passes": {}, "no pass": {"optimize": ()}}
every_pass = pytest.mark.parametrize("options", PASSES.values(), ids=PASSES)


class World:
    """A function, what it holds, and what is done between its calls: made anew for each run."""

    def __init__(self, f, *held, optimizer=None, between=lambda i: None):
        self.f, self.held, self.optimizer, self.between = f, held, optimizer, between

    def eager(self, *args, **options):
        if self.optimizer:  # no .grad is read or changed
            models = [x for x in self.held if isinstance(x, nn.Module)]
            nodes = [*args, *self.optimizer.params, *(p for m in models for p in m.parameters())]
            held = [(x, x.grad) for x in nodes if isinstance(x, Tensor)]
            self.optimizer.zero_grad()
        out = self.f(*args, **options)
        roots = [x for x in leaves(out) if isinstance(x, Tensor) and x.requires_grad]
        for root in roots:
            root.backward()
        if self.optimizer:
            self.optimizer.step()
            for p, g in held:
                p.grad = g
        return out

    def numbers(self):
        found = [Package.rng.bit_generator.state]
        for x in (*self.held, *([self.optimizer] if self.optimizer else [])):
            if isinstance(x, nn.Module):
                found += [x.state_dict(), [gradient(p) for p in x.parameters()]]
                found += [m.rng.bit_generator.state for m in x.modules() if getattr(m, "rng", None)]
            elif isinstance(x, Tensor):
                found += [np.copy(x.data), gradient(x)]
            elif isinstance(x, np.random.Generator):
                found.append(x.bit_generator.state)
            elif isinstance(x, optim.Optimizer):
                found += [x.state_dict(), [gradient(p) for p in x.params]]
            else:
                found.append(np.copy(x))
        return found


def gradient(x):
    return None if x.grad is None else np.copy(plain(x.grad))


def history(make, calls, compiled):
    """What is returned, and all numbers, after each call; and the compiled function."""
    manual_seed(5)
    world = make()
    step = world.eager if compiled is None else compile(world.f, world.optimizer, **compiled)
    seen = []
    for i, call in enumerate(calls):
        args, options = call if isinstance(call, tuple) else ((call,), {})
        out = step(*args, **options)
        seen.append([[np.copy(plain(x)) for x in leaves(out)], world.numbers()])
        world.between(i)
    return seen, step


def assert_same_steps(make, calls, **compiled):
    """Compiled and eager, from the same start, are the same bits after each call."""
    expected, _ = history(make, calls, None)
    found, step = history(make, calls, compiled)
    for i, (a, b) in enumerate(zip(expected, found, strict=True)):
        assert_same(b, a, f"call {i}")
    return step


def assert_same(found, expected, where):
    """The same structure, dtypes and bits."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where} {key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_same(a, b, f"{where} {i}")
    elif hasattr(expected, "dtype"):
        np.testing.assert_array_equal(found, expected, where, strict=True)
        assert np.array_equal(np.signbit(found), np.signbit(expected)), where
    else:
        assert type(found) is type(expected), where
        assert found == expected, where


def draws(*shapes, n=5, dtype=float, positive=False):
    """Arguments of n calls: arrays of these shapes."""
    rng = np.random.default_rng(3)
    found = [[rng.standard_normal(shape).astype(dtype) for shape in shapes] for _ in range(n)]
    return [(tuple(abs(x) if positive else x for x in xs), {}) for xs in found]


# Layers

X = (4, 6)
SEQUENCE, IMAGE = (5, 2, 4), (2, 4, 6, 6)
WORDS = [((np.array([[0, 2, 1], [3, 3, 4]]) * i % 5,), {}) for i in range(1, 6)]
LAYERS = {
    "Linear": (lambda: nn.Linear(6, 3), draws(X)),
    "Linear in float32": (lambda: nn.Linear(6, 3, dtype=np.float32), draws(X, dtype=np.float32)),
    "without bias": (lambda: nn.Linear(6, 3, bias=False), draws(X)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), draws((5, 2, 4))),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), draws(IMAGE)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 3, 3, stride=2), draws(IMAGE)),
    "MaxPool1d": (lambda: nn.Sequential(nn.Linear(4, 4), nn.MaxPool1d(2)), draws(SEQUENCE)),
    "MaxPool2d": (lambda: nn.Sequential(nn.Conv2d(4, 2, 1), nn.MaxPool2d(2)), draws(IMAGE)),
    "AvgPool1d": (lambda: nn.Sequential(nn.Linear(4, 4), nn.AvgPool1d(2)), draws(SEQUENCE)),
    "AvgPool2d": (
        lambda: nn.Sequential(nn.Conv2d(4, 2, 1), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
        draws(IMAGE),
    ),
    "AdaptiveAvgPool2d": (
        lambda: nn.Sequential(nn.Conv2d(4, 2, 1), nn.AdaptiveAvgPool2d((4, 3))),
        draws(IMAGE),
    ),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), draws(X)),
    "BatchNorm1d in float16": (
        lambda: nn.BatchNorm1d(6, dtype=np.float16),
        draws(X, dtype=np.float16),
    ),
    "average of all batches": (lambda: nn.BatchNorm1d(6, momentum=None), draws(X)),
    "batches without statistics": (
        lambda: nn.BatchNorm1d(6, track_running_stats=False),
        draws(X),
    ),
    "BatchNorm2d": (lambda: nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)), draws(IMAGE)),
    "LayerNorm": (lambda: nn.LayerNorm(6), draws(X)),
    "RMSNorm": (lambda: nn.RMSNorm(6), draws(X)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), draws(IMAGE)),
    "Dropout": (lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4), nn.Dropout()), draws(X)),
    "Dropout with its generator": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4, np.random.default_rng(1))),
        draws(X),
    ),
    "Embedding": (lambda: nn.Embedding(5, 3), WORDS),
    "Embedding with padding": (lambda: nn.Embedding(5, 3, padding_idx=-2), WORDS),
    "RNN": (lambda: nn.RNN(4, 3, 2, dropout=0.3, bidirectional=True), draws(SEQUENCE)),
    "RNN of relu": (lambda: nn.RNN(4, 3, nonlinearity="relu", batch_first=True), draws(SEQUENCE)),
    "GRU": (lambda: nn.GRU(4, 3, 2), draws(SEQUENCE)),
    "LSTM": (lambda: nn.LSTM(4, 3, bidirectional=True), draws(SEQUENCE)),
    "cells": (lambda: Cells(), draws((2, 4))),
    "MultiheadAttention": (lambda: Attention(), draws(SEQUENCE)),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, 0.2, "gelu", batch_first=True),
        draws(SEQUENCE),
    ),
    "norm first": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, norm_first=True),
        draws(SEQUENCE),
    ),
    "Residual": (lambda: nn.Residual(nn.Sequential(nn.Linear(6, 6), nn.Tanh())), draws(X)),
    "Flatten": (lambda: nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten()), draws(IMAGE)),
    "Identity": (lambda: nn.Sequential(nn.Identity(), nn.Linear(6, 2), nn.Identity()), draws(X)),
    "ModuleList": (lambda: Parts(), draws(X)),
    "PReLU": (lambda: nn.Sequential(nn.Linear(6, 3), nn.PReLU(3)), draws(X)),
}
ACTIVATIONS = "CELU ELU GELU GLU Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax"
ACTIVATIONS += " Mish ReLU ReLU6 SELU Sigmoid SiLU Softmax Softmin Softplus Softsign Tanh"
for name in ACTIVATIONS.split():
    LAYERS[name] = (
        lambda kind=getattr(nn, name): nn.Sequential(nn.Linear(6, 4), kind()),
        draws(X),
    )
SCALAR = {"MLP", "Layer", "Neuron"}  # of Values


class Cells(nn.Module):
    def __init__(self):
        self.cells = {"a": nn.RNNCell(4, 3), "b": (nn.GRUCell(3, 3), [nn.LSTMCell(3, 2)])}

    def __call__(self, x):
        b, (c,) = self.cells["b"]
        return c(b(self.cells["a"](x)))[1]


class Attention(nn.Module):
    def __init__(self):
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.3)

    def __call__(self, x):
        out, weights = self.attention(x, x, x)
        return out.sum() + (weights**2).sum()


class Parts(nn.Module):
    def __init__(self):
        self.parts = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])

    def __call__(self, x):
        for part in self.parts:
            x = np.tanh(part(x))
        return x


def test_every_layer_has_a_row():
    inside = set()
    for make, _ in LAYERS.values():
        inside |= {type(m).__name__ for m in make().modules()}
    kinds = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert kinds - SCALAR - {"Module", "Summary"} <= inside


@every_pass
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("row", LAYERS)
def test_a_layer_trains_with_the_same_bits(row, training, options):
    layer, calls = LAYERS[row]

    def make():
        model = layer().train(training)

        def loss(x):
            out = model(x)
            out = out[0] if isinstance(out, tuple) else out
            return (out * out * 0.5 + out).sum()

        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        return World(loss, model, optimizer=optimizer)

    step = assert_same_steps(make, calls, **options)
    assert len(step.programs) == 1


# Losses

LOSSES = {
    **{f"{f.__name__} {how}": (f, inputs, {"reduction": how})
       for f, inputs in CALLS.items() for how in ("mean", "sum", "none")},
    "ignored rows": (losses.cross_entropy, (CALLS[losses.mse_loss][0], np.array([2, -100])), {}),
    "weights": (
        losses.cross_entropy,
        (CALLS[losses.mse_loss][0], np.array([2, 0])),
        {"weight": np.array([0.5, 1.0, 2.0]), "label_smoothing": 0.1},
    ),
    "log target": (losses.kl_div, CALLS[losses.kl_div], {"log_target": True}),
    "batchmean": (losses.kl_div, CALLS[losses.kl_div], {"reduction": "batchmean"}),
    "swap": (losses.triplet_margin_loss, CALLS[losses.triplet_margin_loss], {"swap": True}),
    "pos_weight": (
        losses.binary_cross_entropy_with_logits,
        CALLS[losses.binary_cross_entropy_with_logits],
        {"pos_weight": np.array([1.0, 2.0, 3.0]), "weight": np.array([[0.5], [1.0]])},
    ),
    "full": (losses.gaussian_nll_loss, CALLS[losses.gaussian_nll_loss], {"full": True}),
    "two": (losses.multi_margin_loss, CALLS[losses.multi_margin_loss], {"p": 2, "weight": [1, 2, 3]}),
}


@every_pass
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("row", LOSSES)
def test_a_loss_has_the_same_bits(row, dtype, options):
    f, inputs, settings = LOSSES[row]
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs]
    tracked = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]

    def make():
        given = [Tensor(x, requires_grad=True) if i in tracked else x for i, x in enumerate(inputs)]

        def loss(*others):
            return (f(*given, **settings) * 0.5).sum()

        def between(i):
            given[0].data = (given[0].data * dtype(0.99)) if f is losses.kl_div else given[0].data

        return World(loss, *given, between=between)

    assert_same_steps(make, [((), {})] * 5, **options)


# Optimizers

SETTINGS = [case for case in stored("optimizers") if "{" in case]
SETTINGS += ['Lion {"weight_decay": 0.1}', 'Lion {"lr": 1}', 'Muon {"ns_steps": 2}']


def small_network(dtype=float):
    shape = {"dtype": dtype}
    return nn.Sequential(nn.Linear(3, 4, **shape), nn.Tanh(), nn.Linear(4, 2, **shape))


def squared_error(model):
    return lambda x, y: losses.mse_loss(model(x), y)


BATCHES = draws((5, 3), (5, 2))


@every_pass
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", SETTINGS)
def test_an_optimizer_makes_the_same_steps(case, dtype, options):
    kind, _, settings = case.partition(" ")

    def make():
        model = small_network(dtype)
        params = [p for p in model.parameters() if p.ndim == 2 or kind != "Muon"]
        optimizer = getattr(optim, kind)(params, **json.loads(settings))
        return World(squared_error(model), model, optimizer=optimizer)

    assert_same_steps(make, draws((5, 3), (5, 2), dtype=dtype), **options)
