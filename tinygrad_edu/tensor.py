"""Tensor: an array in the graph, and the way from NumPy's functions to the derivative table."""

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinygrad_edu import kernels, rules
from tinygrad_edu.graph import NO_OPTIONS, RULES, Node, apply, operation, plain

Axis = int | tuple[int, ...] | None


class Tensor(Node):
    """An array that remembers how it was made. NumPy's functions and operators work on it.

    data           anything that `np.asarray` takes; real numbers. Python floats become float64.
                   A tensor that requires a gradient gets a copy, any other shares the memory.
    requires_grad  whether `backward` shall compute its gradient; floating-point data only
    name           shown in pictures and in errors

    Raises TypeError for data that is no array of real numbers.
    """

    __slots__ = ()
    native = np.ndarray
    broadcasts = True

    def __init__(
        self, data: npt.ArrayLike | Node, requires_grad: bool = False, name: str | None = None
    ) -> None:
        array = self.adopt(plain(data))
        if requires_grad:
            if array.dtype.kind not in "fO":
                raise TypeError(
                    f"only floating-point data has a gradient, and this is {array.dtype}: "
                    "write 1.0 for 1, or pass np.asarray(data, float)"
                )
            array = array.copy()  # an optimizer may change it in place
        super().__init__(array, requires_grad, name)

    @classmethod
    def adopt(cls, data: Any) -> Any:
        if not hasattr(data, "__array_function__"):
            data = np.asarray(data)
        if data.dtype.kind in "cSUV":
            raise TypeError(f"a Tensor holds real numbers, and this is {data.dtype}")
        return data

    # The graph

    def seed(self, grad: Any, create_graph: bool) -> Any:
        data, who = self._data, self.name or "this tensor"
        if not self.requires_grad:
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
        elif not create_graph:
            grad = self.adopt(plain(grad)).copy()
        return Tensor(grad) if create_graph and not isinstance(grad, Node) else grad

    def accumulate(self, g: Any) -> None:
        if self.grad is not None:
            g = self.grad + g
        self.grad = g if g.__class__ is np.ndarray or isinstance(g, Node) else self.adopt(g)

    def fit(self, partial: Any, node: Node) -> Any:
        data = self._data
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
        return Tensor(self._data)

    def numpy(self) -> npt.NDArray[Any]:
        """The array itself, without a copy."""
        return self._data

    def item(self) -> float:
        """The one number of a tensor of size 1, as a Python number."""
        return self._data.item()

    # NumPy's two protocols: np.f(t) arrives here

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "reduce" and ufunc.reduce in RULES:
            return apply_checked(ufunc.reduce, inputs, {"axis": 0, **options})
        if method != "__call__":
            raise TypeError(f"np.{ufunc.__name__}.{method} does not take a Tensor; use t.data")
        if ufunc in rules.NON_DIFFERENTIABLE:
            return ufunc(*map(plain, inputs), **options)
        if options:
            refuse(f"np.{ufunc.__name__}", options)
        return apply(ufunc, *inputs)

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        if function in rules.NON_DIFFERENTIABLE:
            return function(*map(plain, args), **{k: plain(x) for k, x in kwargs.items()})
        if function in COMPOSITIONS:
            return COMPOSITIONS[function](*args, **kwargs)
        return apply_checked(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if self.requires_grad:
            raise TypeError(
                "this Tensor is part of a graph, and a plain array is not: "
                "use t.data (or t.detach()) to leave the graph on purpose"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

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
        return len(self._data)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return plain(value) in self._data

    # Operators that a Value has not

    def __matmul__(self, other: Any) -> Self:
        return apply(operator.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return apply(operator.matmul, other, self)

    # Shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

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

    def astype(self, dtype: npt.DTypeLike) -> Self:
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
        return apply(np.var, self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        return apply(np.std, self, axis=axis, ddof=ddof, keepdims=keepdims)

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

    def __repr__(self) -> str:
        prefix = "Tensor("
        text = np.array2string(np.asarray(self._data), separator=", ", prefix=prefix)
        extras = [
            f"dtype={self.dtype}" if self.dtype not in (float, int, bool) else "",
            "requires_grad=True" if self.requires_grad else "",
            f"name={self.name!r}" if self.name else "",
        ]
        return prefix + ", ".join([text, *filter(None, extras)]) + ")"


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes that broadcasting stretched from `shape`: the adjoint of broadcasting."""
    while g.ndim > len(shape):
        g = np.add.reduce(g, axis=0)
    if g.shape != shape:
        stretched = tuple(i for i, n in enumerate(shape) if n == 1 != g.shape[i])
        g = np.add.reduce(g, axis=stretched, keepdims=True)
    return g


@cache
def parameters(function: Callable[..., Any]) -> tuple[dict[str, Any], int, frozenset[str]]:
    """A function's arguments with their defaults, how many are inputs, and the options it knows.

    What its rule takes without a default is an input; what its rule takes with one, an option.
    """
    rule = list(inspect.signature(RULES[function]).parameters.values())[2:]
    inputs = [p.name for p in rule if p.default is p.empty]
    options = frozenset(p.name for p in rule if p.default is not p.empty)
    try:
        signature = inspect.signature(function)
    except ValueError:  # some of NumPy's functions written in C have none
        return dict.fromkeys([*inputs, *options]), len(inputs), options
    return {p.name: p.default for p in signature.parameters.values()}, len(inputs), options


def apply_checked(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """`apply` of a call in any form that NumPy takes: by position, by name, with defaults."""
    if function not in RULES:
        return apply(function, *args)
    defaults, count, known = parameters(function)
    named = dict(zip(defaults, args, strict=False)) | dict(kwargs)
    try:
        inputs = tuple(named.pop(name) for name in list(defaults)[:count])
    except KeyError as missing:
        raise TypeError(f"np.{function.__name__} of a Tensor needs {missing}") from None
    options = {k: v for k, v in named.items() if v is not defaults.get(k, NO_OPTIONS)}
    if not known.issuperset(options):
        refuse(f"np.{function.__name__}", options.keys() - known)
    return apply(function, *inputs, **options)


def refuse(name: str, options: Any) -> None:
    unknown = ", ".join(f"{option}=" for option in sorted(options))
    raise TypeError(f"{name} of a Tensor does not take {unknown}; leave it out, or use t.data")


# NumPy functions that are other operations put together

COMPOSITIONS: dict[Callable[..., Any], Callable[..., Any]] = {}


def composes(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(composition: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSITIONS[function] = composition
        return composition

    return enter


@composes(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0) -> Tensor:
    if axis is None:
        arrays, axis = [np.reshape(x, -1) for x in arrays], 0
    return kernels.concatenate(*arrays, axis=axis)


@composes(np.stack)
def stack(arrays: Any, axis: int = 0) -> Tensor:
    return kernels.stack(*arrays, axis=axis)


@composes(np.split)
def split(ary: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    # NumPy decides where to cut, on the numbers of the rows.
    parts = np.split(np.arange(ary.shape[axis]), indices_or_sections)
    front = (slice(None),) * (axis % ary.ndim)
    return [ary[(*front, slice(p[0], p[-1] + 1) if p.size else slice(0))] for p in parts]


@composes(np.clip)
def clip(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Tensor:
    return kernels.clip(a, a_min if min is None else min, a_max if max is None else max)
