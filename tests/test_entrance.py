"""What enters a computation, and what leaves it: nothing is lost on the way without a word."""

import asyncio
import copy
import math
import operator
import pickle
import statistics
import threading
import warnings
from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from tinygrad_edu import LeavesGraphWarning, Tensor, Value, functional, losses, nn, no_grad
from tinygrad_edu.kernels import linear, relu, unfold
from tinygrad_edu.numpy_api.joining import concatenate_arrays


def parameter(*numbers, dtype=float):
    return Tensor(np.array(numbers, dtype), requires_grad=True, name="p")


# What goes in: numbers and arrays as they are, everything else as an array, by position

SHUFFLED = pd.Series([10.0, 20.0, 30.0], index=[2, 0, 1])
NUMBERED = pd.Series([1.0, 2.0, 3.0], index=[0, 1, 2])


@pytest.mark.parametrize(
    "times",
    [
        lambda t, s: t * s,
        lambda t, s: s * t,
        np.multiply,
        lambda t, s: np.multiply(s, t),
    ],
    ids=["t * s", "s * t", "np.multiply(t, s)", "np.multiply(s, t)"],
)
def test_a_series_is_its_numbers_by_position(times):
    t = parameter(1, 1, 1)
    (times(t, SHUFFLED).sum() + times(t, NUMBERED).sum()).backward()
    assert type(t.grad) is np.ndarray
    assert t.grad.tolist() == [11.0, 22.0, 33.0]


def test_a_series_with_other_labels_does_not_stretch_a_gradient():
    t = parameter(1, 2)
    a, b = pd.Series([1.0, 2.0], index=[0, 1]), pd.Series([3.0, 4.0], index=[2, 3])
    ((t * a).sum() + (t * b).sum()).backward()
    assert t.grad.tolist() == [4.0, 6.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda t, s: t + s,
        lambda t, s: s - t,
        lambda t, s: t / s,
        lambda t, s: s**t,
        lambda t, s: t @ s,
        lambda t, s: np.maximum(s, t),
        lambda t, s: np.where(s > 15, s, t),
        np.hypot,
    ],
)
def test_every_operation_takes_a_series_as_the_array_of_its_numbers(call):
    t, u = parameter(0.5, 1.5, 2.5), parameter(0.5, 1.5, 2.5)
    out, expected = call(t, SHUFFLED), call(u, SHUFFLED.to_numpy())
    assert type(out) is Tensor
    assert type(out.data) is type(expected.data)
    np.testing.assert_array_equal(out.data, expected.data)
    out.sum().backward()
    expected.sum().backward()
    np.testing.assert_array_equal(t.grad, u.grad)


def test_layers_and_losses_take_tables_by_position():
    x = np.arange(6.0).reshape(3, 2)
    frame = pd.DataFrame(x, index=[5, 3, 1])
    layer = nn.Linear(2, 4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(layer(frame).data, layer(x).data)
    classes = pd.Series([3, 0, 1], index=[1, 2, 0])
    loss, expected = (
        losses.cross_entropy(layer(a), b) for a, b in [(frame, classes), (x, classes.to_numpy())]
    )
    assert loss.item() == expected.item()
    mixed = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}).astype(object)
    np.testing.assert_array_equal(layer(mixed).data, layer(mixed.to_numpy(float)).data)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"])
def test_the_target_of_a_regression_may_be_a_series(name):
    loss = getattr(losses, name)
    t, u = parameter(1, 2, 3), parameter(1, 2, 3)
    loss(t, SHUFFLED).backward()
    loss(u, SHUFFLED.to_numpy()).backward()
    assert t.grad.tolist() == u.grad.tolist()
    for reduction in ("none", "sum"):
        assert type(loss(t, SHUFFLED, reduction=reduction).data) is not pd.Series


