"""Slices of a loss: its values on a line or a plane through the space of all weights."""

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

MARGIN = 0.2  # of the longer side of a path: the free border around it


@dataclass(frozen=True)
class Plane:
    """The points origin + Σ_k a_k d_k, among all n weights in one row; a_k are the coordinates.

    origin      (n,)
    directions  (k, n) the d_k; k is 1 or 2
    labels      what each coordinate is
    bounds      (low, high) of each coordinate: where to look

    Raises ValueError for directions that are of another length than the origin, not finite, or
    multiples of each other.
    """

    origin: Array
    directions: Array
    labels: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        n = self.origin.size
        if self.directions.ndim != 2 or self.directions.shape[1] != n:
            raise ValueError(
                f"the parameters are {n} numbers, and so must be each direction; these have shape "
                f"{self.directions.shape}"
            )
        if len(self.directions) not in (1, 2):
            raise ValueError(f"a slice has 1 or 2 directions, not {len(self.directions)}")
        if not (np.all(np.isfinite(self.origin)) and np.all(np.isfinite(self.directions))):
            raise ValueError("a slice needs finite weights and directions, and some are nan or inf")
        if np.linalg.matrix_rank(self.directions) < len(self.directions):
            raise ValueError("a direction is 0, or a multiple of the other: that is no plane")

    def at(self, coordinates: npt.ArrayLike) -> Array:
        """The points, (..., n), with these coordinates, (..., k)."""
        return self.origin + np.asarray(coordinates, float) @ self.directions

    def project(self, path: Iterable[Weights]) -> Array:
        """The coordinates, (steps, k), of the points of the plane that are nearest to a path."""
        states = path_rows(path)
        if states.shape[1] != self.origin.size:
            raise ValueError(
                f"the slice is of {self.origin.size} weights, and the path has {states.shape[1]}"
            )
        return (states - self.origin) @ np.linalg.pinv(self.directions)


@dataclass(frozen=True)
class Landscape:
    """The loss on the grid of a plane.

    axes   the coordinates along each direction
    loss   one axis for each of axes: loss[i, j] at axes[0][i], axes[1][j]; may be inf or nan
    plane  where in the space of all weights that is
    """

    axes: tuple[Array, ...]
    loss: Array
    plane: Plane

    @property
    def labels(self) -> tuple[str, ...]:
        """What each axis is."""
        return self.plane.labels

    @property
    def lowest(self) -> tuple[tuple[float, ...], float]:
        """The point of the grid with the smallest loss: its coordinates, and the loss there."""
        finite = np.where(np.isfinite(self.loss), self.loss, np.inf)
        place = np.unravel_index(np.argmin(finite), finite.shape)
        point = tuple(float(axis[i]) for axis, i in zip(self.axes, place, strict=True))
        return point, float(self.loss[place])

    def project(self, path: Iterable[Weights]) -> Array:
        """The coordinates, (steps, k), of a path of weights: its shadow on the slice."""
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

    loss        a function without arguments, of which the value depends on `parameters`; or a
                `Surface` or any function of points (..., n), which is called once with all of them
    parameters  a list of Tensors; for a function of points the point (n,) that the slice goes
                through; for a Surface nothing
    directions  a `Plane` (see `random_plane`, `principal_plane`, `line_between`); or one or two
                weights, k or (k, i, j) for parameters[k][i, j], by which the loss is then drawn; or
                one or two directions, each an array of all weights, or a list of an array for each
                parameter. By default a random plane, and the first two coordinates of a point
    span        how far to look: the bounds, stretched by this factor about their middle
    points      of the grid, along each axis
    bounds      (low, high) of each coordinate; by default those of the plane, which for directions
                are -1 and 1, and for weights 1 to each side of where they are
    rng         where a random plane comes from; the package's generator by default
    jobs        processes that share the grid, through joblib; -1 for all cores

    No graph is recorded, and the parameters keep their data and gradients: they hold the very same
    arrays afterwards, after an error too. What else a loss changes stays changed, so put a model
    with batch normalization in eval mode. A loss that is not finite is a result.
    Raises ValueError or TypeError for directions that do not fit the parameters, and for a loss
    that returns no number.
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
            f"a loss of points (..., {plane.origin.size}) must return a number for each of them, "
            f"an array of shape {grid.shape[:-1]}, and not {described(values)}"
        )
    return Landscape(axes, np.array(values, float), plane)


