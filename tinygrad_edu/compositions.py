"""NumPy functions that are other operations put together, under NumPy's own signatures.

Where elements only change their places, NumPy itself says where to: its function is applied to the
numbers of the elements, or of the rows along one axis, and the tensor is indexed with the answer.
"""

import math
import operator
from collections.abc import Callable
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_edu import kernels, linalg_rules
from tinygrad_edu.graph import Node, apply, plain
from tinygrad_edu.messages import described
from tinygrad_edu.operands import as_array
from tinygrad_edu.precision import floating, in_single

Function = Callable[..., Any]

COMPOSITIONS: dict[Function, Function] = {}


def composes(*functions: Function) -> Callable[[Function], Function]:
    """Let the function below answer for each of NumPy's `functions` on Tensors."""

    def enter(composition: Function) -> Function:
        for function in functions:
            COMPOSITIONS[function] = composition
        return composition

    return enter


def array(x):
    return x if isinstance(x, Node) else np.asarray(as_array(x))


def gather(function, x, *args, **options):
    """function(x, ...) for a function that only moves and repeats elements."""
    numbers = np.arange(x.size).reshape(x.shape)
    return x.reshape(-1)[function(numbers, *args, **options)]


def along(x, axis, choose):
    """x[choose(the numbers of its rows)] along an axis; of the flat x if axis is None."""
    if axis is None or (x.ndim == 0 and axis in (0, -1)):  # NumPy takes a number for a vector here
        x, axis = x.reshape(-1), 0
    rows = np.arange(x.shape[axis])
    return x[(*front(x, axis), choose(rows))]


def front(x, axis):
    return (slice(None),) * (axis % x.ndim)


# Put together


@composes(np.concatenate)
def concatenate(arrays, axis=0, *, dtype=None, casting="same_kind"):
    if axis is None:
        common = common_dtype(arrays)
        arrays = [np.asarray(x, common) if isinstance(x, int | float) else x for x in arrays]
        arrays, axis = [np.reshape(x, -1) for x in cast(arrays, None, casting)], 0
    return kernels.concatenate(*cast(arrays, dtype, casting), axis=axis)


@composes(np.stack)
def stack(arrays, axis=0, *, dtype=None, casting="same_kind"):
    return kernels.stack(*cast(arrays, dtype, casting), axis=axis)


def cast(arrays, dtype, casting):
    """Arrays that are to be joined, in the dtype that is asked for."""
    arrays = [x if hasattr(x, "dtype") else array(x) for x in arrays]
    if dtype is None:
        return arrays
    for x in arrays:
        if not np.can_cast(x.dtype, dtype, casting):
            raise TypeError(f"cannot join {described(x)} of {x.dtype} in {dtype} with {casting=}")
    return [x.astype(dtype) for x in arrays]


@composes(np.vstack)
def vstack(tup, *, dtype=None, casting="same_kind"):
    return np.concatenate([np.atleast_2d(x) for x in tup], 0, dtype=dtype, casting=casting)


@composes(np.hstack)
def hstack(tup, *, dtype=None, casting="same_kind"):
    arrays = [np.atleast_1d(x) for x in tup]
    axis = 0 if arrays and arrays[0].ndim == 1 else 1
    return np.concatenate(arrays, axis, dtype=dtype, casting=casting)


@composes(np.dstack)
def dstack(tup):
    return np.concatenate([np.atleast_3d(x) for x in tup], 2)


@composes(np.column_stack)
def column_stack(tup):
    arrays = map(array, tup)
    return np.concatenate([x if x.ndim > 1 else np.reshape(x, (-1, 1)) for x in arrays], 1)


@composes(np.block)
def block(arrays):
    """Lists within lists are joined, the innermost along the last axis."""
    depth, innermost = 0, arrays
    while isinstance(innermost, list):
        depth, innermost = depth + 1, innermost[0]
    ndim = max(depth, *(np.ndim(x) for x in leaves(arrays)), 0)

    def joined(x, axis):
        if isinstance(x, list):
            return np.concatenate([joined(y, axis + 1) for y in x], axis)
        return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x))

    return joined(arrays, -depth)


def leaves(x):
    return [leaf for y in x for leaf in leaves(y)] if isinstance(x, list) else [x]


@composes(np.append)
def append(arr, values, axis=None):
    return np.concatenate([array(arr), array(values)], axis)


@composes(np.insert)
def insert(arr, obj, values, axis=None):
    arr, values = array(arr), array(values)
    if values.dtype != arr.dtype:
        values = values.astype(arr.dtype)
    if axis is None:
        arr = arr.reshape(-1)
    numbers = np.arange(arr.size).reshape(arr.shape)
    new = arr.size + np.arange(values.size).reshape(values.shape)
    return np.concatenate([arr, values], axis=None)[np.insert(numbers, plain(obj), new, axis)]


