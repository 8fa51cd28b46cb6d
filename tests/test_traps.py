"""The traps of an array in a graph: each is decided, and each decision is a test."""

import operator
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu import Tensor, Value, gradcheck, index_update, optim
from tinygrad_edu.graph import RULES
from tinygrad_edu.kernels import unindex
from tinygrad_edu.numpy_api.dispatch import COMPOSITIONS
from tinygrad_edu.transforms import grad, hessian


@pytest.fixture
def t():
    return Tensor([[1.0, -2.0, 3.0], [0.5, 5.0, -6.0]], requires_grad=True, name="t")


def refused(error, words):
    return pytest.raises(error, match=re.escape(words))


def test_a_tracked_tensor_does_not_become_a_plain_array_by_accident(t):
    with refused(TypeError, "use t.data (or t.detach()) to leave the graph on purpose"):
        np.asarray(t)
    assert np.asarray(t.detach()).tolist() == t.data.tolist()
    assert t.numpy() is t.data


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: np.add(t, t, out=np.zeros((2, 3))), "np.add of a Tensor does not take out="),
        (lambda t: np.exp(t, where=t.data > 0), "np.exp of a Tensor does not take where="),
        (lambda t: np.exp(t, dtype=np.float32), "np.exp of a Tensor does not take dtype="),
        (lambda t: np.sum(t, out=np.zeros(())), "np.sum of a Tensor does not take out="),
        (lambda t: np.sum(t, where=t.data > 0), "np.sum of a Tensor does not take where="),
        (lambda t: np.mean(t, dtype=np.float32), "np.mean of a Tensor does not take dtype="),
        (lambda t: np.reshape(t, (3, 2), order="F"), "does not take order="),
        (np.add.accumulate, "np.add.accumulate does not take a Tensor"),
        (lambda t: np.add.at(t, 0, 1.0), "np.add.at does not take a Tensor"),
    ],
)
def test_an_argument_that_would_be_lost_is_refused_by_name(t, call, words):
    with refused(TypeError, words):
        call(t)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: np.add(1.0, 2.0, out=t), "np.add of a Tensor does not take out="),
        (lambda t: np.floor(t.data, out=t), "np.floor of a Tensor does not take out="),
        (lambda t: np.floor(t, t), "np.floor of a Tensor does not take out="),
        (lambda t: np.isnan(t.data, out=(t,)), "np.isnan of a Tensor does not take out="),
        (lambda t: np.round(t.data, out=t), "np.round of a Tensor does not take out="),
        (lambda t: np.round(t, 0, t), "np.round of a Tensor does not take out="),
        (lambda t: np.fix(t, t), "np.fix of a Tensor does not take out="),
        (lambda t: np.isposinf(t.data, t), "np.isposinf of a Tensor does not take out="),
        (lambda t: np.argmax(t, 0, t), "np.argmax of a Tensor does not take out="),
        (lambda t: np.concatenate([t.data, t.data], out=t), "np.concatenate of a Tensor does not"),
        (lambda t: np.add.reduce(t.data, out=t), "np.add.reduce of a Tensor does not take out="),
    ],
)
def test_nothing_is_written_into_a_tensor(t, call, words):
    before = t.data.copy()
    with refused(TypeError, words):
        call(t)
    np.testing.assert_array_equal(t.data, before)


S = Tensor(0.5, requires_grad=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: np.sum(t, initial=S), "np.sum of a Tensor does not take initial="),
        (lambda t: np.max(t, initial=S), "np.max of a Tensor does not take initial="),
        (lambda t: np.add.reduce(t, initial=S), "np.add.reduce of a Tensor does not take initial="),
        (lambda t: np.var(t, ddof=S), "var of 't' of shape (2, 3): this Tensor is part of a graph"),
        (lambda t: np.nan_to_num(t, nan=S), "np.nan_to_num has no derivative with respect to nan="),
        (lambda t: np.full_like(t.data, S), "it is not written into an array"),
        (lambda t: np.copyto(np.ones((2, 3)), t), "it is not written into an array"),
        (np.ix_, "takes integers or bools"),
        (np.ma.sum, "use t.data (or t.detach()) to leave the graph on purpose"),
        (np.ma.exp, "use t.data (or t.detach()) to leave the graph on purpose"),
        (np.ma.array, "use t.data (or t.detach()) to leave the graph on purpose"),
        (lambda t: np.float32(S), "use t.data (or t.detach()) to leave the graph on purpose"),
        (lambda t: np.linalg.norm(t, axis=[0, 1]), "cannot be interpreted as an integer"),
        (lambda t: np.linalg.norm(t, 1, 0.5), "cannot be interpreted as an integer"),
        (lambda t: np.concatenate([t], dtype=int), "with casting='same_kind'"),
    ],
)
def test_a_gradient_that_would_be_lost_is_refused_in_the_forward_pass(t, call, words):
    with refused(TypeError, words):
        call(t)


