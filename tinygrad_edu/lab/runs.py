"""What did one run come to, and what is it called?"""

import json
from dataclasses import dataclass
from typing import Any

Settings = dict[str, Any]
LONG = 8  # characters of a number that is shortened where it is printed


@dataclass(frozen=True)
class Run:
    """What one run with one seed came to.

    numbers  what `run` returned, of each curve its last
    curves   the lists that it returned
    verdict  "converged", "slow", "oscillating" or "diverged", from the curve of the loss; "stalled"
             if that is flat, but far above what the best setting reached; "falling" if it is not
             flat, but near that; "error" if it raised; "finished" where there is no such curve
    reason   the verdict in words, or the error
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
    """A value as it is written in a table and in a file: functions and classes by their names."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [label(x) for x in value]
    try:
        return value.__qualname__
    except AttributeError:
        raise TypeError(
            f"a setting must be a number, a string, a list of these, a function or a class, not "
            f"{value!r}: give its name, and make it inside run"
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
