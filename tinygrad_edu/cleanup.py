"""How is everything put back, even if Ctrl-C comes in the middle of that?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def afterwards(restore: Callable[[], object]) -> Iterator[None]:
    """Call restore() at the end of the block, however it ends.

    It is called twice: if an interrupt cuts the first call short, the second does the work. So a
    second call must change nothing: restore() sets what was there before the block. What it needs
    for that is prepared before the block, and every change is made inside.
    """
    try:
        try:
            yield
        finally:
            restore()
    finally:
        restore()


def done_or_undone(change: Callable[[], object], undo: Callable[[], object]) -> None:
    """Call change(); if it does not reach its end, undo() all of it.

    undo() is called twice as well, and must change nothing the second time.
    """
    try:
        try:
            change()
        except BaseException:
            undo()
            raise
    except BaseException:
        undo()
        raise
