"""Every function of the table with drawn shapes, axes and options, as NumPy takes them.

An entry of DRAWN draws a call: a function of arrays, and their shapes. Whatever is drawn, a Tensor
does what an array does: the same value, or an error of the same type; and the derivatives are right
to second order. Sides may be 0: such draws do not count among those that compare derivatives.
"""

import itertools
import operator

import numpy as np
import pytest
from drawn import THOROUGH
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_rules import TABLE, Row, apart, at, positive, same
from test_rules_linalg import TABLE as LINALG_TABLE
from test_rules_linalg import definite, symmetric
from test_rules_shapes import TABLE as SHAPES_TABLE
from test_rules_shapes import parts, squares

from tinygrad_edu import Tensor, gradcheck, kernels
from tinygrad_edu.graph import forward_of
from tinygrad_edu.numpy_api.elementwise import convert
from tinygrad_edu.numpy_api.factorizations import (
    packed_eigh,
    packed_qr,
    packed_svd,
    with_eigenvalues,
    with_singular_values,
)
from tinygrad_edu.numpy_api.joining import concatenate_arrays, stack_arrays
from tinygrad_edu.numpy_api.linalg import packed_slogdet
from tinygrad_edu.numpy_api.norms import leading, spectral_norm
from tinygrad_edu.numpy_api.products import chain_dot, inner_product
from tinygrad_edu.numpy_api.reductions import array_max, array_min, array_sum
from tinygrad_edu.testing import axes, indices

SIDES = {"min_side": 0, "max_side": 3}
shapes = hnp.array_shapes(min_dims=0, max_dims=3, **SIDES)
full = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)  # without sides of 0
with_axes = hnp.array_shapes(min_dims=1, max_dims=3, **SIDES)
matrices = hnp.array_shapes(min_dims=2, max_dims=3, **SIDES)
small = st.integers(-3, 3)
side = st.integers(1, 3)


def axis(shape):
    return st.integers(-len(shape), len(shape) - 1)


def broadcastable(count):
    drawn = hnp.mutually_broadcastable_shapes(num_shapes=count, min_side=0, max_dims=3, max_side=3)
    return drawn.map(lambda found: list(found.input_shapes))


# Elementwise: shapes that broadcast, on the domain of the function's first row


def elementwise(row):
    f = row.f

    def drawn(draw):
        return Row(f, draw(broadcastable(len(row.shapes))), domain=row.domain)

    return drawn


KERNELS = {forward_of(f) for f in (kernels.relu, kernels.sigmoid, kernels.log1pexp, kernels.erf)}
OPERATORS = {
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod),
    *(operator.neg, operator.pos, operator.abs),
}


def is_elementwise(row):
    f = forward_of(row.function)
    ufunc = isinstance(f, np.ufunc) and f.signature is None and f not in (np.fmax, np.fmin)
    return ufunc or f in KERNELS | OPERATORS | {np.sinc, np.nan_to_num}


# Reductions: every axis, keepdims


def reduction(f, several=True, domain=same, **more):
    def drawn(draw):
        shape = draw(shapes)
        one_axis = axis(shape) if shape else st.none()
        options = {"axis": draw(axes(shape) if several else st.none() | one_axis)}
        options |= {name: draw(choice) for name, choice in more.items()}
        return Row(lambda x: f(x, **options), [shape], domain=domain)

    return drawn


KEEP = {"keepdims": st.booleans()}


def norm(draw):
    shape = draw(full)
    where = draw(axes(shape))
    order = draw(st.sampled_from([None, 1, 2, 3, 1.5, np.inf, -np.inf]))
    keepdims = draw(st.booleans())
    return Row(lambda x: np.linalg.norm(x, order, where, keepdims), [shape], domain=apart)


def average(draw):
    shape = draw(with_axes)
    where = draw(st.none() | axis(shape))
    weights = draw(st.sampled_from([shape] + ([(shape[where],)] if where is not None else [])))
    return Row(lambda x, w: np.average(x, where, w), [shape, weights], domain=positive)


# Along one axis


def along(f, *choices, several=False):
    """f(x, *choices, axis=): one axis, or some."""

    def drawn(draw):
        shape = draw(with_axes)
        args = [draw(choice) for choice in choices]
        where = draw(axes(shape) if several else axis(shape))
        return Row(squares(lambda x: f(x, *args, axis=where)), [shape])

    return drawn


