"""How is one run of a sweep made, and how are all of them, with a file and with workers?"""

import math
import os
import platform
import reprlib
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.graph import plain
from tinygrad_edu.lab.curve import SHORTEST, curve_verdict
from tinygrad_edu.lab.deadline import TimeLimitError, time_limit
from tinygrad_edu.lab.processes import Lost
from tinygrad_edu.lab.program import code_fingerprint
from tinygrad_edu.lab.run_log import RunLog
from tinygrad_edu.lab.runs import Run, Settings, key, loss_name, settings_text
from tinygrad_edu.lab.workers import Workers
from tinygrad_edu.rng import Package, manual_seed

Task = tuple[Settings, int]

ALONE = threading.RLock()  # threads of one process share the package's generator


def this_process() -> tuple[str, int]:
    """The machine's name and the process's id: no other process has both."""
    return platform.node(), os.getpid()


def attempt(run: Callable[..., Any], limit: float | None, home: tuple[str, int], task: Task) -> Run:
    """Call run with its own seed and return its result. The generator is put back afterwards.

    home  the id of the sweep's own process; any other process may be killed at its time limit
    """
    settings, seed = task
    kill = this_process() != home
    try:
        with ALONE, seeded(seed), time_limit(limit, kill=kill), np.errstate(all="ignore"):
            returned = run(**settings, seed=seed)
    except (FloatingPointError, OverflowError) as error:
        return Run(settings, seed, {}, {}, "diverged", error_text(error))
    except (Exception, SystemExit, TimeLimitError) as error:
        return Run(settings, seed, {}, {}, "error", error_text(error))
    values = numbers_in(returned, settings, seed)
    curves = {name: x.tolist() for name, x in values.items() if x.ndim}
    numbers = {name: float(x if x.ndim == 0 else x[-1]) for name, x in values.items()}
    judged = loss_name(curves)
    if judged is not None and len(curves[judged]) >= SHORTEST:
        found = curve_verdict(curves[judged])
        return Run(settings, seed, numbers, curves, found.kind, found.reason)
    if not all(map(math.isfinite, numbers.values())):
        return Run(settings, seed, numbers, curves, "diverged", "a number is not finite")
    return Run(settings, seed, numbers, curves, "finished", "there is no curve of losses to judge")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block, the package's generator starts from this seed; then the old one is back."""
    before = Package.rng
    with afterwards(lambda: setattr(Package, "rng", before)):
        manual_seed(seed)
        yield


def error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def numbers_in(returned: Any, settings: Settings, seed: int) -> dict[str, npt.NDArray[Any]]:
    """What run returned, as arrays by name, each of shape () or (n,) with n > 0."""
    pairs = returned if isinstance(returned, Mapping) else {"loss": returned}
    try:
        values = {str(name): np.asarray(plain(x)) for name, x in pairs.items()}
    except (TypeError, ValueError):  # a list of Tensors, or of lists
        values = {}
    if values and all(x.dtype.kind in "biuf" and x.ndim < 2 and x.size for x in values.values()):
        return values
    raise TypeError(
        "run must return a number, a list of numbers (use .item() on a Tensor), or a dict of "
        f"these, and run({settings_text(settings)}, seed={seed}) returned {reprlib.repr(returned)}"
    )


def outcomes(
    run: Callable[..., Any],
    tasks: Sequence[Task],
    todo: Iterable[tuple[int, Task]],
    workers: Workers | None,
    limit: float | None,
) -> Generator[Run]:
    """Yield each run when it is done. Without workers, this process makes one after the other."""
    one = partial(attempt, run, limit, this_process())
    if workers is None:
        yield from (one(task) for _, task in todo)
        return
    for i, out in workers.map(one, todo, limit):
        yield Run(*tasks[i], {}, {}, "error", str(out)) if isinstance(out, Lost) else out


class Runner:
    """Makes the runs of a sweep that are not in its file yet.

    seeds  the seeds of each setting
    done   the finished runs, by their keys
    """

    def __init__(
        self,
        run: Callable[..., Any],
        seeds: Sequence[int],
        workers: Workers | None,
        limit: float | None,
        path: str | Path | None,
    ) -> None:
        self.run = run
        self.seeds = seeds
        self.workers = workers
        self.limit = limit
        self.code = code_fingerprint(run)
        self.programs: dict[str, str] = {}
        self.log = None if path is None else RunLog(Path(path), self.programs)
        self.done: dict[str, Run] = {}

    def expect(self, settings: Iterable[Settings]) -> None:
        """Note the program of their runs: the package's version, and the code of `run`."""
        version = sys.modules["tinygrad_edu"].__version__
        for each in settings:
            program = f"{version} {code_fingerprint(self.code, *each.values())}"
            self.programs.update({key(each, seed): program for seed in self.seeds})

    def tasks(self, settings: Iterable[Settings]) -> Iterator[Task]:
        return ((each, seed) for each in settings for seed in self.seeds)

    def results(self, tasks: Iterable[Task]) -> Generator[Run]:
        """Yield each run when it is done, without the runs that were done before.

        A task is taken when a worker is free. If another sweep has done it by then, it is left out.
        """
        taken: list[Task] = []

        def todo() -> Iterator[tuple[int, Task]]:
            for i, task in enumerate(tasks):
                taken.append(task)
                name = key(*task)
                if name not in self.done and (not self.log or name not in self.log.refresh()):
                    yield i, task

        with closing(outcomes(self.run, taken, todo(), self.workers, self.limit)) as runs:
            for one in runs:
                name = key(one.settings, one.seed)
                if one.verdict != "error" or name not in self.done:  # another sweep may have it
                    self.done[name] = one
                if self.log is not None:
                    self.log.add(name, one)
                yield one

    def runs_of(self, settings: Iterable[Settings]) -> list[Run]:
        """The runs of these settings, which are all done, with the settings as they were given."""
        tasks = self.tasks(settings)
        return [replace(self.done[key(*task)], settings=task[0]) for task in tasks]
