"""Which settings are worth a run, if there are too many to try them all?"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.lab.runs import Run, Settings, key

DRAWS = 100  # for each setting that is wanted, before it is said that there are no more


@dataclass(frozen=True)
class Between:
    """A range of numbers to draw from: `between(low, high)`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        """A number of the range; with `log`, each factor of ten is equally likely."""
        low, high = self.low, self.high
        if self.whole:
            low, high = low - 0.5, high + 0.5  # each whole number has the same room
        if self.log:
            low, high = math.log(low), math.log(high)
        x = rng.uniform(low, high)
        x = math.exp(x) if self.log else x
        x = min(max(round(x) if self.whole else x, self.low), self.high)
        return int(x) if self.whole else float(x)

    def __contains__(self, x: Any) -> bool:
        number = isinstance(x, int | float) and not isinstance(x, bool)
        return number and self.low <= x <= self.high and isinstance(x, int) == self.whole


Space = Mapping[str, "list[Any] | Between"]


def between(low: float, high: float, *, log: bool = False, whole: bool = False) -> Between:
    """A range of settings for a search, both ends included: `lr=lab.between(1e-4, 1.0, log=True)`.

    log    draw the logarithm evenly: as many numbers from 0.01 to 0.1 as from 0.1 to 1
    whole  whole numbers, such as a width

    Raises ValueError for a range that is empty or not finite, one with `log` that reaches 0, and
    one with `whole` whose ends are not whole.
    """
    shown = f"between({low}, {high})"
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{shown} needs finite numbers, the lower one first")
    if log and low <= 0:
        raise ValueError(f"{shown} with log=True needs numbers above 0")
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        raise ValueError(f"{shown} with whole=True needs two whole numbers")
    number = int if whole else float
    return Between(number(low), number(high), log, whole)


def drawn(space: Space, trials: int, rng: int | np.random.Generator) -> list[Settings]:
    """So many different combinations: each value of a list is equally likely.

    The first ones are the same for more trials. Bergstra and Bengio 2012, "Random search for
    hyper-parameter optimization": if few settings matter, this tries more values of them than a
    grid does. Raises ValueError if there are not so many combinations.
    """
    rng = np.random.default_rng(rng)
    found: dict[str, Settings] = {}
    for _ in range(DRAWS * (trials + 1)):
        settings = {name: draw(values, rng) for name, values in space.items()}
        found.setdefault(key(settings), settings)
        if len(found) == trials:
            return list(found.values())
    raise ValueError(
        f"trials is {trials}, and there are only {len(found)} combinations: leave trials out to "
        "run them all, or give a range, as in lr=lab.between(1e-4, 1.0, log=True)"
    )


def draw(values: "list[Any] | Between", rng: np.random.Generator) -> Any:
    return values.draw(rng) if isinstance(values, Between) else values[rng.integers(len(values))]


def halved(
    settings: Sequence[Settings],
    name: str,
    budgets: Sequence[float],
    make: Callable[[list[Settings]], list[Run]],
    ranked: Callable[[list[Run]], list[Settings]],
) -> list[Run]:
    """Successive halving: all settings with the first budget, the best of them with the next, ...

    name     of the budget among the settings
    budgets  each larger than the one before; b times as much is for one b-th of the settings
    make     the runs of these settings
    ranked   the settings of these runs, the best first, without those that failed

    Jamieson and Talwalkar 2016, "Non-stochastic best arm identification"; Li et al. 2018,
    "Hyperband", section 3.1.
    """
    runs: list[Run] = []
    left = list(settings)
    for budget in budgets:
        some = math.floor(len(settings) * budgets[0] / budget + 1e-9)
        left = left[: max(1, some)]
        if left:
            made = make([{**each, name: budget} for each in left])
            left = [without(each, name) for each in ranked(made)]
            runs += made
    return runs


def without(settings: Settings, name: str | None) -> Settings:
    return {other: x for other, x in settings.items() if other != name}
