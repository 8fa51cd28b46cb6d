"""How are Tensors joined and split?"""

import itertools

import numpy as np

from tinygrad_edu.graph import backward_of, plain, primitive
from tinygrad_edu.messages import described
from tinygrad_edu.numpy_api.arguments import array, common_dtype
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.numpy_api.indexing import front


@composes(np.concatenate)
def concatenate(arrays, axis=0, *, dtype=None, casting="same_kind"):
    if axis is None:
        common = common_dtype(arrays)
        arrays = [np.asarray(x, common) if isinstance(x, int | float) else x for x in arrays]
        arrays, axis = [np.reshape(x, -1) for x in cast(arrays, None, casting)], 0
    return concatenate_arrays(*cast(arrays, dtype, casting), axis=axis)


@primitive
def concatenate_arrays(*arrays, axis=0):
    """np.concatenate(arrays, axis), with each array an input of its own."""
    return np.concatenate(arrays, axis)


@backward_of(concatenate_arrays)
def concatenate_backward(g, out, *arrays, axis=0):
    ends = list(itertools.accumulate((x.shape[axis] for x in arrays), initial=0))
    start = front(g, axis)
    return tuple(g[(*start, slice(i, j))] for i, j in itertools.pairwise(ends))


@composes(np.stack)
def stack(arrays, axis=0, *, dtype=None, casting="same_kind"):
    return stack_arrays(*cast(arrays, dtype, casting), axis=axis)


@primitive
def stack_arrays(*arrays, axis=0):
    """np.stack(arrays, axis), with each array an input of its own."""
    return np.stack(arrays, axis)


@backward_of(stack_arrays)
def stack_backward(g, out, *arrays, axis=0):
    return tuple(np.moveaxis(g, axis, 0))


def cast(arrays, dtype, casting):
    """The arrays to join, in `dtype` if it is given."""
    arrays = [x if hasattr(x, "dtype") else array(x) for x in arrays]
    if dtype is None:
        return arrays
    for x in arrays:
        if not np.can_cast(x.dtype, dtype, casting):
            raise TypeError(f"{described(x)} of {x.dtype} cannot become {dtype} with {casting=}")
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


# Splitting


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


def parts(function, ary, indices_or_sections, axis):
    cuts = function(np.arange(ary.shape[axis]), plain(indices_or_sections))
    start = front(ary, axis)
    return [ary[(*start, slice(p[0], p[-1] + 1) if p.size else slice(0))] for p in cuts]


def at_least(name, x, ndim):
    if x.ndim < ndim:
        raise ValueError(f"{name} takes arrays of {ndim} or more axes, not of shape {x.shape}")


def unstack(x, /, *, axis=0):
    return tuple(np.moveaxis(x, axis, 0))


if hasattr(np, "unstack"):  # since NumPy 2.1
    composes(np.unstack)(unstack)
