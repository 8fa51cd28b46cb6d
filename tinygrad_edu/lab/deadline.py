"""How does a run stop that takes too long?"""

import faulthandler
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.lab.workers import Workers


class TimeLimitError(BaseException):
    """A run took too long. This is not an Exception, so that `except Exception` cannot catch it."""


@contextmanager
def time_limit(seconds: float | None, *, kill: bool) -> Iterator[None]:
    """Raise TimeLimitError in the block after this many seconds. None: no limit.

    kill  also end the whole process after twice the time if the block still runs, because no error
          can be raised inside compiled code that hangs
    """
    if seconds is None:
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeLimitError(f"it took longer than {seconds:g} s")

    if can_interrupt():
        alarm = signal.getsignal(signal.SIGALRM)
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        due = time.monotonic() + left

    def restore() -> None:
        if can_interrupt():
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
            if left:  # an older alarm whose time has passed rings now
                remains = max(due - time.monotonic(), 1e-6)
                signal.setitimer(signal.ITIMER_REAL, remains, interval)
        if kill:
            faulthandler.cancel_dump_traceback_later()

    with afterwards(restore):
        if can_interrupt():
            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        if kill:
            faulthandler.dump_traceback_later(2 * seconds, exit=True)
        yield


def can_interrupt() -> bool:
    """Whether a timer signal can interrupt this thread: only a main thread, never on Windows."""
    here = threading.current_thread()
    return hasattr(signal, "setitimer") and here is threading.main_thread()


def check_time_limit(seconds: float | None, workers: Workers | None) -> None:
    """Raise ValueError for a limit that is not a time, or that these workers cannot keep."""
    if seconds is None:
        return
    if not 0 < seconds < math.inf:
        raise ValueError(f"time_limit must be finite and above 0 seconds, and it is {seconds}")
    apart = workers is not None and workers.apart()
    if not (workers.can_be_killed() if workers and apart else can_interrupt()):
        raise ValueError(
            "time_limit works in the main thread, except on Windows, in the processes of joblib's "
            "own backend, 'loky', and on a Dask cluster whose workers are processes"
        )
