"""How do optimizers differ? A race on one function or network, all from the same start."""

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

POINTS = 60  # grid points of the landscape along each axis
MARGIN = 0.2  # the free border around the paths, as a share of their longer side


@dataclass(frozen=True)
class Racer:
    """One optimizer in a race.

    name        the name in the picture
    optimizer   the name of a class in `optim`, such as "Adam"
    lr          its learning rate
    settings    {name: value} its other arguments
    batch_size  on a network: the number of rows, drawn again for each step, that its gradient is
                computed from; None: all rows
    noise       on a function: the standard deviation of random numbers added to its gradient, as a
                substitute for the noise of batches
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
    """Gradient descent, mini-batch SGD, two kinds of momentum, and three adaptive optimizers.

    lr           the learning rate of gradient descent, SGD and momentum
    adaptive_lr  the learning rate of Adagrad, RMSprop and Adam: about the length of a step along
                 each axis; the steps of Adagrad become shorter
    batch_size   the batch size of mini-batch SGD, on a network
    noise        the noise in the gradient of mini-batch SGD, on a function
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
    """The path of one racer. Row t is the state before step t; the last row is the end.

    racer     the `Racer`
    x         (steps + 1, n) the n weights, all in one row
    loss      (steps + 1,) the loss on all data, without noise
    gradient  (steps, n) the gradient that the optimizer used: of its batch, with its noise
    rows      the number of data rows in each gradient; 0 on a function

    A path ends early at the first number that is not finite.
    """

    racer: Racer
    x: Array
    loss: Array
    gradient: Array
    rows: int

    @property
    def effective_lr(self) -> Array:
        """(steps, n) |Δw| / |g|: with this learning rate, gradient descent makes the same step.

        For gradient descent it is lr. Momentum reaches lr / (1 - momentum) on a constant slope.
        Adagrad, RMSprop and Adam have a different rate for each weight, because they divide by the
        size of its gradients so far. nan where g is 0.
        """
        with np.errstate(all="ignore"):
            return np.abs(np.diff(self.x, axis=0)) / np.where(
                self.gradient == 0, np.nan, np.abs(self.gradient)
            )

    @property
    def rows_seen(self) -> npt.NDArray[np.int64]:
        """(steps + 1,) the cost before each step: the number of rows in all gradients so far."""
        return self.rows * np.arange(len(self.x))

    def first_below(self, loss: float) -> int | None:
        """The number of steps until the loss is at most `loss` for the first time; None: never."""
        below = np.flatnonzero(self.loss <= loss)
        return int(below[0]) if len(below) else None

    def __str__(self) -> str:
        return in_a_line(self.racer.name, self.racer.lr, self.loss)


@dataclass(frozen=True)
class Race:
    """The result of `race`. `result[name]` is the entry with this name.

    entries    an `Entry` for each racer, in the order of the racers
    landscape  the `Landscape` on which the paths are drawn. Two weights are its coordinates. For
               more weights, it goes through the best end, along the two principal components of all
               paths
    minima     the minima of the problem if it is a `Surface`; else empty
    """

    entries: tuple[Entry, ...]
    landscape: Landscape
    minima: tuple[tuple[float, ...], ...] = ()

    def __getitem__(self, name: str) -> Entry:
        return {entry.racer.name: entry for entry in self.entries}[name]

    def __str__(self) -> str:
        """One line for each entry, the lowest last loss first."""
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

    problem  with `start`: a function of a point, such as a `Surface`, that returns a scalar.
             With `data`: a function without arguments that returns a model and a loss;
             loss(model(x), y) is a scalar
    racers   a list of `Racer`; default: `default_racers()`
    start    a point of at least two numbers
    data     arrays x and y with the same number of rows
    rng      the generator of batches and noise; default: the package's generator

    The weights of all steps are kept, so use it for small networks. A number that is not finite
    ends the path of its racer, without a warning.
    Raises ValueError for an empty list of racers, for two with the same name, for a bad optimizer,
    learning rate, setting or batch size (the message names the racer), and for a problem whose
    first loss is not a finite scalar.
    """
    racers = default_racers() if racers is None else list(racers)
    if not racers:
        raise ValueError("racers is empty: a race needs at least one, such as default_racers()")
    names = [racer.name for racer in racers]
    if len(set(names)) < len(names):
        raise ValueError(f"racers must have different names, and they are {', '.join(names)}")
    if (start is None) == (data is None):
        raise ValueError("a race needs start= for a function, or data= for a network: give one")
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
    """The problem of a race.

    rows  the number of data rows; 0 without data
    loss  the loss on all data
    seen  the loss that the racer differentiates; None if it is the loss on all data
    """

    parameters: list[Any]
    rows: int

    def loss(self) -> Any: ...

    def seen(self, racer: Racer, rng: np.random.Generator) -> Any: ...


class PointCourse:
    """f(x); for a racer with noise ξ, f(x) + ξ·(x - x₀) at x₀ = x, which adds ξ to the gradient."""

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
    """loss(model(x), y), on random rows for a racer with a batch size."""

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
    """Raise ValueError with the racer's name if its settings make no sense."""
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
    """Make the steps of one racer from the current parameters."""
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
    """The plane that shows all points no worse than the start, and all of `bounds` if given."""
    paths = [e.x[e.loss <= e.loss[0]] for e in sorted(entries, key=last_loss, reverse=True)]
    points = np.concatenate(paths)
    n = points.shape[1]
    if n > 2 and len(points) > 2 and np.any(points != points[0]):
        return principal_plane(points)
    points, margin = points[:, :2], 0.0  # two weights, or no racer moved to a better point
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
