"""What is the result of one run, and how is the run named?"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Settings = dict[str, Any]
LONG = 8  # characters of a number that is shortened where it is printed


@dataclass(frozen=True)
class Run:
    """The result of one run: one setting, one seed.

    numbers  the numbers that `run` returned, and the last number of each list
    curves   the lists that `run` returned
    verdict  "converged", "slow", "oscillating" or "diverged", from the curve of the loss;
             "stalled" if the curve is flat, but far above the loss of the best setting;
             "falling" if it is not flat, but near that loss;
             "error" if `run` raised an error; "finished" if it returned no curve of a loss
    reason   the reason for the verdict in words, or the error
    """

    settings: Settings
    seed: int
    numbers: dict[str, float]
    curves: dict[str, list[float]]
    verdict: str
    reason: str

    def __str__(self) -> str:
        numbers = "".join(f", {name} {x:.4g}" for name, x in self.numbers.items())
        called = f"{settings_text(self.settings)}, seed={self.seed}"
        return f"{called}{numbers}: {self.verdict}, {self.reason}"


def label(value: Any) -> Any:
    """A value as tables and files show it: functions and classes by their names."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [label(x) for x in value]
    try:
        return value.__qualname__
    except AttributeError:
        raise TypeError(
            f"a setting must be a number, a string, a list of these, a function or a class, not "
            f"{value!r}: give the name of the object, and make the object inside run"
        ) from None


def labels(settings: Settings) -> Settings:
    return {name: label(x) for name, x in settings.items()}


def key(settings: Settings, *seed: int) -> str:
    return json.dumps([labels(settings), *seed], sort_keys=True)


def settings_text(settings: Settings) -> str:
    return ", ".join(f"{name}={shown(x)}" for name, x in settings.items())


def shown(value: Any) -> str:
    """A value as it is printed: a number that was drawn has more digits than matter."""
    x = label(value)
    text = str(x)
    return f"{x:.4g}" if isinstance(x, float) and len(text) > LONG else text


def loss_name(names: Iterable[str]) -> str | None:
    """The name of the loss: "loss", or the first name that contains "loss"; None without one."""
    found = [name for name in names if "loss" in name]
    return "loss" if "loss" in found else next(iter(found), None)
