"""From class indices to rows of numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.graph import plain
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.operands import as_array


def one_hot(labels: Any, num_classes: int = -1, name: str = "labels") -> npt.NDArray[np.bool_]:
    """(..., num_classes) bools, True at the class of each label; `name` is for errors.

    num_classes  -1 for the largest label plus 1
    Raises TypeError for labels that are not integers, IndexError for a class that does not exist,
    and ValueError if num_classes is -1 and there are no labels.
    """
    labels = integers(labels, name)
    if num_classes == -1:
        if labels.size == 0:
            raise ValueError(f"{name} is empty, so one_hot needs num_classes")
        num_classes = max(int(labels.max()) + 1, 1)
    check_range(labels, num_classes, name)
    return np.equal(labels[..., None], np.arange(num_classes))


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """weight[input], with input: (...) integers, weight: (num, dim), out: (..., dim).

    padding_idx  the row that gets no gradient; a negative number counts from the end
    Raises TypeError for an input that is not integers, IndexError for a row that does not exist,
    and ValueError for a padding_idx that does not exist.
    """
    weight = array(weight)
    size = weight.shape[0]
    index = integers(input, "input")
    check_range(index, size, "input")
    out = weight[index]
    if padding_idx is None:
        return out
    padded = index == padding_row(padding_idx, size)
    return np.where(padded[..., None], plain(out), out)


def padding_row(padding_idx: int, size: int) -> int:
    """The row that padding_idx names, which may count from the end."""
    if not -size <= padding_idx < size:
        raise ValueError(f"padding_idx is {padding_idx}, and the table has {size} rows")
    return padding_idx % size


def integers(x: Any, name: str) -> Any:
    """x as a plain array of integers."""
    x = plain(as_array(x))
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.dtype.kind not in "iu":
        raise TypeError(f"indices are integers, and {name} is {x.dtype}; write {name}.astype(int)")
    return x


def check_range(index: Any, size: int, name: str) -> None:
    if index.size and not 0 <= index.min() <= index.max() < size:
        raise IndexError(
            f"{name} must be from 0 to {size - 1}, and the indices run from {index.min()} to "
            f"{index.max()}"
        )
