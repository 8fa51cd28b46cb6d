"""What can be seen of a training while it runs, in a small share of its time?"""

import sys
import warnings
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.graph import plain
from tinygrad_edu.nn import Module
from tinygrad_edu.rng import default_rng

SIDE = 48  # places along each side of the plane, at which a model of two inputs is asked
POINTS = 300  # of the training data, that are shown in it
CLASSES = 7  # more of them are taken for numbers, not for classes
REST = 0.02  # seconds in which only losses and points are noted: small steps are shorter
SAMPLES = 1000  # of the gradient's norms: of more, every second is dropped


Points = tuple[Any, Any]  # (n, 2), and their classes, (n,)


class Plane(NamedTuple):
    """What a model of two inputs answered at SIDE by SIDE places, row by row from below."""

    bounds: tuple[float, float, float, float]  # left, right, bottom, top
    answer: Any  # (SIDE, SIDE, outputs)
    x: Any  # some of the training data, (n, 2)
    y: Any  # and their classes, (n,)
    level: float  # where a single score changes its class


class Budget:
    """May something be done now? It takes `share` of the time at most, and rests for `every` s."""

    def __init__(self, share: float, every: float = 0.0, cost: float = 0.0) -> None:
        self.share, self.every = share, every
        self.cost = cost  # seconds that it takes, on average
        self.spent, self.times = 0.0, 0
        self.start = self.last = perf_counter()

    def allows(self) -> bool:
        now = perf_counter()
        if now - self.last < self.every:
            return False
        return self.spent + self.cost <= self.share * (now - self.start)

    @contextmanager
    def paying(self) -> Iterator[None]:
        """What happens inside is paid for."""
        before = perf_counter()
        try:
            yield
        finally:
            self.last = perf_counter()
            self.spent += self.last - before
            self.times += 1
            self.cost = self.spent / self.times


