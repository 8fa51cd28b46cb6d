"""Where is each run of a sweep on parallel axes: one for every setting, and one for its result?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

from tinygrad_edu.lab import Run, Sweep
from tinygrad_edu.lab.runs import label, loss_name, shown
from tinygrad_edu.notation.numbers import number

FAILED = "diverged", "error"
WIDE = 10.0  # times the lowest value: from there on, the scale may be logarithmic
FEW = 8  # different numbers that are all written at an axis
APART = 0.06  # of an axis between two of its ticks
SPACE = 0.1  # of the axis of results, above all numbers: where runs are that have none


@dataclass(frozen=True)
class Axis:
    """An axis from 0 to 1, and where each run is on it.

    values  a number of each run; of an axis of choices, its position among them
    low, high
            the numbers at 0 and 1
    ticks   (place, text)
    choices what the positions stand for; None for numbers
    """

    name: str
    values: list[float]
    low: float
    high: float
    log: bool
    ticks: list[tuple[float, str]]
    choices: list[str] | None = None

    def place(self, x: float) -> float:
        if self.log:
            return math.log(x / self.low) / math.log(self.high / self.low)
        return (x - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Coordinates:
    """The runs of a sweep as lines over parallel axes.

    axes    of the settings
    result  of the metric; its values are nan for runs that failed, which are at `failures`
    best    whether a run is one of the best setting
    """

    runs: list[Run]
    axes: list[Axis]
    result: Axis
    failures: float
    best: list[bool]

    def places(self) -> list[list[float]]:
        """Of each run, its place on each axis, the result last."""
        columns = [[axis.place(x) for x in axis.values] for axis in self.axes]
        at = [self.failures if math.isnan(x) else self.result.place(x) for x in self.result.values]
        return [list(places) for places in zip(*columns, at)]


def coordinates_of(
    sweep: Sweep, metric: str | None = None, mode: Literal["min", "max"] = "min"
) -> Coordinates:
    """Each run of a sweep; after successive halving, those with the largest budget of a setting.

    Raises ValueError for a metric that the sweep does not have, and if no run has a finite one.
    """
    best = {id(run) for run in sweep.best(metric, mode).runs}
    metric = metric or loss_name(sweep.metrics) or ""
    runs = [run for row in sweep.rows for run in row.runs]
    axes = [axis_of(name, [label(run.settings[name]) for run in runs]) for name in runs[0].settings]
    values = [result_of(run, metric) for run in runs]
    axis, failures = with_room_for_failures(numbers_axis(metric, values), mode)
    return Coordinates(runs, axes, axis, failures, [id(run) in best for run in runs])


def result_of(run: Run, metric: str) -> float:
    """The metric of a run; nan if it failed."""
    x = run.numbers.get(metric, math.nan)
    return x if math.isfinite(x) and run.verdict not in FAILED else math.nan


def axis_of(name: str, values: list[Any]) -> Axis:
    """Numbers where they belong, anything else in its turn, at equal distances."""
    if all(isinstance(x, int | float) and not isinstance(x, bool) for x in values):
        return numbers_axis(name, values)
    texts = [shown(x) for x in values]
    names = list(dict.fromkeys(texts))
    positions = {x: float(i) for i, x in enumerate(names)}
    axis = Axis(name, [positions[x] for x in texts], -0.5, len(names) - 0.5, False, [])
    return replace(axis, choices=names, ticks=[(axis.place(i), x) for x, i in positions.items()])


def numbers_axis(name: str, values: list[float]) -> Axis:
    """On the scale, plain or logarithmic, that has the median nearer to its middle."""
    known = sorted({x for x in values if math.isfinite(x)})
    low, high = (known[0], known[-1]) if known else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    axis = Axis(name, values, low, high, False, [])
    if low > 0 and high >= WIDE * low:
        scales = axis, replace(axis, log=True)
        axis = min(scales, key=lambda each: abs(each.place(median(known)) - 0.5))
    ticks = known if len(known) <= FEW else round_numbers(low, high, axis.log)
    return replace(axis, ticks=apart([(axis.place(x), number(x, 3)) for x in ticks]))


def with_room_for_failures(axis: Axis, mode: str) -> tuple[Axis, float]:
    """The axis of results with a place beyond its bad end, if there are runs that failed."""
    failures = 1.0 if mode == "min" else 0.0
    if not any(map(math.isnan, axis.values)):
        return axis, failures
    far, near = (axis.high, axis.low) if mode == "min" else (axis.low, axis.high)
    share = 1 / (1 - SPACE)
    end = near * (far / near) ** share if axis.log else near + share * (far - near)
    longer = replace(axis, high=end) if mode == "min" else replace(axis, low=end)
    numbers = {text: axis.low + place * (axis.high - axis.low) for place, text in axis.ticks}
    if axis.log:
        numbers = {x: axis.low * (axis.high / axis.low) ** place for place, x in axis.ticks}
    ticks = [(longer.place(x), text) for text, x in numbers.items()]
    return replace(longer, ticks=[*ticks, (failures, "failed")]), failures


def round_numbers(low: float, high: float, log: bool) -> list[float]:
    """Powers of ten, or about five multiples of 1, 2 or 5 times one; and both ends."""
    if log:
        powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        return [low, *(10.0**k for k in powers), high]
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= (high - low) / 5)
    inner = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [low, *(float(f"{k * step:.9g}") for k in inner), high]


def apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """The first and the last, and those between that are not too near to another."""
    found = list(ticks[:1])
    for tick in ticks[1:-1]:
        if tick[0] - found[-1][0] >= APART and ticks[-1][0] - tick[0] >= APART:
            found.append(tick)
    return found + list(ticks[1:][-1:])