@pytest.mark.parametrize("join", [np.concatenate, np.stack, np.vstack, np.hstack])
def test_arrays_are_joined_in_the_dtype_that_is_asked_for(t, join):
    out = join([t, t.data.astype(np.float32)], dtype=np.float32)
    expected = join([t.data, t.data], dtype=np.float32)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.data, expected)
    (out * out).sum().backward()
    np.testing.assert_allclose(t.grad, 2 * t.data)


@pytest.mark.parametrize("axis", [0, -1])
def test_a_0d_tensor_is_reduced_along_an_axis_wherever_numpy_does_it(axis):
    tried = 0
    for function in {*RULES, *COMPOSITIONS}:
        try:
            expected = function(np.float64(3.0), axis=axis)
        except Exception:  # it takes no axis, or NumPy refuses it for a 0-d array
            continue
        x = Tensor(3.0, requires_grad=True)
        out = function(x, axis=axis)
        if isinstance(out, Tensor):
            tried += 1
            np.testing.assert_array_equal(out.data, expected)
            out.backward(np.ones(out.shape))
            slope = function(np.float64(3.5), axis=axis) - function(np.float64(2.5), axis=axis)
            np.testing.assert_allclose(x.grad, np.reshape(slope, ()))
    assert tried > 10


def test_one_axis_is_transposed_by_its_number():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for out in (x.transpose(0), np.transpose(x, 0), x.transpose(-1)):
        x.zero_grad()
        (out * [3.0, 4.0]).sum().backward()
        np.testing.assert_array_equal(x.grad, [3.0, 4.0])


OF_TWO = [
    f
    for f in RULES
    if isinstance(f, np.ufunc) and f.nin == 2 and f.signature is None and f is not np.nextafter
]
OTHERS = {
    "tuple": lambda x: tuple(x.tolist()),
    "list": lambda x: x.tolist(),
    "bools": lambda x: x.astype(bool),
    "small integers": lambda x: x.astype(np.uint8),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("function", OF_TWO, ids=lambda f: f.__name__)
def test_the_kind_of_the_other_operand_does_not_change_a_gradient(function, kind):
    x, y = np.array([0.7, 1.6, 2.3]), np.array([1.0, 1.0, 1.0] if kind == "bools" else [3, 2, 5.0])
    for call in (function, lambda t, y: function(y, t)):
        gradients = []
        for other in (y, OTHERS[kind](y)):
            t = Tensor(x, requires_grad=True)
            call(t, other).sum().backward()
            gradients.append(t.grad)
        np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-14)


def test_whole_numbers_in_tensors_are_as_good_as_others(t):
    two, axis = Tensor(np.array(2)), Tensor(np.array([1, 2]))
    for ours, theirs in [
        (np.split(t, axis, 1), np.split(t.data, [1, 2], 1)),
        (np.array_split(t, axis), np.array_split(t.data, [1, 2])),
        (np.roll(t, two, 1), np.roll(t.data, 2, 1)),
        (np.repeat(t, two, 0), np.repeat(t.data, 2, 0)),
        (np.any(t, 0, where=Tensor(t.data > 9)), [False] * 3),
    ]:
        for x, y in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(getattr(x, "data", x), y)


