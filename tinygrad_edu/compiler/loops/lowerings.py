"""Which lines can become loops? What each function does to one element, and what is refused.

What is not here stays a line of NumPy: a function, a dtype or an option is refused, never guessed.
"""

import operator
from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import is_array
from tinygrad_edu.compiler.tape import guard
from tinygrad_edu.compiler.text import BY_UFUNC
from tinygrad_edu.tracing import Line, astype

DTYPES = {np.dtype(x) for x in (np.float64, np.float32, np.int64, np.bool)}
FLOATS = {np.dtype(np.float64), np.dtype(np.float32)}

ARITHMETIC = {
    np.add: "{} + {}",
    np.subtract: "{} - {}",
    np.multiply: "{} * {}",
    np.negative: "-{}",
    np.positive: "{}",
    np.absolute: "abs({})",
    np.square: "{0} * {0}",
    np.maximum: "np.maximum({}, {})",
    np.minimum: "np.minimum({}, {})",
    np.sign: "np.sign({})",
}
WRAPPING = {np.add, np.subtract, np.multiply, np.negative, np.absolute, np.square}
# For floats only: NumPy's rules for integers differ from Python's.
REAL = {
    np.true_divide: "{} / {}",
    np.sqrt: "np.sqrt({})",
    np.exp: "exp({})",
    np.log: "log({})",
    np.tanh: "tanh({})",
    np.log1p: "np.log1p({})",
    np.expm1: "np.expm1({})",
    np.sin: "np.sin({})",
    np.cos: "np.cos({})",
    np.floor: "np.floor({})",
    np.ceil: "np.ceil({})",
    np.power: "{} ** {}",
}
COMPARISONS = {
    np.equal: "{} == {}",
    np.not_equal: "{} != {}",
    np.less: "{} < {}",
    np.less_equal: "{} <= {}",
    np.greater: "{} > {}",
    np.greater_equal: "{} >= {}",
}
LOGICAL = {
    np.logical_and: "{} and {}",
    np.logical_or: "{} or {}",
    np.logical_not: "not {}",
    np.bitwise_and: "{} and {}",
    np.bitwise_or: "{} or {}",
    np.invert: "not {}",
}
BY_OPERATOR = {
    operator.and_: np.bitwise_and,
    operator.or_: np.bitwise_or,
    operator.invert: np.invert,
    operator.pow: np.power,
}
QUESTIONS = {np.isnan: "{0} != {0}"}
# In loops these compute one number at a time, in NumPy several.
SLOW = {np.log1p, np.expm1, np.sin, np.cos, np.power}
SLOW_SIZE = 1000
MOST_AXES = 8  # there is a letter for each
FLAT = {np.exp, np.log, np.tanh}  # a loop of their own computes several at once
REDUCED = {
    np.add: np.add,
    np.sum: np.add,
    np.maximum: np.maximum,
    np.max: np.maximum,
    np.amax: np.maximum,
    np.minimum: np.minimum,
    np.min: np.minimum,
    np.amin: np.minimum,
    np.multiply: np.multiply,
    np.prod: np.multiply,
}
FILLED = {np.zeros: 0, np.zeros_like: 0, np.ones: 1, np.ones_like: 1}
EXPONENTS = {2: "{0} * {0}", 0.5: "np.sqrt({0})", 1: "{0}", 3: "{0} * {0} * {0}"}


def dtype_of(x: Any) -> Any:
    """The dtype of an operand or a result; None for what is neither an array nor a number."""
    x = x.data if isinstance(x, Line) else x
    if isinstance(x, bool | np.bool):
        return np.dtype(np.bool)
    if isinstance(x, int):
        return np.dtype(np.int64) if -(2**63) <= x < 2**63 else None
    if isinstance(x, float) and not isinstance(x, np.generic):
        return np.dtype(np.float64)
    return x.dtype if isinstance(x, np.ndarray | np.generic) else None


def is_operand(x: Any) -> bool:
    """Whether loops can use x: a known dtype, not too many axes, at least one element."""
    if dtype_of(x) not in DTYPES:
        return False
    data = x.data if isinstance(x, Line) else x
    return bool(np.size(data) > 0 and np.ndim(data) <= MOST_AXES)


def function_of(line: Line) -> Any:
    return BY_OPERATOR.get(line.function, BY_UFUNC.get(line.function, line.function))


def loop_dtype(inputs: Any) -> Any:
    """The dtype in which NumPy computes; Python numbers take the dtype of the other operands."""
    return np.result_type(*(x.data if isinstance(x, Line) else x for x in inputs))


class Elementwise:
    """What a line does to each element.

    text    the expression for one element, with {} for each operand
    inputs  the operands
    dtypes  the dtype that each operand is first converted to
    """

    def __init__(self, text: str, inputs: Any, dtypes: Any) -> None:
        self.text, self.inputs, self.dtypes = text, list(inputs), list(dtypes)