def trapezoid(draw):
    shape = draw(with_axes)
    where = draw(axis(shape))
    points = draw(st.sampled_from([shape, (shape[where],)]))
    return Row(lambda y, x: np.trapezoid(y, x, axis=where), [shape, points])


def partition(draw):
    shape = draw(with_axes)
    where = draw(axis(shape))
    kth = draw(small)
    return Row(squares(lambda x: np.sort(np.partition(x, kth, where), where)), [shape])


def roll(draw):
    shape = draw(shapes)
    where = draw(axes(shape))
    shift = draw(
        small if where is None or isinstance(where, int) else st.tuples(*[small for _ in where])
    )
    return Row(squares(lambda x: np.roll(x, shift, where)), [shape])


def rot90(draw):
    shape = draw(matrices)
    where = draw(st.tuples(axis(shape), axis(shape)))
    k = draw(small)
    return Row(squares(lambda x: np.rot90(x, k, where)), [shape])


# Shapes


def shaped(f, *choices, of=shapes):
    """f(x, *choices), where a choice may depend on the shape."""

    def drawn(draw):
        shape = draw(of)
        args = [draw(choice(shape) if callable(choice) else choice) for choice in choices]
        return Row(squares(lambda x: f(x, *args)), [shape])

    return drawn


def order_of(shape):
    return st.permutations(range(len(shape))).map(tuple) | st.none()


def new_shape(shape):
    size = int(np.prod(shape))
    options = [(size,), (-1,), (1, size), (size, 1, 1), shape[::-1]]
    return st.sampled_from(options)


def wider(shape):
    return st.lists(side, max_size=2).map(lambda front: (*front, *shape))


def axes_to_add(shape):
    return st.integers(-len(shape) - 1, len(shape)) | st.just((0, -1))


def widths(shape):
    pair = st.tuples(st.integers(0, 3), st.integers(0, 3))
    return st.integers(0, 3) | pair | st.tuples(*[pair for _ in shape])


def counts(shape):
    return st.integers(0, 3) | st.lists(st.integers(0, 2), min_size=1, max_size=4)


def joined(f, count=2):
    """f([x, y]) along an axis: shapes that differ there only."""

    def drawn(draw):
        shape = draw(with_axes)
        where = draw(axis(shape))
        second = list(shape)
        second[where] = draw(st.integers(0, 3))
        return Row(squares(lambda *xs: f(xs, where)), [shape, tuple(second)])

    return drawn


def stacked(f):
    def drawn(draw):
        first, other = draw(broadcastable(2))
        second = draw(st.sampled_from([first, other]))
        return Row(squares(lambda *xs: f(list(xs))), [first, second])

    return drawn


def several(f, least=1, most=3):
    """f(x, y, ...) of arrays of any shapes."""

    def drawn(draw):
        return Row(squares(f), draw(st.lists(shapes, min_size=least, max_size=most)))

    return drawn


def stack(draw):
    shape = draw(shapes)
    where = draw(axes_to_add(shape))
    return Row(squares(lambda *xs: np.stack(xs, where)), [shape, shape])


def take(draw):
    shape = draw(full)
    where = draw(st.none() | axis(shape)) if shape else None
    index = draw(hnp.arrays(int, shapes, elements=small))
    mode = draw(st.sampled_from(["raise", "wrap", "clip"]))
    return Row(squares(lambda x: np.take(x, index, where, mode=mode)), [shape])


def take_along_axis(draw):
    shape = draw(with_axes)
    where = draw(axis(shape))
    index_shape = list(shape)
    index_shape[where] = draw(side)
    index = draw(hnp.arrays(int, tuple(index_shape), elements=st.integers(-3, 2)))
    return Row(squares(lambda x: np.take_along_axis(x, index, where)), [shape])


def compress(draw):
    shape = draw(full)
    where = draw(st.none() | axis(shape)) if shape else None
    condition = draw(st.lists(st.booleans(), max_size=4))
    return Row(squares(lambda x: np.compress(condition, x, where)), [shape])


