"""The derivative table of linear algebra: np.linalg, einsum and their like.

Functions with several results are kernels that put these side by side in one array; compositions.py
takes them apart again. Where the formulas come from: Giles 2008, "An extended collection of matrix
derivative results"; Townsend 2016, "Differentiating the singular value decomposition"; Murray 2016,
"Differentiation of the Cholesky decomposition"; Golub and Pereyra 1973 for pinv; Liao et al. 2019,
"Differentiable programming tensor networks", for qr.

Of a symmetric argument (cholesky, eigh) NumPy reads one triangle; its gradient is symmetric.

Equal eigenvalues (and singular values) have a derivative together, which they share equally; the
vectors that belong to them are not determined, and have none. Values are equal here when they
differ by no more than rounding. What the derivative of undetermined vectors would be is refused.
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
    return g[..., None, None] * cofactors(x, out)


def cofactors(x, det):
    """d det(x) / d x: det(x) inv(x).mT, and its limit where x has no inverse, or a large one.

    In the bases of its singular vectors, held fixed, x has blocks [[a, b], [c, d]], with the large
    singular values in a. Then det(x) = ±det(a) det(rest), where rest = d - c inv(a) b, the Schur
    complement, is a smaller matrix.
    """
    n = x.shape[-1]
    if n <= 4:
        return minors(x)
    # LAPACK's svd may never end at inf; here nan stays nan in the matrix that has it.
    finite = np.isfinite(plain(x)).all(axis=(-2, -1), keepdims=True)
    u, s, vt = np.linalg.svd(np.where(finite, plain(x), np.eye(n, dtype=x.dtype)))
    # A k-th derivative loses about cond(a)**k of its precision.
    large = s > np.finfo(x.dtype).eps ** 0.25 * s[..., :1]
    m = int(np.min(np.add.reduce(large, axis=-1), initial=n))
    if m == n:
        return det[..., None, None] * np.linalg.inv(x).mT
    if m == 0:
        return minors(x)
    blocks = u.mT @ x @ vt.mT
    b, c = blocks[..., :m, m:], blocks[..., m:, :m]
    a, inverse = blocks[..., :m, :m], np.linalg.inv(blocks[..., :m, :m])
    rest = blocks[..., m:, m:] - c @ inverse @ b
    det_rest = np.linalg.det(rest)
    left = u[..., m:] - u[..., :m] @ (c @ inverse).mT
    right = vt[..., m:, :] - (inverse @ b).mT @ vt[..., :m, :]
    of_rest = left @ cofactors(rest, det_rest) @ right
    of_a = det_rest[..., None, None] * (u[..., :m] @ inverse.mT @ vt[..., :m, :])
    scale = np.linalg.det(a) * np.linalg.det(u @ vt)
    return scale[..., None, None] * (of_rest + of_a)


def minors(x):
    """(-1)**(i + j) times the determinant of x without row i and column j, in n**5 steps."""
    n = x.shape[-1]
    others = np.nonzero(~np.eye(n, dtype=bool))[1].reshape(n, max(n - 1, 0))
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    parts = x[..., others[:, None, :, None], others[None, :, None, :]]
    return np.linalg.det(parts) * signs.astype(x.dtype)


@primitive
def slogdet(x):
    """The sign of det(x), and log |det(x)|: (2, ...)."""
    return np.stack(np.linalg.slogdet(x))


@backward_of(slogdet)
def slogdet_backward(g, out, x):
    if np.any(plain(out)[1] == -np.inf):
        raise np.linalg.LinAlgError(
            "slogdet has no derivative where the determinant is 0, and its logarithm -inf"
        )
    return g[1][..., None, None] * np.linalg.inv(x).mT


# Factorizations


@backward_of(np.linalg.cholesky)
def cholesky_backward(g, out, x):
    half = out.mT @ g
    half = (np.tril(half) + np.tril(half, -1)) / 2
    half = np.linalg.solve(out.mT, np.linalg.solve(out.mT, half).mT)
    return (half + half.mT) / 2


@backward_of(np.linalg.eigvalsh)
def eigvalsh_backward(g, out, x, UPLO="L"):  # noqa: N803 - NumPy's name
    return with_eigenvalues(x, shared(g, out), UPLO=UPLO)


@primitive
def with_eigenvalues(x, values, UPLO="L"):  # noqa: N803
    """V diag(values) V^T, with V the eigenvectors of x."""
    v = np.linalg.eigh(x, UPLO)[1]
    return v * values[..., None, :] @ v.mT


@backward_of(with_eigenvalues)
def with_eigenvalues_backward(g, out, x, values, UPLO="L"):  # noqa: N803
    w, v = np.linalg.eigh(x, UPLO)
    inner = v.mT @ ((g + g.mT) / 2) @ v

    def gx():
        apart = ~equal(w)
        refuse("slopes of eigenvalues", others(~apart))
        slopes = gaps(values) * inverse_gaps(w, apart)
        return v @ (slopes * inner) @ v.mT

    return gx, np.diagonal(inner, axis1=-2, axis2=-1)


@primitive
def eigh(x, UPLO="L"):  # noqa: N803
    """Eigenvalues (n) and eigenvectors (n, n), in one array: (..., n + n n)."""
    return packed(x.shape[:-2], *np.linalg.eigh(x, UPLO))


@backward_of(eigh)
def eigh_backward(g, out, x, UPLO="L"):  # noqa: N803
    n = x.shape[-1]
    w, v = unpacked(out, (n,), (n, n))
    gw, gv = unpacked(g, (n,), (n, n))
    apart = ~equal(w)
    # The value counts too: V log(W) V^T depends on the vectors, and at W = 1 has gv = 0.
    used = np.any(plain(gv) != 0, axis=-2) | (plain(gw) != 0)
    refuse("eigenvectors", used & np.any(others(~apart), axis=-1))
    inner = inverse_gaps(w, apart) * (v.mT @ gv) + np.eye(n, dtype=x.dtype) * gw[..., None]
    gx = v @ inner @ v.mT
    return (gx + gx.mT) / 2


@backward_of(np.linalg.svdvals)
def svdvals_backward(g, out, x):
    # Where it is 0, a singular value is the absolute value of what changes its sign: slope 0.
    return with_singular_values(x, shared(g, out) * ~vanishing(out, x))


@primitive
def with_singular_values(x, values):
    """U diag(values) V^T, with U and V the singular vectors of x."""
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    return u * values[..., None, :] @ vt


@backward_of(with_singular_values)
def with_singular_values_backward(g, out, x, values):
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    inner = u.mT @ g @ vt.mT

    def gx():
        apart = ~equal(s)
        loose = np.any(others(~apart), axis=-1) | vanishing(s, x)
        refuse("slopes of singular values", loose)
        even = gaps(values) * inverse_gaps(s, apart) * (inner + inner.mT)
        odd = sums(values) / sums(s) * (inner - inner.mT)
        ratio = values / s
        outside_u = (g @ vt.mT - u @ inner) * ratio[..., None, :] @ vt
        outside_v = u @ (ratio[..., None] * (u.mT @ g - inner @ vt))
        return u @ ((even + odd) / 2) @ vt + outside_u + outside_v

    return gx, np.diagonal(inner, axis1=-2, axis2=-1)


@primitive
def spectral_norm(x):
    """The largest singular value."""
    return np.linalg.norm(x, 2, axis=(-2, -1))


@backward_of(spectral_norm)
def spectral_norm_backward(g, out, x):
    return g[..., None, None] * leading(x)


@primitive
def leading(x):
    """u v^T for the largest singular value s = u^T x v; the mean of all if several are largest."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    ties = equal(s)[..., :1, :] & ~vanishing(s, x)[..., None, :]
    share = ties / np.maximum(np.add.reduce(ties, axis=-1, keepdims=True), 1)
    return u * share.astype(x.dtype) @ vt


