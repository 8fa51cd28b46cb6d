"""Descents drawn: the path on the curve, the loss against the step, and maps of basins."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.plots.style import COLORS, SERIES, axes_of, line, saved


def path_on_curve(
    f: Callable[[Any], Any],
    trajectory: Any,
    *,
    bounds: tuple[float, float] | None = None,
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """The points of a `lab.Trajectory` of one number on the curve of f; returns the figure.

    bounds  of x; those of the points, and a little more, by default. Points beyond are left out
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
    ax.plot(xs[0], trajectory.loss[0], "s", color=COLORS["blue"], markersize=9, label="start")
    ax.set(xlabel="x", ylabel="f(x)", title=title, xlim=(low, high))
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
    """Loss above `lowest` against step, on a logarithmic scale, a line a trajectory.

    labels  in the legend; the learning rates by default
    """
    ax = axes_of(ax)
    labels = labels or [f"lr = {each.lr:g}" for each in trajectories]
    for k, (each, label) in enumerate(zip(trajectories, labels, strict=True)):
        above = np.where(np.isfinite(each.loss), each.loss - lowest, np.nan)
        ax.semilogy(np.maximum(above, 1e-16), label=label, **line(k))
    ax.set(xlabel="step", ylabel="loss above its minimum", title=title)
    ax.legend(frameon=False, fontsize=11, loc="upper left", ncols=2)
    return saved(ax, path)


def basin_map(
    basins: Any, *, title: str = "", ax: Any = None, path: str | Path | None = None
) -> Any:
    """Each start in the colour of the minimum it went to, grey for none; minima are stars."""
    from matplotlib.colors import ListedColormap

    if len(basins.axes) != 2:
        raise ValueError(f"a map has two axes, and these basins have {len(basins.axes)}")
    ax = axes_of(ax, 7, 6)
    colors = [COLORS[SERIES[k % len(SERIES)]] for k in range(len(basins.minima))]
    shades = ListedColormap(["#dddddd", *colors])
    x, y = basins.axes
    ax.pcolormesh(x, y, basins.goal.T, cmap=shades, vmin=-1, vmax=len(colors) - 1, alpha=0.6)
    for minimum, color in zip(basins.minima, colors, strict=True):
        ax.plot(*minimum, "*", color=color, markeredgecolor="black", markersize=16)
    ax.grid(visible=False)
    ax.set(xlabel="x", ylabel="y", title=title, xlim=x[[0, -1]], ylim=y[[0, -1]])
    return saved(ax, path)


def around(xs: Any) -> tuple[float, float]:
    """The range of some numbers, and a tenth more on both sides."""
    low, high = float(xs.min()), float(xs.max())
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin
