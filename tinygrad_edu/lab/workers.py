"""How does one function run for many arguments in joblib's processes, even if a process dies?"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from typing import Any

Numbered = tuple[int, Any]


def numbered_call(call: Callable[[Any], Any], i: int, x: Any) -> Numbered:
    return i, call(x)


class Workers:
    """joblib's worker processes, on this computer or on a cluster.

    jobs     the number of processes; -1: one for each core
    backend  joblib's name for what starts them; None: the choice of `joblib.parallel_config`,
             "loky" by default
    """

    def __init__(self, jobs: int, backend: str | None) -> None:
        try:
            import joblib
        except ImportError as error:
            raise ImportError(
                f"jobs={jobs} needs joblib: pip install joblib, or use jobs=1"
            ) from error
        self.joblib = joblib
        self.jobs = jobs
        self.backend = backend

    def map(self, call: Callable[[Any], Any], arguments: Sequence[Any]) -> Iterator[Numbered]:
        """Yield (i, call(arguments[i])) when it is done; (i, the error) if its process died.

        When one process dies, joblib also gives up the calls of the others, and does not say which
        call killed it. It is one of those in progress, so these run again, one at a time, until one
        kills its process again.
        """
        left = dict(enumerate(arguments))
        while left:
            try:
                for i, out in self.together(call, left):
                    del left[i]
                    yield i, out
            except BrokenExecutor:
                for i in list(itertools.islice(left, 2 * self.count())):
                    out = self.alone(call, i, left.pop(i))
                    yield i, out
                    if isinstance(out, BrokenExecutor):
                        break

    def together(self, call: Callable[[Any], Any], left: dict[int, Any]) -> Iterator[Numbered]:
        job = self.joblib.delayed(numbered_call)
        with self.config():
            backend, _ = self.joblib.parallel.get_active_backend()
            tasks, form, chunk = list(left.items()), "generator_unordered", len(left)
            if not backend.supports_return_generator:  # Ray: all results of a call come at once
                form, chunk = "list", self.count()
            for start in range(0, len(tasks), chunk):
                parallel = self.joblib.Parallel(
                    self.jobs,
                    return_as=form,
                    batch_size=1,
                    mmap_mode="c",  # without it, large arrays in a call are read-only
                )
                yield from parallel(job(call, i, x) for i, x in tasks[start : start + chunk])

    def alone(self, call: Callable[[Any], Any], i: int, x: Any) -> Any:
        try:
            ((_, out),) = self.together(call, {i: x})
        except BrokenExecutor as error:
            return error
        return out

    def config(self) -> Any:
        return self.joblib.parallel_config(backend=self.backend) if self.backend else nullcontext()

    def can_be_killed(self) -> bool:
        """Whether a dead process is noticed and replaced: only loky does that."""
        with self.config():
            backend, _ = self.joblib.parallel.get_active_backend()
        return isinstance(backend, self.joblib.parallel.BACKENDS["loky"])

    def count(self) -> int:
        with self.config():
            return self.joblib.effective_n_jobs(self.jobs)
