"""Plots of a loss landscape: a map, a surface or a curve, with the paths of optimizers on it."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.plots.style import (
    COLORS,
    LINESTYLES,
    MARKERS,
    SERIES,
    SMALL,
    axes_of,
    figure,
    saved,
)

Paths = Mapping[str, Any]
CLOSEST = 1e-4  # the first logarithmic level above the lowest loss, as a share of its range
DOT = 0.05  # a path shorter than this share of both sides of the map is drawn as a dot


def contour(
    landscape: Any,
    paths: Paths | None = None,
    *,
    log: bool = False,
    levels: int = 20,
    name: str = "loss",
    grey: bool = False,
    minima: Any = (),
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """A map of a loss in two dimensions: each shade is a range of the loss.

    landscape  the result of `lab.landscape` with two directions
    paths      {name: path of weights}, projected on the map by `landscape.project`: a ring marks
               the start, a marker the end. A path shorter than its markers is drawn as a dot
    log        logarithmic levels, for a valley with high walls
    levels     the number of levels
    name       the text beside the colour bar
    grey       use greys without a colour bar, as a background for many paths; dark is high
    minima     weights where the loss has a known minimum: each gets a star, above the paths
    title      above the picture
    ax         matplotlib's axes to draw on; default: a new figure
    path       the file to save the picture in, such as "landscape.png"

    The map is white where the loss is not finite. Without `minima`, a star marks the lowest point
    of the grid; but not if other points are equally low, or if it is on the border, because the
    loss may be lower outside. Returns matplotlib's figure.
    Raises ValueError for a landscape of one dimension, or without a finite loss.
    """
    from matplotlib.colors import BoundaryNorm

    need(landscape, 2, "contour", "curve")
    ax = axes_of(ax, 8, 6)
    loss = np.ma.masked_invalid(landscape.loss).T
    edges = contour_levels(loss.compressed(), levels, log)
    norm, look = BoundaryNorm(edges, 256), ("Greys", 0.35) if grey else ("viridis", 0.8)
    shades = ax.contourf(*landscape.axes, loss, edges, cmap=look[0], norm=norm, alpha=look[1])
    ax.contour(*landscape.axes, loss, edges, colors="black", linewidths=0.4, alpha=0.5)
    ax.grid(visible=False)
    if not grey:
        bar = ax.figure.colorbar(shades, ax=ax, label=name, spacing="uniform")
        told = edges[:: max(1, levels // 8)]
        bar.set_ticks(told, labels=[f"{float(f'{edge:.2g}'):g}" for edge in told])
    ax.set(xlim=landscape.axes[0][[0, -1]], ylim=landscape.axes[1][[0, -1]])
    draw_paths(ax, {name: landscape.project(weights) for name, weights in (paths or {}).items()})
    if len(minima):
        draw_stars(ax, landscape.project(minima), "minimum", zorder=7)
    else:
        mark_lowest(ax, landscape)
    ax.set(xlabel=landscape.labels[0], ylabel=landscape.labels[1], title=title)
    legend(ax)
    return saved(ax, path)


def surface(
    landscape: Any,
    paths: Paths | None = None,
    *,
    name: str = "loss",
    title: str = "",
    elevation: float = 35,
    turn: float = -60,
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """A loss in two dimensions as a surface in three dimensions; the height is the loss.

    name             the text beside the vertical axis
    elevation, turn  the direction from which one sees it, in degrees
    ax               axes with projection="3d"; default: a new figure

    Paths lie on the surface: their height is the loss of the landscape. Other arguments and errors
    are as in `contour`. Returns matplotlib's figure.
    """
    need(landscape, 2, "surface", "curve")
    if ax is None:
        ax = figure(8, 6).subplots(subplot_kw={"projection": "3d", "computed_zorder": False})
    loss = np.ma.masked_invalid(landscape.loss)
    grid = np.meshgrid(*landscape.axes, indexing="ij")
    ax.plot_surface(*grid, loss.filled(np.nan), cmap="viridis", alpha=0.85, linewidth=0)
    draw_paths(ax, on_the_ground(landscape, paths))
    mark_lowest(ax, landscape, landscape.lowest[1])
    ax.set(xlabel=landscape.labels[0], ylabel=landscape.labels[1], zlabel=name, title=title)
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
    """A loss in one dimension as a curve. Arguments and errors as in `contour`.

    log  a logarithmic axis for the loss

    Returns matplotlib's figure.
    """
    need(landscape, 1, "curve", "contour")
    ax = axes_of(ax)
    (x,), loss = landscape.axes, np.ma.masked_invalid(landscape.loss)
    ax.plot(x, loss, color=COLORS["black"], linewidth=2, label="loss" if paths else None)
    each_step = {"markevery": 1, "markersize": 7, "linewidth": 1}
    draw_paths(ax, on_the_ground(landscape, paths), **each_step)
    mark_lowest(ax, landscape, landscape.lowest[1])
    ax.set(xlabel=landscape.labels[0], ylabel="loss", title=title)
    if log:
        ax.set_yscale("log")
    legend(ax)
    return saved(ax, path)


def contour_levels(loss: Any, levels: int, log: bool) -> Any:
    """The levels of a map: equally spaced, or with log=True, each the same factor times the last.

    If the lowest loss is near 0 or negative, this holds for the height above the lowest loss.
    """
    low, high = loss.min(), loss.max()
    size = max(high - low, 1e-12 * abs(high), np.finfo(float).tiny)
    if log and low > CLOSEST**2 * high:
        return np.geomspace(low, low + size, levels + 1)
    if log:
        return low + size * np.concatenate([[0], np.geomspace(CLOSEST, 1, levels)])
    return low + size * np.linspace(0, 1, levels + 1)


def height(landscape: Any, points: Any) -> Any:
    """The loss at points (steps, k), by linear interpolation on the grid; nan outside."""
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


def on_the_ground(landscape: Any, paths: Paths | None) -> dict[str, Any]:
    """The paths (steps, dimensions + 1): their coordinates, and the loss of the landscape there."""
    shadows = {name: landscape.project(weights) for name, weights in (paths or {}).items()}
    return {name: np.column_stack([x, height(landscape, x)]) for name, x in shadows.items()}


def draw_paths(ax: Any, paths: Mapping[str, Any], **options: Any) -> None:
    """Each path as a line with its own marker at the end and a ring at the start."""
    for k, (name, points) in enumerate(paths.items()):
        draw_path(ax, k, name, points, **options)
    ring = {"color": "white", "markeredgecolor": "black", "markeredgewidth": 2, "markersize": 9}
    starts = {tuple(points[0]) for points in paths.values() if not is_dot(ax, points)}
    for start in sorted(starts):
        told = {"label": "start"} if start == min(starts) else {}
        ax.plot(*([c] for c in start), "o", zorder=6, **ring, **told)


def draw_path(ax: Any, k: int, name: str, points: Any, **options: Any) -> None:
    """The k-th path with a white border; only its end if the path is too short to see."""
    k %= len(SERIES)
    look = {
        "color": COLORS[SERIES[k]], "marker": MARKERS[k], "markevery": [-1], "markersize": 9,
        "markeredgecolor": "white", "linestyle": LINESTYLES[k], "linewidth": 2.5, "zorder": 6,
        "label": name, "gid": name,
    }  # fmt: skip
    if is_dot(ax, points):
        points = points[np.isfinite(points).all(axis=1)][-1:]
        look |= {"linestyle": "none", "label": f"{name}: a dot here"}
    else:
        mark = look | options | {"linestyle": "none", "zorder": 6.5, "label": None}
        ax.plot(*points.T, color="white", linewidth=4.5, zorder=5.5, gid=name)
        ax.plot(*points.T, **mark)  # above the lines of all paths
    ax.plot(*points.T, **look | options)


def is_dot(ax: Any, points: Any) -> bool:
    """Whether a path on a map is too short to see."""
    sides = np.abs([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    return points.shape[1] == 2 and bool(np.all(np.nan_to_num(extent(points)) < DOT * sides))


def extent(points: Any) -> Any:
    points = points[np.isfinite(points).all(axis=1)]
    return np.ptp(points, axis=0) if len(points) else np.zeros(points.shape[1])


def mark_lowest(ax: Any, landscape: Any, *height: float) -> None:
    """A star at the lowest point of the grid, if it is the only one and not on the border."""
    place, low = landscape.lowest
    size = np.ptp(landscape.loss[np.isfinite(landscape.loss)])
    on_border = any(c in (axis[0], axis[-1]) for c, axis in zip(place, landscape.axes))
    if not on_border and np.sum(landscape.loss <= low + 1e-12 * size) == 1:
        draw_stars(ax, np.array([[*place, *height]]), f"lowest: {low:.3g}")


def draw_stars(ax: Any, points: Any, label: str, zorder: float = 5.7) -> None:
    """Stars; by default above the paths and below the markers at their ends."""
    star = {"color": COLORS["yellow"], "markeredgecolor": "black", "markersize": 20}
    ax.plot(*np.transpose(points), "*", label=label, zorder=zorder, **star)


def need(landscape: Any, dimensions: int, mine: str, other: str) -> None:
    """Raise ValueError for a landscape with other dimensions, or without a finite loss."""
    if len(landscape.axes) != dimensions:
        raise ValueError(
            f"{mine} draws a landscape with {dimensions} direction{'s' * (dimensions > 1)}, and "
            f"this has {len(landscape.axes)}: use {other}"
        )
    if not np.any(np.isfinite(landscape.loss)):
        raise ValueError("the loss is not finite anywhere on this landscape")


def legend(ax: Any, **options: Any) -> None:
    """A legend, if some line has a label."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(framealpha=0.9, handlelength=2.5, fontsize=SMALL, **options)
