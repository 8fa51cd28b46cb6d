"""Optimizers: PyTorch's numbers, what they promise, and what they refuse."""

import copy
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from references import group, stored

from tinygrad_edu import Tensor, Value, nn, optim
from tinygrad_edu.optim.blocks import BLOCK, LARGE

OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, lr=0.1),
    "momentum": lambda params: optim.SGD(params, lr=0.05, momentum=0.9),
    "Adagrad": lambda params: optim.Adagrad(params, lr=0.5),
    "Adadelta": lambda params: optim.Adadelta(params, lr=10.0),
    "RMSprop": lambda params: optim.RMSprop(params, lr=0.01, momentum=0.5, centered=True, eps=1e-2),
    "Adam": lambda params: optim.Adam(params, lr=0.1),
    "amsgrad": lambda params: optim.Adam(params, lr=0.1, amsgrad=True),
    "AdamW": lambda params: optim.AdamW(params, lr=0.1, weight_decay=1e-6),
    "Adamax": lambda params: optim.Adamax(params, lr=0.1),
    "NAdam": lambda params: optim.NAdam(params, lr=0.1),
    "RAdam": lambda params: optim.RAdam(params, lr=0.1),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
# Lion's steps never get smaller, and Muon takes matrices.
with_lion = pytest.mark.parametrize(
    "make", [*OPTIMIZERS.values(), lambda p: optim.Lion(p, lr=0.1)], ids=[*OPTIMIZERS, "Lion"]
)

KINDS = [
    kind
    for kind in optim.Optimizer.__subclasses__() + optim.Adam.__subclasses__()
    if kind.__module__.startswith("tinygrad_edu")
]


def parameter(data=(1.0, -2.0), name="w"):
    return Tensor(data, requires_grad=True, name=name)


@every_optimizer
def test_no_parameters_are_refused(make):
    with pytest.raises(ValueError, match="got no parameters"):
        make([])


@every_optimizer
@pytest.mark.parametrize("thing", [3.0, np.ones(2), "w", nn.Linear(2, 2)])
def test_what_has_no_data_and_grad_is_refused(make, thing):
    with pytest.raises(TypeError, match=rf"and {type(thing).__name__} does not have both"):
        make([parameter(), thing])


@every_optimizer
def test_what_was_computed_is_refused(make):
    w = parameter()
    with pytest.raises(ValueError, match=r"computed from other nodes.*None"):
        make([w, w * 2])


@with_lion
@pytest.mark.parametrize("single", [parameter(), parameter(1.0), Value(1.0)])
def test_a_single_parameter_is_given_in_a_list(make, single):
    with pytest.raises(TypeError, match=r"a single parameter w is given as \[w\]"):
        make(single)


SETTINGS = [
    ("SGD", "lr", -0.1, "finite and at least 0"),
    ("SGD", "lr", np.nan, "finite and at least 0"),
    ("SGD", "lr", np.inf, "finite and at least 0"),
    ("SGD", "lr", "fast", "finite and at least 0"),
    ("SGD", "lr", None, "finite and at least 0"),
    ("SGD", "lr", (0.1, 0.2), "finite and at least 0"),
    ("Adam", "eps", (1e-8,), "finite and at least 0"),
    ("Adam", "amsgrad", "yes", "finite and at least 0"),
    ("Adadelta", "rho", (0.9, 0.9), r"in \[0, 1\)"),
    ("SGD", "momentum", -0.1, "finite and at least 0"),
    ("SGD", "dampening", np.nan, "finite and at least 0"),
    ("Adagrad", "lr_decay", -1, "finite and at least 0"),
    ("Adagrad", "initial_accumulator_value", -1, "finite and at least 0"),
    ("Adadelta", "rho", 1.0, r"in \[0, 1\)"),
    ("RMSprop", "alpha", 1.5, r"in \[0, 1\)"),
    ("Adam", "eps", -1e-8, "finite and at least 0"),
    ("Adam", "weight_decay", np.nan, "finite and at least 0"),
    ("Adam", "betas", (-0.1, 0.9), r"in \[0, 1\)"),
    ("AdamW", "betas", (0.9, 1.0), r"in \[0, 1\)"),
    ("Adamax", "betas", (0.9, np.nan), r"in \[0, 1\)"),
    ("Lion", "betas", (0.9,), "two numbers"),
    ("NAdam", "betas", 0.9, "two numbers"),
    ("NAdam", "momentum_decay", -1, "finite and at least 0"),
    ("RAdam", "eps", np.inf, "finite and at least 0"),
    ("Muon", "momentum", -1, "finite and at least 0"),
    ("Muon", "ns_coefficients", (1.0, 2.0), "three numbers"),
    ("Muon", "ns_steps", 2.5, "a whole number"),
    ("Muon", "adjust_lr_fn", "best", "one of original, match_rms_adamw"),
]


