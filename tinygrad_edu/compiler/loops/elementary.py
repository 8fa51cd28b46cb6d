"""exp, log and tanh without branches, so that a loop computes several numbers at once.

The functions of the C library compute one number at a time, in 5 to 17 ns; these take 0.3 to 0.9
ns. They are accurate to a few units in the last place, also for 0, infinities, nan and denormal
numbers. This file needs numba.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

OPTIONS: dict[str, Any] = {"error_model": "numpy", "boundscheck": False}
# A product and a sum in one instruction: only here, where it is faster. In a user's x * x - y * y
# it would give a rounding error for equal x and y, where NumPy gives 0.
FUSED = {**OPTIONS, "fastmath": {"contract"}}
LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def jit(function: Callable[..., Any]) -> Any:
    return njit(**OPTIONS)(function)


def polynomial(coefficients: list[float], x: str) -> str:
    """Horner's rule as text. The coefficients are named C0, C1, ..., the highest power first."""
    text = "C0"
    for i in range(1, len(coefficients)):
        text = f"({text}) * {x} + C{i}"
    return text


def tanh_coefficients(count: int) -> list[float]:
    """The coefficients of x, x**3, ... in the series of tanh, from tanh' = 1 - tanh**2."""
    found = [Fraction(1)]
    for n in range(1, count):
        square = sum((found[i] * found[n - 1 - i] for i in range(n)), Fraction(0))
        found.append(-square / (2 * n + 1))
    return [float(x) for x in found]


EXP = """
def exp(x):  # 2**k * exp(r), |r| < log(2) / 2; 2**k in two factors, for the denormal numbers
    y = min(max(x, LOWEST), HIGHEST)
    whole = np.floor(y * LOG2E + HALF)
    r = (y - whole * LOG2_HIGH) - whole * LOG2_LOW
    p = {polynomial}
    k = INT(whole)
    first = INT(k >> INT(1))
    second = INT(k - first)
    v = p * INT(INT(first + BIAS) << SHIFT).view(FLOAT)
    v = v * INT(INT(second + BIAS) << SHIFT).view(FLOAT)
    return v if x == x else x
"""
LOG = """
def log(x):  # x = 2**k * m, m near 1; log(m) = 2 artanh((m - 1) / (m + 1))
    tiny = x < SMALLEST
    y = x * SCALE if tiny else x
    bits = FLOAT(y).view(INT)
    k = INT(INT(bits - ROOT_BITS) >> SHIFT)
    m = INT(bits - INT(k << SHIFT)).view(FLOAT)
    s = (m - ONE) / (m + ONE)
    z = s * s
    p = {polynomial}
    e = FLOAT(k) - (SCALED if tiny else ZERO)
    v = e * LOG2_HIGH + (TWO * s * p + e * LOG2_LOW)
    v = v if x < INFINITY else x
    v = v if x > ZERO else NAN
    return -INFINITY if x == ZERO else v
"""
TANH = """
def tanh(x):
    a = abs(x)
    z = x * x
    near = x * ({polynomial})
    far = ONE - TWO / (exp(TWO * a) + ONE)
    far = -far if x < ZERO else far
    v = near if a < QUARTER else far
    return v if x == x else x
"""


def build(text: str, name: str, dtype: Any, coefficients: list[float], **names: Any) -> Any:
    double = dtype is np.float64
    integer = np.int64 if double else np.int32
    shift, bias = (52, 1023) if double else (23, 127)
    floats = {
        "LOG2E": 1 / math.log(2),
        "LOG2_HIGH": LOG2_HIGH if double else 0.693359375,
        "LOG2_LOW": LOG2_LOW if double else -2.12194440e-4,
        "LOWEST": -746.0 if double else -104.0,
        "HIGHEST": 710.0 if double else 89.0,
        "SMALLEST": float(np.finfo(dtype).smallest_normal),
        "SCALE": 2.0 ** (shift + 2),
        "SCALED": shift + 2,
        "INFINITY": np.inf,
        "NAN": np.nan,
        "ZERO": 0,
        "ONE": 1,
        "TWO": 2,
        "HALF": 0.5,
        "QUARTER": 0.25,
    }
    floats |= {f"C{i}": c for i, c in enumerate(coefficients)}
    inside = {key: dtype(x) for key, x in floats.items()}
    inside |= {"np": np, "FLOAT": dtype, "INT": integer}
    inside |= {"SHIFT": integer(shift), "BIAS": integer(bias)}
    inside["ROOT_BITS"] = dtype(math.sqrt(0.5)).view(integer)
    variable = "r" if name == "exp" else "z"
    filled = text.format(polynomial=polynomial(coefficients, variable))
    inside |= names
    exec(filled, inside)
    return njit(**FUSED)(inside[name])


def exp(x: Any) -> Any:
    return np.exp(x)


def log(x: Any) -> Any:
    return np.log(x)


def tanh(x: Any) -> Any:
    return np.tanh(x)


def of_both(function: Callable[..., Any], by_dtype: dict[Any, Any]) -> None:
    """In compiled code, choose the version of the function for the dtype of its argument."""

    @overload(function, jit_options=FUSED)
    def choose(x):  # type: ignore[no-untyped-def]  # numba compares the signatures
        chosen = by_dtype[x]
        return lambda x: chosen(x)  # noqa: PLW0108  # numba takes functions of Python only


def series(count: int, term: Callable[[int], float]) -> list[float]:
    return [term(k) for k in range(count - 1, -1, -1)]


KINDS = [(np.float64, types.float64), (np.float32, types.float32)]
of_both(
    exp,
    {
        kind: build(EXP, "exp", t, series(n, lambda k: 1 / math.factorial(k)))
        for (t, kind), n in zip(KINDS, (13, 8))
    },
)
of_both(
    log,
    {
        kind: build(LOG, "log", t, series(n, lambda k: 1 / (2 * k + 1)))
        for (t, kind), n in zip(KINDS, (11, 6))
    },
)
of_both(
    tanh,
    {
        kind: build(TANH, "tanh", t, tanh_coefficients(n)[::-1], exp=exp)
        for (t, kind), n in zip(KINDS, (10, 6))
    },
)


def aligned(count: int, dtype: Any) -> Any:
    """Memory for `count` numbers, at an address that is a multiple of 64 bytes."""
    raw = np.empty(count * dtype().itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count * dtype().itemsize].view(dtype)
