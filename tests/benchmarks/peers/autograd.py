"""autograd (HIPS): value_and_grad of functions in autograd.numpy; the update is plain NumPy."""

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp, value_and_grad

from peers import formulas
from peers.updates import optimizer_of

CANNOT = {
    "scalars": "its numbers are arrays, not single floats",
    "adam": "it has no optimizer for arrays: the update is NumPy's",
    "convolution_layer": "it has no such layer",
    "graph": "its graph exists only inside grad, so it cannot be measured alone",
}


def training(loss_of, p, optimizer, double=()):
    gradient = value_and_grad(loss_of)
    names = list(p)

    def step():
        loss, g = gradient(p)
        gradients = [2 * g[name] if name in double else g[name] for name in names]
        optimizer.update([p[name] for name in names], gradients)
        return float(loss)

    return step


def parameters_of(arrays):
    return {name: x.copy() for name, x in arrays.items() if name not in "xy"}


def perceptron(arrays, optimizer, lr):
    p, x = parameters_of(arrays), arrays["x"]
    hot = formulas.one_hot(arrays["y"], p["b2"].size, x.dtype)

    def loss_of(p):
        return formulas.cross_entropy(anp, formulas.perceptron(anp, p, x), hot)

    return training(loss_of, p, optimizer_of(optimizer, lr))


def convolution(arrays, lr, dropout):
    p, x = parameters_of(arrays), arrays["x"]
    hot, rng = formulas.one_hot(arrays["y"], 10, x.dtype), np.random.default_rng(0)

    def loss_of(p):
        mask = 1.0
        if dropout:
            kept = rng.random((len(x), 512), np.float32) >= dropout
            mask = kept / np.float32(1 - dropout)
        return formulas.cross_entropy(anp, formulas.convolution(anp, p, x, mask), hot)

    return training(loss_of, p, optimizer_of("AdamW", lr))


def transformer(arrays, heads, lr):
    p, x = parameters_of(arrays), arrays["x"]
    hot = formulas.one_hot(arrays["y"], p["head.bias"].size, np.float32)
    mask = formulas.causal_mask(x.shape[1])

    def loss_of(p):
        return formulas.cross_entropy(anp, formulas.transformer(anp, p, x, heads, mask), hot)

    return training(loss_of, p, optimizer_of("AdamW", lr))


def sigmoid(x):
    return 0.5 * (anp.tanh(0.5 * x) + 1)


def recurrent(arrays, lr):
    x, y = arrays["x"], arrays["y"]
    p = {name: arrays[name].copy() for name in ("weight_ih", "weight_hh")}
    p["bias"] = arrays["bias_ih"] + arrays["bias_hh"]
    zeros = np.zeros_like(y[0])

    def loss_of(p):
        return anp.mean((formulas.lstm(anp, p, x, zeros, zeros, sigmoid) - y) ** 2)

    return training(loss_of, p, optimizer_of("SGD", lr), double=["bias"])


def operation(arrays, name, length):
    x, w, g = arrays["x"], arrays["w"], np.ones_like(arrays["x"])
    chained = make_vjp(formulas.chain(name, length, anp.tanh))

    def step():
        vjp, out = chained(x, w)
        vjp(g)
        return float(out[0])

    return step
