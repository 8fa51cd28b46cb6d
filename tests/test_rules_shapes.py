"""Shapes and places, one row a function and a form; and Tensor beside ndarray, method by method.

The rows are those of test_rules.py, each squared after the function under test: every element then
has a second derivative of its own.
"""

import re

import numpy as np
import pytest
from test_rules import Row, at

from tinygrad_edu import Tensor, gradcheck, kernels
from tinygrad_edu.graph import plain

A = (2, 3)
B = (2, 3, 4)
INDEX = np.array([[2, 0], [1, 1]])


def squares(f):
    """f, then a square: every element has a second derivative of its own."""

    def squared(*xs):
        out = f(*xs)
        return [x**2 for x in out] if isinstance(out, list | tuple) else out**2

    return squared


def call(function, f, *shapes):
    """A row of `function`, which f calls."""
    return Row(function, list(shapes), squares(f))


def row(function, shapes, *args, **options):
    return call(function, lambda *xs: function(*xs, *args, **options), *shapes)


def of_list(function, shapes, *args, **options):
    return call(function, lambda *xs: function(xs, *args, **options), *shapes)


def method(name, shapes, *args, **options):
    return call(getattr(Tensor, name), lambda x: getattr(x, name)(*args, **options), *shapes)


TABLE = [
    # shapes
    row(np.ravel, [B]),
    row(np.ravel, [B], "F"),
    row(np.ravel, [()]),
    method("ravel", [A]),
    method("flatten", [A], "F"),
    row(np.copy, [A]),
    row(np.real, [A]),
    row(np.permute_dims, [B], (2, 0, -2)),
    row(np.matrix_transpose, [B]),
    row(np.linalg.matrix_transpose, [B]),
    *(row(np.rollaxis, [B], axis, start) for axis, start in [(2, 0), (0, 3), (-1, 1), (1, 1)]),
    *(
        row(function, [shape])
        for function in (np.atleast_1d, np.atleast_2d, np.atleast_3d)
        for shape in [(), (3,), A, B]
    ),
    row(np.atleast_2d, [(), (3,)]),
    row(np.broadcast_arrays, [(2, 1), (3,), ()]),
    *(
        row(np.meshgrid, [(2,), (3,)], sparse=sparse, indexing=indexing)
        for sparse in (False, True)
        for indexing in ("xy", "ij")
    ),
    row(np.meshgrid, [(2,)]),
    row(np.meshgrid, [(2,), (), (3,)]),
    # put together and taken apart
    of_list(np.vstack, [(3,), A]),
    of_list(np.hstack, [(3,), (), (2,)]),
    of_list(np.hstack, [A, (2, 1)]),
    of_list(np.dstack, [A, (2, 3, 2)]),
    of_list(np.dstack, [(3,), (3,)]),
    of_list(np.column_stack, [(2,), A]),
    call(np.block, lambda x, y: np.block([[x, y], [np.ones((1, 4), np.float32)]]), A, (2, 1)),
    call(np.block, lambda x, y: np.block([x, y, np.float32(3)]), (2,), A[1:]),
    call(np.block, lambda x: np.block([[x], [x]]), B),
    row(np.block, [A]),
    row(np.append, [A, (4,)]),
    row(np.append, [A, (1, 3)], axis=0),
    call(np.insert, lambda x, y: np.insert(x, 1, y, axis=1), A, (2,)),
    call(np.insert, lambda x, y: np.insert(x, [3, 0, 0], y, axis=-1), A, (2, 3)),
    call(np.insert, lambda x, y: np.insert(x, [1, 4], y), A, (2,)),
    call(np.insert, lambda x: np.insert(x, slice(0, 2), 5.0), A),
    row(np.split, [B], [1, 3], -1),
    row(np.array_split, [(5, 2)], 3),
    row(np.array_split, [A], 2, axis=-1),
    row(np.hsplit, [(4,)], 2),
    row(np.hsplit, [A], [1]),
    row(np.vsplit, [A], 2),
    row(np.dsplit, [B], 2),
    # repeated
    row(np.tile, [A], 2),
    row(np.tile, [A], (2, 1, 3)),
    row(np.tile, [B], (2, 2)),
    row(np.tile, [()], 3),
    row(np.repeat, [A], 2),
    row(np.repeat, [A], 2, axis=0),
    row(np.repeat, [A], [1, 0, 2], axis=-1),
    row(np.repeat, [()], 2),
    method("repeat", [A], [2, 1], 0),
    row(np.resize, [A], (4, 2)),
    row(np.resize, [A], (2, 2)),
    # moved
    row(np.roll, [A], 1),
    row(np.roll, [A], -2, axis=1),
    row(np.roll, [B], (1, 2), axis=(0, -1)),
    row(np.roll, [A], 3, axis=(0, 1)),
    row(np.flip, [A]),
    row(np.flip, [B], 1),
    row(np.flip, [B], (0, -1)),
    row(np.fliplr, [A]),
    row(np.flipud, [B]),
    row(np.rot90, [A]),
    row(np.rot90, [B], -1, (0, 2)),
    row(np.rot90, [A], k=2),
    # padded
    row(np.pad, [A], 1),
    row(np.pad, [A], ((1, 0), (0, 2))),
    row(np.pad, [A], (2, 1), constant_values=3.0),
    row(np.pad, [A], [(1, 1), (0, 1)], "constant", constant_values=((1, 2), (3, 4))),
    *(row(np.pad, [A], ((1, 0), (2, 1)), mode) for mode in ("edge", "reflect", "symmetric")),
    row(np.pad, [(3,)], 5, "wrap"),
    row(np.pad, [(3,)], 7, mode="reflect"),
    # diagonals and triangles
    row(np.diag, [A]),
    row(np.diag, [A], -1),
    row(np.diag, [(3,)]),
    row(np.diag, [(2,)], k=-2),
    row(np.diagonal, [A], 1),
    row(np.diagonal, [B], -1, axis1=-1, axis2=0),
    row(np.linalg.diagonal, [B], offset=1),
    method("diagonal", [B], 0, 1, 2),
    row(np.diagflat, [A], 1),
    row(np.tril, [A]),
    row(np.tril, [B], -1),
    row(np.triu, [B], k=1),
    row(np.triu, [(3,)]),
    # picked
    row(np.take, [A], [2, 0, 2], axis=1),
    row(np.take, [A], INDEX),
    row(np.take, [A], 1, axis=-1),
    row(np.take, [A], [7, -1], mode="wrap"),
    row(np.take, [A], [7, -9], 0, mode="clip"),
    method("take", [B], INDEX, 1),
    row(np.take_along_axis, [A], INDEX, axis=1),
    row(np.take_along_axis, [A], np.array([[1, 0, 1]]), axis=0),
    row(np.take_along_axis, [A], np.array([5, 0]), axis=None),
    row(np.take_along_axis, [(3,)], np.array([2, 2]), axis=0),
    call(np.compress, lambda x: np.compress([True, False, True], x, axis=1), A),
    call(np.compress, lambda x: np.compress([False, True], x), A),
    call(np.extract, lambda x: np.extract([[True, False, True], [False, False, True]], x), A),
    method("compress", [A], [False, True], 0),
    row(np.delete, [A], 1, axis=1),
    row(np.delete, [A], [0, -1]),
    row(np.delete, [B], slice(0, 3, 2), axis=2),
    call(np.take, lambda x: np.take(x, [0, 0], axis=-1), ()),
    call(np.repeat, lambda x: np.repeat(x, 2, axis=0), ()),
    call(np.compress, lambda x: np.compress([True], x, axis=0), ()),
    row(np.sort, [A]),
    row(np.sort, [B], axis=0),
    row(np.sort, [A], axis=None),
    row(np.sort, [A], stable=True),
    row(np.partition, [(7,)], 3),
    row(np.partition, [B], (1, 2), axis=-1),
    row(np.partition, [A], 2, axis=None),
    call(np.where, lambda x, y: np.where(INDEX > 0, x, y), (2, 2), (2,)),
    call(np.select, lambda x, y: np.select([INDEX > 1, INDEX > 0], [x, y], -1.0), (2, 2), (2, 1)),
    call(np.select, lambda x: np.select([INDEX > 1], [x], default=x**2), (2, 2)),
    call(np.choose, lambda x, y: np.choose(INDEX % 2, [x, y]), (2, 2), (2,)),
    call(np.choose, lambda x, y: np.choose([[3], [-2]], (x, y), mode="wrap"), (2, 2), (2,)),
    # windows
    row(kernels.unfold, [(2, 5)], kernel_size=(3,), stride=(1,), dilation=(1,)),
    row(kernels.unfold, [(1, 5, 6, 2)], kernel_size=(2, 2), stride=(2, 1), dilation=(1, 3)),
    row(kernels.fold, [(2, 3, 3)], size=(5,), stride=(1,), dilation=(1,)),
    row(kernels.fold, [(1, 2, 2, 2, 3, 2)], size=(5, 6), stride=(2, 1), dilation=(1, 3)),
]
if hasattr(np, "unstack"):
    TABLE += [row(np.unstack, [A]), row(np.unstack, [B], axis=-1)]
