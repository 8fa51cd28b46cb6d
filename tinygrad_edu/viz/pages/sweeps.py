"""The runs of a sweep as a page: on each axis one chooses a range, and sees what is left."""

import math
import os
from typing import Any, Literal

from tinygrad_edu.lab import Sweep
from tinygrad_edu.viz.coordinates import Axis, coordinates_of
from tinygrad_edu.viz.pages.player import Page, assembled, assets

DIGITS = 5  # of a number: fewer are shown


def explore_sweep(
    sweep: Sweep,
    metric: str | None = None,
    mode: Literal["min", "max"] = "min",
    path: str | os.PathLike[str] | None = None,
) -> Page:
    """Parallel axes of the settings and the metric, with ranges to choose on each, and the best.

    sweep   what `lab.sweep` returned, or `lab.load_sweep`; ten thousand runs are not too many
    metric  the number on the last axis, the loss by default
    mode    "max" if large is good
    path    where to save the page, if anywhere

    Raises ValueError for a metric that the sweep does not have, and if no setting has a finite one.
    """
    found = coordinates_of(sweep, metric, mode)
    data = {
        "kind": "explore_sweep",
        "title": f"A sweep of {len(found.runs):,} runs",
        "axes": [axis_data(axis) for axis in (*found.axes, found.result)],
        "failures": found.failures,
        "seeds": [run.seed for run in found.runs],
        "verdicts": [run.verdict for run in found.runs],
        "mode": mode,
    }
    style = assets("css", "page", "sweep")
    return assembled("sweep", data, style, assets("js", "dom", "theme", "sweep")).saved(path)


def axis_data(axis: Axis) -> dict[str, Any]:
    values = [None if math.isnan(x) else float(f"{x:.{DIGITS}g}") for x in axis.values]
    return {
        "name": axis.name,
        "values": values,
        "low": axis.low,
        "high": axis.high,
        "log": axis.log,
        "ticks": axis.ticks,
        "choices": axis.choices,
    }
