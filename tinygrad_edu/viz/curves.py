"""What can be drawn of a training? Its curves and its decision plane, as plain data."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

DRAWN = 100  # points of a curve, at most: more numbers are drawn as the means of groups
LAYERS = 7  # curves of gradient norms, at most
DECADE = 10.0  # a scale is logarithmic if the largest number is at least so many times the smallest


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


class Groups:
    """The means of equal groups of a growing list of numbers: at most DRAWN groups.

    If there are more, neighbouring groups are joined in pairs. So each number is read only once,
    however often the means are drawn.
    """

    def __init__(self) -> None:
        self.n = 1  # numbers in a group
        self.ends: Any = np.empty(0)  # the step of the last number in each group
        self.means: Any = np.empty(0)

    def grow(self, steps: Sequence[float], numbers: Sequence[float], first: int = 0) -> None:
        """Add the new numbers: numbers[first + i] belongs to steps[i]."""
        total = max(0, min(len(steps), len(numbers) - first))
        if total < self.n * len(self.means):  # a new list: start again
            self.n, self.ends, self.means = 1, np.empty(0), np.empty(0)
        while total // self.n > DRAWN:
            even = len(self.means) // 2 * 2
            self.n, self.ends = 2 * self.n, self.ends[1:even:2]
            self.means = self.means[:even].reshape(-1, 2).mean(axis=1)
        known, whole = self.n * len(self.means), total // self.n * self.n
        new = np.array(numbers[first + known : first + whole], float).reshape(-1, self.n)
        self.ends = np.append(self.ends, steps[known + self.n - 1 : whole : self.n])
        self.means = np.append(self.means, new.mean(axis=1))

    def curve(self, name: str) -> Curve:
        told = name if self.n == 1 else f"{name}, means of {self.n}"
        return Curve(told, self.ends.tolist(), self.means.tolist())


def panels_of(history: Any, groups: dict[Any, Groups] | None = None) -> list[Panel]:
    """The curves of a training: by step if its batches were watched, else by epoch.

    groups  the groups of earlier calls, which this call updates: a dictionary, empty at first.
            With it, each call reads only the new numbers of a long training
    """
    live = looked_at(history)
    known = {} if groups is None else groups
    xlabel, start = ("step", live.epochs_before) if live else ("epoch", 0)
    epoch_ends = live.epoch_ends if live else range(1, len(history) + 1)

    def drawn(name: str, steps: Any, values: Any, first: int = 0) -> Curve:
        group = known.setdefault((name, xlabel, first), Groups())
        group.grow(steps, values, first)
        return group.curve(name)

    def by_epoch(name: str, values: Any) -> Curve:
        return drawn(name, epoch_ends, values, start)

    if live:
        training = drawn("training", range(1, len(live.losses) + 1), live.losses)
    else:
        training = by_epoch("training", history.train_loss)
    validation = [by_epoch("validation", history.validation_loss)]
    panels = [("loss", [training, *(validation if history.validation_loss else [])])]
    if live and live.norm_steps:
        panels.append(("norm of the gradient, by layer", curves_of_norms(live)))
    if history.metrics:
        metrics = [by_epoch(*each) for each in list(history.metrics.items())]
        panels.append(("metrics", metrics))
    return [
        Panel(title, xlabel, spans_decades(y for each in curves for y in each.y if y), curves)
        for title, curves in panels
    ]


def curves_of_norms(live: Any) -> list[Curve]:
    """A curve for each layer; of many layers, seven from the first to the last."""
    steps, layers = live.norm_steps[:], list(live.norms)
    chosen = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), LAYERS)).astype(int))
    curves = []
    for k in chosen:
        groups = Groups()
        groups.grow(steps, live.norms[layers[k]])
        curves.append(Curve(layers[k], groups.ends.tolist(), groups.means.tolist()))
    return curves


def plane_of(history: Any) -> dict[str, Any] | None:
    """The latest predictions in the plane: classes, or scores and the level of the boundary."""
    plane = history.live and history.live.plane
    if not plane:
        return None
    classes, numbers = np.unique(plane.y), class_numbers(plane.y, plane.answer.shape[-1])
    shown = {
        "bounds": plane.bounds,
        "x": plane.x,
        "y": numbers,
        "names": names_of(classes, class_numbers(classes, plane.answer.shape[-1])),
    }
    if plane.answer.shape[-1] > 1:
        return {**shown, "kind": "classes", "cells": plane.answer.argmax(axis=-1)}
    scores = plane.answer[..., 0].astype(float)
    return {**shown, "kind": "score", "level": float(plane.level), "cells": scores}


def class_numbers(y: Any, outputs: int) -> Any:
    """The number of each point's class, which sets its colour.

    y        the class of each point
    outputs  how many scores a model has; one score stands for the classes 0 and 1

    Classes that are indices of scores keep their numbers. Others, such as -1 and 1, are numbered
    from 0 in increasing order.
    """
    numeric = y.dtype.kind in "biuf"
    if numeric and np.all((y >= 0) & (y < max(outputs, 2)) & (y == np.floor(y))):
        return y.astype(int)
    return np.unique(y, return_inverse=True)[1]


def names_of(classes: Any, numbers: Any) -> list[str]:
    """A name for each class number from 0 on; a class without points is called by its number."""
    known = dict(zip(numbers.tolist(), classes.tolist(), strict=True))
    return [f"{known.get(k, k):g}" for k in range(max(known) + 1)]


def status_of(history: Any) -> str:
    """The progress of the training, in one line."""
    live = looked_at(history)
    if live is None:
        return str(history)
    state = "finished" if live.finished else "running"
    return f"{state}, step {len(live.losses)}: {history}"


def looked_at(history: Any) -> Any:
    """What was recorded of its batches; None if only epochs are known."""
    live = history.live
    return live if live and (len(live.losses) or not len(history)) else None


def spans_decades(values: Iterable[float]) -> bool:
    """Whether all values are positive, and the largest is at least ten times the smallest."""
    found = np.array(list(values), float)
    finite = found[np.isfinite(found)]
    return finite.size > 0 and bool(finite.min() > 0 and finite.max() / DECADE >= finite.min())
