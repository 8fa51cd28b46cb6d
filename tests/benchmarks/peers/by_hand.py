"""NumPy by hand: each line of a backward pass is a formula that was derived on paper."""

import numpy as np

from peers import formulas
from peers.updates import optimizer_of

# Let the C library keep freed memory, as the package does; otherwise large arrays cost page faults.
np.empty(2**25 - 2**16, np.uint8)

CANNOT = {
    "graph": "there is no graph",
    "scalars": "its numbers are arrays, not single floats",
}


def perceptron(arrays, optimizer, lr):
    x, y = arrays["x"], arrays["y"]
    parameters = [arrays[f"{kind}{i}"] for i in range(3) for kind in "Wb"]
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    optimizer, rows = optimizer_of(optimizer, lr), np.arange(len(x))

    def step():
        inputs = [x]
        for weight, bias in layers[:-1]:
            inputs.append(np.maximum(inputs[-1] @ weight + bias, 0))
        weight, bias = layers[-1]
        loss, g = cross_entropy(inputs[-1] @ weight + bias, y, rows)
        gradients = []
        for i in reversed(range(len(layers))):
            weight, h = layers[i][0], inputs[i]
            gradients += [g.sum(axis=0), h.T @ g]
            if i:
                g = (g @ weight.T) * (h > 0)
        optimizer.update(parameters, gradients[::-1])
        return float(loss)

    return step


