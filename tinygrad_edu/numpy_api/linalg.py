"""What are the inverse, the determinant and the trace of a matrix, and how do they change?

Giles 2008, "An extended collection of matrix derivative results"; Golub and Pereyra 1973 for pinv.
"""

import math

import numpy as np

from tinygrad_edu.graph import apply, backward_of, plain, primitive
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.numpy_api.factorizations import vanishing
from tinygrad_edu.numpy_api.shapes import mT

SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


@backward_of(np.linalg.inv)
def inv_backward(g, out, x):
    return -mT(out) @ g @ mT(out)


@composes(np.linalg.solve)
def solve(a, b):
    a, b = array(a), array(b)
    if b.ndim == 1:
        return apply(np.linalg.solve, a, b[:, None])[..., 0]
    return apply(np.linalg.solve, a, b)


@backward_of(np.linalg.solve)
def solve_backward(g, out, x, y):
    gy = np.linalg.solve(mT(x), g)
    return lambda: -gy @ mT(out), gy


@composes(np.linalg.tensorinv)
def tensorinv(a, ind=2):
    rows, columns = a.shape[:ind], a.shape[ind:]
    return np.linalg.inv(a.reshape((math.prod(rows), -1))).reshape(columns + rows)


@composes(np.linalg.tensorsolve)
def tensorsolve(a, b, axes=None):
    a, b = array(a), array(b)
    if axes is not None:
        last = [axis % a.ndim for axis in axes]
        a = np.transpose(a, [i for i in range(a.ndim) if i not in last] + last)
    matrix = a.reshape((b.size, -1))
    return np.linalg.solve(matrix, b.reshape(-1)).reshape(a.shape[b.ndim :])


@composes(np.linalg.pinv)
def pinv(a, rcond=None, hermitian=False, **options):
    """np.linalg.pinv; if it drops singular values that are not 0, composed from svd."""
    if hermitian:
        raise TypeError("np.linalg.pinv of a Tensor does not take hermitian=; leave it out")
    if rcond is not None:
        options["rcond"] = rcond
    tolerance = options.get("rtol") if rcond is None else rcond
    out = apply(np.linalg.pinv, a, **options)
    if tolerance is None:
        return out
    sizes = np.linalg.svdvals(plain(a))
    kept = sizes > np.asarray(tolerance)[..., None] * sizes[..., :1]
    if np.all(kept | vanishing(sizes, a)):
        return out
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return (mT(vt) * inverse[..., None, :]) @ mT(u)


@backward_of(np.linalg.pinv)
def pinv_backward(g, out, x, rcond=None, rtol=None):
    m, n = x.shape[-2:]
    outside_columns = np.eye(m, dtype=x.dtype) - x @ out
    outside_rows = np.eye(n, dtype=x.dtype) - out @ x
    return (
        outside_columns @ mT(g) @ out @ mT(out)
        + mT(out) @ out @ mT(g) @ outside_rows
        - mT(out) @ g @ mT(out)
    )


@composes(np.trace)
def trace(a, offset=0, axis1=0, axis2=1):
    return np.diagonal(a, offset, axis1, axis2).sum(-1)


@composes(np.linalg.trace)
def linalg_trace(x, /, *, offset=0):
    return np.trace(x, offset, -2, -1)


@backward_of(np.linalg.det)
def det_backward(g, out, x):
    return g[..., None, None] * cofactors(x, out)


def cofactors(x, det):
    """d det(x) / d x: det(x) inv(x).mT, and its limit where x has no inverse, or a huge one.

    In the bases of its singular vectors, which are held fixed, x has the blocks [[a, b], [c, d]],
    with the large singular values in a. Then det(x) = ±det(a) det(rest), where the Schur complement
    rest = d - c inv(a) b is a smaller matrix.
    """
    n = x.shape[-1]
    if n <= 4:
        return minors(x)
    # LAPACK's svd may never end at inf, so x with inf or nan takes eye's bases; its result is nan.
    finite = np.isfinite(plain(x)).all(axis=(-2, -1), keepdims=True)
    u, s, vt = np.linalg.svd(np.where(finite, plain(x), np.eye(n, dtype=x.dtype)))
    # A k-th derivative loses about cond(a)**k of its precision.
    large = s > np.finfo(x.dtype).eps ** 0.25 * s[..., :1]
    m = int(np.min(large.sum(axis=-1), initial=n))
    if m == n:
        return det[..., None, None] * mT(np.linalg.inv(x))
    if m == 0:
        return minors(x)
    blocks = mT(u) @ x @ mT(vt)
    b, c = blocks[..., :m, m:], blocks[..., m:, :m]
    a, inverse = blocks[..., :m, :m], np.linalg.inv(blocks[..., :m, :m])
    rest = blocks[..., m:, m:] - c @ inverse @ b
    det_rest = np.linalg.det(rest)
    left = u[..., m:] - u[..., :m] @ mT(c @ inverse)
    right = vt[..., m:, :] - mT(inverse @ b) @ vt[..., :m, :]
    of_rest = left @ cofactors(rest, det_rest) @ right
    of_a = det_rest[..., None, None] * (u[..., :m] @ mT(inverse) @ vt[..., :m, :])
    scale = np.linalg.det(a) * np.linalg.det(u @ vt)
    return scale[..., None, None] * (of_rest + of_a)


def minors(x):
    """(-1)**(i + j) times the determinant of x without row i and column j, in n**5 steps."""
    n = x.shape[-1]
    others = np.nonzero(~np.eye(n, dtype=bool))[1].reshape(n, max(n - 1, 0))
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    parts = x[..., others[:, None, :, None], others[None, :, None, :]]
    return np.linalg.det(parts) * signs.astype(x.dtype)


@composes(np.linalg.slogdet)
def slogdet(a):
    return SlogdetResult(*packed_slogdet(a))


@primitive
def packed_slogdet(x):
    """The sign of det(x), and log |det(x)|: (2, ...)."""
    return np.stack(np.linalg.slogdet(x))


@backward_of(packed_slogdet)
def slogdet_backward(g, out, x):
    if np.any(plain(out)[1] == -np.inf):
        raise np.linalg.LinAlgError(
            "slogdet has no derivative where the determinant is 0 and its logarithm is -inf"
        )
    return g[1][..., None, None] * mT(np.linalg.inv(x))