@pytest.mark.parametrize(("kind", "name", "bad", "expected"), SETTINGS)
def test_a_bad_setting_is_named_with_its_value(kind, name, bad, expected):
    w = Tensor(np.ones((2, 2)), requires_grad=True)
    kind = getattr(optim, kind)
    with pytest.raises(ValueError, match=f"{name} must be {expected}.* {re.escape(repr(bad))}$"):
        kind([w], **{name: bad})
    with pytest.raises(ValueError, match=f"{name} must be {expected}"):
        kind([{"params": [w], name: bad}])


def test_a_bad_learning_rate_cannot_be_set_later():
    optimizer = optim.SGD([parameter()], lr=0.1)
    with pytest.raises(ValueError, match="lr must be finite and at least 0, and it is nan"):
        optimizer.lr = np.nan
    assert optimizer.lr == 0.1


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_without_its_momentum_is_refused(settings):
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0, and a dampening of 0"):
        optim.SGD([parameter()], nesterov=True, **settings)


def test_muon_refuses_what_is_no_matrix():
    w = Tensor(np.ones((2, 2)), requires_grad=True)
    optimizer = optim.Muon([w])
    with pytest.raises(ValueError, match=r"Muon trains matrices, and bias has the shape \(2,\)"):
        optimizer.add_param_group({"params": [parameter(name="bias")]})
    assert len(optimizer.param_groups) == 1
    with pytest.raises(
        ValueError, match=r"Muon trains matrices, and a parameter has the shape \(\)"
    ):
        optim.Muon([Value(1.0)])


@with_lion
def test_a_parameter_without_a_gradient_stays(make):
    moved, left = parameter(), parameter()
    optimizer = make([left, moved])
    for _ in range(3):
        optimizer.zero_grad()
        (moved**2).sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(left.data, [1.0, -2.0])
    assert np.all(moved.data != left.data)


@with_lion
def test_a_generator_of_parameters_will_do(make):
    model = nn.Linear(2, 1)
    optimizer = make(p for _, p in model.named_parameters())
    for _ in range(2):
        model.zero_grad()
        model(np.ones(2)).sum().backward()
        before = model.state_dict()
        optimizer.step()
        assert all(np.all(p.data != before[name]) for name, p in model.named_parameters())


@with_lion
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
    for step in range(1000):
        optimizer.lr *= 1 if step < 500 else 0.985
        optimizer.zero_grad()
        (stretch * (w - center) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, center, atol=1e-4)


@with_lion
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


@with_lion
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


@with_lion
def test_the_learning_rate_can_be_changed_at_any_time(make):
    w = parameter()
    optimizer = make([w])
    optimizer.lr = 0.0
    (w**2).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(w.data, [1.0, -2.0])


@with_lion
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


@with_lion
def test_recorded_gradients_are_taken_as_numbers(make):
    plain, recorded = parameter(), parameter()
    for w in (plain, recorded):
        optimizer = make([w])
        for _ in range(2):
            optimizer.zero_grad()
            (w**3).sum().backward(create_graph=w is recorded)
            optimizer.step()
    np.testing.assert_array_equal(plain.data, recorded.data)


