"""How are vectors and matrices multiplied? The rule of `@` is in rules.py."""

import operator

import numpy as np

from tinygrad_edu.graph import apply, backward_of, primitive
from tinygrad_edu.messages import described
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.numpy_api.shapes import mT


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


@composes(np.vdot)
def vdot(a, b, /):
    a, b = array(a), array(b)
    if a.shape != b.shape:
        a, b = a.reshape(-1), b.reshape(-1)
    return inner_product(a, b)


@primitive
def inner_product(x, y):
    """sum(x y) over all elements, in one pass."""
    return np.vdot(x, y)


@backward_of(inner_product, np.vdot)
def vdot_backward(g, out, x, y):
    return lambda: g * y, lambda: g * x


@composes(np.linalg.vecdot)
def vecdot(x1, x2, /, *, axis=-1):
    return np.vecdot(np.moveaxis(array(x1), axis, -1), np.moveaxis(array(x2), axis, -1))


@backward_of(np.vecdot)
def vecdot_backward(g, out, x, y):
    return lambda: g[..., None] * y, lambda: g[..., None] * x


def matvec_backward(g, out, x, y):
    return lambda: g[..., None] * y[..., None, :], lambda: (mT(x) @ g[..., None])[..., 0]


def vecmat_backward(g, out, x, y):
    return lambda: (y @ g[..., None])[..., 0], lambda: x[..., None] * g[..., None, :]


if hasattr(np, "matvec"):  # since NumPy 2.2
    backward_of(np.matvec)(matvec_backward)
    backward_of(np.vecmat)(vecmat_backward)


@composes(np.outer)
def outer(a, b):
    return np.reshape(a, (-1, 1)) * np.reshape(b, -1)


@composes(np.linalg.outer)
def linalg_outer(x1, x2, /):
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(
            f"np.linalg.outer takes two vectors, and got {described(x1)} and {described(x2)}; "
            "np.outer flattens arrays to vectors"
        )
    return outer(x1, x2)


@composes(np.kron)
def kron(a, b):
    a, b = array(a), array(b)
    ndim = max(a.ndim, b.ndim)
    a_shape, b_shape = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    left = a.reshape([n for size in a_shape for n in (size, 1)])
    right = b.reshape([n for size in b_shape for n in (1, size)])
    return (left * right).reshape([n * m for n, m in zip(a_shape, b_shape)])


@composes(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(array(a), axisa, -1), np.moveaxis(array(b), axisb, -1)
    if a.shape[-1:] != (3,) or b.shape[-1:] != (3,):
        raise ValueError(
            f"np.cross takes vectors of length 3, and these have shapes {a.shape} and {b.shape}"
        )
    return np.moveaxis(apply(np.cross, a, b), -1, axisc)


@composes(np.linalg.cross)
def linalg_cross(x1, x2, /, *, axis=-1):
    return np.cross(x1, x2, axis=axis)


@backward_of(np.cross)
def cross_backward(g, out, x, y):
    return lambda: np.cross(y, g), lambda: np.cross(g, x)


@composes(np.linalg.matmul)
def matmul(x1, x2, /):
    return np.matmul(x1, x2)


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


@composes(np.linalg.multi_dot)
def multi_dot(arrays):
    first, *between, last = map(array, arrays)
    row, column = first.ndim == 1, last.ndim == 1
    first = first[None, :] if row else first
    last = last[:, None] if column else last
    out = chain_dot(first, *between, last)
    return out.reshape(out.shape[row : 2 - column])


@primitive
def chain_dot(*arrays):
    """np.linalg.multi_dot(arrays) of matrices, each an input of its own."""
    return np.linalg.multi_dot(arrays)


@backward_of(chain_dot)
def multi_dot_backward(g, out, *arrays):
    turned = [mT(x) for x in arrays]

    def partial(i):
        return np.linalg.multi_dot([*turned[:i][::-1], g, *turned[i + 1 :][::-1]])

    return tuple(lambda i=i: partial(i) for i in range(len(arrays)))
