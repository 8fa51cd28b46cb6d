"""A program from a seed: operations are drawn one by one, and kept if NumPy can compute them."""

import functools
import re
import warnings
from typing import Any

import numpy as np

from fuzz.operations import BLANKS, SCALARS, SHARED_TABLE, TABLE, Rng, Row
from fuzz.programs import LETTERS, MATH, NUMPY, Input, Library, Operation, Program

LARGEST = 20.0  # numbers beyond have derivatives that differences can hardly tell
MOST = 36  # elements in an array
NEAREST = 2e-3  # to a kink

# The same numbers in memory of another kind: read-only, Fortran order, strides below 0 and above 1
LAYOUTS = [
    *("a", "np.broadcast_to(a, a.shape)", "np.asfortranarray(a)", "a[::-1].copy()[::-1]"),
    *("np.repeat(a, 2, -1)[..., ::2]", "a"),
]
NUMBERS = [2, -1, 0.5, True, np.float64(1.5), np.float32(0.3), np.int64(3)]
FIRST = re.compile(" > |meshgrid|broadcast_arrays")  # the result depends on a, if not on b
BLANK = re.compile(r"\{(\w+)\}")


class RefusedError(Exception):
    """What was drawn is no operation for these values."""


REFUSALS = (
    RefusedError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    Warning,
)


def program(seed: int) -> Program:
    """The program of a seed: of Tensors, of what autograd knows as well, or of Values."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["all", "shared", "scalar"], p=[0.6, 0.3, 0.1])
    if kind == "scalar":
        return grown(rng, scalars(rng), [SCALARS], MATH)
    return grown(rng, arrays(rng), TABLE if kind == "all" else SHARED_TABLE, NUMPY)


def grown(rng: Rng, inputs: list[Input], table: list[list[Row]], library: Library) -> Program:
    """A program of 3 to 30 operations on these inputs."""
    values = [library.evaluate(x.layout, x.data) for x in inputs]
    tracked = [x.tracked for x in inputs]
    operations: list[Operation] = []
    length = rng.integers(3, 31)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")  # what NumPy deprecates it will refuse
        while len(operations) < length:
            rows = table[rng.integers(len(table))]
            row = rows[rng.integers(len(rows))]
            try:
                operation, value = drawn(rng, row, values, tracked, library)
            except REFUSALS:
                continue
            operations.append(operation)
            values.append(value)
            tracked.append(True)
    return Program(tuple(inputs), tuple(operations))


def drawn(
    rng: Rng, row: Row, values: list[Any], tracked: list[bool], library: Library
) -> tuple[Operation, Any]:
    """An operation of this row on some of the values, and its result."""
    text, kink = row
    count = max(LETTERS.index(c) for c in ["a", *re.findall(r"(?<![\w.{])[abc](?!\w)", text)]) + 1
    operands = chosen(rng, count, tracked, first=bool(FIRST.search(text)))
    parts = [values[i] for i in operands]

    @functools.cache  # a blank of one name is the same everywhere in the row
    def filled(name: str) -> str:
        return str(BLANKS[name](rng, parts[0]))

    text = BLANK.sub(lambda match: filled(match[1]), text)
    value = library.evaluate(text, *parts)
    if not fits(value):
        raise RefusedError
    if kink is not None:
        distance = np.abs(KINKS.evaluate(BLANK.sub(lambda match: filled(match[1]), kink), *parts))
        if np.any((distance != 0) & (distance < NEAREST)):
            raise RefusedError
    return Operation(text, operands), value


def chosen(rng: Rng, count: int, tracked: list[bool], first: bool) -> tuple[int, ...]:
    """Which values the letters stand for: one is tracked (the first, if so asked), late ones more
    often than early ones, and now and then one value twice.
    """
    n = len(tracked)
    lead = rng.choice([i for i in latest(rng, n) if tracked[i]] or np.flatnonzero(tracked))
    others = [lead if rng.random() < 0.2 else rng.choice(latest(rng, n)) for _ in range(count - 1)]
    others.insert(0 if first else rng.integers(count), lead)
    return tuple(map(int, others))


def latest(rng: Rng, n: int) -> range:
    return range(max(n - 5, 0), n) if rng.random() < 0.5 else range(n)


def fits(value: Any) -> bool:
    """Whether it is a floating-point number or array of moderate size."""
    if isinstance(value, np.ndarray | np.floating):
        return (
            value.dtype in (np.float32, np.float64)
            and 0 < value.size <= MOST
            and bool(np.all(np.abs(value) <= LARGEST))
        )
    return isinstance(value, float) and abs(value) <= LARGEST


def jump(x: Any) -> Any:
    """|x|, and never 0 exactly: what happens there is not smooth in any case."""
    return np.maximum(np.abs(x), NEAREST / 2)


KINKS = Library(
    "",
    np=np,
    gaps=lambda x: np.diff(np.sort(x, axis=None)),
    jump=jump,
    whole=lambda x: jump(x - np.round(x)),
)


# Inputs


def arrays(rng: Rng) -> list[Input]:
    """One to three tracked arrays of shapes that often fit together, and three plain operands."""
    sides = rng.integers(1, 4, 3)
    floats = ["float64"] if rng.random() < 0.7 else ["float64", "float32"]
    kinds = [*floats, "int64", "uint8", "bool", "number"]
    tracked = [array(rng, sides, rng.choice(floats), True) for _ in range(rng.integers(1, 4))]
    return [*tracked, *(array(rng, sides, rng.choice(kinds), False) for _ in range(3))]


def array(rng: Rng, sides: Any, kind: str, tracked: bool) -> Input:
    if kind == "number":
        return Input(NUMBERS[rng.integers(len(NUMBERS))], tracked=False)
    shape = tuple(int(n) for n in sides[rng.choice(4, p=[0.05, 0.4, 0.4, 0.15]) :])
    shape = tuple(1 if rng.random() < 0.15 else n for n in shape)
    if kind in ("float64", "float32"):  # no 0 and no 1, where abs and clip have their kinks
        numbers = np.floor(1000 * rng.standard_normal(shape)) / 1000 + 0.0005
    else:
        numbers = rng.integers(4, size=shape)
    layout = rng.choice(LAYOUTS if shape else LAYOUTS[:2])
    return Input(np.asarray(numbers, kind), str(layout), tracked)


def scalars(rng: Rng) -> list[Input]:
    """Two to four Values, and some plain numbers."""
    values = [Input(round(rng.normal(), 3) + 0.0005) for _ in range(rng.integers(2, 5))]
    return [*values, *(Input(x, tracked=False) for x in (0.5, 2, True))]
