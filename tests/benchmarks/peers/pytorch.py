"""PyTorch: layers of torch.nn, eager or by torch.compile."""

import functools

import numpy as np
import torch
from torch import nn

from peers import formulas
from peers.updates import eager_step

torch.set_num_threads(1)
torch.set_num_interop_threads(1)
CANNOT = {
    "scalars": "its numbers are arrays, not single floats",
}


def tensor(x):
    return torch.from_numpy(np.ascontiguousarray(x))


def parameter(x):
    return nn.Parameter(torch.tensor(np.ascontiguousarray(x)))


def linear(weight, bias):
    """PyTorch's weights are the transpose of those in `arrays`."""
    layer = nn.Linear(*weight.shape)
    layer.weight, layer.bias = parameter(weight.T), parameter(bias)
    return layer


def affine(layer, arrays, name):
    """A layer whose weight has the same shape everywhere."""
    layer.weight, layer.bias = (
        parameter(arrays[f"{name}.weight"]),
        parameter(arrays[f"{name}.bias"]),
    )
    return layer


def training(loss_of, optimizer, compiled, *data):
    loss_of = torch.compile(loss_of) if compiled else loss_of
    return eager_step(loss_of, optimizer, *map(tensor, data))


def perceptron(arrays, optimizer, lr, compiled=False):
    layers = []
    for i in range(3):
        layers += [linear(arrays[f"W{i}"], arrays[f"b{i}"]), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = getattr(torch.optim, optimizer)(model.parameters(), lr=lr)

    def loss_of(x, y):
        return nn.functional.cross_entropy(model(x), y)

    return training(loss_of, optimizer, compiled, arrays["x"], arrays["y"])


def convolution(arrays, lr, dropout, compiled=False):
    def at(i, layer):
        return affine(layer, arrays, f"layers.{i}")

    model = nn.Sequential(
        at(0, nn.Conv2d(1, 16, 3, padding=1)), at(1, nn.BatchNorm2d(16)), nn.ReLU(),
        at(3, nn.Conv2d(16, 32, 3, padding=1)), at(4, nn.BatchNorm2d(32)), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(dropout),
        linear(arrays["layers.9.weight"], arrays["layers.9.bias"]),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)

    def loss_of(x, y):
        return nn.functional.cross_entropy(model(x), y)

    return training(loss_of, optimizer, compiled, arrays["x"], arrays["y"])


def convolution_layer(arrays, compiled=False):
    arrays = {**arrays, "x": np.moveaxis(arrays["x"], -1, 0)}
    x, weight, bias = (tensor(arrays[name]).requires_grad_() for name in ("x", "weight", "bias"))

    def total():
        return nn.functional.conv2d(x, weight, bias, padding=1).sum()

    total = torch.compile(total) if compiled else total

    def step():
        x.grad = weight.grad = bias.grad = None
        out = total()
        out.backward()
        return out.item()

    return step


class Writer(nn.Module):
    def __init__(self, arrays, heads):
        super().__init__()
        width = arrays["norm.weight"].size
        self.token = nn.Embedding.from_pretrained(tensor(arrays["token.weight"]).clone(), False)
        self.position = nn.Embedding.from_pretrained(
            tensor(arrays["position.weight"]).clone(), False
        )
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        for i, block in enumerate(self.blocks.layers):
            self.load(block, arrays, f"blocks.{i}")
        self.norm = affine(nn.LayerNorm(width), arrays, "norm")
        self.head = linear(arrays["head.weight"], arrays["head.bias"])
        length = len(arrays["position.weight"])
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))
        self.register_buffer("places", torch.arange(length))

    @staticmethod
    def load(block, arrays, prefix):
        def joined(kind):
            names = (f"{prefix}.self_attn.{x}_proj.{kind}" for x in "qkv")
            return np.concatenate([arrays[name] for name in names], axis=-1)

        attention = block.self_attn
        attention.in_proj_weight = parameter(joined("weight").T)
        attention.in_proj_bias = parameter(joined("bias"))
        for owner, name in (
            (attention, "self_attn.out_proj"),
            (block, "linear1"),
            (block, "linear2"),
        ):
            layer = getattr(owner, name.rpartition(".")[2])
            layer.weight = parameter(arrays[f"{prefix}.{name}.weight"].T)
            layer.bias = parameter(arrays[f"{prefix}.{name}.bias"])
        for name in ("norm1", "norm2"):
            affine(getattr(block, name), arrays, f"{prefix}.{name}")

    def forward(self, x):
        h = self.token(x) + self.position(self.places)
        return self.head(self.norm(self.blocks(h, self.mask, is_causal=True)))


def transformer(arrays, heads, lr, compiled=False):
    model = Writer(arrays, heads)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)

    def loss_of(x, y):
        return nn.functional.cross_entropy(model(x).flatten(0, -2), y.flatten())

    return training(loss_of, optimizer, compiled, arrays["x"], arrays["y"])


def recurrent(arrays, lr, compiled=False):
    lstm = nn.LSTM(len(arrays["weight_ih"]), len(arrays["weight_hh"]))
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(lstm, f"{name}_l0").copy_(tensor(arrays[name].T))
    optimizer = torch.optim.SGD(lstm.parameters(), lr=lr)

    def loss_of(x, y):
        return nn.functional.mse_loss(lstm(x)[0], y)

    return training(loss_of, optimizer, compiled, arrays["x"], arrays["y"])


def adam(arrays, lr, compiled=False):
    p = parameter(arrays["p"])
    p.grad = tensor(arrays["g"])
    optimizer = torch.optim.Adam([p], lr=lr)

    def step():
        optimizer.step()
        return p.view(-1)[0].item()

    return step


def operation(arrays, name, length, compiled=False):
    x, w = tensor(arrays["x"]).requires_grad_(), tensor(arrays["w"])
    g = torch.ones_like(x)
    chained = formulas.chain(name, length, torch.tanh)

    def step():
        x.grad = None
        out = chained(x, w)
        out.backward(g)
        return out[0].item()

    return step


def graph():
    leaf = functools.partial(torch.tensor, dtype=torch.float64, requires_grad=True)
    return leaf, lambda node: node.backward(), lambda leaf: leaf.grad.item()