def extract(draw):
    shape = draw(shapes)
    mask = draw(hnp.arrays(bool, shape))
    return Row(squares(lambda x: np.extract(mask, x)), [shape])


def insert(draw):
    shape = draw(with_axes)
    where = draw(axis(shape))
    value = draw(
        st.sampled_from([(), shape[: where % len(shape)] + shape[where % len(shape) + 1 :]])
    )
    index = draw(small)
    return Row(squares(lambda x, y: np.insert(x, index, y, where)), [shape, value])


def delete(draw):
    shape = draw(with_axes)
    where = draw(st.none() | axis(shape))
    index = draw(small | st.lists(small, min_size=1, max_size=3) | st.just(slice(0, 2)))
    return Row(squares(lambda x: np.delete(x, index, where)), [shape])


def chosen(draw):
    out, *rest = draw(broadcastable(3))
    mask = draw(hnp.arrays(bool, out))
    return Row(squares(lambda x, y: np.where(mask, x, y)), rest)


def selected(draw):
    out, *rest = draw(broadcastable(3))
    masks = [draw(hnp.arrays(bool, out)) for _ in range(2)]
    return Row(squares(lambda x, y: np.select(masks, [x, y], 2.0)), rest)


def of_choices(draw):
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)
    out, *rest = draw(shapes).input_shapes
    index = draw(hnp.arrays(int, out, elements=st.integers(-1, 2)))
    mode = draw(st.sampled_from(["raise", "wrap", "clip"]))
    return Row(squares(lambda x, y: np.choose(index, [x, y], mode=mode)), list(rest))


def fitted(f):
    """np.fmax and np.fmin, with a nan here and there in the first array."""

    def drawn(draw):
        out, *rest = draw(broadcastable(3))
        mask = draw(hnp.arrays(bool, out))
        return Row(lambda x, y: f(np.where(mask, x, np.nan), y), rest)

    return drawn


def clip(draw):
    return Row(lambda x, y, z: np.clip(3 * x, y - 2, z + 2), draw(broadcastable(3)))


def index(draw):
    shape = draw(shapes)
    where = draw(indices(shape) if 0 not in shape else st.just(Ellipsis))
    return Row(squares(lambda x: x[where]), [shape])


