"""The style of all plots: colours that all readers can tell apart, and line styles and markers."""

from pathlib import Path
from typing import Any

import numpy as np

# Colour-blind readers can tell them apart too: Okabe and Ito 2008, "Color universal design".
COLORS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#888888",
}
# The colours of the first, second, ... series; their line styles and markers differ as well, for
# black and white.
SERIES = ("blue", "vermillion", "green", "orange", "purple", "sky blue", "black")
LINESTYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (5, 1, 1, 1)), (0, (1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LABEL, SMALL = 12, 11  # font sizes in points: the names of axes; numbers, and texts beside lines
EARLY = 60  # a line that ends this many points before the others has its label at its own end
LEADING = 1.3  # the distance between two labels, as a multiple of their font size


def figure(width: float = 8, height: float = 5) -> Any:
    """An empty figure of width by height hundred pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def axes_of(ax: Any, width: float = 8, height: float = 5) -> Any:
    """The axes to draw on: `ax`, or tidy ones of a new figure if it is None."""
    return tidy(figure(width, height).subplots()) if ax is None else ax


def panels(
    mosaic: str, width: float = 8, height: float = 5, solid: str = "", **options: Any
) -> list[Any]:
    """Tidy axes, one for each letter of a mosaic, in the order of the letters' first use.

    mosaic   the rows, separated by semicolons: "ab;cc" is two panels above a wide one
    solid    the letters of panels in three dimensions
    options  more arguments of matplotlib's `subplot_mosaic`, such as height_ratios=(2, 1)
    """
    drawn_in_order = {"projection": "3d", "computed_zorder": False}
    kinds = dict.fromkeys(solid, drawn_in_order)
    found = figure(width, height).subplot_mosaic(mosaic, per_subplot_kw=kinds, **options)
    return [ax if letter in solid else tidy(ax) for letter, ax in found.items()]


def tidy(ax: Any) -> Any:
    """The same axes with a faint grid, without a frame, and with letters that fit 800 pixels."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=SMALL)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_size(LABEL)
    return ax


def line(k: int) -> dict[str, Any]:
    """The style of the k-th series as a line: `ax.plot(x, y, **line(k))`."""
    k %= len(SERIES)
    return {"color": COLORS[SERIES[k]], "linestyle": LINESTYLES[k], "linewidth": 2}


def draw_runs(ax: Any, x: Any, runs: Any, k: int, label: str) -> None:
    """The mean of several runs (runs, len(x)) as the k-th series, and their range behind it."""
    ax.fill_between(x, np.min(runs, axis=0), np.max(runs, axis=0), color=line(k)["color"],
                    alpha=0.15, linewidth=0)  # fmt: skip
    ax.plot(x, np.mean(runs, axis=0), **line(k), label=label)


def points(k: int) -> dict[str, Any]:
    """The style of the k-th series as points: `ax.plot(x, y, **points(k))`."""
    k %= len(SERIES)
    return {"color": COLORS[SERIES[k]], "marker": MARKERS[k], "linestyle": "none"}


def label_ends(ax: Any, *, size: float = SMALL) -> None:
    """Write the label of each line beside its right end, in its colour, instead of a legend.

    Labels that would overlap are moved apart, and a thin line leads to each of them. Call this at
    the end, because it needs the final lines and limits of the axes. A line without a label, or
    outside the picture, gets none.
    """
    ax.figure.get_figure(root=True).draw_without_rendering()  # now the axes have their size
    points = 72 / ax.figure.get_figure(root=True).dpi
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    ends = [(line, end) for line in lines if (end := last_seen(line)) is not None]
    if not ends:
        return
    at = points * ax.transData.transform([end for _, end in ends])
    low, high = points * ax.bbox.y0 + size / 2, points * ax.bbox.y1 - size / 2
    heights = spread(at[:, 1], size * LEADING, low, high)
    last = at[:, 0].max()
    early = at[:, 0] < last - EARLY
    moved = (np.abs(at[:, 1] - heights) > size / 2) | (~early & (at[:, 0] < last - size))
    column = last + (16 if np.any(moved) else 6)
    for (line, end), (x, y), height, alone, far in zip(
        ends, at, heights, early, moved, strict=True
    ):
        lead = {"arrowstyle": "-", "color": line.get_color(), "linewidth": 0.8, "relpos": (0, 0.5)}
        aside = 6 + 10 * far if alone else column - x
        ax.annotate(
            line.get_label(), end, (aside, height - y), va="center", size=size,
            textcoords="offset points", color=legible(line.get_color()), annotation_clip=False,
            arrowprops=lead | {"shrinkA": 0, "shrinkB": 4} if far else None,
        )  # fmt: skip


def named(name: str) -> str:
    """A name as a label; matplotlib shows none that begins with an underscore."""
    return f"\u200b{name}" if name.startswith("_") else name


def mark_x(ax: Any, x: float, text: str, k: int = 6, height: float = 0.97) -> None:
    """A vertical line at x in the style of series k, with a text beside it at this height."""
    ax.axvline(x, **line(k) | {"linewidth": 1.5})
    place, _ = (ax.get_xaxis_transform() - ax.transAxes).transform((x, 0))
    side = "right" if place > 0.6 else "left"
    ax.annotate(
        text, (x, height), (-5 if side == "right" else 5, 0), ha=side, va="top", size=SMALL,
        xycoords=ax.get_xaxis_transform(), textcoords="offset points",
        color=legible(line(k)["color"]),
    )  # fmt: skip


def last_seen(line: Any) -> Any:
    """The last point of a line inside the limits of its axes; None if there is no such point."""
    ax, points = line.axes, np.asarray(line.get_xydata(), float)
    (left, right), (low, high) = map(sorted, (ax.get_xlim(), ax.get_ylim()))
    x, y = points.T
    inside = np.flatnonzero((left <= x) & (x <= right) & (low <= y) & (y <= high))
    return points[inside[-1]] if len(inside) else None


def spread(wanted: Any, least: float, low: float, high: float) -> Any:
    """Positions near those wanted, in the same order, with distances of at least `least`.

    Positions that are too close form a block. The middle of a block is the mean of the positions
    that its members want, and blocks that touch are joined. No position is below `low` or above
    `high` if there is enough room.
    """
    order = np.argsort(wanted, kind="stable")
    blocks: list[list[float]] = []  # for each member, the start of the block that it wants

    def start(block: list[float]) -> float:
        highest = max(low, high - least * (len(block) - 1))
        return float(np.clip(np.mean(block), low, highest))

    for i in order:
        blocks.append([wanted[i]])
        while len(blocks) > 1 and start(blocks[-2]) + least * len(blocks[-2]) > start(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += [x - least * len(blocks[-1]) for x in last]
    out = np.empty(len(order))
    out[order] = [start(block) + least * k for block in blocks for k in range(len(block))]
    return out


def legible(color: Any) -> Any:
    """A colour for letters on white: the same colour, or a darker one if it is too pale to read."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    share = min(1.0, (0.18 / light) ** (1 / 2.2)) if light else 1.0
    return red * share, green * share, blue * share


def saved(ax: Any, path: str | Path | None) -> Any:
    """The figure that contains `ax`. It is also saved to `path`, unless that is None."""
    fig = ax.figure.get_figure(root=True)
    if path is not None:
        fig.savefig(path)
    return fig
