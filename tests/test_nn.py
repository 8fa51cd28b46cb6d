"""Modules and layers: how parameters are found, named, saved and drawn at random."""

import copy
import pickle
from collections import namedtuple

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, losses, manual_seed, nn, no_grad, optim


def weight(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


class Block(nn.Module):
    """One parameter in every kind of place."""

    def __init__(self):
        self.scale = weight(2)
        self.width = 3  # neither parameter nor module
        self.layers = [nn.Linear(2, 3), (nn.Tanh(), weight(1))]
        self.heads = {"left": nn.Linear(3, 1, bias=False), "right": {"bias": weight(4)}}
        self.shift = Value(1.0)


NAMES = [
    "scale",
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.1",
    "heads.left.weight",
    "heads.right.bias",
    "shift",
]


def test_parameters_are_found_in_the_order_of_definition():
    block = Block()
    named = dict(block.named_parameters())
    assert list(named) == NAMES
    assert named["layers.1.1"] is block.layers[1][1]
    assert named["heads.right.bias"] is block.heads["right"]["bias"]
    assert all(p is q for p, q in zip(block.parameters(), named.values(), strict=True))


def test_a_shared_parameter_is_listed_once_under_its_first_name():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert list(model.state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.1.bias"]
    layer = nn.Linear(2, 2)
    assert len(nn.Sequential(layer, nn.ReLU(), layer).parameters()) == 2


def test_a_module_may_know_its_parent():
    parent, child = nn.Module(), nn.Linear(2, 2)
    parent.child, child.parent = child, parent
    assert list(parent.modules()) == [parent, child]
    assert len(parent.parameters()) == 2


def test_what_a_module_computed_is_no_parameter():
    layer = nn.Linear(2, 3)
    layer.last = layer(np.ones((4, 2)))
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_calls_are_watched_in_a_block_only():
    model = nn.Sequential(nn.Linear(2, 3), nn.Residual(nn.Tanh()))
    ended = []
    with model.watched(lambda path, y: ended.append((path, y.shape, list(calls)))) as calls:
        model(np.ones((4, 2)))
        with pytest.raises(ValueError, match="takes x of shape"):
            model(np.ones((4, 5)))
        assert calls == []
        assert isinstance(model[0], nn.Linear)
    model(np.ones((4, 2)))
    assert ended == [
        ("layers.0", (4, 3), [""]),
        ("layers.1.layer", (4, 3), ["", "layers.1"]),
        ("layers.1", (4, 3), [""]),
        ("", (4, 3), []),
    ]
    kinds = [nn.Sequential, nn.Linear, nn.Residual, nn.Tanh]
    assert [type(module) for module in model.modules()] == kinds


def test_without_call_a_module_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="Block has no __call__"):
        Block()(1.0)


class Counter(nn.Module):
    """Counts what it has seen, in arrays that are no parameters."""

    def __init__(self):
        self.weight = weight(2)
        self.seen = np.array(0)
        self.total = np.zeros(2)

    def __call__(self, x):
        self.seen += len(x)
        self.total += x.sum(axis=0)
        return x * self.weight


def test_plain_arrays_are_saved_and_not_trained():
    model, other = nn.Sequential(Counter()), nn.Sequential(Counter())
    model(np.ones((3, 2)))
    assert [name for name, _ in model.named_parameters()] == ["layers.0.weight"]
    assert [name for name, _ in model.named_buffers()] == ["layers.0.seen", "layers.0.total"]
    state = model.state_dict()
    model(np.ones((3, 2)))
    assert state["layers.0.seen"] == 3  # a copy
    other.load_state_dict(state)
    assert other[0].seen == 3
    np.testing.assert_array_equal(other[0].total, [3.0, 3.0])
    other.astype(np.float32)
    assert other[0].total.dtype == np.float32
    assert other[0].seen.dtype == np.int64


Pair = namedtuple("Pair", "low high")


class Buffers(nn.Module):
    """An array in every kind of place, one of them in two."""

    def __init__(self, start=0.0):
        self.shared = np.full(2, start)
        self.both = [np.full(3, start), (np.full((), start), self.shared)]
        self.bounds = Pair(np.full(1, start), {"deep": [np.full(2, start)]})
        self.inner = {"a": nn.BatchNorm1d(2)}
        self.count = {"n": np.array(int(start))}
        self.kind, self.size = np.ndarray, np.float64(3.0)  # no arrays


def test_arrays_in_lists_tuples_and_dicts_are_saved_as_well():
    model, other = Buffers(5.0), Buffers()
    assert [name for name, _ in model.named_buffers()] == [
        "shared",
        "both.0",
        "both.1.0",
        "bounds.0",
        "bounds.1.deep.0",
        "inner.a.running_mean",
        "inner.a.running_var",
        "inner.a.num_batches_tracked",
        "count.n",
    ]
    other.load_state_dict(model.state_dict())
    np.testing.assert_equal(other.state_dict(), model.state_dict())
    assert other.both[1][1] is other.shared  # what was shared is shared
    assert type(other.bounds) is Pair
    np.testing.assert_array_equal(other.both[1][0], 5.0)
    np.testing.assert_array_equal(other.bounds.low, [5.0])

    single = model.astype(np.float32)
    dtypes = {name: str(x.dtype) for name, x in single.named_buffers()}
    assert {name for name, dtype in dtypes.items() if dtype != "float32"} == {
        "inner.a.num_batches_tracked",
        "count.n",
    }
    assert single.both[1][1] is single.shared


def test_loading_leaves_the_graphs_of_before_as_they_were():
    class Scaled(nn.Module):
        def __init__(self):
            self.weight, self.scale = weight(2), [np.full(2, 3.0)]

    model = Scaled()
    loss = (model.weight * model.scale[0]).sum()
    model.load_state_dict({"weight": np.zeros(2), "scale.0": np.zeros(2)})
    loss.backward()
    np.testing.assert_array_equal(model.weight.grad, [3.0, 3.0])


def test_what_a_module_only_remembers_is_neither_trained_nor_saved():
    class Cached(nn.Linear):
        def __call__(self, x):
            self.x, self.number = Tensor(x), Value(1.0, requires_grad=False)
            with no_grad():
                self.last = super().__call__(x)
            return super().__call__(x)

    layer = Cached(3, 2)
    layer(np.ones((4, 3)))
    assert list(dict(layer.named_parameters())) == ["weight", "bias"]
    assert list(layer.state_dict()) == ["weight", "bias"]
    Cached(3, 2).load_state_dict(layer.state_dict())


@pytest.mark.parametrize(
    "duplicate", [lambda x: x, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_frozen_parameter_is_still_one(duplicate):
    model = nn.Sequential(nn.Linear(2, 2), nn.Neuron(2))
    names = list(model.state_dict())
    for p in model.parameters():
        p.requires_grad = False
    model = duplicate(model)
    assert list(dict(model.named_parameters())) == list(model.state_dict()) == names
    fresh = nn.Sequential(nn.Linear(2, 2), nn.Neuron(2))
    model.load_state_dict(fresh.state_dict())
    np.testing.assert_equal(model.state_dict(), fresh.state_dict())
    assert not any(p.requires_grad for p in model.parameters())
    for p in model.parameters():
        p.requires_grad = True
    model[0](np.ones(2)).sum().backward()
    np.testing.assert_array_equal(model[0].bias.grad, [1.0, 1.0])


def test_a_tensor_that_is_tracked_later_is_a_parameter():
    model = nn.Module()
    model.w = Tensor([1.0])
    assert model.parameters() == []
    model.w.requires_grad = True
    assert list(model.state_dict()) == ["w"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"a.b": weight(1), "a": {"b": weight(1)}},
        lambda: {0: weight(1), "0": weight(1)},
        lambda: {"1.2": weight(1), 1: {2: weight(1)}},
        lambda: {"0.weight": weight(2, 2), 0: nn.Linear(2, 2)},
        lambda: {0: nn.Linear(2, 2), "0": nn.Linear(2, 2)},
        lambda: {True: np.zeros(1), "True": weight(1)},
    ],
)
def test_two_parts_with_one_path_are_refused(make):
    model = nn.Module()
    model.parts = make()
    for names in (model.named_parameters, model.named_buffers, model.named_modules):
        with pytest.raises(ValueError, match=r"two parts of this Module have the path 'parts\."):
            list(names())
    with pytest.raises(ValueError, match="two parts"):
        model.state_dict()
    with pytest.raises(ValueError, match="two parts"):
        model.load_state_dict({})


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (np.zeros(2), np.array([1j, 2])),
        (np.zeros(2), ["1", "2"]),
        (np.zeros(()), None),
        (np.zeros(2, int), np.array([0.5, 1.0])),
        (np.zeros(2, np.int8), np.array([300, 1])),
        (np.zeros(2, np.uint8), np.array([-1, 1])),
        (np.zeros(2, bool), np.array([2, 0])),
        (np.array(["ab"]), np.array(["abc"])),
    ],
)
def test_numbers_of_another_kind_are_refused(mine, theirs):
    model = nn.Module()
    model.first, model.x = weight(1), mine
    with pytest.raises(ValueError, match=f"x: .*expected {mine.dtype}"):
        model.load_state_dict({"first": np.zeros(1), "x": theirs})
    assert model.x is mine
    np.testing.assert_array_equal(model.first.data, [1.0])


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (np.zeros(2), Tensor([1.0, 2.0], requires_grad=True)),
        (np.zeros(2), [1, 2]),
        (np.zeros(2, np.float32), np.array([0.1, np.nan])),
        (np.zeros(2, int), np.array([3, 4], np.int8)),
        (np.array(["abc"]), np.array(["ab"])),
    ],
)
def test_numbers_of_the_same_kind_are_taken(mine, theirs):
    model = nn.Module()
    model.x = mine
    model.load_state_dict({"x": theirs})
    expected = np.asarray(theirs.data if isinstance(theirs, Tensor) else theirs)
    np.testing.assert_array_equal(model.x, expected.astype(mine.dtype))
    assert model.x.dtype == mine.dtype


