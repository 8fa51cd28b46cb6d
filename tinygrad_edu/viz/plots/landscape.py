"""A landscape drawn as a map, as a surface, or as a curve, with the paths of optimizers on it."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.plots.style import COLORS, LINESTYLES, MARKERS, SERIES, axes_of, figure, saved

Paths = Mapping[str, Any]
CLOSEST = 1e-4  # of the range of the loss: the first of the levels that grow by a factor


def contour(
    landscape: Any,
    paths: Paths | None = None,
    *,
    log: bool = False,
    levels: int = 20,
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """A map of a loss in two dimensions, each shade a range of the loss; returns the figure.

    paths   names and paths of weights, which `landscape.project` puts on the map: a ring at the
            start, a mark at the end
    log     levels that grow by a factor: for a valley with high walls
    levels  how many
    path    save the figure there

    Where the loss is not finite the map is white. A star marks the lowest point of the grid, unless
    others are as low, or it is on the border, beyond which the loss may fall on.
    Raises ValueError for a landscape of one dimension, or without a finite loss.
    """
    from matplotlib.colors import BoundaryNorm

    need(landscape, 2, "contour", "curve")
    ax = axes_of(ax, 8, 6)
    loss = np.ma.masked_invalid(landscape.loss).T
    edges = contour_levels(loss.compressed(), levels, log)
    shades = ax.contourf(
        *landscape.axes, loss, edges, cmap="viridis", norm=BoundaryNorm(edges, 256), alpha=0.8
    )
    ax.contour(*landscape.axes, loss, edges, colors="black", linewidths=0.4, alpha=0.5)
    bar = ax.figure.colorbar(shades, ax=ax, label="loss", spacing="uniform")
    told = edges[:: max(1, levels // 8)]
    bar.set_ticks(told, labels=[f"{float(f'{edge:.2g}'):g}" for edge in told])
    for k, (name, weights) in enumerate((paths or {}).items()):
        x, y = landscape.project(weights).T
        draw_path(ax, k, name, x, y)
    mark_lowest(ax, landscape)
    ax.set(xlabel=landscape.labels[0], ylabel=landscape.labels[1], title=title)
    ax.set(xlim=landscape.axes[0][[0, -1]], ylim=landscape.axes[1][[0, -1]])
    legend(ax)
    return saved(ax, path)


def surface(
    landscape: Any,
    paths: Paths | None = None,
    *,
    title: str = "",
    elevation: float = 35,
    turn: float = -60,
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """A loss in two dimensions as a surface in three; returns the figure.

    elevation, turn  where it is seen from, in degrees
    ax               axes with projection="3d"

    Paths lie on the surface, at the loss of the point below them; other arguments as in `contour`.
    """
    need(landscape, 2, "surface", "curve")
    if ax is None:
        ax = figure(8, 6).subplots(subplot_kw={"projection": "3d", "computed_zorder": False})
    loss = np.ma.masked_invalid(landscape.loss)
    grid = np.meshgrid(*landscape.axes, indexing="ij")
    ax.plot_surface(*grid, loss.filled(np.nan), cmap="viridis", alpha=0.85, linewidth=0)
    for k, (name, weights) in enumerate((paths or {}).items()):
        shadow = landscape.project(weights)
        draw_path(ax, k, name, *shadow.T, height(landscape, shadow), zorder=5)
    mark_lowest(ax, landscape, landscape.lowest[1])
    ax.set(xlabel=landscape.labels[0], ylabel=landscape.labels[1], zlabel="loss", title=title)
    ax.view_init(elevation, turn)
    ax.zaxis.labelpad = 10
    legend(ax, loc="upper left")
    return saved(ax, path)


def curve(
    landscape: Any,
    paths: Paths | None = None,
    *,
    log: bool = False,
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """A loss in one dimension; arguments as in `contour`. Returns the figure."""
    need(landscape, 1, "curve", "contour")
    ax = axes_of(ax)
    (x,), loss = landscape.axes, np.ma.masked_invalid(landscape.loss)
    ax.plot(x, loss, color=COLORS["black"], linewidth=2, label="loss")
    each_step = {"markevery": 1, "markersize": 7, "linewidth": 1, "path_effects": []}
    for k, (name, weights) in enumerate((paths or {}).items()):
        shadow = landscape.project(weights)
        draw_path(ax, k, name, shadow[:, 0], height(landscape, shadow), **each_step)
    mark_lowest(ax, landscape, landscape.lowest[1])
    ax.set(xlabel=landscape.labels[0], ylabel="loss", title=title)
    if log:
        ax.set_yscale("log")
    legend(ax)
    return saved(ax, path)


def contour_levels(loss: Any, levels: int, log: bool) -> Any:
    """The levels of a map: equally spaced; or, log, each the same factor above the last.

    Where the loss comes near 0, or goes below, it is its height above the lowest that grows so.
    """
    low, high = loss.min(), loss.max()
    size = max(high - low, 1e-12 * abs(high), np.finfo(float).tiny)
    if log and low > CLOSEST**2 * high:
        return np.geomspace(low, low + size, levels + 1)
    if log:
        return low + size * np.concatenate([[0], np.geomspace(CLOSEST, 1, levels)])
    return low + size * np.linspace(0, 1, levels + 1)


def height(landscape: Any, points: Any) -> Any:
    """The loss at points (steps, k), linear between those of the grid; nan beyond it."""
    corner, share = [], []
    for x, axis in zip(points.T, landscape.axes):
        place = np.interp(x, axis, np.arange(len(axis)), np.nan, np.nan)
        below = np.clip(np.nan_to_num(place).astype(int), 0, len(axis) - 2)
        corner.append(below)
        share.append(place - below)
    loss = 0.0
    for ahead in product((0, 1), repeat=len(corner)):
        weights = [t if one else 1 - t for t, one in zip(share, ahead)]
        at = tuple(below + one for below, one in zip(corner, ahead))
        loss = loss + np.prod(weights, axis=0) * landscape.loss[at]
    return loss


def draw_path(ax: Any, k: int, name: str, *coordinates: Any, **options: Any) -> None:
    """The k-th path: a ring where it starts, a line, and a mark of its own where it ends."""
    from matplotlib.patheffects import withStroke

    k %= len(SERIES)
    color = COLORS[SERIES[k]]
    look = {
        "marker": MARKERS[k], "markevery": [len(coordinates[0]) - 1], "markersize": 9,
        "markeredgecolor": "white", "linestyle": LINESTYLES[k], "linewidth": 2.5,
        "path_effects": [withStroke(linewidth=4.5, foreground="white")],
    }  # fmt: skip
    ax.plot(*coordinates, color=color, label=name, **look | options)
    ring = {"color": "white", "markeredgecolor": color, "markeredgewidth": 2, "markersize": 9}
    ax.plot(*(x[:1] for x in coordinates), "o", zorder=options.get("zorder", 3), **ring)


def mark_lowest(ax: Any, landscape: Any, *height: float) -> None:
    """A star at the lowest point of the grid, if there is one, and it is not on the border."""
    place, low = landscape.lowest
    size = np.ptp(landscape.loss[np.isfinite(landscape.loss)])
    on_border = any(c in (axis[0], axis[-1]) for c, axis in zip(place, landscape.axes))
    if on_border or np.sum(landscape.loss <= low + 1e-12 * size) > 1:
        return
    star = {"color": COLORS["yellow"], "markeredgecolor": "black", "markersize": 15, "zorder": 6}
    ax.plot(*([c] for c in (*place, *height)), "*", label=f"lowest: {low:.3g}", **star)


def need(landscape: Any, dimensions: int, mine: str, other: str) -> None:
    """Raise ValueError for a landscape that one cannot draw so."""
    if len(landscape.axes) != dimensions:
        raise ValueError(
            f"{mine} draws a landscape of {dimensions} directions, and this has "
            f"{len(landscape.axes)}: use {other}"
        )
    if not np.any(np.isfinite(landscape.loss)):
        raise ValueError("the loss is not finite anywhere on this landscape")


def legend(ax: Any, **options: Any) -> None:
    """A legend, if there is something to tell."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(framealpha=0.9, handlelength=3, **options)
