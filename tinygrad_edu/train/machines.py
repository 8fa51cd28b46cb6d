"""Where are the parts of a batch computed: in this process, or on the workers of a Dask cluster?"""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Lock
from time import monotonic, sleep
from typing import Any

PATIENCE = 60.0  # seconds to wait for a worker if the cluster has none
FRESH = 5.0  # seconds after which the list of workers is asked for again
SETTINGS = Lock()  # Dask's settings belong to all threads of the process
TRIES = 3  # how often a batch is computed before `KilledError`; Dask tries each task four times


class ClusterError(RuntimeError):
    """The cluster cannot continue the training."""


class KilledError(ClusterError):
    """Dask gave up a task, because every worker that computed it died."""


class Here:
    """This process. It computes the same numbers as a cluster, bit for bit."""

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

    The inputs of a task are constants or results of other tasks. So Dask can compute again what
    was lost when a worker died.
    """

    def __init__(self, client: Any) -> None:
        try:
            import distributed
        except ImportError as error:
            raise ImportError('cluster= needs Dask: pip install "tinygrad_edu[cluster]"') from error
        if not isinstance(client, distributed.Client) or client.asynchronous:
            raise TypeError(
                "cluster must be a distributed.Client that is not asynchronous, such as "
                f"Client(LocalCluster()), and it is {client!r}"
            )
        self.client: Any = client
        self.killed = distributed.KilledWorker
        self.futures: list[Any] = []
        self.addresses: list[str] = []
        self.seen = -FRESH  # the time of the last answer

    def size(self) -> int:
        """The number of workers. Waits until there is one."""
        start = monotonic()
        while not self.workers(fresh=True):
            self.check_patience(start)
            sleep(0.2)
        return len(self.addresses)

    def workers(self, fresh: bool = False) -> list[str]:
        """The addresses of the workers, at most FRESH seconds old; `fresh` asks for them now."""
        if fresh or monotonic() - self.seen > FRESH:
            try:
                ask = self.client.scheduler.ncores
                self.addresses = sorted(self.client.sync(ask, callback_timeout=PATIENCE))
            except (OSError, RuntimeError, TimeoutError) as error:
                raise ClusterError(f"the scheduler does not answer: {error}") from error
            self.seen = monotonic()
        return self.addresses

    def submit(self, function: Callable[..., Any], *args: Any, place: int | None = None) -> Any:
        """Start a task. Tasks with the same place run on the same worker while it is alive."""
        import dask

        if self.client.status in ("closing", "closed"):
            raise ClusterError(
                f"the client is {self.client.status}: make a new Client, and call fit again"
            )
        options: dict[str, Any] = {}
        if place is not None and (workers := self.workers()):
            worker = workers[place % len(workers)]
            options = {"workers": [worker], "allow_other_workers": True}
        # Dask warns about large arguments, but a model can be large
        setting = {"distributed.admin.large-graph-warning-threshold": "1 TB"}
        with SETTINGS, dask.config.set(setting):
            future = self.client.submit(function, *args, pure=False, **options)
        self.futures.append(future)
        return future

    def gather(self, futures: list[Any]) -> list[Any]:
        """The results of tasks. Raises the error of a task, or ClusterError."""
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
                "every worker that computed this part of the batch died. If they had too little "
                f"memory, give more parts= or smaller batches. {error}"
            ) from error
        except CancelledError as error:
            raise ClusterError(
                "the cluster has lost its tasks: the client was closed or restarted, or the "
                f"scheduler is gone. Connect a new Client, and call fit again. {error}"
            ) from error
        finally:
            waiting.cancel()

    def persist(self, work: Callable[[], Any]) -> Any:
        """work(), tried again if Dask gave it up: its workers may have died for another reason.

        work  a function that submits all tasks that it needs
        """
        for _ in range(TRIES - 1):
            with suppress(KilledError):
                return work()
        return work()

    def check_patience(self, start: float) -> None:
        if monotonic() - start > PATIENCE:
            raise ClusterError(
                f"the cluster has had no worker for {PATIENCE:g} seconds: start workers, and call "
                "fit again (with checkpoint=, it goes on from the last save)"
            )

    def release(self) -> None:
        """Cancel the tasks that have not begun, and free all results on the cluster."""
        for future in self.futures:
            future.release()
        self.futures = []
