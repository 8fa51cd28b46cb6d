"""The promises of the engine, each by its name."""

import contextlib
import copy
import functools
import gc
import inspect
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest
from foreign import Foreign

from tinygrad_edu import Tensor, Value, kernels, no_grad
from tinygrad_edu.graph import RULES, apply, plain


@pytest.fixture
def without_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def parameter(data, name=None):
    return Tensor(data, requires_grad=True, name=name)


def test_the_expression_in_micrograds_readme():
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert round(g.data, 4) == 24.7041
    assert round(a.grad, 4) == 138.8338
    assert round(b.grad, 4) == 645.5773


def test_a_diamond_adds_what_comes_by_both_ways():
    x = Value(3.0)
    y = x * x
    (y + y * x).backward()
    assert x.grad == 2 * 3 + 3 * 3**2


def test_a_node_used_twice_as_one_operand_each_gets_both_contributions():
    x = parameter([1.0, 2.0])
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


@pytest.mark.parametrize(("leaf", "n"), [(Value(1.0), 1_000_000), (parameter(1.0), 100_000)])
def test_a_chain_of_a_million_additions_needs_no_recursion(leaf, n):
    x = leaf
    for _ in range(n):
        x = x + 1.0
    x.backward()
    assert x.item() == n + 1
    assert leaf.grad == 1
    del x  # freed without recursion, too


def test_sixty_stacked_diamonds_are_visited_once_each():
    x = Value(1.0)
    y = x
    for _ in range(60):
        y = y + y
    visited = []
    y.backward(watch=lambda node, g, contributions: visited.append(node))
    assert y.data == x.grad == 2.0**60
    assert len(visited) == 61


def test_nodes_are_visited_youngest_first():
    x = Value(2.0)
    root = (x * x).exp() + x.sin() * x
    births = []
    root.backward(watch=lambda node, g, contributions: births.append(node.birth))
    assert births == sorted(births, reverse=True)


def test_the_graph_is_freed_without_the_garbage_collector(without_garbage_collector):
    w = parameter(np.ones((3, 2)))
    loss = np.tanh(np.ones((4, 3)) @ w).sum()
    nodes = [weakref.ref(loss), weakref.ref(loss.inputs[0])]
    arrays = [weakref.ref(x) for x in (loss.inputs[0].data,)]
    loss.backward()
    del loss
    assert [ref() for ref in nodes + arrays] == [None, None, None]
    assert w.grad is not None


@pytest.mark.parametrize("cut", [lambda h: h.detach(), Tensor, lambda h: h.detach()[:2].T])
def test_what_was_detached_keeps_no_graph_alive(without_garbage_collector, cut):
    w, state, nodes = parameter(np.ones(2)), Tensor(np.zeros(2)), []
    for _ in range(5):  # backpropagation through time, truncated after each step
        state = np.tanh(w * cut(state) + 1)
        nodes.append(weakref.ref(state))
    assert [ref() is not None for ref in nodes] == [False] * 4 + [True]


def test_a_view_without_a_gradient_keeps_no_graph_alive(without_garbage_collector):
    h = parameter(np.ones(3)).exp()
    node = weakref.ref(h)
    with no_grad():
        view = h[:2]
    del h
    assert node() is None
    np.testing.assert_array_equal(view.data, np.exp(np.ones(2)))


def test_nodes_that_are_chosen_keep_gradients_in_memory_of_their_own():
    w = parameter([1.0, 2.0])
    x, y = w * 1, w * 2
    seed = np.ones(2)
    (x + y).backward(seed, inputs=[x, y])
    x.grad[0] = 5
    assert (x.grad.tolist(), y.grad.tolist(), seed.tolist()) == ([5, 1], [1, 1], [1, 1])
    x.zero_grad()
    x.sum().backward(inputs=[x])  # whose rule returns a view that is read-only
    x.grad[0] = 5


def test_two_backward_calls_give_exactly_twice_the_gradient():
    w = parameter(np.random.default_rng(0).standard_normal((3, 2)))
    loss = kernels.logsumexp(np.ones((4, 3)) @ w).sum()
    loss.backward()
    once = w.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * once)


