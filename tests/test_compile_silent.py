"""compile is never wrong in silence: a later call differs in what the first one did not show."""

import copy
import operator
import random
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import ModuleType

import numpy as np
import pytest

from tinygrad_edu import CompileError, Tensor, Value, compile, detect_anomaly, nn, no_grad, optim
from tinygrad_edu.graph import plain
from tinygrad_edu.kernels import index_update
from tinygrad_edu.rng import default_rng
from tinygrad_edu.structures import leaves

X = np.arange(3.0)


def assert_same_calls(f, *calls, between=lambda: None):
    """Compiled, and called in turns with f itself, it gives the same numbers after each change."""
    step = compile(f)
    for args in calls:
        found, expected = leaves(step(*args)), leaves(f(*args))
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_array_equal(plain(x), plain(y))
        between()
    return step


# Arguments


held = np.ones(3)
SAME = {
    "a held array": (lambda x: x * held, (held,), (X,)),
    "two arguments": (lambda x, y: x - 2 * y, (X, X), (X, X + 1)),
    "the order of a dict": (
        lambda xs: next(iter(xs.values())) * 2,
        ({"a": X, "b": X + 1},),
        ({"b": X + 1, "a": X},),
    ),
}


@pytest.mark.parametrize("row", SAME)
def test_arguments_may_be_related_in_one_call_and_not_in_the_next(row):
    f, *calls = SAME[row]
    assert_same_calls(f, *calls, *calls)


def test_an_argument_may_be_the_generator_that_is_held():
    rng = np.random.default_rng(0)
    step = compile(lambda x, other: x * rng.normal() + other.normal(size=3))
    step(X, rng)
    found = step(X, np.random.default_rng(5))
    state = rng.bit_generator.state
    rng = np.random.default_rng(0)
    rng.normal(), rng.normal(size=3)
    expected = X * rng.normal() + np.random.default_rng(5).normal(size=3)
    np.testing.assert_array_equal(found, expected)
    assert state == rng.bit_generator.state


def test_two_names_of_one_array_may_part():
    class Pair:
        first = second = None

    pair = Pair()
    pair.first = pair.second = np.ones(3)
    assert_same_calls(
        lambda x: x * pair.first + 10 * pair.second,
        *[(X,)] * 3,
        between=lambda: setattr(pair, "second", pair.second + 1),
    )


def test_a_model_that_is_given_is_seen_as_one_that_is_held():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    x = np.random.default_rng(0).standard_normal((5, 3))
    with no_grad():
        step = compile(lambda model, x: model(x))
        step(model, x)
        mean = model.layers[1].running_mean.copy()
        model.eval()
        np.testing.assert_array_equal(step(model, x).data, model(x).data)
        model.layers[1].eps = 0.5
        np.testing.assert_array_equal(step(model, x).data, model(x).data)
    assert mean.any()
    factor = 2.0
    step = compile(lambda f, x: f(x))
    times = lambda x: x * factor  # noqa: E731
    step(times, X)
    factor = 5.0
    np.testing.assert_array_equal(step(times, X), X * 5)


def test_a_tensor_with_a_graph_is_refused_after_one_without():
    w = Tensor(X, requires_grad=True)
    step = compile(lambda x: (x * x).sum())
    step(w)
    with pytest.raises(CompileError, match="argument x is the result of operations outside"):
        step(w * 2.0)


def test_parameters_may_be_given_as_well():
    w, v, other = (Tensor(np.ones(3), requires_grad=True) for _ in range(3))

    def loss(params, x):
        return ((params[0] * x * w) ** 2).sum()

    step, usual = compile(loss, optim.SGD([w], 0.1)), optim.SGD([v], 0.1)
    for given in (w, w, other, w, other):
        step([given], X)
        usual.zero_grad()
        ((X * v * (v if given is w else other.detach())) ** 2).sum().backward()
        usual.step()
        np.testing.assert_array_equal(w.data, v.data)


class Boosted(optim.Optimizer):
    def __init__(self, params, counts):
        super().__init__(params, lr=0.1)
        self.boost, self.counts, self.count = 2.0, counts, 0

    def update(self, g, p, state, group):
        self.count += self.counts
        return g * group["lr"] * self.boost, state


def test_attributes_of_an_optimizer_of_the_users_are_seen():
    w = Tensor(np.ones(3), requires_grad=True)
    optimizer = Boosted([w], 0)
    step = compile(lambda x: (w * x).sum(), optimizer)
    for boost in (1.0, 4.0):
        before, optimizer.boost = w.data.copy(), boost
        step(X)
        np.testing.assert_array_equal(w.data, before - X * 0.1 * boost)
    with pytest.raises(CompileError, match="changes count of Boosted from 0 to 1"):
        compile(lambda x: (w * x).sum(), Boosted([w], 1))(X)