@backward_of(leading)
def leading_backward(g, out, x):
    # From x x^T u = s^2 u and x^T x v = s^2 v; the other singular values may be equal, or 0.
    values = np.linalg.svdvals(plain(x))
    loose = np.any(others(equal(values))[..., 0, :], axis=-1) | vanishing(values, x)[..., 0]
    refuse("slopes of the largest singular value", loose)
    s = np.add.reduce(out * x, axis=(-2, -1), keepdims=True)
    uu, vv = out @ out.mT, out.mT @ out
    of_u = beside(x @ x.mT, uu, s) @ g
    of_v = g @ beside(x.mT @ x, vv, s)
    return s * (of_u @ vv + uu @ of_v) + x @ of_v.mT @ out + out @ of_u.mT @ x


def beside(square, projection, s):
    """The inverse of s^2 - square outside of the vector that it maps to 0."""
    eye = np.eye(square.shape[-1], dtype=square.dtype)
    return np.linalg.inv(s * s * (eye + projection) - square) @ (eye - projection)


@primitive
def svd(x):
    """U (m, k), S (k) and V^T (k, n) of x (..., m, n), k = min(m, n), in one array."""
    return packed(x.shape[:-2], *np.linalg.svd(x, full_matrices=False))


@backward_of(svd)
def svd_backward(g, out, x):
    shapes = svd_shapes(x)
    u, s, vt = unpacked(out, *shapes)
    gu, gs, gvt = unpacked(g, *shapes)
    m, n = x.shape[-2:]
    apart = ~equal(s)
    used = np.any(plain(gu) != 0, axis=-2) | (plain(gs) != 0) | np.any(plain(gvt) != 0, axis=-1)
    loose = np.any(others(~apart), axis=-1) | ((m != n) & vanishing(s, x))
    refuse("singular vectors", used & loose)
    f = inverse_gaps(s * s, apart)
    row, column = s[..., None, :], s[..., None]
    left, right = u.mT @ gu, vt @ gvt.mT
    inner = f * (left - left.mT) * row + column * (f * (right - right.mT))
    inner = inner + np.eye(s.shape[-1], dtype=x.dtype) * gs[..., None]
    gx = u @ inner @ vt
    if m > n:  # what is outside of the columns of U; there is nothing outside of a whole basis
        return gx + (gu - u @ left) * reciprocal(row) @ vt
    if m < n:
        return gx + u @ (reciprocal(column) * (gvt - right.mT @ vt))
    return gx


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
    sizes = np.abs(np.diagonal(plain(r), axis1=-2, axis2=-1))
    lengths = np.linalg.norm(plain(r), axis=-2)  # those of the columns, which have any scale
    if np.any(sizes <= 16 * r.shape[-1] * np.finfo(r.dtype).eps * lengths):
        raise np.linalg.LinAlgError(
            "qr has no derivative where the columns (of a wide matrix the first ones, as many as "
            "it has rows) depend on each other"
        )
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