def cross_entropy(logits, y, rows):
    """The mean loss, and its gradient; `rows` counts from 0."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    p /= len(logits)
    return loss, p


def adam(arrays, lr):
    """The update alone, of one array."""
    p, g = arrays["p"], arrays["g"]
    optimizer = optimizer_of("Adam", lr)

    def step():
        optimizer.update([p], [g])
        return float(p.reshape(-1)[0])

    return step


# The convolutional network: inside, the batch is the last axis, so that all copies are of long runs


def windows_of(image, height, width):
    """(C, H + 2, W + 2, N) -> (C * 9, H * W * N): each 3 x 3 window as a column."""
    channels, _, _, batch = image.shape
    windows = np.empty((channels, 3, 3, height, width, batch), image.dtype)
    for i, j in np.ndindex(3, 3):
        windows[:, i, j] = image[:, i : i + height, j : j + width]
    return windows.reshape(channels * 9, -1)


def convolve(x, weight, bias):
    """3 x 3 with a border of zeros; also the columns, for the backward pass."""
    channels, height, width, batch = x.shape
    image = np.zeros((channels, height + 2, width + 2, batch), x.dtype)
    image[:, 1:-1, 1:-1] = x
    columns = windows_of(image, height, width)
    y = weight.reshape(len(weight), -1) @ columns
    y += bias[:, None]
    return y.reshape(-1, height, width, batch), columns


def convolve_backward(g, columns, weight, shape=None):
    """The gradients of weight and bias, and that of x where its shape is given."""
    flat, rows = g.reshape(len(g), -1), weight.reshape(len(weight), -1)
    gradients = (flat @ columns.T).reshape(weight.shape), flat.sum(axis=1)
    if shape is None:
        return *gradients, None
    channels, height, width, batch = shape
    windows = (rows.T @ flat).reshape(channels, 3, 3, height, width, batch)
    image = np.zeros((channels, height + 2, width + 2, batch), g.dtype)
    for i, j in np.ndindex(3, 3):
        image[:, i : i + height, j : j + width] += windows[:, i, j]
    return *gradients, image[:, 1:-1, 1:-1]


def normalize(x, scale, shift, running, momentum=0.1, eps=1e-5):
    """Batch normalization over all but the first axis."""
    flat = x.reshape(len(x), -1)
    n = flat.shape[1]
    mean = flat.mean(axis=1, keepdims=True)
    centred = flat - mean
    variance = np.einsum("ij,ij->i", centred, centred)[:, None] / n
    rate = 1 / np.sqrt(variance + eps)
    running[0] += momentum * (mean[:, 0] - running[0])
    running[1] += momentum * (variance[:, 0] * (n / (n - 1)) - running[1])
    centred *= rate
    y = centred * scale[:, None]
    y += shift[:, None]
    return y.reshape(x.shape), (centred, rate)


def normalize_backward(g, saved, scale):
    normed, rate = saved
    flat = g.reshape(len(g), -1)
    shift_grad, scale_grad = flat.sum(axis=1), np.einsum("ij,ij->i", flat, normed)
    n = flat.shape[1]
    out = flat - (shift_grad / n)[:, None]
    out -= normed * (scale_grad / n)[:, None]
    out *= rate * scale[:, None]
    return out.reshape(g.shape), scale_grad, shift_grad


def pool(x):
    """The maximum of each 2 x 2 window, and its position in the window."""
    parts = np.stack([x[:, i::2, j::2] for i, j in np.ndindex(2, 2)])
    y = np.maximum(np.maximum(parts[0], parts[1]), np.maximum(parts[2], parts[3]))
    return y, parts == y


def pool_backward(g, ties, shape):
    """The gradient: all numbers that are equal to the maximum get equal parts."""
    g = g / ties.sum(axis=0, dtype=g.dtype)
    out = np.empty(shape, g.dtype)
    for (i, j), tie in zip(np.ndindex(2, 2), ties, strict=True):
        np.multiply(tie, g, out=out[:, i::2, j::2])
    return out


def convolution(arrays, lr, dropout):
    x, y = np.ascontiguousarray(np.moveaxis(arrays["x"], 0, -1)), arrays["y"]
    names = [name for name in arrays if name not in "xy"]
    parameters = [arrays[name] for name in names]
    w1, b1, s1, t1, w2, b2, s2, t2, w3, b3 = parameters
    running = [[np.zeros_like(s), np.ones_like(s)] for s in (s1, s2)]
    rng, optimizer = np.random.default_rng(0), optimizer_of("AdamW", lr)
    rows = np.arange(len(y))

    def step():
        h, columns1 = convolve(x, w1, b1)
        h, saved1 = normalize(h, s1, t1, running[0])
        h1 = np.maximum(h, 0, out=h)
        h, columns2 = convolve(h1, w2, b2)
        h, saved2 = normalize(h, s2, t2, running[1])
        h2 = np.maximum(h, 0, out=h)
        h, ties = pool(h2)
        pooled = h.shape
        flat = np.ascontiguousarray(h.reshape(-1, h.shape[-1]).T)
        if dropout:
            kept = (rng.random(flat.shape, np.float32) >= dropout) / np.float32(1 - dropout)
            flat *= kept
        loss, g = cross_entropy(flat @ w3 + b3, y, rows)

        d_w3, d_b3, g = flat.T @ g, g.sum(axis=0), g @ w3.T
        if dropout:
            g *= kept
        g = pool_backward(np.ascontiguousarray(g.T).reshape(pooled), ties, h2.shape)
        g *= h2 > 0
        g, d_s2, d_t2 = normalize_backward(g, saved2, s2)
        d_w2, d_b2, g = convolve_backward(g, columns2, w2, h1.shape)
        g = g * (h1 > 0)
        g, d_s1, d_t1 = normalize_backward(g, saved1, s1)
        d_w1, d_b1, _ = convolve_backward(g, columns1, w1)
        optimizer.update(parameters, [d_w1, d_b1, d_s1, d_t1, d_w2, d_b2, d_s2, d_t2, d_w3, d_b3])
        return float(loss)

    return step


def convolution_layer(arrays):
    """sum(conv2d(x)) with the gradients of x, weight and bias."""
    x, weight, bias = arrays["x"], arrays["weight"], arrays["bias"]

    def step():
        y, columns = convolve(x, weight, bias)
        convolve_backward(np.ones_like(y), columns, weight, x.shape)
        return float(y.sum())

    return step


# The transformer


def layer_norm(x, weight, bias, eps=1e-5):
    centred = x - x.mean(axis=1, keepdims=True)
    rate = 1 / np.sqrt(np.einsum("ij,ij->i", centred, centred)[:, None] / x.shape[1] + eps)
    centred *= rate
    y = centred * weight
    y += bias
    return y, (centred, rate)


def layer_norm_backward(g, saved, weight):
    normed, rate = saved
    weight_grad, bias_grad = np.einsum("ij,ij->j", g, normed), g.sum(axis=0)
    g = g * weight
    n = g.shape[1]
    out = g - g.mean(axis=1, keepdims=True)
    out -= normed * (np.einsum("ij,ij->i", g, normed) / n)[:, None]
    out *= rate
    return out, weight_grad, bias_grad


class Block:
    """Attention and two layers, each added to its input. Queries, keys, values: one product."""

    def __init__(self, arrays, prefix, heads):
        self.heads = heads
        names = ("q_proj", "k_proj", "v_proj")
        for kind in ("weight", "bias"):
            parts = [arrays[f"{prefix}.self_attn.{name}.{kind}"] for name in names]
            setattr(self, f"qkv_{kind}", np.concatenate(parts, axis=-1))
        self.parameters = [self.qkv_weight, self.qkv_bias]
        for name in ("self_attn.out_proj", "linear1", "linear2", "norm1", "norm2"):
            self.parameters += [arrays[f"{prefix}.{name}.weight"], arrays[f"{prefix}.{name}.bias"]]
        width = self.qkv_weight.shape[0]
        self.scale = np.float32((width // heads) ** -0.5)

    def forward(self, x, batch, mask):
        wq, bq, wo, bo, w1, b1, w2, b2, s1, t1, s2, t2 = self.parameters
        n, width = x.shape
        h, self.norm1 = layer_norm(x, s1, t1)
        self.h = h
        qkv = h @ wq
        qkv += bq
        shape = (batch, n // batch, 3, self.heads, width // self.heads)
        self.q, self.k, self.v = qkv.reshape(shape).transpose(2, 0, 3, 1, 4)
        scores = (self.q * self.scale) @ self.k.swapaxes(-1, -2)
        scores += mask
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        self.weights = scores
        self.joined = (scores @ self.v).transpose(0, 2, 1, 3).reshape(n, width)
        h = self.joined @ wo
        h += bo
        h += x
        self.middle, self.norm2 = layer_norm(h, s2, t2)
        hidden = self.middle @ w1
        hidden += b1
        self.hidden = np.maximum(hidden, 0, out=hidden)
        y = self.hidden @ w2
        y += b2
        y += h
        return y

    def backward(self, g):
        """The gradient of x and those of the parameters."""
        wq, _, wo, _, w1, _, w2, _, s1, _, s2, _ = self.parameters
        n, width = g.shape
        d_w2, d_b2 = self.hidden.T @ g, g.sum(axis=0)
        d_hidden = (g @ w2.T) * (self.hidden > 0)
        d_w1, d_b1 = self.middle.T @ d_hidden, d_hidden.sum(axis=0)
        d_h, d_s2, d_t2 = layer_norm_backward(d_hidden @ w1.T, self.norm2, s2)
        d_h += g

        d_wo, d_bo = self.joined.T @ d_h, d_h.sum(axis=0)
        batch, heads, length, size = self.q.shape
        d_out = (d_h @ wo.T).reshape(batch, length, heads, size).transpose(0, 2, 1, 3)
        d_qkv = np.empty((batch, length, 3, heads, size), g.dtype)
        d_q, d_k, d_v = d_qkv.transpose(2, 0, 3, 1, 4)
        d_v[...] = self.weights.swapaxes(-1, -2) @ d_out
        d_scores = d_out @ self.v.swapaxes(-1, -2)
        d_scores -= np.einsum("...i,...i->...", d_scores, self.weights)[..., None]
        d_scores *= self.weights
        d_scores *= self.scale
        d_q[...] = d_scores @ self.k
        d_k[...] = d_scores.swapaxes(-1, -2) @ self.q
        d_qkv = d_qkv.reshape(n, 3 * width)
        d_wq, d_bq = self.h.T @ d_qkv, d_qkv.sum(axis=0)
        d_x, d_s1, d_t1 = layer_norm_backward(d_qkv @ wq.T, self.norm1, s1)
        d_x += d_h
        return d_x, [
            d_wq, d_bq, d_wo, d_bo, d_w1, d_b1, d_w2, d_b2, d_s1, d_t1, d_s2, d_t2
        ]  # fmt: skip


def transformer(arrays, heads, lr):
    x, y = arrays["x"], arrays["y"].reshape(-1)
    batch, length = x.shape
    names = ("token.weight", "position.weight", "norm.weight", "norm.bias", "head.weight")
    token, position, scale, shift, head = (arrays[name] for name in names)
    bias = arrays["head.bias"]
    blocks = [Block(arrays, f"blocks.{i}", heads) for i in range(2)]
    parameters = [token, position, scale, shift, head, bias]
    parameters += [p for block in blocks for p in block.parameters]
    mask = np.triu(np.full((length, length), -np.inf, np.float32), 1)
    chosen = np.zeros((x.size, len(token)), np.float32)  # its product adds up rows of a character
    chosen[np.arange(x.size), x.reshape(-1)] = 1
    optimizer, rows = optimizer_of("AdamW", lr), np.arange(x.size)

    def step():
        h = (token[x] + position).reshape(-1, token.shape[1])
        for block in blocks:
            h = block.forward(h, batch, mask)
        normed, saved = layer_norm(h, scale, shift)
        loss, g = cross_entropy(normed @ head + bias, y, rows)

        gradients = [normed.T @ g, g.sum(axis=0)]
        g, *of_norm = layer_norm_backward(g @ head.T, saved, scale)
        of_blocks = []
        for block in reversed(blocks):
            g, found = block.backward(g)
            of_blocks = found + of_blocks
        of_tables = [chosen.T @ g, g.reshape(batch, length, -1).sum(axis=0)]
        optimizer.update(parameters, of_tables + of_norm + gradients + of_blocks)
        return float(loss)

    return step


# The LSTM


def recurrent(arrays, lr):
    """mean((h - y)²) of an LSTM; x: (T, N, in), y: (T, N, hidden).

    Sigmoids are made of tanh, so that one call squashes all four gates. All products with x, and
    all gradients of weights, are one product each over all steps; a product with h is four small
    ones, which BLAS computes faster than one of four times the width.
    """
    x, y, w_x, w_h = (arrays[name] for name in ("x", "y", "weight_ih", "weight_hh"))
    bias = arrays["bias_ih"] + arrays["bias_hh"]
    steps, batch, hidden = y.shape
    scale = np.array([0.5, 0.5, 1, 0.5], x.dtype)[:, None, None]
    shift = 1 - scale  # sigmoid(a) = 1/2 + 1/2 tanh(a / 2)
    gates = np.empty((steps, 4, batch, hidden), x.dtype)
    d_a = np.empty_like(gates)
    h = np.zeros((steps + 1, batch, hidden), x.dtype)
    c = np.zeros_like(h)
    squashed = np.empty_like(y)
    product = np.empty((4, batch, hidden), x.dtype)
    flat_x = x.reshape(-1, x.shape[-1])

    def by_gate(matrix):
        """(n, 4 hidden) as (4, n, hidden)."""
        return np.moveaxis(matrix.reshape(-1, 4, hidden), 1, 0)

    def forward():
        from_x = flat_x @ w_x
        from_x += bias
        np.multiply(from_x.reshape(steps, batch, 4, hidden).swapaxes(1, 2), scale, out=gates)
        weight = by_gate(w_h) * scale
        for t in range(steps):
            a = gates[t]
            a += np.matmul(h[t], weight, out=product)
            np.tanh(a, out=a)
            a *= scale
            a += shift
            np.multiply(a[1], c[t], out=c[t + 1])
            c[t + 1] += a[0] * a[2]
            np.tanh(c[t + 1], out=squashed[t])
            np.multiply(a[3], squashed[t], out=h[t + 1])

    def slopes(error):
        """The factors of each step, computed for all steps at once."""
        i, f, g, o = gates.swapaxes(0, 1)
        np.multiply(g * i, 1 - i, out=d_a[:, 0])
        np.multiply(c[:-1] * f, 1 - f, out=d_a[:, 1])
        np.multiply(1 - g * g, i, out=d_a[:, 2])
        np.multiply(squashed * o, 1 - o, out=d_a[:, 3])
        return o * (1 - squashed * squashed), error * (2 / error.size)

    def step():
        nonlocal bias
        forward()
        error = h[1:] - y
        loss = np.vdot(error, error) / error.size
        through, d_out = slopes(error)
        back = by_gate(w_h).swapaxes(1, 2).copy()
        d_h, d_c = d_out[-1], np.zeros_like(y[0])
        for t in reversed(range(steps)):
            d_c += d_h * through[t]
            a = d_a[t]
            a[:3] *= d_c
            a[3] *= d_h
            d_c *= gates[t, 1]
            if t:
                d_h = np.matmul(a, back, out=product).sum(axis=0)
                d_h += d_out[t - 1]
        flat = d_a.swapaxes(1, 2).reshape(-1, 4 * hidden)
        w_x.__isub__(lr * (flat_x.T @ flat))
        w_h.__isub__(lr * (h[:-1].reshape(-1, hidden).T @ flat))
        bias -= 2 * lr * flat.sum(axis=0)  # the sum of two biases moves twice as far
        return float(loss)

    return step


# Single operations


def operation(arrays, name, length):
    """A chain of calls without gradients."""
    x, w = arrays["x"], arrays["w"]
    chained = formulas.chain(name, length, np.tanh)
    return lambda: float(chained(x, w)[0])
