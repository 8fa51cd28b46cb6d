"""Which settings make a run good? A page on which the reader chooses ranges of settings."""

import math
import os
from typing import Any, Literal

from tinygrad_edu.lab import Sweep
from tinygrad_edu.viz.coordinates import Axis, coordinates_of
from tinygrad_edu.viz.pages.player import Page, assembled, assets

DIGITS = 9  # significant digits in the page; it shows at most four, but whole numbers in full


def explore_sweep(
    sweep: Sweep,
    metric: str | None = None,
    mode: Literal["min", "max"] = "min",
    path: str | os.PathLike[str] | None = None,
) -> Page:
    """A page with the runs on parallel axes, ranges to choose on each axis, and the best runs left.

    sweep   the result of `lab.sweep` or `lab.load_sweep`, with up to about ten thousand runs
    metric  the number on the last axis, the loss by default
    mode    "min" if low values are good, "max" if high ones are
    path    where to save the page, if anywhere

    Raises ValueError if the sweep does not have the metric, or if no setting has finite values.
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
