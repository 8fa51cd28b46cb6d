"""How is everything put back, even where Ctrl-C comes while it is being put back?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def afterwards(restore: Callable[[], object]) -> Iterator[None]:
    """Call restore() at the end of the block, however it ends.

    It is called twice, so that an interrupt in the midst of the first call leaves the second. So it
    sets what was there before the block, which a second time changes nothing; what it needs for
    that is made ready before the block, and every change is made inside.
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

    That is called twice as well: a second time it changes nothing.
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
