"""Plots of a sweep: the result of each run against one of the settings."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.plots.style import COLORS, axes_of, line, mark_x, saved

MARKERS = {
    "converged": "o",
    "finished": "o",
    "falling": "^",
    "slow": "v",
    "stalled": "s",
    "oscillating": "D",
    "diverged": "X",
    "error": "P",
}
FAILED = ("diverged", "error")
ROW = 0.05  # the height of a row of failed runs below the upper edge, as a share of the axes


def plot_sweep(
    sweep: Any,
    x: str = "lr",
    metric: str = "loss",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """Each run as a point whose marker shows the verdict; lines through the means over the seeds.

    sweep   the result of `lab.sweep`
    x       the setting on the x-axis; each combination of the other settings has its own line
    metric  the number on the y-axis
    ax      matplotlib's axes to draw on; default: a new figure
    path    the file to save the picture in, such as "sweep.png"

    Runs without a finite number, or above the upper edge, are drawn in rows below this edge, one
    row for each line. The line through the means has a gap there.
    Returns matplotlib's figure. Raises ValueError for a setting or a metric that the sweep does not
    have.
    """
    names = list(sweep.rows[0].settings)
    for what, name, known in (("x", x, names), ("metric", metric, sweep.metrics)):
        if name not in known:
            raise ValueError(f"{what} is one of {', '.join(known) or 'none'}, not {name!r}")
    ax = axes_of(ax)
    place = places([row.settings[x] for row in sweep.rows], ax)
    top = scale(sweep.runs, metric, ax)
    groups: dict[str, list[Any]] = {}
    for row in sweep.rows:
        others = (f"{name}={show(v)}" for name, v in row.settings.items() if name != x)
        groups.setdefault(", ".join(others), []).append(row)
    for k, (name, rows) in enumerate(groups.items()):
        at = [place[show(row.settings[x])] for row in rows]
        mean = [row.mean[metric] if row.finished(metric) else math.nan for row in rows]
        within = np.where(np.array(mean) < top, mean, math.nan)
        through = "mean of the seeds" if np.sum(np.isfinite(within)) > 1 else "_"
        ax.plot(at, within, **line(k), label=name or through)
        for place_of_row, row in zip(at, rows, strict=True):
            for run in row.runs:
                y = run.numbers.get(metric, math.nan)
                above = not (math.isfinite(y) and y < top)
                ax.plot(
                    place_of_row,
                    1 - ROW * (k + 1) if above else y,
                    MARKERS[run.verdict],
                    transform=ax.get_xaxis_transform() if above else ax.transData,
                    color=line(k)["color"],
                    alpha=0.6,
                    markersize=7,
                    markeredgecolor="white",
                    markeredgewidth=0.5,
                    clip_on=False,
                    zorder=3,
                )
    for verdict in dict.fromkeys(run.verdict for run in sweep.runs):
        ax.plot([], [], MARKERS[verdict], color="0.4", markersize=7, label=verdict)
    ax.set(xlabel="learning rate" if x == "lr" else x, ylabel=metric)
    ax.legend(fontsize=11, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return saved(ax, path)


def plot_range_test(test: Any, ax: Any = None, path: str | Path | None = None) -> Any:
    """The loss at each learning rate of a range test, the rate to use, and the limit.

    test  the result of `lab.lr_range_test`
    ax    matplotlib's axes to draw on; default: a new figure
    path  the file to save the picture in, such as "range_test.png"

    Returns matplotlib's figure.
    """
    ax = axes_of(ax)
    ax.set_xscale("log")
    top = 1.5 * test.loss[0]
    shown = test.loss < 0.97 * top
    ax.plot(test.lr[shown], test.loss[shown], ".", color=COLORS["grey"], label="each step")
    ax.plot(test.lr, test.smoothed, **line(0), label="running mean")
    ax.set(xlabel="learning rate", ylabel="loss", ylim=(-0.03 * top, top))
    ax.set_xlim(test.lr[0] / 1.5, 1.5 * min(test.limit, 2 * test.lr[-1]))
    mark_x(ax, test.suggestion, f"take {test.suggestion:.2g}", 2, 0.3)
    if np.isfinite(test.limit):
        mark_x(ax, test.limit, f"breaks at {test.limit:.2g}", 1, 0.3)
    ax.legend(fontsize=11, frameon=False, loc="lower left")
    return saved(ax, path)


def show(value: Any) -> str:
    return str(getattr(value, "__qualname__", value))


def places(values: list[Any], ax: Any) -> dict[str, float]:
    """The position of each value on the x-axis: a number itself, or the index of other values."""
    names = list(dict.fromkeys(map(show, values)))
    if not all(isinstance(x, int | float) for x in values):
        ax.set_xticks(range(len(names)), names)
        return {name: float(i) for i, name in enumerate(names)}
    if min(values) > 0 and max(values) >= 10 * min(values):
        ax.set_xscale("log")
    return {show(x): float(x) for x in values}


def scale(runs: list[Any], metric: str, ax: Any) -> float:
    """Set the y-axis for the runs that did not fail; return its upper edge."""
    numbers = [(run.numbers.get(metric, math.nan), run.verdict in FAILED) for run in runs]
    finite = [y for y, _ in numbers if math.isfinite(y)]
    if not finite:
        ax.set_yticks([])  # no run has a finite number
        return 1.0
    good = [y for y, failed in numbers if math.isfinite(y) and not failed] or finite
    failed_some = any(failed or not math.isfinite(y) for y, failed in numbers)
    if min(finite) > 0 and max(good) > 10 * min(good):
        ax.set_yscale("log")
        top = max(good) * (5 if failed_some else 1.3)
        ax.set_ylim(min(finite) / 1.5, top)
    else:
        room = (max(good) - min(good)) or 1.0
        top = max(good) + room * (0.3 if failed_some else 0.05)
        ax.set_ylim(min(*finite, *good) - 0.05 * room, top)
    return top