def unindex(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
    where = draw(indices(shape))
    whole = np.zeros(shape)
    return Row(squares(lambda y: kernels.unindex(y, where, whole)), [whole[where].shape])


def index_update(draw):
    """Any index, one that names an element twice too, and values that broadcast to the place."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
    where = draw(indices(shape))
    place = np.zeros(shape)[where].shape
    part = tuple(draw(st.sampled_from([1, n])) for n in place)[draw(st.integers(0, len(place))) :]
    return Row(squares(lambda x, y: kernels.index_update(x, where, y)), [shape, part])


def bincount(draw):
    labels = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    length = draw(st.integers(0, 7))
    return Row(squares(lambda x: np.bincount(labels, x, length)), [(len(labels),)])


def windows(f):
    """kernels.unfold, or fold of what it gave: one or two axes, every step."""

    def drawn(draw):
        n = draw(st.integers(1, 2))
        steps = st.tuples(*[st.integers(1, 2)] * n)
        kernel_size, stride, dilation = draw(steps), draw(steps), draw(steps)
        shape = (draw(side), *draw(st.tuples(*[st.integers(3, 5)] * n)), draw(side))
        if f is kernels.unfold:
            options = {"kernel_size": kernel_size, "stride": stride, "dilation": dilation}
            return Row(squares(lambda x: kernels.unfold(x, **options)), [shape])
        options = {"size": shape[1:-1], "stride": stride, "dilation": dilation}
        taken = kernels.unfold(np.empty(shape), kernel_size, stride, dilation).shape
        return Row(squares(lambda x: kernels.fold(x, **options)), [taken])

    return drawn


# Values


def linspace(draw):
    ends = draw(broadcastable(2))
    num, endpoint, where = (
        draw(st.integers(0, 4)),
        draw(st.booleans()),
        draw(st.sampled_from([0, -1])),
    )
    return Row(squares(lambda x, y: np.linspace(x, y, num, endpoint, axis=where)), ends)


def gradient(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=2, max_side=4))
    where = draw(axis(shape))
    order = draw(st.sampled_from([1, 2]))
    spacing = draw(st.sampled_from([(), (shape[where],)]))

    def f(x, h):
        h = np.exp(0.3 * h)
        return np.gradient(x, np.cumsum(h) if spacing else h, axis=where, edge_order=order)

    return Row(f, [shape, spacing])


def heaviside(draw):
    out, height = draw(broadcastable(2))
    x = draw(hnp.arrays(float, out, elements=st.sampled_from([-1.0, 0.0, 2.0])))
    return Row(squares(lambda h: np.heaviside(x, h)), [height])


def intersect1d(draw):
    shape = draw(full)
    n = draw(side)
    return Row(squares(lambda x: np.intersect1d(x, np.reshape(x, -1)[:n])), [shape])


def edges(f):
    def drawn(draw):
        shape, bins = draw(full), draw(side | st.just("sturges"))
        return Row(lambda x: f(x, bins), [shape])

    return drawn


def density(x, *args):
    counts, edges = np.histogram(x, *args, density=True)
    numbers, inner = (y.data if isinstance(y, Tensor) else y for y in (x, edges[1:-1]))
    distances = np.subtract.outer(numbers, inner)
    assume(not np.any(np.abs(distances) < 1e-3))  # a count jumps where a number crosses an edge
    return np.append(counts, edges)


# Products and linear algebra


def signature(f, text, domain=same):
    """Shapes that fit a gufunc's signature, with batches that broadcast."""
    drawn_shapes = hnp.mutually_broadcastable_shapes(
        signature=text, min_side=0, max_dims=2, max_side=3
    )

    def drawn(draw):
        return Row(f, list(draw(drawn_shapes).input_shapes), domain=domain)

    return drawn


def pairs(f):
    """Two arrays whose last axis, and the last but one of the second, fit np.dot."""

    def drawn(draw):
        n = draw(side)
        first = draw(st.sampled_from([(), (n,), (2, n), (2, 1, n), (0, n)]))
        second = draw(st.sampled_from([(), (n,), (n, 3), (2, n, 2), (n, 0)]))
        return Row(f, [first, second])

    return drawn


def inner(draw):
    n = draw(side)
    return Row(np.inner, [(*draw(shapes), n), (*draw(shapes), n)])


def tensordot(draw):
    common = draw(st.lists(side, max_size=2))
    left, right = (draw(st.lists(side, max_size=2)) for _ in range(2))
    n = len(common)
    where = n if draw(st.booleans()) else (tuple(range(len(left), len(left) + n)), tuple(range(n)))
    return Row(lambda x, y: np.tensordot(x, y, where), [(*left, *common), (*common, *right)])


def equal(f, flat=False):
    """f of two arrays of one shape, or of a second one that is flat."""

    def drawn(draw):
        shape = draw(shapes)
        return Row(f, [shape, (int(np.prod(shape)),) if flat else shape])

    return drawn


def diagonal_of(f, of=matrices):
    def drawn(draw):
        shape = draw(of)
        first, second, offset = draw(axis(shape)), draw(axis(shape)), draw(small)
        return Row(squares(lambda x: f(x, offset, first, second)), [shape])

    return drawn


def square_matrices(f, domain=same):
    """f of square matrices, alone and in batches."""

    def drawn(draw):
        n = draw(side)
        return Row(f, [(*draw(st.lists(side, max_size=1)), n, n)], domain=domain)

    return drawn


def regular(x):
    """Far from singular: definite in its symmetric part."""
    return 0.3 * np.tanh(x) + 2 * np.eye(x.shape[-1])


def multi_dot(draw):
    sizes = draw(st.lists(side, min_size=3, max_size=5))
    return Row(lambda *xs: np.linalg.multi_dot(xs), list(itertools.pairwise(sizes)))


def solve(draw):
    n, batch = draw(side), draw(st.sampled_from([(), (2,), (1, 2)]))
    right = draw(st.sampled_from([(n,), (n, 2), (2, n, 1)]))
    return Row(lambda x, y: np.linalg.solve(regular(x), y), [(*batch, n, n), right])


def rectangles(f):
    def drawn(draw):
        return Row(f, [tuple(draw(st.lists(side, min_size=2, max_size=3)))])

    return drawn


def with_values(f, square=False):
    """f of a matrix and as many values as it has eigenvalues or singular values."""

    def drawn(draw):
        m, n = draw(side), draw(side)
        shape = draw(st.sampled_from([(), (2,)]))
        n = m if square else n
        return Row(f, [(*shape, m, n), (*shape, min(m, n))])

    return drawn


def factors(f, count, of, matrix=same):
    """One of the results of a factorization."""

    def drawn(draw):
        i = draw(st.integers(0, count - 1))
        return of(lambda x: f(matrix(x))[i])(draw)

    return drawn


def matrix_power(draw):
    n = draw(small)
    return square_matrices(lambda x: np.linalg.matrix_power(regular(x), n))(draw)


def linear(draw):
    n, m = draw(side), draw(side)
    return Row(kernels.linear, [(*draw(shapes), n), (n, m), (m,)])


def cross_entropy(draw):
    shape = (*draw(with_axes), draw(side))
    labels = draw(hnp.arrays(int, shape[:-1], elements=st.integers(0, shape[-1] - 1)))
    hot = labels[..., None] == np.arange(shape[-1])
    return Row(squares(lambda x: kernels.cross_entropy(x, hot)), [shape])


def tensorinv(draw):
    shape, ind = draw(st.sampled_from([((4, 2, 2), 1), ((2, 2, 4), 2), ((3, 3), 1)]))
    side = shape[0] if ind == 1 else shape[-1]

    def f(x):
        return np.linalg.tensorinv(regular(x.reshape(side, side)).reshape(shape), ind)

    return Row(f, [shape])


def tensorsolve(draw):
    shape = draw(st.sampled_from([(2, 2, 4), (2, 3, 6), (3, 1, 3)]))

    def f(x, y):
        return np.linalg.tensorsolve(regular(x.reshape(shape[-1], -1)).reshape(shape), y)

    return Row(f, [shape, shape[:2]])


DRAWN = {
    # reductions
    **{f: reduction(f, **KEEP) for f in (np.sum, np.mean, np.max, np.amax, np.min, np.amin)},
    **{f: reduction(f, **KEEP) for f in (np.prod, np.ptp, np.median, np.nansum, np.nanmean)},
    **{f: reduction(f, **KEEP, ddof=st.sampled_from([0, 1])) for f in (np.var, np.std)},
    **{f: reduction(f, **KEEP) for f in (array_sum, array_max, array_min)},
    **{f: reduction(f, **KEEP) for f in (np.add.reduce, np.multiply.reduce)},
    **{f: reduction(f, **KEEP) for f in (np.maximum.reduce, np.minimum.reduce)},
    kernels.logsumexp: reduction(kernels.logsumexp, **KEEP),
    np.linalg.norm: norm,
    np.average: average,
    # along one axis
    np.cumsum: reduction(lambda x, axis: np.cumsum(x, axis) ** 2, several=False),
    np.cumprod: reduction(np.cumprod, several=False),
    np.diff: along(np.diff, st.integers(0, 3)),
    np.trapezoid: trapezoid,
    np.sort: along(np.sort),
    np.partition: partition,
    np.flip: along(np.flip, several=True),
    np.roll: roll,
    np.rot90: rot90,
    np.repeat: along(np.repeat, counts(())),
    np.array_split: along(np.array_split, side),
    np.split: along(np.split, side | st.lists(st.integers(0, 4), max_size=3)),
    kernels.softmax: along(kernels.softmax),
    kernels.log_softmax: along(kernels.log_softmax),
    # shapes
    np.reshape: shaped(np.reshape, new_shape),
    np.ravel: shaped(np.ravel, st.sampled_from("CF")),
    np.transpose: shaped(np.transpose, order_of),
    np.permute_dims: shaped(np.permute_dims, order_of),
    np.swapaxes: shaped(np.swapaxes, axis, axis, of=with_axes),
    np.moveaxis: shaped(np.moveaxis, axis, axis, of=with_axes),
    np.rollaxis: shaped(np.rollaxis, axis, axis, of=with_axes),
    np.expand_dims: shaped(np.expand_dims, axes_to_add),
    np.squeeze: shaped(np.squeeze, axes),
    np.broadcast_to: shaped(np.broadcast_to, wider),
    np.resize: shaped(np.resize, wider),
    np.tile: shaped(np.tile, st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=3)),
    convert: shaped(convert, st.just(np.float64)),
    **({np.astype: shaped(np.astype, st.just(np.float64))} if hasattr(np, "astype") else {}),
    **{f: shaped(f) for f in (np.matrix_transpose, np.linalg.matrix_transpose, np.diagflat)},
    **{f: shaped(f) for f in (np.copy, np.real, np.fliplr, np.flipud)},
    **{f: several(f) for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d, np.meshgrid)},
    np.broadcast_arrays: lambda draw: Row(squares(np.broadcast_arrays), draw(broadcastable(3))),
    **{f: shaped(f, small) for f in (np.tril, np.triu, np.diag)},
    **{f: shaped(f, side) for f in (np.hsplit, np.vsplit, np.dsplit)},
    np.pad: shaped(
        np.pad,
        widths,
        st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]),
    ),
    np.diagonal: diagonal_of(np.diagonal),
    np.linalg.diagonal: shaped(lambda x, k: np.linalg.diagonal(x, offset=k), small, of=matrices),
    concatenate_arrays: joined(np.concatenate),
    np.append: joined(lambda xs, where: np.append(*xs, axis=where)),
    stack_arrays: stack,
    **{f: stacked(f) for f in (np.vstack, np.hstack, np.dstack, np.column_stack, np.block)},
    np.insert: insert,
    np.delete: delete,
    np.take: take,
    np.take_along_axis: take_along_axis,
    np.compress: compress,
    np.extract: extract,
    np.where: chosen,
    np.select: selected,
    np.choose: of_choices,
    np.fmax: fitted(np.fmax),
    np.fmin: fitted(np.fmin),
    np.clip: clip,
    operator.getitem: index,
    kernels.unindex: unindex,
    kernels.index_update: index_update,
    np.bincount: bincount,
    **{f: windows(f) for f in (kernels.unfold, kernels.fold)},
    # values
    np.linspace: linspace,
    np.gradient: gradient,
    np.heaviside: heaviside,
    np.full_like: shaped(lambda x: np.full_like(x, np.sum(x))),
    **{f: shaped(f) for f in (np.unique, np.unique_values)},
    np.unique_all: shaped(lambda x: np.unique_all(x).values),
    np.unique_counts: shaped(lambda x: np.unique_counts(x).values),
    np.unique_inverse: shaped(lambda x: np.unique_inverse(x).values),
    **{f: several(f, 2, 2) for f in (np.union1d, np.setxor1d, np.setdiff1d)},
    np.intersect1d: intersect1d,
    np.histogram_bin_edges: edges(np.histogram_bin_edges),
    np.histogram: edges(density),
    # products
    operator.matmul: signature(operator.matmul, np.matmul.signature),
    np.matmul: signature(np.matmul, np.matmul.signature),
    np.linalg.matmul: signature(np.linalg.matmul, "(n,m),(m,k)->(n,k)"),
    np.vecdot: signature(np.vecdot, "(n),(n)->()"),
    np.linalg.vecdot: signature(np.linalg.vecdot, "(n),(n)->()"),
    np.cross: signature(np.cross, "(3),(3)->(3)"),
    np.linalg.cross: signature(np.linalg.cross, "(3),(3)->(3)"),
    np.dot: pairs(np.dot),
    np.inner: inner,
    np.outer: several(np.outer, 2, 2),
    np.linalg.outer: several(np.linalg.outer, 2, 2),
    np.kron: several(np.kron, 2, 2),
    np.vdot: equal(np.vdot, flat=True),
    inner_product: equal(inner_product),
    np.tensordot: tensordot,
    np.linalg.tensordot: tensordot,
    np.trace: diagonal_of(np.trace),
    np.linalg.trace: shaped(lambda x, k: np.linalg.trace(x, offset=k), small, of=matrices),
    kernels.linear: linear,
    kernels.cross_entropy: cross_entropy,
    kernels.soft_nll: equal(kernels.soft_nll),
    chain_dot: multi_dot,
    # linear algebra
    np.linalg.inv: square_matrices(lambda x: np.linalg.inv(regular(x))),
    np.linalg.det: square_matrices(np.linalg.det),
    packed_slogdet: square_matrices(lambda x: np.linalg.slogdet(regular(x))[1]),
    np.linalg.solve: solve,
    np.linalg.tensorinv: tensorinv,
    np.linalg.tensorsolve: tensorsolve,
    np.linalg.matrix_power: matrix_power,
    np.linalg.cholesky: square_matrices(lambda x: np.linalg.cholesky(definite(x))),
    packed_eigh: factors(np.linalg.eigh, 2, square_matrices, symmetric),
    packed_svd: factors(lambda x: np.linalg.svd(x, full_matrices=False), 3, rectangles),
    packed_qr: factors(np.linalg.qr, 2, rectangles),
    np.linalg.eigvalsh: square_matrices(lambda x: np.linalg.eigvalsh(symmetric(x))),
    np.linalg.svdvals: rectangles(np.linalg.svdvals),
    spectral_norm: rectangles(spectral_norm),
    leading: rectangles(leading),
    with_eigenvalues: with_values(lambda x, w: with_eigenvalues(symmetric(x), w), square=True),
    with_singular_values: with_values(with_singular_values),
    np.linalg.pinv: rectangles(np.linalg.pinv),
}
if hasattr(np, "matvec"):
    DRAWN[np.matvec] = signature(np.matvec, np.matvec.signature)
    DRAWN[np.vecmat] = signature(np.vecmat, np.vecmat.signature)
