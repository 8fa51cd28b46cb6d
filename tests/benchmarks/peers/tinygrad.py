"""tinygrad on its CPU backend: a step in TinyJit. It needs clang, which compiles its kernels."""

import os
import shutil

import numpy as np
from tinygrad import Tensor, TinyJit, dtypes, nn
from tinygrad.helpers import Context

from peers import formulas

if shutil.which(os.environ.get("CC", "clang")) is None:
    raise RuntimeError("no clang on this machine")

CANNOT = {
    "scalars": "its numbers are arrays, not single floats",
    "operation": "TinyJit compiles a whole chain: there are no single operations",
    "graph": "it compiles the graph once, so a step makes none",
    "adam": "part of the compiled step",
    "convolution_layer": "part of the compiled step",
}


def tensor(x):
    if x.dtype == np.int64:
        x = x.astype(np.int32)
    return Tensor(np.ascontiguousarray(x)).realize()


def training(parameters, loss_of, optimizer, *data):
    data = [tensor(x) for x in data]

    @TinyJit
    def compiled(*data):
        optimizer.zero_grad()
        loss = loss_of(*data)
        loss.backward()
        return loss.realize(*optimizer.schedule_step())  # the loss of the old weights

    def step():
        with Context(TRAINING=1):
            return compiled(*data).item()

    return step


def optimizer_of(name, parameters, lr):
    if name == "AdamW":
        return nn.optim.AdamW(parameters, lr=lr, weight_decay=0.01)
    return getattr(nn.optim, name)(parameters, lr=lr)


def parameters_of(arrays):
    p = {name: tensor(x) for name, x in arrays.items() if name not in "xy"}
    for x in p.values():
        x.requires_grad = True
    return p


def perceptron(arrays, optimizer, lr):
    p = parameters_of(arrays)

    def loss_of(x, y):
        h = x
        for i in range(3):
            h = h @ p[f"W{i}"] + p[f"b{i}"]
            h = h.relu() if i < 2 else h
        return h.sparse_categorical_crossentropy(y)

    parameters = list(p.values())
    chosen = optimizer_of(optimizer, parameters, lr)
    return training(parameters, loss_of, chosen, arrays["x"], arrays["y"])


def convolution(arrays, lr, dropout):
    p = parameters_of(arrays)
    norms = [nn.BatchNorm(16), nn.BatchNorm(32)]
    for norm, i in zip(norms, (1, 4), strict=True):
        norm.weight, norm.bias = p[f"layers.{i}.weight"], p[f"layers.{i}.bias"]

    def loss_of(x, y):
        h = x
        for norm, i in zip(norms, (0, 3), strict=True):
            h = h.conv2d(p[f"layers.{i}.weight"], p[f"layers.{i}.bias"], padding=1)
            h = norm(h).relu()
        h = h.max_pool2d(2).flatten(1)
        h = h.dropout(dropout) if dropout else h
        logits = h @ p["layers.9.weight"] + p["layers.9.bias"]
        return logits.sparse_categorical_crossentropy(y)

    parameters = list(p.values())
    chosen = optimizer_of("AdamW", parameters, lr)
    return training(parameters, loss_of, chosen, arrays["x"], arrays["y"])


def transformer(arrays, heads, lr):
    p = parameters_of(arrays)
    width = arrays["norm.weight"].size
    length = arrays["x"].shape[1]
    mask = tensor(formulas.causal_mask(length))

    def norm(x, name):
        return x.layernorm(eps=1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def affine(x, name):
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    def attention(x, name):
        def split(kind):
            h = affine(x, f"{name}.self_attn.{kind}_proj")
            return h.reshape(len(arrays["x"]), length, heads, width // heads).transpose(1, 2)

        out = split("q").scaled_dot_product_attention(split("k"), split("v"), mask)
        out = out.transpose(1, 2).reshape(len(arrays["x"]), length, width)
        return affine(out, f"{name}.self_attn.out_proj")

    def loss_of(x, y):
        h = p["token.weight"][x] + p["position.weight"]
        for i in range(2):
            h = h + attention(norm(h, f"blocks.{i}.norm1"), f"blocks.{i}")
            hidden = affine(norm(h, f"blocks.{i}.norm2"), f"blocks.{i}.linear1").relu()
            h = h + affine(hidden, f"blocks.{i}.linear2")
        logits = affine(norm(h, "norm"), "head")
        return logits.flatten(0, 1).sparse_categorical_crossentropy(y.flatten())

    parameters = list(p.values())
    chosen = optimizer_of("AdamW", parameters, lr)
    return training(parameters, loss_of, chosen, arrays["x"], arrays["y"])


def recurrent(arrays, lr):
    p = parameters_of(arrays)
    hidden = len(arrays["weight_hh"])

    def loss_of(x, y):
        a = x @ p["weight_ih"] + p["bias_ih"] + p["bias_hh"]
        h = c = Tensor.zeros(x.shape[1], hidden, dtype=dtypes.float32)
        out = []
        for t in range(len(arrays["x"])):
            i, f, g, o = (a[t] + h @ p["weight_hh"]).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        return ((Tensor.stack(*out) - y) ** 2).mean()

    parameters = list(p.values())
    chosen = optimizer_of("SGD", parameters, lr)
    return training(parameters, loss_of, chosen, arrays["x"], arrays["y"])
