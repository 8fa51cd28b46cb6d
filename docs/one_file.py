"""The engine in one file: numbers and arrays that remember how they were made.

python docs/one_file.py

trains a network on the exclusive or. The chapter docs/one_file.md reads it, and says what the
package adds.
"""

from heapq import heappop, heappush
from itertools import count

import numpy as np

births = count()


class Node:
    """An array, the rule of the operation that made it, and what it was made from."""

    __array_ufunc__ = None  # array * node is a call of the node, not of NumPy

    def __init__(self, data, rule=None, inputs=()):
        self.data = np.asarray(data, float)
        self.rule, self.inputs = rule, inputs
        self.birth = next(births)
        self.grad = None

    def backward(self):
        """Add to the `grad` of each leaf how much this number changes with it."""
        grads, queue = {self: np.ones_like(self.data)}, [(-self.birth, self)]
        while queue:
            _, node = heappop(queue)  # the youngest: its gradient is complete
            g = grads.pop(node)
            if node.rule is None:
                node.grad = g if node.grad is None else node.grad + g
                continue
            partials = node.rule(g, node.data, *(x.data for x in node.inputs))
            for x, partial in zip(node.inputs, partials, strict=True):
                partial = unbroadcast(partial, x.data.shape)
                if x in grads:
                    grads[x] = grads[x] + partial
                else:
                    grads[x] = partial
                    heappush(queue, (-x.birth, x))


def unbroadcast(g, shape):
    """Sum over the axes that broadcasting had added or stretched."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return g.sum(axis=stretched, keepdims=True)


def derivative_of(function):
    """Make an operation of a function of arrays and the rule of its derivative."""

    def operation_with(rule):
        def operation(*inputs):
            nodes = [x if isinstance(x, Node) else Node(x) for x in inputs]
            return Node(function(*(x.data for x in nodes)), rule, nodes)

        return operation

    return operation_with


# The rules: the gradient g of the result, the result, the inputs; a gradient for each input


@derivative_of(np.add)
def add(g, out, x, y):
    return g, g


@derivative_of(np.subtract)
def subtract(g, out, x, y):
    return g, -g


@derivative_of(np.multiply)
def multiply(g, out, x, y):
    return g * y, g * x


@derivative_of(np.matmul)
def matmul(g, out, x, y):
    return g @ y.T, x.T @ g


@derivative_of(np.exp)
def exp(g, out, x):
    return (g * out,)


@derivative_of(np.log)
def log(g, out, x):
    return (g / x,)


@derivative_of(np.tanh)
def tanh(g, out, x):
    return (g * (1 - out * out),)


@derivative_of(np.mean)
def mean(g, out, x):
    return (np.full(x.shape, g / x.size),)


Node.__add__ = Node.__radd__ = add
Node.__mul__ = Node.__rmul__ = multiply
Node.__sub__ = subtract
Node.__matmul__ = matmul


def main(steps=300, lr=0.1):
    """Train two layers on the exclusive or, and return the loss of each step."""
    rng = np.random.default_rng(0)
    x = Node([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = Node([[0], [1], [1], [0]])
    shapes = [(2, 4), (4,), (4, 1), (1,)]
    parameters = [Node(rng.standard_normal(shape)) for shape in shapes]
    losses = []
    for _ in range(steps):
        w1, b1, w2, b2 = parameters
        error = tanh(x @ w1 + b1) @ w2 + b2 - y
        loss = mean(error * error)
        loss.backward()
        parameters = [Node(p.data - lr * p.grad) for p in parameters]
        losses.append(float(loss.data))
    return losses


if __name__ == "__main__":
    losses = main()
    for step in (0, 10, 100, len(losses) - 1):
        print(f"step {step:3}  loss {losses[step]:.2g}")
