"""How do all weights of a network become one point, a row of numbers, and back again?"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.graph import plain
from tinygrad_edu.lab.descent import Array
from tinygrad_edu.tensor import Tensor

Weights = Any  # an array, or a list or dict (a state_dict) of arrays: one for each parameter


def in_a_row(weights: Weights) -> Array:
    """All weights as one array (n,). `weights` is an array, or a list or dict of arrays."""
    if isinstance(weights, Mapping):
        weights = list(weights.values())
    if not isinstance(weights, list | tuple):
        weights = [weights]
    return np.concatenate([np.ravel(plain(x)) for x in weights]).astype(float)


def path_rows(path: Iterable[Weights]) -> Array:
    """Each set of weights of a path as a row: (steps, n)."""
    states = [in_a_row(state) for state in path]
    sizes = sorted({state.size for state in states})
    if len(sizes) != 1:
        raise ValueError(
            f"all states of a path need the same number of weights, and these have {sizes}"
        )
    return np.array(states)


def arrays_like(parameters: Sequence[Tensor], row: Array) -> list[Any]:
    """The numbers of a row as arrays of the shapes and dtypes of the parameters."""
    ends = np.cumsum([p.size for p in parameters])[:-1]
    parts = zip(np.split(row, ends), parameters, strict=True)
    return [part.reshape(p.shape).astype(p.dtype) for part, p in parts]


def set_weights(parameters: Sequence[Tensor], row: Array) -> None:
    """Set the parameters to the numbers of a row."""
    for p, data in zip(parameters, arrays_like(parameters, row), strict=True):
        p.data = data


def gradient_row(parameters: Sequence[Tensor]) -> Array:
    """The gradients of all parameters as one array (n,); 0 for a parameter without gradient."""
    return in_a_row([np.zeros(p.shape) if p.grad is None else p.grad for p in parameters])
