"""The learning-rate range test: a short training, whose rate grows until the loss breaks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.lab.curvature import grads_put_back
from tinygrad_edu.lab.descent import Array, is_finite, scalar_loss
from tinygrad_edu.nn import Module

SMOOTHING = 0.9  # the weight of the old value in the running mean of the losses
BROKEN = 4.0  # the test ends when the smoothed loss is this many times its lowest value so far


@dataclass(frozen=True)
class RangeTest:
    """The loss at each learning rate, and a suggested rate.

    lr          (n,) the rates; each is the one before times the same factor
    loss        (n,) the loss of the batch before the step with this rate
    smoothed    (n,) the running mean of the losses, corrected for its start at 0
    suggestion  a tenth of the rate at which the smoothed loss is lowest: the loss still falls
                there, and the rate is far below the limit
    limit       the rate at which the test ended early; infinite if it did not
    """

    lr: Array
    loss: Array
    smoothed: Array
    suggestion: float
    limit: float

    def __str__(self) -> str:
        end = f"breaks at {self.limit:.2g}" if np.isfinite(self.limit) else "does not break"
        lowest = f"{self.lr[np.nanargmin(self.smoothed)]:.2g}"
        return f"the loss is lowest at learning rate {lowest} and {end}: take {self.suggestion:.2g}"


def lr_range_test(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    data: Iterable[tuple[Any, Any]],
    *,
    start: float = 1e-5,
    end: float = 10.0,
    steps: int = 100,
) -> RangeTest:
    """Train for `steps` batches with lr = start (end / start)^(t / (steps - 1)); note the losses.

    loss        a function of (model(x), y) that returns a scalar
    optimizer   the optimizer of the model's parameters
    data        batches (x, y), repeated when they are used up
    start, end  the first and the last learning rate
    steps       the number of batches

    The test ends early when the smoothed loss is 4 times its lowest value, or not finite. Then
    the model and the optimizer are as before, and so are the gradients.
    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3.
    Raises ValueError unless 0 < start < end, for fewer than 10 steps, for data without batches, and
    for a first loss that is not finite.
    """
    if not 0 < start < end < np.inf:
        raise ValueError(f"the rates must grow, 0 < start < end, and they are {start} and {end}")
    if steps < 10:
        raise ValueError(f"steps must be at least 10, and it is {steps}")
    rates = np.geomspace(start, end, steps)
    losses: list[float] = []
    smoothed: list[float] = []
    mean, limit = 0.0, np.inf
    weights, state = model.state_dict(), optimizer.state_dict()

    def restore() -> None:
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)

    trained = [*model.parameters(), *optimizer.params]
    with afterwards(restore), grads_put_back(trained), np.errstate(all="ignore"):
        for t, (rate, (x, y)) in enumerate(zip(rates, endless(data)), start=1):
            optimizer.lr = float(rate)
            optimizer.zero_grad()
            value = scalar_loss(loss(model(x), y))
            losses.append(value.item())
            if not is_finite(losses[0]):
                raise ValueError(f"the loss at the start must be finite, and it is {losses[0]}")
            mean = SMOOTHING * mean + (1 - SMOOTHING) * losses[-1]
            smoothed.append(mean / (1 - SMOOTHING**t))
            best = min(smoothed)
            if not smoothed[-1] <= best + (BROKEN - 1) * abs(best):
                limit = float(rate)
                break
            value.backward()
            optimizer.step()
    curve, rates = np.array(smoothed), rates[: len(losses)]
    suggestion = float(rates[np.nanargmin(curve)]) / 10
    return RangeTest(rates, np.array(losses), curve, suggestion, limit)


def endless(data: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """The batches of data, repeated without end. Raises ValueError if there are none."""
    while True:
        empty = True
        for pair in data:
            empty = False
            yield pair
        if empty:
            raise ValueError(
                "data gave no batch: they are empty, or an iterator, which can be used only once; "
                "use a list or train.batches(...)"
            )
