"""Loss landscapes: the loss on a line or a plane through the space of all weights."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.graph import Node, plain
from tinygrad_edu.lab.descent import Array
from tinygrad_edu.lab.surfaces import Surface
from tinygrad_edu.lab.weights import Weights, arrays_like, in_a_row, path_rows
from tinygrad_edu.messages import described
from tinygrad_edu.modes import no_grad
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.progress import Progress
from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor

Bounds = Sequence[tuple[float, float]]

MARGIN = 0.2  # the free border around a path, as a share of its longer side


@dataclass(frozen=True)
class Plane:
    """The points origin + Σ_k a_k d_k in the space of all n weights; the a_k are coordinates.

    origin      (n,) all weights in one row
    directions  (k, n) the d_k; k is 1 (a line) or 2 (a plane)
    labels      a text for each coordinate
    bounds      (low, high) of each coordinate: the part that is drawn

    Raises ValueError for directions that have another length than the origin, are not finite, or
    are multiples of each other.
    """

    origin: Array
    directions: Array
    labels: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        n = self.origin.size
        if self.directions.ndim != 2 or self.directions.shape[1] != n:
            raise ValueError(
                f"the parameters have {n} numbers, and each direction needs as many; the "
                f"directions have shape {self.directions.shape}"
            )
        if len(self.directions) not in (1, 2):
            raise ValueError(f"a slice has 1 or 2 directions, not {len(self.directions)}")
        if not (np.all(np.isfinite(self.origin)) and np.all(np.isfinite(self.directions))):
            raise ValueError("weights and directions must be finite, and some are nan or inf")
        if np.linalg.matrix_rank(self.directions) < len(self.directions):
            raise ValueError(
                "a direction is 0, or a multiple of the other one: choose two that span a plane"
            )

    def at(self, coordinates: npt.ArrayLike) -> Array:
        """The points (..., n) with the coordinates (..., k)."""
        return self.origin + np.asarray(coordinates, float) @ self.directions

    def project(self, path: Iterable[Weights]) -> Array:
        """The coordinates (steps, k) of a path of weights, each projected to the nearest point.

        Raises ValueError for a path with another number of weights.
        """
        states = path_rows(path)
        if states.shape[1] != self.origin.size:
            raise ValueError(
                f"the slice is for {self.origin.size} weights, and the path has {states.shape[1]}"
            )
        return (states - self.origin) @ np.linalg.pinv(self.directions)


@dataclass(frozen=True)
class Landscape:
    """The loss on a grid of a line or a plane.

    axes   the coordinates of the grid along each direction: one array or two
    loss   loss[i, j] is the loss at axes[0][i], axes[1][j]; it may be inf or nan
    plane  the `Plane` of the grid, in the space of all weights
    """

    axes: tuple[Array, ...]
    loss: Array
    plane: Plane

    @property
    def labels(self) -> tuple[str, ...]:
        """A text for each axis."""
        return self.plane.labels

    @property
    def lowest(self) -> tuple[tuple[float, ...], float]:
        """The grid point with the smallest loss: its coordinates and its loss."""
        finite = np.where(np.isfinite(self.loss), self.loss, np.inf)
        place = np.unravel_index(np.argmin(finite), finite.shape)
        point = tuple(float(axis[i]) for axis, i in zip(self.axes, place, strict=True))
        return point, float(self.loss[place])

    def project(self, path: Iterable[Weights]) -> Array:
        """The coordinates (steps, k) of a path of weights, as in `Plane.project`."""
        return self.plane.project(path)

    def __str__(self) -> str:
        size = " x ".join(str(len(axis)) for axis in self.axes)
        point, low = self.lowest
        at = ", ".join(f"{c:.4g}" for c in point)
        return f"{size} points, loss {low:.4g} to {np.max(self.loss):.4g}, lowest at ({at})"


def landscape(
    loss: Callable[..., Any],
    parameters: Any = None,
    directions: Plane | Sequence[Any] | None = None,
    span: float = 1.0,
    points: int = 41,
    *,
    bounds: Bounds | None = None,
    rng: np.random.Generator | None = None,
    jobs: int = 1,
    progress: bool = True,
) -> Landscape:
    """The loss at origin + Σ_k a_k d_k, for a grid of coordinates a.

    loss        a function without arguments that returns the loss of `parameters`; or a function of
                points (..., n), such as a `Surface`, which is called once with all points
    parameters  a list of Tensors; for a function of points, the point (n,) that the slice goes
                through; for a whole Surface, leave it out
    directions  a `Plane` (see `random_plane`, `principal_plane`, `line_between`);
                or one or two single weights: k or (k, i, j) means parameters[k][i, j];
                or one or two directions: each an array of all weights, or a list with one array for
                each parameter.
                Default: a random plane for Tensors, the first two coordinates for a point
    span        a factor that stretches the bounds about their middle
    points      the number of grid points along each axis
    bounds      (low, high) of each coordinate. Default: the bounds of the plane, which are -1 and 1
                for directions, and the value of the weight - 1 and + 1 for single weights
    rng         the generator of a random plane; default: the package's generator
    jobs        the number of processes that share the grid, through joblib; -1: one for each core
    progress    show a progress bar (tqdm, in a terminal) if it takes more than a second

    No graph is recorded. Afterwards the parameters have the same arrays and gradients as before,
    even after an error. Other changes that the loss makes stay, so put a model with batch
    normalization in eval mode. A loss that is not finite is a result.
    Raises ValueError or TypeError for directions that do not fit the parameters, and for a loss
    that does not return a number.
    """
    points = whole("points", points, low=2)
    if not 0 < span < np.inf:
        raise ValueError(f"span must be finite and greater than 0, and it is {span}")
    tensors = is_list_of_tensors(parameters)
    if parameters is None:
        plane = whole_plane(loss, directions)
    else:
        plane = plane_of(parameters if tensors else coordinates_of(parameters), directions, rng)
    axes = grid_axes(plane, bounds, span, points)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    if tensors:
        lines = np.split(grid.reshape(-1, len(axes)), points)
        values = np.concatenate(losses_on_lines(loss, parameters, plane, lines, jobs, progress))
        return Landscape(axes, values.reshape(grid.shape[:-1]), plane)
    with no_grad(), np.errstate(all="ignore"):
        values = plain(loss(plane.at(grid)))
    if np.shape(values) != grid.shape[:-1]:
        raise ValueError(
            f"a loss of points (..., {plane.origin.size}) must return one number for each point, "
            f"an array of shape {grid.shape[:-1]}, not {described(values)}"
        )
    return Landscape(axes, np.array(values, float), plane)


def losses_at(
    loss: Callable[[], Any], parameters: list[Tensor], plane: Plane, coordinates: Array
) -> Array:
    """The loss with the parameters at each of the coordinates (m, k); then restore them."""
    before = [p.data for p in parameters]

    def restore() -> None:
        for p, data in zip(parameters, before, strict=True):
            if p.data is not data:  # an assignment counts as a change in place
                p.data = data

    values = []
    with afterwards(restore), no_grad(), np.errstate(all="ignore"):
        for a in coordinates:
            for p, data in zip(parameters, arrays_like(parameters, plane.at(a)), strict=True):
                p.data = data
            values.append(one_number(loss()))
    return np.array(values)


def losses_on_lines(
    loss: Callable[[], Any],
    parameters: list[Tensor],
    plane: Plane,
    lines: list[Array],
    jobs: int,
    progress: bool,
) -> list[Array]:
    """The loss along each line of coordinates: one line after the other, or in processes."""
    work = [(loss, parameters, plane, line) for line in lines]
    results: Iterable[Array]
    if jobs == 1:
        results = (losses_at(*task) for task in work)
    else:
        from joblib import Parallel, delayed

        results = Parallel(jobs, return_as="generator")(delayed(losses_at)(*task) for task in work)
    found = []
    with Progress(progress, len(work), unit="line", delay=1) as shown:
        for each in results:
            found.append(each)
            shown.step()
    return found


# Planes


def random_plane(
    parameters: Sequence[Tensor], dimensions: int = 2, *, rng: np.random.Generator | None = None
) -> Plane:
    """A plane through the current weights, along random d with ‖d_f‖ = ‖w_f‖ for each filter f.

    parameters  a list of Tensors
    dimensions  1 (a line) or 2 (a plane)
    rng         the generator of the normal random numbers; default: the package's generator

    A filter is the weights of one neuron: a column of a matrix (in, out), or w[o] of a convolution
    (out, in, ...). One step along d changes each filter by as much as its own norm. So one can
    compare the pictures of networks whose weights have different sizes. Vectors, such as biases and
    the scales of normalization, do not change.
    Li et al. 2018, "Visualizing the loss landscape of neural nets", section 4.
    Raises ValueError if all parameters are vectors or numbers.
    """
    if not any(p.ndim > 1 for p in parameters):
        raise ValueError(
            "a random plane does not change vectors, such as biases, and all parameters are "
            "vectors or numbers: choose weights, such as directions=[(0, 0), (0, 1)]"
        )
    rng = default_rng(rng)
    directions = [
        in_a_row([filter_normalized(rng.standard_normal(p.shape), p.data) for p in parameters])
        for _ in range(dimensions)
    ]
    return Plane(
        in_a_row(parameters),
        np.array(directions),
        ("first random direction", "second random direction")[:dimensions],
        ((-1.0, 1.0),) * dimensions,
    )


def filter_normalized(d: Array, w: Any) -> Array:
    """d with each filter stretched to the norm of the same filter of w; 0 for vectors."""
    if d.ndim < 2:
        return np.zeros_like(d)
    axes = 0 if d.ndim == 2 else tuple(range(1, d.ndim))
    size = np.sqrt((w**2).sum(axis=axes, keepdims=True))
    return d * (size / np.sqrt((d**2).sum(axis=axes, keepdims=True)))


def principal_plane(path: Iterable[Weights], dimensions: int = 2) -> Plane:
    """A plane through the end of a path of weights, along the directions in which it moved most.

    path        at least 3 states of the weights, such as [p.data.copy() for p in parameters]
    dimensions  1 (a line) or 2 (a plane)

    The directions are the principal components: the right singular vectors of the states minus
    their mean. The labels give the share of the variance along each.
    Li et al. 2018, "Visualizing the loss landscape of neural nets", section 7. It also explains why
    random directions do not show a path: in many dimensions they are almost orthogonal to it.
    Raises ValueError for a shorter path, and for weights that never change or are not finite.
    """
    states = path_rows(path)
    if len(states) < 3:
        raise ValueError(
            f"principal components need a path of at least 3 states, and this one has {len(states)}"
        )
    if not np.all(np.isfinite(states)):
        raise ValueError("some weights of the path are nan or inf: end the path before them")
    _, singular, right = np.linalg.svd(states - states.mean(axis=0), full_matrices=False)
    if np.all(states == states[0]):
        raise ValueError("all states of the path are the same: it has no direction")
    shares = singular**2 / (singular**2).sum()
    directions = right[:dimensions]
    shadow = (states - states[-1]) @ directions.T
    low, high = shadow.min(axis=0), shadow.max(axis=0)
    margin = MARGIN * np.max(high - low)
    return Plane(
        states[-1],
        directions,
        tuple(
            f"{name} principal component ({share:.0%})"
            for name, share in zip(("first", "second")[:dimensions], shares)
        ),
        tuple((float(a - margin), float(b + margin)) for a, b in zip(low, high, strict=True)),
    )


def line_between(start: Weights, end: Weights) -> Plane:
    """(1 - a) start + a end for a from 0 to 1: the straight line between two sets of weights.

    start, end  each an array, or a list or dict of arrays, with the same number of weights

    Raises ValueError if the numbers of weights differ.
    Goodfellow, Vinyals and Saxe 2015, "Qualitatively characterizing neural network optimization
    problems", section 3.
    """
    a, b = in_a_row(start), in_a_row(end)
    if a.shape != b.shape:
        raise ValueError(f"start has {a.size} weights and end has {b.size}: they must be equal")
    return Plane(a, (b - a)[None], ("share of the way from start to end",), ((0.0, 1.0),))


def weight_plane(parameters: Sequence[Any], indices: Sequence[Any]) -> Plane:
    """The plane whose coordinates are one or two single weights; all other weights stay fixed.

    indices  k or (k, i, j) for the weight parameters[k][i, j]
    """
    origin = in_a_row(parameters)
    names, directions = [], []
    for index in indices:
        k, *inside = index if isinstance(index, tuple) else (index,)
        if k not in range(len(parameters)):
            raise IndexError(
                f"{index} begins with {k}, and the parameters are 0 to {len(parameters) - 1}"
            )
        masks = [np.zeros(np.shape(plain(p))) for p in parameters]
        masks[k][tuple(inside)] = 1
        if masks[k].sum() != 1:
            raise ValueError(
                f"{index} selects {masks[k].sum():.0f} weights of parameter {k}, which has shape "
                f"{masks[k].shape}; select one, such as {(k, *(0,) * masks[k].ndim)}"
            )
        directions.append(in_a_row(masks))
        name = getattr(parameters[k], "name", None) or f"parameter {k}"
        names.append(f"{name}[{', '.join(map(str, inside))}]" if inside else name)
    d = np.array(directions)
    return Plane(
        origin * (1 - d.sum(axis=0)), d, tuple(names), tuple((x - 1, x + 1) for x in d @ origin)
    )


def whole_plane(surface: Any, directions: Any) -> Plane:
    """The plane of a whole Surface, within its bounds."""
    if not isinstance(surface, Surface) or directions is not None:
        raise ValueError(
            "only a whole Surface needs no parameters: give the Tensors that the loss depends on, "
            "or, for a function of points, the point that the slice goes through"
        )
    n = len(surface.bounds)
    return Plane(np.zeros(n), np.eye(n), ("x", "y")[:n], surface.bounds)


def plane_of(
    parameters: Sequence[Tensor], directions: Any, rng: np.random.Generator | None
) -> Plane:
    """The plane that the arguments of `landscape` mean."""
    if not parameters:
        raise ValueError("the list of parameters is empty: a landscape needs at least one")
    origin = in_a_row(parameters)
    if isinstance(directions, Plane):
        if directions.origin.size != origin.size:
            raise ValueError(
                f"the plane is for {directions.origin.size} weights, and the parameters have "
                f"{origin.size}"
            )
        return directions
    if directions is None:
        if any(p.ndim for p in parameters):
            return random_plane(parameters, rng=rng)
        directions = range(min(2, len(parameters)))
    if not np.iterable(directions) or isinstance(directions, str):
        raise TypeError(
            "directions must be a Plane, or a list of one or two weights such as (0, 2, 1), or a "
            f"list of one or two arrays, not {directions!r}"
        )
    chosen = list(directions)
    if not 1 <= len(chosen) <= 2:
        raise ValueError(f"a slice has 1 or 2 directions, not {len(chosen)}")
    if all(isinstance(d, int | tuple) for d in chosen):
        return weight_plane(parameters, chosen)
    vectors = [vector(d, parameters) for d in chosen]
    return Plane(
        origin,
        np.array(vectors),
        tuple(f"along direction {k}" for k in range(1, len(vectors) + 1)),
        ((-1.0, 1.0),) * len(vectors),
    )


def vector(direction: Weights, parameters: Sequence[Tensor]) -> Array:
    """A direction as one row (n,). Raises ValueError if it does not fit the parameters."""
    given: Any
    wanted: Any
    if isinstance(direction, list | Mapping):
        parts = direction.values() if isinstance(direction, Mapping) else direction
        given, wanted = [np.shape(plain(x)) for x in parts], [p.shape for p in parameters]
    else:
        given, wanted = np.shape(plain(direction)), (sum(p.size for p in parameters),)
    if given != wanted:
        raise ValueError(f"a direction has shape {given}, and these parameters need {wanted}")
    return in_a_row(direction)


def grid_axes(plane: Plane, bounds: Bounds | None, span: float, points: int) -> tuple[Array, ...]:
    """The coordinates of the grid along each direction of the plane."""
    bounds = plane.bounds if bounds is None else bounds
    if len(bounds) != len(plane.directions):
        raise ValueError(
            f"bounds must be a pair (low, high) for each of {len(plane.directions)} directions, "
            f"and they are {bounds!r}"
        )
    for low, high in bounds:
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"bounds must be (low, high) with low < high, not ({low}, {high})")
    middles = [((low + high) / 2, span * (high - low) / 2) for low, high in bounds]
    return tuple(np.linspace(middle - half, middle + half, points) for middle, half in middles)


# Small parts


def coordinates_of(point: npt.ArrayLike) -> list[Tensor]:
    """The numbers of a point, each as a separate parameter."""
    if isinstance(point, list | tuple) and any(isinstance(x, Node) for x in point):
        raise TypeError("parameters must all be Tensors: write Tensor(x), not Value(x) or a number")
    row = in_a_row(point)
    names = ["x", "y"] if len(row) < 3 else [f"x[{k}]" for k in range(len(row))]
    return [Tensor(x, name=name) for x, name in zip(row, names)]


def is_list_of_tensors(parameters: Any) -> bool:
    return isinstance(parameters, list | tuple) and all(isinstance(p, Tensor) for p in parameters)


def one_number(out: Any) -> float:
    """The one number that a loss returned."""
    data = plain(out)
    if isinstance(data, float | int):
        return float(data)
    if getattr(data, "size", 0) != 1:
        raise ValueError(f"the loss must return one number, not {described(out)}")
    return float(data.item())
