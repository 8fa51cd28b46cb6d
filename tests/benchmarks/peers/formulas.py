"""The networks as formulas in NumPy's names, for peers that take derivatives of functions.

`np` is jax.numpy, autograd.numpy or mygrad. `p` holds the parameters by name.
"""

from operator import add, mul

import numpy


def chain(name, length, tanh):
    """f(x, w): x + w, x w or tanh(x), repeated on the result."""
    function = {"add": add, "multiply": mul, "tanh": lambda x, _: tanh(x)}[name]

    def chained(x, w):
        for _ in range(length):
            x = function(x, w)
        return x

    return chained


def one_hot(y, classes, dtype):
    """Constant: it is made once, before the first step."""
    return numpy.eye(classes, dtype=dtype)[numpy.ravel(y)]


def cross_entropy(np, logits, hot):
    z = logits - np.max(logits, axis=1, keepdims=True)
    log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.sum(log_p * hot) / len(hot)


def perceptron(np, p, x):
    h = x
    for i in range(3):
        h = np.matmul(h, p[f"W{i}"]) + p[f"b{i}"]
        if i < 2:
            h = np.maximum(h, 0)
    return h


def convolve(np, x, weight, bias):
    """3 x 3 with a border of zeros, as a sum of nine shifted images."""
    *_, height, width = x.shape
    image = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "constant")
    shifts = [image[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    columns = np.stack(shifts, axis=2).reshape(len(x), -1, height * width)
    y = np.matmul(weight.reshape(len(weight), -1), columns)
    return y.reshape(len(x), -1, height, width) + bias[:, None, None]


def batch_norm(np, x, scale, shift, eps=1e-5):
    mean = np.mean(x, axis=(0, 2, 3), keepdims=True)
    variance = np.mean((x - mean) ** 2, axis=(0, 2, 3), keepdims=True)
    rate = (variance + eps) ** -0.5
    return (x - mean) * rate * scale[:, None, None] + shift[:, None, None]


def convolution(np, p, x, mask, convolve=convolve):
    """`mask`: the factors of dropout, 0 for dropped numbers."""
    for i in (0, 3):
        x = convolve(np, x, p[f"layers.{i}.weight"], p[f"layers.{i}.bias"])
        x = batch_norm(np, x, p[f"layers.{i + 1}.weight"], p[f"layers.{i + 1}.bias"])
        x = np.maximum(x, 0)
    n, channels, height, width = x.shape
    x = np.max(x.reshape(n, channels, height // 2, 2, width // 2, 2), axis=(3, 5))
    return np.matmul(x.reshape(n, -1) * mask, p["layers.9.weight"]) + p["layers.9.bias"]


def layer_norm(np, x, weight, bias, eps=1e-5):
    mean = np.mean(x, axis=-1, keepdims=True)
    variance = np.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) * (variance + eps) ** -0.5 * weight + bias


def attention(np, p, prefix, x, heads, mask):
    batch, length, width = x.shape

    def projected(name, x):
        name = f"{prefix}.self_attn.{name}_proj"
        return np.matmul(x, p[f"{name}.weight"]) + p[f"{name}.bias"]

    def split(x):
        return np.transpose(x.reshape(batch, length, heads, width // heads), (0, 2, 1, 3))

    q, k, v = (split(projected(name, x)) for name in "qkv")
    scores = np.matmul(q, np.transpose(k, (0, 1, 3, 2))) * float((width // heads) ** -0.5) + mask
    e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    out = np.matmul(e / np.sum(e, axis=-1, keepdims=True), v)
    return projected("out", np.transpose(out, (0, 2, 1, 3)).reshape(batch, length, width))


def transformer(np, p, x, heads, mask):
    h = p["token.weight"][x] + p["position.weight"]
    for i in range(2):
        name = f"blocks.{i}"
        normed = layer_norm(np, h, p[f"{name}.norm1.weight"], p[f"{name}.norm1.bias"])
        h = h + attention(np, p, name, normed, heads, mask)
        normed = layer_norm(np, h, p[f"{name}.norm2.weight"], p[f"{name}.norm2.bias"])
        hidden = np.matmul(normed, p[f"{name}.linear1.weight"]) + p[f"{name}.linear1.bias"]
        hidden = np.maximum(hidden, 0)
        h = h + np.matmul(hidden, p[f"{name}.linear2.weight"]) + p[f"{name}.linear2.bias"]
    h = layer_norm(np, h, p["norm.weight"], p["norm.bias"])
    logits = np.matmul(h, p["head.weight"]) + p["head.bias"]
    return logits.reshape(-1, logits.shape[-1])


def causal_mask(length):
    return numpy.triu(numpy.full((length, length), -numpy.inf, numpy.float32), 1)


def lstm_step(np, weight, a, h, c, sigmoid):
    """The next h and c; `a` is the product with x, and the bias."""
    a = a + np.matmul(h, weight)
    n = c.shape[1]
    i, f, g, o = (a[:, k * n : (k + 1) * n] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm(np, p, x, h, c, sigmoid):
    """Every h, by a loop over time."""
    a = np.matmul(x, p["weight_ih"]) + p["bias"]
    out = []
    for t in range(len(x)):
        h, c = lstm_step(np, p["weight_hh"], a[t], h, c, sigmoid)
        out.append(h)
    return np.stack(out)