def test_two_leaves_never_share_a_gradient():
    start = np.ones((2, 2))
    x, y = parameter(np.ones((2, 2))), parameter(np.ones((2, 2)))
    (x + y.T).backward(start)
    assert not np.shares_memory(x.grad, y.grad)
    assert not np.shares_memory(x.grad, start)
    x.grad *= 5
    np.testing.assert_array_equal(y.grad, np.ones((2, 2)))


def test_a_gradient_can_be_written_to_even_where_it_was_broadcast():
    x = parameter(np.ones(3))
    x.sum().backward()
    x.grad += 1
    np.testing.assert_array_equal(x.grad, [2.0, 2.0, 2.0])


def test_a_partial_that_is_a_view_does_not_become_a_gradient(monkeypatch):
    """Whether its rule returns it or a thunk of its rule."""
    for rule in (lambda g, out, x: g[:], lambda g, out, x: lambda: g[:]):
        monkeypatch.setitem(RULES, np.positive, rule)
        x, y, seed = parameter(np.ones(3)), parameter(np.ones(3)), np.ones(3)
        (np.positive(x) + np.positive(y)).backward(seed)
        x.grad *= 5
        np.testing.assert_array_equal(y.grad, np.ones(3))


def depth():
    return len(inspect.stack(0))


def test_from_backward_to_the_calculus_are_two_frames(monkeypatch):
    depths = []

    def rule(g, out, x, y):
        depths.append(depth())
        return g * y, lambda: depths.append(depth()) or g * x

    monkeypatch.setitem(RULES, np.multiply, rule)
    out = apply(np.multiply, parameter(2.0), parameter(3.0))
    here = depth()
    out.backward()
    assert depths == [here + 2, here + 2]


def test_a_debugger_steps_from_backward_straight_into_the_rule():
    """What `s` in pdb shows next on the line of the call, once the arguments are there."""
    called = []

    def trace(frame, event, argument):
        if event == "call":
            called.append(frame.f_code.co_name)

    out = parameter(2.0).tanh()
    sys.settrace(trace)
    try:
        out.backward()
    finally:
        sys.settrace(None)
    assert called[: called.index("tanh_backward") + 1] == ["backward", "seed", "tanh_backward"]


def test_partials_that_nobody_wants_are_not_computed(monkeypatch):
    def rule(g, out, x, y):
        return lambda: pytest.fail("x needs no gradient"), lambda: g * x

    monkeypatch.setitem(RULES, np.multiply, rule)
    y = parameter(3.0)
    apply(np.multiply, Tensor(2.0), y).backward()
    assert y.grad == 2


def test_watch_sees_each_node_with_its_gradient_and_contributions():
    x, y = parameter([1.0, 2.0], "x"), parameter(3.0, "y")
    seen = {}
    out = (x * y).sum()
    out.backward(watch=lambda node, g, parts: seen.update({node: (g, parts)}))
    product = out.inputs[0]
    assert list(seen) == [out, product, x, y] or list(seen) == [out, product, y, x]
    g, (to_x, to_y) = seen[product]
    np.testing.assert_array_equal(g, [1.0, 1.0])
    np.testing.assert_array_equal(to_x, [3.0, 3.0])
    assert to_y == 3.0
    assert seen[y] == (3.0, ())


def test_inputs_limits_whose_gradient_is_added_to():
    x, y = parameter(2.0), parameter(3.0)
    product = x * y
    product.tanh().backward(inputs=[product])
    assert x.grad is None
    assert y.grad is None
    assert product.grad == pytest.approx(1 - np.tanh(6.0) ** 2)
    product.backward(inputs=())
    assert x.grad is None


def test_into_takes_the_gradients_and_leaves_every_grad_as_it_is():
    x, y, gradients = parameter([1.0, 2.0]), parameter([3.0, 4.0]), {}
    product = x * y
    (product + x).backward(np.ones(2), into=gradients)
    assert list(gradients) == [x, y]
    np.testing.assert_array_equal(gradients[x], [4.0, 5.0])
    np.testing.assert_array_equal(gradients[y], [1.0, 2.0])
    product.backward(np.ones(2), inputs=[product, y], into=gradients)
    np.testing.assert_array_equal(gradients[product], [1.0, 1.0])
    np.testing.assert_array_equal(gradients[x], [4.0, 5.0])  # of the pass before
    assert x.grad is y.grad is product.grad is None


