"""Does a program compute what the function itself computes? One step of each is compared."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.compiler.calling import data_of
from tinygrad_edu.compiler.calls import Call
from tinygrad_edu.compiler.holdings import Holdings, Place
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.recording import is_generator
from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.graph import Node
from tinygrad_edu.structures import leaves, rebuilt


@contextmanager
def snapshot(holdings: Holdings, given: list[Any]) -> Iterator[Callable[[], None]]:
    """Yields a function that restores everything as it is now, the contents of arrays too."""
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
    """Whether two arrays or numbers are equal in dtype, shape and bits; all nans are equal."""
    x, y = np.asarray(x), np.asarray(y)
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        return False
    if x.tobytes() == y.tobytes():
        return True
    if x.dtype.kind != "f":
        return False
    nan = np.isnan(x)
    return bool(np.array_equal(nan, np.isnan(y)) and x[~nan].tobytes() == y[~nan].tobytes())


def compare(expected: Any, found: Any, same: Callable[[Any, Any], bool] = same_bits) -> None:
    """Raise CompileError where two lists of (name, numbers) differ; the error shows both."""
    for (name, x), (_, y) in zip(expected, found, strict=True):
        if not same(x, y):
            raise is_wrong(name, x, y)


def is_wrong(name: str, x: Any, y: Any) -> CompileError:
    return CompileError(
        f"the program is wrong, and nothing was changed: {name} is {y!r:.200} in the program and "
        f"{x!r:.200} in the function itself. Does the function use something that changes, such as "
        "a file or a hidden generator? Pass that as an argument"
    )


# Numbers that are equal up to rounding

ROUNDING = {"float64": 1e-12, "float32": 1e-5, "float16": 1e-2}
LEEWAY = 1000  # times the effect of a change in the inputs' last digit
NUDGES = 2


def rounding_of(program: Program) -> float:
    """The tolerance for a program: that of its least exact dtype, even if it is cast later."""
    dtypes = {np.result_type(x.data).name for x in program.lines if is_number(x.data)}
    return max((ROUNDING.get(name, 0) for name in dtypes), default=0)


def is_number(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | float)


def compare_to_rounding(expected: Any, found: Any, others: Any, rounding: float) -> None:
    """Raise CompileError where two lists of (name, numbers) differ by more than rounding.

    others    what the function itself gives on inputs that are changed in their last digit
    rounding  the tolerance, relative to the largest number of an array
    """
    for i, ((name, x), (_, y)) in enumerate(zip(expected, found, strict=True)):
        if not is_near(x, y, [other[i][1] for other in others], rounding):
            raise is_wrong(name, x, y)


def is_near(x: Any, y: Any, others: list[Any], rounding: float) -> bool:
    """Whether y equals x up to rounding, or is near enough if x itself is a rounding error.

    How near, the `others` show. An example is the slope of a bias before a normalization.
    """
    x, y = np.asarray(x), np.asarray(y)
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        return False
    if x.dtype.kind not in "fiub" or same_bits(x, y):
        return same_bits(x, y)
    wide = [np.asarray(z, float) for z in (x, y, *others)]
    finite = np.isfinite(wide).all(axis=0)
    alike = all(np.array_equal(wide[0][~finite], z[~finite], equal_nan=True) for z in wide[2:])
    if alike and not np.array_equal(wide[0][~finite], wide[1][~finite], equal_nan=True):
        return False
    a, b, *rest = (z[finite] for z in wide)
    moved = max((np.abs(a - z).max(initial=0) for z in rest), default=0)
    bound = rounding * np.abs(a).max(initial=0) if x.dtype.kind == "f" else 0
    if moved > bound / 10:  # x is largely a rounding error
        bound += LEEWAY * moved
    return bool((np.abs(a - b) <= bound).all())


def nearly_same(x: Any, y: Any) -> bool:
    """Whether two arrays or numbers are equal in dtype, in shape, and in value up to rounding."""
    return is_near(x, y, [], 1e-12 if np.result_type(x) == np.float64 else 1e-5)


def nudged(call: Call, holdings: Holdings) -> Iterator[Call]:
    """Yield the call NUDGES times, after a change in the last digit of everything that it reads.

    Each time the caller must restore what was changed.
    """
    rng = np.random.default_rng(0)

    def moved(x: Any) -> Any:
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
            return x
        step = np.finfo(x.dtype).eps * rng.choice([-1, 1], x.shape)
        with np.errstate(all="ignore"):
            return (x * (1 + step)).astype(x.dtype)

    for _ in range(NUDGES):
        for place in holdings.places:
            value = place.get()
            place.set(rebuilt(value, map(moved, leaves(value))))
        for x in call.leaves:
            if isinstance(x, Node):
                x._array = moved(x.data)
        args, options = rebuilt((call.args, call.options), map(moved, call.leaves))
        yield Call(args, options)
