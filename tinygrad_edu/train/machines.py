"""Where are the parts of a batch computed: in this process, or on the workers of a Dask cluster?"""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Lock
from time import monotonic, sleep
from typing import Any

PATIENCE = 60.0  # seconds without any worker, after which a training gives up
FRESH = 5.0  # seconds for which the list of workers is taken for right
SETTINGS = Lock()  # Dask's settings belong to all threads of the process
TRIES = 3  # of a batch whose tasks Dask gave up: by itself it tries each on four workers


class ClusterError(RuntimeError):
    """A cluster that cannot go on."""


class KilledError(ClusterError):
    """Dask gave up a task, since every worker that had it died."""


class Here:
    """This process, with the numbers that a cluster would give."""

    def submit(self, function: Callable[..., Any], *args: Any, place: int | None = None) -> Any:
        return function(*args)

    def gather(self, results: list[Any]) -> list[Any]:
        return results

    def persist(self, work: Callable[[], Any]) -> Any:
        return work()

    def release(self) -> None:
        pass


class Cluster:
    """The workers of a Dask cluster.

    What a task needs comes to it from tasks: if a worker dies, Dask computes what it had again.
    """

    def __init__(self, client: Any) -> None:
        try:
            import distributed
        except ImportError as error:
            raise ImportError('cluster= needs Dask: pip install "tinygrad_edu[cluster]"') from error
        if not isinstance(client, distributed.Client) or client.asynchronous:
            raise TypeError(
                f"cluster must be a distributed.Client that is not asynchronous, as in "
                f"Client(LocalCluster()), and it is {client!r}"
            )
        self.client: Any = client
        self.killed = distributed.KilledWorker
        self.futures: list[Any] = []
        self.addresses: list[str] = []
        self.seen = -FRESH  # when the list of workers was taken

    def size(self) -> int:
        """How many workers there are. Waits for the first."""
        start = monotonic()
        while not self.workers(fresh=True):
            self.check_patience(start)
            sleep(0.2)
        return len(self.addresses)

    def workers(self, fresh: bool = False) -> list[str]:
        """The addresses of the workers, asked for now and then."""
        if fresh or monotonic() - self.seen > FRESH:
            try:
                ask = self.client.scheduler.ncores
                self.addresses = sorted(self.client.sync(ask, callback_timeout=PATIENCE))
            except (OSError, RuntimeError, TimeoutError) as error:
                raise ClusterError(f"the scheduler does not answer: {error}") from error
            self.seen = monotonic()
        return self.addresses

    def submit(self, function: Callable[..., Any], *args: Any, place: int | None = None) -> Any:
        """A task; those of the same place go to the same worker, as long as it is there."""
        import dask

        if self.client.status in ("closing", "closed"):
            raise ClusterError(f"the client is {self.client.status}: make another one")
        options: dict[str, Any] = {}
        if place is not None and (workers := self.workers()):
            worker = workers[place % len(workers)]
            options = {"workers": [worker], "allow_other_workers": True}
        # a model is large at times, and is sent on purpose
        setting = {"distributed.admin.large-graph-warning-threshold": "1 TB"}
        with SETTINGS, dask.config.set(setting):
            future = self.client.submit(function, *args, pure=False, **options)
        self.futures.append(future)
        return future

    def gather(self, futures: list[Any]) -> list[Any]:
        """The results. Raises the error of a task, and ClusterError where there will be none."""
        waiting = asyncio.run_coroutine_threadsafe(
            self.client.gather(futures, asynchronous=True), self.client.loop.asyncio_loop
        )
        start = monotonic()
        try:
            while True:
                try:
                    return waiting.result(timeout=1)
                except TimeoutError:
                    if waiting.done():
                        return waiting.result()
                if self.workers(fresh=True):
                    start = monotonic()
                self.check_patience(start)
        except self.killed as error:
            raise KilledError(
                "every worker that computed this part of the batch died, one after the other: is "
                f"their memory too small for it? {error}"
            ) from error
        except CancelledError as error:
            raise ClusterError(f"the cluster has lost its tasks: {error}") from error
        finally:
            waiting.cancel()

    def persist(self, work: Callable[[], Any]) -> Any:
        """work(), tried again if Dask gave it up: its tasks may only have been near other deaths.

        work  submits all tasks that it needs
        """
        for _ in range(TRIES - 1):
            with suppress(KilledError):
                return work()
        return work()

    def check_patience(self, start: float) -> None:
        if monotonic() - start > PATIENCE:
            raise ClusterError(
                f"the cluster has had no worker for {PATIENCE:g} seconds: start some, and begin "
                "the training again (with a checkpoint= it goes on where it was saved)"
            )

    def release(self) -> None:
        """The scheduler and the workers forget the tasks so far, and do not begin what is left."""
        for future in self.futures:
            future.release()
        self.futures = []