def test_a_function_that_is_compiled_is_a_part_of_one_that_calls_it():
    w = Tensor(np.ones(3), requires_grad=True)
    inner = compile(lambda x: (w * x).sum())
    inner(X)
    outer = compile(lambda x: (w * x).sum() + 3 * inner(np.ones(3)))
    w.grad = None
    assert outer(X).item() == 12.0
    np.testing.assert_array_equal(w.grad, X + 3)

    rows = compile(lambda x: w[0] * x, rows=True)
    with pytest.raises(CompileError, match="call it outside"):
        compile(lambda x: (w * x).sum() + rows(np.ones(3)))(X)


def test_threads_record_one_after_the_other():
    w = Tensor(np.ones(3), requires_grad=True)
    data = w.data
    meet = Barrier(4, timeout=60)

    def loss(x):
        time.sleep(0.005)  # so that the others find what is lent
        return (w * x).sum()

    step = compile(loss)

    def run(i):
        meet.wait()
        return step(X).item()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [3.0] * 4
    np.testing.assert_array_equal(w.grad, 4 * X)
    assert w.data is data
    assert sum(map(len, step.programs.values())) == 1


# What a function holds


class Slotted:
    __slots__ = ("array", "factor")

    def __init__(self):
        self.array, self.factor = np.ones(3), 2.0


class Stack(list):
    factor = 2.0


class Holder:
    slotted = Slotted()

    def __init__(self):
        self.factor = 2.0


def with_attribute(x):
    return x * with_attribute.factor


with_attribute.factor = 2.0


def turn(found):
    first = next(iter(found))
    found[first] = found.pop(first)


table = {"a": np.ones(3), "b": np.zeros(3)}
slotted, holder, stack, chosen = Slotted(), Holder(), Stack([np.ones(3)]), {1, 2}
recent, pair = deque([np.ones(3)], maxlen=1), [(np.ones(3), 2)]
settings = ModuleType("settings_of_a_user")
settings.factor, settings.array = 2.0, np.ones(3)
exec("def scaled(x): return x * array * factor", vars(settings))
HELD = {
    "a slot": (lambda x: x * slotted.factor, setattr, slotted, "factor", 5.0),
    "an array in a slot": (lambda x: x * slotted.array, setattr, slotted, "array", X),
    "a module": (lambda x: x * settings.factor, setattr, settings, "factor", 5.0),
    "an array in a module": (lambda x: x * settings.array, setattr, settings, "array", X),
    "a function in a module": (lambda x: settings.scaled(x) * 2, setattr, settings, "factor", 7.0),
    "a named attribute": (lambda x: x * getattr(holder, "factor"), setattr, holder, "factor", 5.0),  # noqa: B009
    "an item of vars": (lambda x: x * vars(holder)["factor"], setattr, holder, "factor", 6.0),
    "of a function": (with_attribute, setattr, with_attribute, "factor", 5.0),
    "of a class": (lambda x: x * holder.slotted.factor, setattr, holder.slotted, "factor", 5.0),
    "of a list": (lambda x: x * stack[0] * stack.factor, setattr, stack, "factor", 5.0),
    "a set": (lambda x: x * len(chosen), chosen.add, 3),
    "a deque": (lambda x: x * recent[0], recent.append, X),
    "a number beside an array": (
        lambda x: x * pair[0][0] * pair[0][1],
        pair.__setitem__,
        0,
        (np.ones(3), 3),
    ),
    "the order of a dict": (lambda x: x + next(iter(table.values())), turn, table),
    "a longer tuple": (lambda x: x + sum(pair[0]), pair.__setitem__, 0, (np.ones(3), 3, 4)),
}


@pytest.mark.parametrize("row", HELD)
def test_what_a_function_holds_is_seen_wherever_it_is_kept(row):
    f, change, *what = HELD[row]
    assert_same_calls(f, *[(X,)] * 3, between=lambda: change(*what))


def test_too_many_programs_name_what_changes_in_what_is_held():
    factor = 0.0
    step = compile(lambda x: x * factor, check=False)
    for i in range(16):
        factor = float(i)
        step(X)
    factor = 16.0
    with pytest.raises(CompileError, match=r"now factor of the function from 15\.0 to 16\.0"):
        step(X)


def test_new_arrays_in_a_tuple_need_no_other_program():
    held = {"pair": (np.ones(3), 2)}
    step = assert_same_calls(
        lambda x: x * held["pair"][0] * held["pair"][1],
        *[(X,)] * 3,
        between=lambda: held.update(pair=(held["pair"][0] + 1, 2)),
    )
    assert sum(map(len, step.programs.values())) == 1


@pytest.mark.parametrize("rng", [random.Random(3), np.random.RandomState(3)])
def test_a_branch_by_chance_that_cannot_be_drawn_again_is_refused(rng):
    with pytest.raises(CompileError, match="a program cannot draw from"):
        compile(lambda x: x * 2.0 if rng.random() < 2.0 else x)(X)


