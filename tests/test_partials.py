"""What rules return, before the engine fits it, and whose memory it is: properties of every row.

`Node.fit` sums a partial to the shape of its input and casts it to the dtype of its input. So a
gradient at the end of a pass has the right shape and dtype whatever its rule computed. Here the
partials themselves are looked at.
"""

import copy

import numpy as np
import pytest
from test_activation import ACTIVATIONS
from test_losses import CALLS
from test_rules import TABLE, at
from test_rules_linalg import TABLE as LINALG_TABLE
from test_rules_shapes import TABLE as SHAPES_TABLE
from test_rules_shapes import name, parts

from tinygrad_edu import Tensor, index_update, nn, optim
from tinygrad_edu.graph import apply, behind, plain
from tinygrad_edu.numpy_api import elementwise

ROWS = TABLE + LINALG_TABLE + SHAPES_TABLE
# These make float64 of float32.
WIDENED = {elementwise.convert, np.bincount, np.float_power, getattr(np, "astype", None)}

every_row = pytest.mark.parametrize("row", ROWS, ids=name)


def tracked(x):
    return isinstance(x, Tensor) and x.requires_grad


def operations(row, dtype):
    """The nodes that a row makes of inputs of this dtype, those of its derivatives among them."""
    xs = [Tensor(x.astype(dtype), requires_grad=True) for x in at(row)]
    sum((out * out).sum() for out in parts(row.f(*xs))).backward(create_graph=True)
    slopes = [x.grad for x in xs if x.grad is not None]
    nodes = {node for slope in slopes for node in behind(slope) if node.rule is not None}
    return sorted(nodes, key=lambda node: node.birth)


def returned(node, g):
    """Each tracked input with the partial that the rule of node returns for it."""
    partials = node.rule(g, *node.seen, **node.options)
    partials = partials if isinstance(partials, tuple) else (partials,)
    for x, partial in zip(node.inputs, partials, strict=True):
        if tracked(x) and partial is not None:
            yield x, partial() if callable(partial) else partial


def expect_partials_like(nodes):
    """What the rule of each node returns is of the node's dtype, and fits its input."""
    assert nodes
    for node in nodes:
        for x, partial in returned(node, np.ones_like(node.data)):
            assert partial.dtype == node.dtype, node.rule
            assert np.broadcast_shapes(partial.shape, x.shape) == partial.shape, node.rule


@every_row
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rule_computes_in_the_dtype_of_its_inputs(row, dtype):
    nodes = operations(row, dtype)
    expect_partials_like(nodes)
    assert row.function in WIDENED or {node.dtype for node in nodes} == {np.dtype(dtype)}


def expect_memory_of_their_own(leaves, *others):
    """No gradient shares memory with another, with data or `others`; each can be written to."""
    grads = [plain(x.grad) for x in leaves if x.grad is not None]
    assert grads
    assert all(grad.flags.writeable for grad in grads)
    for i, grad in enumerate(grads):
        for x in [*grads[:i], *[plain(leaf) for leaf in leaves], *others]:
            assert not np.shares_memory(grad, x)


def leaves_in_place_of(inputs):
    return [Tensor(x.data, requires_grad=True) if tracked(x) else plain(x) for x in inputs]


@every_row
@pytest.mark.parametrize("create_graph", [False, True])
def test_no_gradient_shares_memory_and_all_can_be_written_to(row, create_graph):
    """Each operation on leaves, twice, so that one g comes to both; and once more, to add."""
    for node in operations(row, np.float64):
        one, other = leaves_in_place_of(node.inputs), leaves_in_place_of(node.inputs)
        outs = [apply(node.function, *xs, **node.options) for xs in (one, other)]
        seed = np.ones(outs[0].shape)
        leaves = [x for x in one + other if tracked(x)]
        for _ in range(2):
            (outs[0] + outs[1]).backward(seed, create_graph)
            expect_memory_of_their_own(leaves, seed, *[out.data for out in outs])


LAYERS = [
    (nn.Linear(4, 2), (5, 4)),
    (nn.Linear(4, 2), (4,)),
    (nn.PReLU(4), (5, 4)),
    (nn.Conv1d(4, 2, 3), (2, 4, 5)),
    (nn.Conv2d(4, 2, 3, padding=1), (2, 4, 3, 3)),
    (nn.ConvTranspose2d(4, 2, 3), (2, 4, 3, 3)),
    (nn.BatchNorm1d(4), (5, 4)),
    (nn.BatchNorm2d(4), (2, 4, 3, 3)),
    (nn.LayerNorm(4), (5, 4)),
    (nn.RMSNorm(4), (5, 4)),
    (nn.GroupNorm(2, 4), (5, 4)),
    (nn.RNN(4, 3), (5, 2, 4)),
    (nn.GRU(4, 3), (5, 2, 4)),
    (nn.LSTM(4, 3), (5, 2, 4)),
    (nn.MultiheadAttention(4, 2), (5, 2, 4)),
    (nn.TransformerEncoderLayer(4, 2, 8), (5, 2, 4)),
    (nn.Embedding(3, 4), None),
]


every_layer = pytest.mark.parametrize(
    ("layer", "shape"), LAYERS, ids=lambda x: type(x).__name__ if isinstance(x, nn.Module) else ""
)


def results(layer, x):
    out = layer(x, x, x) if isinstance(layer, nn.MultiheadAttention) else layer(x)
    return out[0] if isinstance(out, tuple) else out


def input_of(shape, dtype=float):
    x = np.random.default_rng(0).standard_normal(shape or ())
    return Tensor(x.astype(dtype), requires_grad=True) if shape else np.array([0, 2, 0])


def expect_float32(out):
    nodes = [node for node in behind(out) if node.rule is not None]
    expect_partials_like(nodes)
    assert {node.dtype for node in nodes} == {np.dtype(np.float32)}


@every_layer
def test_a_layer_computes_in_float32(layer, shape):
    layer = copy.deepcopy(layer).astype(np.float32)
    expect_float32(results(layer, input_of(shape, np.float32)))


@pytest.mark.parametrize("loss", CALLS, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_loss_computes_in_float32(loss, reduction):
    x, *rest = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in CALLS[loss]]
    expect_float32(loss(Tensor(x, requires_grad=True), *rest, reduction=reduction))


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_an_activation_computes_in_float32(case):
    expect_float32(ACTIVATIONS[case][0](input_of((2, 4), np.float32)))


@every_layer
def test_the_gradients_of_a_layer_share_no_memory_and_are_clipped_once(layer, shape):
    x = input_of(shape)
    layer.zero_grad()
    out = results(layer, x) + results(layer, x)
    seed = np.ones(out.shape)
    out.backward(seed)
    leaves = [*layer.parameters(), *([x] if shape else [])]
    expect_memory_of_their_own(leaves, seed, out.data)
    before = [leaf.grad.copy() for leaf in leaves]
    total = optim.clip_grad_norm_(leaves, 0.5)
    for leaf, grad in zip(leaves, before, strict=True):
        np.testing.assert_allclose(leaf.grad, grad * 0.5 / (total + 1e-6), rtol=1e-12)


def test_the_gradients_of_an_update_are_clipped_once():
    """index_update once handed out views of one gradient, which were then scaled twice."""
    a, b = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    x = np.zeros(3)
    (index_update(x, slice(0, 2), a) + index_update(x, slice(0, 2), b)).sum().backward()
    optim.clip_grad_norm_([a, b], 1.0)
    np.testing.assert_allclose([a.grad, b.grad], np.full((2, 2), 0.5), rtol=1e-5)
