"""What is left of a training step once the graph is gone, and how much faster is it?

A perceptron learns to read scikit-learn's 1,797 digits, twice from the same start: as usual, and
as a program that `compile` recorded. The losses are equal in every bit. For a small network, we
print the whole program, and draw which arrays it needs at each line.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from tinygrad_edu import compile, manual_seed, nn, optim
from tinygrad_edu.losses import cross_entropy, mse_loss
from tinygrad_edu.viz.plots import plot_program

EPOCHS, BATCH = 8, 64


def perceptron():
    manual_seed(0)
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )


def as_usual(model, optimizer):
    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def as_program(model, optimizer):
    return compile(lambda x, y: cross_entropy(model(x), y), optimizer)


def trained(make, x, y):
    """The loss and the seconds of each step."""
    model = perceptron()
    step = make(model, optim.Adam(model.parameters()))
    rng = np.random.default_rng(0)
    losses, seconds = [], []
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for rows in order[: len(x) // BATCH * BATCH].reshape(-1, BATCH):
            start = perf_counter()
            losses.append(step(x[rows], y[rows]).item())
            seconds.append(perf_counter() - start)
    return losses, seconds


def show_a_small_program(path):
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    step = compile(lambda x, y: mse_loss(model(x), y), optim.SGD(model.parameters(), lr=0.1))
    step(np.ones((4, 2)), np.zeros((4, 1)))
    print(step.source)
    plot_program(step, "Memory grows forward, and is used again backward", path)


def plot(losses, times, path):
    fig = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    left, right = fig.subplots(1, 2)
    left.semilogy(losses)
    left.set(xlabel="step", ylabel="loss, equal in every bit", title="The loss of each step")
    for name, seconds in times.items():
        right.plot(np.sort(seconds)[: int(0.99 * len(seconds))] * 1e6, label=name)
    right.set(
        xlabel="steps, sorted by time", ylabel="µs", title="The time of a step", ylim=(0, None)
    )
    right.legend()
    fig.savefig(path)


def main(out: Path = Path("out/compiled_step")) -> float:
    out.mkdir(parents=True, exist_ok=True)
    x, y = load_digits(return_X_y=True)
    x = x / 16
    show_a_small_program(out / "program.png")
    usual, usual_seconds = trained(as_usual, x, y)
    program, program_seconds = trained(as_program, x, y)
    assert usual == program, "not the same bits"
    times = {"as usual": np.array(usual_seconds), "as a program": np.array(program_seconds)}
    for name, seconds in times.items():
        print(f"{name}: {np.median(seconds) * 1e6:.0f} µs a step")
    plot(usual, times, out / "compiled_step.png")
    return usual[-1]


if __name__ == "__main__":
    main()
