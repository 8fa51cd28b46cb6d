"""Interactive gradient descent as a page: drag the rate, the momentum and the start."""

import inspect
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.compiler.javascript import JavaScriptWriter
from tinygrad_edu.compiler.scalars import record_scalars
from tinygrad_edu.graph import Node, plain
from tinygrad_edu.lab.descent import CONSTANT, CONVERGED
from tinygrad_edu.lab.surfaces import SURFACES, Surface
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.value import Value
from tinygrad_edu.viz.pages.explorable import value_of
from tinygrad_edu.viz.pages.player import Page
from tinygrad_edu.viz.pages.workbench import computing_page

MOST_STEPS = 300
COORDINATES = "x", "y"
# The slider of the rate goes from a thousandth of the first rate to fifty times the first rate.
RATES = 1e-3, 50.0


@dataclass(frozen=True)
class Terrain:
    """A function to descend on.

    f         takes the coordinates, one or two Values, then the settings
    bounds    (low, high) of each coordinate: what is drawn
    start, lr, steps
              of the first descent
    settings  further numbers to drag, by name: (value, low, high)
    """

    name: str
    f: Callable[..., Any]
    start: tuple[float, ...]
    bounds: tuple[tuple[float, float], ...]
    lr: float = 0.1
    steps: int = 40
    settings: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return COORDINATES[: len(self.start)]


class Point(np.ndarray[Any, Any]):
    """An array of Values whose parts without axes are Values, as p[..., 0] is of a point p."""

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return part.item() if isinstance(part, np.ndarray) and part.ndim == 0 else part