if hasattr(np, "astype"):
    TABLE += [row(np.astype, [A], np.float64)]


def name(row):
    return f"{row.function.__name__}{row.shapes}".replace(" ", "")


def parts(out):
    return out if isinstance(out, list | tuple) else [out]


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_rule_is_right_to_second_order(row):
    gradcheck(row.f, *at(row), order=2)


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_forward_is_numpys_own(row):
    xs = at(row)
    ours, expected = row.f(*[Tensor(x, requires_grad=True) for x in xs]), row.f(*xs)
    assert type(ours) is (type(expected) if isinstance(expected, list | tuple) else Tensor)
    for x, y in zip(parts(ours), parts(expected), strict=True):
        assert isinstance(x, Tensor)
        assert x.shape == np.shape(y)
        np.testing.assert_array_equal(x.data, y)


def test_the_default_of_select_is_rounded_to_the_dtype_of_the_result_alone():
    x, y = Tensor(np.ones(2, np.float32), requires_grad=True), np.ones(2)
    for choices in ([y, x], [x, y], [x, [1.0, 2.0]], [x, 1.0]):
        out = np.select([x > 1, x < 0], choices, 0.1)
        expected = np.select([x > 1, x < 0], [plain(choice) for choice in choices], 0.1)
        assert out.dtype == expected.dtype
        np.testing.assert_array_equal(out.data, expected)


