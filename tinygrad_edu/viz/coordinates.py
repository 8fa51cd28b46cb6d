"""Where does each run of a sweep lie on parallel axes, one for each setting and the result?"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

from tinygrad_edu.lab import Run, Sweep
from tinygrad_edu.lab.runs import label, loss_name, shown
from tinygrad_edu.notation.numbers import number

FAILED = "diverged", "error"
WIDE = 10.0  # a scale may be logarithmic if the highest value is this many times the lowest
FEW = 8  # up to this many different numbers, each one has a tick
APART = 0.06  # the smallest distance of two ticks, as a share of the axis
SPACE = 0.1  # the share of the result axis that is kept for runs without a result
FULL = 1e7  # whole numbers below it are written with all their digits


@dataclass(frozen=True)
class Axis:
    """An axis from 0 to 1, and the value of each run on it.

    values   one number for each run; on an axis of choices, the index of its choice
    low, high
             the numbers at the places 0 and 1
    log      whether the scale is logarithmic
    ticks    pairs (place, text)
    choices  the texts of the choices, by index; None on an axis of numbers
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

    axes      one for each setting
    result    the axis of the metric; the value of a failed run is nan
    failures  the place of failed runs on the result axis
    best      for each run, whether it belongs to the best setting
    """

    runs: list[Run]
    axes: list[Axis]
    result: Axis
    failures: float
    best: list[bool]

    def places(self) -> list[list[float]]:
        """For each run its places on the axes, the result last."""
        columns = [[axis.place(x) for x in axis.values] for axis in self.axes]
        at = [self.failures if math.isnan(x) else self.result.place(x) for x in self.result.values]
        return [list(places) for places in zip(*columns, at)]


def coordinates_of(
    sweep: Sweep, metric: str | None = None, mode: Literal["min", "max"] = "min"
) -> Coordinates:
    """All runs of a sweep; after successive halving, each setting with its largest budget only.

    Raises ValueError if the sweep does not have the metric, or if no setting has finite values.
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
    """A scale if all values are finite numbers, or else choices at equal distances."""
    if all(map(is_finite_number, values)):
        return numbers_axis(name, values)
    names = [json.dumps(x) for x in values]  # these differ for 1, "1" and True
    texts = {name: shown(x) for name, x in zip(names, values)}
    positions = {name: float(i) for i, name in enumerate(texts)}
    axis = Axis(name, [positions[x] for x in names], -0.5, len(texts) - 0.5, False, [])
    choices = list(texts.values())
    ticks = [(axis.place(i), text) for i, text in enumerate(choices)]
    return replace(axis, choices=choices, ticks=ticks)


def is_finite_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)


def numbers_axis(name: str, values: list[float]) -> Axis:
    """A linear or a logarithmic scale, whichever has the median nearer to its middle."""
    known = sorted({x for x in values if math.isfinite(x)})
    low, high = (known[0], known[-1]) if known else (0.0, 1.0)
    if low == high:
        room = max(0.5, 1e-6 * abs(low))  # 0.5 is lost when it is added to 1e20
        low, high = low - room, high + room
    axis = Axis(name, values, low, high, False, [])
    if low > 0 and high >= WIDE * low:
        scales = axis, replace(axis, log=True)
        axis = min(scales, key=lambda each: abs(each.place(median(known)) - 0.5))
    ticks = known if len(known) <= FEW else round_numbers(low, high, axis.log)
    return replace(axis, ticks=apart([(axis.place(x), tick_text(x)) for x in ticks]))


def tick_text(x: float) -> str:
    """Whole numbers in full, since a width of 1.64e+04 is not a width of 16384."""
    return str(int(x)) if float(x).is_integer() and abs(x) < FULL else number(x, 3)


def with_room_for_failures(axis: Axis, mode: str) -> tuple[Axis, float]:
    """Extend the result axis beyond its bad end if runs failed; return it and their place."""
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
    """Both ends and, between them, powers of ten, or about five multiples of 1, 2 or 5 · 10ᵏ."""
    if log:
        powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        return [low, *(10.0**k for k in powers), high]
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= (high - low) / 5)
    inner = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [low, *(float(f"{k * step:.9g}") for k in inner), high]


def apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Drop ticks that are too near to another one, but never the first and the last."""
    found = list(ticks[:1])
    for tick in ticks[1:-1]:
        if tick[0] - found[-1][0] >= APART and ticks[-1][0] - tick[0] >= APART:
            found.append(tick)
    return found + list(ticks[1:][-1:])
