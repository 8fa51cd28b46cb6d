"""How do the workers of a Dask cluster make many calls, if any worker may die or hang?"""

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

# All in seconds:
PATIENCE = 60.0  # how long the cluster may have no worker
LOOK = 1.0  # between two counts of the workers
WAIT = 0.1  # for a result, before the clock is read again
SENT = 0.02  # for a message to leave a worker
FETCH = 30.0  # for a result, which is small, to come from its worker


class DaskWorkers:
    """The workers of a Dask cluster.

    client    a `distributed.Client`
    jobs      the number of calls at a time; -1: one in each thread of the workers
    patience  the seconds to wait while the cluster has no worker; at least PATIENCE
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
        """Yield (i, call(x)) for each task (i, x) when it is done, or (i, Lost) without a result.

        When a worker dies, Dask repeats its calls on other workers. After several deaths, Dask
        gives a call up. Another call may have killed these workers. So the call is repeated alone,
        when all others are done.

        tasks  the next task is taken when a worker is free
        limit  the seconds that a call may take; `call` itself ends its process after twice this
               time

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
        """Whether other processes or threads make the calls."""
        return True

    def can_be_killed(self) -> bool:
        """Whether a worker can be killed: not if it is a thread of this process."""
        return not any(address.startswith("inproc:") for address in self.client.nthreads())


class Calls:
    """The unfinished calls on a cluster. They are cancelled at the end of the `with` block."""

    def __init__(
        self, client: Any, call: Callable[[Any], Any], limit: float | None, patience: float
    ) -> None:
        self.client = client
        self.call = call
        self.limit = limit
        self.patience = patience
        self.name = f"run-{uuid.uuid4().hex}"
        self.numbers = itertools.count()
        self.under_way: dict[str, tuple[int, Any, Any]] = {}  # {key: (i, x, future)}
        self.started: dict[str, tuple[float, str]] = {}  # {key: (time, address of the worker)}
        self.done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.threads = 0
        self.counted = -LOOK  # the time of the last count
        self.seen = time.monotonic()  # the last time at which the cluster had a worker

    def __enter__(self) -> Self:
        import cloudpickle

        self.pickle = cloudpickle.dumps
        self.send_code()
        self.client.subscribe_topic(self.name, self.note_start)
        return self

    def __exit__(self, *error: object) -> None:
        for key in list(self.under_way):
            self.drop(key)
        self.pickled.release()
        with suppress(Exception):  # the client may be closed
            self.client.unsubscribe_topic(self.name)

    def send_code(self) -> None:
        # Dask makes a result again if its worker dies; scattered data would be lost.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # it is sent only once
            key = f"{self.name}-code-{next(self.numbers)}"
            self.pickled = self.client.submit(bytes, self.pickle(self.call), key=key)

    def results(self, tasks: Iterable[Numbered], jobs: int) -> Iterator[tuple[int, Any, Any]]:
        """Yield (i, x, result) when a call is done. The result may be a KilledWorker or Lost."""
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
        """Note that a call has begun. So the cluster has a worker, even if the call kills it."""
        self.seen = time.monotonic()
        key, worker = event[1]
        self.started[key] = self.seen, worker

    def note_end(self, future: Any) -> None:
        self.done.put(future.key)

    def drop(self, key: str) -> tuple[int, Any]:
        """Cancel a call if it has not begun; ignore its result if it has. Return i and x."""
        i, x, future = self.under_way.pop(key)
        self.started.pop(key, None)
        future.release()
        return i, x

    def arrived(self) -> Iterator[tuple[int, Any, Any]]:
        """Yield (i, x, result) of the calls that are done; wait up to WAIT seconds for one."""
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
                except TimeoutError:  # the worker has died since; Dask repeats the call
                    future.add_done_callback(self.note_end)
                    continue
                except KilledWorker as error:
                    if error.task != key:  # Dask gave up the code, which no call can run without
                        if self.pickled.status == "error":
                            self.send_code()
                        self.submit(*self.drop(key))
                        continue
                    out = error
                except CancelledError:
                    raise self.gone("the connection to its scheduler is lost") from None
                yield *self.drop(key), out

    def late(self) -> Iterator[tuple[int, Any, Any]]:
        """Yield (i, x, Lost) of the calls that take longer than the limit.

        They are dropped, so Dask does not repeat them when their workers end.
        """
        if self.limit is None:
            return
        due = time.monotonic() - self.limit
        late = {key: start for key, start in list(self.started.items()) if start[0] < due}
        if not late:
            return
        now = self.asked(self.client.processing)
        for key, start in late.items():
            if key not in self.under_way:  # the message of its start came after its result
                self.started.pop(key, None)
            elif self.under_way[key][2].done():
                continue
            elif key in now.get(start[1], ()):
                ends = f"at {2 * self.limit:g} s its worker is killed"
                yield *self.drop(key), Lost(f"it took longer than {self.limit:g} s; {ends}")
            elif self.started.get(key) is start:  # the worker is dead; the call waits for another
                del self.started[key]

    def room(self, jobs: int) -> int:
        """The number of calls that may be under way, at least 1.

        Raises ConnectionError if the cluster is gone.
        """
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
        """The scheduler's answer. Raises ConnectionError if there is none."""
        if self.client.status == "running":
            with suppress(OSError):
                return question()
        raise self.gone(f"its scheduler {self.client.scheduler.address} does not answer")

    def gone(self, why: str) -> ConnectionError:
        return ConnectionError(
            f"the Dask cluster is gone: {why}. If the sweep has a file (path=), the finished runs "
            "are in it: start the same sweep again to make the others"
        )


ONE = threading.Lock()  # threads of a worker share the package's generator: one call at a time


def call_on_worker(call: bytes, x: bytes, topic: str, key: str) -> Any:
    """Unpickle and make a call. It gets copies of all objects, so no other call can change them."""
    from distributed import get_worker

    with ONE:
        worker = get_worker()
        worker.log_event(topic, (key, worker.address))
        time.sleep(SENT)  # another thread sends the message; compiled code may block all threads
        return pickle.loads(call)(pickle.loads(x))
