"""How did a training go, and how does a schedule move its learning rate?"""

from pathlib import Path
from typing import Any

from tinygrad_edu.viz.plots.style import axes_of, figure, line, saved, tidy


def plot_history(history: Any, path: str | Path | None = None) -> Any:
    """The losses, the metrics, and the learning rate if it changed, over the epochs.

    history  what `train.fit` returned
    path     a file to save the picture in, such as "history.png"

    Each has a panel of its own. Returns matplotlib's figure.
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
            ax.plot(range(1, len(values) + 1), values, **line(k), marker=".", label=name)
        ax.set_ylabel(label)
        ax.legend(fontsize=11)
        tidy(ax)
    if min([*history.train_loss, *history.validation_loss], default=0) > 0:
        axes[0].set_yscale("log")
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return saved(axes[0], path)


def plot_schedule(
    scheduler: Any, steps: int | None = None, ax: Any = None, path: str | Path | None = None
) -> Any:
    """The learning rate of each group against the step; neither optimizer nor step changes.

    scheduler  one of `optim.lr_scheduler`
    steps      how many; the default shows the shape of the schedule
    ax         matplotlib's axes to draw on, of a new figure by default
    path       a file to save the picture in, such as "schedule.png"

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
