"""How is a run stopped that would never end?"""

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
    """A run took too long. It is no Exception, so a run that catches those is stopped too."""


@contextmanager
def time_limit(seconds: float | None, *, kill: bool) -> Iterator[None]:
    """Inside, TimeLimitError is raised after this many seconds; None is no limit.

    kill  end this whole process after twice the time, if it is still in the block then: nothing
          can be raised in compiled code that hangs
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
            if left:  # what was to ring meanwhile rings at once
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
    """Whether a signal reaches this thread: on Windows none does, elsewhere the main thread's."""
    here = threading.current_thread()
    return hasattr(signal, "setitimer") and here is threading.main_thread()


def check_time_limit(seconds: float | None, workers: Workers | None) -> None:
    """Raise ValueError for a limit that is no time, or that cannot be kept where the runs are."""
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
