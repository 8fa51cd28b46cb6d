"""Which module is being called: from this a summary and a picture of a network are made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.nn.module import Module

After = Callable[[str, Any], object]


@contextmanager
def calls_noted(model: Module, after: After | None = None) -> Iterator[list[str]]:
    """Inside, a list of the paths of the modules that are being called, the outermost first.

    after  called with the path and the output of each call that has ended

    Python looks for `__call__` in the class, so each module is meanwhile of a subclass of its own.
    """
    calls: list[str] = []
    modules = [(path, module, type(module)) for path, module in model.named_modules()]

    def restore() -> None:
        for _, module, kind in modules:
            module.__class__ = kind

    with afterwards(restore):
        for path, module, kind in modules:
            module.__class__ = noting(kind, path, calls, after)
        yield calls


def noting(kind: type[Module], path: str, calls: list[str], after: After | None) -> type[Module]:
    """The class, and its calls are noted down."""

    def call(self: Module, *args: Any, **kwargs: Any) -> Any:
        calls.append(path)
        try:
            out = kind.__call__(self, *args, **kwargs)
        finally:
            calls.pop()
        if after is not None:
            after(path, out)
        return out

    return type(kind.__name__, (kind,), {"__call__": call})
