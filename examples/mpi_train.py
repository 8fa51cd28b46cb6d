"""How do several processes train one network, if gradients are all that they exchange?

Each process has the same network and takes its own share of each batch. The mean over a batch is
a weighted mean over its shares, and so is its gradient. `Allreduce` adds what all processes found,
and gives the sum to all of them. All make the same step, so no weight ever has to be sent.

    pip install "tinygrad_edu[examples,mpi]"
    mpiexec -n 4 python examples/mpi_train.py
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from mpi4py import MPI
from sklearn.datasets import load_digits

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.viz.plots import plot_learning

EPOCHS, BATCH, RATE = 20, 64, 0.003
WORLD = MPI.COMM_WORLD


def network(rng: np.random.Generator) -> nn.Module:
    """The same weights in all processes, if their generators are the same."""
    return nn.Sequential(nn.Linear(64, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng))


def share(rows: np.ndarray) -> np.ndarray:
    """The rows of a batch that are this process's; they may be none."""
    return np.array_split(rows, WORLD.size)[WORLD.rank]


def differentiate(model: nn.Module, x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The gradients of the mean loss over this share of the rows, and the loss, times its weight.

    They are one vector, so that one message carries them all.
    """
    mine, parameters = share(rows), model.parameters()
    if not len(mine):
        return np.zeros(sum(p.size for p in parameters) + 1)
    model.zero_grad()
    loss = losses.cross_entropy(model(x[mine]), y[mine])
    loss.backward()
    parts = [*(p.grad.ravel() for p in parameters), [loss.item()]]
    return np.concatenate(parts) * (len(mine) / len(rows))


def set_gradients(model: nn.Module, vector: np.ndarray) -> None:
    """Cut the vector up again: each parameter gets its gradient."""
    parameters = model.parameters()
    ends = np.cumsum([p.size for p in parameters])
    for p, part in zip(parameters, np.split(vector, ends[:-1]), strict=True):
        p.grad = part.reshape(p.shape)


def train(model: nn.Module, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> list[float]:
    """The loss of each step, the same in all processes."""
    adam, curve, waited, start = optim.Adam(model.parameters(), lr=RATE), [], 0.0, perf_counter()
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))  # the same everywhere
        for rows in np.split(order, range(BATCH, len(x), BATCH)):
            vector = differentiate(model, x, y, rows)
            before = perf_counter()
            WORLD.Allreduce(MPI.IN_PLACE, vector)  # it becomes the sum over all processes
            waited += perf_counter() - before
            set_gradients(model, vector[:-1])
            adam.step()
            curve.append(float(vector[-1]))
    if WORLD.rank == 0:
        means = np.mean(np.split(np.array(curve), EPOCHS), axis=1)
        print(f"processes: {WORLD.size}, steps: {len(curve)}")
        print(f"share of the time spent in Allreduce: {waited / (perf_counter() - start):.0%}")
        print(f"each sum is over {vector.nbytes:,} bytes: {vector.size - 1:,} gradients, one loss")
        print(f"mean loss of the first epoch {means[0]:.3f}, of the last one {means[-1]:.3f}")
    return curve


def main(out: Path = Path("out/mpi_train")) -> tuple[list[float], float]:
    rng = np.random.default_rng(0)
    x, y = load_digits(return_X_y=True)
    model = network(rng)
    curve = train(model, x / 16, y, rng)
    weights = np.concatenate([p.data.ravel() for p in model.parameters()])
    apart = max(float(np.max(np.abs(other - weights))) for other in WORLD.allgather(weights))
    if WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        print(f"the weights of two processes are at most {apart:g} apart")
        title = f"One network, trained by {WORLD.size} process{'es' * (WORLD.size > 1)}"
        plot_learning(curve, ylabel="cross-entropy (nats)", title=title, path=out / "mpi_train.png")
        print(f"the loss: {out / 'mpi_train.png'}")
    return curve, apart


if __name__ == "__main__":
    main()
