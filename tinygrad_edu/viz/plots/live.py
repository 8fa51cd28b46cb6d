"""How is a training going while it still runs?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.viz.curves import panels_of, plane_of, status_of
from tinygrad_edu.viz.plots.boundaries import draw_classes, draw_points, draw_scores
from tinygrad_edu.viz.plots.style import SMALL, line, named, points, saved, tidy
from tinygrad_edu.viz.plots.training import make_logarithmic


def plot_live(history: Any, path: str | Path | None = None) -> Any:
    """The loss, the norm of each layer's gradient, and the outputs of a model of two inputs so far.

    history  the history that `fit` writes to, during the training or after it
    path     the file to save the picture in, such as "live.png"

    If there are many batches, a curve shows means of groups of batches. Returns matplotlib's
    figure.
    """
    from matplotlib.figure import Figure

    panels, plane = panels_of(history), plane_of(history)
    n = len(panels) + (plane is not None)
    rows = -(-n // 2)
    fig = Figure(figsize=(8, 0.5 + 2.8 * rows), dpi=100)  # a layout engine would double the time
    inch = 1 / fig.get_figheight()
    edges = {"left": 0.09, "right": 0.965, "bottom": 0.55 * inch, "top": 1 - 0.7 * inch}
    grid = fig.add_gridspec(rows, min(n, 2), wspace=0.22, hspace=0.45, **edges)
    places = np.ravel(grid.subplots(squeeze=False))
    for ax, panel in zip(places, panels):
        for k, curve in enumerate(panel.curves):
            look = line(k) if len(curve.x) > 1 else points(k)
            ax.plot(curve.x, curve.y, **look, label=named(curve.name))
        ax.set(title=panel.title, xlabel=panel.xlabel)
        if panel.log:
            make_logarithmic(ax)
        if any(curve.x for curve in panel.curves):
            ax.legend(fontsize=SMALL, framealpha=0.7, edgecolor="none")
        tidy(ax)
    if plane is not None:
        draw_plane(places[n - 1], plane)
    for ax in places[n:]:
        ax.axis("off")
    fig.suptitle(status_of(history), size=SMALL, y=1 - 0.1 * inch)
    return saved(places[0], path)


def draw_plane(ax: Any, plane: Mapping[str, Any]) -> None:
    """The model's outputs on the plane, and some of the training points."""
    ends, cells = tuple(plane["bounds"]), np.array(plane["cells"])
    if plane["kind"] == "classes":
        draw_classes(ax, cells, ends)
    else:
        draw_scores(ax, cells, ends, plane["level"], None, ())
    draw_points(tidy(ax), np.array(plane["x"]), np.array(plane["y"]), None)
    ax.grid(visible=False)
    white = f"; white is {plane['level']:g}" if plane["kind"] == "score" else ""
    ax.set(title=f"What the model answers{white}", xlabel="$x_1$", ylabel="$x_2$")
    ax.set(xlim=ends[:2], ylim=ends[2:])
