"""The derivative table of linear algebra: np.linalg, einsum and their like.

Functions with several results are kernels that put these side by side in one array; compositions.py
takes them apart again. Where the formulas come from: Giles 2008, "An extended collection of matrix
derivative results"; Townsend 2016, "Differentiating the singular value decomposition"; Murray 2016,
"Differentiation of the Cholesky decomposition"; Golub and Pereyra 1973 for pinv; Liao et al. 2019,
"Differentiable programming tensor networks", for qr.

Of a symmetric argument (cholesky, eigh) NumPy reads one triangle; its gradient is symmetric.
"""

import math

import numpy as np

from tinygrad_edu.graph import backward_of, plain, primitive

# Products


@primitive
def einsum(*operands, subscripts="", optimize=False):
    """np.einsum(subscripts, *operands), every index explicit.

    No operand has an index twice, nor one that is neither in the output nor in another operand.
    """
    return np.einsum(subscripts, *operands, optimize=optimize)


@backward_of(einsum)
def einsum_backward(g, out, *operands, subscripts="", optimize=False):
    # einsum is linear in each operand: output and operand change places.
    terms, output = subscripts.split("->")
    terms = terms.split(",")

    def partial(i):
        others = ",".join([output, *terms[:i], *terms[i + 1 :]])
        arrays = g, *operands[:i], *operands[i + 1 :]
        return np.einsum(f"{others}->{terms[i]}", *arrays, optimize=optimize)

    return tuple(lambda i=i: partial(i) for i in range(len(operands)))


@primitive
def multi_dot(*arrays):
    """np.linalg.multi_dot(arrays) of matrices, each an input of its own."""
    return np.linalg.multi_dot(arrays)


@backward_of(multi_dot)
def multi_dot_backward(g, out, *arrays):
    turned = [x.mT for x in arrays]

    def partial(i):
        return np.linalg.multi_dot([*turned[:i][::-1], g, *turned[i + 1 :][::-1]])

    return tuple(lambda i=i: partial(i) for i in range(len(arrays)))


@backward_of(np.vecdot)
def vecdot_backward(g, out, x, y):
    return lambda: g[..., None] * y, lambda: g[..., None] * x


def matvec_backward(g, out, x, y):
    return lambda: g[..., None] * y[..., None, :], lambda: (x.mT @ g[..., None])[..., 0]


def vecmat_backward(g, out, x, y):
    return lambda: (y @ g[..., None])[..., 0], lambda: x[..., None] * g[..., None, :]


if hasattr(np, "matvec"):  # since NumPy 2.2
    backward_of(np.matvec)(matvec_backward)
    backward_of(np.vecmat)(vecmat_backward)


@backward_of(np.cross)
def cross_backward(g, out, x, y):
    return lambda: np.cross(y, g), lambda: np.cross(g, x)


# Inverses and determinants


@backward_of(np.linalg.inv)
def inv_backward(g, out, x):
    return -out.mT @ g @ out.mT


@backward_of(np.linalg.solve)
def solve_backward(g, out, x, y):
    gy = np.linalg.solve(x.mT, g)
    return lambda: -gy @ out.mT, gy


@backward_of(np.linalg.pinv)
def pinv_backward(g, out, x, rcond=None, rtol=None):
    m, n = x.shape[-2:]
    outside_columns = np.eye(m, dtype=x.dtype) - x @ out
    outside_rows = np.eye(n, dtype=x.dtype) - out @ x
    return (
        outside_columns @ g.mT @ out @ out.mT
        + out.mT @ out @ g.mT @ outside_rows
        - out.mT @ g @ out.mT
    )


@backward_of(np.linalg.det)
def det_backward(g, out, x):
    # Cofactors are right where the inverse does not exist or is large, but take n**5 steps.
    if x.shape[-1] <= 4 or np.any(plain(out) == 0):
        return g[..., None, None] * cofactors(x)
    return (g * out)[..., None, None] * np.linalg.inv(x).mT