class Live:
    """What `fit` notes for those who look on: `live=True` in a notebook, and `viz.watch`.

    losses       of each batch
    epoch_ends   the number of batches at the end of each epoch
    norms        {layer: the norm of its gradient}, at the batches `norm_steps`
    plane        the last answers of a model of two inputs to data of few classes; else None
    finished     whether the training has ended

    Taking the norms, asking for the plane and drawing take at most 0.3, 0.5 and 3 percent of the
    time. An error in any of them is told once, as a warning, and the training goes on without.
    """

    def __init__(self) -> None:
        self.losses = array("d")
        self.epoch_ends: list[int] = []
        self.epochs_before = 0
        self.norm_steps: list[int] = []
        self.norms: dict[str, list[float]] = {}
        self.plane: Plane | None = None
        self.finished = False
        self.draw: Callable[[], object] | None = None
        self.points: Points | None = np.empty((0, 2)), np.empty(0)
        self.layers: dict[str, list[Any]] = {}

    def begin(
        self, model: Module, predict: Callable[[Any], Any], epochs_before: int, level: float = 0.0
    ) -> None:
        """A training begins. predict(x) is what the model says in eval mode; level as in `fit`."""
        self.predict, self.level, self.finished = predict, level, False
        self.epochs_before = epochs_before - len(self.epoch_ends)
        self.layers = {}
        for path, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.layers.setdefault(path.rpartition(".")[0] or path, []).append(parameter)
        self.norms = {layer: self.norms.get(layer, []) for layer in self.layers}
        self.time_to_draw = Budget(0.03, every=1.0)
        if self.draw:
            with self.guarded():
                self.draw()  # this imports matplotlib
                before = perf_counter()
                self.draw()  # and this tells what a picture costs
                self.time_to_draw = Budget(0.03, every=1.0, cost=perf_counter() - before)
        self.due = 0.0
        self.time_for_norms, self.time_for_plane = Budget(0.003), Budget(0.005, every=0.2)

    def batch(self, x: Any, y: Any, loss: float) -> None:
        """A batch was differentiated: its gradients are there, and no step was made yet."""
        self.losses.append(loss)
        if self.points is not None and len(self.points[1]) < POINTS:
            with self.guarded():
                self.points = more_points(self.points, x, y)
        now = perf_counter()
        if now < self.due:
            return
        self.due = now + REST
        if self.time_for_norms.allows():
            with self.guarded(), self.time_for_norms.paying():
                self.take_norms()
        if self.points is not None and self.time_for_plane.allows():
            with self.guarded(), self.time_for_plane.paying():
                self.plane = self.answers_around(*self.points)
        if self.draw and self.time_to_draw.allows():
            with self.guarded(), self.time_to_draw.paying():
                self.draw()

    def epoch(self) -> None:
        """An epoch has ended, and the history knows it."""
        self.epoch_ends.append(len(self.losses))

    def end(self) -> None:
        """The training has ended, or was stopped."""
        self.finished = True
        with self.guarded():
            if self.points is not None and len(self.points[1]):
                self.plane = self.answers_around(*self.points)
            if self.draw:
                self.draw()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """An error inside becomes a warning, and ends all looking on."""
        try:
            yield
        except Exception as error:
            self.draw, self.points, self.layers = None, None, {}
            text = f"the training goes on, but is no longer shown: {type(error).__name__}: {error}"
            warnings.warn(text, RuntimeWarning, stacklevel=4)

    def take_norms(self) -> None:
        """Note the norm of the gradient of each layer."""
        if not self.layers:
            return
        if len(self.norm_steps) >= SAMPLES:
            del self.norm_steps[1::2]
            for norms in self.norms.values():
                del norms[1::2]
            self.time_for_norms.every = 2 * (perf_counter() - self.time_for_norms.start) / SAMPLES
        for layer, parameters in self.layers.items():
            gradients = [plain(p.grad) for p in parameters if p.grad is not None]
            squares = sum(float(np.vdot(g, g)) for g in gradients)
            self.norms[layer].append(squares**0.5)
        self.norm_steps.append(len(self.losses))

    def answers_around(self, x: Any, y: Any) -> Plane:
        """What the model answers on a rectangle around the points."""
        low, high = x.min(axis=0), x.max(axis=0)
        margin = np.where(high > low, 0.1 * (high - low), 1.0)
        (left, bottom), (right, top) = low - margin, high + margin
        across, up = np.linspace(left, right, SIDE), np.linspace(bottom, top, SIDE)
        places = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
        if x.dtype.kind == "f":
            places = places.astype(x.dtype)
        answer = np.asarray(self.predict_without_drawing(places)).reshape(SIDE, SIDE, -1)
        bounds = float(left), float(right), float(bottom), float(top)
        return Plane(bounds, answer, x, y, self.level)

    def predict_without_drawing(self, places: Any) -> Any:
        """Ask the model, and put the generator back: the training draws what it would have."""
        bits = default_rng().bit_generator
        before = bits.state
        try:
            return self.predict(places)
        finally:
            bits.state = before


def more_points(points: Points, x: Any, y: Any) -> Points | None:
    """The points and those of a batch; None if these are no points of a few classes."""
    try:
        x, y = np.asarray(plain(x)), np.asarray(plain(y))
    except ValueError:  # rows of different lengths
        return None
    if x.shape[1:] != (2,) or y.size != len(x):
        return None
    if not all(each.dtype.kind in "biuf" and np.all(np.isfinite(each)) for each in (x, y)):
        return None
    known = [points[0]] if len(points[1]) else []
    both = np.concatenate([*known, x])[:POINTS]
    classes = np.concatenate([points[1], y.reshape(-1)])[:POINTS]
    return None if len(np.unique(classes)) > CLASSES else (both, classes)


def show_in_notebook(history: Any) -> None:
    """Draw history.live in the output of the notebook's cell; elsewhere say what to do instead."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        warnings.warn(
            "live=True draws in a notebook, and this is none: write `with viz.watch(history): "
            "train.fit(..., history=history)` to see the training in a browser tab",
            stacklevel=3,
        )
        return
    from IPython.display import Image, display

    from tinygrad_edu.viz.plots import plot_live

    history.live = history.live or Live()
    handle: list[Any] = []

    def draw() -> None:
        png = BytesIO()
        plot_live(history).savefig(png, format="png")
        picture = Image(png.getvalue())
        if handle:
            handle[0].update(picture)
        else:
            handle.append(display(picture, display_id=True))

    history.live.draw = draw