def test_a_function_may_carry_a_rule_that_is_not_in_the_table():
    def twice(x):
        return 2 * x

    twice.rule = lambda g, out, x: 2 * g
    x = parameter([1.0, 2.0])
    apply(twice, x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2.0, 2.0])
    assert twice not in RULES
    with pytest.raises(NotImplementedError, match="has no backward rule; add one"):
        apply(lambda x: x, x)


def test_a_backward_pass_that_fails_changes_no_gradient(monkeypatch):
    x, y = parameter(2.0), parameter(3.0)
    out = y * x.tanh()
    monkeypatch.setattr(out.inputs[1], "rule", lambda g, out, x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        out.backward()
    assert x.grad is None
    assert y.grad is None


def test_a_root_that_is_a_leaf_gets_the_gradient_itself():
    x = parameter(2.0)
    x.backward()
    assert x.grad == 1


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("kind", [np.array, Tensor])
def test_a_root_that_is_a_leaf_shares_no_memory_with_the_seed(kind, create_graph):
    x, seed = parameter([1.0, 2.0]), kind([3.0, 4.0])
    x.backward(seed, create_graph)
    assert not np.shares_memory(plain(x.grad), plain(seed))
    np.testing.assert_array_equal(plain(x.grad), [3.0, 4.0])


def test_derivatives_of_every_order():
    x = Value(0.5)
    y = x.exp() * x.sin()
    y.backward(create_graph=True)
    for expected in (
        np.exp(0.5) * (np.sin(0.5) + np.cos(0.5)),
        2 * np.exp(0.5) * np.cos(0.5),
        2 * np.exp(0.5) * (np.cos(0.5) - np.sin(0.5)),
    ):
        derivative, x.grad = x.grad, None
        assert derivative.data == pytest.approx(expected, rel=1e-13)
        derivative.backward(create_graph=True)


def test_create_graph_adds_a_node_and_not_an_array():
    x = parameter([1.0, 2.0])
    (x**3).sum().backward(create_graph=True)
    assert isinstance(x.grad, Tensor)
    assert x.grad.requires_grad
    gradient, x.grad = x.grad, None
    gradient.sum().backward()
    np.testing.assert_allclose(x.grad, [6.0, 12.0])


def test_an_explicit_gradient_starts_the_pass():
    x = parameter(np.ones((2, 3)))
    (2 * x).backward(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(x.grad, 2 * np.arange(6.0).reshape(2, 3))


def test_no_grad_remembers_nothing_and_is_also_a_decorator():
    x = parameter(2.0)

    @no_grad()
    def double(y):
        return 2 * y

    with no_grad():
        inside = x * x
    with contextlib.suppress(KeyError), no_grad():
        raise KeyError
    assert not inside.requires_grad
    assert inside.inputs == ()
    assert not double(x).requires_grad
    assert (x * x).requires_grad


def test_no_grad_holds_for_one_thread_only():
    x = parameter(2.0)
    with no_grad():
        results = []
        thread = threading.Thread(target=lambda: results.append((x * x).requires_grad))
        thread.start()
        thread.join()
        assert results == [True]
        assert not (x * x).requires_grad


def test_detach_shares_memory_and_stops_the_gradient():
    x = parameter([1.0, 2.0])
    d = x.detach()
    assert np.shares_memory(d.data, x.data)
    (x * d).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 2.0])
    v = Value(3.0)
    (v * v.detach()).backward()
    assert v.grad == 3


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles_are_leaves_with_data_grad_and_name(clone):
    w = parameter([1.0, 2.0], "w")
    (w * w).sum().backward()
    twin = clone(w)
    assert (twin.name, twin.requires_grad, twin.rule) == ("w", True, None)
    np.testing.assert_array_equal(twin.data, w.data)
    np.testing.assert_array_equal(twin.grad, w.grad)
    assert not np.shares_memory(twin.data, w.data)
    assert clone(Value(2.0, name="v")).name == "v"


def test_a_tensor_holds_any_array_that_speaks_numpys_protocols():
    def loss(x, w, b):
        h = kernels.relu(x @ w + b)
        h = np.concatenate([h[:, 1:], np.tanh(h.T).T], axis=1)
        z = kernels.log_softmax(h) * kernels.sigmoid(h) + h.max(axis=1, keepdims=True)
        return (z[[0, 1, 0]].mean(axis=0) ** 2 + np.where(z[0] > 0.5, z[0], 2 * z[0])).sum()

    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((5, 4), (4, 3), (3,))]
    plain = [parameter(x) for x in arrays]
    foreign = [parameter(Foreign(x)) for x in arrays]
    loss(*plain).backward()
    out = loss(*foreign)
    out.backward()
    assert isinstance(out.data, Foreign)
    for x, y in zip(plain, foreign, strict=True):
        assert isinstance(y.grad, Foreign)
        np.testing.assert_array_equal(y.grad.array, x.grad)


