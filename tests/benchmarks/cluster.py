"""How long does a training step take on a cluster, and how many bytes does it move?

    python tests/benchmarks/cluster.py [--seconds 10] [--workers 1 2 4]

trains perceptrons of a few sizes in one process, and with `train.fit(..., cluster=client)` on
worker processes of this computer with one thread each. It prints

- the median time of a step and its quartiles, and the load average, because other programs on the
  computer make a step slower;
- the processor time of a step, which depends less on other programs: that of this program, which
  includes the scheduler, and that of all workers together;
- the bytes that went through the loopback device (Linux), which carries all traffic of the cluster.
"""

import argparse
import contextlib
import itertools
import os
import warnings
from time import perf_counter, process_time

import measure  # it sets the number of threads, before NumPy is imported
import numpy as np
from distributed import Client, LocalCluster

from tinygrad_edu import losses, manual_seed, nn, optim, train

NETWORKS = [  # sizes of the layers, rows of a batch
    ([4, 8, 2], 256),
    ([784, 256, 128, 10], 256),
    ([784, 256, 128, 10], 2048),
    ([64, 1024, 1024, 10], 256),
    ([64, 1024, 1024, 10], 2048),
]
LEFT_OUT = 0, 1, 9  # steps that open connections, or that fit checks with the whole batch
FEWEST, MOST = 15, 99  # the 100th step is checked again


class EnoughError(Exception):
    """Enough steps were measured."""


def steps(sizes, batch, seconds, client=None):
    """Time, processor time and bytes of each step; processor time of all workers for one step."""
    manual_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((batch, sizes[0])), rng.integers(sizes[-1], size=batch)
    layers = [x for n, m in itertools.pairwise(sizes) for x in (nn.Linear(n, m), nn.Tanh())]
    model = nn.Sequential(*layers[:-1])
    sgd = optim.SGD(model.parameters(), lr=0.01)
    notes = [now()]

    def note():
        notes.append(now())
        taken = len(notes) - 1
        if (taken >= FEWEST and notes[-1][0] - notes[0][0] > seconds) or taken == MOST:
            raise EnoughError

    before = workers_time(client)
    with contextlib.suppress(EnoughError):
        train.fit(
            model, losses.cross_entropy, sgd, (x, y), epochs=1000, after_step=note, progress=False,
            cluster=client,
        )  # fmt: skip
    # in the two steps that are checked, the workers compute everything twice
    of_workers = (workers_time(client) - before) / (len(notes) - 1 + 2)
    return np.delete(np.diff(notes, axis=0), LEFT_OUT, axis=0), of_workers


def now():
    return perf_counter(), process_time(), loopback()


def workers_time(client):
    return sum(client.run(process_time).values()) if client else 0.0


def loopback():
    """Bytes that the loopback device has sent since the computer was started."""
    with open("/proc/net/dev") as file:
        (line,) = [line for line in file if line.strip().startswith("lo:")]
    return int(line.split(":")[1].split()[8])


def tell(sizes, batch, where, of_steps, of_workers):
    low, middle, high = 1e3 * np.quantile(of_steps[:, 0], [0.25, 0.5, 0.75])
    _, program, moved = np.mean(of_steps, axis=0)
    print(
        f"| {'-'.join(map(str, sizes))} | {batch} | {where} | {middle:.1f} ms ({low:.1f} to "
        f"{high:.1f}) | {1e3 * program:.1f} ms | {1e3 * of_workers:.1f} ms | "
        f"{moved / 1e6:.2f} MB | {os.getloadavg()[0]:.1f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="for each row")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    chosen = parser.parse_args()
    print(measure.machine(), os.cpu_count(), "cores")
    print("| network | batch | where | a step | of it here | workers | moved | load |")
    print("|---|---|---|---|---|---|---|---|")
    for sizes, batch in NETWORKS:
        tell(sizes, batch, "one process", *steps(sizes, batch, chosen.seconds))
    for n in chosen.workers:
        options = {"n_workers": n, "threads_per_worker": 1, "dashboard_address": None}
        with (
            warnings.catch_warnings(action="ignore"),
            LocalCluster(**options) as cluster,
            Client(cluster) as client,
        ):
            for sizes, batch in NETWORKS:
                numbers = steps(sizes, batch, chosen.seconds, client)
                tell(sizes, batch, f"{n} worker{'s' * (n > 1)}", *numbers)


if __name__ == "__main__":
    main()
