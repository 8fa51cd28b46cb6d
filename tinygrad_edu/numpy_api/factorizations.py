"""What are the factors of a matrix: cholesky, eigh, svd, qr, and how do they change with it?

A function with several results calls a primitive that puts them side by side in one array, and
takes them apart again, into NumPy's named tuple. The formulas come from Giles 2008, "An extended
collection of matrix derivative results"; Townsend 2016, "Differentiating the singular value
decomposition"; Murray 2016, "Differentiation of the Cholesky decomposition"; Liao et al. 2019,
"Differentiable programming tensor networks" (qr).

NumPy reads only one triangle of a symmetric argument (cholesky, eigh); the gradient is symmetric.

Equal eigenvalues share their gradient equally, and so do equal singular values. Their vectors are
not determined and have no derivative: a gradient that needs it raises LinAlgError. Two values count
as equal if they differ by no more than rounding.
"""

import math

import numpy as np

from tinygrad_edu.graph import apply, backward_of, plain, primitive
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.numpy_api.shapes import mT
from tinygrad_edu.rules import ratio_or_0

EighResult = type(np.linalg.eigh(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))
QRResult = type(np.linalg.qr(np.eye(1)))


@composes(np.linalg.cholesky)
def cholesky(a, /, *, upper=False):
    if upper:
        return mT(apply(np.linalg.cholesky, mT(a)))
    return apply(np.linalg.cholesky, a)


@backward_of(np.linalg.cholesky)
def cholesky_backward(g, out, x):
    half = mT(out) @ g
    half = (np.tril(half) + np.tril(half, -1)) / 2
    half = np.linalg.solve(mT(out), mT(np.linalg.solve(mT(out), half)))
    return (half + mT(half)) / 2


# Eigenvalues


@composes(np.linalg.eigh)
def eigh(a, UPLO="L"):  # noqa: N803 - NumPy's name
    n = a.shape[-1]
    return EighResult(*unpacked(packed_eigh(a, UPLO=UPLO), (n,), (n, n)))


@primitive
def packed_eigh(x, UPLO="L"):  # noqa: N803
    """Eigenvalues (n) and eigenvectors (n, n), in one array: (..., n + n n)."""
    return packed(x.shape[:-2], *np.linalg.eigh(x, UPLO))


@backward_of(packed_eigh)
def eigh_backward(g, out, x, UPLO="L"):  # noqa: N803
    n = x.shape[-1]
    w, v = unpacked(out, (n,), (n, n))
    gw, gv = unpacked(g, (n,), (n, n))
    apart = ~equal(w)
    # gw counts, too: V log(W) V^T depends on the vectors, but at W = 1 its gv is 0.
    used = np.any(plain(gv) != 0, axis=-2) | (plain(gw) != 0)
    refuse_ties("eigenvectors", used & np.any(besides_itself(~apart), axis=-1))
    inner = inverse_gaps(w, apart) * (mT(v) @ gv) + np.eye(n, dtype=x.dtype) * gw[..., None]
    gx = v @ inner @ mT(v)
    return (gx + mT(gx)) / 2


@backward_of(np.linalg.eigvalsh)
def eigvalsh_backward(g, out, x, UPLO="L"):  # noqa: N803 - NumPy's name
    return with_eigenvalues(x, shared(g, out), UPLO=UPLO)


@primitive
def with_eigenvalues(x, values, UPLO="L"):  # noqa: N803
    """V diag(values) V^T, with V the eigenvectors of x."""
    v = np.linalg.eigh(x, UPLO)[1]
    return v * values[..., None, :] @ mT(v)


@backward_of(with_eigenvalues)
def with_eigenvalues_backward(g, out, x, values, UPLO="L"):  # noqa: N803
    w, v = np.linalg.eigh(x, UPLO)
    inner = mT(v) @ ((g + mT(g)) / 2) @ v

    def gx():
        apart = ~equal(w)
        refuse_ties("slopes of eigenvalues", besides_itself(~apart))
        slopes = gaps(values) * inverse_gaps(w, apart)
        return v @ (slopes * inner) @ mT(v)

    return gx, np.diagonal(inner, axis1=-2, axis2=-1)


# Singular values


@composes(np.linalg.svd)
def svd(a, full_matrices=True, compute_uv=True):
    if not compute_uv:
        return apply(np.linalg.svdvals, a)
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise TypeError(
            "np.linalg.svd of a Tensor that is not square needs full_matrices=False: "
            "the additional vectors are not determined and have no derivative"
        )
    shapes = svd_shapes(a)
    return SVDResult(*unpacked(packed_svd(a), *shapes))


@primitive
def packed_svd(x):
    """U (m, k), S (k) and V^T (k, n) of x (..., m, n), k = min(m, n), in one array."""
    return packed(x.shape[:-2], *np.linalg.svd(x, full_matrices=False))


@backward_of(packed_svd)
def svd_backward(g, out, x):
    shapes = svd_shapes(x)
    u, s, vt = unpacked(out, *shapes)
    gu, gs, gvt = unpacked(g, *shapes)
    m, n = x.shape[-2:]
    apart = ~equal(s)
    used = np.any(plain(gu) != 0, axis=-2) | (plain(gs) != 0) | np.any(plain(gvt) != 0, axis=-1)
    loose = np.any(besides_itself(~apart), axis=-1) | ((m != n) & vanishing(s, x))
    refuse_ties("singular vectors", used & loose)
    f = inverse_gaps(s * s, apart)
    row, column = s[..., None, :], s[..., None]
    left, right = mT(u) @ gu, vt @ mT(gvt)
    inner = f * (left - mT(left)) * row + column * (f * (right - mT(right)))
    inner = inner + np.eye(s.shape[-1], dtype=x.dtype) * gs[..., None]
    gx = u @ inner @ vt
    if m > n:  # the part outside of the columns of U; a square U is a basis and has no outside
        return gx + ratio_or_0(gu - u @ left, row) @ vt
    if m < n:
        return gx + u @ ratio_or_0(gvt - mT(right) @ vt, column)
    return gx


