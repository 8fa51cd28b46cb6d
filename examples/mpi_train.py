"""How do several processes train one network if they exchange only gradients?

Each process has the same network and takes its own share of each batch. The mean loss of a batch
is a weighted mean of the losses of the shares, and the same is true of the gradient. `Allreduce`
adds the gradients of all processes, and gives the sum to each of them. All processes make the same
step, so the weights are never sent.

    pip install "tinygrad_edu[examples,mpi]"
    mpiexec -n 4 python -m mpi4py examples/mpi_train.py

With `-m mpi4py`, an error in one process ends all of them.
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
    """A perceptron; it has the same weights in all processes if their generators are equal."""
    return nn.Sequential(nn.Linear(64, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng))


def share(rows: np.ndarray) -> np.ndarray:
    """The rows of a batch that belong to this process. The share can be empty."""
    return np.array_split(rows, WORLD.size)[WORLD.rank]


def differentiate(model: nn.Module, x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The gradients of the mean loss of this share, and the loss, as one vector for one message.

    All are multiplied by the weight of the share, len(share) / len(rows), so their sum over the
    processes is the gradient and the loss of the whole batch.
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
    """Cut the vector into the gradients of the parameters, and set them."""
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
            WORLD.Allreduce(MPI.IN_PLACE, vector)  # vector becomes the sum over all processes
            waited += perf_counter() - before
            set_gradients(model, vector[:-1])
            adam.step()
            curve.append(float(vector[-1]))
    if WORLD.rank == 0:
        means = np.mean(np.reshape(curve, (EPOCHS, -1)), axis=1)
        print(f"{WORLD.size} processes, {waited / (perf_counter() - start):.0%} waiting for sums")
        print(f"each sum is over {vector.nbytes:,} bytes: {vector.size - 1:,} gradients, one loss")
        print(f"mean loss of the first epoch {means[0]:.3f}, of the last one {means[-1]:.3f}")
    return curve


def main(out: Path = Path("out/mpi_train")) -> tuple[list[float], float]:
    rng = np.random.default_rng(0)
    x, y = load_digits(return_X_y=True)
    model = network(rng)
    curve = train(model, x / 16, y, rng)
    weights = np.concatenate([p.data.ravel() for p in model.parameters()])
    apart = max(float(np.max(np.abs(each - weights))) for each in WORLD.allgather(weights))
    if WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        print(f"the weights of two processes are at most {apart:g} apart")
        title = f"One network, trained by {WORLD.size} process{'es' * (WORLD.size > 1)}"
        plot_learning(curve, ylabel="cross-entropy (nats)", title=title, path=out / "mpi_train.png")
        print(f"the loss: {out / 'mpi_train.png'}")
    return curve, apart


if __name__ == "__main__":
    main()
