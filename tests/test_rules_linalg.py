"""Linear algebra, one row a function and a form: values, first and second derivatives.

The rows are those of test_rules.py. Functions of symmetric matrices get `x + x.mT`: NumPy reads one
triangle of these, and the gradient is symmetric.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import REFERENCE, check, stored
from test_rules import Row, at, name

from tinygrad_edu import Tensor, grad, gradcheck, hvp
from tinygrad_edu.numpy_api.contractions import contract
from tinygrad_edu.numpy_api.factorizations import (
    packed_eigh,
    packed_qr,
    packed_svd,
    with_eigenvalues,
    with_singular_values,
)
from tinygrad_edu.numpy_api.linalg import packed_slogdet
from tinygrad_edu.numpy_api.norms import leading, spectral_norm
from tinygrad_edu.numpy_api.products import chain_dot


def symmetric(x):
    return x + x.mT


def definite(x):
    return x @ x.mT + 2 * np.eye(x.shape[-1], dtype=x.dtype)


def einsum(subscripts, *shapes, **options):
    return Row(contract, shapes, lambda *xs: np.einsum(subscripts, *xs, **options) ** 2)


HALF = np.float32([0.5, -0.5])

TABLE = [
    # products
    Row(np.dot, [(3,), (3,)]),
    Row(np.dot, [(2, 3), (3, 4)]),
    Row(np.dot, [(2, 2, 3), (3,)]),
    Row(np.dot, [(3,), (2, 3, 4)]),
    Row(np.dot, [(2, 2, 3), (2, 3, 2)]),
    Row(np.dot, [(), (2, 3)]),
    Row(Tensor.dot, [(2, 3), (3,)], lambda x, y: x.dot(y)),
    Row(np.vdot, [(2, 3), (6,)]),
    Row(np.inner, [(3,), (3,)]),
    Row(np.inner, [(2, 3), (4, 3)]),
    Row(np.inner, [(2, 2, 3), (3,)]),
    Row(np.inner, [(2, 3), ()]),
    Row(np.outer, [(2,), (3,)]),
    Row(np.outer, [(2, 2), ()]),
    Row(np.linalg.outer, [(2,), (3,)]),
    Row(np.tensordot, [(2, 3, 4), (3, 4, 2)]),
    Row(np.tensordot, [(2, 3), (3, 2)], lambda x, y: np.tensordot(x, y, 0)),
    Row(np.tensordot, [(2, 3, 4), (4, 3)], lambda x, y: np.tensordot(x, y, ((1, -1), (1, 0)))),
    Row(np.tensordot, [(2, 3), (4, 3)], lambda x, y: np.tensordot(x, y, axes=[1, -1])),
    Row(np.linalg.tensordot, [(2, 3), (3, 2)], lambda x, y: np.linalg.tensordot(x, y, axes=1)),
    Row(np.kron, [(2, 3), (2, 2)]),
    Row(np.kron, [(3,), (2, 2)]),
    Row(np.kron, [(2, 1, 2), ()]),
    Row(np.trace, [(3, 3)], lambda x: np.trace(x * x)),
    Row(Tensor.trace, [(2, 3, 4)], lambda x: (x * x).trace(1, -1, 0)),
    Row(np.linalg.trace, [(2, 3, 3)], lambda x: np.linalg.trace(x * x, offset=-1)),
    Row(np.cross, [(2, 3), (3,)]),
    Row(np.cross, [(3, 2), (2, 3)], lambda x, y: np.cross(x, y, axisa=0, axisc=0)),
    Row(np.linalg.cross, [(3, 2), (3, 2)], lambda x, y: np.linalg.cross(x, y, axis=0)),
    Row(np.vecdot, [(2, 3), (4, 1, 3)]),
    Row(np.linalg.vecdot, [(3, 2), (3, 2)], lambda x, y: np.linalg.vecdot(x, y, axis=0)),
    Row(np.linalg.matmul, [(2, 3), (3, 2)]),
    Row(chain_dot, [(2, 3), (3, 4)], lambda *xs: np.linalg.multi_dot(xs)),
    Row(chain_dot, [(2, 3), (3, 4), (4, 2)], lambda *xs: np.linalg.multi_dot(xs)),
    Row(chain_dot, [(2,), (2, 3), (3,)], lambda *xs: np.linalg.multi_dot(xs)),
    Row(chain_dot, [(2,), (2, 3), (3, 1), (1, 4)], lambda *x: np.linalg.multi_dot(x)),
    Row(np.linalg.matrix_power, [(3, 3)], lambda x: np.linalg.matrix_power(x, 5)),
    Row(np.linalg.matrix_power, [(2, 2, 2)], lambda x: np.linalg.matrix_power(definite(x), -2)),
    Row(np.linalg.matrix_power, [(2, 2)], lambda x: np.linalg.matrix_power(x, 0) * x),
    # einsum
    einsum("ij,jk->ik", (2, 3), (3, 4)),
    einsum("ij,jk", (2, 3), (3, 4)),
    einsum("ba", (2, 3)),
    einsum("ij->ji", (2, 3)),
    einsum("ij->j", (2, 3)),
    einsum("ij->", (2, 3)),
    einsum("ii", (3, 3)),
    einsum("ii->i", (3, 3)),
    einsum("iii->i", (3, 3, 3)),
    einsum("ijij->ji", (2, 3, 2, 3)),
    einsum("iij,jk->k", (2, 2, 3), (3, 2)),
    einsum("i,j->ij", (2,), (3,)),
    einsum("i,i", (3,), (3,)),
    einsum("ij,kl->il", (2, 3), (2, 3)),
    einsum("ij,ij,ij->i", (2, 3), (2, 3), (2, 3)),
    einsum("ij,jk,kl->il", (2, 3), (3, 2), (2, 4), optimize=True),
    einsum("bij,bjk,bk->bi", (2, 2, 3), (2, 3, 2), (2, 2), optimize="greedy"),
    einsum("...ij,...jk->...ik", (2, 2, 3), (3, 4)),
    einsum("...ij,...jk", (2, 1, 2, 3), (3, 3, 2)),
    einsum("i...->...", (2, 3)),
    einsum("...ii->...i", (2, 3, 3)),
    einsum("...,...->...", (2, 1), (3,)),
    einsum("...", ()),
    einsum(" i j , j -> i ", (2, 3), (3,)),
    einsum("i,i->i", (1,), (3,)),
    einsum("i,i->", (3,), (1,)),
    einsum(",i->i", (), (3,)),
    Row(contract, [(2, 3), (3, 4)], lambda x, y: np.einsum(x, [0, 1], y, [1, 2])),
    Row(contract, [(2, 3, 3)], lambda x: np.einsum(x, [..., 1, 1], [1, ...])),
    # inverses and determinants
    Row(np.linalg.tensorinv, [(4, 2, 2)], lambda x: np.linalg.tensorinv(x, ind=1)),
    Row(np.linalg.tensorsolve, [(2, 2, 4), (2, 2)]),
    Row(np.linalg.tensorsolve, [(2, 4, 2), (4,)], lambda x, y: np.linalg.tensorsolve(x, y, (0, 2))),
    Row(np.linalg.inv, [(3, 3)], lambda x: np.linalg.inv(definite(x))),
    Row(np.linalg.inv, [(2, 1, 2, 2)], lambda x: np.linalg.inv(definite(x))),
    Row(np.linalg.det, [(3, 3)]),
    Row(np.linalg.det, [(2, 2, 2)]),
    Row(np.linalg.det, [(1, 1)]),
    Row(np.linalg.det, [(5, 5)]),
    Row(np.linalg.det, [(5, 1)], lambda x: np.linalg.det(x * np.arange(5.0).astype(x.dtype))),
    Row(np.linalg.det, [(3, 1)], lambda x: np.linalg.det(x * np.arange(3.0).astype(x.dtype))),
    Row(packed_slogdet, [(3, 3)], lambda x: np.linalg.slogdet(x)[1]),
    Row(packed_slogdet, [(2, 2, 2)], lambda x: np.linalg.slogdet(x).logabsdet),
    Row(np.linalg.solve, [(3, 3), (3,)], lambda x, y: np.linalg.solve(definite(x), y)),
    Row(np.linalg.solve, [(3, 3), (3, 2)], lambda x, y: np.linalg.solve(definite(x), y)),
    Row(np.linalg.solve, [(2, 3, 3), (3,)], lambda x, y: np.linalg.solve(definite(x), y)),
    Row(np.linalg.solve, [(2, 1, 2, 2), (3, 2, 1)], lambda x, y: np.linalg.solve(definite(x), y)),
    Row(np.linalg.solve, [(2, 2)], lambda x: np.linalg.solve(definite(x), HALF) ** 2),
    Row(np.linalg.pinv, [(3, 2)]),
    Row(np.linalg.pinv, [(2, 3)]),
    Row(np.linalg.pinv, [(2, 3, 3)], lambda x: np.linalg.pinv(definite(x), rcond=1e-6)),
    # factorizations
    Row(np.linalg.cholesky, [(3, 3)], lambda x: np.linalg.cholesky(definite(x))),
    Row(np.linalg.cholesky, [(2, 2, 2)], lambda x: np.linalg.cholesky(definite(x), upper=True)),
    Row(packed_eigh, [(3, 3)], lambda x: np.linalg.eigh(symmetric(x))[0]),
    Row(packed_eigh, [(3, 3)], lambda x: np.linalg.eigh(symmetric(x))[1]),
    Row(
        packed_eigh,
        [(2, 2, 2)],
        lambda x: np.linalg.eigh(symmetric(x), "U").eigenvectors,
    ),
    Row(np.linalg.eigvalsh, [(3, 3)], lambda x: np.linalg.eigvalsh(symmetric(x))),
    Row(np.linalg.eigvalsh, [(2, 2, 2)], lambda x: np.linalg.eigvalsh(symmetric(x), "U")),
    Row(
        with_eigenvalues,
        [(2, 3, 3), (3,)],
        lambda x, w: with_eigenvalues(symmetric(x), w + np.zeros_like(x[..., 0])),
    ),
    Row(packed_svd, [(3, 3)], lambda x: np.linalg.svd(x)[0]),
    *(
        Row(
            packed_svd,
            [shape],
            lambda x, i=i: np.linalg.svd(x, full_matrices=False)[i],
        )
        for shape in [(3, 2), (2, 4), (2, 2, 2)]
        for i in range(3)
    ),
    Row(np.linalg.svdvals, [(4, 3)], lambda x: np.linalg.svd(x, compute_uv=False)),
    Row(np.linalg.svdvals, [(2, 3)]),
    *(Row(f, [shape]) for f in (spectral_norm, leading) for shape in [(3, 3), (4, 2), (2, 2, 3)]),
    Row(with_singular_values, [(3, 2), (2,)]),
    Row(with_singular_values, [(2, 3, 4), (2, 3)]),
    Row(with_singular_values, [(3, 3), (3,)]),
    *(
        Row(packed_qr, [shape], lambda x, i=i: np.linalg.qr(x)[i])
        for shape in [(3, 3), (4, 2), (2, 4), (2, 3, 2)]
        for i in range(2)
    ),
    Row(packed_qr, [(3, 2)], lambda x: np.linalg.qr(x, mode="r")),
]
if hasattr(np, "matvec"):
    TABLE += [
        Row(np.matvec, [(2, 3), (3,)]),
        Row(np.matvec, [(4, 1, 2, 3), (2, 3)]),
        Row(np.vecmat, [(2,), (2, 3)]),
        Row(np.vecmat, [(4, 2), (3, 1, 2, 3)]),
    ]


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_rule_is_right_to_second_order(row):
    gradcheck(row.f, *at(row), order=2, rtol=1e-6)


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_forward_is_numpys_own(row):
    xs = at(row)
    out = row.f(*[Tensor(x, requires_grad=True) for x in xs])
    assert isinstance(out, Tensor)
    expected = row.f(*xs)
    assert out.shape == np.shape(expected)
    np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-12)


LETTERS = "abc"


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_einsum_of_any_subscripts(data):
    terms = data.draw(st.lists(st.text(LETTERS, max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    output = "".join(data.draw(st.lists(st.sampled_from(used), unique=True))) if used else ""
    arrow = data.draw(st.booleans())
    subscripts = ",".join(terms) + (f"->{output}" if arrow else "")
    sizes = dict(zip(LETTERS, (1, 2, 3)))
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal([sizes[c] for c in term]) for term in terms]
    np.testing.assert_allclose(
        np.einsum(subscripts, *map(Tensor, xs)).data, np.einsum(subscripts, *xs), atol=1e-12
    )
    gradcheck(lambda *xs: np.einsum(subscripts, *xs), *xs, order=2)


def test_several_results_are_numpys_named_tuples_of_tensors():
    x = np.eye(3) + np.ones((3, 3))
    for function in (np.linalg.eigh, np.linalg.slogdet, np.linalg.svd, np.linalg.qr):
        out, expected = function(Tensor(x, requires_grad=True)), function(x)
        assert type(out) is type(expected)
        assert all(isinstance(part, Tensor) for part in out)


def test_a_cubic_determinant_of_a_singular_matrix_has_a_gradient():
    x = Tensor(np.arange(9.0).reshape(3, 3), requires_grad=True)
    np.linalg.det(x).backward()
    np.testing.assert_allclose(x.grad, [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]])


def test_eigenvalues_that_are_equal_have_a_gradient():
    x = Tensor(np.eye(3), requires_grad=True)
    np.linalg.eigvalsh(x).sum().backward()
    np.testing.assert_allclose(x.grad, np.eye(3))
    np.linalg.svdvals(x).sum().backward()
    np.testing.assert_allclose(x.grad, 2 * np.eye(3))


# Where a matrix has no full rank, or equal values


def with_values(values, m=None, symmetric=False, seed=0):
    """A matrix (m, n) with these singular values, or a symmetric one with these eigenvalues."""
    rng = np.random.default_rng(seed)
    n = len(values)
    u = np.linalg.qr(rng.standard_normal((m or n, n)))[0]
    v = u if symmetric else np.linalg.qr(rng.standard_normal((n, n)))[0]
    return u * np.array(values, float) @ v.T


def product(x, v):
    """The Hessian of det times v, exactly: the second compound, from minors of minors."""
    n = len(x)
    out = np.zeros((n, n))
    for i, j, k, m in np.ndindex(n, n, n, n):
        if i != k and j != m:
            part = np.delete(np.delete(x, [i, k], 0), [j, m], 1)
            sign = (-1) ** (i + j + k + m + (k < i) + (m < j))
            out[i, j] += sign * np.linalg.det(part) * v[k, m]
    return out


@pytest.mark.parametrize("n", [3, 5, 6])
@pytest.mark.parametrize("kind", ["rank", "exact", "graded", "equal"])
def test_det_has_first_and_second_derivatives_at_every_rank(n, kind):
    v = np.random.default_rng(1).standard_normal((n, n))
    for rank in range(n + 1):
        if kind == "graded":
            x = with_values([10.0 ** (-3 * i * (i >= rank)) for i in range(n)])
        elif kind == "exact":  # the determinant is 0 without rounding
            x = np.zeros((n, n))
            x[:rank, :rank] = with_values(np.arange(1, rank + 1)) if rank else 0
        else:
            values = np.ones(n) if kind == "equal" else np.arange(1.0, n + 1)
            x = with_values(values * (np.arange(n) < rank))
        minors = [[np.delete(np.delete(x, i, 0), j, 1) for j in range(n)] for i in range(n)]
        signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
        largest = np.prod(np.maximum(np.linalg.svdvals(x), 1e-3)[: n - 2])
        np.testing.assert_allclose(
            grad(np.linalg.det)(x), signs * np.linalg.det(np.array(minors)), 1e-7, 1e-9
        )
        ours = hvp(np.linalg.det)(x, v)
        np.testing.assert_allclose(ours, product(x, v), 1e-7, 1e-7 * largest)


def test_det_has_third_derivatives_where_three_singular_values_are_0():
    x = with_values([2.0, 3.0, 1.5, 0.0, 0.0, 0.0])
    a, b = np.random.default_rng(2).standard_normal((2, 6, 6))

    def along(x):
        return (grad(lambda x: (grad(np.linalg.det)(x) * a).sum())(x) * b).sum()

    # det is cubic in the steps here, and this is the coefficient of s t r.
    third = grad(along)(x)
    c = np.random.default_rng(3).standard_normal((6, 6))
    total = 0.0
    for i, j, k in np.ndindex(2, 2, 2):
        signs = np.array([i, j, k]) * 2 - 1
        step = 1e-2 * (signs[0] * a + signs[1] * b + signs[2] * c)
        total += np.prod(signs) * np.linalg.det(x + step)
    assert (third * c).sum() == pytest.approx(total / (8 * 1e-6), rel=1e-2)


def test_det_of_a_batch_of_different_ranks():
    x = np.stack([with_values([3.0, 2.0, 1.5, 1.0, 0.0 if i else 0.5]) for i in range(3)])
    x[2] = 0
    v = np.random.default_rng(1).standard_normal(x.shape)
    ours = hvp(lambda x: np.linalg.det(x).sum())(x, v)
    np.testing.assert_allclose(ours, [product(*pair) for pair in zip(x, v)], 1e-8, 1e-10)


def test_det_in_float32():
    x = with_values([3.0, 2.0, 1.5, 1.0, 0.0])
    v = np.random.default_rng(1).standard_normal(x.shape)
    ours = hvp(np.linalg.det)(x.astype(np.float32), v.astype(np.float32))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, product(x, v), 1e-3, 1e-3)


EQUAL = with_values([3.0, 2.0, 2.0, 1.0], symmetric=True)
SINGULARS = {
    "rank 3": with_values([3.0, 2.0, 1.0, 0.0]),
    "rank 1": with_values([3.0, 0.0, 0.0, 0.0]),
    "tall, rank 3": with_values([3.0, 2.0, 1.0, 0.0], 6),
    "wide, rank 3": with_values([3.0, 2.0, 1.0, 0.0], 6).T,
    "tall, rank 2": with_values([3.0, 2.0, 0.0, 0.0], 6),
    "equal": with_values([3.0, 2.0, 2.0, 1.0]),
    "tall, equal": with_values([3.0, 2.0, 2.0, 1.0], 6),
    "identity": np.eye(4),
}


def test_sums_of_all_eigenvalues_that_are_equal_have_the_gradient_that_they_have_elsewhere():
    for x in (EQUAL, np.eye(4), np.zeros((4, 4)), np.diag([1.0, 0.0, 0.0, 0.0])):
        np.testing.assert_allclose(
            grad(lambda x: np.linalg.eigvalsh(x).sum())(x), np.eye(4), atol=1e-14
        )
        squares = grad(lambda x: (np.linalg.eigvalsh(x) ** 2).sum())(x)
        np.testing.assert_allclose(squares, 2 * x, atol=1e-13)
        exponential = grad(lambda x: np.exp(np.linalg.eigvalsh(x)).sum())(x)
        w, v = np.linalg.eigh(x)
        np.testing.assert_allclose(exponential, v * np.exp(w) @ v.T, atol=1e-13)


@pytest.mark.parametrize("case", SINGULARS)
def test_sums_over_singular_values_have_a_gradient_at_every_rank(case):
    x = SINGULARS[case]
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    rank = np.count_nonzero(s > 1e-12)
    squares = grad(lambda x: (np.linalg.svdvals(x) ** 2).sum())(x)
    np.testing.assert_allclose(squares, 2 * x, atol=1e-13)
    nuclear = grad(lambda x: np.linalg.norm(x, "nuc"))(x)
    np.testing.assert_allclose(nuclear, u[:, :rank] @ vt[:rank], atol=1e-13)
    ties = np.abs(s - s[0]) < 1e-12
    spectral = grad(lambda x: np.linalg.norm(x, 2))(x)
    np.testing.assert_allclose(spectral, u[:, ties] @ vt[ties] / ties.sum(), atol=1e-13)


def test_one_of_several_equal_eigenvalues_shares_its_gradient_with_the_others():
    for i in (1, 2):
        v = np.linalg.eigh(EQUAL)[1][:, 1:3]
        ours = grad(lambda x, i=i: np.linalg.eigvalsh(x)[i])(EQUAL)
        np.testing.assert_allclose(ours, v @ v.T / 2, atol=1e-14)


def matrix_function(f):
    def call(x):
        w, v = np.linalg.eigh(x)
        return (v * f(w)) @ v.mT

    return call


COEFFICIENTS = np.random.default_rng(5).standard_normal((4, 4))


@pytest.mark.parametrize(
    ("f", "x"),
    [
        *[
            (matrix_function(h), x)
            for h in (np.exp, np.log, lambda w: w, lambda w: w - 2)
            for x in (EQUAL, np.eye(4), 2 * np.eye(4))
        ],
        (lambda x: np.linalg.eigh(x)[1][:, 1], EQUAL),
        (lambda x: np.linalg.eigh(x)[1] @ np.ones(4), EQUAL),
        (lambda x: np.linalg.svd(x)[0], SINGULARS["equal"]),
        (lambda x: np.linalg.svd(x)[2], SINGULARS["rank 1"]),
        (lambda x: np.linalg.svd(x, full_matrices=False)[0], SINGULARS["tall, rank 3"]),
        (lambda x: np.linalg.svd(x, full_matrices=False)[2], SINGULARS["wide, rank 3"]),
        (lambda x: np.linalg.svd(x)[0] @ np.linalg.svd(x)[2], SINGULARS["identity"]),
        (lambda x: np.linalg.qr(x)[0], SINGULARS["rank 3"]),
        (lambda x: np.linalg.qr(x)[1], SINGULARS["tall, rank 2"]),
        (lambda x: np.linalg.qr(x)[1], SINGULARS["wide, rank 3"] * (np.arange(6) != 1)),
        (lambda x: np.linalg.slogdet(x)[1], np.zeros((4, 4))),
        (lambda x: np.linalg.slogdet(x)[1], np.ones((2, 2))),
    ],
)
def test_a_derivative_that_does_not_exist_or_cannot_be_told_is_refused(f, x):
    def loss(x):
        out = f(x)
        return (out * COEFFICIENTS.reshape(-1)[: out.size].reshape(out.shape)).sum()

    if x.shape == (6, 4) or x.shape == (4, 6):

        def loss(x):
            return f(x).sum()

    with np.errstate(all="ignore"), pytest.raises(np.linalg.LinAlgError, match="no derivative"):
        grad(loss)(x)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.linalg.eigvalsh(x).sum(), EQUAL),
        (lambda x: (np.linalg.eigvalsh(x) ** 2).sum(), np.diag([5.0, 0.0, 0.0, 0.0])),
        (lambda x: (np.linalg.svdvals(x) ** 2).sum(), np.diag([5.0, 0.0, 0.0, 0.0])),
        (lambda x: np.linalg.norm(x, "nuc"), SINGULARS["rank 3"]),
        (lambda x: np.linalg.norm(x, "nuc"), SINGULARS["tall, equal"]),
    ],
)
def test_second_derivatives_of_equal_values_are_refused(f, x):
    with pytest.raises(np.linalg.LinAlgError, match="no derivative"):
        hvp(f)(x, np.ones(x.shape))


@pytest.mark.parametrize("case", SINGULARS)
def test_the_spectral_norm_has_second_derivatives_wherever_one_singular_value_is_largest(case):
    x = SINGULARS[case]
    if case == "identity":
        with pytest.raises(np.linalg.LinAlgError, match="no derivative"):
            hvp(lambda x: np.linalg.norm(x, 2))(x, x)
    else:
        v, h = 1e-4 * np.random.default_rng(6).standard_normal(x.shape), 1e-4
        slope = grad(lambda x: np.linalg.norm(x, 2))
        ours = hvp(lambda x: np.linalg.norm(x, 2))(x, v)
        np.testing.assert_allclose(ours / h, (slope(x + v) - slope(x - v)) / (2 * h), atol=1e-7)


def test_vectors_that_are_determined_have_derivatives_beside_others_that_are_not():
    """The first principal component of few samples, whose other variances are 0."""
    x = np.random.default_rng(0).standard_normal((2, 5))

    def of_covariance(x):
        v = np.linalg.eigh(x.mT @ x)[1][:, -1]
        return v[:, None] * v

    def of_data(x):
        v = np.linalg.svd(np.concatenate([x, x[:1] + x[1:]]), full_matrices=False)[2][0]
        return v[:, None] * v

    def left(x):
        return np.linalg.svd(x)[0][:, 0] ** 2

    for f, point in [(of_covariance, x), (of_data, x), (left, SINGULARS["rank 3"])]:
        v, w = (
            1e-5 * np.cos(np.arange(point.size)).reshape(point.shape),
            np.cos(np.arange(f(point).size)),
        )
        slope = (f(point + v) - f(point - v)).ravel() @ w / 2
        ours = grad(lambda x, f=f, w=w: (f(x).reshape(-1) * w).sum())(point)
        np.testing.assert_allclose((ours * v).sum(), slope, rtol=1e-6)


@pytest.mark.parametrize("case", ["rank 3", "tall, rank 2", "wide, rank 3", "rank 1"])
def test_the_derivative_of_pinv_is_that_among_matrices_of_one_rank(case):
    x = SINGULARS[case]
    m, n = x.shape
    a, b = np.random.default_rng(4).standard_normal((2, max(m, n), max(m, n))) / 10

    def moved(t):  # of the rank of x for every t
        return (np.eye(m) + t * a[:m, :m]) @ x @ (np.eye(n) + t * b[:n, :n])

    w = np.cos(np.arange(m * n)).reshape(n, m)

    def f(t):
        return (np.linalg.pinv(moved(t), 1e-8) * w).sum()

    h = 1e-3
    first, second = grad(f)(0.0), grad(grad(f))(0.0)
    np.testing.assert_allclose(first, (f(h) - f(-h)) / (2 * h), rtol=1e-4)
    np.testing.assert_allclose(second, (f(h) - 2 * f(0.0) + f(-h)) / h**2, rtol=1e-3)


@pytest.mark.parametrize("shape", [(4, 4), (6, 4), (4, 6)])
@pytest.mark.parametrize("options", [{"rcond": 0.3}, {"rtol": 0.3}, {"rcond": np.array(0.3)}])
def test_pinv_that_cuts_off_singular_values_has_the_derivative_of_what_it_computes(shape, options):
    x = with_values([3.0, 2.0, 0.5, 0.4], max(shape))
    x = x if x.shape == shape else x.T
    np.testing.assert_allclose(
        np.linalg.pinv(Tensor(x), **options).data, np.linalg.pinv(x, **options), atol=1e-14
    )
    gradcheck(lambda x: np.linalg.pinv(x, **options), x, order=2)


def test_inv_solve_cholesky_and_matrix_power_have_second_derivatives_at_equal_values():
    for x in (np.eye(3), with_values([2.0, 2.0, 2.0])):
        gradcheck(np.linalg.inv, x, order=2)
        gradcheck(lambda x: np.linalg.solve(x, np.ones(3)), x, order=2)
        gradcheck(lambda x: np.linalg.cholesky(definite(x)), x, order=2)
        gradcheck(np.linalg.pinv, x, order=2)
        gradcheck(lambda x: np.linalg.slogdet(x)[1], x, order=2)
    # At the identity LAPACK's R has other signs than beside it, and so no derivative.
    gradcheck(lambda x: np.linalg.qr(x)[0], with_values([2.0, 2.0, 2.0]), order=2)
    for n in (0, 1, 2, 3, 5):
        for x in (np.zeros((3, 3)), np.ones((3, 3)), np.eye(3)):
            gradcheck(lambda x, n=n: np.linalg.matrix_power(x, n), x, order=2)


SINGULAR = np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (np.linalg.inv, np.linalg.LinAlgError, "Singular matrix"),
        (lambda t: np.linalg.solve(t, np.ones(2)), np.linalg.LinAlgError, "Singular matrix"),
        (lambda t: np.linalg.cholesky(-t), np.linalg.LinAlgError, "not positive definite"),
        (lambda t: np.linalg.inv(t[0]), np.linalg.LinAlgError, "at least two-dimensional"),
        (lambda t: np.linalg.svd(t[:1]), TypeError, "needs full_matrices=False"),
        (lambda t: np.linalg.qr(t, mode="raw"), TypeError, "does not take mode='raw'"),
        (lambda t: np.linalg.pinv(t, hermitian=True), TypeError, "does not take hermitian="),
        (
            lambda t: np.dot(t, t, out=np.ones((2, 2))),
            TypeError,
            "np.dot of a Tensor does not take out=",
        ),
        (lambda t: np.einsum("ij,jk", t), ValueError, "takes 2 arrays, and got 1"),
        (lambda t: np.einsum("ijk", t), ValueError, "'ijk' does not fit an array of shape (2, 2)"),
        (
            lambda t: np.einsum("ij,jk", t, np.ones((3, 2))),
            ValueError,
            "'j' has two lengths, 2 and 3",
        ),
        (lambda t: np.einsum("i...->i", t), ValueError, "needs a '...' as well"),
        (lambda t: np.tensordot(t, np.ones((3, 2)), 1), ValueError, "differ in length"),
        (lambda t: np.cross(t, t), ValueError, "vectors of length 3"),
    ],
)
def test_what_numpy_refuses_is_refused(call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        call(Tensor(SINGULAR, requires_grad=True))


# Against PyTorch: tests/reference/make_linalg_reference.py has its side

REFERENCES = {
    "dot": np.dot,
    "inner": np.inner,
    "outer": np.outer,
    "tensordot": lambda x, y: np.tensordot(x, y, 2),
    "kron": np.kron,
    "cross": np.cross,
    "trace": lambda x: np.trace(x) ** 2,
    "multi_dot": lambda *xs: np.linalg.multi_dot(xs),
    "einsum, matrices": lambda x, y: np.einsum("bij,bjk->bik", x, y),
    "einsum, diagonal": lambda x, y: np.einsum("bii,ij->bj", x, y),
    "einsum, ellipsis": lambda x, y: np.einsum("...i,ij->...j", x, y),
    "einsum, three": lambda x, y, z: np.einsum("ij,jk,kl->il", x, y, z),
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "det, large": np.linalg.det,
    "slogdet": lambda x: np.linalg.slogdet(x)[1],
    "solve": np.linalg.solve,
    "solve, vector": np.linalg.solve,
    "cholesky": lambda x: np.linalg.cholesky(definite(x)),
    "eigh, values": lambda x: np.linalg.eigh(symmetric(x))[0],
    "eigh, vectors": lambda x: np.linalg.eigh(symmetric(x))[1] ** 2,
    "svd, values": lambda x: np.linalg.svd(x, compute_uv=False),
    "svd, u": lambda x: np.linalg.svd(x, full_matrices=False)[0] ** 2,
    "svd, vt": lambda x: np.linalg.svd(x, full_matrices=False)[2] ** 2,
    "qr, q": lambda x: np.linalg.qr(x)[0] ** 2,
    "qr, r": lambda x: np.linalg.qr(x)[1] ** 2,
    "qr, wide": lambda x: np.linalg.qr(x)[1] ** 2,
    "pinv": np.linalg.pinv,
    "matrix_power": lambda x: np.linalg.matrix_power(x, 3),
    "matrix_power, negative": lambda x: np.linalg.matrix_power(x, -2),
    "take": lambda x: np.take(x, [2, 0, 2], axis=1) ** 2,
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[0, 0], [2, 1]]), 1) ** 2,
    "roll": lambda x: np.roll(x, (1, -1), (0, 1)) ** 2,
    "rot90": lambda x: np.rot90(x, 3) ** 2,
    "flip": lambda x: np.flip(x, (0, 1)) ** 2,
    "tile": lambda x: np.tile(x, (2, 1, 2)) ** 2,
    "repeat": lambda x: np.repeat(x, [1, 0, 2], axis=1) ** 2,
    "tril": lambda x: np.tril(x, -1) ** 2,
    "triu": lambda x: np.triu(x, 1) ** 2,
    "diagonal": lambda x: np.diagonal(x, 1) ** 2,
    "diag": lambda x: np.diag(x, -1) ** 2,
    "sort": lambda x: np.sort(x, 0) ** 2,
    "pad, constant": lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=0.5) ** 2,
    "pad, reflect": lambda x: np.pad(x, ((0, 0), (2, 1)), "reflect") ** 2,
    "pad, edge": lambda x: np.pad(x, ((0, 0), (2, 1)), "edge") ** 2,
    "pad, wrap": lambda x: np.pad(x, ((0, 0), (2, 1)), "wrap") ** 2,
}


def test_every_row_has_a_reference_and_every_reference_a_row():
    assert REFERENCES.keys() == stored("linalg").keys()
    assert (Path(REFERENCE) / "make_linalg_reference.py").exists()


@pytest.mark.parametrize("case", REFERENCES)
def test_as_pytorch(case):
    check(stored("linalg")[case], REFERENCES[case])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [50, 100, 200])
def test_data_can_be_whitened(n, dtype):
    """Its variances lie close together, and differ."""
    rng = np.random.default_rng(0)
    x, weights = (rng.standard_normal((4 * n, n)).astype(dtype) for _ in range(2))

    def loss(x):
        values, vectors = np.linalg.eigh(x.mT @ x / len(x))
        return np.mean((x @ vectors / np.sqrt(values)) ** 4 * np.abs(weights))

    assert np.isfinite(grad(loss)(x)).all()


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_qr_has_a_derivative_whatever_the_scale_of_a_column(scale):
    x = np.random.default_rng(0).standard_normal((4, 3))
    scales = np.array([1.0, scale, 1.0])
    slope = grad(lambda x: (np.linalg.qr(x)[0] * COEFFICIENTS[:, :3]).sum())
    np.testing.assert_allclose(slope(x * scales) * scales, slope(x), rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_gradient_of_det_is_nan_where_a_matrix_of_a_batch_is_not_finite():
    x = np.stack([np.eye(5), np.diag([1.0, 1.0, 1.0, 1.0, 0.0]), np.eye(5), np.eye(5)])
    expected = grad(lambda x: np.linalg.det(x).sum())(x[:2])
    x[2, 0, 0], x[3, 0, 0] = np.nan, np.inf
    ours = grad(lambda x: np.linalg.det(x).sum())(x)
    np.testing.assert_allclose(ours[:2], expected)
    assert np.isnan(ours[2:]).any(axis=(-2, -1)).all()