def test_state_dict_is_a_copy():
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    before = state["weight"].copy()
    layer.weight.data += 1
    np.testing.assert_array_equal(state["weight"], before)
    layer.load_state_dict(state)
    np.testing.assert_array_equal(layer.weight.data, before)
    layer.weight.data += 1
    np.testing.assert_array_equal(state["weight"], before)


def test_a_state_goes_from_one_model_to_another_through_a_file(tmp_path):
    block, other = Block(), Block()
    np.savez(tmp_path / "state.npz", **block.state_dict())
    with np.load(tmp_path / "state.npz") as state:
        other.load_state_dict(state)
    assert isinstance(other.shift.data, float)
    for p, q in zip(block.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_state_takes_the_dtype_of_the_parameters():
    single = nn.Linear(2, 2, dtype=np.float32)
    single.load_state_dict(nn.Linear(2, 2).state_dict())
    assert single.weight.dtype == np.float32


def test_load_state_dict_lists_every_problem_and_loads_nothing():
    layer = nn.Linear(2, 3)
    before = layer.state_dict()
    with pytest.raises(ValueError, match="nothing was loaded") as error:
        layer.load_state_dict({"weight": np.zeros((3, 2)), "wieght": np.zeros((2, 3))})
    assert str(error.value).splitlines() == [
        "this state does not fit Linear, and nothing was loaded:",
        "  missing: bias",
        "  unknown: wieght",
        "  weight: shape (3, 2), expected (2, 3)",
    ]
    np.testing.assert_equal(layer.state_dict(), before)


def test_load_state_dict_loads_nothing_if_the_last_entry_is_no_number():
    layer = nn.Linear(2, 2)
    before = layer.state_dict()
    with pytest.raises(ValueError, match=r"bias: <U3 \['one' 'two'\], expected float64"):
        layer.load_state_dict({"weight": np.zeros((2, 2)), "bias": ["one", "two"]})
    np.testing.assert_equal(layer.state_dict(), before)


def test_train_and_eval_reach_every_module():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))
    model.both = {"a": [nn.Tanh()]}
    assert len(list(model.modules())) == 5
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    model.train()
    assert all(module.training for module in model.modules())