@pytest.mark.parametrize(
    ("operand", "words"),
    [
        (np.ma.masked_array([1.0, 2.0], [False, True]), "a masked array is not supported"),
        (np.matrix([[1.0, 2.0]]), "np.matrix is not supported"),
        (scipy.sparse.csr_array(np.eye(2)), "a Tensor holds real numbers, and this is object"),
        ({"a": 1.0}, "a Tensor holds real numbers, and this is object"),
        ([1.0, None], "a Tensor holds real numbers, and this is object"),
        (pd.Series(["a", "b"]), "a Tensor holds real numbers, and this is"),
    ],
    ids=["masked", "matrix", "sparse", "dict", "None", "strings"],
)
def test_what_is_no_plain_array_is_refused_with_a_sentence(operand, words):
    t = parameter(1, 2)
    calls = [
        lambda: t * operand,
        lambda: operand * t,
        lambda: t - operand,
        lambda: t @ operand,
        lambda: np.mean((t - operand) ** 2),
        lambda: np.add(t, operand),
        lambda: Tensor(operand),
        lambda: setattr(t, "data", operand),
        lambda: linear(operand, Tensor(np.eye(2), requires_grad=True), t),
        lambda: losses.mse_loss(t, operand),
    ]
    for i, call in enumerate(calls):
        expected = words
        if i == 1 and isinstance(operand, scipy.sparse.sparray | np.ma.MaskedArray):
            expected = "is part of a graph, and a plain array is not"  # they ask for an array
        with pytest.raises(TypeError, match=expected.replace("[", r"\[")):
            call()


@pytest.mark.parametrize("exponent", [(0, 2), [0, 2]], ids=["tuple", "list"])
def test_a_tuple_of_numbers_is_as_good_as_an_array(exponent):
    t = parameter(0, 2)
    (t**exponent).sum().backward()
    assert t.grad.tolist() == [0.0, 4.0]
    np.power(exponent, parameter(1, 2)).sum().backward()
    assert t[(0,)].shape == t.reshape((2, 1))[(0, 0)].shape == ()


@pytest.mark.parametrize("reverse", [False, True], ids=["first", "second"])
@pytest.mark.parametrize(
    "function",
    [
        np.vdot,
        np.dot,
        np.cross,
        np.linalg.solve,
        np.matmul,
        np.kron,
        np.maximum,
        lambda x, y: np.concatenate([x, y]),
        lambda x, y: np.stack([x, y]),
        lambda x, y: np.einsum("ij,jk", x, y),
        lambda x, y: np.where([[True], [False], [True]], x, y),
    ],
)
def test_a_tuple_in_a_call_is_as_good_as_an_array(function, reverse):
    rows = np.array([[2.0, 1.0, 0.5], [0.0, 3.0, 1.0], [1.0, 0.0, 2.0]])

    def gradient(other):
        t = Tensor(rows.T + 1, requires_grad=True)
        out = function(other, t) if reverse else function(t, other)
        (out * np.arange(1.0, 1 + out.size).reshape(out.shape)).sum().backward()
        return t.grad

    np.testing.assert_array_equal(gradient(tuple(map(tuple, rows))), gradient(rows))


def test_the_default_of_a_selection_is_masked_no_more_than_another_operand():
    with pytest.raises(TypeError, match="a masked array is not supported"):
        np.select([[True, False]], [parameter(1, 2)], np.ma.masked_array([3.0, 4.0], [0, 1]))


def test_a_fraction_is_a_number():
    t = parameter(1, 2, dtype=np.float32)
    out = t * Fraction(1, 2)
    assert out.dtype == np.float32
    out.sum().backward()
    assert t.grad.tolist() == [0.5, 0.5]


# The data of what requires a gradient


@pytest.mark.parametrize("seed", [[1, 0], np.array([1, 0], np.uint8), np.array([True, False])])
def test_a_seed_takes_the_dtype_of_the_root(seed):
    for create_graph in (False, True):
        t = parameter(1, 2)
        (1 - t * 2).backward(np.asarray(seed), create_graph)
        assert np.asarray(getattr(t.grad, "data", t.grad)).tolist() == [-2.0, 0.0]
        t.zero_grad()
        (1 - t * 2).backward(Tensor(seed), create_graph)
        assert np.asarray(getattr(t.grad, "data", t.grad)).tolist() == [-2.0, 0.0]
    half = parameter(1, 2, dtype=np.float32)
    (half * 2).backward(Tensor(np.array([1.0, 0.5])), create_graph=True)
    assert half.grad.dtype == np.float32


def test_new_data_of_what_requires_a_gradient_is_floating_and_of_the_same_shape():
    w = parameter(1, 2, 3)
    for data in ([1, 2, 3], np.array([1, 2, 3]), Tensor([1, 2, 3]), pd.Series([1, 2, 3])):
        w.data = data
        assert type(w.data) is np.ndarray
        assert w.dtype == float
        w.zero_grad()
        (w * 0.5).sum().backward()
        assert w.grad.tolist() == [0.5, 0.5, 0.5]
    w.data = np.float32([1, 2, 3])  # another precision is a decision
    assert w.dtype == np.float32
    for data in ([1.0, 2.0], 1.0, [[1.0, 2.0, 3.0]]):
        with pytest.raises(ValueError, match=r"new data of shape .* for 'p' of shape \(3,\)"):
            w.data = data
    assert w.data.tolist() == [1, 2, 3]