@with_lion
def test_a_graph_from_before_the_step_is_stale(make):
    w = parameter()
    optimizer = make([w])
    loss = (w**2).sum()
    loss.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"w.* was changed after this graph was made"):
        loss.backward()
    (w**2).sum().backward()  # a new graph is as good as ever


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [2, LARGE // 16 + 1])  # and so large that it is updated in blocks
@pytest.mark.parametrize(
    "seen",
    [lambda w: w, lambda w: w.detach(), lambda w: w.detach().T, lambda w: w[0], lambda w: w.T],
    ids=["itself", "detached", "view of detached", "row", "transpose"],
)
def test_every_step_marks_the_memory_that_it_changes(kind, rows, seen):
    w, u = Tensor(np.ones((rows, 2)), requires_grad=True), Tensor(1.0, requires_grad=True)
    # an iteration of Muon takes too long on what is large, and is not made in blocks
    optimizer = kind([w], **({"ns_steps": 0} if kind is optim.Muon else {}))
    w.grad = np.ones((rows, 2))
    loss = (seen(w) * u).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed after this graph was made"):
        loss.backward()


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


ROWS = {case: row for case, row in stored("optimizers").items() if "{" in case}


def as_tensors(arrays):
    return [Tensor(x, requires_grad=True) for x in arrays]


def as_values(arrays):
    return [Value(x) for array in arrays for x in array]


@pytest.mark.parametrize(
    ("case", "parameters"),
    [(case, as_tensors) for case in ROWS]
    + [(case, as_values) for case in ROWS if not case.startswith("Muon")],  # it takes matrices
)
def test_numbers_of_pytorch(case, parameters):
    """100 steps, gradients of very different sizes, one parameter without a gradient at times."""
    kind, _, settings = case.partition(" ")
    problem = stored("optimizers")["matrices" if kind == "Muon" else "problem"]
    params = parameters(group(problem, "start"))
    optimizer = getattr(optim, kind)(params, **json.loads(settings))
    expected = zip(*group(ROWS[case], "after"), strict=True)
    steps = stored("optimizers")[""]["steps"]
    for step, gradients in enumerate(zip(*group(problem, "gradients"), strict=True), start=1):
        for p, g in zip(params, parameters(gradients), strict=True):
            p.grad = None if np.isnan(g.data).any() else g.data
        optimizer.step()
        if step in steps:
            after = np.concatenate([np.ravel(p.data) for p in params])
            theirs = np.concatenate([x.ravel() for x in next(expected)])
            np.testing.assert_allclose(after, theirs, rtol=1e-12, atol=1e-15)
    assert next(expected, None) is None


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_known_by_their_names_and_not_by_their_order(kind):
    class Reordered(kind):
        def __init__(self, params, **settings):
            optim.Optimizer.__init__(self, params, **dict(reversed(settings.items())))

    start = np.array([[1.0, -2.0], [3.0, 0.5]])
    one, other = Tensor(start, requires_grad=True), Tensor(start, requires_grad=True)
    in_order = kind([one])
    reordered = Reordered([other], **in_order.defaults)
    for step in range(3):
        one.grad = other.grad = start * (step + 1)
        in_order.step()
        reordered.step()
    assert np.all(one.data != start)
    np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("parameters", [as_tensors, as_values])
def test_lion_is_its_algorithm(parameters):
    problem = stored("optimizers")["problem"]
    p, gradients = problem["start0"].copy(), problem["gradients0"]
    params = parameters([p])
    optimizer = optim.Lion(params, lr=0.02, betas=(0.8, 0.9), weight_decay=0.3)
    m = np.zeros_like(p)
    for g in gradients:
        for x, gradient in zip(params, parameters([g]), strict=True):
            x.grad = gradient.data
        optimizer.step()
        c = 0.8 * m + 0.2 * g
        p -= 0.02 * (np.sign(c) + 0.3 * p)
        m = 0.9 * m + 0.1 * g
        after = np.concatenate([np.ravel(x.data) for x in params])
        np.testing.assert_allclose(after, p, rtol=1e-12)


def test_orthogonalized_has_singular_values_near_1():
    x = np.random.default_rng(0).standard_normal((5, 3))
    w = Tensor(np.zeros((5, 3)), requires_grad=True)
    w.grad = x
    optim.Muon([w], lr=1.0, weight_decay=0.0).step()
    s = np.linalg.svd(w.data, compute_uv=False)
    assert np.all((s > 0.6) & (s < 1.3))


def train(optimizer, params, gradients):
    for row in gradients:
        for p, g in zip(params, row, strict=True):
            p.grad = g if isinstance(p, Tensor) else float(g)
        optimizer.step()


@with_lion
@pytest.mark.parametrize("shape", [(3,), (1,), (), None])
def test_a_restored_optimizer_goes_on_bit_for_bit(make, shape):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((10, 2, *(shape or ())))

    def parameters(data):
        return [Value(x) if shape is None else Tensor(x, requires_grad=True) for x in data]

    params = parameters(rng.standard_normal((2, *(shape or ()))))
    optimizer = make(params)
    train(optimizer, params, gradients[:5])
    state, data = optimizer.state_dict(), copy.deepcopy([p.data for p in params])
    saved = copy.deepcopy(state)
    train(optimizer, params, gradients[5:])
    np.testing.assert_equal(state, saved)  # is a copy

    others = parameters(data)
    other = make(others)
    other.lr = 123.0
    other.load_state_dict(state)
    train(other, others, gradients[5:])
    np.testing.assert_equal(state, saved)
    for p, q in zip(params, others, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        assert type(p.data) is type(q.data)


@with_lion
def test_state_dict_is_plain_data(make):
    w = parameter()
    optimizer = make([w])
    train(optimizer, [w], [[np.ones(2)]])

    def look(x):
        if type(x) in (dict, list):
            for y in x.values() if type(x) is dict else x:
                look(y)
        else:
            assert type(x) in (int, float, bool, str, np.ndarray)

    look(optimizer.state_dict())


MISFITS = [
    (lambda s: s["state"].append([]) or s["param_groups"].append({}), r"in the groups: \[1, 0\]"),
    (lambda s: s.pop("state"), "has 'param_groups' and 'state', and this has .'param_groups'."),
    (lambda s: s["state"][0].append({}), r"in the groups: \[2\], expected \[1\]"),
    (lambda s: s["param_groups"][0].pop("eps"), "group 0: no setting 'eps'"),
    (
        lambda s: s["state"][0][0].pop("v"),
        "w .0 of group 0.: state t, m, largest, expected t, m, v",
    ),
    (lambda s: s["state"][0][0].update(m=np.ones(3)), r"m of shape \(3,\), expected \(2,\)"),
    (lambda s: s["param_groups"][0].update(lr=-1.0), "lr must be finite and at least 0"),
    (lambda s: s["param_groups"][0].update(lr=[1, 2]), r"lr must be .* it is \(1, 2\)"),
    (lambda s: s["param_groups"][0].update(amsgrad="no"), "amsgrad must be finite"),
    (lambda s: s["param_groups"][0].update(betas=0.9), "betas must be two numbers"),
    (lambda s: s["param_groups"][0].update(params=[]), "not a setting that can be loaded"),
    (lambda s: s["param_groups"].append({}), "shorter"),
    (lambda s: s["state"][0][0].update(m="ab"), "m must hold real numbers, not 'ab'"),
    (lambda s: s["state"][0][0].update(m=np.ones(2) * 1j), "m must hold real numbers"),
    (lambda s: s["state"][0][0].update(t=None), "t must hold real numbers, not None"),
]


@pytest.mark.parametrize(("spoil", "message"), MISFITS)
def test_a_state_that_does_not_fit_is_refused_whole(spoil, message):
    w = parameter()
    optimizer = optim.Adam([w])
    train(optimizer, [w], [[np.ones(2)]])
    before = optimizer.state_dict()
    bad = copy.deepcopy(before)
    bad["param_groups"][0]["betas"] = [0.1, 0.2]
    spoil(bad)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(bad)
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_groups_have_settings_of_their_own():
    w, b, c = parameter(name="w"), parameter(name="b"), parameter(name="c")
    optimizer = optim.SGD([{"params": [w], "lr": 1.0}, {"params": [b]}], lr=0.5)
    optimizer.add_param_group({"params": [c], "momentum": 0.5})
    train(optimizer, [w, b, c], [[np.ones(2)] * 3] * 2)
    np.testing.assert_array_equal(
        [p.data for p in (w, b, c)], [[-1.0, -4.0], [0.0, -3.0], [-0.25, -3.25]]
    )
    assert optimizer.lr == 1.0
    optimizer.lr = 0.0
    assert [group["lr"] for group in optimizer.param_groups] == [0.0] * 3
    optimizer.zero_grad()
    assert [p.grad for p in optimizer.params] == [None] * 3


BAD_GROUPS = [
    ({"params": [parameter()], "momentun": 0.5}, ValueError, "no setting 'momentun'.*momentum"),
    ({"params": []}, ValueError, "got no parameters"),
    ({"lr": 0.1}, TypeError, "a group is a dict"),
    ([parameter()], TypeError, "a group is a dict"),
    ({"params": [3.0]}, TypeError, "float does not have both"),
    ({"params": [parameter() * 2]}, ValueError, "computed from other nodes"),
    ({"params": [parameter()], "lr": -1.0}, ValueError, "lr must be finite"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD_GROUPS)
def test_a_bad_group_is_refused_and_nothing_added(bad, error, message):
    optimizer = optim.SGD([parameter()], lr=0.1)
    with pytest.raises(error, match=message):
        optimizer.add_param_group(bad)
    assert len(optimizer.param_groups) == len(optimizer.state) == 1


def test_a_parameter_is_in_one_group():
    w = parameter()
    with pytest.raises(ValueError, match="w is in two groups"):
        optim.SGD([{"params": [w]}, {"params": [parameter(), w]}], lr=0.1)


def test_a_parameter_needs_no_name():
    """Other tensors have .data and .grad, and nothing else that an optimizer may ask for."""
    p = SimpleNamespace(data=np.ones(2), grad=None)
    with pytest.raises(ValueError, match="a parameter is in two groups"):
        optim.SGD([{"params": [p]}, {"params": [p]}])


@with_lion
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_parameter_takes_the_same_steps(make, order):
    """It is updated some rows at a time: here in several blocks, the last one smaller."""
    rng = np.random.default_rng(0)
    shape = (3 * BLOCK // 64 + 7, 12)
    start, *gradients = rng.standard_normal((6, *shape), dtype=np.float32)
    large = Tensor(np.array(start, order=order), requires_grad=True)
    corner = Tensor(start[-5:, :4].copy(), requires_grad=True)
    memory = large.data
    one, other = make([large]), make([corner])
    for g in gradients:
        large.grad, corner.grad = g, g[-5:, :4]
        one.step()
        other.step()
    assert large.data is memory
    np.testing.assert_array_equal(large.data[-5:, :4], corner.data)
    for x, y in zip(one.state[0][0], other.state[0][0], strict=True):
        assert np.shape(x) in ((), shape)
        np.testing.assert_array_equal(x[-5:, :4] if np.ndim(x) else x, y)


def test_settings_of_a_large_parameter_can_be_changed():
    large = Tensor(np.ones(BLOCK), requires_grad=True)
    small = Tensor(np.ones(2), requires_grad=True)
    optimizer = optim.SGD([large, small], lr=0.5)
    for momentum in (0.0, 0.5, 0.5, 0.0, 0.5):
        optimizer.param_groups[0]["momentum"] = momentum
        train(optimizer, [large, small], [[large.data.copy(), small.data.copy()]])
    assert np.all(large.data == small.data[0])


def with_gradients(*gradients):
    params = [Tensor(np.zeros(np.shape(g)), requires_grad=True) for g in gradients]
    for p, g in zip(params, gradients, strict=True):
        p.grad = np.array(g)
    return params


NORMS = [(2.0, 13.0), (1.0, 19.0), (np.inf, 12.0), (3.0, (27 + 64 + 12.0**3) ** (1 / 3))]


@pytest.mark.parametrize(("norm_type", "expected"), NORMS)
def test_clip_grad_norm(norm_type, expected):
    params = [*with_gradients([3.0, 4.0], [[-12.0]]), parameter()]
    total = optim.clip_grad_norm_(params, 2.0, norm_type)
    assert total == pytest.approx(expected, rel=1e-14)
    scale = 2.0 / (expected + 1e-6)
    np.testing.assert_allclose(params[0].grad, scale * np.array([3.0, 4.0]), rtol=1e-14)
    np.testing.assert_allclose(params[1].grad, [[-12.0 * scale]], rtol=1e-14)
    assert params[2].grad is None


def test_clip_grad_norm_leaves_small_gradients():
    (p,) = with_gradients([3.0, 4.0])
    assert optim.clip_grad_norm_(p, 5.1) == 5.0  # one parameter will do
    np.testing.assert_array_equal(p.grad, [3.0, 4.0])
    assert optim.clip_grad_norm_([parameter()], 1.0) == 0.0
    assert optim.clip_grad_norm_(with_gradients(np.ones((0, 2))), 1.0, np.inf) == 0.0


def test_clipping_keeps_dtypes_and_floats():
    p, v = Tensor(np.zeros(1, np.float32), requires_grad=True), Value(0.0)
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        p.grad, v.grad = np.full(1, 30.0, np.float32), 40.0
        clip([p, v], 5.0)
        assert p.grad.dtype == np.float32
        assert type(v.grad) is float
        expected = (3.0, 4.0) if clip is optim.clip_grad_norm_ else (5.0, 5.0)
        np.testing.assert_allclose([p.grad[0], v.grad], expected, rtol=1e-6)


def test_clipping_recorded_gradients():
    w = parameter([3.0, 4.0])
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        w.grad = None
        (w**2 / 2).sum().backward(create_graph=True)
        clip([w], 1.0)
        expected = [0.6, 0.8] if clip is optim.clip_grad_norm_ else [1.0, 1.0]
        np.testing.assert_allclose(w.grad.data, expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_is_detected(bad):
    params = with_gradients([1.0], [bad, 1.0])
    params[1].name = "weight"
    with pytest.raises(RuntimeError, match=f"norm of all gradients is {bad}.* finite: weight"):
        optim.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(params[0].grad, [1.0])
    with np.errstate(invalid="ignore"):
        total = optim.clip_grad_norm_(params, 1.0)
    np.testing.assert_equal(total, bad)
    np.testing.assert_array_equal(params[0].grad, [0.0 if bad == np.inf else np.nan])


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_a_bad_limit_of_gradients_is_named(bad):
    with pytest.raises(ValueError, match=f"max_norm must be .* {bad}"):
        optim.clip_grad_norm_([parameter()], bad)
    with pytest.raises(ValueError, match=f"clip_value must be .* {bad}"):
        optim.clip_grad_value_([parameter()], bad)


def test_clip_grad_value():
    params = with_gradients([-3.0, 0.5], 7.0)
    optim.clip_grad_value_(params, 1.0)
    np.testing.assert_array_equal(params[0].grad, [-1.0, 0.5])
    assert params[1].grad == 1.0


@pytest.mark.parametrize(
    "clip", [lambda w: optim.clip_grad_norm_(w, 1.0), lambda w: optim.clip_grad_value_(w, 1.0)]
)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_clipping_leaves_the_array_that_a_graph_has_seen(clip, shape):
    w, v = (Tensor(np.full(shape, 3.0), requires_grad=True) for _ in range(2))
    w.grad = np.full(shape, 5.0)
    loss = (v * w.grad).sum()
    clip(w)
    assert type(w.grad) is np.ndarray  # also without axes
    assert np.all(w.grad <= 1.0)
    loss.backward()
    np.testing.assert_array_equal(v.grad, np.full(shape, 5.0))


def test_a_graph_made_with_averaged_weights_keeps_them():
    w = parameter([1.0, 2.0])
    average = optim.EMA([w], decay=0.5)
    with average.swapped():
        loss = (w**2).sum()
    w.data = np.array([10.0, 20.0])
    average.update()
    loss.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0])


def test_ema_is_the_running_mean():
    w, v = parameter([1.0, 2.0]), Value(3.0)
    average = optim.EMA([w, v], decay=0.9)
    expected = np.array([1.0, 2.0, 3.0])
    for step in range(5):
        w.data, v.data = np.array([step, -step]), float(step * step)
        average.update()
        expected = 0.9 * expected + 0.1 * np.array([*w.data, v.data])
    ours = [*average.averages[0], average.averages[1]]
    np.testing.assert_allclose(ours, expected, rtol=1e-14)


def test_ema_is_swapped_in_and_out():
    w, v = parameter([1.0, 2.0]), Value(3.0)
    average = optim.EMA([w, v], decay=0.5)
    memory = w.data
    w.data -= 1
    v.data = 5.0
    average.update()
    with average.swapped():
        np.testing.assert_array_equal(w.data, [0.5, 1.5])
        assert v.data == 4.0
    assert w.data is memory
    np.testing.assert_array_equal(w.data, [0.0, 1.0])
    assert v.data == 5.0
    np.testing.assert_array_equal(average.averages[0], [0.5, 1.5])


def test_the_averages_share_no_memory_with_what_is_swapped_in():
    w = parameter([1.0, 2.0])
    average = optim.EMA([w], decay=0.5)
    w.data = np.array([3.0, 4.0])
    with average.swapped():
        inside = (w**2).sum()
        w.data -= 7.0
        again = (w**2).sum()
    average.update()
    np.testing.assert_array_equal(average.averages[0], [2.0, 3.0])
    again.backward()
    np.testing.assert_array_equal(w.grad, [-12.0, -10.0])
    with pytest.raises(RuntimeError, match="was changed after this graph"):
        inside.backward()


def test_ema_state():
    w = parameter([1.0, 2.0])
    average = optim.EMA([w], decay=0.5)
    state = average.state_dict()
    w.data = np.array([3.0, 4.0])
    average.update()
    np.testing.assert_array_equal(state["averages"][0], [1.0, 2.0])
    other = optim.EMA([w])
    other.load_state_dict(average.state_dict())
    assert other.decay == 0.5
    np.testing.assert_array_equal(other.averages[0], [2.0, 3.0])
    with pytest.raises(ValueError, match=r"averages of shapes \[\(3,\)\], expected \[\(2,\)\]"):
        other.load_state_dict({"decay": 0.1, "averages": [np.ones(3)]})
    with pytest.raises(ValueError, match="decay must be in"):
        other.load_state_dict({"decay": 2.0, "averages": [np.ones(2)]})
    with pytest.raises(ValueError, match=r"'decay' and 'averages'.* nothing was loaded"):
        other.load_state_dict({"averages": [np.ones(2)]})
    with pytest.raises(ValueError, match="must hold real numbers, and some do not"):
        other.load_state_dict({"decay": 0.1, "averages": [np.ones(2) * 1j]})
    with pytest.raises(ValueError, match="decay must be in"):
        other.load_state_dict({"decay": [0.1], "averages": [np.ones(2)]})
    assert other.decay == 0.5
    np.testing.assert_array_equal(other.averages[0], [2.0, 3.0])


@pytest.mark.parametrize("decay", [-0.1, 1.0, np.nan])
def test_a_bad_decay_is_named(decay):
    with pytest.raises(ValueError, match=f"decay must be in .* {decay}"):
        optim.EMA([parameter()], decay)


def test_ema_of_nothing_is_refused():
    with pytest.raises(ValueError, match="got no parameters"):
        optim.EMA([])


@pytest.mark.parametrize(
    "take", [optim.SGD, optim.EMA, lambda params: optim.clip_grad_norm_(params, 1.0)]
)
def test_a_model_is_no_list_of_parameters(take):
    with pytest.raises(TypeError, match=r"this is a Linear: pass its \.parameters\(\)"):
        take(nn.Linear(2, 1))


def test_ema_of_a_single_parameter_is_refused():
    with pytest.raises(TypeError, match=r"a single parameter w is given as \[w\]"):
        optim.EMA(parameter([1.0, 2.0]))


def test_an_update_of_ones_own_takes_the_place_of_that_of_sgd():
    class SignSGD(optim.SGD):
        def update(self, g, p, state, group):
            return group["lr"] * np.sign(g), state

    w = parameter([1.0, 2.0])
    w.grad = np.array([5.0, -7.0])
    SignSGD([w], lr=0.5).step()
    np.testing.assert_array_equal(w.data, [0.5, 2.5])
