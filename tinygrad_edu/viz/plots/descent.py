"""Plots of descents: the path on the curve, the loss against the step, and maps of basins."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.plots.style import (
    COLORS,
    SERIES,
    SMALL,
    axes_of,
    label_ends,
    line,
    points,
    saved,
)

NOWHERE = "#dddddd"  # the colour of starts that lead to no minimum


def path_on_curve(
    f: Callable[[Any], Any],
    trajectory: Any,
    *,
    bounds: tuple[float, float] | None = None,
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """The points of a `lab.Trajectory` of one number, on the curve of f.

    bounds  (low, high) of x; default: around the points. The path ends where it leaves the bounds
    title   above the picture
    ax      matplotlib's axes to draw on; default: a new figure
    path    the file to save the picture in, such as "path.png"

    Returns matplotlib's figure.
    """
    ax = axes_of(ax)
    xs = np.ravel(trajectory.x)
    low, high = bounds or around(xs[np.isfinite(xs)])
    grid = np.linspace(low, high, 400)
    ax.plot(grid, f(grid), color=COLORS["grey"], linewidth=2)
    inside = (xs >= low) & (xs <= high)
    last = len(xs) if inside.all() else int(np.argmin(inside))  # up to where it leaves the picture
    ax.plot(xs[:last], trajectory.loss[:last], color=COLORS["vermillion"], linewidth=1, alpha=0.7)
    ax.plot(xs[:last], trajectory.loss[:last], "o", color=COLORS["vermillion"], markersize=4)
    ax.plot(xs[0], trajectory.loss[0], "s", color=COLORS["blue"], markersize=9)
    ax.annotate("start", (xs[0], trajectory.loss[0]), (3, 7), textcoords="offset points",
                size=SMALL, color=COLORS["blue"])  # fmt: skip
    ax.set(xlabel="x", ylabel="f(x)", title=title, xlim=(low, high))
    ax.margins(y=0.12)  # room for the name of the start
    return saved(ax, path)


def loss_curves(
    trajectories: Sequence[Any],
    labels: Sequence[str] | None = None,
    *,
    lowest: float = 0.0,
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """Loss minus `lowest` against the step, on a logarithmic scale: one line for each trajectory.

    trajectories  a list of `lab.Trajectory`; or of arrays of losses, which need labels
    labels        the texts at the ends of the lines; default: the learning rates
    lowest        the smallest possible loss
    title, ax, path
                  as in `path_on_curve`

    Returns matplotlib's figure.
    """
    ax = axes_of(ax)
    labels = labels or [f"lr = {each.lr:g}" for each in trajectories]
    for k, (each, label) in enumerate(zip(trajectories, labels, strict=True)):
        loss = np.asarray(getattr(each, "loss", each))
        above = np.where(np.isfinite(loss), loss - lowest, np.nan)
        ax.semilogy(np.maximum(above, 1e-16), label=label, **line(k))
    ax.set(xlabel="step", ylabel="loss above its minimum", title=title)
    label_ends(ax)
    return saved(ax, path)


def basin_map(
    basins: Any, *, title: str = "", ax: Any = None, path: str | Path | None = None
) -> Any:
    """Each start in the colour of the minimum that it leads to, or grey; the minima are stars.

    basins  the result of `lab.basins` with two axes; title, ax and path as in `path_on_curve`

    Returns matplotlib's figure. Raises ValueError unless the basins have two axes.
    """
    from matplotlib.colors import ListedColormap

    need_axes(basins, 2, "map")
    ax = axes_of(ax, 7, 6)
    colors = [COLORS[SERIES[k % len(SERIES)]] for k in range(len(basins.minima))]
    shades = ListedColormap([NOWHERE, *colors])
    x, y = basins.axes
    ax.pcolormesh(x, y, basins.goal.T, cmap=shades, vmin=-1, vmax=len(colors) - 1, alpha=0.6)
    for k, (minimum, color) in enumerate(zip(basins.minima, colors, strict=True)):
        told = {"label": "a minimum, and the starts\nthat go to it"} if k == 0 else {}
        ax.plot(*minimum, "*", color=color, markeredgecolor="black", markersize=16, **told)
    if np.any(basins.goal < 0):
        ax.fill_between([], [], [], color=NOWHERE, alpha=0.6, label="starts that reach none")
    ax.grid(visible=False)
    ax.set(xlabel="start x", ylabel="start y", title=title, xlim=x[[0, -1]], ylim=y[[0, -1]])
    ax.legend(fontsize=SMALL, framealpha=0.95, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return saved(ax, path)


def basin_curve(
    surface: Any, basins: Any, *, title: str = "", ax: Any = None, path: str | Path | None = None
) -> Any:
    """The starts on the curve of a function of one number, with a marker for their minimum.

    surface  the `lab.Surface` that the `basins` belong to
    Raises ValueError for basins that have not one axis.
    """
    need_axes(basins, 1, "curve")
    ax = axes_of(ax)
    low, high = surface.bounds[0]
    x = np.linspace(low, high, 300)
    ax.plot(x, surface(x[:, None]), color=COLORS["grey"], linewidth=2)
    starts = basins.axes[0]
    for k, minimum in enumerate(basins.minima):
        at = starts[basins.goal == k]
        ax.plot(at, surface(at[:, None]), **points(k), markersize=5, label=f"to {minimum[0]:.2g}")
        star = {"color": COLORS[SERIES[k % len(SERIES)]], "markeredgecolor": "black"}
        told = {"label": "minima"} if k == 0 else {}
        ax.plot(*minimum, surface(minimum), "*", markersize=16, **star, **told)
    if len(at := starts[basins.goal < 0]):
        ax.plot(at, surface(at[:, None]), "x", color=COLORS["black"], label="to none", zorder=4)
    ax.set(xlabel="start x", ylabel="f(x)", title=title)
    ax.legend(fontsize=SMALL, frameon=False, loc="upper center")
    return saved(ax, path)


def need_axes(basins: Any, n: int, what: str) -> None:
    if len(basins.axes) != n:
        axes = "one axis" if n == 1 else "two axes"
        raise ValueError(f"a {what} has {axes}, and these basins have {len(basins.axes)}")


def around(xs: Any) -> tuple[float, float]:
    """The range of the numbers, with a margin of a tenth on both sides."""
    low, high = float(xs.min()), float(xs.max())
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin
