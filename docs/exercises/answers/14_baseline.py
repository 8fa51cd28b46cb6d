"""A rate, a width and a schedule that beat a baseline."""

import math

import numpy as np
from checking import AnswerError, as_numbers

from tinygrad_edu import losses, nn, optim

HINTS = [
    "Try rates that differ by a factor of three: 0.01, 0.03, 0.1, 0.3. Let the schedule return 1 "
    "first, and find the rate at which the loss is lowest, or just does not grow.",
    "A large rate needs a schedule that comes down. The cosine (1 + cos(pi done)) / 2 falls from 1 "
    "to 0; with it a rate between 0.1 and 0.2 works for 16 neurons.",
]

ANSWER = """
import math

lr = 0.15
width = 16


def schedule(done):
    return (1 + math.cos(math.pi * done)) / 2
"""

COSINE = "(1 + math.cos(math.pi * done)) / 2"

MISTAKES = [
    ("lr = 0.15", "lr = 0.001", "crawls"),
    ("lr = 0.15", "lr = 3.0", "diverged"),
    ("lr = 0.15", "lr = 0.05", "not yet below"),
    ("width = 16", "width = 64", "at most 32"),
    (COSINE, "1 - 2 * done", "negative"),
    (COSINE, "1.0", "never comes down"),
    (COSINE, "0.5", "never comes down"),
]

STEPS, GOAL, BASELINE = 300, 0.025, 0.078


def check(names):
    lr = as_numbers("lr", names["lr"]).item()
    width = int(as_numbers("width", names["width"]))
    schedule = names["schedule"]
    if lr <= 0:
        raise AnswerError(f"lr is {lr}: a learning rate is above 0.")
    if not 1 <= width <= 32:
        raise AnswerError(f"width is {width}: it is at most 32, and at least 1.")
    factors = [as_numbers("what schedule returns", schedule(t / STEPS)) for t in range(STEPS)]
    if min(factors) < 0:
        raise AnswerError(
            f"The schedule becomes negative, {min(factors):.3g}: steps would go uphill."
        )
    yield f"the settings make sense: rate {lr:g}, {width} neurons"
    loss = np.mean([held_out_loss(lr, width, factors, seed) for seed in range(2)])
    if loss > GOAL:
        raise AnswerError(
            f"The loss on new points is {loss:.3g}, not yet below {GOAL}. {advice(loss, factors)}"
        )
    yield f"the loss on new points is {loss:.3g}, below {GOAL}"


def advice(loss, factors):
    """What the number most likely means."""
    stays_high = factors[-1] >= 0.5
    if not loss < 10:
        stays = " The schedule never comes down; one that does bears a higher rate."
        return "The training diverged: the rate is too high." + (stays if stays_high else "")
    if loss > BASELINE:
        return "The training crawls: the rate is too low."
    if stays_high:
        return "The schedule never comes down, so the noise of the mini-batches stays."
    return "Try another rate, a factor of three larger or smaller."


def held_out_loss(lr, width, factors, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (80, 1))
    y = np.sin(2 * x) + rng.normal(0, 0.1, x.shape)
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
        sgd.lr = lr * float(factor)
        sgd.step()
    return losses.mse_loss(model(new), np.sin(2 * new)).item()
