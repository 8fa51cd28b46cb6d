"""Tensor: an array in the graph, with the methods of an ndarray."""

import operator
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinygrad_edu import kernels
from tinygrad_edu.graph import RULES, Function, Node, apply, plain
from tinygrad_edu.memory import memory_of
from tinygrad_edu.messages import array_text, converted, described, wrong_shape
from tinygrad_edu.notebook import html_table
from tinygrad_edu.numpy_api import elementwise, indexing, linalg, products, reductions, shapes
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.numpy_api.dispatch import answer, method_of
from tinygrad_edu.operands import check_real, is_lazy
from tinygrad_edu.precision import wide

Axis = int | tuple[int, ...] | None


class Tensor(Node):
    """An array that remembers how it was made. NumPy's functions and operators work on it.

    data           real numbers, as anything that `np.asarray` takes; Python floats become float64.
                   A tensor that requires a gradient copies them; any other shares their memory.
    requires_grad  whether `backward` computes its gradient; floating-point data only
    name           shown in pictures and in errors

    Raises TypeError for data that is not an array of real numbers, or not floating-point although
    `requires_grad` is true.
    """

    __slots__ = ()
    native = np.ndarray
    broadcasts = True
    __pandas_priority__ = 5000  # series * t and frame @ t leave the operation to the Tensor

    def __init__(
        self, data: npt.ArrayLike | Node, requires_grad: bool = False, name: str | None = None
    ) -> None:
        adopted = self.adopt(plain(data))
        super().__init__(self.own(adopted) if requires_grad else adopted, requires_grad, name)
        if isinstance(data, Tensor) and not requires_grad:
            self.memory = memory_of(data)

    @classmethod
    def adopt(cls, data: Any) -> Any:
        adopted = array(data)
        check_real(adopted, data)
        return adopted

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
            is_number = data.ndim == 0 and data.__class__ is self.native
            grad = data.dtype.type(1) if is_number else np.ones_like(data)
        elif np.shape(plain(grad)) != data.shape:
            raise ValueError(
                f"the gradient to start from has shape {np.shape(plain(grad))}, and {who} has "
                f"shape {data.shape}; they must be equal"
            )
        elif not create_graph or not isinstance(grad, Tensor):
            grad = self.adopt(plain(grad)).astype(data.dtype)
            if grad.__class__ is not data.__class__:
                grad = np.asarray(grad, like=data)
        elif grad.dtype != data.dtype:
            grad = grad.astype(data.dtype)
        return Tensor(grad) if create_graph and not isinstance(grad, Node) else grad

    def accumulate(self, g: Any) -> None:
        if is_lazy(self._array) and not is_lazy(plain(g)):
            raise converted(Tensor.backward, [self._array], g)
        if self.grad is not None:
            g = self.grad + g
        self.grad = g if g.__class__ is np.ndarray or isinstance(g, Node) else self.adopt(g)

    def fit(self, partial: Any, node: Node) -> Any:
        data = self._array
        g = unbroadcast(partial, data.shape)
        if g.shape != data.shape:
            raise wrong_shape(node.rule, partial, self)
        return g if g.dtype == data.dtype else g.astype(data.dtype)

    def detach(self) -> "Tensor":
        """The same memory outside the graph: no gradient flows through the result."""
        return Tensor(self)

    def numpy(self) -> npt.NDArray[Any]:
        """The array itself, without a copy."""
        return self._array

    def item(self, *index: Any) -> float:
        """The number in a tensor of size 1, or the number at an index, as a Python number."""
        data = self._array.compute() if is_lazy(self._array) else self._array
        return data.item(*index)

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
        if ufunc in RULES and not options and method == "__call__":  # the common case, fast
            return apply(ufunc, *inputs)
        function = ufunc if method == "__call__" else method_of(ufunc, method)
        return answer(function, inputs, options)

    def __array_function__(
        self,
        function: Function,
        types: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        return answer(function, args, kwargs)

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
            index = (index,)  # the same for NumPy; `apply` would take a list for data
        return apply(operator.getitem, self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a Tensor is not changed in place, since a graph may need its old values. Make a new "
            "one with np.where(mask, value, t) or index_update(t, index, value)"
        )

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError(
                "a Tensor of shape () is one number and has no length or rows: t.item() is the "
                "number, and np.sum or np.stack combines several such Tensors"
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
        """The array that the data is a view of, or None."""
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
        sides = shape if len(shape) != 1 or isinstance(shape[0], int) else shape[0]
        return apply(np.reshape, self, sides)

    def transpose(self, *axes: Any) -> Self:
        order = axes[0] if len(axes) == 1 else axes or None
        return apply(np.transpose, self, axes=order)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        return apply(np.swapaxes, self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Self:
        return apply(np.squeeze, self, axis=axis)

    def ravel(self, order: str = "C") -> Self:
        return shapes.ravel(self, order)

    def flatten(self, order: str = "C") -> Self:
        return shapes.ravel(self, order)

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        return indexing.repeat(self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return indexing.diagonal(self, offset, axis1, axis2)

    def take(self, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Self:
        return indexing.take(self, indices, axis, mode=mode)

    def choose(self, choices: Any, *, mode: str = "raise") -> Self:
        return indexing.choose(self, choices, mode=mode)

    def compress(self, condition: Any, axis: int | None = None) -> Self:
        return indexing.compress(condition, self, axis)

    def astype(self, dtype: npt.DTypeLike, copy: bool = True) -> Any:
        """The same numbers in another dtype; integers and bools leave the graph as plain arrays."""
        kind = np.dtype(dtype).kind
        if kind in "iub":
            return self._array.astype(dtype)
        if kind != "f":
            raise TypeError(f"a Tensor holds real numbers, not numbers of {np.dtype(dtype)}")
        return elementwise.convert(self, dtype)

    def copy(self) -> Self:
        return +self

    # Reductions

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(reductions.array_sum, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(np.mean, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(reductions.array_max, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(reductions.array_min, self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        return reductions.var(self, axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        return reductions.std(self, axis, ddof=ddof, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return apply(np.prod, self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Self:
        return apply(np.cumsum, self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Self:
        return apply(np.cumprod, self, axis=axis)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return linalg.trace(self, offset, axis1, axis2)

    def dot(self, other: Any) -> Self:
        return products.dot(self, other)

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
        return elementwise.clip(self, min, max)

    def conj(self) -> Self:
        return +self

    conjugate = conj

    # Results without a derivative are plain arrays

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
        text = array_text(self._array, separator=", ", prefix=prefix)
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
        f"{method} would change a Tensor in place, and a graph may need its old values; "
        f"write this instead: {instead}"
    )


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes that broadcasting stretched from `shape`: the adjoint of broadcasting."""
    if g.shape != shape:
        g = wide(g)  # in float16, a sum of ones stops growing at 2048
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    if g.shape != shape:
        stretched = tuple(i for i, n in enumerate(shape) if n == 1 != g.shape[i])
        g = g.sum(axis=stretched, keepdims=True)
    return g
