"""How would a user write what the package computes? In NumPy, with no care for speed or overflow.

A reader who has not read kernels.py does not know `row_sums`. Each function here computes the same
as one such kernel, with names that everybody knows. relu and softmax are well known already.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.graph import forward_of
from tinygrad_edu.numpy_api import contractions, joining, norms, products
from tinygrad_edu.tracing import untraced


def einsum(*operands: Any, subscripts: str, **options: Any) -> Any:
    return np.einsum(subscripts, *operands)


def masked_softmax(x: Any, mask: Any) -> Any:
    return kernels.softmax(np.where(mask, x, -np.inf))


def rms_normalized(x: Any, eps: float) -> Any:
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps)


def framed(x: Any, sides: Any, value: float) -> Any:
    return np.pad(x, sides, constant_values=untraced(value))


def unindex(y: Any, index: Any, x: Any) -> Any:
    out = np.zeros_like(x)
    np.add.at(out, index[0] if isinstance(index, tuple) and len(index) == 1 else index, y)
    return out


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    axes = {untraced(axis) % x.ndim for axis in (axis1, axis2)}
    last = axes == {x.ndim - 2, x.ndim - 1}
    return np.matrix_transpose(x) if last else np.swapaxes(x, axis1, axis2)


FORMS: dict[Any, Callable[..., Any]] = {
    forward_of(kernels.log1pexp): lambda x: np.log(1 + np.exp(x)),
    forward_of(kernels.masked_softmax): masked_softmax,
    forward_of(kernels.row_sums): lambda x: np.sum(x, axis=-1, keepdims=True),
    forward_of(kernels.soft_nll): lambda log_p, q: -np.sum(q * log_p),
    forward_of(kernels.centered): lambda x: x - np.mean(x, axis=-1, keepdims=True),
    forward_of(kernels.rms_normalized): rms_normalized,
    forward_of(kernels.scaled_and_shifted): lambda x, weight, bias: x * weight + bias,
    forward_of(kernels.unindex): unindex,
    forward_of(kernels.framed): framed,
    forward_of(joining.concatenate_arrays): lambda *x, **axis: np.concatenate([*x], **axis),
    forward_of(joining.stack_arrays): lambda *x, **axis: np.stack([*x], **axis),
    forward_of(products.chain_dot): lambda *x: np.linalg.multi_dot([*x]),
    forward_of(contractions.contract): einsum,
    forward_of(norms.spectral_norm): lambda x: np.linalg.norm(x, 2, axis=(-2, -1)),
    forward_of(norms.leading): forward_of(norms.leading),  # its formula is too long
    np.swapaxes: swapaxes,
}
