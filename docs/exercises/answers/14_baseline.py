"""A rate, a width and a schedule that beat a baseline."""

import math

import numpy as np
from checking import AnswerError, as_number

from tinygrad_edu import losses, nn, optim

HINTS = [
    "Try rates that differ by a factor of three: 0.01, 0.03, 0.1, 0.3. Let the schedule return 1 "
    "first, and find the rate at which the loss is lowest, or just does not grow.",
    "With a constant rate the noise of the mini-batches remains at the end. The cosine "
    "(1 + cos(pi done)) / 2 falls from 1 to 0; with it 0.03 and 0.05 work for 16 neurons.",
]

ANSWER = """
import math

lr = 0.05
width = 16


def schedule(done):
    return (1 + math.cos(math.pi * done)) / 2
"""

COSINE = "(1 + math.cos(math.pi * done)) / 2"

MISTAKES = [
    ("lr = 0.05", "lr = 0.001", "too low"),
    ("lr = 0.05", "lr = 3.0", "diverged"),
    ("lr = 0.05", "lr = 0.01", "too low"),
    ("lr = 0.05", "lr = None", "lr is None"),
    ("lr = 0.05", "lr = '0.05'", "its type is str"),
    ("lr = 0.05", "lr = -0.05", "above 0"),
    ("width = 16", "width = 64", "at most 32"),
    ("width = 16", "width = 16.5", "whole number"),
    ("width = 16", "width = 1", "too few"),
    ("return (1", "(1", "schedule(0.0) is None"),
    (COSINE, "[1.0, 0.5]", "one number"),
    (COSINE, "done", "never comes down"),
    (COSINE, "1 - 2 * done", "negative"),
    (COSINE, "1.0", "never comes down"),
    (COSINE, "0.5", "never comes down"),
    ("def schedule(done)", "def schedule(step, steps)", "Keep the arguments"),
]

STEPS, SEEDS, GOAL = 300, 3, 0.023


def check(names):
    lr = as_number("lr", names["lr"])
    width = as_number("width", names["width"])
    schedule = names.function("schedule")
    if lr <= 0:
        raise AnswerError(f"lr is {lr}: a learning rate is above 0.")
    if width != int(width):
        raise AnswerError(f"width is {width}: it is a whole number.")
    if not 1 <= width <= 32:
        raise AnswerError(f"width is {width:g}: it is at most 32, and at least 1.")
    shares = [t / STEPS for t in range(STEPS)]
    factors = [as_number(f"schedule({done:.4})", schedule(done)) for done in shares]
    if min(factors) < 0:
        raise AnswerError(
            f"The schedule becomes negative, {min(factors):.3g}: steps would go uphill."
        )
    yield f"the settings make sense: rate {lr:g}, {width:g} neurons"
    loss = mean_loss(lr, int(width), factors)
    if not loss < GOAL:
        raise AnswerError(
            f"The loss on new points is {loss:.3g}, not yet below {GOAL}. "
            f"{advice(loss, lr, int(width), factors)}"
        )
    yield f"the loss on new points is {loss:.3g}, below {GOAL}"


def advice(loss, lr, width, factors):
    """What to change first; whether the rate is too low or too high is measured."""
    if not loss < 10:
        return "The training diverged: the rate is too high."
    if factors[-1] >= 0.5:
        return "The schedule never comes down, so the noise of the mini-batches stays to the end."
    if width < 4:
        return f"A hidden layer of {width} neurons is too few to follow the wave."
    for factor, verdict in ((3, "too low"), (1 / 3, "too high")):
        other = mean_loss(lr * factor, width, factors)
        if other < loss:
            return f"With the rate {lr * factor:.3g} it is {other:.3g}: your rate is {verdict}."
    return "A rate three times as high or as low is worse: change the schedule or the width."


def mean_loss(lr, width, factors):
    return np.mean([held_out_loss(lr, width, factors, seed) for seed in range(SEEDS)])


def held_out_loss(lr, width, factors, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (80, 1))
    y = np.sin(1.5 * x) + rng.normal(0, 0.3, x.shape)
    new = np.linspace(-3, 3, 200)[:, None]
    model = nn.Sequential(nn.Linear(1, width, rng=rng), nn.Tanh(), nn.Linear(width, 1, rng=rng))
    sgd = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for factor in factors:
        rows = rng.integers(0, 80, 10)
        loss = losses.mse_loss(model(x[rows]), y[rows])
        if not loss.item() < 1e6:
            return math.inf
        sgd.zero_grad()
        loss.backward()
        sgd.lr = lr * factor
        sgd.step()
    return losses.mse_loss(model(new), np.sin(1.5 * new)).item()
