"""Twenty steps of training each network of the examples, compiled: the same bits as without."""

import functools

import numpy as np
import pytest
from drawn import THOROUGH
from sklearn.datasets import load_digits, make_moons
from test_compile import World, assert_same_steps
from test_examples import example

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.optim import lr_scheduler

STEPS = 20
CHEAP = {"xor", "spirals", "sine_regression", "small moons", "losses_compared"}


@functools.cache
def module(name):
    return example(name)


def digits(batch, shape=(64,), dtype=np.float32, noise=0.0, steps=STEPS):
    """Batches of digits, as the examples draw them."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(steps):
        rows = rng.choice(len(x), batch, replace=False)
        noisy = x[rows] / 16 + noise * rng.standard_normal(x[rows].shape)
        found.append((noisy.astype(dtype).reshape(batch, *shape), y[rows]))
    return found


def again(*args):
    return [args] * STEPS


def supervised(model, loss, optimizer, scheduler=None):
    """A step on (x, y), with its schedule between the steps."""

    def f(x, y):
        return loss(model(x), y)

    between = (lambda i: scheduler.step()) if scheduler else (lambda i: None)
    return World(f, model, optimizer=optimizer, between=between)


def clipped(model, scores, optimizer, scheduler):
    """A step as a user writes it, with clipping, and all of it compiled."""

    def f(x, y):
        optimizer.zero_grad()
        loss = losses.cross_entropy(scores(x), y)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return World(f, model, optimizer, between=lambda i: scheduler.step())


def quickstart():
    model = nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    adam = optim.Adam(model.parameters())
    world = supervised(model, losses.cross_entropy, adam)
    world.between = lambda i: setattr(adam, "lr", 2e-3 * (1 - i / STEPS))
    return world


def xor():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    sgd = optim.SGD(model.parameters(), lr=1.0)
    return supervised(model, losses.binary_cross_entropy_with_logits, sgd)


def spirals():
    model = nn.Sequential(
        nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)
    )
    return supervised(model, losses.cross_entropy, optim.Adam(model.parameters(), lr=0.01))


def spiral_batches():
    x, y = module("spirals").spirals(np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(len(x))
    return [(x[rows], y[rows]) for rows in order[: STEPS * 32].reshape(STEPS, 32)]


def sine_regression(activation=nn.Tanh):
    model = nn.Sequential(nn.Linear(1, 16), activation(), nn.Linear(16, 1))
    adam = optim.Adam(model.parameters(), lr=0.01)
    schedule = lr_scheduler.CosineAnnealingLR(adam, T_max=STEPS)
    return supervised(model, losses.mse_loss, adam, schedule)


def sine_samples():
    rng = np.random.default_rng(0)
    return [module("sine_regression").samples(rng, 20) for _ in range(STEPS)]


def digits_cnn():
    model = module("digits_cnn").network()
    adamw = optim.AdamW(model.parameters())
    cycle = lr_scheduler.OneCycleLR(adamw, max_lr=0.01, total_steps=30)
    return supervised(model, losses.cross_entropy, adamw, cycle)


def autoencoder():
    perceptron = module("autoencoder").perceptron
    model = nn.Sequential(perceptron(64, 128, 64, 2), perceptron(2, 64, 128, 64))
    adamw = optim.AdamW(model.parameters())
    cycle = lr_scheduler.OneCycleLR(adamw, max_lr=0.01, total_steps=30)
    world = supervised(model, losses.mse_loss, adamw, cycle)
    world.f = lambda x, y: losses.mse_loss(model(x), x)
    return world


def char_gpt():
    model = module("char_gpt").Writer(40)
    adamw = optim.AdamW(model.parameters(), 5e-3)
    return clipped(model, model, adamw, lr_scheduler.WarmupCosineLR(adamw, 5, 30))


def char_lstm():
    model = module("char_lstm").Writer(40)
    adamw = optim.AdamW(model.parameters(), 1e-2)
    return clipped(model, lambda x: model(x)[0], adamw, lr_scheduler.WarmupCosineLR(adamw, 5, 30))


def windows(batch, length):
    rng = np.random.default_rng(0)
    text = rng.integers(40, size=(STEPS, batch, length + 1))
    return [(x[:, :-1], x[:, 1:]) for x in text]


def resume():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    adam = optim.Adam(model.parameters())
    cycle = lr_scheduler.OneCycleLR(adam, max_lr=0.01, total_steps=84)
    return supervised(model, losses.cross_entropy, adam, cycle)


def schedules_compared(name):
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    sgd = optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    schedule = module("schedules_compared").SCHEDULES[name](sgd, 30)
    return supervised(model, losses.cross_entropy, sgd, schedule)


def losses_compared():
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    sgd = optim.SGD(model.parameters(), lr=1.0)
    return supervised(model, module("losses_compared").squared_error, sgd)


def vanishing_gradients(block):
    example = module("vanishing_gradients")
    model = example.network(example.BLOCKS[block])
    return supervised(model, losses.cross_entropy, optim.SGD(model.parameters(), lr=0.1))


def edge_of_stability():
    layers = [nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)]
    model = nn.Sequential(*layers)
    return supervised(model, losses.mse_loss, optim.SGD(model.parameters(), lr=0.2))


def scalar_moons(*sizes):
    """Of Values, all points in one step."""
    model = nn.MLP(2, [*sizes, 1])
    parameters = model.parameters()
    sgd = optim.SGD(parameters, lr=0.2, momentum=0.9)

    def f(points, labels):
        hinge = sum((1 - y * model(point)).relu() for y, point in zip(labels, points, strict=True))
        return hinge / len(labels) + 1e-4 * sum(p * p for p in parameters)

    return World(f, model, optimizer=sgd)


def moons(n):
    points, classes = make_moons(n, noise=0.1, random_state=0)
    return again(points.tolist(), (2.0 * classes - 1).tolist())


X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LINE = np.linspace(-1, 1, 40)[:, None]
NETWORKS = {
    "quickstart": (quickstart, lambda: digits(32, dtype=float, noise=0.3)),
    "xor": (xor, lambda: again(X, np.array([[0.0], [1.0], [1.0], [0.0]]))),
    "spirals": (spirals, spiral_batches),
    "sine_regression": (sine_regression, sine_samples),
    "sine_regression, relu": (functools.partial(sine_regression, nn.ReLU), sine_samples),
    "digits_cnn": (digits_cnn, lambda: digits(8, (1, 8, 8))),
    "autoencoder": (autoencoder, lambda: digits(16)),
    "char_gpt": (char_gpt, lambda: windows(4, 16)),
    "char_lstm": (char_lstm, lambda: windows(4, 8)),
    "resume": (resume, lambda: digits(64, dtype=float)),
    "losses_compared": (losses_compared, lambda: digits(64, dtype=float)),
    "edge_of_stability": (edge_of_stability, lambda: again(LINE, np.sin(3 * LINE))),
    "scalar_moons": (functools.partial(scalar_moons, 16, 16), lambda: moons(2)),
    "small moons": (functools.partial(scalar_moons, 3), lambda: moons(2)),
    **{
        f"schedules_compared, {name}": (
            functools.partial(schedules_compared, name),
            lambda: digits(32, dtype=float, noise=0.3),
        )
        for name in ("steps", "exponential", "cosine", "one cycle")
    },
    **{
        f"vanishing_gradients, {block}": (
            functools.partial(vanishing_gradients, block),
            lambda: [(x[:, :16], y % 2) for x, y in digits(64, dtype=float)],
        )
        for block in ("sigmoid", "relu", "residual")
    },
}


@pytest.mark.parametrize(
    "row", [*NETWORKS] if THOROUGH > 1 else [x for x in NETWORKS if x in CHEAP]
)
def test_twenty_steps_of_an_example_have_the_same_bits(row):
    make, calls = NETWORKS[row]
    assert_same_steps(make, [(args, {}) for args in calls()])