def test_a_change_in_place_during_the_pass_is_noticed():
    x = parameter([1.0, 2.0])
    square = x * x
    out = square * square

    def change(node, g, contributions):
        if node is out:
            x.data *= 10
            x.data = x.data

    with pytest.raises(RuntimeError, match="was changed after this graph was made"):
        out.backward(np.ones(2), watch=change)
    assert x.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("part", [lambda y: y, lambda y: y[1:], lambda y: y.T], ids=["", "[]", "T"])
@pytest.mark.parametrize("function", [kernels.relu, np.tanh, np.exp])
def test_a_result_that_was_changed_after_its_rule_was_recorded_is_noticed(
    function, part, create_graph
):
    x = parameter([1.0, -1.0])
    y = function(x)
    part(y).data *= -2
    total = y.sum()  # of what it is now; but the rule of y would read the new result, too
    name = function.__name__
    words = rf"the result of {name}, an array .* was changed after .* the derivative of {name} may"
    with pytest.raises(RuntimeError, match=words):
        total.backward(create_graph=create_graph)
    assert x.grad is None


def test_the_gradient_of_a_changed_result_itself_is_right():
    x = parameter([1.0, 2.0])
    h = np.tanh(x)
    h.data += 1
    gradients = {}
    (h * h).sum().backward(inputs=[h], into=gradients)  # the rule of tanh does not matter
    np.testing.assert_array_equal(gradients[h], 2 * h.data)
    with pytest.raises(RuntimeError, match="derivative of tanh"):
        (h * h).sum().backward(inputs=[h, x], into=gradients)


@pytest.mark.parametrize("returned", [lambda g: g, lambda g: (g, g, g), lambda g: [g, g]])
@pytest.mark.parametrize("watch", [None, lambda node, g, contributions: None])
def test_a_rule_with_too_few_or_too_many_partials_is_named(monkeypatch, returned, watch):
    def add_backward(g, out, x, y):
        return returned(g)

    monkeypatch.setitem(RULES, np.add, add_backward)
    x, y = parameter([1.0, 2.0]), parameter([3.0, 4.0])
    with pytest.raises(ValueError, match=r"rule of add returned [13] partials? for 2 inputs"):
        np.add(x, y).backward(np.ones(2), watch=watch)
    assert x.grad is y.grad is None


def test_a_rule_may_leave_out_the_axis_at_the_end():
    x = parameter([[1.0, 2.0]])
    kernels.log_softmax(x, -1)[0, 0].backward()  # the axis by position is an input
    y = parameter([[1.0, 2.0]])
    kernels.log_softmax(y, axis=-1)[0, 0].backward()
    np.testing.assert_array_equal(x.grad, y.grad)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_parameter_never_becomes_the_gradient_of_another(monkeypatch, create_graph):
    monkeypatch.setitem(RULES, np.multiply, lambda g, out, x, y: (y, x))  # right for g = 1 only
    x, y = parameter([1.0, 2.0]), parameter([3.0, 4.0])
    np.multiply(x, y).backward(np.ones(2), create_graph)
    np.testing.assert_array_equal(plain(x.grad), y.data)
    assert not np.shares_memory(plain(x.grad), y.data)
    assert not np.shares_memory(plain(y.grad), x.data)


def test_an_attribute_that_is_called_rule_is_no_rule():
    def area(x):
        return x * x

    area.rule = "trapezoidal"
    with pytest.raises(NotImplementedError, match="area has no backward rule"):
        apply(area, parameter(2.0))


def test_an_error_is_explained_even_if_the_rule_has_no_name(monkeypatch):
    rule = functools.partial(lambda factor, g, out, x, y: (factor * g, factor * g), 1.0)
    monkeypatch.setitem(RULES, np.add, rule)
    with pytest.raises(ValueError, match=r"partial of an array of shape \(2,\) and"):
        np.add(parameter(np.ones(2)), np.ones(3))
