"""In which dtype do we compute? In the dtype of the data, with two exceptions.

Integers and bools become float64, as in `x * 1.0`. In uint8, -x is not negative, and NumPy computes
exp(x) in float16. The largest float16 is 65,504. So functions that square, count or add float16
numbers compute in float32, and round the result to float16.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.operands import as_array

Function = TypeVar("Function", bound=Callable[..., Any])

HALF = "e"  # float16 in any byte order; unpickled arrays have dtype objects of their own


def floating(x: Any) -> Any:
    """x as an operand (see `as_array`), with integers and bools as float64."""
    if x.__class__ is not np.ndarray:
        x = as_array(x)
    return x if hasattr(x, "dtype") and x.dtype.kind in "fO" else np.multiply(x, 1.0)


def wide(x: Any) -> Any:
    """x, in float32 if it is float16."""
    return x.astype(np.float32) if x.dtype.char == HALF else x


def in_single(function: Function) -> Function:
    """`function`, in float32 if its first argument is float16; then the result is float16."""
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
