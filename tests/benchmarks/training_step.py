"""What does a training step cost on top of the NumPy that somebody would write by hand?

A step is forward pass, cross-entropy, backward pass and gradient descent. The package takes it with
its public pieces; `by_hand` is the same step in plain NumPy, each line a formula of the gradient
worked out on paper, the parameters changed in place. Both start from the same weights on the same
batch, and their losses must agree to 1e-6 over the first steps. Then rounds of the two alternate in
one process: a ratio is the median over rounds of package / by hand, printed with its quartiles.

The second table asks the same of one small operation, on 100 float64 numbers: what one operation
more adds to a chain of them, as a multiple of what NumPy's own call adds, forward and backward.

    python tests/benchmarks/training_step.py [--check]
"""

import argparse
import sys
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter

import numpy as np

from tinygrad_edu import Tensor, losses, nn, optim

LEARNING_RATE = 0.01
NETWORKS = [  # layers, batch, dtype, at most this many times the step by hand
    ((2, 16, 16, 2), 100, np.float64, 1.6),
    ((64, 128, 64, 10), 64, np.float32, 1.4),
    ((784, 256, 128, 10), 128, np.float32, 1.12),
]
OPERATION_LIMIT = 4.0
ROUNDS = 60

Step = Callable[[], float]


def by_hand(parameters: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> Step:
    """`parameters` holds W, b of each layer in turn, and is changed in place."""
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    rows = np.arange(len(x))

    def step():
        inputs = [x]
        for weight, bias in layers[:-1]:
            inputs.append(np.maximum(inputs[-1] @ weight + bias, 0))
        weight, bias = layers[-1]
        logits = inputs[-1] @ weight + bias

        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, y]).mean()

        g = p.copy()
        g[rows, y] -= 1
        g /= len(x)
        for i in reversed(range(len(layers))):
            (weight, bias), h = layers[i], inputs[i]
            weight_grad, bias_grad = h.T @ g, g.sum(axis=0)
            if i:
                g = (g @ weight.T) * (h > 0)
            weight -= LEARNING_RATE * weight_grad
            bias -= LEARNING_RATE * bias_grad
        return loss

    return step


def by_package(model: nn.Module, x: np.ndarray, y: np.ndarray) -> Step:
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step():
        loss = losses.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def perceptron(sizes, dtype, rng) -> nn.Sequential:
    layers = []
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m, rng=rng, dtype=dtype), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def alternately(functions: list[Callable[[], object]], rounds: int = ROUNDS) -> np.ndarray:
    """Seconds per call, (rounds, functions), with a few milliseconds of calls in each round."""
    start = perf_counter()
    functions[0]()
    calls = max(1, int(0.005 / (perf_counter() - start)))
    times = np.empty((rounds, len(functions)))
    for row in times:
        for i, function in enumerate(functions):
            start = perf_counter()
            for _ in range(calls):
                function()
            row[i] = (perf_counter() - start) / calls
    return times


def compare_steps() -> bool:
    print("network            hand µs  ours µs   ratio  quartiles   limit")
    met = True
    for sizes, batch, dtype, limit in NETWORKS:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((batch, sizes[0])).astype(dtype)
        y = rng.integers(0, sizes[-1], batch)
        model = perceptron(sizes, dtype, rng)
        steps = [
            by_hand([p.data.copy() for p in model.parameters()], x, y),
            by_package(model, x, y),
        ]

        for _ in range(5):
            expected, ours = (step() for step in steps)
            if abs(expected - ours) > 1e-6:
                sys.exit(f"the steps differ on {sizes}: loss {expected} by hand, {ours} here")

        times = alternately(steps)
        hand_time, our_time = np.median(times, axis=0) * 1e6
        low, ratio, high = np.percentile(times[:, 1] / times[:, 0], (25, 50, 75))
        print(
            f"{'-'.join(map(str, sizes)):17}{hand_time:9.1f}{our_time:9.1f}{ratio:8.3f}"
            f"  {low:.2f}..{high:.2f}{limit:8.2f}"
        )
        met &= bool(ratio <= limit)
    return met


def chain(operation: Callable, x, length: int):
    for _ in range(length):
        x = operation(x)
    return x


def seconds_more(operation: Callable) -> np.ndarray:
    """What one more `operation` in a chain adds: seconds, (rounds, [NumPy, forward, backward])."""
    x = np.linspace(-2, -1, 100)  # five exps in a row stay finite
    g = np.ones(100)
    tensor = Tensor(x, requires_grad=True)
    short, long = chain(operation, tensor, 1), chain(operation, tensor, 5)
    times = alternately(
        [
            lambda: chain(operation, x, 1),
            lambda: chain(operation, x, 5),
            lambda: chain(operation, tensor, 1),
            lambda: chain(operation, tensor, 5),
            lambda: short.backward(g),
            lambda: long.backward(g),
        ]
    )
    return (times[:, 1::2] - times[:, ::2]) / 4


def compare_operations() -> bool:
    print("\noperation   NumPy µs   forward  quartiles   backward  quartiles   limit")
    w = np.full(100, 1.5)
    met = True
    operations = {"add": lambda x: x + w, "multiply": lambda x: x * w, "exp": np.exp}
    for name, operation in operations.items():
        by_numpy, forward, backward = seconds_more(operation).T
        print(f"{name:12}{np.median(by_numpy) * 1e6:8.2f}", end="")
        for times in (forward, backward):
            low, ratio, high = np.percentile(times / by_numpy, (25, 50, 75))
            print(f"{ratio:10.2f}  {low:.2f}..{high:.2f}", end="")
            met &= bool(ratio <= OPERATION_LIMIT)
        print(f"{OPERATION_LIMIT:9.1f}")
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a limit is exceeded")
    check = parser.parse_args().check
    met = [compare_steps(), compare_operations()]
    if check and not all(met):
        sys.exit(1)


if __name__ == "__main__":
    main()