def on_point(f: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of a point as a function of its coordinates."""

    def of_coordinates(*coordinates: Value) -> Any:
        point = np.empty(len(coordinates), object).view(Point)
        point[:] = coordinates
        return f(point)

    return of_coordinates


STANDARD = (
    Terrain("(x \N{MINUS SIGN} 2)²", lambda x: (x - 2) ** 2, (0.0,), ((-3.0, 7.0),)),
    Terrain("sin x", np.sin, (1.4,), ((-8.0, 12.0),), 0.5),
    Terrain(
        "valley: (x² + κ y²) / 2",
        lambda x, y, k: (x**2 + k * y**2) / 2,
        (-2.5, 1.0),
        ((-3.0, 3.0), (-2.0, 2.0)),
        lr=0.18,
        settings={"condition number κ": (10.0, 1.0, 100.0)},
    ),
    Terrain(
        "Rosenbrock: (1 \N{MINUS SIGN} x)² + 100 (y \N{MINUS SIGN} x²)²",
        on_point(SURFACES["rosenbrock"]),
        (-0.5, -0.5),
        SURFACES["rosenbrock"].bounds,
        lr=0.001,
        steps=200,
    ),
)


def explore_descent(
    f: Callable[..., Any] | None = None,
    start: npt.ArrayLike | None = None,
    *,
    lr: float | None = None,
    momentum: float = 0.0,
    steps: int | None = None,
    bounds: Sequence[Any] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Page:
    """Gradient descent as an interactive page: drag the rate, the momentum and the start.

    f       a function of one or two Values, or of a point of two, or a `lab.Surface`. By default
            the page has four to choose from: (x - 2)², sin x, a valley and Rosenbrock's function
    start   where the descent begins: a number or a pair; the middle of the bounds by default
    lr, momentum, steps
            of the first descent, by `optim.SGD`; for your own f a rate of 0.1 and 40 steps by
            default. At most 300 steps
    bounds  what to draw: (low, high), or a pair for each of two coordinates; around start by
            default
    path    where to save the page, if anywhere

    The page computes the path as `lab.descend` does, and gives the verdict of `lab.verdict`. It
    marks the limit of stability, the rate 2 (1 + momentum) / curvature: a descent can settle only
    at smaller rates. Raises ValueError for an invalid setting, TypeError for a function that
    returns no Value, CompileError for what a program cannot record.
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, not {momentum}")
    if steps is not None and not 1 <= (steps := whole("steps", steps)) <= MOST_STEPS:
        raise ValueError(f"steps must be between 1 and {MOST_STEPS}, not {steps}")
    if not (lr is None or 0 < lr < math.inf):
        raise ValueError(f"lr must be above 0 and finite, not {lr}")
    if f is None and not (start is None and bounds is None):
        raise ValueError("start and bounds need a function of your own: pass it as f")
    terrains: tuple[Terrain, ...] = STANDARD if f is None else (terrain_of(f, start, bounds),)
    terrains = tuple(
        replace(each, lr=each.lr if lr is None else lr, steps=steps or each.steps)
        for each in terrains
    )
    data = {
        "kind": "explore_descent",
        "title": "Explore gradient descent",
        "terrains": [terrain_data(each) for each in terrains],
        "momentum": momentum,
        "most": MOST_STEPS,
        "converged": CONVERGED,
        "constant": CONSTANT,
    }
    programs = [program for each in terrains for program in programs_of(each)]
    return computing_page(data, programs, "descent").saved(path)


def terrain_of(f: Any, start: Any, bounds: Any) -> Terrain:
    name = getattr(f, "name", None) or getattr(f, "__name__", "f")
    first, box = first_and_box(start, f.bounds if isinstance(f, Surface) and not bounds else bounds)
    takes_point = isinstance(f, Surface) or (len(first) == 2 and takes_one(f))
    return Terrain(
        "f" if name == "<lambda>" else str(name), on_point(f) if takes_point else f, first, box
    )


def first_and_box(start: Any, bounds: Any) -> tuple[tuple[float, ...], Any]:
    """The start of a descent and the bounds of its picture; either follows from the other."""
    if start is None and bounds is None:
        raise ValueError(
            "pass where the descent begins, such as start=0.0 or start=(1.0, 2.0), or the bounds "
            "of the picture, such as bounds=(-3.0, 3.0)"
        )
    box = np.zeros((0, 2)) if bounds is None else np.atleast_2d(np.asarray(bounds, float))
    if box.shape[1:] != (2,):
        raise ValueError(f"bounds must be (low, high) for each coordinate, not {bounds}")
    if start is None:
        first = box.mean(axis=1)
    else:
        first = np.atleast_1d(np.asarray(plain(start), float))
        if not np.all(np.isfinite(first)):
            raise ValueError(f"start must be finite, not {start}")
        span = np.maximum(3.0, 1.5 * np.abs(first))
        box = np.stack([first - span, first + span], axis=1) if bounds is None else box
    if len(first) not in (1, 2) or len(box) != len(first):
        raise ValueError(
            f"a descent is drawn over one or two coordinates: start has {len(first)}, and bounds "
            f"have {len(box)}"
        )
    if not (np.all(np.isfinite(box)) and np.all(box[:, 0] < box[:, 1])):
        raise ValueError(f"bounds must be finite with low < high, not {box.tolist()}")
    return tuple(first.tolist()), tuple(map(tuple, box.tolist()))


def takes_one(f: Callable[..., Any]) -> bool:
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return sum(x.kind in kinds for x in inspect.signature(f).parameters.values()) == 1


def terrain_data(terrain: Terrain) -> dict[str, Any]:
    return {
        "name": terrain.name,
        "names": terrain.names,
        "start": terrain.start,
        "bounds": terrain.bounds,
        "lr": terrain.lr,
        "steps": terrain.steps,
        "rates": [terrain.lr * x for x in RATES],
        "settings": [
            {"name": name, "value": x, "low": low, "high": high}
            for name, (x, low, high) in terrain.settings.items()
        ],
    }


# The programs


def programs_of(terrain: Terrain) -> list[str]:
    """f and its gradient, then its second derivatives, as functions of coordinates and settings."""
    point = dict(zip(terrain.names, terrain.start))
    point |= {f"setting{i}": x for i, (x, _, _) in enumerate(terrain.settings.values())}

    def value(values: Mapping[str, Value]) -> Any:
        return value_of(terrain.f(*values.values()), "explore_descent")

    def first(values: dict[str, Value]) -> list[Any]:
        out = value(values)
        return [out, *gradient(out, values, terrain)]

    def second(values: dict[str, Value]) -> list[Any]:
        slopes = gradient(value(values), values, terrain, create_graph=True)
        return [x for slope in slopes for x in gradient(slope, values, terrain)]

    return [JavaScriptWriter(record_scalars(f, point)).text() for f in (first, second)]


def gradient(
    out: Any, values: Mapping[str, Value], terrain: Terrain, create_graph: bool = False
) -> list[Any]:
    """d out / d coordinate for each, 0 where there is none."""
    found: dict[Node, Any] = {}
    if isinstance(out, Value) and out.requires_grad:
        out.backward(create_graph=create_graph, into=found)
    return [found.get(values[name], 0.0) for name in terrain.names]