SINGLE, DOUBLE = np.float32([0.1, 0.2, 0.3]), np.array([[1.0], [2.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda t: np.average(DOUBLE + SINGLE, axis=1, weights=t),
        lambda t: np.average([True, False, True], weights=t),
        lambda t: np.concatenate([t, 2, 0.1], axis=None),
        lambda t: np.concatenate([[1, 2], t], axis=None),
        lambda t: np.einsum("ij,ij->", DOUBLE[:1], t[:, None]),
        lambda t: np.einsum("i,jk->jk", t, DOUBLE),
        lambda t: np.dot(t, 2),
        lambda t: np.dot(0.1, t),
        lambda t: np.inner(t, 0.1),
    ],
)
def test_operands_of_two_dtypes_are_computed_in_the_wider_one(f):
    t = Tensor(SINGLE, requires_grad=True)
    out, expected = f(t), f(SINGLE)
    assert out.dtype == expected.dtype
    np.testing.assert_array_equal(out.data, expected)
    out.sum().backward()
    assert t.grad.dtype == np.float32


def test_bincount_adds_up_float32_in_float64_as_numpy_does():
    x = Tensor(np.float32([0.1, 0.2, 0.3]), requires_grad=True)
    out = np.bincount([1, 0, 1], x)
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out.data, np.bincount([1, 0, 1], x.data))
    (out**2).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_allclose(x.grad, [0.8, 0.4, 0.8], rtol=1e-6)


def test_astype_by_numpys_name():
    t = Tensor([1.0, 2.0], requires_grad=True)
    out = np.astype(t, np.float32) if hasattr(np, "astype") else t.astype(np.float32)
    assert out.dtype == np.float32
    out.sum().backward()
    assert t.grad.dtype == np.float64


def test_a_function_without_a_rule_is_refused_even_where_the_tensor_is_in_a_tuple():
    t = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match=r"np\.histogramdd has no backward rule"):
        np.histogramdd((t, t))


def test_nonzero_and_where_of_a_condition_are_plain():
    t = Tensor([[0.0, 2.0], [3.0, 0.0]], requires_grad=True)
    for answer in (np.where(t), t.nonzero()):
        assert [i.tolist() for i in answer] == [[0, 1], [1, 0]]


