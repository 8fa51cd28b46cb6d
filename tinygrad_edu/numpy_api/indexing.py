"""How are elements of a Tensor taken: at indices, where a condition holds, on a diagonal?

NumPy itself chooses the elements: its function runs on the row numbers along one axis, and the
Tensor is indexed with the result.
"""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.graph import plain
from tinygrad_edu.kernels import unindex
from tinygrad_edu.messages import described
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.operands import as_array


def along(x, axis, choose):
    """x[choose(row numbers)] along an axis, or of the flattened x if axis is None."""
    if axis is None or (x.ndim == 0 and axis in (0, -1)):  # NumPy treats a number as a vector here
        x, axis = x.reshape(-1), 0
    rows = np.arange(x.shape[axis])
    return x[(*front(x, axis), choose(rows))]


def front(x, axis):
    """An index that takes everything along the axes before this one."""
    return (slice(None),) * (axis % x.ndim)


@composes(np.take)
def take(a, indices, axis=None, *, mode="raise"):
    index = plain(indices)
    if hasattr(index, "__array_function__") and not isinstance(index, np.ndarray):
        if mode != "raise" or index.dtype.kind not in "iu":
            raise TypeError(f"np.take with mode={mode!r} takes indices in a NumPy array only")
        return along(array(a), axis, lambda rows: index)
    return along(array(a), axis, lambda rows: np.take(rows, index, mode=mode))


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


@composes(np.repeat)
def repeat(a, repeats, axis=None):
    return along(a, axis, lambda rows: np.repeat(rows, plain(repeats)))


@composes(np.choose)
def choose(a, choices, *, mode="raise"):
    """choices[a[i]][i] at each index i: the choices broadcast, and `a` says which one it is."""
    index = plain(as_array(a))
    index = index if hasattr(index, "dtype") else np.asarray(index)
    if index.dtype.kind not in "biu":
        raise TypeError(f"np.choose takes integers, the numbers of the choices, not {index.dtype}")
    n = len(choices)
    if mode == "raise" and np.any((index < 0) | (index >= n)):
        raise ValueError(f"np.choose of {n} choices takes integers from 0 to {n - 1}")
    index = index % n if mode == "wrap" else np.clip(index, 0, n - 1)
    return np.select([index == i for i in range(n)], list(choices))


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
    return unindex(v, (i + max(-k, 0), i + max(k, 0)), np.empty((n, n)))


@composes(np.diagflat)
def diagflat(v, k=0):
    return np.diag(np.ravel(v), k)


@composes(np.ix_)
def ix_(*args):
    for x in map(array, args):
        if x.dtype.kind == "f":
            raise TypeError(
                f"np.ix_ takes integers or bools, and the dtype of {described(x)} is {x.dtype}"
            )
    return np.ix_(*map(plain, args))


@composes(np.put, np.put_along_axis, np.place, np.putmask, np.copyto, np.fill_diagonal)
def change_in_place(*args, **options):
    raise TypeError(
        "a Tensor is not changed in place, since a graph may need its old values, and it is not "
        "written into an array, which has no graph. Make a new Tensor with index_update(t, index, "
        "value), np.where(mask, value, t), np.stack or np.broadcast_to"
    )