def test_zero_grad_forgets_every_gradient():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model(np.ones((3, 2))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_float32_stays_float32_through_training(kind):
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).astype(np.float32)
    optimizer = kind(model.parameters(), lr=0.1)
    x = np.ones((4, 2), np.float32)
    for _ in range(3):
        loss = losses.cross_entropy(model(x), [0, 1, 1, 0])
        model.zero_grad()
        loss.backward()
        optimizer.step()
        assert loss.dtype == np.float32
        assert {p.data.dtype for p in model.parameters()} == {np.dtype(np.float32)}
        assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_astype_forgets_gradients_and_returns_the_model():
    layer = nn.Linear(2, 2)
    layer(np.ones(2)).sum().backward()
    assert layer.astype(np.float32) is layer
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    ("module", "dtype", "message"),
    [
        (nn.Linear(2, 2), int, "int64 is another dtype"),
        (nn.Neuron(2), np.float32, "a Value is a Python float"),
    ],
)
def test_astype_refuses_what_it_cannot_do(module, dtype, message):
    with pytest.raises(TypeError, match=message):
        module.astype(dtype)


def test_repr_shows_the_parts_with_their_paths():
    model = nn.Sequential(
        nn.Linear(2, 16), nn.Sequential(nn.Tanh(), nn.ReLU()), nn.Linear(16, 1, bias=False)
    )
    assert repr(model) == (
        "Sequential(\n"
        "  (layers.0): Linear(in_features=2, out_features=16)\n"
        "  (layers.1): Sequential(\n"
        "    (layers.0): Tanh()\n"
        "    (layers.1): ReLU()\n"
        "  )\n"
        "  (layers.2): Linear(in_features=16, out_features=1, bias=False)\n"
        ")"
    )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_model_has_parameters_of_its_own(duplicate):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    twin = duplicate(model)
    assert len(twin.parameters()) == 3  # what is shared stays shared
    np.testing.assert_equal(twin.state_dict(), model.state_dict())
    twin[0].weight.data += 1
    assert np.all(twin[0].weight.data != model[0].weight.data)