def elementwise(line: Line) -> Elementwise | None:
    """What the line does to each element, if it does the same to each."""
    function, inputs = function_of(line), line.inputs
    out = dtype_of(line)
    if not is_operand(line):
        return None
    if function is astype and np.dtype(inputs[1]) == out and is_operand(inputs[0]):
        if out == np.int64 and dtype_of(inputs[0]) in FLOATS:
            return None  # NumPy decides on nan and on numbers that are too large
        return Elementwise("{}", inputs[:1], [out])
    if function in FILLED:
        return Elementwise("{}", [FILLED[function]], [out])
    if function is np.copy:
        return Elementwise("{}", inputs[:1], [out]) if is_operand(inputs[0]) else None
    if function is np.clip and len(inputs) == 3 and None not in inputs and not line.options:
        function_text = "np.minimum(np.maximum({}, {}), {})"
        fits = out in FLOATS and all(map(is_operand, inputs))
        return Elementwise(function_text, inputs, [out] * 3) if fits else None
    if not all(map(is_operand, inputs)) or line.options:
        return None
    if function is np.where and len(inputs) == 3:
        if dtype_of(inputs[0]) != np.bool:
            return None
        return Elementwise("{1} if {0} else {2}", inputs, [dtype_of(inputs[0]), out, out])
    if not isinstance(function, np.ufunc):
        return None
    if inverts(function, inputs) and out in FLOATS:
        return Elementwise("{} / {}", [1, inputs[0]], [out, out])
    if function in SLOW and np.size(line.data) > SLOW_SIZE and exponent(function, inputs) is None:
        return None
    dtypes = [out] * len(inputs)
    if function in WRAPPING and out == np.int64:
        return None  # NumPy wraps around on overflow, which is undefined in LLVM
    if function in ARITHMETIC and out != np.bool:
        return Elementwise(ARITHMETIC[function], inputs, dtypes)
    if function in ARITHMETIC and function in (np.multiply, np.add):
        return Elementwise("{} and {}" if function is np.multiply else "{} or {}", inputs, dtypes)
    if function in REAL and out in FLOATS:
        text = exponent(function, inputs)
        if text is not None:
            return Elementwise(text, inputs[:1], [out])
        return Elementwise(REAL[function], inputs, dtypes)
    if function in COMPARISONS:
        return Elementwise(COMPARISONS[function], inputs, [loop_dtype(inputs)] * 2)
    if function in QUESTIONS and dtype_of(inputs[0]) in FLOATS:
        return Elementwise(QUESTIONS[function], inputs, [dtype_of(inputs[0])])
    if function in LOGICAL and all(dtype_of(x) == np.bool for x in inputs):
        return Elementwise(LOGICAL[function], inputs, [np.dtype(np.bool)] * len(inputs))
    return None


def inverts(function: Any, inputs: Any) -> bool:
    if function is np.power:
        return isinstance(inputs[1], int | float | np.generic) and inputs[1] == -1
    return function is np.reciprocal


def exponent(function: Any, inputs: Any) -> str | None:
    if function is np.power and isinstance(inputs[1], int | float | np.generic):
        return EXPONENTS.get(inputs[1])  # type: ignore[arg-type]
    return None


class Reduction:
    """ufunc over the axes of x; if `keeps`, these axes stay, with length 1."""

    def __init__(self, ufunc: Any, x: Line, axes: tuple[int, ...], keeps: bool) -> None:
        self.ufunc, self.x, self.axes, self.keeps = ufunc, x, axes, keeps

    def kept(self) -> list[int | None]:
        """For each axis of the result, the same axis of x; None for an axis of the reduction."""
        axes = range(self.x.data.ndim)
        if self.keeps:
            return [None if i in self.axes else i for i in axes]
        return [i for i in axes if i not in self.axes]


def reduction(line: Line) -> Reduction | None:
    function, options = line.function, dict(line.options)
    if getattr(function, "__name__", "") == "reduce":
        ufunc, default = getattr(function, "__self__", None), 0
    else:
        ufunc, default = function, None
        if isinstance(ufunc, np.ufunc):
            return None
    ufunc = REDUCED.get(ufunc)
    x, *rest = line.inputs or (None,)
    axis = rest[0] if rest else options.pop("axis", default)
    keeps = options.pop("keepdims", False)
    if ufunc is None or len(rest) > 1 or options or not isinstance(keeps, bool | np.bool):
        return None
    if not isinstance(x, Line) or not is_array(x) or not is_operand(x) or x.data.ndim == 0:
        return None
    if dtype_of(line) not in DTYPES or (ufunc is not np.add and dtype_of(x) != dtype_of(line)):
        return None
    if dtype_of(line) == np.bool or (dtype_of(x) in FLOATS and dtype_of(x) != dtype_of(line)):
        return None
    axes = range(x.data.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if not all(isinstance(i, int) for i in axes):
        return None
    return Reduction(ufunc, x, tuple(i % x.data.ndim for i in axes), bool(keeps))


def is_product(line: Line) -> bool:
    """Whether the line is a product of matrices, or of stacks of them, that BLAS can compute."""
    if function_of(line) not in (np.matmul, np.dot) or line.options or not is_array(line):
        return False
    dtypes = {dtype_of(x) for x in (line, *line.inputs)}
    ndims = [np.ndim(x.data if isinstance(x, Line) else x) for x in line.inputs]
    if line.function is np.dot and ndims != [2, 2]:
        return False
    fits = all(map(is_operand, (line, *line.inputs)))
    return fits and len(dtypes) == 1 and dtypes <= FLOATS and min(ndims) >= 2


def is_question(line: Line) -> bool:
    if line.function is not guard:
        return False
    question, x, _ = line.inputs
    kinds = DTYPES if question is operator.truth else {np.dtype(np.int64)}
    known = question in (operator.truth, operator.index) and isinstance(x, Line)
    return bool(known and np.ndim(x.data) == 0 and dtype_of(x) in kinds)
