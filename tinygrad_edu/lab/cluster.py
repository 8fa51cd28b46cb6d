"""The same call for many arguments, on the workers of a Dask cluster, any of which may die."""

import itertools
import pickle
import queue
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Self

from tinygrad_edu.lab.processes import Lost, Numbered

PATIENCE = 60.0  # seconds to wait for a worker, if there is none
LOOK = 1.0  # seconds after which the workers are counted again
WAIT = 0.1  # seconds to wait for a result before looking at the clock
SENT = 0.02  # seconds that a message needs to leave a worker
FETCH = 30.0  # seconds that a result, which is small, may need from its worker


class DaskWorkers:
    """The workers of a Dask cluster.

    client    distributed's
    jobs      how many calls at a time, -1 for one in each thread of the workers
    patience  seconds to wait for a worker, if there is none; PATIENCE if that is more
    """

    def __init__(self, client: Any, jobs: int, patience: float | None = None) -> None:
        if jobs == 0:
            raise ValueError("jobs must be at least 1, or -1 for all, and it is 0")
        self.client = client
        self.jobs = jobs
        self.patience = max(PATIENCE, patience or 0)

    def map(
        self, call: Callable[[Any], Any], tasks: Iterable[Numbered], limit: float | None
    ) -> Iterator[Numbered]:
        """(i, call(x)) for each task (i, x), as they get done; of one that has no result, a Lost.

        Dask makes a call again if its worker has died, and gives it up if several have. That can be
        bad luck, if others break down the workers. So it is then tried once more, alone.

        tasks  are taken one by one, when there is a worker for them
        limit  seconds that a call may take; `call` itself ends its process at twice that

        Raises ConnectionError if the cluster is gone.
        """
        from distributed import KilledWorker

        killed = []
        with Calls(self.client, call, limit, self.patience) as calls:
            for i, x, out in calls.results(tasks, self.jobs):
                if isinstance(out, KilledWorker):
                    killed.append((i, x))
                else:
                    yield i, out
            for i, _, out in calls.results(killed, 1):
                if isinstance(out, KilledWorker):
                    times = f"{out.allowed_failures + 1} times"
                    out = Lost(f"its worker died {times}, and {times} more when it ran alone")
                yield i, out

    def apart(self) -> bool:
        """Whether calls are made elsewhere than here."""
        return True

    def can_be_killed(self) -> bool:
        """Whether the death of a worker is noticed: not if it is a thread of this process."""
        return not any(address.startswith("inproc:") for address in self.client.nthreads())


