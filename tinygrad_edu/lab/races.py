"""Optimizers side by side: one landscape or one network, the same start, step by step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tinygrad_edu.lab.descent import Array, in_a_line, is_finite, make_optimizer, scalar_loss
from tinygrad_edu.lab.landscapes import Landscape, Plane, landscape, principal_plane
from tinygrad_edu.lab.weights import gradient_row, in_a_row, set_weights
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.train.data import array_of

POINTS = 60  # of the landscape, along each axis
MARGIN = 0.2  # of the longer side of the paths: the free border around them


@dataclass(frozen=True)
class Racer:
    """One optimizer in a race.

    name        what it is called in the picture
    optimizer   the name of a class in `optim`, with its `settings`
    batch_size  on a network: how many rows, drawn again for each step, its gradient is of; all
                without
    noise       on a landscape: standard deviation of what is added to each number of its gradient,
                as a batch would
    """

    name: str
    optimizer: str
    lr: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    noise: float = 0.0


def default_racers(
    lr: float = 0.01, adaptive_lr: float = 0.1, *, batch_size: int = 16, noise: float = 1.0
) -> list[Racer]:
    """Gradient descent, its batched form, two kinds of momentum, and three adaptive optimizers.

    adaptive_lr  of Adagrad, RMSprop and Adam: about how far a step goes along each axis, in Adagrad
                 less and less
    """
    return [
        Racer("gradient descent", "SGD", lr),
        Racer("mini-batch SGD", "SGD", lr, batch_size=batch_size, noise=noise),
        Racer("momentum", "SGD", lr, {"momentum": 0.9}),
        Racer("Nesterov", "SGD", lr, {"momentum": 0.9, "nesterov": True}),
        Racer("Adagrad", "Adagrad", adaptive_lr),
        Racer("RMSprop", "RMSprop", adaptive_lr, {"alpha": 0.9}),
        Racer("Adam", "Adam", adaptive_lr),
    ]


@dataclass(frozen=True)
class Entry:
    """How one racer did. Row t is the state before step t; the last row is the end.

    x         (steps + 1, n) the n weights, all in one row
    loss      (steps + 1,) on all data, without noise
    gradient  (steps, n) what the optimizer saw: of its batch, with its noise
    rows      of data in each gradient; 0 on a landscape

    Ends early where a number is not finite any more.
    """

    racer: Racer
    x: Array
    loss: Array
    gradient: Array
    rows: int

    @property
    def effective_lr(self) -> Array:
        """(steps, n) |Δw| / |g|: the rate with which gradient descent would make the same step.

        It is lr for plain gradient descent. Momentum reaches lr / (1 - momentum) on a slope that
        stays the same; Adagrad, RMSprop and Adam have one for each weight, from the size of its
        gradients so far. nan where g is 0.
        """
        with np.errstate(all="ignore"):
            return np.abs(np.diff(self.x, axis=0)) / np.where(
                self.gradient == 0, np.nan, np.abs(self.gradient)
            )

    @property
    def rows_seen(self) -> npt.NDArray[np.int64]:
        """(steps + 1,) how many gradients of a row were computed before each step: the cost."""
        return self.rows * np.arange(len(self.x))

    def first_below(self, loss: float) -> int | None:
        """The first step before which the loss was at most this, or None."""
        below = np.flatnonzero(self.loss <= loss)
        return int(below[0]) if len(below) else None

    def __str__(self) -> str:
        return in_a_line(self.racer.name, self.racer.lr, self.loss)


@dataclass(frozen=True)
class Race:
    """All entries, in the order of the racers, and the landscape on which their paths are shown.

    Of two weights, that is the plane of both. Of more, it goes through where the best ended, along
    the two principal components of all paths. `minima` are those that a Surface knows of itself.
    """

    entries: tuple[Entry, ...]
    landscape: Landscape
    minima: tuple[tuple[float, ...], ...] = ()

    def __getitem__(self, name: str) -> Entry:
        return {entry.racer.name: entry for entry in self.entries}[name]

    def __str__(self) -> str:
        """The lowest loss at the end first."""
        return "\n".join(str(entry) for entry in sorted(self.entries, key=last_loss))


def race(
    problem: Callable[..., Any],
    racers: Sequence[Racer] | None = None,
    steps: int = 100,
    *,
    start: npt.ArrayLike | None = None,
    data: tuple[Any, Any] | None = None,
    rng: np.random.Generator | None = None,
) -> Race:
    """Let each racer make `steps` steps on the same problem from the same start.

    problem  with `start`, a point of at least two numbers: a function of such a point (a Surface)
             that returns a scalar. With `data`, arrays x and y: a function without arguments that
             returns a model and a loss, of which loss(model(x), y) is a scalar
    racers   `default_racers()` without
    rng      where batches and noise come from; the package's generator by default

    All weights of all steps are kept: this is for small networks. A number that is not finite ends
    the run of its racer, without a warning.
    Raises ValueError for no racers, two of the same name, an optimizer, rate, setting or batch size
    that makes no sense (it names the racer), and a problem that returns no finite scalar at first.
    """
    racers = default_racers() if racers is None else list(racers)
    if not racers:
        raise ValueError("racers is empty: a race needs at least one, such as default_racers()")
    names = [racer.name for racer in racers]
    if len(set(names)) < len(names):
        raise ValueError(f"racers must have different names, and they are {', '.join(names)}")
    if (start is None) == (data is None):
        raise ValueError("a race is on a function, with start=, or on a network, with data=")
    steps = whole("steps", steps)
    course: Course = PointCourse(problem, start) if data is None else NetworkCourse(problem, data)
    rng = default_rng(rng)
    for racer in racers:
        check_racer(racer, course)
    with np.errstate(all="ignore"):
        loss = scalar_loss(course.loss()).item()
    if not is_finite(loss):
        raise ValueError(f"the loss at the start must be finite, and it is {loss}")
    first = in_a_row(course.parameters)
    entries = []
    for racer in racers:
        set_weights(course.parameters, first)
        entries.append(run_racer(racer, course, steps, rng))
    plane = plane_of_paths(entries, getattr(problem, "bounds", None))
    shown = landscape(course.loss, course.parameters, plane, points=POINTS, progress=False)
    return Race(tuple(entries), shown, getattr(problem, "minima", ()))


class Course(Protocol):
    """What is raced on.

    rows  of data; 0 without
    loss  on all data
    seen  what the racer sees of it, or None if that is all
    """

    parameters: list[Any]
    rows: int

    def loss(self) -> Any: ...

    def seen(self, racer: Racer, rng: np.random.Generator) -> Any: ...


class PointCourse:
    """f(x), and for a racer with noise ξ, f(x) + ξ (x - x₀) with x₀ where x is: a gradient + ξ."""

    rows = 0

    def __init__(self, f: Callable[[Any], Any], start: Any) -> None:
        x = Tensor(np.array(start, float), requires_grad=True, name="x")
        if x.ndim != 1 or x.size < 2 or not is_finite(x.data):
            raise ValueError(
                f"start must be a point of at least two finite numbers, and it is {start}"
            )
        self.f, self.x, self.parameters = f, x, [x]

    def loss(self) -> Any:
        return self.f(self.x)

    def seen(self, racer: Racer, rng: np.random.Generator) -> Any:
        if not racer.noise:
            return None
        noise = racer.noise * rng.standard_normal(self.x.shape)
        return self.f(self.x) + (noise * (self.x - self.x.data)).sum()


class NetworkCourse:
    """loss(model(x), y), and for a racer with a batch size, of so many rows."""

    def __init__(self, make: Callable[[], tuple[Any, Any]], data: tuple[Any, Any]) -> None:
        self.model, self.criterion = make()
        self.x, self.y = map(array_of, data)
        if len(self.x) != len(self.y):
            raise ValueError(f"data has {len(self.x)} rows in x and {len(self.y)} in y")
        self.parameters = self.model.parameters()
        self.rows = len(self.x)

    def loss(self) -> Any:
        return self.criterion(self.model(self.x), self.y)

    def seen(self, racer: Racer, rng: np.random.Generator) -> Any:
        if racer.batch_size is None:
            return None
        batch = rng.choice(self.rows, racer.batch_size, replace=False)
        return self.criterion(self.model(self.x[batch]), self.y[batch])


def check_racer(racer: Racer, course: Course) -> None:
    """Raise ValueError that names the racer, if it cannot race."""
    try:
        make_optimizer(racer.optimizer, course.parameters, racer.lr, racer.settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"racer {racer.name!r}: {error}") from error
    if not 0 <= racer.noise < np.inf:
        raise ValueError(
            f"racer {racer.name!r}: noise must be finite and at least 0, and it is {racer.noise}"
        )
    if course.rows and not (racer.batch_size is None or 1 <= racer.batch_size <= course.rows):
        raise ValueError(
            f"racer {racer.name!r}: batch_size must be from 1 to {course.rows}, the number of "
            f"rows, and it is {racer.batch_size}"
        )


def run_racer(racer: Racer, course: Course, steps: int, rng: np.random.Generator) -> Entry:
    """Step down from where the parameters are now."""
    parameters = course.parameters
    optimizer = make_optimizer(racer.optimizer, parameters, racer.lr, racer.settings)
    points, losses, gradients = [], [], []
    with np.errstate(all="ignore"):
        for t in range(steps + 1):
            loss = scalar_loss(course.loss())
            points.append(in_a_row(parameters))
            losses.append(loss.item())
            if t == steps or not is_finite(points[-1]) or not is_finite(losses[-1]):
                break
            seen = course.seen(racer, rng)
            optimizer.zero_grad()
            (loss if seen is None else seen).backward()
            gradients.append(gradient_row(parameters))
            optimizer.step()
    x = np.array(points)
    rows = (racer.batch_size or course.rows) if course.rows else 0
    return Entry(racer, x, np.array(losses), np.reshape(gradients, (-1, x.shape[1])), rows)


def plane_of_paths(entries: Sequence[Entry], bounds: Any = None) -> Plane:
    """Where all points lie that are no worse than the start, and if there are `bounds`, those."""
    paths = [e.x[e.loss <= e.loss[0]] for e in sorted(entries, key=last_loss, reverse=True)]
    points = np.concatenate(paths)
    n = points.shape[1]
    if n > 2 and len(points) > 2 and np.any(points != points[0]):
        return principal_plane(points)
    points, margin = points[:, :2], 0.0  # all of it; or else nobody got anywhere
    if bounds is None or n > 2:
        margin = MARGIN * (np.max(np.ptp(points, axis=0)) or 1.0)
    else:
        points = np.concatenate([points, np.transpose(bounds)])
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    sides = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
    labels = ("first weight", "second weight") if entries[0].rows else ("x", "y")
    return Plane(np.concatenate([[0, 0], entries[0].x[0, 2:]]), np.eye(n)[:2], labels, sides)


def last_loss(entry: Entry) -> float:
    return float(np.nan_to_num(entry.loss[-1], nan=np.inf))
