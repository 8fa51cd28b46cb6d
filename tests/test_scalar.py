"""The scalar network: what nn.Neuron, nn.Layer and nn.MLP promise."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, nn, optim, relu
from tinygrad_edu.rng import manual_seed

SIZES = [16, 16, 1]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def backpropagated(model, rows):
    """The outputs of `model` on each row, after the gradient of their sum has been computed."""
    scores = [model(row) for row in rows]
    sum(scores).backward()
    return scores


def nodes_behind(*roots):
    """Every node that the roots were made from, themselves included."""
    found, queue = set(), list(roots)
    while queue:
        node = queue.pop()
        if isinstance(node, Value) and node not in found:
            found.add(node)
            queue += node.inputs
    return found


def test_parameters_are_counted_and_named(rng):
    model = nn.MLP(2, SIZES, rng=rng)
    names = dict(model.named_parameters())
    assert len(model.parameters()) == len(names) == 337
    assert names["layers.0.neurons.3.weights.1"] is model.layers[0].neurons[3].weights[1]
    assert [p.name for p in model.layers[0].neurons[0].parameters()] == ["w0", "w1", "b"]


def test_a_neuron_is_relu_of_a_weighted_sum(rng):
    x = [0.5, Value(-2.0)]
    for nonlinearity in (True, False):
        neuron = nn.Neuron(2, nonlinearity, rng=rng)
        w0, w1 = (w.data for w in neuron.weights)
        for bias in (-10.0, 10.0):
            neuron.bias.data = bias
            expected = w0 * 0.5 - w1 * 2.0 + bias
            assert neuron(x).data == pytest.approx(max(expected, 0) if nonlinearity else expected)


def test_a_neuron_is_two_nodes_with_the_gradients_of_the_separate_products(rng):
    neuron = nn.Neuron(3, rng=rng)
    neuron.bias.data = 10.0  # above the kink
    x = [Value(0.5), Value(-2.0), Value(1.5)]
    out = neuron(x)
    out.backward()
    leaves = [*neuron.weights, *x, neuron.bias]
    assert len(nodes_behind(out)) == len(leaves) + 2

    copies = [Value(leaf.data) for leaf in leaves]
    w0, w1, w2, x0, x1, x2, b = copies
    separate = (w0 * x0 + w1 * x1 + w2 * x2 + b).relu()
    separate.backward()
    assert separate.data == pytest.approx(out.data)
    assert [copy.grad for copy in copies] == pytest.approx([leaf.grad for leaf in leaves])


def test_one_output_is_a_value_and_more_are_a_list(rng):
    assert isinstance(nn.MLP(2, [3, 1], rng=rng)([1.0, 2.0]), Value)
    outputs = nn.MLP(2, [3, 2], rng=rng)([1.0, 2.0])
    assert [type(out) for out in outputs] == [Value, Value]


def test_only_the_last_layer_is_linear(rng):
    nonlinearities = [
        {neuron.nonlinearity for neuron in layer.neurons}
        for layer in nn.MLP(2, SIZES, rng=rng).layers
    ]
    assert nonlinearities == [{True}, {True}, {False}]


def test_the_gradient_is_that_of_the_same_network_in_tensors(rng):
    model = nn.MLP(2, SIZES, rng=rng)
    rows = rng.standard_normal((10, 2))
    scores = backpropagated(model, rows)

    x = Tensor(rows)
    layers = [
        (
            Tensor([[w.data for w in n.weights] for n in layer.neurons], requires_grad=True),
            Tensor([n.bias.data for n in layer.neurons], requires_grad=True),
        )
        for layer in model.layers
    ]
    for i, (weight, bias) in enumerate(layers, start=1):
        x = x @ weight.T + bias
        x = relu(x) if i < len(layers) else x
    x.sum().backward()

    np.testing.assert_allclose([s.data for s in scores], x.data[:, 0], rtol=0, atol=1e-12)
    for layer, (weight, bias) in zip(model.layers, layers, strict=True):
        grads = [[w.grad for w in n.weights] for n in layer.neurons]
        np.testing.assert_allclose(grads, weight.grad, rtol=0, atol=1e-12)
        np.testing.assert_allclose([n.bias.grad for n in layer.neurons], bias.grad, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, int])
def test_numpy_rows_leave_only_floats_in_the_graph(rng, dtype):
    model = nn.MLP(2, [3, 1], rng=rng)
    rows = (10 * rng.standard_normal((4, 2))).astype(dtype)
    for x in (rows, [list(row) for row in rows]):
        scores = backpropagated(model, x)
        optim.SGD(model.parameters(), lr=0.01).step()
        assert {type(node.data) for node in nodes_behind(*scores)} == {float}
        assert {type(x) for node in nodes_behind(*scores) for x in node.seen} <= {float}
        assert {type(p.grad) for p in model.parameters()} == {float}


def test_a_value_as_input_gets_a_gradient(rng):
    x = [Value(0.3), Value(-0.7)]
    neuron = nn.Neuron(2, nonlinearity=False, rng=rng)
    neuron(x).backward()
    assert [xi.grad for xi in x] == [w.data for w in neuron.weights]


def weights(model):
    return [p.data for p in model.parameters()]


def test_the_same_seed_gives_the_same_weights():
    first, again, other = (
        weights(nn.MLP(2, SIZES, rng=np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_without_rng_the_package_s_generator_decides():
    manual_seed(7)
    first = weights(nn.MLP(2, SIZES))
    assert first != weights(nn.MLP(2, SIZES))
    manual_seed(7)
    assert first == weights(nn.MLP(2, SIZES))


def test_weights_start_with_the_variance_of_he(rng):
    layer = nn.Layer(100, 100, rng=rng)
    start = [w.data for neuron in layer.neurons for w in neuron.weights]
    assert np.var(start) == pytest.approx(2 / 100, rel=0.05)
    assert {neuron.bias.data for neuron in layer.neurons} == {0.0}


@pytest.mark.parametrize("x", [[1.0], [1.0, 2.0, 3.0], np.ones(3)])
def test_a_wrong_number_of_inputs_is_named(rng, x):
    for part in (nn.Neuron(2, rng=rng), nn.Layer(2, 3, rng=rng), nn.MLP(2, [3, 1], rng=rng)):
        with pytest.raises(ValueError, match=f"2 inputs .* {len(x)} numbers"):
            part(x)


def test_a_neuron_without_inputs_is_refused():
    with pytest.raises(ValueError, match="at least one input, not 0"):
        nn.Neuron(0)


def test_a_tensor_as_input_is_refused(rng):
    with pytest.raises(TypeError, match="do not mix"):
        nn.Neuron(2, rng=rng)(Tensor([1.0, 2.0]))


def test_training_reduces_the_loss(rng):
    model = nn.MLP(2, [8, 1], rng=rng)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    rows = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    targets = [0.0, 1.0, 1.0, 0.0]  # exclusive or: no single neuron can do it
    losses = []
    for _ in range(200):
        loss = sum((model(x) - y) ** 2 for x, y in zip(rows, targets, strict=True)) / 4
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    assert losses[-1] < 0.05 * losses[0]
