"""How long is a vector, and how large a matrix? np.linalg.norm, for every `ord`."""

import operator

import numpy as np

from tinygrad_edu.graph import apply, backward_of, plain, primitive
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.numpy_api.factorizations import besides_itself, equal, refuse_ties, vanishing
from tinygrad_edu.numpy_api.shapes import mT
from tinygrad_edu.operands import is_lazy
from tinygrad_edu.precision import in_single
from tinygrad_edu.rules import kept, max_backward, ratio_or_0


@composes(np.linalg.norm)
@in_single
def norm(x, ord=None, axis=None, keepdims=False):
    """Vector and Frobenius norms have a rule; the other norms of a matrix are compositions."""
    axis = axis if axis is None or isinstance(axis, tuple) else operator.index(axis)
    axes = tuple(range(x.ndim)) if axis is None else axis
    if ord is None or np.size(axes) != 2 or ord == "fro":
        return apply(np.linalg.norm, x, ord=ord, axis=axis, keepdims=keepdims)
    matrices = np.moveaxis(x, axes, (-2, -1))
    if ord in (1, -1):
        parts = np.sum(np.abs(matrices), axis=-2)
    elif ord in (np.inf, -np.inf):
        parts = np.sum(np.abs(matrices), axis=-1)
    elif ord == 2:
        out = spectral_norm(matrices)
        return np.expand_dims(out, axes) if keepdims else out
    elif ord in (-2, "nuc"):
        parts = np.linalg.svdvals(matrices)
    else:
        raise ValueError(f"np.linalg.norm of a matrix does not take ord={ord!r}")
    reduce = np.sum if ord == "nuc" else np.max if ord > 0 else np.min
    out = reduce(parts, axis=-1)
    return np.expand_dims(out, axes) if keepdims else out


@backward_of(np.linalg.norm)
def norm_backward(g, out, x, ord=None, axis=None, keepdims=False):
    g, out = kept(g, axis, keepdims), kept(out, axis, keepdims)
    if ord in (None, 2, "fro"):
        return g * ratio_or_0(x, out)
    if ord in (np.inf, -np.inf):
        return max_backward(g, out, np.abs(x), axis, True) * np.sign(x)
    # Where x is 0, its sign is 0, and the ratio is set to 1: 0 to a negative power would be inf.
    ratio = ratio_or_0(np.abs(x), out) + (x == 0)
    return g * np.sign(x) * (ratio ** (ord - 1) if ord else 0)  # ord=0 counts elements


@primitive
def spectral_norm(x):
    """The largest singular value."""
    return np.linalg.norm(x, 2, axis=(-2, -1))


@backward_of(spectral_norm)
def spectral_norm_backward(g, out, x):
    return g[..., None, None] * leading(x)


@primitive
def leading(x):
    """u v^T for the largest singular value s = u^T x v; if several are largest, their mean."""
    if is_lazy(x):
        raise TypeError(
            "the derivative of the spectral norm compares singular values, and dask computes them "
            "later: make an array of NumPy first (x.compute())"
        )
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    ties = equal(s)[..., :1, :] & ~vanishing(s, x)[..., None, :]
    share = ties / np.maximum(ties.sum(axis=-1, keepdims=True), 1)
    return u * share.astype(x.dtype) @ vt


@backward_of(leading)
def leading_backward(g, out, x):
    # From x x^T u = s^2 u and x^T x v = s^2 v; the other singular values may be equal, or 0.
    values = np.linalg.svdvals(plain(x))
    loose = np.any(besides_itself(equal(values))[..., 0, :], axis=-1) | vanishing(values, x)[..., 0]
    refuse_ties("slopes of the largest singular value", loose)
    s = (out * x).sum(axis=(-2, -1), keepdims=True)
    uu, vv = out @ mT(out), mT(out) @ out
    of_u = beside(x @ mT(x), uu, s) @ g
    of_v = g @ beside(mT(x) @ x, vv, s)
    return s * (of_u @ vv + uu @ of_v) + x @ mT(of_v) @ out + out @ mT(of_u) @ x


def beside(square, projection, s):
    """The inverse of s^2 I - square on the space orthogonal to the vector that it maps to 0."""
    eye = np.eye(square.shape[-1], dtype=square.dtype)
    return np.linalg.inv(s * s * (eye + projection) - square) @ (eye - projection)