IN_PLACE = "not changed in place"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: np.put(t, [0], 1.0), IN_PLACE),
        (lambda t: np.put_along_axis(t, np.array([[0]]), 1.0, 0), IN_PLACE),
        (lambda t: np.place(t, t.data > 0, 1.0), IN_PLACE),
        (lambda t: np.copyto(t, 1.0), IN_PLACE),
        (lambda t: np.fill_diagonal(t, 1.0), IN_PLACE),
        (lambda t: t.sort(), "instead: out = np.sort(t, axis)"),
        (lambda t: t.partition(1), "instead: out = np.partition(t, kth, axis)"),
        (lambda t: t.fill(1.0), "instead: np.full_like(t, value)"),
        (lambda t: t.put([0], 1.0), "instead: index_update(t.ravel(), indices, values)"),
        (lambda t: t.resize(3), "instead: t.reshape(shape), np.pad(t, width)"),
        (lambda t: np.pad(t, 1, "mean"), "does not take mode='mean'"),
        (lambda t: np.pad(t, 1, "reflect", reflect_type="odd"), "reflect_type='odd'"),
        (lambda t: np.take(t, [0], out=np.zeros(1)), "np.take of a Tensor does not take out="),
        (lambda t: np.ravel(t, "K"), "takes order='C' or 'F'"),
    ],
)
def test_what_a_graph_cannot_do_is_refused_with_another_way(change, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        change(Tensor(np.ones((2, 2)), requires_grad=True))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.hsplit(x[0, 0], 2), ValueError),
        (lambda x: np.vsplit(x[0], 1), ValueError),
        (lambda x: np.dsplit(x, 1), ValueError),
        (lambda x: np.split(x, 2, axis=1), ValueError),
        (lambda x: np.take(x, 6), IndexError),
        (lambda x: np.take(x, 0, axis=2), IndexError),
        (lambda x: np.delete(x, 3, axis=1), IndexError),
        (lambda x: np.delete(x[0, 0], 0, axis=0), IndexError),
        (lambda x: np.take(x[0, 0], 0, axis=1), IndexError),
        (lambda x: np.diag(x[None]), ValueError),
        (lambda x: np.diagonal(x[0]), ValueError),
        (lambda x: np.matrix_transpose(x[0]), ValueError),
        (lambda x: np.select([], [x]), ValueError),
        (lambda x: np.meshgrid(x[0], indexing="ab"), ValueError),
        (lambda x: np.roll(x, 1, axis=2), ValueError),
        (lambda x: np.rollaxis(x, 2), ValueError),
        (lambda x: np.vstack([x, x[:, :2]]), ValueError),
        (lambda x: np.sort(x, axis=2), ValueError),
    ],
)
def test_what_numpy_refuses_is_refused_with_the_same_error(call, error):
    for x in (np.ones((2, 3)), Tensor(np.ones((2, 3)), requires_grad=True)):
        with pytest.raises(error):
            call(x)


# Tensor beside ndarray

LEFT_OUT = {
    "byteswap": "memory",
    "ctypes": "memory",
    "device": "there is one",
    "flags": "memory",
    "getfield": "memory",
    "imag": "a Tensor is real",
    "setfield": "memory",
    "setflags": "memory",
    "strides": "memory",
    "to_device": "there is one",
    "tostring": "t.tobytes(); NumPy 2.3 has it no more",
    "view": "t.astype(dtype); memory is that of t.data",
}
X = np.array([[1.0, -2.0, 3.5], [0.25, 5.0, -6.0]])
PUBLIC = {name for name in dir(np.ndarray) if not name.startswith("_") and hasattr(X, name)}


def test_a_tensor_has_what_an_array_has():
    missing = {name for name in PUBLIC if not hasattr(Tensor, name)}
    assert missing - LEFT_OUT.keys() == set()
    assert {name for name in LEFT_OUT if hasattr(Tensor, name)} == set()


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("all", (0,)),
        ("any", ()),
        ("argmax", (1,)),
        ("argmin", ()),
        ("argsort", (0,)),
        ("argpartition", (1,)),
        ("nonzero", ()),
        ("round", (1,)),
        ("tolist", ()),
        ("item", (1, 2)),
    ],
)
def test_methods_without_a_derivative_answer_as_numpys_do(name, args):
    answer, expected = (getattr(x, name)(*args) for x in (Tensor(X, requires_grad=True), X))
    assert type(answer) is type(expected)
    np.testing.assert_array_equal(answer, expected)


def test_attributes_and_small_methods():
    t = Tensor(X, requires_grad=True)
    assert (t.itemsize, t.nbytes) == (X.itemsize, X.nbytes)
    assert t.real is t
    assert [x.item() for x in t.flat] == list(X.flat)
    assert np.sort(t, None).searchsorted([0.0, 2.0]).tolist() == [2, 4]
    for out in (t.conj(), t.conjugate()):
        np.testing.assert_array_equal(out.data, X)
    assert t.dot(X.T).shape == (2, 2)
    assert t.trace().item() == X.trace()


def test_bytes_are_those_of_the_array(tmp_path):
    t = Tensor(X, requires_grad=True)
    assert t.tobytes() == X.tobytes()
    assert t.dumps() == X.dumps()
    t.tofile(tmp_path / "x")
    np.testing.assert_array_equal(np.fromfile(tmp_path / "x").reshape(X.shape), X)
    t.dump(tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == X.dumps()
    assert Tensor([1, 0]).choose([[1.0, 2.0], [3.0, 4.0]]).tolist() == [3.0, 2.0]


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [([0.5], TypeError, "the numbers of the choices"), ([2], ValueError, "from 0 to 1")],
)
def test_choose_refuses_what_is_no_choice(index, error, words):
    with pytest.raises(error, match=words):
        np.choose(index, [Tensor(1.0), Tensor(2.0)])