@composes(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    grids = []
    for axis, x in zip(axes, xi):
        shape = [1] * len(xi)
        shape[axis] = np.size(x)
        grids.append(np.reshape(x, shape))
    return tuple(grids) if sparse else np.broadcast_arrays(*grids)


@composes(np.broadcast_arrays)
def broadcast_arrays(*args):
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(x, shape) for x in args)


@composes(np.where)
def where(condition, x=None, y=None):
    if x is None and y is None:
        return np.nonzero(condition)
    return apply(np.where, plain(condition), x, y)


@composes(np.select)
def select(condlist, choicelist, default=0):
    if len(condlist) != len(choicelist) or len(condlist) == 0:
        raise ValueError(
            f"select: {len(condlist)} conditions and {len(choicelist)} choices; "
            "there must be as many of one as of the other, and at least one"
        )
    out = default
    if not isinstance(default, Node):  # not rounded to the dtype of the first choice that it meets
        out = np.asarray(as_array(default), common_dtype([*choicelist, default]))
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        out = np.where(plain(condition), choice, out)
    return out


@composes(np.clip)
def clip(a, a_min=None, a_max=None, *, min=None, max=None):
    return kernels.clip(a, a_min if min is None else min, a_max if max is None else max)


# Taken apart


def parts(function, ary, indices_or_sections, axis):
    cuts = function(np.arange(ary.shape[axis]), plain(indices_or_sections))
    start = front(ary, axis)
    return [ary[(*start, slice(p[0], p[-1] + 1) if p.size else slice(0))] for p in cuts]


@composes(np.split)
def split(ary, indices_or_sections, axis=0):
    return parts(np.split, ary, indices_or_sections, axis)


@composes(np.array_split)
def array_split(ary, indices_or_sections, axis=0):
    return parts(np.array_split, ary, indices_or_sections, axis)