def test_a_node_as_new_data_gives_its_array():
    w = parameter(1, 2)
    for _ in range(3000):
        (w * w).sum().backward()
        w.data = w - 0.1 * w.grad
        w.zero_grad()
    assert type(w.data) is np.ndarray
    assert repr(w).startswith("Tensor([")


def test_requires_grad_is_set_on_floating_data_only():
    x = np.ones(2)
    t, whole = Tensor(x), Tensor([1, 2])
    with pytest.raises(TypeError, match="only floating-point data has a gradient"):
        whole.requires_grad = True
    assert not whole.requires_grad
    t.requires_grad = True
    t.data -= 1.0
    assert x.tolist() == [1.0, 1.0]  # the memory of what is trained is its own
    (t * 3).sum().backward()
    assert t.grad.tolist() == [3.0, 3.0]
    t.requires_grad = False
    assert (t * 2).requires_grad is False


def test_a_result_stays_in_its_graph():
    t = parameter(1, 2)
    out = t * 2
    out.name = "out"
    with pytest.raises(
        RuntimeError, match=r"'out' of shape \(2,\) was made by multiply, .* \.detach\(\)"
    ):
        out.requires_grad = False
    out.requires_grad = True
    out.sum().backward()
    assert t.grad.tolist() == [2.0, 2.0]


def test_whole_numbers_leave_the_graph_as_floor_does():
    w = parameter(1.5, 2.5)
    for dtype in (int, bool, np.uint8):
        whole = w.astype(dtype)
        assert type(whole) is np.ndarray
        np.testing.assert_array_equal(whole, w.data.astype(dtype))
        assert type(np.astype(w, dtype)) is np.ndarray if hasattr(np, "astype") else True
    with pytest.raises(TypeError, match="complex"):
        w.astype(complex)
    (w.astype(np.float32) * 2).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0]


# Threads and tasks


def test_threads_that_share_a_leaf_lose_no_contribution():
    w = Tensor(np.ones(200_000), requires_grad=True)
    v = Value(1.0)

    def passes():
        for _ in range(40):
            (w * 2.0).sum().backward()
            (v * 3.0).backward()

    threads = [threading.Thread(target=passes) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.all(w.grad == 8 * 40 * 2.0)
    assert v.grad == 8 * 40 * 3.0


def test_tasks_decide_for_themselves_whether_they_record():
    t = parameter(1, 2)
    recorded = {}

    async def without(first, then):
        with no_grad():
            first.set()
            await then.wait()
            recorded["without"] = (t * 2).requires_grad

    async def with_gradient(first, then):
        await first.wait()
        recorded["with"] = (t * 2).requires_grad
        then.set()

    async def both():
        first, then = asyncio.Event(), asyncio.Event()
        await asyncio.gather(without(first, then), with_gradient(first, then))

    async def overlapping():
        opened, closed = asyncio.Event(), asyncio.Event()

        async def early():
            with no_grad():
                await opened.wait()
            closed.set()

        async def late():
            with no_grad():
                opened.set()
                await closed.wait()

        await asyncio.gather(early(), late())
        recorded["after"] = (t * 2).requires_grad

    asyncio.run(both())
    asyncio.run(overlapping())
    assert recorded == {"with": True, "without": False, "after": True}
    assert (t * 2).requires_grad


# Memory that is changed after the forward pass

STALE = "was changed after this graph was made"


def change_in_place(x):
    x.data += 10.0


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[0],
        lambda x: x.T,
        lambda x: x.T[0],
        lambda x: x.reshape(-1)[:2],
        lambda x: np.moveaxis(x, 0, 1),
        lambda x: np.broadcast_to(x, (2, 2, 2)),
        lambda x: np.squeeze(x[None]),
        np.squeeze,  # nothing to squeeze: NumPy returns the array itself
        lambda x: x.squeeze(),
        lambda x: unfold(x, (1,), (1,), (1,)),
        lambda x: x.detach(),
        Tensor,
        lambda x: x.detach().T.detach(),
        lambda x: np.split(x, 2)[1],
        np.diagonal,
    ],
)
@pytest.mark.parametrize("tracked", [False, True])
def test_a_graph_that_holds_a_view_of_what_was_changed_is_stale(view, tracked):
    w = Tensor(np.ones(2), requires_grad=True)
    x = Tensor(np.array([[0.0, 1.0], [2.0, 3.0]]), requires_grad=tracked)
    for inputs in (None, [w]):
        seen = view(x)
        loss = (w * seen).sum()
        if tracked or np.shares_memory(seen.data, x.data):
            change_in_place(x)
            with pytest.raises(RuntimeError, match=STALE):
                loss.backward(inputs=inputs)
        else:  # a copy of its own: the graph is right
            before = w.data * seen.data
            change_in_place(x)
            assert np.sum(before) == loss.item()
            loss.backward(inputs=inputs)
        (w * view(x)).sum().backward()
        w.zero_grad()


