"""How is the old state restored, even if Ctrl-C comes while that happens?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def afterwards(restore: Callable[[], object]) -> Iterator[None]:
    """Call restore() at the end of the block, however it ends.

    It is called twice: if an interrupt stops the first call, the second does the work. So a second
    call must change nothing: restore() sets the state from before the block. Prepare all that it
    needs before the block, and make every change inside.
    """
    try:
        try:
            yield
        finally:
            restore()
    finally:
        restore()


def done_or_undone(change: Callable[[], object], undo: Callable[[], object]) -> None:
    """Call change(); if it does not finish, call undo() to take all of it back.

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
