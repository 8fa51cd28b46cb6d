"""describe: modules as groups, folds, small tables, local derivatives."""

import json

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, gradcheck, losses, nn, viz
from tinygrad_edu.modes import RECORDING
from tinygrad_edu.viz import describe
from tinygrad_edu.viz.words.steps import steps_of


def network():
    """Loss, model and record of a network of three layers."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Tanh(), nn.Sequential(nn.Linear(3, 1)))
    with viz.record(model, lines=True) as made:
        loss = losses.mse_loss(model(rng.standard_normal((4, 2))), np.zeros((4, 1)))
    return loss, model, made


def test_nodes_know_their_module_and_their_line():
    loss, _, made = network()
    graph = describe(loss, record=made)
    modules = {node.operation or node.name: node.module for node in graph.nodes}
    assert modules["tanh"] == "layers.1"
    assert modules["linear"] == "layers.2.layers.0"  # the second one
    assert modules["weight"] == "layers.2.layers.0"
    assert modules["mean"] is None
    assert graph.nodes[-3].line is None  # constants
    made_here = [node.line for node in graph.nodes if node.operation]
    assert all(line.startswith(__file__) for line in made_here)


def test_groups_are_nested_as_the_modules_are():
    loss, _, made = network()
    groups = {group.path: group for group in describe(loss, record=made).groups}
    assert groups[""].parent is None
    assert groups["layers.2"].parent == ""
    assert groups["layers.2.layers.0"].parent == "layers.2"
    assert groups["layers.2"].kind == "Sequential"


@pytest.mark.parametrize(
    ("depth", "names"),
    [
        (0, [""]),
        (1, ["layers.0", "layers.1", "layers.2"]),
        (2, ["layers.0", "layers.1", "layers.2.layers.0"]),
    ],
)
def test_depth_folds_modules_into_one_node_each(depth, names):
    loss, _, made = network()
    graph = describe(loss, record=made, depth=depth)
    assert [node.name for node in graph.nodes if node.role == "module"] == names


def test_a_fold_has_the_class_the_size_and_the_gradient_of_what_leaves_it():
    loss, model, made = network()
    whole, graph = describe(loss, record=made), describe(loss, record=made, depth=1)
    layer = next(node for node in graph.nodes if node.name == "layers.0")
    assert (layer.operation, layer.value) == ("Linear", "1 operation, 9 parameters")
    linear = next(node for node in whole.nodes if node.operation == "linear")
    assert (layer.shape, layer.gradient, layer.values) == (
        linear.shape,
        linear.gradient,
        linear.values,
    )
    assert model[0].weight.grad is None


def test_edges_into_a_fold_carry_the_sum_of_what_flows_back():
    class Square(nn.Module):
        def __call__(self, x):
            return x * x + x

    model, x = Square(), Tensor([3.0, -1.0], requires_grad=True, name="x")
    with viz.record(model) as made:
        loss = model(x).sum()
    graph = describe(loss, record=made, depth=0)
    (edge,) = [edge for edge in graph.edges if graph.nodes[edge.source].name == "x"]
    assert edge.contributions.rows == ((7.0, -1.0),)
    assert edge.contribution == pytest.approx(np.hypot(7, 1))
    assert edge.formula is None


class Halves(nn.Module):
    """Two values that leave it, of different shapes."""

    def __call__(self, x):
        return x.tanh(), (x * 3.0)[:, :1]


class Product(nn.Module):
    def __call__(self, a, b):
        return a * b + a


class Pair(nn.Module):
    def __init__(self, are_folded):
        self.halves, self.product = Halves(), Product()
        self.are_folded = are_folded

    def __call__(self, x):
        a, b = self.halves(x)
        return self.product(a, b) if self.are_folded else a * b + a


def pair(are_folded):
    """The graph of two layers, and the norm of what flows back to the two values between them."""
    x = np.array([[0.5, -1.0], [2.0, 0.25]])
    model, tracked = Pair(are_folded), Tensor(x, requires_grad=True, name="x")
    with viz.record(model) as made:
        loss = model(tracked).sum()
    into_first, into_second = 3 * x[:, :1] + 1, np.tanh(x)  # of a b + a
    sizes = np.linalg.norm(np.broadcast_to(into_first, x.shape)), np.linalg.norm(into_second.sum(1))
    return describe(loss, record=made, depth=1), np.hypot(*sizes)


def test_all_that_goes_from_one_folded_module_to_another_is_one_edge():
    graph, norm = pair(are_folded=True)
    edges = {(graph.nodes[e.source].name, graph.nodes[e.target].name): e for e in graph.edges}
    assert len(edges) == len(graph.edges) == 3
    edge = edges["halves", "product"]
    assert (edge.count, edge.contributions, edge.formula) == (2, None, None)
    assert edge.contribution == pytest.approx(norm)
    assert edges["x", "halves"].count == 1
    (halves,) = [node for node in graph.nodes if node.name == "halves"]
    assert (halves.leaving, halves.norm) == (2, pytest.approx(norm))
    assert halves.gradient == f"norm {norm:.4g}"
    assert halves.gradients is None
    assert halves.value.endswith(", 2 values leave")
    assert (edge.size, halves.size) == (6, 6)  # of shapes (2, 2) and (2, 1)


@pytest.mark.parametrize("are_folded", [True, False])
def test_the_steps_of_values_of_different_shapes_add_up(are_folded):
    """Their sum does not exist: after the last of them their norm as one is the gradient."""
    graph, norm = pair(are_folded)
    parts = [
        part
        for step in steps_of(graph)
        for part in step.contributions
        if graph.nodes[part.target].name == "halves"
    ]
    assert [part.total for part in parts[:-1]] == [None] * (len(parts) - 1)
    assert parts[-1].total == pytest.approx(norm)
    assert len(parts) == (1 if are_folded else 3)
    assert str(parts[-1]).count("so far norm") == (not are_folded)
    if not are_folded:
        assert str(parts[0]).count("so far") == 0
    assert sum(part.sizes[0] for part in parts) == (6 if are_folded else 2 + 4 + 4)
    assert {part.sizes[1] for part in parts} == {6}


def test_a_convolutional_network():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    images = Tensor(rng.standard_normal((5, 1, 4, 4)), requires_grad=True, name="images")
    with viz.record(model) as made:
        loss = losses.cross_entropy(model(images), np.arange(5) % 3)
    loss.backward()
    graph = describe(loss, record=made)
    nodes = {node.name: node for node in graph.nodes if node.module in (None, "layers.0")}
    assert nodes["weight"].shape == (2, 1, 3, 3)
    assert nodes["weight"].norm == pytest.approx(np.linalg.norm(model[0].weight.grad.data))
    assert nodes["images"].norm == pytest.approx(np.linalg.norm(images.grad.data))
    made_there = {node.operation for node in graph.nodes if node.module == "layers.0"}
    assert {"unfold", "filtered", "add"} <= made_there

    folded = describe(loss, record=made, depth=1)
    layers = [node for node in folded.nodes if node.role == "module"]
    assert [(node.operation, node.shape) for node in layers] == [
        ("Conv2d", (5, 2, 2, 2)),
        ("ReLU", (5, 2, 2, 2)),
        ("Flatten", (5, 8)),
        ("Linear", (5, 3)),
    ]
    assert layers[0].value.endswith("operations, 20 parameters")
    assert folded.edges[0].contribution == nodes["images"].norm


def test_an_input_array_is_drawn_into_a_fold_and_numbers_are_not():
    loss, _, made = network()
    graph = describe(loss, record=made, depth=1)
    sources = [graph.nodes[edge.source] for edge in graph.edges if edge.target == 0]
    assert [(node.role, node.shape) for node in sources] == [("constant", (4, 2))]
    dropped = nn.Dropout(0.5)
    with viz.record(dropped) as made:
        out = dropped(Tensor(np.ones(3), requires_grad=True)).sum()
    assert len(describe(out, record=made, depth=0).nodes) == 3


def test_a_module_that_is_called_twice_is_two_nodes():
    """As one it would stand before and after what lies between: a circle in the graph."""

    class Twice(nn.Module):
        def __init__(self):
            self.shared, self.between = nn.Linear(2, 2), nn.Tanh()

        def __call__(self, x):
            return self.shared(self.between(self.shared(x)))

    model = Twice()
    with viz.record(model) as made:
        loss = np.sum(model(np.ones((1, 2))))
    graph = describe(loss, record=made, depth=1)
    assert [(node.name, node.value) for node in graph.nodes if node.role == "module"] == [
        ("shared", "1 operation, 6 parameters"),
        ("between", "1 operation"),
        ("shared", "1 operation, 6 parameters"),
    ]
    assert [(edge.source, edge.target) for edge in graph.edges] == [(4, 0), (0, 1), (1, 2), (2, 3)]
    lines = [line.split(" ")[0] for step in steps_of(graph) for line in str(step).splitlines()]
    assert lines == ["dL/dL", "dL/dshared_2", "dL/dbetween", "dL/dshared_1"]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_layers_of_a_transformer_go_one_way(depth):
    model = nn.TransformerEncoderLayer(4, 2, 4)  # with one Dropout, called three times
    with viz.record(model) as made:
        loss = np.sum(model(Tensor(np.ones((1, 3, 4)), requires_grad=True)))
    graph = describe(loss, record=made, depth=depth)
    births = [node.birth for node in graph.nodes]
    edges = [edge for edge in graph.edges if births[edge.source] is not None]
    assert all(births[edge.source] < births[edge.target] for edge in edges)


def test_depth_needs_a_record():
    loss, _, _ = network()
    with pytest.raises(ValueError, match=r"viz\.record\(model\)"):
        describe(loss, depth=1)


def test_record_leaves_the_classes_and_the_recording_as_they_were():
    _, model, _ = network()
    assert type(model) is nn.Sequential
    assert type(model[0]) is nn.Linear
    assert RECORDING.get() is True
    with pytest.raises(ValueError, match="takes x of shape"), viz.record(model):
        model(np.ones((4, 7)))
    assert type(model[0]) is nn.Linear
    assert RECORDING.get() is True


def test_small_arrays_are_tables_and_large_ones_the_means_of_parts():
    x = np.arange(64.0).reshape(16, 4)
    leaf = Tensor(x, requires_grad=True)
    node = describe((leaf[:2] * 2.0).sum()).nodes[0]
    assert not node.values.exact
    np.testing.assert_allclose(node.values.rows, x.reshape(8, 2, 4).mean(1))
    small = describe(Tensor([[1.0, 2.0]], requires_grad=True).sum()).nodes[0]
    assert (small.values.rows, small.values.exact) == (((1.0, 2.0),), True)
    assert small.gradients.rows == ((1.0, 1.0),)


@pytest.mark.parametrize("size", [1e300, 1e200, 1.0, 1e-160, 1e-200, 5e-324])
def test_the_norm_of_huge_and_of_tiny_gradients_neither_overflows_nor_vanishes(size):
    x = Tensor(np.zeros(4), requires_grad=True)
    node = describe((x * size).sum()).nodes[0]
    assert node.norm == pytest.approx(2 * size, rel=1e-12)
    assert node.gradient == f"norm {2 * size:.4g}"


@pytest.mark.parametrize(("odd", "norm"), [(np.inf, np.inf), (-np.inf, np.inf), (np.nan, np.nan)])
def test_the_norm_of_what_is_not_finite_is_not_finite(odd, norm):
    x = Tensor(np.ones(3), requires_grad=True)
    node = describe((x * np.array([1.0, odd, 0.0])).sum()).nodes[0]
    assert node.norm == pytest.approx(norm, nan_ok=True)


def test_local_derivatives_are_those_of_the_rules():
    w, x = Value(2.0, name="w"), Value(0.5, name="x")
    edges = describe(3.0 * (w * x).tanh()).edges
    assert [edge.local for edge in edges if edge.local is not None] == pytest.approx(
        [0.5, 2.0, 1 - np.tanh(1.0) ** 2, 3.0]
    )
    row = Tensor([1.0, 2.0], requires_grad=True)
    assert [edge.local for edge in describe(row.sum()).edges] == [None]


def test_the_json_is_strict_even_where_numbers_are_not_finite():
    with np.errstate(all="ignore"):
        graph = describe(np.log(Tensor([0.0, 1.0], requires_grad=True)).sum())
    data = json.loads(graph.json(), parse_constant=pytest.fail)
    assert data["nodes"][-1]["value"] == "-inf"
    assert data["nodes"][0]["gradients"]["rows"] == [["inf", 1.0]]


def test_describing_leaves_gradients_and_the_graph_as_they_were():
    loss, model, made = network()
    loss.backward()
    before = [p.grad.copy() for p in model.parameters()]
    describe(loss, record=made, depth=1)
    for p, g in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.grad, g)
    loss.backward()
    np.testing.assert_allclose(model[0].weight.grad, 2 * before[0])
    gradcheck(lambda x: losses.mse_loss(model(x), np.zeros((4, 1))), np.ones((4, 2)))
