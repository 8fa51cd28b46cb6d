"""Gradient clipping, to call between `backward` and `step`."""

from typing import Any

import numpy as np

from tinygrad_edu.optim.libraries import as_numpy, is_of_another
from tinygrad_edu.optim.optimizer import listed
from tinygrad_edu.optim.settings import nonnegative


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """g = g min(1, max_norm / (‖g‖ + 1e-6)), with g all gradients as one vector; returns ‖g‖.

    parameters          a list of parameters, or one; a parameter without a gradient is left out
    norm_type           which norm; math.inf for the largest absolute value
    error_if_nonfinite  True: a norm that is not finite raises RuntimeError, and no gradient
                        changes; False: such a norm makes gradients 0 or nan, so check the result

    Raises ValueError for a negative max_norm.

    Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks",
    algorithm 1.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm must be at least 0, and it is {max_norm}")
    params = with_gradients(parameters)
    norms = [vector_norm(p.grad, norm_type) for p in params]
    total = vector_norm(np.stack(norms) if norms else norms, norm_type)
    if error_if_nonfinite and not np.isfinite(total):
        bad = [
            getattr(p, "name", None) or f"parameter {i} of those with a gradient"
            for i, (p, x) in enumerate(zip(params, norms))
            if not np.isfinite(x)
        ]
        raise RuntimeError(
            f"the norm of all gradients is {total}, because the norms of these gradients are not "
            f"finite: {', '.join(bad)}"
        )
    scale = max_norm / (total + 1e-6)
    if not scale >= 1:
        for p in params:
            dtype = getattr(p.grad, "dtype", np.float64)
            if dtype == np.float16:  # holds few digits of a small scale
                scaled = (p.grad * scale.astype(np.float32)).astype(np.float16)
            else:
                scaled = p.grad * scale.astype(dtype)
            p.grad = of_kind(scaled, p.grad)  # a new array: a graph may hold the old one
    is_number = isinstance(total, np.generic) or is_of_another(total)
    return float(as_numpy(total)) if is_number else total  # a trace has no number yet


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """g = min(max(g, -clip_value), clip_value), for every number of every gradient.

    Raises ValueError for a negative clip_value.
    """
    nonnegative("clip_value", clip_value)
    for p in with_gradients(parameters):
        p.grad = of_kind(np.clip(p.grad, -clip_value, clip_value), p.grad)


def of_kind(new: Any, old: Any) -> Any:
    """`new` with the type of `old`, a float or an array: NumPy turns 0-d arrays into numbers."""
    if old.__class__ is float:
        return float(new)
    return new if np.ndim(new) else np.copy(new)


def with_gradients(parameters: Any) -> list[Any]:
    """The parameters that have a gradient, of a list or a single parameter."""
    params = [parameters] if hasattr(parameters, "grad") else listed(parameters)
    return [p for p in params if p.grad is not None]


def vector_norm(x: Any, norm_type: float) -> Any:
    """(Σ |x|^norm_type)^(1 / norm_type) over all numbers in x, in float64."""
    numbers = np.ravel(getattr(x, "data", x) if hasattr(x, "requires_grad") else x)
    if numbers.dtype == np.float16:  # a square above 65,504 would be inf
        numbers = numbers.astype(np.float32)
    if numbers.size == 0:
        return np.float64(0)
    return np.linalg.norm(numbers, norm_type).astype(np.float64)
