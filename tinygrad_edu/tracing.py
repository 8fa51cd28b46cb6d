"""What was computed? An array that holds real data, computes with it, and writes down each call.

`Traced(data)` takes the place of an array: NumPy's functions, operators, methods and indexing work
on it, and each result remembers the function, the operands and the options that made it. So running
an ordinary function on traced arrays writes down its mathematics.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class Line:
    """One call that was written down, or an array that was given.

    data      the result
    function  what made it; None for a given array
    inputs    its operands: lines, and anything that is not traced
    options   its keyword arguments
    name      the name that a given array got from its caller
    """

    __slots__ = ("data", "function", "inputs", "name", "options")

    def __init__(
        self,
        data: Any,
        function: Any = None,
        inputs: Any = (),
        options: Any = None,
        name: Any = None,
    ) -> None:
        self.data = data
        self.function = function
        self.inputs = inputs
        self.options = options or {}
        self.name = name


class Traced(NDArrayOperatorsMixin):
    """An array or a number, with the line that says how it was made.

    A result that is not an array or a number, such as a shape, is not traced. A decision by a
    traced number (`if x > 0`, `range(n)`) follows the data and is not written down.
    Raises TypeError for `np.asarray(x)` and `float(x)`, which would leave the trace unnoticed.
    """

    __slots__ = ("line",)
    __hash__ = object.__hash__

    def __init__(self, data: Any, name: Any = None) -> None:
        self.line = Line(data, name=name)

    def __repr__(self) -> str:
        return f"Traced({self.data!r})"

    @property
    def data(self) -> Any:
        return self.line.data

    def call(self, function: Any, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """function(*inputs, **options), computed on the data and written down."""
        data = function(*untraced(inputs), **untraced(options))
        return self.made(Line(data, function, lines(inputs), lines(options)))

    def made(self, line: Line) -> Any:
        """The result of a line; each of several results has a line of its own."""
        data = line.data
        if isinstance(data, np.ndarray | np.generic | float):
            out = object.__new__(type(self))
            out.line = line
            return out
        if isinstance(data, tuple | list) and any(isinstance(x, np.ndarray) for x in data):
            items = [self.made(Line(x, item, (line, i))) for i, x in enumerate(data)]
            return items if isinstance(data, list) else tuple(items)
        return data

    # NumPy's two protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "at":
            target = inputs[0]
            if not isinstance(target, Traced):
                raise TypeError(
                    "ufunc.at would change a plain array in place, which the trace cannot see"
                )
            target.become(self.call(with_at, (ufunc, *inputs), options))
            return None
        targets = options.pop("out", ())
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if targets and options.get("where", True) is not True:
            (target,) = targets
            check_target(target)
            out = self.call(with_some, (function, target, *inputs), options)
        else:
            out = self.call(function, inputs, options)
        if len(targets) > 1:  # of np.divmod
            return tuple(map(put, out, targets))
        return put(out, *targets) if targets else out

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        options = dict(kwargs)
        target = options.pop("out", None)
        return put(self.call(function, args, options), target)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError("a traced array is not a plain array: use a function of NumPy, or x.data")

    # Indexing

    def __getitem__(self, index: Any) -> Any:
        return self.call(item, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.become(self.call(with_item, (self, index, value), {}))

    def become(self, other: Any) -> None:
        """Become another array; results that were computed from this one before do not change."""
        self.line = other.line

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # NumPy's x**2 is faster than np.power(x, 2), and may differ in the last bit

    def __pow__(self, other: Any) -> Any:
        return self.call(operator.pow, (self, other), {})

    def __rpow__(self, other: Any) -> Any:
        return self.call(operator.pow, (other, self), {})

    # These properties and conversions are those of the data

    shape = property(lambda self: np.shape(self.data))
    ndim = property(lambda self: np.ndim(self.data))
    size = property(lambda self: np.size(self.data))
    dtype = property(lambda self: np.result_type(self.data))

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        raise TypeError("float(x) of a traced array would leave the trace: use x, or x.data")

    def __index__(self) -> int:
        return operator.index(self.data)

    # Methods are NumPy's functions

    def reshape(self, *shape: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return self.call(astype, (self, dtype), {})

    def copy(self, order: Any = "C") -> Any:
        if isinstance(self.data, np.generic):  # np.copy would make an array of it
            return self
        # np.copy(x) would keep the order of x.
        return self.call(np.copy, (self, order), {})

    def flatten(self, order: Any = "C") -> Any:
        return np.ravel(self, order).copy()

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        return np.swapaxes(self, -1, -2)

    def conj(self) -> Any:
        return np.conjugate(self)

    all, any, max, min, sum, prod, mean = np.all, np.any, np.max, np.min, np.sum, np.prod, np.mean
    std, var, cumsum, cumprod, round = np.std, np.var, np.cumsum, np.cumprod, np.round
    argmax, argmin, argsort, clip, dot = np.argmax, np.argmin, np.argsort, np.clip, np.dot
    ravel, squeeze, swapaxes, repeat = np.ravel, np.squeeze, np.swapaxes, np.repeat
    diagonal, take, trace = np.diagonal, np.take, np.trace


def put(out: Any, target: Any) -> Any:
    """The result of a call with out=target: the target becomes what was computed."""
    if target is None:
        return out
    check_target(target)
    if (target.shape, target.dtype) == (out.shape, out.dtype):
        target.become(out)
    else:
        check_cast(out, target)
        target[...] = out
    return target


def check_cast(out: Any, target: Any) -> None:
    """Raise TypeError where NumPy would: if a cast loses more than precision."""
    if not np.can_cast(out.dtype, target.dtype, "same_kind"):
        raise TypeError(f"results of {out.dtype} cannot be stored in an array of {target.dtype}")


def check_target(target: Any) -> None:
    if not isinstance(target, Traced):
        raise TypeError("out= of a plain array would leave the trace: assign the result")


def item(x: Any, index: Any) -> Any:
    """x[index]."""
    return x[index]


def with_item(x: Any, index: Any, value: Any) -> Any:
    """A copy of x, in the same memory order, with value at [index]."""
    out = x.copy("K")
    out[index] = value
    return out


def with_at(ufunc: np.ufunc, x: Any, index: Any, *values: Any) -> Any:
    """A copy of x, in the same memory order, after ufunc.at(x, index, *values)."""
    out = x.copy("K")
    ufunc.at(out, index, *values)
    return out


def with_some(function: Any, x: Any, *inputs: Any, **options: Any) -> Any:
    """A copy of x with the results of function(*inputs) where the option `where` is true."""
    out = x.copy("K")
    return function(*inputs, out=out, **options)


def astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def untraced(x: Any) -> Any:
    """x with the data of each traced array in its place, in tuples, lists, dicts and slices too."""
    return replaced(x, Traced, lambda traced: traced.data)


def lines(x: Any) -> Any:
    """x with the line of each traced array in its place."""
    return replaced(x, Traced, lambda traced: traced.line)


def replaced(x: Any, kind: type, by: Callable[[Any], Any]) -> Any:
    if isinstance(x, kind):
        return by(x)
    match x:
        case tuple() | list():
            items = [replaced(y, kind, by) for y in x]
            return x._make(items) if hasattr(x, "_make") else type(x)(items)
        case dict():
            return {name: replaced(y, kind, by) for name, y in x.items()}
        case slice():
            return slice(*(replaced(y, kind, by) for y in (x.start, x.stop, x.step)))
    return x
