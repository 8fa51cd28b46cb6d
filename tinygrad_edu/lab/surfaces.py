"""Test functions for optimizers: functions whose minima are known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Surface:
    """A function of a point, with its minima. `surface(x)` is f(x).

    name    its name in `SURFACES`
    f       a function of points (..., n), a Tensor or an array, that returns values (...)
    minima  its minima, the global ones first
    bounds  (low, high) of each coordinate: the part that is drawn
    """

    name: str
    f: Callable[[Any], Any]
    minima: tuple[tuple[float, ...], ...]
    bounds: tuple[tuple[float, float], ...]

    def __call__(self, x: Any) -> Any:
        return self.f(x)

    @property
    def lowest(self) -> float:
        """The value of f at its global minimum."""
        return float(self.f(np.array(self.minima[0])))


def coordinates(x: Any) -> tuple[Any, Any]:
    return x[..., 0], x[..., 1]


def bowl(p: Any) -> Any:
    """(x² + 10 y²) / 2: a quadratic bowl ten times as steep in y as in x."""
    x, y = coordinates(p)
    return (x**2 + 10 * y**2) / 2


def rosenbrock(p: Any) -> Any:
    """(1 - x)² + 100 (y - x²)²: a bent valley, easy to find, but slow to follow.

    Rosenbrock 1960, "An automatic method for finding the greatest or least value of a function".
    """
    x, y = coordinates(p)
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def beale(p: Any) -> Any:
    """(1.5 - x + x y)² + (2.25 - x + x y²)² + (2.625 - x + x y³)²: flat regions, steep corners.

    Beale 1958, "On an iterative method for finding a local minimum of a function of more than one
    variable".
    """
    x, y = coordinates(p)
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def himmelblau(p: Any) -> Any:
    """(x² + y - 11)² + (x + y² - 7)²: four minima, all of them 0.

    Himmelblau 1972, "Applied nonlinear programming".
    """
    x, y = coordinates(p)
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def rastrigin(p: Any) -> Any:
    """Σ x_i² - 10 cos(2π x_i) + 10: a bowl with a dent near each pair of whole numbers.

    Rastrigin 1974, "Systems of extremal control".
    """
    return (p**2 - 10 * np.cos(2 * np.pi * p) + 10).sum(axis=-1)


def saddle(p: Any) -> Any:
    """x² - y² + y⁴ / 4: a saddle at (0, 0), between two minima at y = ±sqrt(2)."""
    x, y = coordinates(p)
    return x**2 - y**2 + y**4 / 4


def two_minima(p: Any) -> Any:
    """x⁴ / 4 - x² / 2 + x / 5 along one axis: a global minimum at x < 0, a local one at x > 0."""
    x = p[..., 0]
    return x**4 / 4 - x**2 / 2 + x / 5


def dents() -> tuple[tuple[float, ...], ...]:
    """The minima of `rastrigin` within ±3, the lowest first: near each pair of whole numbers."""
    x = np.arange(-3.0, 4.0)
    for _ in range(20):  # Newton's method on 2 x + 20 π sin(2π x) = 0
        x = x - (2 * x + 20 * np.pi * np.sin(2 * np.pi * x)) / (
            2 + 40 * np.pi**2 * np.cos(2 * np.pi * x)
        )
    inside = [float(c) + 0.0 for c in x]
    return tuple(
        sorted(((a, b) for a in inside for b in inside), key=lambda p: p[0] ** 2 + p[1] ** 2)
    )


ROOT = 2**0.5
# x³ - x + 1/5 = 0 has three real roots: 2 cos(θ) / sqrt(3) with cos(3θ) = -0.1 * 3**1.5.
ANGLE = np.arccos(-0.1 * 3**1.5) / 3
LEFT, RIGHT = (float(2 / 3**0.5 * np.cos(ANGLE + k * 2 * np.pi / 3)) for k in (1, 0))

SURFACES = {
    surface.name: surface
    for surface in (
        Surface("bowl", bowl, ((0.0, 0.0),), ((-3.0, 3.0), (-2.0, 2.0))),
        Surface("rosenbrock", rosenbrock, ((1.0, 1.0),), ((-2.0, 2.0), (-1.0, 3.0))),
        Surface("beale", beale, ((3.0, 0.5),), ((-1.0, 4.5), (-2.0, 2.0))),
        Surface(
            "himmelblau",
            himmelblau,
            (
                (3.0, 2.0),
                (-2.805118086952745, 3.131312518250573),
                (-3.779310253377747, -3.283185991286170),
                (3.584428340330492, -1.848126526964404),
            ),
            ((-5.0, 5.0), (-5.0, 5.0)),
        ),
        Surface("rastrigin", rastrigin, dents(), ((-3.4, 3.4), (-3.4, 3.4))),
        Surface("saddle", saddle, ((0.0, ROOT), (0.0, -ROOT)), ((-1.5, 1.5), (-2.0, 2.0))),
        Surface("two minima", two_minima, ((LEFT,), (RIGHT,)), ((-1.8, 1.8),)),
    )
}
