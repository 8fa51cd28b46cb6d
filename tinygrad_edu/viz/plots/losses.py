"""Losses of one prediction, and their slopes, drawn side by side."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import kernels, losses
from tinygrad_edu.transforms import value_and_grad
from tinygrad_edu.viz.plots.style import figure, line, saved, tidy

Losses = Mapping[str, Callable[[Any], Any]]

# What there is to compare, for a target of 0; and for the true class of two, by its probability p
# and by its logit z.
ERROR: Losses = {
    "squared": lambda e: losses.mse_loss(e, 0.0),
    "half squared": lambda e: losses.half_squared_error(e, 0.0),
    "absolute": lambda e: losses.l1_loss(e, 0.0),
    "Huber, delta 2": lambda e: losses.huber_loss(e, 0.0, delta=2.0),
    "smooth L1, beta 1": lambda e: losses.smooth_l1_loss(e, 0.0),
}
PROBABILITY: Losses = {
    "cross-entropy": lambda p: losses.binary_cross_entropy(p, 1.0),
    "squared": lambda p: losses.mse_loss(p, 1.0),
}
LOGIT: Losses = {
    "cross-entropy": lambda z: losses.binary_cross_entropy_with_logits(z, 1.0),
    "squared, of the sigmoid": lambda z: losses.mse_loss(kernels.sigmoid(z), 1.0),
    "hinge": lambda z: losses.hinge_loss(z, 1.0),
}


def plot_losses(
    functions: Losses,
    low: float = -3.0,
    high: float = 3.0,
    xlabel: str = "prediction",
    path: str | Path | None = None,
    points: int = 301,
) -> Any:
    """Each loss L(p) for p from low to high, and dL/dp beside it, which the engine finds.

    functions  name: function of one prediction, a number, that returns one number, as
               {"squared": lambda p: mse_loss(p, 3.0)}
    path       where to save the figure, which is returned
    Raises ValueError for no functions, low >= high, fewer than 2 points, and a function that
    returns no number.
    """
    if not functions:
        raise ValueError("functions must have at least one entry, and it is empty")
    if not low < high:
        raise ValueError(f"low must be less than high, and they are {low} and {high}")
    if points < 2:
        raise ValueError(f"points must be at least 2, and it is {points}")
    predictions = np.linspace(low, high, points)
    fig = figure(9, 4)
    value, slope = map(tidy, fig.subplots(1, 2))
    for k, (name, loss) in enumerate(functions.items()):
        curves = np.array([value_and_grad(loss)(p) for p in predictions])
        look = line(k) | {"linewidth": 1.5 + 0.4 * (len(functions) - 1 - k)}  # shows those beneath
        value.plot(predictions, curves[:, 0], **look, label=name)
        slope.plot(predictions, curves[:, 1], **look)
    value.set(xlabel=xlabel, ylabel="loss", title="How wrong: the loss")
    slope.set(xlabel=xlabel, ylabel="slope of the loss", title="How hard it pulls: the slope")
    value.legend()
    saved(value, path)
    return fig
