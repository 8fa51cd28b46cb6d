"""Which settings should run if there are too many to try all of them?"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.lab.runs import Run, Settings, key

DRAWS = 100  # draws for each new setting; if they do not suffice, there are no more settings


@dataclass(frozen=True)
class Between:
    """A range of numbers to draw from: `between(low, high)`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        """A random number of the range; with `log`, each factor of ten is equally likely."""
        low, high = self.low, self.high
        if self.whole:
            low, high = low - 0.5, high + 0.5  # so that both ends are as likely as the others
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
    """A range of numbers to search, with both ends: `lr=lab.between(1e-4, 1.0, log=True)`.

    log    draw the logarithm uniformly: as many numbers from 0.01 to 0.1 as from 0.1 to 1
    whole  draw whole numbers only, as for a width; otherwise all numbers are floats

    Raises ValueError if the range is empty or not finite, if `log` is given and `low` is not above
    0, and if `whole` is given and an end is not a whole number.
    """
    shown = f"between({low}, {high})"
    if not (low < high and math.isfinite(high - low)):
        raise ValueError(f"{shown} needs finite numbers, the lower one first")
    if log and low <= 0:
        raise ValueError(f"{shown} with log=True needs numbers above 0")
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        raise ValueError(f"{shown} with whole=True needs two whole numbers")
    number = int if whole else float
    return Between(number(low), number(high), log, whole)


def drawn(space: Space, trials: int, rng: int | np.random.Generator) -> list[Settings]:
    """Draw `trials` different combinations; each value of a list is equally likely.

    More trials from the same seed begin with the same combinations. If only a few settings matter,
    random draws try more values of them than a grid does: Bergstra and Bengio 2012, "Random search
    for hyper-parameter optimization". Raises ValueError if there are fewer combinations.
    """
    rng = np.random.default_rng(rng)
    found: dict[str, Settings] = {}
    for _ in range(DRAWS * (trials + 1)):
        settings = {name: draw(values, rng) for name, values in space.items()}
        found.setdefault(key(settings), settings)
        if len(found) == trials:
            return list(found.values())
    raise ValueError(
        f"trials is {trials}, and only {len(found)} combinations were found: give "
        f"trials={len(found)} or fewer, or a range, as in lr=lab.between(1e-4, 1.0, log=True)"
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
    """Successive halving: run all settings with the first budget, the best with the next, ...

    name     the name of the setting that is the budget
    budgets  in increasing order; b times the first budget is given to one b-th of the settings
    make     a function that returns the runs of a list of settings
    ranked   a function that returns the settings of runs, the best first, without failed ones

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
