"""DeZero, as its book writes it: layers, dezero.functions, its own SGD and Adam.

Version 0.0.13 asks for np.int, which NumPy removed in 1.24; the name is given back first.
"""

import numpy as np

vars(np)["int"] = int
import dezero  # noqa: E402
import dezero.functions as F  # noqa: E402, N812
import dezero.layers as L  # noqa: E402, N812
from dezero import Variable, optimizers  # noqa: E402

from peers import formulas  # noqa: E402
from peers.updates import optimizer_of  # noqa: E402

CANNOT = {
    "scalars": "its numbers are arrays, not single floats",
    "transformer": "its matrix product does not accept a batch of matrices",
}


class Updates:
    """A NumPy update for rows whose optimizer it lacks."""

    def __init__(self, name, lr):
        self.optimizer = optimizer_of(name, lr)

    def setup(self, target):
        self.target = list(target.params())

    def update(self):
        parameters = [p for p in self.target if p.grad is not None]
        gradients = [p.grad.data.astype(p.dtype) for p in parameters]
        self.optimizer.update([p.data for p in parameters], gradients)


def training(model, loss_of, optimizer):
    optimizer.setup(model)

    def step():
        model.cleargrads()
        loss = loss_of()
        loss.backward()
        optimizer.update()
        return loss.data.item()

    return step


def linear(weight, bias):
    layer = L.Linear(len(bias), in_size=len(weight), dtype=weight.dtype)
    layer.W.data, layer.b.data = weight.copy(), bias.copy()
    return layer


def perceptron(arrays, optimizer, lr):
    x, y = arrays["x"], arrays["y"]
    model = dezero.models.Sequential(*(linear(arrays[f"W{i}"], arrays[f"b{i}"]) for i in range(3)))

    def loss_of():
        h = F.relu(model.layers[0](x))
        h = F.relu(model.layers[1](h))
        return F.softmax_cross_entropy(model.layers[2](h), y)

    kinds = {"SGD": optimizers.SGD, "Adam": optimizers.Adam}
    return training(model, loss_of, kinds[optimizer](lr))


def convolution(arrays, lr, dropout):
    x, y = arrays["x"], arrays["y"]

    def convolutional(i):
        weight, bias = arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"]
        layer = L.Conv2d(len(weight), 3, pad=1, in_channels=weight.shape[1])
        layer.W.data, layer.b.data = weight.copy(), bias.copy()
        return layer

    head = linear(arrays["layers.9.weight"], arrays["layers.9.bias"])
    norms = [L.BatchNorm(), L.BatchNorm()]
    model = dezero.models.Sequential(convolutional(0), norms[0], convolutional(3), norms[1], head)
    for norm, width in zip(norms, (16, 32), strict=True):
        norm._init_params(np.empty((1, width), np.float32))

    def normed(norm, h):  # its layer has another eps
        mean, variance = norm.avg_mean.data, norm.avg_var.data
        return F.batch_nrom(h, norm.gamma, norm.beta, mean, variance, eps=1e-5)

    def loss_of():
        h = F.relu(normed(norms[0], model.layers[0](x)))
        h = F.relu(normed(norms[1], model.layers[2](h)))
        h = F.reshape(F.pooling(h, 2, 2), (len(x), 512))
        h = F.dropout(h, dropout) if dropout else h
        return F.softmax_cross_entropy(head(h), y)

    return training(model, loss_of, Updates("AdamW", lr))


def convolution_layer(arrays):
    arrays = {**arrays, "x": np.ascontiguousarray(np.moveaxis(arrays["x"], -1, 0))}
    x, weight, bias = (Variable(arrays[name]) for name in ("x", "weight", "bias"))

    def step():
        for variable in (x, weight, bias):
            variable.cleargrad()
        total = F.conv2d(x, weight, bias, 1, 1).sum()
        total.backward()
        return total.data.item()

    return step


def recurrent(arrays, lr):
    """Its LSTM takes one step of time, and has one bias for each gate."""
    x, y = arrays["x"], arrays["y"]
    n, m = len(arrays["weight_ih"]), len(arrays["weight_hh"])
    lstm = L.LSTM(m, n)
    bias = arrays["bias_ih"] + arrays["bias_hh"]
    biases = []
    for k, gate in enumerate("ifuo"):
        part = slice(k * m, (k + 1) * m)
        of_x, of_h = getattr(lstm, f"x2{gate}"), getattr(lstm, f"h2{gate}")
        of_x.W.data = arrays["weight_ih"][:, part].copy()
        of_h.W.data = arrays["weight_hh"][:, part].copy()
        of_x.b.data = bias[part].copy()
        biases.append(of_x.b)

    class Descent(optimizers.SGD):
        def update_one(self, p):
            rate = self.lr * (2 if any(p is b for b in biases) else 1)
            p.data -= rate * p.grad.data  # the sum of two biases moves twice as far

    def loss_of():
        lstm.reset_state()
        loss = 0
        for t in range(len(x)):
            loss = loss + ((lstm(x[t]) - y[t]) ** 2).sum()
        return loss / np.array(y.size, y.dtype)

    return training(lstm, loss_of, Descent(lr))


def operation(arrays, name, length):
    x, w, g = Variable(arrays["x"]), Variable(arrays["w"]), Variable(np.ones_like(arrays["x"]))
    chained = formulas.chain(name, length, F.tanh)

    def step():
        x.cleargrad()
        out = chained(x, w)
        out.grad = g
        out.backward()
        return float(out.data[0])

    return step


def graph():
    def leaf(x):
        return Variable(np.array(x))

    return leaf, lambda node: node.backward(), lambda leaf: leaf.grad.data.item()