def test_an_array_is_not_changed_in_place_by_a_tensor(t):
    x = np.ones((2, 3))
    with refused(TypeError, "np.add of a Tensor does not take out="):
        x += t
    np.testing.assert_array_equal(x, np.ones((2, 3)))


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.sum(a=t, axis=1),
        lambda t: np.sum(t, 1, None, None),
        lambda t: np.add.reduce(t, 1),
        lambda t: np.matmul(t, np.ones(3)),
        lambda t: t.sum(axis=-1),
    ],
)
def test_every_form_of_a_call_is_the_same_call(t, call):
    call(t).sum().backward()
    np.testing.assert_array_equal(t.grad, np.ones((2, 3)))


def test_reduce_of_a_ufunc_takes_the_first_axis_as_numpy_does(t):
    np.testing.assert_array_equal(np.add.reduce(t).data, np.add.reduce(t.data))


def test_reduce_of_a_ufunc_sends_its_gradient_along_the_first_axis():
    t = Tensor([[1.0, 5.0], [1.0, 4.0]], requires_grad=True)
    np.maximum.reduce(t).sum().backward()
    np.testing.assert_array_equal(t.grad, [[0.5, 1.0], [0.5, 0.0]])


def test_an_element_is_not_set_in_place(t):
    with refused(TypeError, "np.where(mask, value, t) or index_update(t, index, value)"):
        t[0, 0] = 1.0
    out = index_update(t, (0, 0), 7.0)
    assert (out.data[0, 0], t.data[0, 0]) == (7.0, 1.0)
    out.sum().backward()
    assert t.grad.tolist() == [[0, 1, 1], [1, 1, 1]]


def test_an_augmented_assignment_makes_a_new_tensor(t):
    before, data = t, t.data.copy()
    t += 1.0
    assert t is not before
    np.testing.assert_array_equal(before.data, data)


@pytest.mark.parametrize(
    "compare", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
)
def test_comparisons_are_elementwise_and_plain(t, compare):
    for answer, expected in [
        (compare(t, 0.5), compare(t.data, 0.5)),
        (compare(t, Tensor(t.data)), compare(t.data, t.data)),
        (compare(np.float64(0.5), t), compare(0.5, t.data)),
    ]:
        assert type(answer) is np.ndarray
        np.testing.assert_array_equal(answer, expected)
    assert compare(Value(1.0), 2) is compare(1.0, 2)
    assert compare(1, Value(1.0)) is compare(1, 1.0)


def test_hash_is_identity(t):
    same = Tensor(t.data)
    assert len({t, same, t}) == 2
    one, other = Value(1.0), Value(1.0)
    assert hash(one) != hash(other)
    assert len({one, other, one}) == 2


@pytest.mark.parametrize(
    "function",
    [np.sign, np.floor, np.argmax, np.isnan, np.shape, np.argsort, np.zeros_like, np.round, np.any],
    ids=lambda f: f.__name__,
)
def test_what_has_no_derivative_gives_plain_arrays(t, function):
    answer = function(t)
    assert not isinstance(answer, Tensor)
    np.testing.assert_array_equal(answer, function(t.data))


def test_a_replaced_array_leaves_an_old_graph_right(t):
    loss = (t * t).sum()
    t.data = np.zeros((2, 3))
    loss.backward()
    np.testing.assert_array_equal(t.grad, [[2.0, -4.0, 6.0], [1.0, 10.0, -12.0]])


def test_a_replaced_array_stops_a_pass_that_would_need_the_old_one_as_a_node(t):
    loss = (t * t).sum()
    t.data = np.zeros((2, 3))
    with refused(RuntimeError, "'t' of shape (2, 3) was changed after this graph was made"):
        loss.backward(create_graph=True)


def test_an_update_in_place_makes_an_old_graph_stale(t):
    loss = (t * t).sum()
    loss.backward()
    optim.SGD([t], lr=0.1).step()
    with refused(RuntimeError, "'t' of shape (2, 3) was changed after this graph was made"):
        loss.backward()
    (t * t).sum().backward()


def test_a_constant_that_is_changed_in_place_makes_a_graph_stale_too(t):
    x = Tensor(np.ones((2, 3)), name="x")
    loss = (t * x).sum()
    x.data += 1.0
    with refused(RuntimeError, "'x' of shape (2, 3) was changed"):
        loss.backward()


