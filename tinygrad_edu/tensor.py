"""Tensor: an array in the graph, and the way from NumPy's functions to the derivative table."""

import inspect
import operator
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinygrad_edu import compositions, kernels, rules
from tinygrad_edu.compositions import COMPOSITIONS
from tinygrad_edu.graph import RULES, Function, Node, apply, plain
from tinygrad_edu.memory import memory_of
from tinygrad_edu.messages import described, name_of, no_rule, operation
from tinygrad_edu.notebook import html_table
from tinygrad_edu.operands import as_array, check_real
from tinygrad_edu.precision import wide

Axis = int | tuple[int, ...] | None

# The C library of Linux gives the memory of a large array back to the system when it is freed, and
# every page of the next one costs a fault. Once an array of almost 32 MiB (the most that counts)
# was freed it keeps what is smaller, to use it again: a convolutional network trains twice as fast.
np.empty(2**25 - 2**16, np.uint8)


class Tensor(Node):
    """An array that remembers how it was made. NumPy's functions and operators work on it.

    data           anything that `np.asarray` takes; real numbers. Python floats become float64.
                   A tensor that requires a gradient gets a copy, any other shares the memory.
    requires_grad  whether `backward` computes its gradient; floating-point data only
    name           shown in pictures and in errors

    Raises TypeError for data that is not an array of real numbers.
    """

    __slots__ = ()
    native = np.ndarray
    broadcasts = True
    __pandas_priority__ = 5000  # series * t and frame @ t leave the operation to the Tensor

    def __init__(
        self, data: npt.ArrayLike | Node, requires_grad: bool = False, name: str | None = None
    ) -> None:
        array = self.adopt(plain(data))
        super().__init__(self.own(array) if requires_grad else array, requires_grad, name)
        if isinstance(data, Tensor) and not requires_grad:
            self.memory = memory_of(data)

    @classmethod
    def adopt(cls, data: Any) -> Any:
        array = as_array(data)
        if not hasattr(array, "__array_function__"):
            array = np.asarray(array)
        check_real(array, data)
        return array

    def own(self, data: Any) -> Any:
        if data.dtype.kind not in "fO":
            raise TypeError(
                f"only floating-point data has a gradient, and this is {data.dtype}: "
                "write 1.0 for 1, or pass np.asarray(data, float)"
            )
        return data.copy()  # an optimizer may change it in place

    def replacing(self, data: Any) -> Any:
        if data.shape != self.shape:
            raise ValueError(
                f"new data of shape {data.shape} for {described(self)}: a Tensor that requires "
                "a gradient keeps its shape; make a new Tensor"
            )
        return data if data.dtype.kind in "fO" else data.astype(self.dtype)

    # The graph

    def seed(self, grad: Any, create_graph: bool) -> Any:
        data, who = self._array, self.name or "this tensor"
        if not self._requires_grad:
            raise ValueError(
                "backward() has nothing to do: no tensor with requires_grad=True went into "
                f"{who}, or it was made under no_grad()"
            )
        if grad is None:
            if data.size != 1:
                raise ValueError(
                    f"backward() starts from a scalar, and {who} has shape {data.shape}: "
                    "sum it, or pass the gradient to start from, of the same shape"
                )
            grad = data.dtype.type(1) if data.ndim == 0 else np.ones_like(data)
        elif np.shape(plain(grad)) != data.shape:
            raise ValueError(
                f"the gradient to start from has shape {np.shape(plain(grad))}, and {who} has "
                f"shape {data.shape}; they must be equal"
            )
        elif not create_graph or not isinstance(grad, Tensor):
            grad = self.adopt(plain(grad)).astype(data.dtype)
        elif grad.dtype != data.dtype:
            grad = grad.astype(data.dtype)
        return Tensor(grad) if create_graph and not isinstance(grad, Node) else grad

    def accumulate(self, g: Any) -> None:
        if self.grad is not None:
            g = self.grad + g
        self.grad = g if g.__class__ is np.ndarray or isinstance(g, Node) else self.adopt(g)

    def fit(self, partial: Any, node: Node) -> Any:
        data = self._array
        g = unbroadcast(partial, data.shape)
        if g.shape != data.shape:
            raise ValueError(
                f"the rule of {operation(node.rule)} returned a partial of shape {partial.shape} "
                f"for an input of shape {data.shape}: it must have that shape, or one that NumPy "
                "broadcasts it to"
            )
        return g if g.dtype == data.dtype else g.astype(data.dtype)

    def detach(self) -> "Tensor":
        """The same memory outside the graph: no gradient flows through the result."""
        return Tensor(self)

    def numpy(self) -> npt.NDArray[Any]:
        """The array itself, without a copy."""
        return self._array

    def item(self, *index: Any) -> float:
        """The one number of a tensor of size 1, or that at an index, as a Python number."""
        return self._array.item(*index)

    def tobytes(self, order: Any = "C") -> bytes:
        return self._array.tobytes(order)

    def tofile(self, fid: Any, sep: str = "", format: str = "%s") -> None:
        self._array.tofile(fid, sep, format)

    def dump(self, file: Any) -> None:
        self._array.dump(file)

    def dumps(self) -> bytes:
        return self._array.dumps()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._array.tolist()

    # NumPy's two protocols: np.f(t) arrives here

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "reduce" and ufunc.reduce in RULES:
            return apply_checked(ufunc.reduce, inputs, {"axis": 0, **options})
        if method != "__call__":
            raise TypeError(f"np.{ufunc.__name__}.{method} does not take a Tensor; use t.data")
        if ufunc in rules.NON_DIFFERENTIABLE:
            return without_derivative(ufunc, inputs, options)
        if options:
            refuse(ufunc, options)
        if ufunc in COMPOSITIONS:
            return COMPOSITIONS[ufunc](*inputs)
        return apply(ufunc, *inputs)

    def __array_function__(
        self,
        function: Function,
        types: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        if function in rules.NON_DIFFERENTIABLE:
            return without_derivative(function, args, kwargs)
        if function in COMPOSITIONS:
            return COMPOSITIONS[function](*args, **known_options(function, kwargs))
        return apply_checked(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if self._requires_grad:
            raise TypeError(
                "this Tensor is part of a graph, and a plain array is not: use np.stack to put "
                "Tensors together, or use t.data (or t.detach()) to leave the graph on purpose"
            )
        return np.array(self._array, dtype=dtype, copy=copy)

    # Indexing

    def __getitem__(self, index: Any) -> Self:
        if isinstance(index, tuple):
            index = tuple(map(plain, index))
        elif isinstance(index, list):
            index = (index,)  # to NumPy the same, and to `apply` no operand
        return apply(operator.getitem, self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a Tensor is not changed in place: its graph remembers what it was. Make a new one "
            "with np.where(mask, value, t) or index_update(t, index, value)"
        )

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError(
                "a Tensor of shape () is one number, without a length or rows: t.item() is the "
                "number, and np.sum or np.stack put several such Tensors together"
            )
        return len(self._array)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return plain(value) in self._array

    # Operators that a Value does not have

    def __matmul__(self, other: Any) -> Self:
        return apply(operator.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return apply(operator.matmul, other, self)

    # Shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    @property
    def base(self) -> Any:
        """The array of which the data is a view, or None."""
        return self._array.base

    @property
    def itemsize(self) -> int:
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    @property
    def flat(self) -> Self:
        return self.reshape(-1)

    @property
    def real(self) -> Self:
        return self

    @property
    def T(self) -> Self:
        return self.transpose()

    @property
    def mT(self) -> Self:
        return self.swapaxes(-1, -2)

    def reshape(self, *shape: Any) -> Self:
        return apply(np.reshape, self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Self:
        order = axes[0] if len(axes) == 1 else axes or None
        return apply(np.transpose, self, axes=order)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        return apply(np.swapaxes, self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Self:
        return apply(np.squeeze, self, axis=axis)

    def ravel(self, order: str = "C") -> Self:
        return compositions.ravel(self, order)

    def flatten(self, order: str = "C") -> Self:
        return compositions.ravel(self, order)

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        return compositions.repeat(self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return compositions.diagonal(self, offset, axis1, axis2)

    def take(self, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Self:
        return compositions.take(self, indices, axis, mode=mode)

    def choose(self, choices: Any, *, mode: str = "raise") -> Self:
        return compositions.choose(self, choices, mode=mode)

    def compress(self, condition: Any, axis: int | None = None) -> Self:
        return compositions.compress(condition, self, axis)

    def astype(self, dtype: npt.DTypeLike, copy: bool = True) -> Any:
        """In another precision; whole numbers and bools leave the graph, as `np.floor` does."""
        kind = np.dtype(dtype).kind
        if kind in "iub":
            return self._array.astype(dtype)
        if kind != "f":
            raise TypeError(f"a Tensor holds real numbers, and {np.dtype(dtype)} is something else")
        return kernels.astype(self, dtype)

    def copy(self) -> Self:
        return +self

    # Reductions

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(np.add.reduce, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(np.mean, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(np.maximum.reduce, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(np.minimum.reduce, self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        return compositions.var(self, axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        return compositions.std(self, axis, ddof=ddof, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(np.prod, self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Self:
        return apply(np.cumsum, self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Self:
        return apply(np.cumprod, self, axis=axis)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return compositions.trace(self, offset, axis1, axis2)

    def dot(self, other: Any) -> Self:
        return compositions.dot(self, other)

    # Functions

    def exp(self) -> Self:
        return apply(np.exp, self)

    def log(self) -> Self:
        return apply(np.log, self)

    def sqrt(self) -> Self:
        return apply(np.sqrt, self)

    def sin(self) -> Self:
        return apply(np.sin, self)

    def cos(self) -> Self:
        return apply(np.cos, self)

    def tanh(self) -> Self:
        return apply(np.tanh, self)

    def abs(self) -> Self:
        return apply(operator.abs, self)

    def relu(self) -> Self:
        return kernels.relu(self)

    def sigmoid(self) -> Self:
        return kernels.sigmoid(self)

    def clip(self, min: Any = None, max: Any = None) -> Self:
        return kernels.clip(self, min, max)

    def conj(self) -> Self:
        return +self

    conjugate = conj

    # Answers without a derivative are plain arrays

    def all(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return np.all(self._array, axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Any:
        return np.any(self._array, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Any:
        return np.argmax(self._array, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Any:
        return np.argmin(self._array, axis=axis, keepdims=keepdims)

    def argsort(self, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
        return np.argsort(self._array, axis=axis, kind=kind, stable=stable)

    def argpartition(self, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
        return np.argpartition(self._array, kth, axis=axis, kind=kind)

    def nonzero(self) -> Any:
        return np.nonzero(self._array)

    def round(self, decimals: int = 0) -> Any:
        return np.round(self._array, decimals)

    def searchsorted(self, v: Any, side: Any = "left", sorter: Any = None) -> Any:
        return np.searchsorted(self._array, plain(v), side, sorter)

    # In place

    def sort(self, *args: Any, **options: Any) -> None:
        raise not_in_place("sort", "out = np.sort(t, axis)")

    def partition(self, *args: Any, **options: Any) -> None:
        raise not_in_place("partition", "out = np.partition(t, kth, axis)")

    def fill(self, value: Any) -> None:
        raise not_in_place("fill", "np.full_like(t, value), a plain array")

    def put(self, *args: Any, **options: Any) -> None:
        raise not_in_place("put", "index_update(t.ravel(), indices, values).reshape(t.shape)")

    def resize(self, *args: Any, **options: Any) -> None:
        raise not_in_place("resize", "t.reshape(shape), np.pad(t, width) or np.resize(t, shape)")

    def __repr__(self) -> str:
        prefix = "Tensor("
        text = np.array2string(np.asarray(self._array), separator=", ", prefix=prefix)
        extras = [
            f"dtype={self.dtype}" if self.dtype not in (float, int, bool) else "",
            "requires_grad=True" if self._requires_grad else "",
            f"name={self.name!r}" if self.name else "",
        ]
        return prefix + ", ".join([text, *filter(None, extras)]) + ")"

    def _repr_html_(self) -> str:
        return html_table(self)


def not_in_place(method: str, instead: str) -> TypeError:
    return TypeError(
        f"{method} would change a Tensor in place, and its graph remembers what it was; "
        f"instead: {instead}"
    )


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes that broadcasting stretched from `shape`: the adjoint of broadcasting."""
    if g.shape != shape:
        g = wide(g)  # a sum in float16 stalls at 2048 ones
    while g.ndim > len(shape):
        g = np.add.reduce(g, axis=0)
    if g.shape != shape:
        stretched = tuple(i for i, n in enumerate(shape) if n == 1 != g.shape[i])
        g = np.add.reduce(g, axis=stretched, keepdims=True)
    return g


@cache
def defaults_of(function: Function) -> dict[str, Any]:
    """A function's arguments with their defaults; none for some functions that NumPy has in C."""
    try:
        return {p.name: p.default for p in inspect.signature(function).parameters.values()}
    except ValueError:
        return {}


@cache
def parameters(function: Function) -> tuple[list[str], int, Set[str]]:
    """The names of a function's arguments, how many are inputs, and the options its rule knows.

    What its rule takes without a default is an input; what its rule takes with one, an option.
    """
    rule = list(inspect.signature(RULES[function]).parameters.values())[2:]
    inputs = [p.name for p in rule if p.default is p.empty]
    options = [p.name for p in rule if p.default is not p.empty]
    names = list(defaults_of(function)) or [*inputs, *options]
    return names, len(inputs), frozenset(options)


def apply_checked(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """`apply` of a call in any form that NumPy takes: by position, by name, with defaults."""
    if function not in RULES:
        raise no_rule(function)
    names, count, known = parameters(function)
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    try:
        inputs = tuple(named.pop(name) for name in names[:count])
    except KeyError as missing:
        raise TypeError(f"{name_of(function)} of a Tensor needs {missing}") from None
    options = dict(known_among(known, function, named))
    for name, x in options.items():
        if isinstance(x, Node):
            options[name] = constant(function, name, x)
    return apply(function, *inputs, **options)


def constant(function: Function, option: str, x: Node) -> Any:
    """The data of a Tensor that is an option: no rule has a derivative with respect to one."""
    if x.requires_grad:
        raise TypeError(
            f"{name_of(function)} has no derivative with respect to {option}=; "
            "pass a plain number or array, t.data of a Tensor"
        )
    return x.data


def known_options(function: Function, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of a call as the composition that answers for `function` takes them."""
    known = defaults_of(COMPOSITIONS[function]).keys()
    return options if "options" in known else known_among(known, function, options)


def known_among(
    known: Set[str], function: Function, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The options that are known here; an unknown one may only have the value of its default."""
    if options.keys() <= known:
        return options
    defaults = defaults_of(function)
    unknown = [k for k, x in options.items() if k not in known and x is not defaults.get(k)]
    if unknown:
        refuse(function, unknown)
    return {k: x for k, x in options.items() if k in known}


def without_derivative(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The plain answer of a function that has no derivative."""
    place = place_of_out(function)
    out = args[place] if len(args) > place else kwargs.get("out")
    for x in out if isinstance(out, tuple) else (out,):
        if isinstance(x, Node):
            refuse(function, ["out"])
    return function(*map(plain, args), **{k: plain(x) for k, x in kwargs.items()})


@cache
def place_of_out(function: Function) -> int:
    """Where `out` may stand among a function's arguments; beyond the last if it has none."""
    names = list(defaults_of(function))
    return names.index("out") if "out" in names else sys.maxsize


def refuse(function: Function, options: Iterable[str]) -> None:
    named = ", ".join(f"{option}=" for option in sorted(options))
    raise TypeError(
        f"{name_of(function)} of a Tensor does not take {named}; leave it out, or use t.data"
    )
