"""Dask beyond one process: a cluster of worker processes, and arrays larger than their memory."""

import os
import warnings
from unittest import mock

import numpy as np
import pytest

from tinygrad_edu import Tensor, losses, nn, optim, train

pytest.importorskip("dask.array", reason="dask is not installed")
distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")

LIMIT = 500_000_000  # bytes of a worker, of which Python and its libraries take almost a half
ROWS, COLUMNS, BLOCKS = 100_000, 40, 63
ONE = {"distributed.scheduler.worker-saturation": 1.0}  # chunk at a time
FULL = {f"distributed.worker.memory.{act}": False for act in ("target", "spill", "pause")}


@pytest.fixture(scope="module")
def client():
    """Two workers that write nothing to the disk: one that is full is killed."""
    import dask

    options = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": LIMIT}
    with (
        warnings.catch_warnings(action="ignore"),
        mock.patch.dict(os.environ, OMP_NUM_THREADS="1"),  # Dask leaves settings of malloc there
        dask.config.set({**FULL, "distributed.scheduler.allowed-failures": 0, **ONE}),
        distributed.LocalCluster(dashboard_address=None, **options) as cluster,
        distributed.Client(cluster, timeout=60) as client,
    ):
        yield client


def block(i):
    """Rows of data that are made when they are needed, as if read from a file."""
    return np.random.default_rng(i).random((ROWS, COLUMNS))


def target(x):
    return x[:, :1]


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(COLUMNS, 2, rng=rng), nn.Tanh(), nn.Linear(2, 1, rng=rng))


def lazy_blocks():
    import dask.array

    chunks = (ROWS,) * BLOCKS, (COLUMNS,)
    return dask.array.map_blocks(
        lambda block_id: block(block_id[0]), chunks=chunks, meta=np.empty((0, 0))
    )


def loss_by_blocks(model):
    """The loss, with the gradients of the parameters, added up block by block in NumPy."""
    model.zero_grad()
    total = 0.0
    for x in map(block, range(BLOCKS)):
        loss = losses.mse_loss(model(x), target(x), reduction="sum") / (ROWS * BLOCKS)
        loss.backward()
        total += loss.item()
    return total


@pytest.mark.filterwarnings("ignore")
def test_a_training_on_an_array_four_times_larger_than_the_memory_of_a_worker_ends(client):
    x = lazy_blocks()
    assert x.nbytes >= 4 * LIMIT
    assert {w["memory_limit"] for w in client.scheduler_info()["workers"].values()} == {LIMIT}
    before = client.run(os.getpid)
    model, twin = network(), network()
    sgd = optim.SGD(model.parameters(), lr=0.5)
    history = train.fit(model, losses.mse_loss, sgd, (x, target(x)), epochs=2, progress=False)
    assert client.run(os.getpid) == before  # nobody was killed

    other = optim.SGD(twin.parameters(), lr=0.5)
    for loss in history.train_loss:
        np.testing.assert_allclose(loss, loss_by_blocks(twin), rtol=1e-10)
        other.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert type(p.grad) is np.ndarray
        np.testing.assert_allclose(p.grad, q.grad, rtol=1e-8, atol=1e-13)
        np.testing.assert_allclose(p.data, q.data, rtol=1e-10)


@pytest.mark.filterwarnings("ignore")
def test_the_limit_is_one(client):
    """Whoever holds the whole array is killed: the test above could fail."""
    with pytest.raises(distributed.KilledWorker):
        client.submit(lambda: [block(i) for i in range(40)], pure=False).result(timeout=60)


@pytest.mark.filterwarnings("ignore")
def test_forward_and_backward_on_several_processes_are_numpys(client):
    import dask.array

    rng = np.random.default_rng(0)
    data, classes = rng.standard_normal((64, 6)), rng.integers(3, size=64)
    client.wait_for_workers(2, timeout=60)
    x = client.persist(dask.array.from_array(data, chunks=(8, 6)))
    distributed.wait(x, timeout=60)
    assert len({worker for held in client.who_has(x).values() for worker in held}) == 2
    grads = []
    for array in (x, data):
        rng = np.random.default_rng(0)
        model = nn.Sequential(nn.Linear(6, 5, rng=rng), nn.LayerNorm(5), nn.Linear(5, 3, rng=rng))
        leaf = Tensor(array, requires_grad=True)
        loss = losses.cross_entropy(model(leaf), classes)
        loss.backward()
        number = train.compute(loss, model)
        g = leaf.grad if array is data else leaf.grad.compute()
        grads.append([number, g, *[p.grad for p in model.parameters()]])
    for g, expected in zip(*grads, strict=True):
        np.testing.assert_allclose(g, expected, rtol=1e-10, atol=1e-14)