@given(st.data())
def test_rows_named_by_an_array_get_what_add_at_gives_them(data):
    x = np.zeros(data.draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=9)))
    named = hnp.arrays(
        np.int8, hnp.array_shapes(max_dims=2), elements=st.integers(-len(x), len(x) - 1)
    )
    index = data.draw(named)
    y = np.arange(1.0, 1 + index.size * x[0].size).reshape(*index.shape, *x.shape[1:])
    expected = np.zeros_like(x)
    np.add.at(expected, index, y)
    np.testing.assert_array_equal(unindex(y, index, x), expected)


def test_rows_of_a_table_longer_than_its_index_can_count():
    index = np.tile(np.array([-1, 3], np.int8), 200)
    expected = np.zeros((300, 2))
    expected[[-1, 3]] = 200.0
    np.testing.assert_array_equal(unindex(np.ones((400, 2)), index, np.zeros((300, 2))), expected)


def test_repeated_indices_all_send_their_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    x[[0, 0]].sum().backward()
    assert x.grad.tolist() == [2.0, 0.0]


def test_of_several_values_for_one_place_the_last_stays_and_has_the_gradient():
    x, y = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    out = index_update(x, [0, 0], y)
    assert out.tolist() == [4.0, 2.0]
    out.sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([0.0, 1.0], [0.0, 1.0])
    s = Tensor(5.0, requires_grad=True)
    index_update(x, [0, 0], s).sum().backward()
    assert s.grad == 1.0


