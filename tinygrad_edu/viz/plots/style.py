"""The look that all plots share: colours for every eye, and a second code for black and white."""

from pathlib import Path
from typing import Any

# Told apart by colour-blind eyes too: Okabe and Ito 2008, "Color universal design".
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
# The colour of the first, second, ... series; and what tells them apart without colours.
SERIES = ("blue", "vermillion", "green", "orange", "purple", "sky blue", "black")
LINESTYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (5, 1, 1, 1)), (0, (1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def figure(width: float = 8, height: float = 5) -> Any:
    """An empty figure of width by height hundred pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def axes_of(ax: Any, width: float = 8, height: float = 5) -> Any:
    """The axes to draw on: `ax`, or tidy ones of a new figure if it is None."""
    return tidy(figure(width, height).subplots()) if ax is None else ax


def tidy(ax: Any) -> Any:
    """The same axes with a faint grid, without a frame, and with letters for 800 pixels."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=11)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_size(12)
    return ax


def line(k: int) -> dict[str, Any]:
    """How to plot the k-th series as a line: `ax.plot(x, y, **line(k))`."""
    k %= len(SERIES)
    return {"color": COLORS[SERIES[k]], "linestyle": LINESTYLES[k], "linewidth": 2}


def points(k: int) -> dict[str, Any]:
    """How to plot the k-th series as points: `ax.plot(x, y, **points(k))`."""
    k %= len(SERIES)
    return {"color": COLORS[SERIES[k]], "marker": MARKERS[k], "linestyle": "none"}


def saved(ax: Any, path: str | Path | None) -> Any:
    """The figure that `ax` is in, saved to `path` if there is one."""
    fig = ax.figure.get_figure(root=True)
    if path is not None:
        fig.savefig(path)
    return fig