class Calls:
    """The calls that are under way on a cluster; at the end of the block, they are given up."""

    def __init__(
        self, client: Any, call: Callable[[Any], Any], limit: float | None, patience: float
    ) -> None:
        self.client = client
        self.call = call
        self.limit = limit
        self.patience = patience
        self.name = f"run-{uuid.uuid4().hex}"
        self.numbers = itertools.count()
        self.under_way: dict[str, tuple[int, Any, Any]] = {}  # i, x and the future, by its key
        self.started: dict[str, tuple[float, str]] = {}  # when, and the address of the worker
        self.done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.threads = 0
        self.counted = -LOOK
        self.seen = time.monotonic()  # when there was a worker

    def __enter__(self) -> Self:
        import cloudpickle

        self.pickle = cloudpickle.dumps
        # A result, unlike data that is scattered, is made again if the workers that have it die.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # it is sent once
            self.pickled = self.client.submit(
                bytes, self.pickle(self.call), key=f"{self.name}-code"
            )
        self.client.subscribe_topic(self.name, self.note_start)
        return self

    def __exit__(self, *error: object) -> None:
        for key in list(self.under_way):
            self.forget(key)
        self.pickled.release()
        with suppress(Exception):  # the client may be closed
            self.client.unsubscribe_topic(self.name)

    def results(self, tasks: Iterable[Numbered], jobs: int) -> Iterator[tuple[int, Any, Any]]:
        """(i, x, result) as they get done; the result may be a KilledWorker, or Lost."""
        tasks = iter(tasks)
        while True:
            room = self.room(jobs) - len(self.under_way)
            for i, x in itertools.islice(tasks, max(0, room)):
                self.submit(i, x)
            if not self.under_way:
                return
            yield from self.arrived()
            yield from self.late()

    def submit(self, i: int, x: Any) -> None:
        key = f"{self.name}-{next(self.numbers)}"
        future = self.client.submit(
            call_on_worker, self.pickled, self.pickle(x), self.name, key, key=key, pure=False
        )
        self.under_way[key] = i, x, future
        future.add_done_callback(self.note_end)

    def note_start(self, event: tuple[float, tuple[str, str]]) -> None:
        """A call has begun, so there is a worker, if only until it dies of that."""
        self.seen = time.monotonic()
        key, worker = event[1]
        self.started[key] = self.seen, worker

    def note_end(self, future: Any) -> None:
        self.done.put(future.key)

    def forget(self, key: str) -> tuple[int, Any]:
        """Give up a call: if it has not begun, it never will."""
        i, x, future = self.under_way.pop(key)
        self.started.pop(key, None)
        future.release()
        return i, x

    def arrived(self) -> Iterator[tuple[int, Any, Any]]:
        """Those that are done, after waiting a little if none is."""
        from distributed import KilledWorker

        wait = WAIT
        with suppress(queue.Empty):
            while True:
                key = self.done.get(timeout=wait)
                wait = 0.0
                if key not in self.under_way:
                    continue
                future = self.under_way[key][2]
                try:
                    out = future.result(timeout=FETCH)
                except TimeoutError:  # its worker has died since, and it is made again
                    future.add_done_callback(self.note_end)
                    continue
                except KilledWorker as error:
                    out = error
                except CancelledError:
                    raise self.gone("the connection to its scheduler is lost") from None
                yield *self.forget(key), out

    def late(self) -> Iterator[tuple[int, Any, Any]]:
        """Those that take too long. Their workers end; nobody waits for them, so Dask does not make
        them again.
        """
        if self.limit is None:
            return
        due = time.monotonic() - self.limit
        late = {key: start for key, start in list(self.started.items()) if start[0] < due}
        if not late:
            return
        now = self.asked(self.client.processing)
        for key, start in late.items():
            if key not in self.under_way:  # its message came after its result
                self.started.pop(key, None)
            elif self.under_way[key][2].done():
                continue
            elif key in now.get(start[1], ()):
                ends = f"at {2 * self.limit:g} s its worker is killed"
                yield *self.forget(key), Lost(f"it took longer than {self.limit:g} s; {ends}")
            elif self.started.get(key) is start:  # that worker is dead: it waits for another
                del self.started[key]

    def room(self, jobs: int) -> int:
        """How many calls may be under way. Raises ConnectionError if the cluster is gone."""
        now = time.monotonic()
        if now - self.counted > LOOK:
            self.counted = now
            self.threads = sum(self.asked(self.client.nthreads).values())
            if self.threads:
                self.seen = now
            elif now - self.seen > self.patience:
                raise self.gone(
                    f"there was no worker for {self.patience:g} s (joblib.parallel_config("
                    'backend="dask", wait_for_workers_timeout=600) waits longer)'
                )
        many = jobs if jobs > 0 else self.threads + 1 + jobs
        return max(1, min(many, self.threads))

    def asked(self, question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the scheduler answers."""
        if self.client.status == "running":
            with suppress(OSError):
                return question()
        raise self.gone(f"its scheduler {self.client.scheduler.address} does not answer")

    def gone(self, why: str) -> ConnectionError:
        return ConnectionError(
            f"the Dask cluster is gone: {why}. If the sweep has a file, the finished runs are "
            "there; begin it again, and the others are made"
        )


ONE = threading.Lock()  # threads of a worker share the package's generator, so they take turns


def call_on_worker(call: bytes, x: bytes, topic: str, key: str) -> Any:
    """Each call has a copy of everything, as it would have in a process of its own."""
    from distributed import get_worker

    with ONE:
        worker = get_worker()
        worker.log_event(topic, (key, worker.address))
        time.sleep(SENT)  # another thread sends it, and not if the call holds all threads up
        return pickle.loads(call)(pickle.loads(x))