def test_the_last_value_stays_however_the_arrays_lie_in_memory():
    """`x[index] = y` itself goes by columns where index and y both lie in memory by columns."""
    index, y = np.array([[1, 0], [0, 1]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    for order in "CF":
        values = Tensor(np.array(y, order=order), requires_grad=True)
        values.data = np.array(y, order=order)
        out = index_update(np.zeros(2), np.array(index, order=order), values)
        assert out.tolist() == [3.0, 4.0]
        out.sum().backward()
        assert values.grad.tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_index_update_rounds_nothing_that_it_puts_in():
    y = Tensor(0.5, requires_grad=True)
    out = index_update(np.array([1, 2]), 0, y)
    assert out.tolist() == [0.5, 2.0]
    out.sum().backward()
    assert y.grad == 1.0
    assert index_update(np.float32([1, 2]), 0, 0.5).dtype == np.float32


def test_index_update_refuses_values_that_do_not_fit(t):
    with refused(
        ValueError, "index_update of 't' of shape (2, 3) and 0 and an array of shape (2,)"
    ):
        index_update(t, 0, np.ones(2))


def test_a_python_scalar_does_not_widen_a_tensor():
    x = Tensor(np.float32([1.0, 2.0]), requires_grad=True)
    out = (2.0 * x**2 / 3.0 - 1.0 + (0.5 - x)).clip(-10.0, 10.0)
    out = np.maximum(out, 0.1) ** 0.5 + np.where(out > 0, out, 1.0)
    assert out.dtype == np.float32
    out.sum().backward()
    assert x.grad.dtype == np.float32


def test_a_gradient_has_the_dtype_of_its_tensor():
    x = Tensor(np.float32([1.0, 2.0]), requires_grad=True)
    (x * np.array([1.0, 2.0])).sum().backward()
    assert x.grad.dtype == np.float32


def test_the_memory_of_a_parameter_is_its_own():
    array = np.ones(3)
    w = Tensor(array, requires_grad=True)
    w.data -= 1.0
    np.testing.assert_array_equal(array, np.ones(3))
    assert np.shares_memory(Tensor(array).data, array)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda t: t + np.ones((2, 5)),
            ValueError,
            "add of 't' of shape (2, 3) and an array of shape (2, 5)",
        ),
        (lambda t: t @ t, ValueError, "matmul of 't' of shape (2, 3) and 't' of shape (2, 3)"),
        (lambda t: t.backward(), ValueError, "backward() starts from a scalar, and t has shape (2"),
        (lambda t: t.backward(np.ones(3)), ValueError, "has shape (3,), and t has shape (2, 3)"),
        (lambda t: Tensor(1.0).backward(), ValueError, "backward() has nothing to do"),
        (lambda t: Value(1.0, requires_grad=False).backward(), ValueError, "has nothing to do"),
        (lambda t: t * Value(2.0), TypeError, "a Tensor and a Value do not mix"),
        (lambda t: Value(2.0) - t, TypeError, "a Value and a Tensor do not mix"),
        (lambda t: t * 1j, TypeError, "1j is complex"),
        (lambda t: np.ones(3, complex) * t, TypeError, "an array of shape (3,) is complex"),
        (lambda t: Tensor([1j]), TypeError, "a Tensor holds real numbers, and this is complex128"),
        (lambda t: Tensor(["a"]), TypeError, "a Tensor holds real numbers, and this is <U1"),
        (lambda t: Tensor([1, 2], requires_grad=True), TypeError, "only floating-point data has"),
        (lambda t: t.sum(axis=2), ValueError, "axis 2 is out of bounds"),
        (lambda t: t[2], IndexError, "getitem of 't' of shape (2, 3) and 2: index 2 is out of"),
        (lambda t: t.reshape(4, 2), ValueError, "reshape of 't' of shape (2, 3) and (4, 2)"),
        (lambda t: np.concatenate([t, t[0]]), ValueError, "concatenate of 't' of shape (2, 3) and"),
        (bool, ValueError, "ambiguous"),
        (float, TypeError, "only"),
        (lambda t: Value("1"), TypeError, "a Value holds one real number, and this is a str"),
        (lambda t: Value(np.ones(2)), TypeError, "use a Tensor for an array"),
        (lambda t: Value(1j), TypeError, "complex"),
        (lambda t: Value(-8.0) ** (1 / 3), TypeError, "a Value holds a real number"),
        (lambda t: Value(-1.0).log(), ValueError, "log of -1.0: "),
        (
            lambda t: Value(1.0) / 0,
            ZeroDivisionError,
            "divide of 1.0 and 0: ",
        ),
        (lambda t: Value(1.0) + "a", TypeError, "add of 1.0 and 'a'"),
        (lambda t: setattr(Value(1.0), "data", "a"), TypeError, "cannot be the data of a Value"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_input_gets_a_sentence(t, call, error, words):
    with refused(error, words):
        call(t)


def test_a_rule_that_returns_a_partial_of_the_wrong_shape_is_named(t, monkeypatch):
    out = t.tanh()
    monkeypatch.setattr(out, "rule", lambda g, out, x: g[0])
    with refused(ValueError, "returned a partial of shape (3,) for an input of shape (2, 3)"):
        out.sum().backward()


# Values


def test_a_value_computes_in_python_floats_only():
    v, w = Value(np.float64(0.5)), Value(2)
    out = (v + np.float32(1)) * np.int64(2) / w - v**2 + 2**v + abs(-v).sqrt() + v.sin() + v.cos()
    out = (out + v.exp() + w.log() + v.tanh() + v.sigmoid() + v.relu() + w.abs()) * np.float64(2)
    out.backward()
    for x in (v.data, w.data, out.data, v.grad, w.grad):
        assert type(x) is float


def test_numpy_works_on_object_arrays_of_values():
    a = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    x = np.array([Value(0.5), Value(-1.0)])
    out = np.tanh(a @ x)
    assert isinstance(out[0], Value)
    out.sum().backward()
    ta = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    tx = Tensor([0.5, -1.0], requires_grad=True)
    np.tanh(ta @ tx).sum().backward()
    np.testing.assert_allclose([[v.grad for v in row] for row in a], ta.grad, rtol=1e-14)
    np.testing.assert_allclose([v.grad for v in x], tx.grad, rtol=1e-14)


def test_a_value_times_an_array_is_an_object_array_on_either_side():
    v = Value(2.0)
    for product in (v * np.array([1.0, 3.0]), np.array([1.0, 3.0]) * v):
        assert [x.data for x in product] == [2.0, 6.0]
    for function in (np.exp, np.log, np.sqrt, np.sin, np.cos, np.tanh, np.absolute):
        assert isinstance(function(v), Value)
        assert function(v).data == pytest.approx(function(2.0))


def test_a_list_is_as_good_as_an_array(t):
    for f, x in [
        (operator.matmul, [[1.0], [2.0], [3.0]]),
        (operator.pow, [2, 0, 3]),
        (operator.mul, [1, 2, 3]),
        (np.maximum, [0.0, 1.0, 2.0]),
    ]:
        gradcheck(lambda y, f=f, x=x: f(y, x), t)
        np.testing.assert_array_equal(f(t, x).data, f(t.data, x))
    assert t[[]].shape == (0, 3)
    assert ([1.0, 2.0] @ t).shape == (3,)
    assert np.expand_dims(t, [0, -1]).shape == (1, *t.shape, 1)


# Small things that users of arrays expect


def test_a_tensor_behaves_as_a_sequence_of_its_rows(t):
    assert len(t) == 2
    assert [row.shape for row in t] == [(3,), (3,)]
    first, second = t
    (first * second).sum().backward()
    np.testing.assert_array_equal(t.grad, t.data[::-1])
    assert -2.0 in t
    assert 9.0 not in t
    with pytest.raises(TypeError):
        len(Tensor(1.0))


def test_attributes_are_those_of_the_array(t):
    assert (t.shape, t.ndim, t.size, t.dtype) == ((2, 3), 2, 6, np.dtype(float))
    assert t.T.shape == t.mT.shape == (3, 2)
    assert t.sum().item() == t.data.sum()
    assert float(t.detach().sum()) == t.data.sum()
    assert t.copy().data is not t.data
    t.sum().backward()
    t.zero_grad()
    assert t.grad is None


def test_split_cuts_as_numpy_does(t):
    for parts, expected in [
        (np.split(t, 3, axis=1), np.split(t.data, 3, axis=1)),
        (np.split(t, [1], axis=-1), np.split(t.data, [1], axis=-1)),
        (np.split(t, [0, 5]), np.split(t.data, [0, 5])),
    ]:
        for part, array in zip(parts, expected, strict=True):
            np.testing.assert_array_equal(part.data, array)


def test_reprs_read_like_the_call_that_makes_them():
    assert repr(Tensor([1.0, 2.0], requires_grad=True, name="w")) == (
        "Tensor([1., 2.], requires_grad=True, name='w')"
    )
    assert repr(Tensor(np.float32(1.5))) == "Tensor(1.5, dtype=float32)"
    assert repr(Value(2, name="v")) == "Value(2.0, name='v')"


def test_a_number_is_formatted_as_a_number():
    for loss in (Value(0.12345), Tensor(0.12345), Tensor(0.12345, requires_grad=True)):
        assert f"{loss:.3f}" == "0.123"
        assert f"{loss}" == str(loss)


def test_what_is_rounded_is_plain():
    v, t = Value(7.5), Tensor([7.5, -3.0], requires_grad=True)
    assert (v // 2, 20 // v) == (3.0, 2.0)
    plain = v.detach()
    assert (int(plain), round(plain)) == (7, 8)
    assert round(Value(0.12345, requires_grad=False), 2) == round(Tensor(0.12345), 2) == 0.12
    np.testing.assert_array_equal(t // 2, [3.0, -2.0])
    quotient, remainder = divmod(t, 2.0)
    np.testing.assert_array_equal(quotient, [3.0, -2.0])
    remainder.sum().backward()
    np.testing.assert_array_equal(t.grad, [1.0, 1.0])


@pytest.mark.parametrize("data", [None, "one", [None], [1.0, None]])
def test_what_is_no_number_is_refused(data):
    with pytest.raises(TypeError, match="holds real numbers, and this is"):
        Tensor(data)


def test_beyond_an_infinite_whole_number_there_is_nothing():
    t = Tensor([np.inf, -np.inf, 2.5], requires_grad=True)
    beyond, whole = np.modf(t)
    np.testing.assert_array_equal(beyond.data, [0.0, -0.0, 0.5])
    assert np.signbit(beyond.data).tolist() == [False, True, False]
    np.testing.assert_array_equal(whole, [np.inf, -np.inf, 2.0])
    beyond.sum().backward()
    assert t.grad.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "length",
    [
        np.linalg.norm,
        lambda x: np.hypot(x[0], x[1]),
        lambda x: np.arctan2(x[0], x[1]),
    ],
)
def test_at_its_tip_a_cone_is_flat_to_every_order(length):
    np.testing.assert_array_equal(grad(length)(np.zeros(2)), np.zeros(2))
    np.testing.assert_array_equal(hessian(length)(np.zeros(2)), np.zeros((2, 2)))
