"""Which values can a setting have? Each check returns the value to keep, or raises ValueError."""

import math
from collections.abc import Iterable
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np


def nonnegative(
    name: str, x: Any, high: float = math.inf, *, below: float = math.inf, part_of: Any = None
) -> float:
    """x, if 0 <= x <= high and x < below; `part_of` is the setting of several numbers it is in."""
    value = as_float(x)
    if not (0 <= value <= high and value < below):
        limits = f"in [0, {below})" if below < math.inf else "finite and at least 0"
        limits = f"in [0, {high}]" if high < math.inf else limits
        given = x if part_of is None else part_of
        raise ValueError(f"{name} must be {limits}, and it is {given!r}")
    return value


def positive(name: str, x: Any) -> float:
    value = nonnegative(name, x)
    if value == 0:
        raise ValueError(f"{name} must be above 0: rates are divided by it")
    return value


def whole(name: str, x: Any, low: int = 1) -> int:
    value = as_float(x)
    if not (value >= low and value.is_integer()):
        raise ValueError(f"{name} must be a whole number of at least {low}, and it is {x!r}")
    return int(value)


def increasing(name: str, steps: Iterable[int]) -> list[int]:
    steps = [whole(name, step) for step in steps]
    if any(x >= y for x, y in pairwise(steps)):
        raise ValueError(f"{name} must increase from one to the next, and they are {steps}")
    return steps


def one_of(name: str, x: str, *choices: str) -> str:
    if x not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, and it is {x!r}")
    return x


def as_float(x: Any) -> float:
    """A real number as a Python float; anything else as nan, which fails every check."""
    return float(x) if isinstance(x, Real) else math.nan


def as_python(x: Any) -> Any:
    """NumPy numbers as Python numbers, which keep a float32 array float32; lists as tuples."""
    if isinstance(x, tuple | list):
        return tuple(map(as_python, x))
    return x.item() if isinstance(x, np.generic) else x
