"""How do the axes of a Tensor change: their order, their length, their number?"""

import numpy as np

from tinygrad_edu.graph import Node, apply, backward_of, plain
from tinygrad_edu.kernels import inside
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.operands import as_array


@composes(np.reshape)
def reshape(a, shape):
    return a.reshape(shape)


@composes(np.ravel)
def ravel(a, order="C"):
    if order not in ("C", "F"):
        raise TypeError(f"np.ravel of a Tensor takes order='C' or 'F', not {order!r}")
    return (a if order == "C" else np.transpose(a)).reshape(-1)


@composes(np.matrix_transpose, np.linalg.matrix_transpose)
def mT(x, /):
    """x.mT, the matrices of x transposed, by a method that every array library has."""
    return x.swapaxes(-1, -2)


@backward_of(np.moveaxis)
def moveaxis_backward(g, out, x, source, destination):
    return np.moveaxis(g, destination, source), None, None


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


@composes(np.broadcast_arrays)
def broadcast_arrays(*args):
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(x, shape) for x in args)


@composes(np.full_like)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None):
    shape = np.shape(a) if shape is None else shape
    if not isinstance(fill_value, Node):
        # Other libraries know neither `order` nor `subok`.
        options = ({} if order == "K" else {"order": order}) | ({} if subok else {"subok": subok})
        return np.full_like(plain(a), fill_value, dtype=dtype, shape=shape, **options)
    return np.broadcast_to(fill_value, shape).astype(array(a).dtype if dtype is None else dtype)


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


@backward_of(np.flip)
def flip_backward(g, out, x, axis=None):
    return np.flip(g, axis)


@backward_of(np.fliplr)
def fliplr_backward(g, out, x):
    return np.fliplr(g)


@backward_of(np.flipud)
def flipud_backward(g, out, x):
    return np.flipud(g)


@backward_of(np.rot90)
def rot90_backward(g, out, x, k=1, axes=(0, 1)):
    return np.rot90(g, -k, axes)


@backward_of(np.roll)
def roll_backward(g, out, x, shift, axis=None):
    return np.roll(g, np.multiply(shift, -1), axis), None


@backward_of(np.tril)
def tril_backward(g, out, x, k=0):
    return np.tril(g, k)


@backward_of(np.triu)
def triu_backward(g, out, x, k=0):
    return np.triu(g, k)


@composes(np.pad)
def pad(array, pad_width, mode="constant", *, constant_values=0, reflect_type="even"):
    if isinstance(pad_width, dict):
        sides = {axis % array.ndim: np.broadcast_to(n, 2) for axis, n in pad_width.items()}
        pad_width = [tuple(sides.get(axis, (0, 0))) for axis in range(array.ndim)]
    if mode == "constant":
        return apply(np.pad, array, as_array(pad_width), constant_values=constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        raise TypeError(
            f"np.pad of a Tensor does not take mode={mode!r} with reflect_type={reflect_type!r}; "
            "use 'constant', 'edge', 'reflect', 'symmetric' or 'wrap', with reflect_type='even'"
        )
    return gather(np.pad, array, pad_width, mode)


@backward_of(np.pad)
def pad_backward(g, out, x, pad_width, constant_values=0):
    return g[inside(x, np.broadcast_to(pad_width, (x.ndim, 2)))], None


@composes(np.resize)
def resize(a, new_shape):
    return gather(np.resize, a, new_shape)


def gather(function, x, *args, **options):
    """function(x, ...) for a function that only moves and repeats elements."""
    numbers = np.arange(x.size).reshape(x.shape)
    return x.reshape(-1)[function(numbers, *args, **options)]