def svd_shapes(x):
    m, n = x.shape[-2:]
    k = min(m, n)
    return (m, k), (k,), (k, n)


@backward_of(np.linalg.svdvals)
def svdvals_backward(g, out, x):
    # At 0, a singular value is the absolute value of a number that changes sign: slope 0.
    return with_singular_values(x, shared(g, out) * ~vanishing(out, x))


@primitive
def with_singular_values(x, values):
    """U diag(values) V^T, with U and V the singular vectors of x."""
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    return u * values[..., None, :] @ vt


@backward_of(with_singular_values)
def with_singular_values_backward(g, out, x, values):
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    inner = mT(u) @ g @ mT(vt)

    def gx():
        apart = ~equal(s)
        loose = np.any(besides_itself(~apart), axis=-1) | vanishing(s, x)
        refuse_ties("slopes of singular values", loose)
        even = gaps(values) * inverse_gaps(s, apart) * (inner + mT(inner))
        odd = sums(values) / sums(s) * (inner - mT(inner))
        ratio = values / s
        outside_u = (g @ mT(vt) - u @ inner) * ratio[..., None, :] @ vt
        outside_v = u @ (ratio[..., None] * (mT(u) @ g - inner @ vt))
        return u @ ((even + odd) / 2) @ vt + outside_u + outside_v

    return gx, np.diagonal(inner, axis1=-2, axis2=-1)


# QR


@composes(np.linalg.qr)
def qr(a, mode="reduced"):
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise TypeError(
            f"np.linalg.qr of a Tensor of shape {a.shape} does not take mode={mode!r}: "
            "use 'reduced' or 'r'"
        )
    k = min(m, n)
    q, r = unpacked(packed_qr(a[..., :k]), (m, k), (k, k))
    if n > k:
        r = np.concatenate([r, mT(q) @ a[..., k:]], -1)
    return r if mode == "r" else QRResult(q, r)


@primitive
def packed_qr(x):
    """Q (m, n) and R (n, n) of x (..., m, n), m >= n, in one array."""
    return packed(x.shape[:-2], *np.linalg.qr(x))


@backward_of(packed_qr)
def qr_backward(g, out, x):
    shapes = x.shape[-2:], (x.shape[-1],) * 2
    q, r = unpacked(out, *shapes)
    gq, gr = unpacked(g, *shapes)
    sizes = np.abs(np.diagonal(plain(r), axis1=-2, axis2=-1))
    lengths = np.linalg.norm(plain(r), axis=-2)  # of columns, which may differ in scale
    if np.any(sizes <= 16 * r.shape[-1] * np.finfo(r.dtype).eps * lengths):
        raise np.linalg.LinAlgError(
            "qr has no derivative where the columns are linearly dependent; of a wide matrix, only "
            "the first columns count, as many as it has rows"
        )
    lower = r @ mT(np.triu(gr)) - mT(gq) @ q
    symmetric = np.tril(lower) + mT(np.tril(lower, -1))
    return mT(np.linalg.solve(r, mT(gq + q @ symmetric)))


def packed(batch, *parts):
    """Arrays with the same leading axes `batch`, their other axes flattened, side by side."""
    rows = [x.reshape((*batch, math.prod(x.shape[len(batch) :]))) for x in parts]
    return np.concatenate(rows, axis=-1)


def unpacked(x, *shapes):
    """The arrays that `packed` put side by side."""
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
    """1 / (w_j - w_i) where the two values are apart, else 0."""
    return apart / (gaps(w) + ~apart)


def rounding(w):
    """The largest computed distance of two equal values: (..., 1).

    The vectors of values further apart have at least one correct digit. Measured distances grow
    with the square root of n: at most 3.2 sqrt(n) eps for n from 2 to 400. The proven bound grows
    with n; in float32, it would count different values of large matrices as equal.
    """
    largest = np.abs(w).max(axis=-1, keepdims=True) if w.size else np.zeros((*w.shape[:-1], 1))
    return 8 * math.sqrt(w.shape[-1]) * np.finfo(w.dtype).eps * largest


def equal(w):
    """Which pairs of values are equal: (..., n, n), with True on the diagonal."""
    w = plain(w)
    return np.abs(gaps(w)) <= rounding(w)[..., None]


def besides_itself(pairs):
    """The pairs of two different indices."""
    return pairs & ~np.eye(pairs.shape[-1], dtype=bool)


def vanishing(s, x):
    """Which singular values of x are 0."""
    s = plain(s)
    return s <= rounding(s) * math.sqrt(max(x.shape[-2:]) / max(s.shape[-1], 1))


def shared(g, w):
    """g, with equal gradients for equal values: the mean over them."""
    share = equal(w)
    share = share / share.sum(axis=-1, keepdims=True)
    return (share.astype(w.dtype) @ g[..., None])[..., 0]


def refuse_ties(what, where):
    if np.any(where):
        raise np.linalg.LinAlgError(
            f"{what} have no derivative where eigenvalues or singular values are equal, or where a "
            "singular value is 0: their vectors are not determined there. Make the values differ, "
            "as in x + 1e-6 * np.diag(np.arange(n)). If you need no vectors, use "
            "np.linalg.eigvalsh or np.linalg.svdvals, which have a gradient even there"
        )