# Shapes


A, B = np.array([1.0, -1.0, 2.0, 0.0]), np.array([1.0, 3.0, 2.0, 0.0])
SHAPES = {
    "a mask": lambda x: x[x > 0].sum() / x[x > 0].size,
    "a mask of a Tensor": lambda x: Tensor(x)[x > 0].mean(),
    "a slice": lambda x: x[: abs(x[1]).astype(int)].size * x,
    "where": lambda x: np.where(x > 0)[0].size * x,
    "nonzero": lambda x: np.nonzero(x > 0)[0].size * x,
    "unique": lambda x: len(np.unique(abs(x))) * x,
    "counts": lambda x: np.unique(abs(x), return_counts=True)[1].size * x,
    "bincount": lambda x: np.bincount(abs(x).astype(int)).shape[0] * x,
    "repeat": lambda x: np.repeat(x, abs(x).astype(int)).size * x,
    "tile": lambda x: np.tile(x, abs(x[1]).astype(int)).size * x,
    "delete": lambda x: np.delete(x, np.flatnonzero(x > 0)).size * x,
    "a draw": lambda x: np.sum(default_rng().random(size=abs(x[1]).astype(int)).size) * x,
}


@pytest.mark.parametrize("row", SHAPES)
def test_a_shape_may_depend_on_the_numbers(row):
    step = assert_same_calls(SHAPES[row], (A,), (B,), (A,), (B,))
    assert sum(map(len, step.programs.values())) == 2
    assert ".shape != (" in step.source


def test_a_choice_between_two_arrays_needs_no_question():
    step = assert_same_calls(lambda x: np.where(x > 0, x, -x)[1:][::2], (A,), (B,))
    assert "CHANGED" not in step.source


# Changes in place


kept = np.zeros(4)
IN_PLACE = {
    "sum": lambda x: np.sum(np.stack([x, x]), axis=0, out=kept),
    "mean": lambda x: np.mean(np.stack([x, x]), axis=0, out=kept),
    "clip": lambda x: np.clip(x, 0, 1, out=kept),
    "dot": lambda x: np.dot(np.eye(4), x, out=kept),
    "cumsum": lambda x: np.cumsum(x, out=kept),
    "add": lambda x: np.add(x, x, out=kept),
    "some": lambda x: np.add(x, 1.0, out=kept, where=x > 0),
    "some of none": lambda x: np.divide(1.0, x, out=np.zeros_like(x), where=x != 0),
    "two": lambda x: np.divmod(x, 2.0, out=(kept, x * 0)),
}


@pytest.mark.parametrize("row", IN_PLACE)
def test_a_result_may_go_to_an_array_that_is_there(row):
    histories = []
    for make in (compile, lambda f: f):
        kept[:] = 7.0
        step = make(lambda x: (IN_PLACE[row](x), kept * 2.0))
        histories.append([np.copy(y) for x in (A, B, A + B) for y in leaves((step(x), kept))])
    for x, y in zip(*histories, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: np.copyto(kept, x),
        lambda x: np.put(kept, [0], x[:1]),
        lambda x: np.putmask(kept, x > 0, x),
        lambda x: np.place(kept, x > 0, x),
        lambda x: np.nan_to_num(kept, copy=False),
    ],
)
def test_a_change_that_no_line_can_make_is_refused_before_it_happens(change):
    kept[:] = np.nan
    with pytest.raises(CompileError, match=r"test_compile_silent.py:\d+: .* changes an array"):
        compile(lambda x: (change(x), kept * 2.0))(A)
    assert np.isnan(kept).all()


def change_a_view_of_the_argument(x):
    row = x[:2]
    row[row > 2] = 0.0
    return x.sum()


def change_a_view(x):
    y = x * 1.0
    row = y[:2]
    row[row > 2] = 0.0
    return y.sum()


def change_what_has_a_view(x):
    y = x * 1.0
    row = y[:2]
    y[y > 2] = 0.0
    return row.sum()


def change_a_view_of_what_is_held(x):
    np.add.at(kept[:2], [0], x[1])
    return kept * 2.0


@pytest.mark.parametrize(
    "f",
    [
        change_a_view_of_the_argument,
        change_a_view,
        change_what_has_a_view,
        change_a_view_of_what_is_held,
    ],
)
def test_a_change_that_is_seen_through_a_view_is_refused(f):
    x = A.copy()  # which no mask changes: here the program would be right
    with pytest.raises(CompileError, match=r"test_compile_silent.py:\d+: .* the same memory"):
        compile(f)(x)
    np.testing.assert_array_equal(x, A)


