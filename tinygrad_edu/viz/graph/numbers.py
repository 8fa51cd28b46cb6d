"""Numbers and arrays in a short form, for pictures."""

from typing import Any

import numpy as np

from tinygrad_edu.notation.numbers import is_array, number, written
from tinygrad_edu.viz.graph.data import Cells

CELLS = 8  # rows and columns of the small table of an array, at most
SQUARABLE = 1e-150, 1e150  # between these norms, squares neither overflow nor lose digits


def is_scalar(x: Any) -> bool:
    return isinstance(x, float | int) or (is_array(x) and x.size == 1)


def size_of(x: Any) -> int:
    return int(x.size) if is_array(x) else 1


def scalar(x: Any) -> float:
    return float(x.item() if is_array(x) else x)


def magnitude(x: Any) -> float | None:
    """A number itself, the norm of an array, None for nothing."""
    if x is None:
        return None
    with np.errstate(all="ignore"):
        return scalar(x) if is_scalar(x) else norm_of(x.astype(float))


def norm_of(x: Any) -> float:
    """The norm of x. If squares could overflow or vanish, x is divided by its largest element."""
    norm = scalar(np.linalg.norm(x))
    if SQUARABLE[0] < norm < SQUARABLE[1] or x.size == 0:
        return norm
    top = scalar(abs(x).max())
    return top * scalar(np.linalg.norm(x / top)) if 0 < top < float("inf") else norm


def summarized(x: Any) -> float | str:
    """A number itself, the mean and the range of an array, any other object as text."""
    if is_scalar(x):
        return scalar(x)
    if not is_array(x):
        return written(x)
    if x.size == 0:
        return "empty"
    with np.errstate(all="ignore"):
        mean, low, high = (scalar(f(x.astype(float))) for f in (np.mean, np.min, np.max))
    return f"mean {number(mean)}, min {number(low)}, max {number(high)}"


def cells(x: Any) -> Cells | None:
    """The small table of an array of more than one number; None for anything else."""
    if not is_array(x) or x.size < 2 or x.dtype.kind not in "biuf":
        return None
    matrix = x.reshape(-1, x.shape[-1]).astype(float)
    with np.errstate(all="ignore"):
        table = parts_mean(parts_mean(matrix).T).T
    return Cells(tuple(map(tuple, table.tolist())), exact=table.shape == matrix.shape)


def parts_mean(x: Any) -> Any:
    """The rows, or the means of CELLS groups of them if there are more."""
    if x.shape[0] <= CELLS:
        return x
    return np.stack([part.mean(axis=0) for part in np.array_split(x, CELLS)])