def losses_at(
    loss: Callable[[], Any], parameters: list[Tensor], plane: Plane, coordinates: Array
) -> Array:
    """The loss with the parameters at each of the coordinates (m, k); then they are put back."""
    before = [p.data for p in parameters]

    def restore() -> None:
        for p, data in zip(parameters, before, strict=True):
            if p.data is not data:  # else it would count as changed in place
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
    """The loss along each line of coordinates, one after the other or in several processes."""
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
    """Through the weights as they are, along normal random d, with ‖d_f‖ = ‖w_f‖ for each filter f.

    So one step along d changes every filter by as much as its own length, and the pictures of
    networks whose weights have other sizes can be compared. A filter is a neuron's weights: a
    column of a matrix (in, out), w[o] of a convolution (out, in, ...). Biases and the scales of
    normalization, which are vectors, stay as they are.
    Li et al. 2018, "Visualizing the loss landscape of neural nets", section 4.
    Raises ValueError if all parameters are vectors or numbers.
    """
    if not any(p.ndim > 1 for p in parameters):
        raise ValueError(
            "a random plane leaves biases as they are, and no parameter is a matrix or more: "
            "choose weights, such as directions=[(0, 0), (0, 1)]"
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
    """d, each filter of which is stretched to the norm of the same filter of w; 0 for vectors."""
    if d.ndim < 2:
        return np.zeros_like(d)
    axes = 0 if d.ndim == 2 else tuple(range(1, d.ndim))
    size = np.sqrt((w**2).sum(axis=axes, keepdims=True))
    return d * (size / np.sqrt((d**2).sum(axis=axes, keepdims=True)))


def principal_plane(path: Iterable[Weights], dimensions: int = 2) -> Plane:
    """Through the end of a path of weights, along its principal components: where it moved most.

    path  at least 3 sets of weights, each such as [p.data.copy() for p in parameters]

    They are the right singular vectors of the weights minus their mean; the labels tell the share
    of the variance along each. Li et al. 2018, section 7, which also tells why a path does not show
    on random directions: in many dimensions they are orthogonal to it, nearly.
    Raises ValueError for a shorter path, and one of weights that do not change or are not finite.
    """
    states = path_rows(path)
    if len(states) < 3:
        raise ValueError(
            f"principal components need a path of at least 3 points, and this has {len(states)}"
        )
    if not np.all(np.isfinite(states)):
        raise ValueError("the path has weights that are nan or inf: cut it before them")
    _, singular, right = np.linalg.svd(states - states.mean(axis=0), full_matrices=False)
    if np.all(states == states[0]):
        raise ValueError("all weights of the path are the same: it has no direction")
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
    """(1 - a) start + a end, for a from 0 to 1: straight from one set of weights to another.

    Goodfellow, Vinyals and Saxe 2015, "Qualitatively characterizing neural network optimization
    problems", section 3.
    """
    a, b = in_a_row(start), in_a_row(end)
    if a.shape != b.shape:
        raise ValueError(f"start has {a.size} weights and end {b.size}: they must be as many")
    return Plane(a, (b - a)[None], ("share of the way from start to end",), ((0.0, 1.0),))


def weight_plane(parameters: Sequence[Any], indices: Sequence[Any]) -> Plane:
    """The plane on which one or two weights are the coordinates, and all others stay.

    indices  k or (k, i, j) for the weight parameters[k][i, j]
    """
    origin = in_a_row(parameters)
    names, directions = [], []
    for index in indices:
        k, *inside = index if isinstance(index, tuple) else (index,)
        if k not in range(len(parameters)):
            raise IndexError(f"there are {len(parameters)} parameters, and {index} names another")
        masks = [np.zeros(np.shape(plain(p))) for p in parameters]
        masks[k][tuple(inside)] = 1
        if masks[k].sum() != 1:
            raise ValueError(
                f"{index} names {masks[k].sum():.0f} weights of parameter {k}, of shape "
                f"{masks[k].shape}; name one, such as {(k, *(0,) * masks[k].ndim)}"
            )
        directions.append(in_a_row(masks))
        name = getattr(parameters[k], "name", None) or f"parameter {k}"
        names.append(f"{name}[{', '.join(map(str, inside))}]" if inside else name)
    d = np.array(directions)
    return Plane(
        origin * (1 - d.sum(axis=0)), d, tuple(names), tuple((x - 1, x + 1) for x in d @ origin)
    )


def whole_plane(surface: Any, directions: Any) -> Plane:
    """All of a surface, within its bounds."""
    if not isinstance(surface, Surface) or directions is not None:
        raise ValueError(
            "parameters may be left out for all of a Surface only: give the Tensors that the loss "
            "depends on, or for a function of points the point that the slice goes through"
        )
    n = len(surface.bounds)
    return Plane(np.zeros(n), np.eye(n), ("x", "y")[:n], surface.bounds)


def plane_of(
    parameters: Sequence[Tensor], directions: Any, rng: np.random.Generator | None
) -> Plane:
    """The plane that the arguments of `landscape` mean."""
    if not parameters:
        raise ValueError("a landscape is of parameters, and there are none")
    origin = in_a_row(parameters)
    if isinstance(directions, Plane):
        if directions.origin.size != origin.size:
            raise ValueError(
                f"the plane is of {directions.origin.size} weights, and the parameters have "
                f"{origin.size}"
            )
        return directions
    if directions is None:
        if any(p.ndim for p in parameters):
            return random_plane(parameters, rng=rng)
        directions = range(min(2, len(parameters)))
    if not np.iterable(directions) or isinstance(directions, str):
        raise TypeError(
            "directions are a Plane, or a list of one or two weights such as (0, 2, 1), or of one "
            f"or two arrays, and not {directions!r}"
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
    """A direction in one row, checked against the parameters."""
    given: Any
    wanted: Any
    if isinstance(direction, list | Mapping):
        parts = direction.values() if isinstance(direction, Mapping) else direction
        given, wanted = [np.shape(plain(x)) for x in parts], [p.shape for p in parameters]
    else:
        given, wanted = np.shape(plain(direction)), (sum(p.size for p in parameters),)
    if given != wanted:
        raise ValueError(f"a direction has shape {given}, and for these parameters needs {wanted}")
    return in_a_row(direction)


def grid_axes(plane: Plane, bounds: Bounds | None, span: float, points: int) -> tuple[Array, ...]:
    """The coordinates of the grid along each direction of the plane."""
    bounds = plane.bounds if bounds is None else bounds
    if len(bounds) != len(plane.directions):
        raise ValueError(
            f"bounds are a pair (low, high) for each of {len(plane.directions)} directions, and "
            f"they are {bounds!r}"
        )
    for low, high in bounds:
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"bounds go from a lower to a higher number, not {low} to {high}")
    middles = [((low + high) / 2, span * (high - low) / 2) for low, high in bounds]
    return tuple(np.linspace(middle - half, middle + half, points) for middle, half in middles)


# Small parts


def coordinates_of(point: npt.ArrayLike) -> list[Tensor]:
    """The numbers of a point, each a parameter of its own."""
    if isinstance(point, list | tuple) and any(isinstance(x, Node) for x in point):
        raise TypeError("parameters are Tensors, all of them; a Value has no array to put back")
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
        raise ValueError(f"the loss must return one number, and not {described(out)}")
    return float(data.item())
