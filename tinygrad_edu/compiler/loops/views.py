"""Which lines are only views of another array? Transposes, slices, broadcasts, as indices."""

import operator
from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops.lowerings import FLOATS, dtype_of, is_operand
from tinygrad_edu.compiler.program import is_array
from tinygrad_edu.tracing import Line, astype, item, with_item

# For each axis of the operand: (axis of the result or None, start, step)
Index = tuple[tuple[int | None, int, int], ...]


def straight(n: int) -> Index:
    """The index in which each axis stays itself."""
    return tuple((i, 0, 1) for i in range(n))


def along(loops: Any) -> Index:
    """The index that follows each loop from 0 in steps of 1; None is an axis without a loop."""
    return tuple((loop, 0, 0 if loop is None else 1) for loop in loops)


def composed(outer: Index, inner: Index) -> Index:
    """The index into the base of a view, from its index `outer` there and `inner` into the view."""
    found: list[tuple[int | None, int, int]] = []
    for axis, start, step in outer:
        if axis is None:
            found.append((None, start, 0))
        else:
            loop, first, stride = inner[axis]
            found.append((loop, start + step * first, step * stride if loop is not None else 0))
    return tuple(found)


def view_of(line: Line) -> Index | None:
    """Where the elements of the result are in the first operand; None if the line is no view."""
    function, inputs, options = line.function, line.inputs, line.options
    if not inputs or not isinstance(inputs[0], Line) or not is_array(line):
        return None
    x, rest = inputs[0].data, inputs[1:]
    x = np.asarray(x) if isinstance(x, float | np.generic) else x
    if not isinstance(x, np.ndarray) or not is_operand(line) or not is_operand(x):
        return None
    if dtype_of(x) != dtype_of(line):
        return None
    shape = line.data.shape
    if function in (np.transpose, np.swapaxes, np.moveaxis):
        # The axes can be read from what the function does to an array of their numbers.
        marked = np.lib.stride_tricks.as_strided(
            np.zeros(1, np.int8), x.shape, [2**i for i in range(x.ndim)]
        )
        strides = function(marked, *rest, **options).strides
        return tuple((strides.index(2**i), 0, 1) for i in range(x.ndim))
    if function is np.copy or (function is astype and line.data.dtype == x.dtype):
        return tuple((i, 0, 1) for i in range(x.ndim))
    if function is np.broadcast_to:
        more = len(shape) - x.ndim
        return tuple((None if n == 1 else i + more, 0, 1) for i, n in enumerate(x.shape))
    if function in (np.reshape, np.expand_dims, np.squeeze, np.ravel):
        long = [i for i, n in enumerate(shape) if n > 1]
        if [shape[i] for i in long] != [n for n in x.shape if n > 1] or options.get("order"):
            return None
        axes = iter(long)
        return tuple((None if n == 1 else next(axes), 0, 1) for n in x.shape)
    if function in (item, operator.getitem):
        return basic_index(x, rest[0])
    return None


def basic_index(x: Any, index: Any) -> Index | None:
    parts = list(index) if isinstance(index, tuple) else [index]
    if not all(p is None or p is Ellipsis or type(p) in (int, slice) for p in parts):
        return None
    if any(
        isinstance(y, Line) for p in parts if type(p) is slice for y in (p.start, p.stop, p.step)
    ):
        return None
    used = sum(p is not None and p is not Ellipsis for p in parts)
    if Ellipsis not in [p if p is Ellipsis else 0 for p in parts]:
        parts.append(Ellipsis)
    found: list[tuple[int | None, int, int]] = []
    axis = 0
    for p in parts:
        if p is None:
            axis += 1
        elif p is Ellipsis:
            for _ in range(x.ndim - used):
                found.append((axis, 0, 1))
                axis += 1
        elif isinstance(p, slice):
            start, _, step = p.indices(x.shape[len(found)])
            found.append((axis, start, step))
            axis += 1
        else:
            found.append((None, p % x.shape[len(found)], 0))
    return tuple(found)


def block_of(line: Line) -> Index | None:
    """The part of the first operand that the line writes its value to; None if there is none."""
    if line.function is not with_item:
        return None
    x, index, value = line.inputs
    if not isinstance(x, Line) or not is_operand(x) or not is_array(x) or not is_operand(value):
        return None
    dtypes = {dtype_of(line), dtype_of(value)}
    if dtype_of(line) != dtype_of(x) or not (len(dtypes) == 1 or dtypes <= FLOATS):
        return None
    part = basic_index(x.data, index)
    empty = part is None or not part or x.data[index].size == 0
    return None if empty else part


def is_reshape(line: Line) -> bool:
    """Whether the line only gives the elements another shape, in the same order."""
    function, inputs, options = line.function, line.inputs, line.options
    if function not in (np.reshape, np.ravel) or not isinstance(inputs[0], Line):
        return False
    plain = not options and len(inputs) == (2 if function is np.reshape else 1)
    arrays = is_array(line) and is_array(inputs[0])
    return plain and arrays and is_operand(line) and is_operand(inputs[0])
