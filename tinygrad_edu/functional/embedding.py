"""From class indices to rows of numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt


def one_hot(labels: Any, num_classes: int, name: str = "labels") -> npt.NDArray[np.bool_]:
    """(..., num_classes) bools, true at the class of each label; `name` is for errors.

    Raises TypeError for labels that are no integers, IndexError for a class that does not exist.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"class indices are integers, and {name} is {labels.dtype}; write {name}.astype(int)"
        )
    rows = np.equal(labels[..., None], np.arange(num_classes))
    if np.count_nonzero(rows) != labels.size:  # a class out of range has no 1 in its row
        raise IndexError(
            f"class indices run from 0 to {num_classes - 1} here, and {name} has "
            f"{labels.min()} to {labels.max()}"
        )
    return rows
