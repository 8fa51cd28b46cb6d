"""A sweep in a process of its own, to be interrupted and killed: python swept.py FILE WHERE.

WHERE is a number of jobs, or the address of a Dask cluster, or "again": then a sweep with one job
is begun in a new process for each line of the input, and the process is printed.
"""

import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from tinygrad_edu import lab
from tinygrad_edu.rng import default_rng

GRID = {"lr": [k / 10 for k in range(1, 13)], "width": [2, 3], "seeds": 2}  # 48 runs


def run(lr, width, seed):
    if "BOTH" in os.environ:  # a folder: wait until two processes make runs
        both = Path(os.environ["BOTH"])
        (both / str(os.getpid())).touch()
        while len(list(both.iterdir())) < 2:
            time.sleep(0.01)
    time.sleep(float(os.environ.get("SECONDS", "0.02")))
    return [lr * width / (t + 1) + default_rng().normal(0, 1e-3) for t in range(50)]


def main(path, where):
    jobs, client = -1, nullcontext()
    if where.isdigit():
        jobs = int(where)
    else:
        from distributed import Client

        client = Client(where)
    with client:
        backend = None if where.isdigit() else "dask"
        lab.sweep(run, **GRID, path=path, jobs=jobs, backend=backend, progress=False)


def again(path):
    for _ in sys.stdin:
        process = os.fork()
        if process == 0:
            main(path, "1")
            os._exit(0)
        print(process, flush=True)
        os.waitpid(process, 0)
        print("over", flush=True)


if __name__ == "__main__":
    path, where = sys.argv[1:]
    print("begun", flush=True)
    if where == "again":
        again(path)
    else:
        main(path, where)
