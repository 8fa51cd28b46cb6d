"""zoom: a function of arrays as a graph of numbers, with the same gradients."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, logsumexp, losses, nn, relu, sigmoid, viz
from tinygrad_edu.functional import batch_norm, layer_norm, rms_norm, softmax
from tinygrad_edu.functional import scaled_dot_product_attention as attention
from tinygrad_edu.scalars import zoom

X = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
CLASSES, DARK = np.array([0, 1]), np.array([[True], [False]])
FUNCTIONS = {
    "matmul": lambda x: np.tanh(x @ x.T).sum(),
    "relu at 0": lambda x: relu(x).mean(),
    "sigmoid at 0": lambda x: sigmoid(x).sum(),
    "logsumexp": lambda x: logsumexp(x).sum(),
    "softmax": lambda x: softmax(x)[0, 1],
    "cross_entropy": lambda x: losses.cross_entropy(x, CLASSES),
    "attention": lambda x: attention(x, x, x, is_causal=True)[1, 0],
    "attention to nothing": lambda x: attention(x, x, x, np.array([[True, False]] * 2) & DARK),
    "layer_norm": lambda x: layer_norm(x, 3)[0, 1],
    "rms_norm": lambda x: rms_norm(x, 3, eps=0.1)[0, 1],
    "batch_norm": lambda x: batch_norm(x, None, None, training=True, eps=0.1)[0, 1],
    "concatenate": lambda x: np.concatenate([x, x]).mean(),
    "mse_loss": lambda x: losses.mse_loss(x, np.ones((2, 3))),
    "where": lambda x: np.where(x > 0, x, 2.0).sum(),
    "a layer": nn.Sequential(nn.Linear(3, 1, rng=np.random.default_rng(0)), nn.Flatten(0)),
    "indices": lambda x: x[[0, 0], 1].sum(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_gradients_are_those_of_the_tensors(name):
    function = FUNCTIONS[name]

    def f(x):
        return function(x).sum()

    x = Tensor(X, requires_grad=True)
    value = f(x)
    value.backward()
    zoomed = zoom(f, X)
    assert isinstance(zoomed.root, Value)
    assert zoomed.root.data == pytest.approx(value.item())
    np.testing.assert_allclose(zoomed.gradients()["x"], x.grad, atol=1e-12)


def test_a_matmul_opens_into_products_and_sums():
    zoomed = zoom(lambda x, w: (x @ w).sum(), X[:1, :2], X.T[:2])
    assert [x.name for x in zoomed.inputs["w"].ravel()] == ["w[0,0]", "w[0,1]", "w[1,0]", "w[1,1]"]
    operations = [node.operation for node in viz.describe(zoomed.root).nodes if node.operation]
    assert operations == ["multiply", "multiply", "add", "multiply", "multiply", "add", "add"]


def test_nothing_of_the_arguments_changes():
    w = Tensor(X, requires_grad=True)
    before = w.grad
    zoom(lambda w: (w * w).sum(), w)
    assert w.grad is before is None
    layer = nn.Linear(3, 1)
    zoom(lambda x: layer(x).sum(), X)
    assert layer.weight.grad is None


def test_arguments_are_named_by_the_signature():
    assert list(zoom(lambda a, *rest: (a * rest[0]).sum(), X, X).inputs) == ["a", "rest0"]
    assert zoom(lambda a: a * a, 3.0).inputs["a"].item().name == "a"
    assert zoom(lambda a, b: (a * a).sum(), X, X).gradients()["b"].tolist() == [[0.0] * 3] * 2


def test_what_cannot_be_opened_is_named():
    with pytest.raises(NotImplementedError, match="cannot open inv"):
        zoom(lambda x: np.linalg.inv(x @ x.T).sum(), X)
    with pytest.raises(ValueError, match=r"one of shape \(2, 3\).*\.sum\(\)"):
        zoom(lambda x: x * 2.0, X)
    with pytest.raises(ValueError, match="can show 400"):
        zoom(lambda x: (x @ x.T).sum(), np.ones((20, 30)))
    with pytest.raises(ValueError, match="tie"):
        zoom(np.max, np.ones(2))
