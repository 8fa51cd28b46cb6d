"""How are differences, slopes and integrals of values on a grid computed, and counts in bins?"""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_edu.graph import Node, plain
from tinygrad_edu.numpy_api.arguments import array
from tinygrad_edu.numpy_api.dispatch import composes
from tinygrad_edu.numpy_api.indexing import front


@composes(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """start + i step; with `endpoint`, the last element is exactly `stop`."""
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
        shape[axis] = array(x).size
        grids.append(np.reshape(x, shape))
    return tuple(grids) if sparse else np.broadcast_arrays(*grids)


@composes(np.diff)
def diff(a, n=1, axis=-1, prepend=None, append=None):
    if n < 0:
        raise ValueError(f"np.diff takes the difference n times; n must be at least 0, not {n}")
    if n == 0:
        return a
    a = array(a)
    axis = normalize_axis_index(axis, np.ndim(a))
    edge = np.shape(a[(*front(a, axis), slice(1))])
    parts = [
        np.broadcast_to(x, edge) if np.ndim(x) == 0 else array(x)
        for x in (prepend, a, append)
        if x is not None
    ]
    out = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        earlier, later = neighbours(out, axis)
        out = later - earlier
    return out


def neighbours(x, axis):
    """Along the axis: all elements but the last, and for each of them the next element."""
    start = front(x, axis)
    return x[(*start, slice(None, -1))], x[(*start, slice(1, None))]


@composes(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    y = array(y)
    along = normalize_axis_index(axis, y.ndim)
    if x is not None:
        dx = np.diff(x, axis=axis if np.ndim(x) > 1 else -1)
        if np.ndim(dx) == 1:
            dx = np.reshape(dx, (-1,) + (1,) * (y.ndim - 1 - along))
    earlier, later = neighbours(y, axis)
    return np.sum(dx * (later + earlier) / 2.0, axis=axis)


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
    """df/dx along the last axis; x is a distance or the coordinates.

    At an inner point this is the slope of the parabola through three neighbours: the mean of the
    slopes to the left and to the right, each weighted by the distance of the other. At an end it is
    the slope of the line through two points, or, for edge_order=2, of the parabola through three.
    """
    n = f.shape[-1]
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient takes edge_order=1 or 2, not {edge_order!r}")
    if n <= edge_order:
        raise ValueError(f"np.gradient needs {edge_order + 1} points along an axis, and got {n}")
    if np.ndim(x) and np.shape(x) != (n,):
        raise ValueError(
            f"np.gradient: coordinates of shape {np.shape(x)} do not fit an axis of length {n}"
        )
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


@composes(np.histogram)
def histogram(a, bins=10, range=None, density=None, weights=None):
    """Counts have no derivative; a density has a derivative with respect to the edges."""
    if isinstance(weights, Node) and weights.requires_grad:
        raise TypeError(
            "np.histogram has no derivative with respect to weights=; use np.bincount, or t.data"
        )
    edges = histogram_bin_edges(a, bins, range, weights)
    counts = np.histogram(plain(a), plain(edges), weights=plain(weights))[0]
    return counts / (np.diff(edges) * counts.sum()) if density else counts, edges


@composes(np.histogram_bin_edges)
def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The given edges, or as many as NumPy makes, evenly spaced from smallest to largest value."""
    if np.ndim(bins) == 1:
        return array(bins)
    low, high = (np.min(a), np.max(a)) if range is None and array(a).size else range or (0.0, 1.0)
    limits = plain(low), plain(high)
    # How many there are depends on the data only where `bins` is the name of a method.
    data = (plain(a), plain(weights)) if isinstance(bins, str) else ([], None)
    n = np.histogram_bin_edges(data[0], plain(bins), limits, data[1]).size
    if limits[0] == limits[1]:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n)
