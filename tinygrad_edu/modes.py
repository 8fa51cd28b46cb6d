"""Are operations remembered, and who watches a backward pass?

Each thread, and each task of asyncio, has its own setting.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tinygrad_edu.cleanup import afterwards

# Whether operations are remembered. A function here is called with each result as well.
RECORDING: ContextVar[bool | Callable[[Any], None]] = ContextVar("recording", default=True)
# The `watch` of each backward pass that is called without one.
WATCH: ContextVar[Callable[[Any, Any, tuple[Any, ...]], None] | None] = ContextVar(
    "watch", default=None
)


@contextmanager
def temporarily(variable: ContextVar[Any], value: Any) -> Iterator[Any]:
    """Inside, the variable has this value; yields the value that it had before."""
    previous = variable.get()
    with afterwards(lambda: variable.set(previous)):
        variable.set(value)
        yield previous


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations compute but are not remembered. Also a decorator, `@no_grad()`."""
    with temporarily(RECORDING, False):
        yield
