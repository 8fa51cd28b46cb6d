"""What may enter a computation, and as what?

Nodes, numbers, and arrays that implement NumPy's protocols enter as they are. Anything else, such
as a list or a pandas table, becomes an array once; labels of rows and columns are ignored. Classes
whose operators follow other rules than an array's, such as masked arrays, are refused.
"""

import functools
import inspect
import numbers
import operator
from collections.abc import Callable
from types import EllipsisType, FunctionType
from typing import Any

import numpy as np

Function = Callable[..., Any]

LAZY: list[type] = []  # the classes of arrays that have entered and are computed later


class Operand:
    """The base class of nodes: modules that graph.py imports recognize a node by it."""

    __slots__ = ()

    _array: Any
    memory: Any
    name: str | None


@functools.cache
def enters(kind: type) -> bool:
    """Whether an operand of this class enters a computation as it is.

    These do: nodes, real numbers, arrays that implement NumPy's protocols, and arguments that are
    not data, such as an index or a dtype.
    """
    if issubclass(kind, complex | np.complexfloating | np.ma.MaskedArray | np.matrix):
        return False
    if hasattr(kind, "__dask_graph__"):
        LAZY.append(kind)
    other = (tuple, slice, EllipsisType, type(None), str, type, np.dtype, FunctionType)
    return issubclass(kind, (Operand, float, int, np.generic, *other)) or hasattr(
        kind, "__array_function__"
    )


def is_lazy(x: Any) -> bool:
    """Whether x is an array that is computed later, such as Dask's: a look at a number computes it.

    It costs next to nothing as long as no such array has entered.
    """
    return bool(LAZY) and hasattr(x, "__dask_graph__")


def as_array(x: Any) -> Any:
    """An array of a list, a pandas table and so on; numbers, arrays and nodes as they are.

    The labels of a table are ignored. Raises TypeError for masked arrays and matrices, and for data
    that is not real numbers.
    """
    if enters(x.__class__):
        return x
    if isinstance(x, numbers.Real):
        return float(x)
    if isinstance(x, complex):
        raise complex_data(x)
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            "a masked array is not supported, since a gradient has no mask: fill it with "
            "x.filled(value), or choose with np.where(mask, value, x.data)"
        )
    if isinstance(x, np.matrix):
        raise TypeError(
            "np.matrix is not supported, since its * is the matrix product: use np.asarray(x)"
        )
    array = np.asarray(x)
    if array.dtype.kind == "O" and all(isinstance(item, numbers.Real) for item in array.flat):
        array = array.astype(float)
    check_real(array, x)
    return array


def check_real(array: Any, x: Any) -> None:
    """Raise TypeError if the array that was made of x holds anything but real numbers, or nodes."""
    kind = array.dtype.kind
    if kind not in "fiubO" or (kind == "O" and not all(isinstance(y, Operand) for y in array.flat)):
        raise TypeError(
            f"a Tensor holds real numbers, and this is {array.dtype}: {x!r:.60}"
            + (". Make an array of it first: x.toarray()" if hasattr(x, "toarray") else "")
        )


OPERATORS = operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, operator.pow
PRODUCTS = operator.matmul, np.cross, np.linalg.solve
TAKE_ARRAYS = frozenset([*OPERATORS, *PRODUCTS])


def only_arrays(function: Function) -> bool:
    """Whether `function` takes arrays only: then a tuple is data, not a shape or an index."""
    return function in TAKE_ARRAYS or isinstance(function, np.ufunc)


def as_operands(function: Function, inputs: tuple[Any, ...]) -> list[Any]:
    """The operands of a call, each in a form that rules can compute with."""
    lists = only_arrays(function)
    return [as_array(list(x) if lists and isinstance(x, tuple) else x) for x in inputs]


def by_position(function: Function, inputs: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    """The arguments of a call by position, if operands were given as keyword arguments.

    Raises TypeError if an argument can be given only by its name.
    """
    bound = inspect.signature(function).bind(*inputs, **options)
    bound.apply_defaults()
    if bound.kwargs:
        given = ", ".join(name for name, x in options.items() if isinstance(x, Operand))
        raise TypeError(f"{function.__name__} has no operand {given}=: give it by position")
    return list(bound.args)


def is_complex(x: Any) -> bool:
    return isinstance(x, complex) or getattr(getattr(x, "dtype", None), "kind", "") == "c"


def complex_data(x: Any) -> TypeError:
    what = f"an array of shape {x.shape}" if hasattr(x, "shape") else repr(x)
    return TypeError(
        f"{what} is complex, and gradients are real here: pass its real and imaginary parts"
    )
