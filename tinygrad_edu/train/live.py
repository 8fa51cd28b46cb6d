"""What can one see of a training while it runs, at a small cost in time?"""

import sys
import warnings
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.graph import plain
from tinygrad_edu.nn import Module
from tinygrad_edu.rng import default_rng

SIDE = 48  # points along each side of the grid on which a model of two inputs is evaluated
POINTS = 300  # the number of training points in the picture
CLASSES = 7  # targets with more different values than this are numbers, not classes
REST = 0.02  # seconds between two looks at the budgets: many steps are shorter than that
SAMPLES = 1000  # of the gradient norms; when there are more, every second one is dropped


Points = tuple[Any, Any]  # points (n, 2) and their classes (n,)


class Plane(NamedTuple):
    """The outputs of a model of two inputs on a SIDE by SIDE grid, row by row from the bottom."""

    bounds: tuple[float, float, float, float]  # left, right, bottom, top
    answer: Any  # (SIDE, SIDE, outputs)
    x: Any  # some of the training points, (n, 2)
    y: Any  # their classes, (n,)
    level: float  # the score at which a model with one output changes its class


class Budget:
    """May a task run now? It may use `share` of the time, and waits `every` seconds after it ran.

    later  how often the task runs after the training in any case: its budget saves for that
    """

    def __init__(self, share: float, every: float = 0.0, later: int = 0) -> None:
        self.share, self.every, self.later = share, every, later
        self.cost = 0.0  # seconds that the task takes, on average
        self.spent, self.times = 0.0, 0
        self.start = self.last = perf_counter()

    def allows(self) -> bool:
        now = perf_counter()
        if now - self.last < self.every:
            return False
        return self.spent + (1 + self.later) * self.cost <= self.share * (now - self.start)

    @contextmanager
    def paying(self) -> Iterator[None]:
        """The time spent inside the block is charged to this budget."""
        before = perf_counter()
        try:
            yield
        finally:
            self.last = perf_counter()
            self.spent += self.last - before
            self.times += 1
            self.cost = self.spent / self.times


class Live:
    """What `fit` records for a live view: `live=True` in a notebook, or `viz.watch`.

    losses       the loss of each batch
    epoch_ends   the number of batches up to the end of each epoch
    norms        {layer: the norms of its gradient}, measured at the batches `norm_steps`
    plane        the last outputs on the plane, for a model of two inputs and data of at most 7
                 classes; None for all others
    finished     whether the training has ended

    The norms, the plane and the drawing take at most 0.2, 0.3 and 2 percent of the time. In a short
    training the first and the last picture are a larger share. If one of these tasks raises an
    error, a warning says so once, and the training goes on without a live view.
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
        """A training begins. predict(x): the model's output in eval mode; level: as in `fit`."""
        self.predict, self.level, self.finished = predict, level, False
        self.epochs_before = epochs_before - len(self.epoch_ends)
        self.layers = {}
        for path, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.layers.setdefault(path.rpartition(".")[0] or path, []).append(parameter)
        self.norms = {layer: self.norms.get(layer, []) for layer in self.layers}
        self.time_to_draw = Budget(0.02, every=1.0, later=1)
        if self.draw:
            with self.guarded(), self.time_to_draw.paying():
                self.draw()  # a picture without curves, which shows where they will be
        self.due = 0.0
        self.time_for_norms, self.time_for_plane = Budget(0.002), Budget(0.003, every=0.2)

    def batch(self, x: Any, y: Any, loss: float) -> None:
        """A batch was differentiated: it has gradients, and the optimizer has not stepped yet."""
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
        """An epoch has ended, and the history contains it."""
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
        """An error inside the block becomes a warning, and ends the live view."""
        try:
            yield
        except Exception as error:
            self.draw, self.points, self.layers = None, None, {}
            text = f"the training goes on, but is no longer shown: {type(error).__name__}: {error}"
            warnings.warn(text, RuntimeWarning, stacklevel=4)

    def take_norms(self) -> None:
        """Record the norm of each layer's gradient."""
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
        """The model's outputs on a grid over a rectangle around the points x."""
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
        """The model's outputs, with the generator's state kept: the training is not changed."""
        bits = default_rng().bit_generator
        before = bits.state
        try:
            return self.predict(places)
        finally:
            bits.state = before


def more_points(points: Points, x: Any, y: Any) -> Points | None:
    """The points with those of a batch; None unless all are finite 2-D points of few classes."""
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
    """Draw history.live below the notebook's cell. Elsewhere, warn and say what to do instead."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        warnings.warn(
            "live=True draws in a notebook, and this is not one: write `with viz.watch(history): "
            "train.fit(..., history=history)` to see the training in a browser tab",
            stacklevel=3,
        )
        return
    from IPython.display import Image, display

    from tinygrad_edu.viz.plots import plot_live

    import_module("matplotlib.backends.backend_agg")  # or the first picture would seem slow
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
