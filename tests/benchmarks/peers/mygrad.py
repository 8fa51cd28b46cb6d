"""MyGrad: its tensors and layers; it has no optimizers, so the update is plain NumPy."""

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu, sigmoid
from mygrad.nnet.layers import batchnorm, conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from peers import formulas
from peers.updates import optimizer_of

CANNOT = {
    "scalars": "its numbers are arrays, not single floats",
    "adam": "it has no optimizers",
}


def training(loss_of, p, optimizer, double=()):
    names = list(p)

    def step():
        for x in p.values():
            x.null_grad()
        loss = loss_of(p)
        loss.backward()
        gradients = [2 * p[name].grad if name in double else p[name].grad for name in names]
        optimizer.update([p[name].data for name in names], gradients)
        return loss.item()

    return step


def parameters_of(arrays):
    return {name: mg.tensor(x.copy()) for name, x in arrays.items() if name not in "xy"}


def perceptron(arrays, optimizer, lr):
    x, y = arrays["x"], arrays["y"]

    def loss_of(p):
        h = x
        for i in range(3):
            h = mg.matmul(h, p[f"W{i}"]) + p[f"b{i}"]
            h = relu(h) if i < 2 else h
        return softmax_crossentropy(h, y)

    return training(loss_of, parameters_of(arrays), optimizer_of(optimizer, lr))


def convolution(arrays, lr, dropout):
    x, y, rng = arrays["x"], arrays["y"], np.random.default_rng(0)

    def loss_of(p):
        h = x
        for i in (0, 3):
            h = conv_nd(h, p[f"layers.{i}.weight"], stride=1, padding=1)
            h = h + p[f"layers.{i}.bias"].reshape(-1, 1, 1)
            scale, shift = p[f"layers.{i + 1}.weight"], p[f"layers.{i + 1}.bias"]
            h = relu(batchnorm(h, gamma=scale, beta=shift, eps=1e-5))
        h = max_pool(h, (2, 2), 2).reshape(len(x), -1)
        if dropout:
            h = h * ((rng.random(h.shape, np.float32) >= dropout) / np.float32(1 - dropout))
        return softmax_crossentropy(mg.matmul(h, p["layers.9.weight"]) + p["layers.9.bias"], y)

    return training(loss_of, parameters_of(arrays), optimizer_of("AdamW", lr))


def convolution_layer(arrays):
    arrays = {**arrays, "x": np.ascontiguousarray(np.moveaxis(arrays["x"], -1, 0))}
    x, weight, bias = (mg.tensor(arrays[name]) for name in ("x", "weight", "bias"))

    def step():
        total = (conv_nd(x, weight, stride=1, padding=1) + bias.reshape(-1, 1, 1)).sum()
        total.backward()
        return total.item()

    return step


def transformer(arrays, heads, lr):
    x, y = arrays["x"], arrays["y"].reshape(-1)
    mask = formulas.causal_mask(x.shape[1])

    def loss_of(p):
        return softmax_crossentropy(formulas.transformer(mg, p, x, heads, mask), y)

    return training(loss_of, parameters_of(arrays), optimizer_of("AdamW", lr))


def recurrent(arrays, lr):
    x, y = arrays["x"], arrays["y"]
    p = {name: mg.tensor(arrays[name].copy()) for name in ("weight_ih", "weight_hh")}
    p["bias"] = mg.tensor(arrays["bias_ih"] + arrays["bias_hh"])
    zeros = np.zeros_like(y[0])

    def loss_of(p):
        return mg.mean((formulas.lstm(mg, p, x, zeros, zeros, sigmoid) - y) ** 2)

    return training(loss_of, p, optimizer_of("SGD", lr), double=["bias"])


def operation(arrays, name, length):
    x, w, g = mg.tensor(arrays["x"]), arrays["w"], np.ones_like(arrays["x"])
    chained = formulas.chain(name, length, mg.tanh)

    def step():
        out = chained(x, w)
        out.backward(g)
        return float(out.data[0])

    return step


def graph():
    return mg.tensor, lambda node: node.backward(), lambda leaf: leaf.grad.item()
