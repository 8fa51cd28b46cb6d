"""Optimizers: what they promise, and what they refuse. Numbers are in test_reference.py."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, nn, optim

OPTIMIZERS = [
    lambda params: optim.SGD(params, lr=0.1),
    lambda params: optim.SGD(params, lr=0.05, momentum=0.9),
    lambda params: optim.Adam(params, lr=0.1),
]
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS, ids=["SGD", "momentum", "Adam"])


def parameter(data=(1.0, -2.0), name="w"):
    return Tensor(data, requires_grad=True, name=name)


@every_optimizer
def test_no_parameters_are_refused(make):
    with pytest.raises(ValueError, match="got no parameters"):
        make([])


@every_optimizer
@pytest.mark.parametrize("thing", [3.0, np.ones(2), "w", nn.Linear(2, 2)])
def test_what_has_no_data_and_grad_is_refused(make, thing):
    with pytest.raises(TypeError, match=rf"\.data and \.grad; {type(thing).__name__} has not"):
        make([parameter(), thing])


@every_optimizer
def test_what_was_computed_is_refused(make):
    w = parameter()
    with pytest.raises(ValueError, match=r"computed from others.*None"):
        make([w, w * 2])
    with pytest.raises(ValueError, match=r"single parameter w as \[w\]"):
        make(w)


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
@pytest.mark.parametrize(
    ("kind", "argument"),
    [(optim.SGD, "lr"), (optim.SGD, "momentum"), (optim.Adam, "lr"), (optim.Adam, "eps")],
)
def test_a_bad_setting_is_named_with_its_value(kind, argument, bad):
    with pytest.raises(ValueError, match=f"{argument} must be finite and at least 0.* {bad}"):
        kind([parameter()], **{argument: bad})


@pytest.mark.parametrize("bad", [-0.1, 1.0, 1.5, np.nan])
def test_bad_betas_are_named_with_their_value(bad):
    with pytest.raises(ValueError, match=rf"beta1 must be in \[0, 1\), and it is {bad}"):
        optim.Adam([parameter()], betas=(bad, 0.9))
    with pytest.raises(ValueError, match=rf"beta2 must be in \[0, 1\), and it is {bad}"):
        optim.Adam([parameter()], betas=(0.9, bad))


@every_optimizer
def test_a_parameter_without_a_gradient_stays(make):
    moved, left = parameter(), parameter()
    optimizer = make([left, moved])
    for _ in range(3):
        optimizer.zero_grad()
        (moved**2).sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(left.data, [1.0, -2.0])
    assert np.all(moved.data != left.data)


@every_optimizer
def test_a_generator_of_parameters_will_do(make):
    model = nn.Linear(2, 1)
    optimizer = make(p for _, p in model.named_parameters())
    for _ in range(2):
        model.zero_grad()
        model(np.ones(2)).sum().backward()
        before = model.state_dict()
        optimizer.step()
        assert all(np.all(p.data != before[name]) for name, p in model.named_parameters())


@every_optimizer
def test_a_parameter_given_twice_moves_once(make):
    once, twice = parameter(), parameter()
    for w, params in ((once, [once]), (twice, [twice, twice])):
        optimizer = make(params)
        (w**2).sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(once.data, twice.data)


@every_optimizer
def test_zero_grad_forgets_every_gradient(make):
    params = [parameter(), parameter()]
    optimizer = make(params)
    (params[0] * params[1]).sum().backward()
    optimizer.zero_grad()
    assert [p.grad for p in params] == [None, None]


@every_optimizer
def test_the_minimum_of_a_quadratic_is_reached(make):
    w = parameter([3.0, -2.0])
    center, stretch = np.array([1.0, 2.0]), np.array([0.5, 2.0])
    optimizer = make([w])
    for _ in range(500):
        optimizer.zero_grad()
        (stretch * (w - center) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, center, atol=1e-4)


@every_optimizer
def test_values_and_numbers_in_a_tensor_take_the_same_path(make):
    start = [0.5, -1.5]
    tensor, values = parameter(start), [Value(x) for x in start]
    one, other = make([tensor]), make(values)
    for _ in range(10):
        one.zero_grad()
        ((tensor**2).sum() + tensor[0] * tensor[1]).backward()
        one.step()
        other.zero_grad()
        (values[0] ** 2 + values[1] ** 2 + values[0] * values[1]).backward()
        other.step()
    assert [type(v.data) for v in values] == [float, float]
    np.testing.assert_allclose([v.data for v in values], tensor.data, rtol=1e-14)


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (2,), (0,)])
def test_shape_dtype_and_memory_of_a_parameter_stay(make, shape, dtype):
    w = Tensor(np.ones(shape, dtype), requires_grad=True)
    memory = w.data
    optimizer = make([w])
    optimizer.lr = np.float64(0.5)  # what a schedule may compute
    for _ in range(2):
        optimizer.zero_grad()
        (w**2).sum().backward()
        optimizer.step()
    assert w.data is memory
    assert (w.shape, w.dtype) == (shape, dtype)


@every_optimizer
def test_the_learning_rate_can_be_changed_at_any_time(make):
    w = parameter()
    optimizer = make([w])
    optimizer.lr = 0.0
    (w**2).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(w.data, [1.0, -2.0])


@every_optimizer
def test_gradients_changed_in_place_do_not_reach_the_state(make):
    """One reads gradients that were given; the other finds them doubled after each step."""
    kept, changed = parameter(), parameter()
    one, other = make([kept]), make([changed])
    for step in range(3):
        kept.grad = np.array([1.0, step])
        changed.grad = np.array([1.0, step])
        one.step()
        other.step()
        np.testing.assert_array_equal(kept.grad, [1.0, step])  # nor does a step change them
        changed.grad *= 2
    np.testing.assert_array_equal(kept.data, changed.data)


@every_optimizer
def test_recorded_gradients_are_taken_as_numbers(make):
    plain, recorded = parameter(), parameter()
    for w in (plain, recorded):
        optimizer = make([w])
        for _ in range(2):
            optimizer.zero_grad()
            (w**3).sum().backward(create_graph=w is recorded)
            optimizer.step()
    np.testing.assert_array_equal(plain.data, recorded.data)


@every_optimizer
def test_a_graph_from_before_the_step_is_stale(make):
    w = parameter()
    optimizer = make([w])
    loss = (w**2).sum()
    loss.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"w.* was changed after this graph was made"):
        loss.backward()
    (w**2).sum().backward()  # a new graph is as good as ever


def test_a_graph_of_values_remembers_what_they_were():
    w = Value(3.0)
    optimizer = optim.SGD([w], lr=0.1)
    loss = w * w
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    assert w.grad == 6.0


def test_sgd_recovers_from_an_infinite_gradient():
    w = parameter([1.0])
    optimizer = optim.SGD([w], lr=0.1)
    w.grad = np.array([np.inf])
    optimizer.step()
    w.data, w.grad = np.array([1.0]), np.array([2.0])
    optimizer.step()
    np.testing.assert_array_equal(w.data, [0.8])