@composes(np.hsplit)
def hsplit(ary, indices_or_sections):
    at_least("hsplit", ary, 1)
    return parts(np.split, ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@composes(np.vsplit)
def vsplit(ary, indices_or_sections):
    at_least("vsplit", ary, 2)
    return parts(np.split, ary, indices_or_sections, 0)


@composes(np.dsplit)
def dsplit(ary, indices_or_sections):
    at_least("dsplit", ary, 3)
    return parts(np.split, ary, indices_or_sections, 2)


def at_least(name, x, ndim):
    if x.ndim < ndim:
        raise ValueError(f"{name} takes arrays of {ndim} or more axes, and this has {x.shape}")


def unstack(x, /, *, axis=0):
    return tuple(np.moveaxis(x, axis, 0))


if hasattr(np, "unstack"):  # since NumPy 2.1
    composes(np.unstack)(unstack)


# Shapes


@composes(np.ravel)
def ravel(a, order="C"):
    if order not in ("C", "F"):
        raise TypeError(f"np.ravel of a Tensor takes order='C' or 'F', not {order!r}")
    return (a if order == "C" else np.transpose(a)).reshape(-1)


@composes(np.copy)
def copy(a, order="K", subok=False):
    return +a


@composes(np.real)
def real(val):
    return +val


def astype(x, dtype, /, *, copy=True):
    return x.astype(dtype)


if hasattr(np, "astype"):  # since NumPy 2.1
    composes(np.astype)(astype)


@composes(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x, /):
    return np.swapaxes(x, -1, -2)


@composes(np.rollaxis)
def rollaxis(a, axis, start=0):
    order = np.rollaxis(np.empty(tuple(range(a.ndim))), axis, start).shape
    return np.transpose(a, order)


@composes(np.expand_dims)
def expand_dims(a, axis):
    return apply(np.expand_dims, a, tuple(axis) if isinstance(axis, list) else axis)


def atleast(function):
    def reshaped(*arys):
        arrays = map(array, arys)
        out = tuple(x.reshape(function(np.broadcast_to(0, x.shape)).shape) for x in arrays)
        return out[0] if len(out) == 1 else out

    composes(function)(reshaped)


for function in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    atleast(function)


@composes(np.tile)
def tile(A, reps):  # noqa: N803 - NumPy's name
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    ndim = max(A.ndim, len(reps))
    shape, reps = (1,) * (ndim - A.ndim) + A.shape, (1,) * (ndim - len(reps)) + reps
    between = [n for size in shape for n in (1, size)]
    stretched = [n for pair in zip(reps, shape) for n in pair]
    return np.broadcast_to(A.reshape(between), stretched).reshape(
        tuple(r * n for r, n in zip(reps, shape))
    )


@composes(np.repeat)
def repeat(a, repeats, axis=None):
    return along(a, axis, lambda rows: np.repeat(rows, plain(repeats)))


@composes(np.resize)
def resize(a, new_shape):
    return gather(np.resize, a, new_shape)


@composes(np.pad)
def pad(array, pad_width, mode="constant", *, constant_values=0, reflect_type="even"):
    if isinstance(pad_width, dict):
        sides = {axis % array.ndim: np.broadcast_to(n, 2) for axis, n in pad_width.items()}
        pad_width = [tuple(sides.get(axis, (0, 0))) for axis in range(array.ndim)]
    if mode == "constant":
        return apply(np.pad, array, as_given(pad_width), constant_values=constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        raise TypeError(
            f"np.pad of a Tensor does not take mode={mode!r} with reflect_type={reflect_type!r}; "
            "it takes 'constant', 'edge', 'reflect', 'symmetric' and 'wrap', reflected evenly"
        )
    return gather(np.pad, array, pad_width, mode)


def as_given(x):
    """A list as an array, which `apply` passes on as it is."""
    return np.asarray(x) if isinstance(x, list) else x


# Elements and diagonals


@composes(np.take)
def take(a, indices, axis=None, *, mode="raise"):
    return along(array(a), axis, lambda rows: np.take(rows, plain(indices), mode=mode))


@composes(np.choose)
def choose(a, choices, *, mode="raise"):
    """choices[a[i]][i] at each index i: the choices broadcast, and `a` says which one it is."""
    index = np.asarray(plain(a))
    if index.dtype.kind not in "biu":
        raise TypeError(f"np.choose takes integers that say which choice, not {index.dtype}")
    n = len(choices)
    if mode == "raise" and np.any((index < 0) | (index >= n)):
        raise ValueError(f"np.choose of {n} choices takes integers from 0 to {n - 1}")
    index = index % n if mode == "wrap" else np.clip(index, 0, n - 1)
    return np.select([index == i for i in range(n)], list(choices))


@composes(np.take_along_axis)
def take_along_axis(arr, indices, axis=-1):
    indices = plain(indices)
    if axis is None:
        return arr.reshape(-1)[indices]
    numbers = np.ogrid[tuple(slice(n) for n in arr.shape)]
    index = list(numbers) if arr.ndim > 1 else [numbers]
    index[axis] = indices
    return arr[tuple(index)]


@composes(np.compress)
def compress(condition, a, axis=None):
    return along(array(a), axis, lambda rows: np.compress(plain(condition), rows))


@composes(np.extract)
def extract(condition, arr):
    return np.compress(np.ravel(plain(condition)), np.ravel(arr))


@composes(np.delete)
def delete(arr, obj, axis=None):
    axis = axis if axis is None else normalize_axis_index(axis, arr.ndim)
    return along(arr, axis, lambda rows: np.delete(rows, plain(obj)))


@composes(np.sort)
def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    if axis is None:
        a, axis = a.reshape(-1), 0
    return take_along_axis(a, np.argsort(a, axis, kind=kind, order=order, stable=stable), axis)


@composes(np.partition)
def partition(a, kth, axis=-1, kind="introselect", order=None):
    if axis is None:
        a, axis = a.reshape(-1), 0
    return take_along_axis(a, np.argpartition(plain(a), kth, axis, kind, order), axis)


@composes(np.argpartition)
def argpartition(a, kth, axis=-1, kind="introselect", order=None):
    return np.argpartition(plain(a), kth, axis, kind, order)


@composes(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    x = np.moveaxis(a, (axis1, axis2), (-2, -1))
    n, m = x.shape[-2:]
    numbers = np.diagonal(np.arange(n * m).reshape(n, m), offset)
    return x[(..., *divmod(numbers, max(m, 1)))]


@composes(np.linalg.diagonal)
def linalg_diagonal(x, /, *, offset=0):
    return np.diagonal(x, offset, -2, -1)


@composes(np.diag)
def diag(v, k=0):
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag takes a vector or a matrix, and this has shape {v.shape}")
    i = np.arange(v.size)
    n = v.size + abs(k)
    return kernels.unindex(v, (i + max(-k, 0), i + max(k, 0)), np.empty((n, n)))


@composes(np.diagflat)
def diagflat(v, k=0):
    return np.diag(np.ravel(v), k)


@composes(np.put, np.put_along_axis, np.place, np.putmask, np.copyto, np.fill_diagonal)
def change_in_place(*args, **options):
    raise TypeError(
        "a Tensor is not changed in place, since its graph remembers what it was, nor is one "
        "written into an array, which has no graph. Make a new Tensor with index_update(t, index, "
        "value), np.where(mask, value, t), np.stack or np.broadcast_to"
    )


# Reductions


@composes(np.average)
def average(
    a,
    axis=None,
    weights=None,
    returned=False,
    *,
    keepdims=False,
):
    if weights is None:
        out = np.mean(a, axis=axis, keepdims=keepdims)
        total = out.dtype.type(np.size(a) / max(out.size, 1))
    else:
        if np.shape(weights) != np.shape(a):
            weights = spread(weights, np.ndim(a), axis)
        a, weights = in_one_dtype([floating(a), weights])
        total = np.sum(weights, axis=axis, keepdims=keepdims)
        if np.any(total == 0):
            raise ZeroDivisionError("np.average: the weights sum to 0, so there is no mean")
        out = np.sum(np.multiply(a, weights), axis=axis, keepdims=keepdims) / total
    return (out, np.broadcast_to(total, out.shape)) if returned else out


def spread(weights, ndim, axis):
    """Weights along `axis` with axes of length 1 for the others."""
    if axis is None:
        raise TypeError("np.average needs axis= where weights and data differ in shape")
    axes = normalize_axis_tuple(axis, ndim)
    if np.ndim(weights) != len(axes):
        raise ValueError(
            f"np.average along axis {axis} needs weights with {len(axes)} axes, "
            f"and these have shape {np.shape(weights)}"
        )
    weights = np.transpose(weights, np.argsort(axes))
    return np.expand_dims(weights, tuple(i for i in range(ndim) if i not in axes))


@composes(np.var)
@in_single
def var(a, axis=None, *, ddof=0, keepdims=False):
    return apply(np.var, a, axis=axis, ddof=ddof, keepdims=keepdims)


@composes(np.std)
@in_single
def std(a, axis=None, *, ddof=0, keepdims=False):
    return apply(np.std, a, axis=axis, ddof=ddof, keepdims=keepdims)


@composes(np.ptp)
def ptp(a, axis=None, *, keepdims=False):
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composes(np.diff)
def diff(a, n=1, axis=-1, prepend=None, append=None):
    if n < 0:
        raise ValueError(f"np.diff takes a difference n times, and n is {n}")
    if n == 0:
        return a
    a = array(a)
    axis = normalize_axis_index(axis, np.ndim(a))
    front = (slice(None),) * axis
    edge = np.shape(a[(*front, slice(1))])
    parts = [
        np.broadcast_to(x, edge) if np.ndim(x) == 0 else array(x)
        for x in (prepend, a, append)
        if x is not None
    ]
    out = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        out = out[(*front, slice(1, None))] - out[(*front, slice(None, -1))]
    return out


@composes(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    y = array(y)
    along = normalize_axis_index(axis, y.ndim)
    if x is not None:
        dx = np.diff(x, axis=axis if np.ndim(x) > 1 else -1)
        if np.ndim(dx) == 1:
            dx = np.reshape(dx, (-1,) + (1,) * (y.ndim - 1 - along))
    front = (slice(None),) * along
    sums = y[(*front, slice(1, None))] + y[(*front, slice(None, -1))]
    return np.sum(dx * sums / 2.0, axis=axis)


@composes(np.linalg.norm)
@in_single
def norm(x, ord=None, axis=None, keepdims=False):
    """Vector and Frobenius norms have a rule; the other norms of a matrix are put together."""
    axis = axis if axis is None or isinstance(axis, tuple) else operator.index(axis)
    axes = tuple(range(x.ndim)) if axis is None else axis
    if ord is None or np.size(axes) != 2 or ord == "fro":
        return apply(np.linalg.norm, x, ord=ord, axis=axis, keepdims=keepdims)
    matrices = np.moveaxis(x, axes, (-2, -1))
    if ord in (1, -1):
        parts = np.sum(np.abs(matrices), axis=-2)
    elif ord in (np.inf, -np.inf):
        parts = np.sum(np.abs(matrices), axis=-1)
    elif ord == 2:
        out = linalg_rules.spectral_norm(matrices)
        return np.expand_dims(out, axes) if keepdims else out
    elif ord in (-2, "nuc"):
        parts = np.linalg.svdvals(matrices)
    else:
        raise ValueError(f"np.linalg.norm of a matrix does not take ord={ord!r}")
    reduce = np.sum if ord == "nuc" else np.max if ord > 0 else np.min
    out = reduce(parts, axis=-1)
    return np.expand_dims(out, axes) if keepdims else out


@composes(np.gradient)
def gradient(f, *varargs, axis=None, edge_order=1):
    f = 1.0 * array(f)
    axes = range(f.ndim) if axis is None else normalize_axis_tuple(axis, f.ndim)
    if len(varargs) == 1 and np.ndim(varargs[0]) == 0:
        varargs *= len(axes)
    if len(varargs) not in (0, len(axes)):
        raise TypeError(
            f"np.gradient along {len(axes)} axes takes one spacing, or one for each axis, "
            f"and got {len(varargs)}"
        )
    slopes = [
        np.moveaxis(slope(np.moveaxis(f, i, -1), x, edge_order), -1, i)
        for i, x in zip(axes, varargs or [1.0] * len(axes))
    ]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def slope(f, x, edge_order):
    """df/dx along the last axis, x a distance or coordinates.

    Inside it is the slope of the parabola through three neighbours: the mean of the slopes to the
    left and to the right, each with the other's distance as weight. At the ends it is the slope of
    a line through two points, or with edge_order 2 of the last parabola.
    """
    n = f.shape[-1]
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient takes edge_order=1 or 2, not {edge_order!r}")
    if n <= edge_order:
        raise ValueError(f"np.gradient needs {edge_order + 1} points along an axis, and got {n}")
    if np.ndim(x) and np.shape(x) != (n,):
        raise ValueError(f"np.gradient: coordinates {np.shape(x)} for an axis of length {n}")
    if np.ndim(x) == 0:
        slopes = np.diff(f) / x
        inner = (f[..., 2:] - f[..., :-2]) / (2.0 * x)
    else:
        h = np.diff(x)
        slopes = np.diff(f) / h
        inner = (slopes[..., :-1] * h[1:] + slopes[..., 1:] * h[:-1]) / (h[:-1] + h[1:])
    first, last = slopes[..., :1], slopes[..., -1:]
    if edge_order == 2:
        first, last = 2.0 * first - inner[..., :1], 2.0 * last - inner[..., -1:]
    return np.concatenate([first, inner, last], -1)


# Values at equal distances


@composes(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """start + i step; the last is `stop` itself, unless it is left out."""
    if dtype is not None and np.dtype(dtype).kind in "iu":
        return np.linspace(plain(start), plain(stop), num, endpoint, retstep, dtype, axis)
    start, stop = np.broadcast_arrays(1.0 * array(start), 1.0 * array(stop))
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps > 0 else np.nan * (stop - start)
    i = np.arange(num, dtype=start.dtype).reshape((-1,) + (1,) * start.ndim)
    out = start + i * step if gaps > 0 else np.broadcast_to(start, (num, *start.shape))
    if endpoint and num > 1:
        out = np.concatenate([out[:-1], stop[None]])
    out = np.moveaxis(out if dtype is None else out.astype(dtype), 0, axis)
    return (out, step) if retstep else out


@composes(np.full_like)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None):
    shape = np.shape(a) if shape is None else shape
    if not isinstance(fill_value, Node):
        return np.full_like(plain(a), fill_value, dtype, order, subok, shape)
    return np.broadcast_to(fill_value, shape).astype(array(a).dtype if dtype is None else dtype)


# Sets: the choice of the elements has no derivative, and each of them is an element of the input


def elements(values, *arrays):
    """`values` as elements of the arrays: of those that are equal, the first."""
    flat = np.concatenate([np.reshape(x, -1) for x in arrays])
    known, first = np.unique(plain(flat), return_index=True)
    return flat[first[np.searchsorted(known, values)]]


@composes(np.unique)
def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, **options):
    _, first, *rest = np.unique(plain(ar), True, return_inverse, return_counts, axis, **options)
    answers = np.take(ar, first, axis), *([first] if return_index else []), *rest
    return answers if len(answers) > 1 else answers[0]


@composes(np.unique_values)
def unique_values(x, /):
    return elements(np.unique_values(plain(x)), x)


def with_elements(function: Function) -> None:
    def found(x: Any, /) -> Any:
        answer = function(plain(x))
        return answer._replace(values=elements(answer.values, x))

    composes(function)(found)


for unique_of in (np.unique_all, np.unique_counts, np.unique_inverse):
    with_elements(unique_of)


@composes(np.union1d)
def union1d(ar1, ar2):
    return elements(np.union1d(plain(ar1), plain(ar2)), ar1, ar2)


@composes(np.setdiff1d)
def setdiff1d(ar1, ar2, assume_unique=False):
    return elements(np.setdiff1d(plain(ar1), plain(ar2), assume_unique), ar1)


@composes(np.setxor1d)
def setxor1d(ar1, ar2, assume_unique=False):
    return elements(np.setxor1d(plain(ar1), plain(ar2), assume_unique), ar1, ar2)


@composes(np.intersect1d)
def intersect1d(ar1, ar2, assume_unique=False, return_indices=False):
    values, *indices = np.intersect1d(plain(ar1), plain(ar2), assume_unique, True)
    values = elements(values, ar1, ar2)
    return (values, *indices) if return_indices else values


# Of two results one is whole numbers, and plain


@composes(np.divmod)
def floor_and_remainder(x, y):
    return np.floor_divide(x, y), np.remainder(x, y)


@composes(np.modf)
def modf(x):
    x = floating(x)
    # np.fmod of inf is nan, but as in np.modf an infinite number has the fraction ±0.
    beyond = np.where(np.isinf(x), np.copysign(0.0, plain(x)), x)
    return np.fmod(beyond, 1), np.trunc(x)


# One of the arguments decides where, and has no derivative


@composes(np.heaviside)
def heaviside(x1, x2):
    """1 where x1 > 0, 0 where x1 < 0, and x2 where x1 is 0: flat in x1, and not in x2."""
    x1 = plain(x1)
    if not (isinstance(x2, Node) and x2.requires_grad):
        return np.heaviside(x1, plain(x2))
    return np.where(np.equal(x1, 0), x2, np.heaviside(x1, plain(x2)))


@composes(np.ix_)
def ix_(*args):
    for x in map(array, args):
        if x.dtype.kind == "f":
            raise TypeError(
                f"np.ix_ makes indices of whole numbers or bools, and {described(x)} is {x.dtype}"
            )
    return np.ix_(*map(plain, args))


@composes(np.bincount)
def bincount(x, /, weights=None, minlength=0):
    x = np.asarray(plain(x))
    if not isinstance(weights, Node):
        return np.bincount(x, weights, minlength)
    length = np.bincount(x, minlength=minlength).size
    return kernels.unindex(weights.astype(float), x.astype(int), np.zeros(length))


@composes(np.histogram_bin_edges)
def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The given edges, or as many as NumPy makes, evenly spaced from the least to the greatest."""
    if np.ndim(bins) == 1:
        return array(bins)
    low, high = (np.min(a), np.max(a)) if range is None and np.size(a) else range or (0.0, 1.0)
    limits = plain(low), plain(high)
    n = np.histogram_bin_edges(plain(a), plain(bins), limits, plain(weights)).size
    if limits[0] == limits[1]:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n)


@composes(np.histogram)
def histogram(a, bins=10, range=None, density=None, weights=None):
    """Counts are flat in the data and in the edges; a density is not flat in the edges."""
    if isinstance(weights, Node) and weights.requires_grad:
        raise TypeError("np.histogram has no derivative for weights=; use np.bincount, or t.data")
    edges = histogram_bin_edges(a, bins, range, weights)
    counts = np.histogram(plain(a), plain(edges), weights=plain(weights))[0]
    return counts / (np.diff(edges) * counts.sum()) if density else counts, edges


@composes(np.lexsort)
def lexsort(keys, axis=-1):
    return np.lexsort([plain(key) for key in keys], axis)


# Products


@composes(np.vdot)
def vdot(a, b, /):
    a, b = array(a), array(b)
    if a.shape != b.shape:
        a, b = a.reshape(-1), b.reshape(-1)
    return kernels.vdot(a, b)


@composes(np.dot)
def dot(a, b):
    a, b = array(a), array(b)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return a @ b if np.ndim(b) <= 2 else np.tensordot(a, b, (-1, -2))


@composes(np.inner)
def inner(a, b, /):
    a, b = array(a), array(b)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return np.tensordot(a, b, (-1, -1))


@composes(np.outer)
def outer(a, b):
    return np.reshape(a, (-1, 1)) * np.reshape(b, -1)


@composes(np.linalg.outer)
def linalg_outer(x1, x2, /):
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(
            f"np.linalg.outer takes two vectors, and got {described(x1)} and {described(x2)}; "
            "np.outer makes vectors of arrays"
        )
    return outer(x1, x2)


@composes(np.tensordot, np.linalg.tensordot)
def tensordot(a, b, axes=2):
    a, b = array(a), array(b)
    if np.ndim(axes) == 0 and not isinstance(axes, tuple | list):
        of_a, of_b = range(a.ndim - axes, a.ndim), range(axes)
    else:
        of_a, of_b = ((i,) if np.ndim(i) == 0 else i for i in axes)
    of_a, of_b = [i % a.ndim for i in of_a], [i % b.ndim for i in of_b]
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(
            f"tensordot of {a.shape} and {b.shape}: axes {tuple(of_a)} of the one "
            f"and {tuple(of_b)} of the other differ in length"
        )
    rows = [i for i in range(a.ndim) if i not in of_a]
    columns = [i for i in range(b.ndim) if i not in of_b]
    n = math.prod(a.shape[i] for i in of_a)
    shape = [*(a.shape[i] for i in rows), *(b.shape[i] for i in columns)]
    left = np.transpose(a, [*rows, *of_a]).reshape((math.prod(a.shape[i] for i in rows), n))
    right = np.transpose(b, [*of_b, *columns])
    right = right.reshape((n, math.prod(b.shape[i] for i in columns)))
    return (left @ right).reshape(shape)


@composes(np.kron)
def kron(a, b):
    a, b = array(a), array(b)
    ndim = max(a.ndim, b.ndim)
    a_shape, b_shape = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    left = a.reshape([n for size in a_shape for n in (size, 1)])
    right = b.reshape([n for size in b_shape for n in (1, size)])
    return (left * right).reshape([n * m for n, m in zip(a_shape, b_shape)])


@composes(np.trace)
def trace(a, offset=0, axis1=0, axis2=1):
    return np.diagonal(a, offset, axis1, axis2).sum(-1)


@composes(np.linalg.trace)
def linalg_trace(x, /, *, offset=0):
    return np.trace(x, offset, -2, -1)


@composes(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(array(a), axisa, -1), np.moveaxis(array(b), axisb, -1)
    if a.shape[-1:] != (3,) or b.shape[-1:] != (3,):
        raise ValueError(f"cross is of vectors of length 3, and these are {a.shape} and {b.shape}")
    return np.moveaxis(apply(np.cross, a, b), -1, axisc)


@composes(np.linalg.cross)
def linalg_cross(x1, x2, /, *, axis=-1):
    return np.cross(x1, x2, axis=axis)


@composes(np.linalg.vecdot)
def vecdot(x1, x2, /, *, axis=-1):
    return np.vecdot(np.moveaxis(array(x1), axis, -1), np.moveaxis(array(x2), axis, -1))


@composes(np.linalg.matmul)
def matmul(x1, x2, /):
    return np.matmul(x1, x2)


@composes(np.linalg.multi_dot)
def multi_dot(arrays):
    first, *between, last = map(array, arrays)
    row, column = first.ndim == 1, last.ndim == 1
    first = first[None, :] if row else first
    last = last[:, None] if column else last
    out = linalg_rules.multi_dot(first, *between, last)
    return out.reshape(out.shape[row : 2 - column])


@composes(np.linalg.matrix_power)
def matrix_power(a, n):
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"matrix_power takes a whole number as exponent, not {n!r}") from None
    if n < 0:
        a, n = np.linalg.inv(a), -n
    out = None
    while n:
        if n % 2:
            out = a if out is None else out @ a
        n //= 2
        a = a @ a if n else a
    return np.where(True, np.eye(a.shape[-1], dtype=a.dtype), a) if out is None else out


# einsum


@composes(np.einsum)
def einsum(*operands, optimize=False):
    """einsum in any form, as the plain one that has a rule: diagonals and lone sums come first."""
    if not isinstance(operands[0], str):
        operands = with_letters(operands)
    subscripts, *arrays = operands
    arrays = in_one_dtype(arrays)
    terms, output = explicit(subscripts.replace(" ", ""), arrays)
    sizes = {}
    for term, x in zip(terms, arrays):
        if len(term) != x.ndim:
            raise ValueError(f"einsum {subscripts!r}: {term!r} for an array of shape {x.shape}")
        for letter, n in zip(term, x.shape):
            if n != 1 and sizes.setdefault(letter, n) != n:
                raise ValueError(
                    f"einsum {subscripts!r}: {letter!r} is both {sizes[letter]} and {n}"
                )

    for i, x in enumerate(arrays):
        terms[i], arrays[i] = diagonal_of(*unstretched(terms[i], x, sizes))
    for i, x in enumerate(arrays):
        elsewhere = output + "".join(terms[:i] + terms[i + 1 :])
        alone = tuple(axis for axis, letter in enumerate(terms[i]) if letter not in elsewhere)
        if alone:
            arrays[i] = x.sum(axis=alone)
            terms[i] = "".join(letter for letter in terms[i] if letter in elsewhere)
    return linalg_rules.einsum(
        *arrays, subscripts=f"{','.join(terms)}->{output}", optimize=optimize
    )


def common_dtype(operands):
    """The dtype that NumPy computes in with all of them; Python's numbers have a kind only."""
    return np.result_type(*[x if isinstance(x, int | float) else array(x).dtype for x in operands])


def in_one_dtype(arrays):
    """The arrays, all in the dtype that NumPy computes in with all of them."""
    arrays = [array(x) for x in arrays]
    dtype = common_dtype(arrays)
    return [x if x.dtype == dtype else x.astype(dtype) for x in arrays]


def explicit(subscripts, arrays):
    """The letters of each operand and of the output, with letters for what `...` stands for."""
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"einsum {subscripts!r} is of {len(terms)} arrays, and got {len(arrays)}")
    letters = inputs.replace("...", "").replace(",", "")
    if not arrow:
        output = "..." + "".join(sorted(c for c in letters if letters.count(c) == 1))
    widths = [x.ndim - len(term) + 3 if "..." in term else 0 for term, x in zip(terms, arrays)]
    unused = [c for c in ascii_letters if c not in subscripts]
    dots = "".join(unused[: max(widths)])
    if dots and "..." not in output:
        raise ValueError(f"einsum {subscripts!r}: the output needs a '...' as well")
    terms = [term.replace("...", dots[len(dots) - w :]) for term, w in zip(terms, widths)]
    return terms, output.replace("...", dots)


def unstretched(term, x, sizes):
    """An operand without the axes of length 1 that einsum would broadcast."""
    stretched = [n == 1 and letter in sizes for letter, n in zip(term, x.shape)]
    if not any(stretched):
        return term, x
    kept = "".join(letter for letter, s in zip(term, stretched) if not s)
    return kept, x[tuple(0 if s else slice(None) for s in stretched)]


def diagonal_of(term, x):
    """An operand in which no index is named twice."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            i = term.index(letter)
            j = term.index(letter, i + 1)
            x = np.diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + letter
    return term, x


def with_letters(operands):
    """einsum(x, [0, 1], y, [1, 2], [0, 2]) as einsum("AB,BC->AC", x, y)."""
    arrays, lists = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    letters = ascii_uppercase + ascii_lowercase
    terms = ["".join("..." if i is ... else letters[i] for i in axes) for axes in lists]
    subscripts = ",".join(terms)
    if len(operands) % 2:
        subscripts += "->" + "".join("..." if i is ... else letters[i] for i in operands[-1])
    return subscripts, *arrays


# np.linalg: functions with several results answer with the named tuples of NumPy

SlogdetResult = type(np.linalg.slogdet(np.eye(1)))
EighResult = type(np.linalg.eigh(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))
QRResult = type(np.linalg.qr(np.eye(1)))


@composes(np.linalg.solve)
def solve(a, b):
    a, b = array(a), array(b)
    if b.ndim == 1:
        return apply(np.linalg.solve, a, b[:, None])[..., 0]
    return apply(np.linalg.solve, a, b)


@composes(np.linalg.pinv)
def pinv(a, rcond=None, hermitian=False, **options):
    """NumPy's; but if it cuts off singular values that are not 0, made from the others by svd."""
    if hermitian:
        raise TypeError("np.linalg.pinv of a Tensor does not take hermitian=; leave it out")
    if rcond is not None:
        options["rcond"] = rcond
    tolerance = options.get("rtol") if rcond is None else rcond
    out = apply(np.linalg.pinv, a, **options)
    if tolerance is None:
        return out
    sizes = np.linalg.svdvals(plain(a))
    kept = sizes > np.asarray(tolerance)[..., None] * sizes[..., :1]
    if np.all(kept | linalg_rules.vanishing(sizes, a)):
        return out
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return (vt.mT * inverse[..., None, :]) @ u.mT


@composes(np.linalg.tensorinv)
def tensorinv(a, ind=2):
    rows, columns = a.shape[:ind], a.shape[ind:]
    return np.linalg.inv(a.reshape((math.prod(rows), -1))).reshape(columns + rows)


@composes(np.linalg.tensorsolve)
def tensorsolve(a, b, axes=None):
    a, b = array(a), array(b)
    if axes is not None:
        last = [axis % a.ndim for axis in axes]
        a = np.transpose(a, [i for i in range(a.ndim) if i not in last] + last)
    matrix = a.reshape((b.size, -1))
    return np.linalg.solve(matrix, b.reshape(-1)).reshape(a.shape[b.ndim :])


@composes(np.linalg.cholesky)
def cholesky(a, /, *, upper=False):
    if upper:
        return apply(np.linalg.cholesky, a.mT).mT
    return apply(np.linalg.cholesky, a)


@composes(np.linalg.slogdet)
def slogdet(a):
    return SlogdetResult(*linalg_rules.slogdet(a))


@composes(np.linalg.eigh)
def eigh(a, UPLO="L"):  # noqa: N803 - NumPy's name
    n = a.shape[-1]
    return EighResult(*linalg_rules.unpacked(linalg_rules.eigh(a, UPLO=UPLO), (n,), (n, n)))


@composes(np.linalg.svd)
def svd(a, full_matrices=True, compute_uv=True):
    if not compute_uv:
        return apply(np.linalg.svdvals, a)
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise TypeError(
            "np.linalg.svd of a Tensor that is not square needs full_matrices=False: "
            "the vectors beyond are not determined, and have no derivative"
        )
    shapes = linalg_rules.svd_shapes(a)
    return SVDResult(*linalg_rules.unpacked(linalg_rules.svd(a), *shapes))


@composes(np.linalg.qr)
def qr(a, mode="reduced"):
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise TypeError(
            f"np.linalg.qr of a Tensor of shape {a.shape} does not take mode={mode!r}: "
            "use 'reduced' or 'r'"
        )
    k = min(m, n)
    q, r = linalg_rules.unpacked(linalg_rules.qr(a[..., :k]), (m, k), (k, k))
    if n > k:
        r = np.concatenate([r, q.mT @ a[..., k:]], -1)
    return r if mode == "r" else QRResult(q, r)
