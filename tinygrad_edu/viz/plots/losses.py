"""Plots of losses of one prediction, and of their slopes, side by side."""

from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import kernels, losses
from tinygrad_edu.transforms import value_and_grad
from tinygrad_edu.viz.plots.style import SMALL, label_ends, line, panels, saved

SAME = 1e-9  # curves are equal where they differ by less than this share of the largest loss
LONG = 0.1  # equal curves are named if they are equal on more than this share of the range
Losses = Mapping[str, Callable[[Any], Any]]

# Losses to compare: for a target of 0, as functions of the error e; and for the true one of two
# classes, as functions of its probability p or of its logit z.
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
    """Each loss L(p) for p from low to high, and its derivative dL/dp, computed by the engine.

    functions  {name: a function of one prediction that returns one number}, such as
               {"squared": lambda p: mse_loss(p, 3.0)}
    low, high  the range of predictions
    xlabel     the text below both axes
    path       the file to save the picture in, such as "losses.png"
    points     the number of predictions

    A text below the picture names curves that are equal and hide each other. Returns matplotlib's
    figure.
    Raises ValueError for an empty dict, for low >= high, for fewer than 2 points, and for a
    function that does not return a number.
    """
    if not functions:
        raise ValueError("functions must have at least one entry, and it is empty")
    if not low < high:
        raise ValueError(f"low must be less than high, and they are {low} and {high}")
    if points < 2:
        raise ValueError(f"points must be at least 2, and it is {points}")
    predictions = np.linspace(low, high, points)
    value, slope = panels("ab", 9, 4.5)
    found = {
        name: np.array([value_and_grad(loss)(p) for p in predictions])
        for name, loss in functions.items()
    }
    for k, (name, curves) in enumerate(found.items()):
        look = line(k) | {"linewidth": 1.5 + 0.4 * (len(functions) - 1 - k)}  # shows those beneath
        for ax, curve in zip((value, slope), curves.T, strict=True):
            ax.plot(predictions, curve, **look, label=name)
    value.set(xlabel=xlabel, ylabel="loss", title="The loss")
    slope.set(xlabel=xlabel, ylabel="slope of the loss", title="Its slope")
    value.figure.supxlabel(same_curves(predictions, found), fontsize=SMALL)
    label_ends(value)
    return saved(value, path)


def same_curves(x: Any, found: Mapping[str, Any]) -> str:
    """Which curves (points, 2) are equal, and on which range; the largest groups come first."""
    told: dict[str, set[str]] = {}  # {range: names}; larger groups are found first
    for size in range(len(found), 1, -1):
        for names in map(set, combinations(found, size)):
            values = np.array([found[name][:, 0] for name in names])
            same = np.ptp(values, axis=0) <= SAME * np.max(np.abs(values))
            where = f"from {x[same].min():.3g} to {x[same].max():.3g}" if np.any(same) else ""
            if np.mean(same) > LONG and not names <= told.get(where, set()):
                told[where] = names
    return "\n".join(
        f"{' = '.join(name for name in found if name in names)} {where}"
        for where, names in told.items()
    )
