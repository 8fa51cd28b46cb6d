"""tinygrad_edu: its public pieces, as its users write them; with `backend` the step is compiled."""

import functools
from collections.abc import Callable

import numpy as np

from peers import example, formulas
from peers.updates import eager_step
from tinygrad_edu import Tensor, Value, compile, functional, losses, manual_seed, nn, optim

CANNOT = {
    "graph": "a compiled step has no graph",
    "operation": "a compiled step has no single operations",
    "adam": "the update is part of a compiled step",
    "convolution_layer": "measured in the whole network",
}


def training(loss_of: Callable, model: nn.Module, optimizer, backend, *data) -> Callable:
    """A step that ends in the loss as a float."""
    optimizer = optimizer(model.parameters())
    if not backend:
        return eager_step(loss_of, optimizer, *data)
    step = compile(loss_of, optimizer, backend=backend)
    return lambda: step(*data).item()


def loaded(model: nn.Module, arrays) -> nn.Module:
    for name, p in model.named_parameters():
        p.data = arrays[name].copy()
    return model


def three_layers(arrays):
    model = nn.Sequential()
    for i in range(3):
        n, m = arrays[f"W{i}"].shape
        layer = nn.Linear(n, m, dtype=arrays["x"].dtype)
        layer.weight.data, layer.bias.data = arrays[f"W{i}"].copy(), arrays[f"b{i}"].copy()
        model.extend([layer, nn.ReLU()] if i < 2 else [layer])
    return model


def perceptron(arrays, optimizer, lr, backend=None):
    model = three_layers(arrays)

    def loss_of(x, y):
        return losses.cross_entropy(model(x), y)

    kind = getattr(optim, optimizer)
    return training(loss_of, model, lambda p: kind(p, lr), backend, arrays["x"], arrays["y"])


def convolution(arrays, lr, dropout, backend=None):
    """The network of examples/digits_cnn.py without its random shifts of the data."""
    manual_seed(0)
    model = loaded(example("digits_cnn").network()[1:], arrays)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout

    def loss_of(x, y):
        return losses.cross_entropy(model(x), y)

    data = arrays["x"], arrays["y"]
    return training(loss_of, model, lambda p: optim.AdamW(p, lr), backend, *data)


def convolution_layer(arrays, backend=None):
    images = np.moveaxis(arrays["x"], -1, 0)
    x = Tensor(images, requires_grad=True)
    x.data = images  # no copy: in the memory in which another such layer leaves it
    weight, bias = (Tensor(arrays[name], requires_grad=True) for name in ("weight", "bias"))

    def step():
        x.grad = weight.grad = bias.grad = None
        total = functional.conv2d(x, weight, bias, padding=1).sum()
        total.backward()
        return total.item()

    return step


def transformer(arrays, heads, lr, backend=None):
    """The network of examples/char_gpt.py."""
    model = loaded(example("char_gpt").Writer(len(arrays["token.weight"])), arrays)

    def loss_of(x, y):
        return losses.cross_entropy(model(x), y)

    data = arrays["x"], arrays["y"]
    return training(loss_of, model, lambda p: optim.AdamW(p, lr), backend, *data)


def recurrent(arrays, lr, backend=None):
    n, m = len(arrays["weight_ih"]), len(arrays["weight_hh"])
    lstm = nn.LSTM(n, m, dtype=arrays["x"].dtype)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(lstm.cells[0][0], name).data = arrays[name].copy()

    def loss_of(x, y):
        return losses.mse_loss(lstm(x)[0], y)

    return training(loss_of, lstm, lambda p: optim.SGD(p, lr), backend, arrays["x"], arrays["y"])


def adam(arrays, lr, backend=None):
    p = Tensor(arrays["p"], requires_grad=True)
    p.grad = arrays["g"]
    optimizer = optim.Adam([p], lr=lr)

    def step():
        optimizer.step()
        return p.data.flat[0].item()

    return step


def scalars(arrays, lr, backend=None):
    model = nn.MLP(2, [16, 16, 1])
    weights = iter(arrays["weights"].tolist())
    for p in model.parameters():
        p.data = next(weights)
    points, labels = arrays["points"], arrays["labels"]
    optimizer = optim.SGD(model.parameters(), lr)

    def hinge(point, label):
        return (1 - label * model(point)).relu()

    if backend:
        step = compile(hinge, optimizer, rows=True, backend=backend)
        return lambda: step(points, labels).data
    rows, labels = points.tolist(), labels.tolist()
    return eager_step(lambda: sum(map(hinge, rows, labels)) / len(rows), optimizer)


def operation(arrays, name, length, backend=None):
    x, w, g = Tensor(arrays["x"], requires_grad=True), arrays["w"], np.ones_like(arrays["x"])
    chained = formulas.chain(name, length, np.tanh)

    def step():
        x.grad = None
        out = chained(x, w)
        out.backward(g)
        return out.data[0].item()

    return step


def graph(scalar=True):
    """How a number of this package is made, its backward pass taken and its gradient read."""
    leaf = Value if scalar else functools.partial(Tensor, requires_grad=True)
    return leaf, lambda node: node.backward(), lambda leaf: leaf.grad


def a_call(arrays, lr, backend):
    """A call of a program, and the program alone."""
    model, x, y = three_layers(arrays), arrays["x"], arrays["y"]

    def loss_of(x, y):
        return losses.cross_entropy(model(x), y)

    step = compile(loss_of, optim.SGD(model.parameters(), lr), backend=backend)
    step(x, y)
    program = step.latest
    values = program.read([x, y])
    return (lambda: step(x, y)), (lambda: program.function(*values))
