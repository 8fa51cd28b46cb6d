"""Which start leads to which minimum? Basins of attraction of an optimizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.lab.descent import Array, make_optimizer
from tinygrad_edu.lab.surfaces import Surface
from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor

NEAR = 0.05  # an end this near to a minimum counts as the minimum, as a share of the longer axis


@dataclass(frozen=True)
class Basins:
    """The end of the descent from each start of a grid.

    axes       the coordinates of the starts along each axis
    goal       (...) the index of the minimum that the descent from each start reached; -1: none
    end        (..., n) the point where it ended
    minima     (k, n) the minima
    lr         the learning rate
    optimizer  the name of the optimizer
    """

    axes: tuple[Array, ...]
    goal: npt.NDArray[np.int64]
    end: Array
    minima: Array
    lr: float
    optimizer: str

    @property
    def shares(self) -> list[float]:
        """The share of the starts that lead to each minimum; the last number: to no minimum."""
        found = [float(np.mean(self.goal == k)) for k in range(len(self.minima))]
        return [*found, float(np.mean(self.goal == -1))]

    def __str__(self) -> str:
        places = [f"({', '.join(f'{c:.3g}' for c in minimum)})" for minimum in self.minima]
        parts = [
            f"{share:.1%} to {place}"
            for share, place in zip(self.shares, [*places, "no minimum"], strict=True)
        ]
        return f"{self.optimizer}, learning rate {self.lr:g}: {', '.join(parts)}"


def basins(
    surface: Surface,
    lr: float,
    steps: int = 500,
    optimizer: str = "SGD",
    *,
    points: int = 60,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
    bounds: Sequence[tuple[float, float]] | None = None,
    **settings: Any,
) -> Basins:
    """Descend from each point of a grid, all at once, and find the minimum where each one ends.

    surface    a `Surface`, whose minima are known
    lr, steps  the learning rate and the number of steps
    optimizer  the name of a class in `optim`; `settings` are its other arguments
    points     the number of starts along each axis
    noise      the standard deviation of random numbers added to each gradient, as mini-batches do
    rng        the generator of the noise; default: the package's generator
    bounds     (low, high) of each axis; default: those of the surface

    All starts are rows of one parameter. The optimizer treats each number separately, so each row
    moves as it would alone.
    Raises ValueError for a bad number of points, noise, or setting, and for an optimizer that mixes
    numbers of one parameter.
    """
    if points < 2:
        raise ValueError(f"points must be at least 2, and it is {points}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be finite and at least 0, and it is {noise}")
    bounds = surface.bounds if bounds is None else bounds
    axes = tuple(np.linspace(low, high, points) for low, high in bounds)
    starts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    x = Tensor(starts.reshape(-1, len(axes)), requires_grad=True, name="starts")
    walker = make_optimizer(optimizer, [x], lr, settings)
    if not walker.elementwise:
        raise ValueError(
            f"{optimizer} mixes the starts, which are rows of one matrix: choose an optimizer that "
            "treats each number separately, such as SGD or Adam"
        )
    rng = default_rng(rng)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            walker.zero_grad()
            surface(x).sum().backward()
            if noise:
                x.grad = x.grad + noise * rng.standard_normal(x.shape)
            walker.step()
        minima = np.array(surface.minima)
        distance = np.linalg.norm(x.data[:, None] - minima, axis=-1)
    near = NEAR * max(high - low for low, high in bounds)
    distance = np.where(np.isfinite(distance), distance, np.inf)
    goal = np.where(distance.min(axis=1) <= near, distance.argmin(axis=1), -1)
    shape = starts.shape[:-1]
    return Basins(axes, goal.reshape(shape), x.data.reshape(starts.shape), minima, lr, optimizer)