if hasattr(np, "unstack"):
    DRAWN[np.unstack] = along(np.unstack)
for row in TABLE:
    if is_elementwise(row):
        DRAWN.setdefault(row.function, elementwise(row))

# Of any other function with rows, methods of Tensor apart, one of these is drawn.
APART = {*DRAWN, *vars(Tensor).values()}
REST = [row for row in TABLE + LINALG_TABLE + SHAPES_TABLE if row.function not in APART]
for row in REST:
    same_function = [other for other in REST if other.function is row.function]
    DRAWN[row.function] = lambda draw, rows=same_function: draw(st.sampled_from(rows))


def name(function):
    return getattr(forward_of(function), "__qualname__", str(function))


COMPARISONS = 5 if THOROUGH == 1 else 10 * THOROUGH
EMPTY = HealthCheck.filter_too_much, HealthCheck.too_slow  # half of all draws have a side of 0


@pytest.mark.parametrize("function", DRAWN, ids=name)
def test_derivatives_are_right_to_second_order(function):
    compared = 0

    @given(data=st.data())
    @settings(max_examples=COMPARISONS, deadline=None, suppress_health_check=EMPTY)
    def compare(data):
        nonlocal compared
        row = DRAWN[function](data.draw)
        xs = at(row, data.draw(st.integers(0, 2**32 - 1)))
        assume(all(x.size for x in xs))
        try:
            expected = parts(row.f(*xs))
        except Exception:
            reject()
        assume(any(np.size(x) for x in expected))
        # The second order takes as long again; the rows of the tables have it every time.
        gradcheck(row.f, *xs, order=1 if compared % 3 else 2, rtol=1e-5, atol=1e-7)
        compared += 1

    compare()
    assert compared >= COMPARISONS


@pytest.mark.parametrize("function", DRAWN, ids=name)
@given(data=st.data())
@settings(max_examples=COMPARISONS, deadline=None)
def test_a_tensor_does_what_an_array_does(function, data):
    """The same value, or an error of the same type; and gradients of empty arrays are empty."""
    row = DRAWN[function](data.draw)
    xs = at(row)
    tensors = [Tensor(x, requires_grad=True) for x in xs]
    try:
        expected = row.f(*xs)
    except Exception as error:
        with pytest.raises(type(error)):
            row.f(*tensors)
        return
    outs, expected = parts(row.f(*tensors)), parts(expected)
    for out, x in zip(outs, expected, strict=True):
        assert out.shape == np.shape(x)
        np.testing.assert_allclose(out.data, x, rtol=1e-12, atol=1e-12)
        out.backward(np.ones(out.shape))
    for x in tensors:
        assert x.grad is None or x.grad.shape == x.shape
        if not any(np.size(x) for x in expected):
            assert x.grad is None or not x.grad.any()