def test_a_change_of_a_view_is_a_change_of_what_it_views():
    w, x = parameter(1, 1), Tensor(np.ones((2, 2)))
    with_x, with_sibling = (w * x).sum(), (w * x[1]).sum()
    row = x[0]
    change_in_place(row)
    for loss in (with_x, with_sibling):
        with pytest.raises(RuntimeError, match=STALE):
            loss.backward()
    assert w.grad is None


def test_a_change_of_one_view_is_a_change_of_every_other():
    x = Tensor(np.ones(3))
    first, second = x.detach(), x[:2]
    del x
    w = Tensor(np.ones(2), requires_grad=True)
    loss = (w * second).sum()
    first.data += 1
    with pytest.raises(RuntimeError, match="was changed after this graph was made"):
        loss.backward()


def test_a_root_of_which_the_data_was_replaced_is_stale_at_second_order():
    w = Tensor(2.0, requires_grad=True)
    out = np.exp(w)
    out.data = 5.0
    with pytest.raises(RuntimeError, match="was changed after this graph was made"):
        out.backward(create_graph=True)
    out.backward()  # at first order a rule gets what the forward pass saw
    assert w.grad == np.exp(2.0)


def test_what_is_no_view_is_not_stale():
    w, x = parameter(1, 2), Tensor(np.array([3.0, 4.0]))
    with no_grad():
        doubled, copied = w * 2, x.copy()
    loss = (w * doubled * copied).sum()
    change_in_place(x)
    loss.backward()
    assert w.grad.tolist() == [6.0, 16.0]


@pytest.mark.parametrize("kind", [Tensor, Value])
def test_a_graph_from_before_a_gradient_was_required_is_stale(kind):
    x, w = kind(2.0, requires_grad=False), kind(3.0, requires_grad=True)
    loss = (x * 2) * w + x * w  # x * 2 was not recorded
    x.requires_grad = True
    with pytest.raises(RuntimeError, match=STALE):
        loss.backward()
    assert x.grad is None
    ((x * 2) * w + x * w).backward()
    assert x.grad == 9.0


def test_a_change_of_the_memory_that_a_tensor_has_left_makes_nothing_stale():
    w, x = parameter(1, 2), Tensor(np.array([3.0, 4.0]))
    view = x[:]
    x.requires_grad = True  # with a copy of the data
    loss = (w * x).sum()
    change_in_place(view)
    loss.backward()
    assert w.grad.tolist() == [3.0, 4.0]


VIEWS = [
    lambda x: x[::-1],
    lambda x: x.T,
    lambda x: x.detach(),
    lambda x: x.squeeze(),
    lambda x: x.reshape(-1)[:9].reshape(3, 3),
    lambda x: np.broadcast_to(x, (2, 3, 3))[1],
    lambda x: unfold(x, (1,), (1,), (1,))[:, 0],
    np.copy,
]


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_no_change_of_a_view_of_a_view_gives_another_gradient_in_silence(first):
    """Random programs of views, products and changes: backward raises or gives what it gave."""
    raised = 0
    for seed in range(first, first + 50):
        rng = np.random.default_rng(seed)
        w = Tensor(rng.standard_normal((3, 3)), requires_grad=True)
        pool = [w, Tensor(rng.standard_normal((3, 3)))]
        for _ in range(6):
            x, y = (pool[rng.integers(len(pool))] for _ in range(2))
            with no_grad() if rng.random() < 0.3 else nullcontext():
                pool.append(x * y if rng.random() < 0.3 else VIEWS[rng.integers(len(VIEWS))](x))
        loss = np.sum(w * pool[-1] * pool[-2])
        loss.backward()
        before, w.grad = w.grad, None
        for _ in range(3):
            x = pool[rng.integers(len(pool))]
            if rng.random() < 0.3:
                pool.append(VIEWS[rng.integers(3)](x))
            elif x.data.flags.writeable and rng.random() < 0.7:
                change_in_place(x)
            else:
                x.data = x.data + 1.0
        try:
            loss.backward()
        except RuntimeError:
            raised += 1
        else:
            np.testing.assert_array_equal(w.grad, before, err_msg=f"seed {seed}")
    assert 10 < raised < 45


