"""What is an array, and how is a number or an option of a call written in few characters?"""

import reprlib
from typing import Any

import numpy as np


def number(x: float, digits: int = 4) -> str:
    """x with this many significant digits, and 0 for -0."""
    return f"{x + 0.0:.{digits}g}"


def written(x: Any) -> str:
    """An option as the user wrote it, shortened: `1:`, `(0, 1)`, `float32`."""
    match x:
        case slice(step=None):
            return ":".join("" if i is None else str(i) for i in (x.start, x.stop))
        case slice():
            return f"{written(slice(x.start, x.stop))}:{x.step}"
        case tuple():
            return f"({', '.join(map(written, x))}{',' * (len(x) == 1)})"
        case type():
            return x.__name__
    if isinstance(x, np.ndarray | np.generic):
        x = x.tolist()
    return "..." if x is ... else reprlib.repr(x)


def is_array(x: Any) -> bool:
    return isinstance(getattr(x, "size", None), int)  # a dtype has a shape, too, but no size
