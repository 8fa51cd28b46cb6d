"""How do joblib's worker processes make many calls, if any process may die?"""

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


class Lost(Exception):  # noqa: N818  it is a result, and is not raised
    """The reason why a call has no result: its process died, or it takes too long."""


class JoblibWorkers:
    """joblib's worker processes.

    jobs     the number of processes; -1: one for each core
    backend  joblib's name for what starts them; None: the choice of `joblib.parallel_config`
    """

    def __init__(self, joblib: Any, jobs: int, backend: str | None) -> None:
        self.joblib = joblib
        self.jobs = jobs
        self.backend = backend

    def map(
        self, call: Callable[[Any], Any], tasks: Iterable[Numbered], limit: float | None
    ) -> Iterator[Numbered]:
        """Yield (i, call(x)) for each task (i, x) when it is done; (i, Lost) if its process died.

        When one process dies, joblib gives up the calls of all processes and does not say which
        call was at fault. So the calls that were under way are repeated one at a time, until one
        of them dies again. Then the others go on together.

        tasks  the next task is taken when a process is free
        limit  the seconds that a call may take; `call` itself ends its process after twice this
               time
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
        """Yield (i, call(x)) for each task. Raises BrokenExecutor if a process dies."""
        with self.config():
            backend, _ = self.joblib.parallel.get_active_backend()
            stream = backend.supports_return_generator
            parallel = self.joblib.Parallel(
                self.jobs,
                return_as="generator_unordered" if stream else "list",
                batch_size=1,
                mmap_mode="c",  # a call may change large arrays, in its own copy
            )
            job = self.joblib.delayed(numbered_call)
            jobs = (job(call, os.getpid(), i, x) for i, x in tasks)
            if stream:
                yield from parallel(jobs)
            else:  # such as Ray's: it returns all results together, so give it small groups
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
        """Whether other processes or threads make the calls."""
        return self.count() > 1

    def can_be_killed(self) -> bool:
        """Whether a process can be killed: the backend notices its death and starts another."""
        with self.config():
            backend, _ = self.joblib.parallel.get_active_backend()
        return isinstance(backend, self.joblib.parallel.BACKENDS["loky"])

    def count(self) -> int:
        with self.config():
            return self.joblib.effective_n_jobs(self.jobs)


TAKING = threading.Lock()  # after a failure, a thread of joblib may still take a task


def begun(tasks: Iterator[Numbered], under_way: dict[int, Any]) -> Iterator[Numbered]:
    """Yield the tasks that are under way, to repeat them; then the others, added to `under_way`."""
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
    """From now on, end this process when its parent process has ended, even by a kill."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
