"""How did a training go, and how does a schedule change the learning rate?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.graph import plain
from tinygrad_edu.viz.curves import spans_decades
from tinygrad_edu.viz.plots.style import (
    COLORS,
    MARKERS,
    SERIES,
    axes_of,
    figure,
    label_ends,
    line,
    named,
    saved,
    tidy,
)


def plot_history(history: Any, path: str | Path | None = None) -> Any:
    """The losses, the metrics, and the learning rate if it changed, against the epochs.

    history  the result of `train.fit`
    path     the file to save the picture in, such as "history.png"

    Each kind has its own panel. Returns matplotlib's figure.
    """
    from matplotlib.ticker import MaxNLocator

    losses = {"training": history.train_loss}
    if history.validation_loss:
        losses["validation"] = history.validation_loss
    panels = {"loss": losses}
    if history.metrics:
        panels["metric"] = history.metrics
    if len(set(history.lr)) > 1:
        panels["learning rate"] = {"lr": history.lr}
    fig = figure(8, 1 + 2 * len(panels))
    axes = fig.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for ax, (label, lists) in zip(axes, panels.items(), strict=True):
        for k, (name, values) in enumerate(lists.items()):
            ax.plot(range(1, len(values) + 1), values, **line(k), marker=".", label=named(name))
        ax.set_ylabel(label)
        tidy(ax)
    if spans_decades([*history.train_loss, *history.validation_loss]):
        make_logarithmic(axes[0])
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    for ax in axes:
        label_ends(ax)
    return saved(axes[0], path)


def plot_schedule(
    scheduler: Any, steps: int | None = None, ax: Any = None, path: str | Path | None = None
) -> Any:
    """The learning rate of each parameter group against the step. The optimizer does not change.

    scheduler  a scheduler of `optim.lr_scheduler`
    steps      the number of steps; default: as many as show the shape of the schedule
    ax         matplotlib's axes to draw on; default: a new figure
    path       the file to save the picture in, such as "schedule.png"

    Returns matplotlib's figure.
    """
    rates = scheduler.curve(scheduler.span if steps is None else steps)
    ax = axes_of(ax, 8, 4)
    groups = list(zip(*rates, strict=True))
    for k, group in enumerate(groups):
        ax.plot(group, **line(k), drawstyle="steps-post", label=f"group {k}")
    ax.set(title=type(scheduler).__name__, xlabel="step", ylabel="learning rate")
    ax.set_ylim(bottom=0)
    if len(groups) > 1:
        ax.legend(fontsize=11)
    return saved(tidy(ax), path)


def plot_learning(
    losses: Any,
    *,
    mean: int | None = None,
    marks: Mapping[str, float] | None = None,
    xlabel: str = "step",
    ylabel: str = "loss",
    title: str = "",
    ax: Any = None,
    path: str | Path | None = None,
) -> Any:
    """The loss of each step in a pale colour, and its running mean.

    losses  one number for each step; or {name: such numbers} for several curves; or
            {name: {step: loss}} for losses that were measured at some steps only
    mean    the number of steps in the running mean; default: a twentieth of all steps, or 1 below
            100 steps. A curve with fewer steps than `mean` is drawn without it
    marks   {name: loss} for dashed lines to compare with
    xlabel, ylabel, title
            the texts of the picture
    ax      matplotlib's axes to draw on; default: a new figure
    path    the file to save the picture in, such as "losses.png"

    The vertical axis is logarithmic if the losses span decades. Returns matplotlib's figure. Raises
    ValueError if there is no loss, or if a loss is not one number.
    """
    from matplotlib.ticker import MaxNLocator

    curves = dict(losses) if isinstance(losses, Mapping) else {"": losses}
    numbers = {name: numbered(name, values) for name, values in curves.items()}
    if not numbers:
        raise ValueError("there is no loss to draw")
    ax = axes_of(ax, 8, 4.5)
    lengths = []
    for k, (name, (steps, values)) in enumerate(numbers.items()):
        if isinstance(curves[name], Mapping):
            at_some = {"marker": MARKERS[k % len(MARKERS)], "markersize": 5}
            ax.plot(steps, values, **line(k), **at_some, label=named(name))
            continue
        n = mean or (len(values) // 20 if len(values) >= 100 else 1)
        n = n if n <= len(values) else 1
        if n > 1:
            ax.plot(steps, values, color=COLORS[SERIES[k % len(SERIES)]], linewidth=0.8, alpha=0.35)
            lengths.append(n)
        means = running_mean(values, n)
        middle = np.arange(len(means)) + (n + 1) / 2  # at the end of its steps, a mean would lag
        alone = {"marker": "o"} if len(means) == 1 else {}
        ax.plot(middle, means, **line(k), **alone, label=named(name) or "_")
    last = max(max(steps) for steps, _ in numbers.values())
    for name, loss in (marks or {}).items():
        dashes = {"color": COLORS["black"], "linestyle": (0, (4, 3)), "linewidth": 1}
        ax.plot([1, last], [loss, loss], **dashes, label=named(name))
    if lengths:
        of = " to ".join(map(str, sorted({min(lengths), max(lengths)})))
        xlabel = f"{xlabel} (pale: each; bold: the mean of {of})"
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    if spans_decades(y for each in ax.lines for y in each.get_ydata()):
        make_logarithmic(ax)
    label_ends(ax)
    return saved(ax, path)


def numbered(name: str, losses: Any) -> tuple[Any, Any]:
    """The steps and the losses of a curve as arrays."""
    some = isinstance(losses, Mapping)
    each = [plain(x) for x in (losses.values() if some else losses)]
    if not each:
        raise ValueError("there is no loss to draw" + (f" in {name!r}" if name else ""))
    if np.shape(each) != (len(each),):
        shape = np.shape(each)
        raise ValueError(f"losses must be one number for each step, and they have shape {shape}")
    return np.array(list(losses) if some else range(1, len(each) + 1)), np.array(each, float)


def make_logarithmic(ax: Any) -> None:
    """A logarithmic y-axis with plain numbers: 0.01, 0.1, and also 0.2, 0.5 if there is room."""
    from matplotlib.ticker import LogLocator, NullLocator

    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / 300 < low else (1,)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def running_mean(values: Any, n: int) -> Any:
    """The means of n neighbouring numbers: (len(values) - n + 1,)."""
    return np.convolve(np.asarray(values, float), np.full(n, 1 / n), "valid")