@pytest.mark.parametrize("replaced_first", [True, False])
def test_what_was_changed_stays_changed_when_data_is_replaced(replaced_first):
    w = parameter(1, 2)
    loss, old = (w * w).sum(), w.detach()
    if replaced_first:
        w.data = np.array([5.0, 6.0])
    change_in_place(old)
    w.data = np.array([7.0, 8.0])
    with pytest.raises(RuntimeError, match=STALE):
        loss.backward()


def test_a_detached_tensor_and_a_step_make_a_graph_stale():
    from tinygrad_edu import optim

    w, v = parameter(1, 2), parameter(3, 4)
    loss = (v * w.detach()).sum()
    (w * w).sum().backward()
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match=STALE):
        loss.backward()
    assert v.grad is None


def test_a_chosen_input_that_was_changed_raises_and_is_not_left_out():
    w = parameter(1, 2)
    hidden = w * w
    loss = hidden.sum()
    w.data -= 0.1
    with pytest.raises(RuntimeError, match=STALE):
        loss.backward(inputs=[w])
    later = (hidden * 2).sum()
    with pytest.raises(RuntimeError, match=STALE):
        later.backward(inputs=[w])
    assert w.grad is None


# What leaves the graph says so

A_NUMBER = 1.5


def says_so(leave, node):
    """Whether `leave(node)` warns that the graph is left, or refuses."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            leave(node)
        except (TypeError, NotImplementedError):
            return True
    return any(w.category is LeavesGraphWarning for w in caught)


@pytest.mark.parametrize(
    "leave",
    [
        float,
        int,
        round,
        complex,
        math.exp,
        math.floor,
        lambda v: round(v, 2),
        lambda v: v * math.exp(v),
        lambda v: statistics.fmean([v, 1.0]),
        lambda v: np.array([v, v], float),
        lambda v: np.zeros(2).fill(v),
        lambda v: np.zeros(2).__setitem__(0, v),
        lambda v: np.random.default_rng(0).normal(v),
        np.float64,
        lambda v: f"{float(v):.2f}",
    ],
)
@pytest.mark.parametrize("make", [Value, lambda x: Tensor(x, requires_grad=True)])
def test_a_tracked_node_becomes_a_plain_number_only_with_a_warning(leave, make):
    assert says_so(leave, make(A_NUMBER))
    assert not says_so(leave, make(A_NUMBER).detach())
    with no_grad():
        assert not says_so(leave, make(A_NUMBER)) or make is not Value


def test_what_says_that_it_leaves_does_not_warn():
    for node in (Value(A_NUMBER), Tensor(A_NUMBER, requires_grad=True)):
        assert (node.item(), f"{node:.1f}", bool(node), node > 1) == (1.5, "1.5", True, True)
        assert str(node)
        assert repr(node)
        assert sorted([node, node.detach()])
        assert node.data == A_NUMBER


def test_the_warning_comes_once_for_each_line_and_names_the_line():
    v = Value(A_NUMBER)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            float(v)
            math.exp(v)
    assert [w.category for w in caught] == [LeavesGraphWarning] * 2
    assert {w.filename for w in caught} == {__file__}
    assert caught[0].lineno + 1 == caught[1].lineno
    assert "t.item() leaves it on purpose" in str(caught[0].message)


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_of_what_has_a_graph_is_refused(take):
    for leaf in (Value(2.0), parameter(1, 2)):
        with pytest.raises(TypeError, match=r"was made by multiply.*\.detach\(\)"):
            take(leaf * 2)
        take((leaf * 2).detach())
        with no_grad():
            take(leaf * 2)
    twin = copy.deepcopy(parameter(1, 2))
    assert twin.requires_grad
    assert twin.data.tolist() == [1.0, 2.0]


def test_a_single_number_has_no_length_and_says_what_it_has():
    t = parameter(1, 2).sum()
    for call in (len, list, sum):
        with pytest.raises(TypeError, match=r"shape \(\) is one number.* t\.item\(\)"):
            call(t)


TABLE = pd.DataFrame([[0.5, -1.0], [2.0, 0.25], [-3.0, 1.5]], index=[2, 0, 1], columns=["a", "b"])
COLUMN = pd.Series([0.5, -1.0, 2.0], index=[2, 0, 1])
CLASSES = pd.Series([1, 0, 2], index=[2, 0, 1])
CALLS_ON_TABLES = {
    **{
        name: (getattr(functional, name), TABLE)
        for name in functional.__all__
        if name in dir(functional.activation)
        and name not in ("prelu", "rrelu", "dropout", "gumbel_softmax")
    },
    "prelu": (lambda x: functional.prelu(x, Tensor([0.25])), TABLE),
    "dropout": (lambda x: functional.dropout(x, 0.5, rng=np.random.default_rng(0)), TABLE),
    "layer_norm": (lambda x: functional.layer_norm(x, 2), TABLE),
    "rms_norm": (lambda x: functional.rms_norm(x, 2), TABLE),
    "group_norm": (lambda x: functional.group_norm(x, 2), TABLE),
    "batch_norm": (lambda x: functional.batch_norm(x, None, None, training=True), TABLE),
    "normalize": (functional.normalize, TABLE),
    "cosine_similarity": (lambda x: functional.cosine_similarity(x, x), TABLE),
    "attention": (lambda x: functional.scaled_dot_product_attention(x, x, x), TABLE),
    "pad": (lambda x: functional.pad(x, (1, 1)), TABLE),
    "one_hot": (functional.one_hot, CLASSES),
    "embedding": (lambda x: functional.embedding(x, Tensor(np.eye(3))), CLASSES),
    "Linear": (nn.Linear(2, 1), TABLE),
    "LayerNorm": (nn.LayerNorm(2), TABLE),
    "BatchNorm1d": (nn.BatchNorm1d(2), TABLE),
    "Embedding": (nn.Embedding(3, 2), CLASSES),
    "RNN": (nn.RNN(2, 3), TABLE),
    "softmax of a column": (lambda x: functional.softmax(x, 0), COLUMN),
}


@pytest.mark.parametrize("name", CALLS_ON_TABLES)
def test_a_function_takes_a_table_as_the_array_of_its_numbers(name):
    f, table = CALLS_ON_TABLES[name]
    ours, expected = (f(x) for x in (table, table.to_numpy()))
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (ours, expected)), strict=True):
        assert type(a) is type(b)
        assert type(getattr(a, "data", a)) is type(getattr(b, "data", b))
        np.testing.assert_array_equal(a, b) if type(a) is np.ndarray else None
        np.testing.assert_array_equal(getattr(a, "data", a), getattr(b, "data", b))


@pytest.mark.parametrize("number", [np.float16(0.1), np.float32(0.1), np.float64(0.1), np.int8(3)])
@pytest.mark.parametrize("f", [operator.add, operator.sub, operator.mul, operator.truediv, pow])
def test_a_number_of_numpy_is_a_float_to_a_value(f, number):
    for swapped in (False, True):
        found, expected = Value(0.3, requires_grad=True), Value(0.3, requires_grad=True)
        out = f(number, found) if swapped else f(found, number)
        right = f(float(number), expected) if swapped else f(expected, float(number))
        (3.7 * out).backward()
        (3.7 * right).backward()
        assert (out.data, found.grad) == (right.data, expected.grad)
        assert type(out.data) is type(found.grad) is float


@pytest.mark.parametrize("make", [Tensor, Value])
def test_an_operand_given_by_its_name_is_seen(make):
    """relu at 0 has the slope 0; np.maximum, which its forward pass calls, would have 1/2."""
    x = make(0.0, requires_grad=True)
    relu(x=x).backward()
    assert x.grad == 0.0


def test_all_operands_may_be_given_by_name():
    rng = np.random.default_rng(0)
    arrays = {"x": (2, 3), "weight": (3, 4), "bias": (4,)}
    nodes = {n: Tensor(rng.standard_normal(s), requires_grad=True) for n, s in arrays.items()}
    linear(nodes["x"], weight=nodes["weight"], bias=nodes["bias"]).sum().backward()
    named = [node.grad for node in nodes.values()]
    for node in nodes.values():
        node.zero_grad()
    linear(*nodes.values()).sum().backward()
    for ours, node in zip(named, nodes.values(), strict=True):
        np.testing.assert_array_equal(ours, node.grad)


def test_an_operand_that_has_no_name_is_refused():
    with pytest.raises(TypeError, match="concatenate_arrays has no operand axis=: give it by"):
        concatenate_arrays(np.ones(2), axis=Tensor([1.0]))