# Equal values


def gaps(w):
    """w_j - w_i at [i, j]."""
    return w[..., None, :] - w[..., None]


def sums(w):
    """w_j + w_i at [i, j]."""
    return w[..., None, :] + w[..., None]


def inverse_gaps(w, apart):
    """1 / (w_j - w_i) where they are apart, else 0."""
    return apart / (gaps(w) + ~apart)


def rounding(w):
    """How far apart equal values may come out: (..., 1). Beyond, vectors have a digit or more.

    In practice that grows with the root of n, to at most 3.2 sqrt(n) eps for n from 2 to 400. The
    proven bound grows with n, and takes values of large matrices in float32 for equal.
    """
    largest = np.max(np.abs(w), axis=-1, keepdims=True, initial=0)
    return 8 * math.sqrt(w.shape[-1]) * np.finfo(w.dtype).eps * largest


def equal(w):
    """Which pairs of the values are equal, each with itself among them: (..., n, n)."""
    w = plain(w)
    return np.abs(gaps(w)) <= rounding(w)[..., None]


def others(pairs):
    """The pairs without those of a value with itself."""
    return pairs & ~np.eye(pairs.shape[-1], dtype=bool)


def vanishing(s, x):
    """Which singular values of x are 0."""
    s = plain(s)
    return s <= rounding(s) * math.sqrt(max(x.shape[-2:]) / max(s.shape[-1], 1))


def shared(g, w):
    """The gradient of equal values, shared equally."""
    share = equal(w)
    share = share / np.add.reduce(share, axis=-1, keepdims=True)
    return (share.astype(w.dtype) @ g[..., None])[..., 0]


def refuse(what, where):
    if np.any(where):
        raise np.linalg.LinAlgError(
            f"{what} have no derivative where eigenvalues or singular values are equal, or where a "
            "singular value is 0: their vectors are not determined there. Make the values differ, "
            "as in x + 1e-6 * np.diag(np.arange(n)). If no vectors are needed, np.linalg.eigvalsh "
            "and svdvals have a gradient even there"
        )


def reciprocal(x):
    """1 / x, and 0 at 0."""
    return (x != 0) / (x + (x == 0))