def test_a_change_that_nobody_sees_through_a_view_is_a_line():
    def f(x):
        first, second = (x * 2.0).reshape(2, 2)
        first[first > 1] = 0.0
        second += 1.0
        return first, second

    assert_same_calls(f, (A,), (B,))


def test_a_change_in_place_fails_as_in_numpy():
    def grown(x):
        x = x.copy()
        x += np.ones((2, 4))

    def broken(x):
        x = x.astype(int)
        x += 0.5

    for f in (grown, broken, lambda x: np.add(x, 0.5, out=x.astype(int))):
        with pytest.raises((TypeError, ValueError)):
            f(A)
        with pytest.raises((TypeError, ValueError)):
            compile(f, check=False)(A)


def test_the_copy_of_a_number_is_a_number():
    def f(x):
        y = x.copy()
        y += np.ones(2)
        return y

    assert_same_calls(f, (np.float64(2.0),), (np.float64(3.0),))


# Numbers


def test_a_number_cannot_be_looked_up_unseen():
    for f in (lambda x: {1.0: 10.0}.get(x, 0.0) + x, lambda x: (x in {1.0, 3.0}) + x):
        with pytest.raises(CompileError, match="a look-up in a dict or a set"):
            compile(f)(2.0)
    with pytest.raises(CompileError, match=r"round\(\) asks for"):
        compile(lambda x: round(x, 1))(2.0)


def test_a_copy_is_a_line():
    def f(x):
        y = copy.deepcopy(x)
        y[0] = 5.0
        return copy.copy(x) * y

    assert_same_calls(f, (A,), (B,))


def test_arguments_may_have_the_names_of_functions():
    assert_same_calls(
        lambda abs, slice: operator.abs(abs) * abs[slice:3].sum(),  # noqa: A006
        *[(A, np.int64(1))] * 2,
    )


def test_a_refusal_that_the_function_catches_is_raised_after_it():
    def f(x):
        try:
            total = x.sum().item()
        except Exception:
            total = 0.0
        return x * (total > 100)

    with pytest.raises(CompileError, match=r"test_compile_silent.py:\d+: .*\.item\(\) asks for"):
        compile(f)(X)


def test_an_array_of_numpy_takes_no_number_of_a_recording():
    def f(x):
        out = np.zeros(3)
        out[0] = x[0]
        return out

    with pytest.raises(CompileError, match=r"test_compile_silent.py:\d+: .*float\(\) asks for"):
        compile(f)(X)


def test_an_attribute_that_a_recording_lacks_is_named_at_the_users_line():
    with pytest.raises(AttributeError, match=r"test_compile_silent.py:\d+: \.sort of an array"):
        compile(lambda x: x.sort())(X)
    assert_same_calls(lambda x: (x.flatten(), hasattr(x, "nothing") * x), (A,), (B,))


def test_each_of_several_results_keeps_its_memory():
    def f(x):
        first, second = np.broadcast_arrays(np.exp(x), np.tanh(x))
        return np.sin(np.exp(first * 2) + 1) * second

    assert_same_calls(f, (A,), (B,))


def test_an_array_without_axes_is_changed_in_place():
    def f(x, y):
        return (index_update(x * x, True, y * y) * 0.5).sum()

    x, y = (Tensor(np.array(v), requires_grad=True) for v in (2.0, 3.0))
    assert compile(f)(x, y).item() == 4.5
    assert (x.grad, y.grad) == (0.0, 3.0)


def test_constants_among_several_results_are_folded():
    w = Tensor(X, requires_grad=True)
    step = compile(lambda: np.sum(np.concatenate([w, w[:1]]) * 0.5))
    step()
    np.testing.assert_array_equal(w.grad, [1.0, 0.5, 0.5])


def test_who_looks_at_operations_sees_them():
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda x: np.log(w * x).sum(), optim.SGD([w], 0.1))
    step(np.ones(2))
    before = w.data.copy()
    with (
        detect_anomaly(),
        pytest.raises(ArithmeticError, match="log"),
        np.errstate(invalid="ignore"),
    ):
        step(-np.ones(2))
    np.testing.assert_array_equal(w.data, before)
    with detect_anomaly():
        loss = step(np.ones(2))
    assert not loss.requires_grad
    np.testing.assert_allclose(w.data, before - 0.1 / before)
    assert w.grad is None


def test_a_parameter_is_no_loss():
    w = Value(1.0)
    with pytest.raises(CompileError, match="returned a parameter itself"):
        compile(lambda: w)()
    with no_grad():
        assert compile(lambda: w)().data == 1.0


def test_a_parameter_that_cannot_be_written_to_is_refused_as_it_always_is():
    w = Tensor(np.ones(3), requires_grad=True)
    step = compile(lambda x: (w * x).sum(), optim.SGD([w], 0.1))
    step(X)
    w.data = np.ones(3)
    w.data.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        step(X)
