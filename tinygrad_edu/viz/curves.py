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


class Groups:
    """The means of equal groups of a growing list of numbers: at most DRAWN groups.

    If there are more, each two neighbours become one. So a number is looked at once, however
    often the means are asked for.
    """

    def __init__(self) -> None:
        self.n = 1  # numbers of a group
        self.ends: Any = np.empty(0)  # the step of the last of each group
        self.means: Any = np.empty(0)

    def grow(self, steps: Sequence[float], numbers: Sequence[float], first: int = 0) -> None:
        """Take in what is new: numbers[first + i] was noted at steps[i]."""
        total = max(0, min(len(steps), len(numbers) - first))
        if total < self.n * len(self.means):  # another list
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
    """The curves of a training, by step where its batches were looked at, else by epoch.

    groups  what was drawn before, and is brought up to date: a dictionary, empty at first, that
            makes it cheap to ask for the curves of a long training again and again
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
    """A curve for each layer; of many layers some, from the first to the last."""
    steps, layers = live.norm_steps[:], list(live.norms)
    chosen = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), LAYERS)).astype(int))
    curves = []
    for k in chosen:
        groups = Groups()
        groups.grow(steps, live.norms[layers[k]])
        curves.append(Curve(layers[k], groups.ends.tolist(), groups.means.tolist()))
    return curves


def plane_of(history: Any) -> dict[str, Any] | None:
    """The last answers in the plane: classes, or a score and the level of its boundary."""
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
    found = np.array(list(values), float)
    finite = found[np.isfinite(found)]
    return finite.size > 0 and bool(finite.min() > 0 and finite.max() / DECADE >= finite.min())