def cofactors(x):
    """(-1)**(i + j) times the determinant of x without row i and column j."""
    n = x.shape[-1]
    others = np.nonzero(~np.eye(n, dtype=bool))[1].reshape(n, max(n - 1, 0))
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    minors = x[..., others[:, None, :, None], others[None, :, None, :]]
    return np.linalg.det(minors) * signs.astype(x.dtype)


@primitive
def slogdet(x):
    """The sign of det(x), and log |det(x)|: (2, ...)."""
    return np.stack(np.linalg.slogdet(x))


@backward_of(slogdet)
def slogdet_backward(g, out, x):
    return g[1][..., None, None] * np.linalg.inv(x).mT


# Factorizations


@backward_of(np.linalg.cholesky)
def cholesky_backward(g, out, x):
    half = out.mT @ g
    half = (np.tril(half) + np.tril(half, -1)) / 2
    half = np.linalg.solve(out.mT, np.linalg.solve(out.mT, half).mT)
    return (half + half.mT) / 2


@primitive
def eigh(x, UPLO="L"):  # noqa: N803 - NumPy's name
    """Eigenvalues (n) and eigenvectors (n, n), in one array: (..., n + n n)."""
    return packed(x.shape[:-2], *np.linalg.eigh(x, UPLO))


@backward_of(eigh)
def eigh_backward(g, out, x, UPLO="L"):  # noqa: N803
    n = x.shape[-1]
    w, v = unpacked(out, (n,), (n, n))
    gw, gv = unpacked(g, (n,), (n, n))
    inner = differences(w) * (v.mT @ gv) + np.eye(n, dtype=x.dtype) * gw[..., None]
    gx = v @ inner @ v.mT
    return (gx + gx.mT) / 2


@primitive
def svd(x):
    """U (m, k), S (k) and V^T (k, n) of x (..., m, n), k = min(m, n), in one array."""
    return packed(x.shape[:-2], *np.linalg.svd(x, full_matrices=False))


@backward_of(svd)
def svd_backward(g, out, x):
    shapes = svd_shapes(x)
    u, s, vt = unpacked(out, *shapes)
    gu, gs, gvt = unpacked(g, *shapes)
    f = differences(s * s)
    row, column = s[..., None, :], s[..., None]
    left, right = u.mT @ gu, vt @ gvt.mT
    inner = f * (left - left.mT) * row + column * (f * (right - right.mT))
    inner = inner + np.eye(s.shape[-1], dtype=x.dtype) * gs[..., None]
    outside_u, outside_v = gu - u @ left, gvt - right.mT @ vt
    return u @ inner @ vt + outside_u * reciprocal(row) @ vt + u @ (reciprocal(column) * outside_v)


def svd_shapes(x):
    m, n = x.shape[-2:]
    k = min(m, n)
    return (m, k), (k,), (k, n)


@primitive
def qr(x):
    """Q (m, n) and R (n, n) of x (..., m, n), m >= n, in one array."""
    return packed(x.shape[:-2], *np.linalg.qr(x))


@backward_of(qr)
def qr_backward(g, out, x):
    shapes = x.shape[-2:], (x.shape[-1],) * 2
    q, r = unpacked(out, *shapes)
    gq, gr = unpacked(g, *shapes)
    lower = r @ np.triu(gr).mT - gq.mT @ q
    symmetric = np.tril(lower) + np.tril(lower, -1).mT
    return np.linalg.solve(r, (gq + q @ symmetric).mT).mT


def packed(batch, *parts):
    """Arrays with the same leading axes `batch`, flattened behind these and put side by side."""
    rows = [x.reshape((*batch, math.prod(x.shape[len(batch) :]))) for x in parts]
    return np.concatenate(rows, axis=-1)


def unpacked(x, *shapes):
    """What `packed` put side by side."""
    parts, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(x[..., start:stop].reshape((*x.shape[:-1], *shape)))
        start = stop
    return parts


def differences(w):
    """1 / (w_j - w_i); 0 where they are equal, as what depends on the vectors is undefined."""
    return reciprocal(w[..., None, :] - w[..., None])


def reciprocal(x):
    """1 / x, and 0 at 0."""
    return (x != 0) / (x + (x == 0))