def test_linear_names_its_parameters_and_starts_them_as_pytorch_does():
    layer = nn.Linear(100, 30)
    assert [p.name for p in layer.parameters()] == ["weight", "bias"]
    assert [p.shape for p in layer.parameters()] == [(100, 30), (30,)]
    assert all(p.requires_grad and p.dtype == float for p in layer.parameters())
    assert np.abs(layer.weight.data).max() <= 0.1
    assert np.var(layer.weight.data) == pytest.approx(0.1**2 / 3, rel=0.05)
    assert np.abs(layer.bias.data).max() <= 0.1


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)])
def test_linear_takes_any_number_of_axes(shape, bias):
    layer = nn.Linear(3, 2, bias)
    x = np.random.default_rng(0).standard_normal(shape)
    out = layer(x)
    np.testing.assert_allclose(out.data, x @ layer.weight.data + (layer.bias.data if bias else 0))
    out.sum().backward()
    np.testing.assert_allclose(layer.weight.grad, np.stack([x.reshape(-1, 3).sum(0)] * 2, 1))
    if bias:
        np.testing.assert_array_equal(layer.bias.grad, [x.size // 3] * 2)


def test_linear_takes_a_list():
    layer = nn.Linear(2, 1)
    layer([[1.0, 2.0], [3.0, 4.0]]).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, [[4.0], [6.0]])


@pytest.mark.parametrize("bias", [True, False])
def test_linear_of_a_wrong_width_names_both_shapes(bias):
    with pytest.raises(ValueError, match=r"in_features=3.*x of shape \(\.\.\., 3\).*\(5, 4\)"):
        nn.Linear(3, 2, bias)(np.ones((5, 4)))


@pytest.mark.parametrize(("n", "m"), [(0, 2), (2, 0), (-1, 2)])
def test_linear_without_features_is_refused(n, m):
    with pytest.raises(ValueError, match=f"not {n} in and {m} out"):
        nn.Linear(n, m)


def test_the_same_seed_gives_the_same_weights():
    manual_seed(1)
    first, second = nn.Linear(3, 3).state_dict(), nn.Linear(3, 3).state_dict()
    manual_seed(1)
    np.testing.assert_equal(nn.Linear(3, 3).state_dict(), first)
    assert np.all(first["weight"] != second["weight"])


def test_an_rng_of_one_s_own_is_apart_from_the_seed():
    manual_seed(1)
    expected = nn.Linear(3, 3).state_dict()
    manual_seed(1)
    mine = nn.Linear(3, 3, rng=np.random.default_rng(5)).state_dict()
    np.testing.assert_equal(nn.Linear(3, 3).state_dict(), expected)
    manual_seed(2)
    again = nn.Linear(3, 3, rng=np.random.default_rng(5)).state_dict()
    np.testing.assert_equal(again, mine)


def test_numpy_s_global_generator_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002
    manual_seed(3)
    nn.Linear(3, 3)
    np.testing.assert_equal(np.random.get_state(), before)  # noqa: NPY002


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match=r"rng=np\.random\.default_rng\(seed\)"):
        nn.Linear(2, 2, rng=7)


def test_sequential_applies_its_parts_in_turn():
    model = nn.Sequential(lambda x: x + 1, nn.ReLU(), lambda x: 2 * x)
    np.testing.assert_array_equal(model(Tensor([-3.0, 1.0])).data, [0.0, 4.0])
    assert len(model) == 3
    assert model[1] is list(model)[1]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (3, "3 cannot be called"),
        ([nn.ReLU()], r"\[ReLU\(\)\] cannot be called"),
        (nn.ReLU, r"ReLU is a class: write ReLU\(\)"),
    ],
)
def test_sequential_refuses_what_is_no_layer(layer, message):
    with pytest.raises(TypeError, match=message):
        nn.Sequential(nn.Tanh(), layer)


def test_a_model_under_no_grad_makes_no_graph():
    with no_grad():
        out = nn.Sequential(nn.Linear(2, 2), nn.Tanh())(np.ones(2))
    assert not out.requires_grad
