"""Does a program compute what the function itself computes? One step of each, side by side."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.compiler.calling import data_of
from tinygrad_edu.compiler.holdings import Holdings, Place
from tinygrad_edu.compiler.recording import is_generator
from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.graph import Node
from tinygrad_edu.structures import leaves


@contextmanager
def snapshot(holdings: Holdings, given: list[Any]) -> Iterator[Callable[[], None]]:
    """Gives what puts everything back as it is now, the contents of arrays too."""
    places = [*holdings.places]
    places += [
        Place(x, key, "") for x in given if isinstance(x, Node) for key in ("_array", "grad")
    ]
    values = [place.get() for place in places]
    copies = [[np.copy(x) if isinstance(x, np.ndarray) else x for x in leaves(v)] for v in values]
    generators = [x for v in [*values, *given] for x in leaves(v) if is_generator(x)]
    states = [rng.bit_generator.state for rng in generators]

    def restore() -> None:
        for place, value, copy in zip(places, values, copies, strict=True):
            for x, y in zip(leaves(value), copy, strict=True):
                if isinstance(x, np.ndarray) and not same_bits(x, y):
                    x[...] = y
            place.set(value)
        for rng, state in zip(generators, states, strict=True):
            rng.bit_generator.state = state

    yield restore


def numbers_now(holdings: Holdings, given: list[Any]) -> list[tuple[str, Any]]:
    """A copy of every number that the function holds, by name."""
    found = [(place.name, place.get()) for place in holdings.places]
    found += [("an argument's gradient", x.grad) for x in given if isinstance(x, Node)]
    return [
        (name, np.copy(data_of(x)) if isinstance(x, np.ndarray | Node) else x)
        for name, value in found
        for x in leaves(value)
        if not is_generator(x)
    ]


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays or numbers are equal in dtype, shape and bits; one nan is like another."""
    x, y = np.asarray(x), np.asarray(y)
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        return False
    if x.tobytes() == y.tobytes():
        return True
    if x.dtype.kind != "f":
        return False
    nan = np.isnan(x)
    return bool(np.array_equal(nan, np.isnan(y)) and x[~nan].tobytes() == y[~nan].tobytes())


def nearly_same(x: Any, y: Any) -> bool:
    """Whether two arrays or numbers are equal in dtype and shape, and in value to rounding."""
    x, y = np.asarray(x), np.asarray(y)
    if (x.dtype, x.shape) != (y.dtype, y.shape) or x.dtype.kind != "f":
        return same_bits(x, y)
    finite = np.isfinite(x)
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    bound = 1e-12 if x.dtype == np.float64 else 1e-5
    size = np.abs(x[finite]).max(initial=0)
    return bool((np.abs(x[finite] - y[finite]) <= bound * size).all())


def compare(
    expected: Any, found: Any, what: str, same: Callable[[Any, Any], bool] = same_bits
) -> None:
    """Raise CompileError, with both, where two lists of numbers are not the same."""
    for a, b in zip(expected, found, strict=True):
        name, x, y = (what, a, b) if what else (a[0], a[1], b[1])
        if not same(x, y):
            raise CompileError(
                f"the program is wrong, and nothing was changed: {name} is {y!r:.200} by the "
                f"program, and {x!r:.200} by the function itself. Does it draw from a generator, "
                "or read a file, that is no argument of the function and no variable of it?"
            )
