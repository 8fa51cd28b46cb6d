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

from tinygrad_edu import Tensor, gradcheck, linalg_rules


def symmetric(x):
    return x + x.mT


def definite(x):
    return x @ x.mT + 2 * np.eye(x.shape[-1], dtype=x.dtype)


def einsum(subscripts, *shapes, **options):
    return Row(linalg_rules.einsum, shapes, lambda *xs: np.einsum(subscripts, *xs, **options) ** 2)


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
    Row(linalg_rules.multi_dot, [(2, 3), (3, 4)], lambda *xs: np.linalg.multi_dot(xs)),
    Row(linalg_rules.multi_dot, [(2, 3), (3, 4), (4, 2)], lambda *xs: np.linalg.multi_dot(xs)),
    Row(linalg_rules.multi_dot, [(2,), (2, 3), (3,)], lambda *xs: np.linalg.multi_dot(xs)),
    Row(linalg_rules.multi_dot, [(2,), (2, 3), (3, 1), (1, 4)], lambda *x: np.linalg.multi_dot(x)),
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
    Row(linalg_rules.einsum, [(2, 3), (3, 4)], lambda x, y: np.einsum(x, [0, 1], y, [1, 2])),
    Row(linalg_rules.einsum, [(2, 3, 3)], lambda x: np.einsum(x, [..., 1, 1], [1, ...])),
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
    Row(linalg_rules.slogdet, [(3, 3)], lambda x: np.linalg.slogdet(x)[1]),
    Row(linalg_rules.slogdet, [(2, 2, 2)], lambda x: np.linalg.slogdet(x).logabsdet),
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
    Row(linalg_rules.eigh, [(3, 3)], lambda x: np.linalg.eigh(symmetric(x))[0]),
    Row(linalg_rules.eigh, [(3, 3)], lambda x: np.linalg.eigh(symmetric(x))[1]),
    Row(linalg_rules.eigh, [(2, 2, 2)], lambda x: np.linalg.eigh(symmetric(x), "U").eigenvectors),
    Row(linalg_rules.eigh, [(3, 3)], lambda x: np.linalg.eigvalsh(symmetric(x))),
    Row(linalg_rules.svd, [(3, 3)], lambda x: np.linalg.svd(x)[0]),
    *(
        Row(linalg_rules.svd, [shape], lambda x, i=i: np.linalg.svd(x, full_matrices=False)[i])
        for shape in [(3, 2), (2, 4), (2, 2, 2)]
        for i in range(3)
    ),
    Row(linalg_rules.svd, [(4, 3)], lambda x: np.linalg.svd(x, compute_uv=False)),
    Row(linalg_rules.svd, [(2, 3)], np.linalg.svdvals),
    *(
        Row(linalg_rules.qr, [shape], lambda x, i=i: np.linalg.qr(x)[i])
        for shape in [(3, 3), (4, 2), (2, 4), (2, 3, 2)]
        for i in range(2)
    ),
    Row(linalg_rules.qr, [(3, 2)], lambda x: np.linalg.qr(x, mode="r")),
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
        (lambda t: np.dot(t, t, out=np.ones((2, 2))), TypeError, "'out'"),
        (lambda t: np.einsum("ij,jk", t), ValueError, "is of 2 arrays, and got 1"),
        (lambda t: np.einsum("ijk", t), ValueError, "'ijk' for an array of shape (2, 2)"),
        (lambda t: np.einsum("ij,jk", t, np.ones((3, 2))), ValueError, "'j' is both 2 and 3"),
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
