"""How fast is a training step beside PyTorch's, on the small networks that one learns with?

The same step as in training_step.py (forward pass, cross-entropy, backward pass, gradient descent)
from the same weights on the same batch, by this package and by PyTorch's eager mode on the
processor. Losses must agree to 1e-5 over the first steps; then rounds of the two alternate in one
process, and the ratio is the median over rounds of PyTorch / package, with its quartiles. Both
have one thread: the idle workers of one would take the processor from the other.

    pip install torch
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/against_pytorch.py
"""

import sys

import numpy as np
import torch
from training_step import LEARNING_RATE, NETWORKS, alternately, by_package, perceptron


def by_pytorch(model: torch.nn.Module, x: np.ndarray, y: np.ndarray):
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    def step():
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def twin(model) -> torch.nn.Sequential:
    """The same network in PyTorch, whose weights are the transpose of ours."""
    layers = []
    for layer in model:
        if not hasattr(layer, "weight"):
            layers.append(torch.nn.ReLU())
            continue
        layers.append(torch.nn.Linear(*layer.weight.shape))
        layers[-1].weight = torch.nn.Parameter(torch.tensor(layer.weight.data.T))
        layers[-1].bias = torch.nn.Parameter(torch.tensor(layer.bias.data))
    return torch.nn.Sequential(*layers)


def main() -> None:
    print("network          PyTorch µs  ours µs   PyTorch / ours  quartiles")
    for sizes, batch, dtype, _ in NETWORKS:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((batch, sizes[0])).astype(dtype)
        y = rng.integers(0, sizes[-1], batch)
        model = perceptron(sizes, dtype, rng)
        steps = [by_pytorch(twin(model), x, y), by_package(model, x, y)]
        for _ in range(5):
            expected, ours = (step() for step in steps)
            if abs(expected - ours) > 1e-5:
                sys.exit(f"the steps differ on {sizes}: {expected} in PyTorch, {ours} here")

        times = alternately(steps)
        theirs, ours = np.median(times, axis=0) * 1e6
        low, ratio, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
        print(
            f"{'-'.join(map(str, sizes)):17}{theirs:10.1f}{ours:9.1f}{ratio:15.2f}"
            f"     {low:.2f}..{high:.2f}"
        )


if __name__ == "__main__":
    main()
