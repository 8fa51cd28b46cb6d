"""The same call for many arguments, in processes that may die: joblib's, here or on a cluster."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from typing import Any

Numbered = tuple[int, Any]


def numbered_call(call: Callable[[Any], Any], i: int, x: Any) -> Numbered:
    return i, call(x)


class Workers:
    """joblib's worker processes.

    jobs     how many, -1 for one on each core
    backend  joblib's name of what starts them; None for what `joblib.parallel_config` says, or else
             "loky"
    """

    def __init__(self, jobs: int, backend: str | None) -> None:
        try:
            import joblib
        except ImportError as error:
            raise ImportError(
                f"jobs={jobs} needs joblib: pip install joblib, or take jobs=1"
            ) from error
        self.joblib = joblib
        self.jobs = jobs
        self.backend = backend

    def map(self, call: Callable[[Any], Any], arguments: Sequence[Any]) -> Iterator[Numbered]:
        """(i, call(arguments[i])) as they get done; of a call whose process died, (i, the error).

        When one process dies, joblib gives up the calls of the others too, and nobody says which
        call it was. It is one of those under way, so these are tried alone until one dies again.
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
            if not backend.supports_return_generator:  # Ray's: results come when all of them do
                form, chunk = "list", self.count()
            for start in range(0, len(tasks), chunk):
                parallel = self.joblib.Parallel(
                    self.jobs,
                    return_as=form,
                    batch_size=1,
                    mmap_mode="c",  # or else large arrays in a call were read-only
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
        """Whether the death of a process is noticed, and another takes its place."""
        with self.config():
            backend, _ = self.joblib.parallel.get_active_backend()
        return isinstance(backend, self.joblib.parallel.BACKENDS["loky"])

    def count(self) -> int:
        with self.config():
            return self.joblib.effective_n_jobs(self.jobs)
