"""How is everything restored, even if Ctrl-C interrupts the restoring?

`tinygrad_edu.cleanup` does the same for the rest of the package. These functions are here as well
because `optim` needs only NumPy: you can copy its folder and use it with other tensors.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def afterwards(restore: Callable[[], object]) -> Iterator[None]:
    """Call restore() at the end of the block, however it ends.

    It is called twice: if an interrupt stops the first call, the second call does the work. So a
    second call must change nothing more: restore() sets what was there before the block.
    """
    try:
        try:
            yield
        finally:
            restore()
    finally:
        restore()


def all_or_none(dicts: list[dict[str, Any]], change: Callable[[], None]) -> None:
    """Call `change`, which sets entries of these dicts. If it does not reach its end, undo it."""
    before = [dict(each) for each in dicts]
    done = False

    def undo_unless_done() -> None:
        if not done:
            for each, old in zip(dicts, before):
                for name in each.keys() - old.keys():
                    del each[name]
                each.update(old)

    with afterwards(undo_unless_done):
        change()
        done = True
