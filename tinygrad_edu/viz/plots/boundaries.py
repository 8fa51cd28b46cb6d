"""Where in the plane does a model change its class?"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.graph import plain
from tinygrad_edu.modes import no_grad
from tinygrad_edu.viz.curves import class_numbers
from tinygrad_edu.viz.plots.images import two_sided
from tinygrad_edu.viz.plots.style import COLORS, SERIES, SMALL, axes_of, points, saved

FEW = 20  # fewer points than this are drawn larger
Bounds = tuple[float, float, float, float]


def plot_boundary(
    f: Callable[[Any], Any],
    x: Any = None,
    y: Any = None,
    *,
    level: float = 0.0,
    margins: Sequence[float] = (),
    limit: float | None = None,
    label: str = "score",
    names: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    bounds: Bounds | None = None,
    places: int = 200,
    bar: bool = True,
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """The outputs of f over the plane, the boundary where the class changes, and the points.

    f         a model or function of points (n, 2). It returns one score for each point, or scores
              (n, classes), of which the largest counts, or whole numbers, which are classes. Write
              lambda points: [model(point) for point in points] for a model of Values
    x, y      points (n, 2) and their classes (n,): each class has its colour and marker
    level     the score of the boundary
    margins   other scores that get thinner lines
    limit     the distance from `level` at which the colour scale ends; default: the largest one
    label     the text beside the colour bar; bar=False leaves out the bar
    names     the names of the classes 0, 1, ... (or of the classes in their order), for a legend
    captions  a text above each point
    bounds    (left, right, bottom, top); default: around the points, with a margin of a tenth
    places    the number of points along each side of the grid
    title     above the picture
    ax        matplotlib's axes to draw on; default: a new figure
    path      the file to save the picture in, such as "boundary.png"

    The plane is purple where the output is not finite. Returns matplotlib's figure. Raises
    ValueError for points, classes, names, bounds or outputs that do not fit.
    """
    check_points(x, y, captions)
    if x is None and bounds is None:
        raise ValueError(
            "the plane needs its limits: give points x, or bounds=(left, right, bottom, top)"
        )
    if bounds is not None and (
        len(bounds) != 4 or bounds[0] == bounds[1] or bounds[2] == bounds[3]
    ):
        raise ValueError(f"bounds must be (left, right, bottom, top), and they are {bounds}")
    ax = axes_of(ax, 7, 5.5)
    left, right, bottom, top = bounds or bounds_of(x)
    across, up = np.linspace(left, right, places), np.linspace(bottom, top, places)
    plane = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    answer, outputs = answers(f, plane)
    answer, numbers = numbered(answer.reshape(places, places), y, outputs)
    ends = (left, right, bottom, top)
    if answer.dtype.kind in "bui":
        draw_classes(ax, answer, ends)
    else:
        draw_scores(ax, answer, ends, level, limit, margins)
        if bar:
            ax.figure.colorbar(ax.images[-1], ax=ax, label=label)
    if x is not None and y is not None:
        draw_points(ax, np.asarray(x), numbers, names)
    for place, caption in zip([] if x is None else x, captions or []):
        ax.annotate(
            caption, place, (0, 8), textcoords="offset points", ha="center", va="bottom", size=SMALL
        )
    ax.grid(visible=False)
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="$x_1$", ylabel="$x_2$", title=title)
    return saved(ax, path)


def check_points(x: Any, y: Any, captions: Any) -> None:
    """Raise ValueError for points of a wrong shape, and for too many or few classes or captions."""
    if x is None:
        return
    if np.shape(x)[1:] != (2,) or not len(x):
        raise ValueError(f"points must have shape (n, 2), and these have {np.shape(x)}")
    if y is not None and np.size(y) != len(x):
        raise ValueError(f"{len(x)} points need {len(x)} classes, and y has shape {np.shape(y)}")
    if captions is not None and len(captions) != len(x):
        raise ValueError(f"there are {len(captions)} captions for {len(x)} points")


def numbered(answer: Any, y: Any, outputs: int) -> tuple[Any, Any]:
    """The outputs and the classes of the points, numbered so that equal numbers share a colour."""
    y = np.ravel(plain([]) if y is None else plain(y))
    if answer.dtype.kind not in "bui" or y.dtype.kind not in "biuf":
        return answer, class_numbers(y, outputs)
    both = np.unique(np.concatenate([answer.ravel(), y]))
    if both[0] < 0:  # such as -1 and 1
        return np.searchsorted(both, answer), np.searchsorted(both, y)
    return answer, class_numbers(y, outputs)


def bounds_of(x: Any) -> Bounds:
    """The rectangle around the points, with a margin of a tenth on each side."""
    low, high = np.min(x, axis=0), np.max(x, axis=0)
    margin = np.where(high > low, 0.1 * (high - low), 1.0)
    (left, bottom), (right, top) = low - margin, high + margin
    return float(left), float(right), float(bottom), float(top)


def answers(f: Callable[[Any], Any], plane: Any) -> tuple[Any, int]:
    """One number for each point of the plane, a score or a class, and the number of scores.

    If f returns whole numbers, which are classes, the second result is the largest integer.
    """
    with no_grad():
        found = f(plane)
    if isinstance(found, list | tuple):
        found = [[plain(score) for score in np.atleast_1d(np.array(x, object))] for x in found]
    out = np.asarray(plain(found))
    outputs = out.shape[1] if out.ndim == 2 else 1
    if out.ndim == 2:
        out = out[:, 0] if out.shape[1] == 1 else np.argmax(out, axis=1)
    if out.shape != (len(plane),):
        raise ValueError(
            f"f must return one number or one row of scores for each point: for {len(plane)} "
            f"points it returned an array of shape {out.shape}"
        )
    whole = outputs == 1 and out.dtype.kind in "bui"
    return out, sys.maxsize if whole else outputs


def draw_classes(ax: Any, classes: Any, extent: Bounds) -> None:
    """A pale colour for each class, and black lines between the classes."""
    from matplotlib.colors import ListedColormap

    shades = ListedColormap([COLORS[name] for name in SERIES])
    ax.imshow(
        classes % len(SERIES), shades, vmin=0, vmax=len(SERIES) - 1, alpha=0.35, origin="lower",
        extent=extent, aspect="auto", interpolation="nearest",
    )  # fmt: skip
    for k in np.unique(classes)[:-1]:
        inside = (classes == k).astype(float)
        ax.contour(inside, [0.5], extent=extent, colors="black", linewidths=1)


def draw_scores(
    ax: Any, scores: Any, extent: Bounds, level: float, limit: Any, margins: Sequence[float]
) -> None:
    """Shades around the level, a line along it, and labelled lines along the margins."""
    finite = scores[np.isfinite(scores)]
    if not finite.size:
        raise ValueError("f returned no finite number, so there is nothing to draw")
    limit = limit or float(np.max(np.abs(finite - level))) or 1.0
    ax.imshow(
        scores, two_sided(), vmin=level - limit, vmax=level + limit, alpha=0.7, origin="lower",
        extent=extent, aspect="auto", interpolation="bilinear",
    )  # fmt: skip
    low, high = finite.min(), finite.max()
    for each, width, style in [(level, 2.0, "-"), *((m, 1.2, ":") for m in margins)]:
        if low < each < high and high - low > limit / 1000:  # not a constant with rounding errors
            line = ax.contour(
                scores, [each], extent=extent, colors="black", linewidths=width, linestyles=style
            )
            ax.clabel(line, fmt=f"{each:g}", fontsize=10)


def draw_points(ax: Any, x: Any, y: Any, names: Sequence[str] | None) -> None:
    """The points of each class with its colour and marker, and a legend if there are names."""
    classes = np.unique(y)
    if names and len(names) <= classes[-1]:
        raise ValueError(f"there are {len(names)} names for the classes 0 to {classes[-1]}")
    size = 10 if len(x) < FEW else 6
    for k in classes:
        name = names[k] if names else ""
        ax.plot(
            *x[y == k].T, **points(k), markersize=size, markeredgecolor="white",
            markeredgewidth=0.7, label=name,
        )  # fmt: skip
    if names:
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=min(len(classes), 4),
            frameon=False, fontsize=SMALL, borderaxespad=0.0,
        )  # fmt: skip
