"""The same call for many arguments, in joblib's processes, which may die."""

import functools
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from typing import Any

Numbered = tuple[int, Any]


class Lost(Exception):  # noqa: N818  it is handed on as a result
    """A call has no result, since its process died or hangs."""


class JoblibWorkers:
    """joblib's worker processes.

    jobs     how many, -1 for one on each core
    backend  joblib's name of what starts them, None for what `joblib.parallel_config` says
    """

    def __init__(self, joblib: Any, jobs: int, backend: str | None) -> None:
        self.joblib = joblib
        self.jobs = jobs
        self.backend = backend

    def map(
        self, call: Callable[[Any], Any], tasks: Iterable[Numbered], limit: float | None
    ) -> Iterator[Numbered]:
        """(i, call(x)) for each task (i, x), as they get done; of one whose process died, a Lost.

        When one process dies, joblib gives up the calls of the others too, and nobody says which
        call it was. It is one of those under way, so these are tried alone until one dies again.

        tasks  are taken one by one, when there is a process for them
        limit  seconds that a call may take; `call` itself ends its process at twice that
        """
        tasks = iter(tasks)
        late = "" if limit is None else f"; at {2 * limit:g} s it is killed"
        under_way: dict[int, Any] = {}
        more = True
        while more:
            try:
                for i, out in self.together(call, begun(tasks, under_way)):
                    del under_way[i]
                    yield i, out
                more = bool(under_way)
            except BrokenExecutor:
                for i, x in list(under_way.items()):
                    out = self.alone(call, i, x, late)
                    del under_way[i]
                    yield i, out
                    if isinstance(out, Lost):
                        break

    def together(self, call: Callable[[Any], Any], tasks: Iterator[Numbered]) -> Iterator[Numbered]:
        with self.config():
            backend, _ = self.joblib.parallel.get_active_backend()
            stream = backend.supports_return_generator
            parallel = self.joblib.Parallel(
                self.jobs,
                return_as="generator_unordered" if stream else "list",
                batch_size=1,
                mmap_mode="c",  # or else large arrays in a call were read-only
            )
            job = self.joblib.delayed(numbered_call)
            jobs = (job(call, os.getpid(), i, x) for i, x in tasks)
            if stream:
                yield from parallel(jobs)
            else:  # Ray's: results come when all of them do
                while group := list(itertools.islice(jobs, self.count())):
                    yield from parallel(group)

    def alone(self, call: Callable[[Any], Any], i: int, x: Any, late: str) -> Any:
        try:
            ((_, out),) = self.together(call, iter([(i, x)]))
        except BrokenExecutor as error:
            lines = str(error).splitlines()
            codes = next((line for line in lines if "exit codes" in line), lines[0])
            return Lost(f"its process died. {codes}{late}")
        return out

    def config(self) -> Any:
        return self.joblib.parallel_config(backend=self.backend) if self.backend else nullcontext()

    def apart(self) -> bool:
        """Whether calls are made elsewhere than here."""
        return self.count() > 1

    def can_be_killed(self) -> bool:
        """Whether the death of a process is noticed, and another takes its place."""
        with self.config():
            backend, _ = self.joblib.parallel.get_active_backend()
        return isinstance(backend, self.joblib.parallel.BACKENDS["loky"])

    def count(self) -> int:
        with self.config():
            return self.joblib.effective_n_jobs(self.jobs)


TAKING = threading.Lock()  # a thread of joblib may still take one when others have been given up


def begun(tasks: Iterator[Numbered], under_way: dict[int, Any]) -> Iterator[Numbered]:
    """Those under way once more, then the others, which are under way from then on."""
    yield from list(under_way.items())
    while True:
        with TAKING:
            task = next(tasks, None)
            if task is None:
                return
            under_way[task[0]] = task[1]
        yield task


def numbered_call(call: Callable[[Any], Any], home: int, i: int, x: Any) -> Numbered:
    if os.getppid() == home:
        end_with_parent()
    return i, call(x)


@functools.cache
def end_with_parent() -> None:
    """From now on, end this process when the one that has started it is gone, be it killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
