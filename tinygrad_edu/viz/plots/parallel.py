"""Which settings do good runs have in common? A picture with parallel axes."""

import math
from pathlib import Path
from typing import Any, Literal

from tinygrad_edu.viz.coordinates import Axis, coordinates_of
from tinygrad_edu.viz.plots.style import COLORS, LABEL, SMALL, axes_of, saved

MANY = 200  # with more lines than this, each line is thin
LETTERS = 12  # longer names of choices are cut
GRADIENT = "viridis"  # readable for colour-blind people, and in black and white


def plot_parallel(
    sweep: Any,
    metric: str | None = None,
    mode: Literal["min", "max"] = "min",
    path: str | Path | None = None,
) -> Any:
    """Draw each run as a line over parallel axes: its settings, then the metric, also its colour.

    sweep   the result of `lab.sweep` or `lab.load_sweep`
    metric  the number on the last axis, the loss by default
    mode    "min" if low values are good, "max" if high ones are
    path    where to save the figure, which is returned

    The runs of the best setting are bold. Runs that diverged or raised, or that have no finite
    number, are dashed and end at "failed". Inselberg 1985, "The plane with parallel coordinates".
    Raises ValueError if the sweep does not have the metric, or if no setting has finite values.
    """
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    found = coordinates_of(sweep, metric, mode)
    ax = axes_of(None, 9, 5)
    count = len(found.axes) + 1
    ax.set(xlim=(-0.3, count - 0.6), ylim=(-0.04, 1.04), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    colors = colormaps[GRADIENT].reversed() if mode == "max" else colormaps[GRADIENT]
    thin = {"linewidth": 0.6, "alpha": 0.5} if len(found.runs) > MANY else {"linewidth": 1.5}
    lines = [list(enumerate(places)) for places in found.places()]
    order = sorted(range(len(lines)), key=lambda i: badness(found.result.values[i], mode))
    failed = [lines[i] for i in order if math.isnan(found.result.values[i])]
    good = order[len(failed) :]
    dashes: dict[str, Any] = {"colors": COLORS["grey"], "linestyles": (0, (3, 3)), **thin}
    ax.add_collection(LineCollection(failed, **dashes, label="failed"))
    shades = [colors(found.result.place(found.result.values[i])) for i in good]
    ax.add_collection(LineCollection([lines[i] for i in good], colors=shades, **thin, label="runs"))
    best = [(lines[i], shade) for i, shade in zip(good, shades) if found.best[i]]
    bold = [line for line, _ in best]
    ax.add_collection(LineCollection(bold, colors="white", linewidth=6.0, zorder=3))
    ax.add_collection(
        LineCollection(bold, colors=[x for _, x in best], linewidth=3.5, zorder=3, label="best")
    )
    for k, axis in enumerate((*found.axes, found.result)):
        draw_axis(ax, k, axis)
    return saved(ax, path)


def badness(x: float, mode: str) -> float:
    """A key for sorting: failed runs come first, then the worst results, the best last."""
    if math.isnan(x):
        return -math.inf
    return -x if mode == "min" else x


def draw_axis(ax: Any, x: float, axis: Axis) -> None:
    """Draw a vertical line with its name above and its ticks to the left, on top of the runs."""
    ax.plot([x, x], [0, 1], color="0.2", linewidth=1.2, zorder=4)
    name = "learning rate" if axis.name == "lr" else axis.name
    ax.annotate(name, (x, 1.04), (0, 4), ha="center", va="bottom", size=LABEL,
                textcoords="offset points", annotation_clip=False, weight="bold")  # fmt: skip
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    for place, text in axis.ticks:
        ax.plot([x - 0.02, x], [place, place], color="0.2", linewidth=1.2, zorder=4)
        ax.annotate(
            short(text), (x, place), (-5, 0), ha="right", va="center", size=SMALL,
            textcoords="offset points", bbox=box, zorder=5, annotation_clip=False,
        )  # fmt: skip


def short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
