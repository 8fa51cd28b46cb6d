"""In which dtype do we compute? In that of the data, with two exceptions.

Whole numbers and bools become float64, as in `x * 1.0`: of a uint8, -x is not negative, and NumPy
computes exp(x) in float16. And float16 ends at 65,504: functions that square, count or add up such
numbers do so in float32, and round the result.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.operands import as_array

Function = TypeVar("Function", bound=Callable[..., Any])

HALF = "e"  # float16 in any byte order; an unpickled array has a dtype object of its own


def floating(x: Any) -> Any:
    """x as data (`as_array`), whole numbers as float64."""
    if x.__class__ is not np.ndarray:
        x = as_array(x)
    return x if hasattr(x, "dtype") and x.dtype.kind in "fO" else np.multiply(x, 1.0)


def wide(x: Any) -> Any:
    """x; in float32 if it is float16."""
    return x.astype(np.float32) if x.dtype.char == HALF else x


def in_single(function: Function) -> Function:
    """`function`, which computes in float32 if its first argument is float16; so is its result."""
    first = next(iter(inspect.signature(function).parameters))

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        x: Any = args[0] if args else options.get(first)
        if getattr(getattr(x, "dtype", None), "char", None) != HALF:
            return function(*args, **options)
        if args:
            return function(wide(x), *args[1:], **options).astype(np.float16)
        return function(**{**options, first: wide(x)}).astype(np.float16)

    return call  # type: ignore[return-value]
