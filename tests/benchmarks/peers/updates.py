"""A step for peers with optimizers in PyTorch's names, and updates for peers without optimizers.

The updates are in NumPy, all in place, with one buffer; a large array block by block, so that what
lies between stays in the cache.
"""

import numpy as np

BLOCK = 16384  # numbers in a block: the fastest from 4096 to 65536 for 784 x 1024


def eager_step(loss_of, optimizer, *data):
    """A step in PyTorch's names: the loss, its gradients, the update; ends in the loss."""

    def step():
        optimizer.zero_grad()
        loss = loss_of(*data)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


class SGD:
    """p -= lr g."""

    def __init__(self, lr):
        self.lr = lr

    def update(self, parameters, gradients):
        for p, g in zip(parameters, gradients, strict=True):
            p -= self.lr * g


class Adam:
    """Kingma and Ba 2015, algorithm 1; with weight_decay that of AdamW (Loshchilov and Hutter)."""

    def __init__(self, lr, weight_decay=0.0, betas=(0.9, 0.999), eps=1e-8):
        self.lr, self.weight_decay, self.betas, self.eps = lr, weight_decay, betas, eps
        self.t, self.states = 0, None

    def update(self, parameters, gradients):
        if self.states is None:
            self.states = [
                (np.zeros(p.size, p.dtype), np.zeros(p.size, p.dtype)) for p in parameters
            ]
            self.buffer = np.empty(BLOCK, parameters[0].dtype)
        self.t += 1
        for p, g, (m, v) in zip(parameters, gradients, self.states, strict=True):
            p, g = p.reshape(-1), g.reshape(-1)
            for start in range(0, p.size, BLOCK):
                part = slice(start, start + BLOCK)
                self.update_block(p[part], g[part], m[part], v[part])

    def update_block(self, p, g, m, v):
        beta1, beta2 = self.betas
        b = self.buffer[: p.size]
        np.multiply(g, 1 - beta1, out=b)
        m *= beta1
        m += b
        np.multiply(g, g, out=b)
        b *= 1 - beta2
        v *= beta2
        v += b
        np.sqrt(v, out=b)
        b *= 1 / (1 - beta2**self.t) ** 0.5
        b += self.eps
        np.divide(m, b, out=b)
        b *= self.lr / (1 - beta1**self.t)
        if self.weight_decay:
            p *= 1 - self.lr * self.weight_decay
        p -= b


def optimizer_of(name, lr):
    if name == "SGD":
        return SGD(lr)
    return Adam(lr, weight_decay=0.01 if name == "AdamW" else 0.0)
