"""What is there to see of a training? Its curves and its plane, as plain data."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

DRAWN = 100  # numbers of a curve: of more, the means of groups are drawn
LAYERS = 7  # whose gradients are drawn, of more
DECADE = 10.0  # from here on, largest over smallest, a scale is logarithmic


class Curve(NamedTuple):
    """One line of a panel."""

    name: str
    x: list[float]
    y: list[float]


class Panel(NamedTuple):
    """Curves that share their axes."""

    title: str
    xlabel: str
    log: bool
    curves: list[Curve]


def panels_of(history: Any) -> list[Panel]:
    """The curves of a training, by step where its batches were looked at, else by epoch."""
    live = looked_at(history)
    steps = live.epoch_ends[:] if live else list(range(1, len(history) + 1))
    xlabel = "step" if live else "epoch"
    start = live.epochs_before if live else 0

    def by_epoch(name: str, values: Sequence[float]) -> Curve:
        kept = values[start:][: len(steps)]
        return Curve(name, [float(x) for x in steps[: len(kept)]], list(kept))

    training = by_epoch("training", history.train_loss)
    if live:
        training = curve_of_batches(np.frombuffer(live.losses.tobytes()))
    validation = [by_epoch("validation", history.validation_loss)]
    panels = [("loss", [training, *(validation if history.validation_loss else [])])]
    if live and live.norm_steps:
        panels.append(("norm of the gradient, by layer", curves_of_norms(live)))
    if history.metrics:
        metrics = [by_epoch(name, values) for name, values in list(history.metrics.items())]
        panels.append(("metrics", metrics))
    return [
        Panel(title, xlabel, spans_decades(y for each in curves for y in each.y if y), curves)
        for title, curves in panels
    ]


def curve_of_batches(losses: Any) -> Curve:
    """The loss of each batch, or the means of equal groups of them."""
    steps, means, n = in_groups(np.arange(1.0, len(losses) + 1), losses)
    return Curve("training" if n == 1 else f"training, means of {n}", steps, means)


def in_groups(steps: Any, numbers: Any) -> tuple[list[float], list[float], int]:
    """The last step and the mean of each group of n numbers, and n."""
    n = max(1, -(-len(numbers) // DRAWN))
    whole = len(numbers) // n * n
    means = np.reshape(numbers[:whole], (-1, n)).mean(axis=1)
    return np.asarray(steps[n - 1 : whole : n], float).tolist(), means.tolist(), n


def curves_of_norms(live: Any) -> list[Curve]:
    """A curve for each layer; of many layers some, from the first to the last."""
    steps, layers = live.norm_steps[:], list(live.norms)
    chosen = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), LAYERS)).astype(int))
    curves = []
    for k in chosen:
        norms = live.norms[layers[k]][: len(steps)]
        curves.append(Curve(layers[k], *in_groups(steps[: len(norms)], norms)[:2]))
    return curves


def plane_of(history: Any) -> dict[str, Any] | None:
    """The last answers in the plane: classes, or a score and the level of its boundary."""
    plane = history.live and history.live.plane
    if not plane:
        return None
    classes, numbers = np.unique(plane.y), class_numbers(plane.y, plane.answer.shape[-1])
    shown = {
        "bounds": plane.bounds,
        "x": plane.x.tolist(),
        "y": numbers.tolist(),
        "names": names_of(classes, class_numbers(classes, plane.answer.shape[-1])),
    }
    if plane.answer.shape[-1] > 1:
        return {**shown, "kind": "classes", "cells": plane.answer.argmax(axis=-1).tolist()}
    scores = plane.answer[..., 0].astype(float)
    probability = scores.min() >= 0 and scores.max() <= 1 and np.all(np.isin(classes, (0, 1)))
    level = 0.5 if probability else 0.0
    return {**shown, "kind": "score", "level": level, "cells": scores.tolist()}


def class_numbers(y: Any, outputs: int) -> Any:
    """The number of each class, which decides on its colour: itself, if a score has it as index.

    y        the class of each point
    outputs  how many scores a model has; one score stands for the classes 0 and 1

    Other classes, such as -1 and 1, are numbered in their order.
    """
    numeric = y.dtype.kind in "biuf"
    if numeric and np.all((y >= 0) & (y < max(outputs, 2)) & (y == np.floor(y))):
        return y.astype(int)
    return np.unique(y, return_inverse=True)[1]


def names_of(classes: Any, numbers: Any) -> list[str]:
    """A name for each number from 0 on; that of a class that no point has is its number."""
    known = dict(zip(numbers.tolist(), classes.tolist(), strict=True))
    return [f"{known.get(k, k):g}" for k in range(max(known) + 1)]


def status_of(history: Any) -> str:
    """How far the training is, in a line."""
    live = looked_at(history)
    if live is None:
        return str(history)
    state = "finished" if live.finished else "running"
    return f"{state}, step {len(live.losses)}: {history}"


def looked_at(history: Any) -> Any:
    """What was seen of its batches; None if epochs are all that is known."""
    live = history.live
    return live if live and (len(live.losses) or not len(history)) else None


def spans_decades(values: Iterable[float]) -> bool:
    """Whether the largest is ten times the smallest, or more, and all are positive."""
    finite = np.array([y for y in values if np.isfinite(y)])
    return finite.size > 0 and bool(finite.min() > 0 and finite.max() / DECADE >= finite.min())
