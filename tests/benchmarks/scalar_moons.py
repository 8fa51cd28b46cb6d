"""How many times as fast does a Value train the two moons as micrograd's design does?

Both train the same network of single floats, 2-16-16-1 with relu, on 100 points of two moons: the
hinge loss of all points, a small penalty on the weights, and gradient descent, as in micrograd's
well-known demo. The baseline below is that design (github.com/karpathy/micrograd) written anew:
a closure on every node, a set of children, an order built by recursion, one node for each product
and each sum. The package trains `nn.MLP` with everything written as its users would write it.

Both start from the same weights, and the losses of the first steps must agree to 1e-9. Then single
steps of the two alternate in one process; a ratio is the median over pairs, with its quartiles. All
garbage is collected before each step, so that neither pays for the other's.

A closure refers to the node that holds it, so the baseline's graph is a cycle at every node, which
only Python's garbage collector can free; it searches the growing graph again and again. That is
part of what the design costs, and of the first ratio. The second one, with the collector switched
off during the steps, is that of the arithmetic alone.

    python tests/benchmarks/scalar_moons.py [--check]
"""

import argparse
import gc
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
from sklearn.datasets import make_moons

from tinygrad_edu import nn, optim

REQUIRED = 4.0  # times as fast
ALPHA = 1e-4
LEARNING_RATE = 0.5
SIZES = [16, 16, 1]


class ClosureValue:
    """One float that knows how to pass its gradient on: the baseline."""

    def __init__(self, data, children=()):
        self.data = data
        self.grad = 0.0
        self.children = set(children)
        self.propagate = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, ClosureValue) else ClosureValue(other)
        out = ClosureValue(self.data + other.data, (self, other))

        def propagate():
            self.grad += out.grad
            other.grad += out.grad

        out.propagate = propagate
        return out

    def __mul__(self, other):
        other = other if isinstance(other, ClosureValue) else ClosureValue(other)
        out = ClosureValue(self.data * other.data, (self, other))

        def propagate():
            self.grad += out.grad * other.data
            other.grad += out.grad * self.data

        out.propagate = propagate
        return out

    def relu(self):
        out = ClosureValue(max(self.data, 0.0), (self,))

        def propagate():
            self.grad += out.grad * (out.data > 0)

        out.propagate = propagate
        return out

    def __neg__(self):
        return self * -1.0

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, number):
        return self * (1 / number)

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self):
        order, visited = [], set()

        def visit(node):
            if node not in visited:
                visited.add(node)
                for child in node.children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.propagate()


class ClosureNetwork:
    """The network of the baseline, with the weights of `model`."""

    def __init__(self, model):
        self.layers = [
            [
                (
                    [ClosureValue(w.data) for w in neuron.weights],
                    ClosureValue(neuron.bias.data),
                    neuron.nonlinearity,
                )
                for neuron in layer.neurons
            ]
            for layer in model.layers
        ]

    def parameters(self):
        return [p for layer in self.layers for weights, bias, _ in layer for p in (*weights, bias)]

    def __call__(self, x):
        for layer in self.layers:
            outs = [
                sum((w * xi for w, xi in zip(weights, x, strict=True)), bias)
                for weights, bias, _ in layer
            ]
            x = [
                out.relu() if nonlinearity else out
                for out, (_, _, nonlinearity) in zip(outs, layer, strict=True)
            ]
        return x[0]


def loss_of(model, parameters, rows, labels):
    """mean(relu(1 - y score)) + ALPHA sum(p²), in the operators that both kinds of Value have."""
    return hinge_of(model, parameters, rows, labels) + ALPHA * sum(p * p for p in parameters)


def hinge_of(model, parameters, rows, labels):
    """mean(relu(1 - y score))."""
    scores = [model(row) for row in rows]
    hinge = sum((1 - y * score).relu() for y, score in zip(labels, scores, strict=True))
    return hinge / len(labels)


def baseline_step(model: ClosureNetwork, rows, labels, loss_of=loss_of) -> Callable[[], float]:
    parameters = model.parameters()
    rows = [[ClosureValue(x) for x in row] for row in rows]  # once: the demo does it in every step

    def step():
        loss = loss_of(model, parameters, rows, labels)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for p in parameters:
            p.data -= LEARNING_RATE * p.grad
        return loss.data

    return step


def package_step(model: nn.MLP, rows, labels) -> Callable[[], float]:
    parameters = model.parameters()
    optimizer = optim.SGD(parameters, lr=LEARNING_RATE)

    def step():
        loss = loss_of(model, parameters, rows, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.data

    return step


def alternately(steps: list[Callable[[], float]], rounds: int) -> np.ndarray:
    """Seconds, (rounds, steps)."""
    times = np.empty((rounds, len(steps)))
    for row in times:
        for i, step in enumerate(steps):
            gc.collect()
            start = perf_counter()
            step()
            row[i] = perf_counter() - start
    return times


def report(label: str, times: np.ndarray) -> float:
    baseline, package = np.median(times, axis=0) * 1e3
    low, ratio, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
    print(f"{label:14}{baseline:9.1f} ms{package:9.1f} ms{ratio:8.2f}  {low:.2f}..{high:.2f}")
    return float(ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the requirement is not met")
    check = parser.parse_args().check

    points, classes = make_moons(100, noise=0.1, random_state=0)
    rows, labels = points.tolist(), (2 * classes - 1).tolist()
    model = nn.MLP(2, SIZES, rng=np.random.default_rng(0))
    baseline = baseline_step(ClosureNetwork(model), rows, labels)
    package = package_step(model, rows, labels)

    losses = np.array([(baseline(), package()) for _ in range(5)])
    difference = np.abs(losses[:, 0] - losses[:, 1]).max()
    if difference > 1e-9:
        sys.exit(f"the two do not compute the same: losses differ by {difference:.1e}\n{losses}")

    print(f"losses of the first {len(losses)} steps agree to {difference:.0e}\n")
    print("collector        closures       Value   ratio  quartiles")
    ratio = report("on", alternately([baseline, package], rounds=20))
    gc.disable()
    report("off", alternately([baseline, package], rounds=20))
    print(f"\nValue is {ratio:.1f} times as fast; required: {REQUIRED}")
    if check and ratio < REQUIRED:
        sys.exit(1)


if __name__ == "__main__":
    main()
