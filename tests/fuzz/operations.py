"""What may a program do? A table of expressions, and how their blanks are filled.

An expression is written in the letters a, b and c. A word in braces is a blank, which is filled by
the function of that name in BLANKS; it sees the value of a. What NumPy refuses for the values at
hand, as a shape that does not fit, is no operation: the generator draws another.

Where an expression has a kink, what is 0 at the kink follows after a bar: np.abs(a) | a. The
generator keeps away from kinks: that is never close to 0. It may be 0 exactly, because a number
that equals itself, as in np.maximum(a, a), equals itself everywhere, and that is smooth; but not
where rounding would decide, as in a[b > 0] | jump(b). Numbers are sorted without -0.0, since NumPy
does not say which of two zeros comes first.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.graph import RULES, forward_of


class Row(NamedTuple):
    text: str
    kink: str | None = None


def rows(text: str) -> list[Row]:
    """The rows of a text: semicolons and line ends separate them, a bar comes before a kink."""
    parts = [part.strip() for part in re.split(r"[;\n]", text) if part.strip()]
    return [Row(*part.split(" | ")) for part in parts]


ELEMENTWISE = rows(
    r"""
    np.sin(a); np.cos(a); np.tanh(a); np.arctan(a); np.arcsinh(a); np.square(a); np.exp(a)
    np.exp2(a); np.expm1(a); np.sinh(a); np.cosh(a); np.negative(a); np.positive(a); np.sinc(a)
    np.nan_to_num(a); np.deg2rad(a); np.radians(a); np.conjugate(a); np.log({positive})
    np.log2({positive}); np.log10({positive}); np.log1p({positive}); np.sqrt({positive})
    np.cbrt({positive}); np.reciprocal({positive}); np.rad2deg({positive}); np.degrees({positive})
    np.arcsin({inside}); np.arccos({inside}); np.arctanh({inside}); np.tan({inside})
    np.arccosh({above_1}); -a; +a; a.copy(); np.abs(a) | a; np.fabs(a) | a; np.absolute(a) | a
    abs(a) | a; K.relu(a) | a; K.sigmoid(a); K.log1pexp(a); K.erf(a); F.gelu(a); F.silu(a)
    F.mish(a); F.logsigmoid(a); F.tanh(a); F.leaky_relu(a) | a; F.elu(a) | a; F.celu(a) | a
    F.selu(a) | a; F.softsign(a) | a; F.hardtanh(a) | np.abs(a) - 1; np.modf(a)[0] | whole(a)
    a**{n}; {positive}**{x}; {positive}**-{n}; {n}**np.tanh(a); a * {x}; {x} - a; a / {x}
    {x} / (a * a + 0.5); {k} + a; a - {n}; a + True; np.float32({x}) * a; np.float64({x}) + a
    np.int8({k}) - a
    """
)

BINARY = rows(
    r"""
    a + b; a - b; a * b; a / b; b - a; a * a - b; np.add(a, b); np.subtract(a, b); np.multiply(a, b)
    np.divide(a, b); np.true_divide(a, b); np.logaddexp(a, b); np.logaddexp2(a, b)
    a / (b * b + 0.5); {positive}**b; np.power({positive}, b); np.float_power(2.5, a)
    np.maximum(a, b) | a - b; np.minimum(a, b) | a - b; np.fmax(a, b) | jump(a - b)
    np.fmin(a, b) | jump(a - b)
    np.maximum(a, {x}) | a - {x}; np.hypot(a, b) | np.hypot(a, b); np.arctan2(a, np.cosh(b))
    np.copysign(a, b) | a * b; np.fmod(a, b * b + 1) | whole(a / (b * b + 1))
    np.remainder(a, b * b + 1) | whole(a / (b * b + 1)); a % 2.5 | whole(a / 2.5)
    np.divmod(a, 1.5)[1] | whole(a / 1.5); {x} % (a * a + 0.5) | whole({x} / (a * a + 0.5))
    np.where(a > b, a * a, b) | jump(a - b); np.where(b > 0, a, {x}) | jump(b)
    np.where(b > 0, {x}, a) | jump(b)
    np.where({mask}, a, b); np.choose({indices01}, [a, b])
    np.select([a > b, b > 0], [a, b * b], {x}) | jump((a - b) * b)
    np.clip(a, -1.0, 1.0) | np.abs(a) - 1
    np.clip(a, -1, None) | a + 1; a.clip(max={x}) | a - {x}
    np.clip(a, b, b + 1.5) | (a - b) * (a - b - 1.5); np.nan_to_num(a * b)
    """
)

REDUCTIONS = rows(
    r"""
    np.sum(a, axis={axes}, keepdims={keep}); np.mean(a, axis={axes}, keepdims={keep})
    np.prod(a, axis={axes}, keepdims={keep}); np.var(a, axis={axes}, keepdims={keep})
    np.nansum(a, axis={axes}, keepdims={keep}); np.nanmean(a, axis={axes}, keepdims={keep})
    a.sum(axis={axes}, keepdims={keep}); a.mean(axis={axes}, keepdims={keep})
    a.prod(axis={axes}, keepdims={keep}); a.var(axis={axes}, keepdims={keep}); np.sum(a); np.mean(a)
    a.sum(); a.mean(); a.sum(-1); np.add.reduce(a); np.add.reduce(a, axis={axis})
    np.multiply.reduce(a, axis={axis})
    np.std(a, axis={axes}, keepdims={keep}) | jump(np.std(a, axis={axes}))
    a.std() | jump(np.std(a))
    np.max(a, axis={axes}, keepdims={keep}) | gaps(a)
    np.min(a, axis={axes}, keepdims={keep}) | gaps(a)
    np.amax(a, axis={axes}, keepdims={keep}) | gaps(a)
    np.median(a, axis={axes}, keepdims={keep}) | gaps(a)
    np.ptp(a, axis={axes}, keepdims={keep}) | gaps(a)
    np.maximum.reduce(a, axis={axes}, keepdims={keep}) | gaps(a); a.max() | gaps(a)
    a.min(-1) | gaps(a); np.linalg.norm(a) | np.linalg.norm(a)
    np.linalg.norm(a, axis={axis}, keepdims={keep}) | np.linalg.norm(a, axis={axis})
    np.linalg.norm(a, {order_of_norm}, {axis}) | gaps(np.append(np.abs(a), 0))
    np.average(a, axis={axis}); np.average(a, weights=b * b + 0.5)
    np.average(a, {axis}, np.cosh(np.tanh(b))); np.cumsum(a); np.cumsum(a, axis={axis}); a.cumsum(0)
    np.cumprod(a); np.cumprod(a, axis={axis}); a.cumprod({axis}); np.diff(a, axis={axis})
    np.diff(a, 2, {axis}); np.diff(a, prepend={x}, append=0); np.trapezoid(a, axis={axis})
    np.trapezoid(a, b); np.trapezoid(a, dx={x}); np.bincount({labels}, a.ravel())
    K.logsumexp(a, {axis}, keepdims={keep}); K.logsumexp(a, axis=None); K.log_softmax(a, {axis})
    K.softmax(a, {axis}); K.masked_softmax(a, {mask}); K.row_sums(a); K.centered(a)
    K.filtered(np.atleast_2d(a), np.atleast_2d(b).mT)
    K.root_mean_square(a, 0.1); K.rms_normalized(a, 0.1); K.scaled_and_shifted(a, b, a)
    K.framed(a, ((1, 2),) * a.ndim, {x})
    F.softmax(a, {axis}); F.softmin(a, {axis})
    F.layer_norm(a + np.arange(a.shape[-1]), a.shape[-1:]); F.rms_norm(a + 3.0, a.shape[-1:])
    F.normalize(a + 3.0); F.cosine_similarity(a + 3.0, b + 3.0); F.glu(a, {axis})
    """
)

SHAPES = rows(
    r"""
    a.T; a.mT; np.transpose(a); np.transpose(a, {order}); a.transpose({order})
    np.swapaxes(a, {axis}, {other}); a.swapaxes(0, -1); np.moveaxis(a, {axis}, {other})
    np.rollaxis(a, {axis}); np.matrix_transpose(a); np.permute_dims(a, {order}); a.reshape({shape})
    np.reshape(a, {shape}); a.ravel(); np.ravel(a, order='F'); a.flatten()
    np.expand_dims(a, {axis}); np.expand_dims(a, (0, -1)); np.squeeze(a); a.squeeze(0)
    np.atleast_1d(a); np.atleast_2d(a); np.atleast_3d(a); np.broadcast_to(a, {wider})
    np.broadcast_arrays(a, b)[0]; np.meshgrid(a, b)[0]
    np.meshgrid(b, a, indexing='ij', sparse={keep})[1]; np.tile(a, {n}); np.tile(a, (2, 1))
    np.repeat(a, {n}, {axis}); np.repeat(a, 2); a.repeat(2, axis=0); np.resize(a, (2, 3))
    np.flip(a); np.flip(a, {axis}); np.flipud(a); np.fliplr(a); np.rot90(a, {k}); np.roll(a, {k})
    np.roll(a, {k}, {axis}); np.roll(a, ({k}, 1), (0, -1)); np.tril(a); np.triu(a, {k})
    np.pad(a, 1); np.pad(a, ({bit}, {n})); np.pad(a, 1, constant_values={x}); np.pad(a, 1, 'edge')
    np.pad(a, 1, 'wrap'); np.pad(a, ({bit}, 1), 'reflect'); np.pad(a, 2, 'symmetric'); np.copy(a)
    np.real(a); a.astype(np.float32); a.astype(np.float64)
    """
)

INDEXING = rows(
    r"""
    a[{index}]; a[{index}]; a[{index}]; a[{index}]; a[{index}]; a[{index}]; a[{index}]; a[{index}]
    a[0]; a[-1]; a[...]; a[None]; a[:, None]; a[..., 0]; a[::-1]; a[1:]; a[:-1]; a[::2]
    a[..., ::-1]; a[{mask}]; a[{mask}]; a[[0, 0]]; a[[-1, 0, -1]]; a[:, [0, 0]]; a[[0, 1], [1, 0]]
    a[{row}, :, {row}]; a[[[0], [-1]], [0, 0]]; a[b > 0] | jump(b); a[a > 0] | jump(a)
    np.take(a, {row})
    np.take(a, [0, -1, 0], {axis}); a.take({row}); np.take(a, [5, -7], mode='wrap')
    np.take(a, [5, 0], {axis}, mode='clip')
    np.take_along_axis(a, np.argsort(a, {axis}), -1) | gaps(a)
    np.sort(a + 0.0, axis={axis}) | gaps(a)
    np.sort(a + 0.0, axis=None) | gaps(a); np.partition(a + 0.0, 1) | gaps(a)
    np.compress([True, False, True], a, {axis}); np.delete(a, {bit}, {axis}); np.delete(a, [0])
    np.extract({mask}, a); np.insert(a, 1, {x}, {axis}); np.insert(a, [0, 1], b); np.diagonal(a)
    a.diagonal({k}); np.diagonal(a, 0, -1, 0); np.diag(a); np.diag(a, {k}); np.diagflat(a)
    np.trace(a); a.trace({k}); np.linalg.diagonal(a); np.linalg.trace(a)
    K.index_update(a, np.s_[{index}], {x}); K.index_update(a, {bit}, b)
    K.index_update(a, {slices}, b); K.index_update(a, {mask}, b); K.index_update(a, {row}, b)
    K.index_update(a, {mask}, {x}); K.unindex(a, {row}, np.zeros(3))
    K.unindex(a, [0, 2, 0], np.zeros((3, 2)))
    """
)

JOINING = rows(
    r"""
    np.concatenate([a, b]); np.concatenate([a, b, a], {axis}); np.stack([a, b], {axis})
    np.concatenate([a, b], axis=None); np.stack([a, a]); np.stack([a, b, c]); np.vstack([a, b])
    np.hstack([a, b]); np.dstack([a, b]); np.column_stack([a, b]); np.append(a, b)
    np.append(a, {x}); np.append(a, b, {axis}); np.block([[a, b], [b, a]]); np.block([a, b])
    np.split(a, [1], {axis})[{bit}]; np.array_split(a, 2)[{bit}]; np.hsplit(a, [1])[0]
    np.vsplit(a, [1])[{bit}]; np.dsplit(a, [1])[0]; np.split(a, len(a))[-1]; sum(list(a))
    """
)

PRODUCTS = rows(
    r"""
    a @ b; a @ b.mT; a.mT @ b; a @ a.mT; np.matmul(a, b); np.matmul(b, a); np.dot(a, b)
    np.inner(a, b); np.outer(a, b); np.vdot(a, b); np.vdot(a, a); np.tensordot(a, b, 1)
    np.tensordot(a, b, 0); np.kron(a, b); np.tensordot(a, b, ([0], [-1]))
    np.linalg.multi_dot([a, b.T, a]); np.vecdot(a, b); np.linalg.matmul(a, b)
    np.linalg.vecdot(a, b); np.linalg.outer(a, b); np.cross(a, b); np.linalg.matrix_power(a, {n})
    K.linear(a, np.outer(a[0], b), np.ravel(b)); np.einsum('ij,jk->ik', a, b)
    np.einsum('ij,kj->ki', a, b); np.einsum('ij->ji', a); np.einsum('ii', a); np.einsum('ii->i', a)
    np.einsum('ij->j', a); np.einsum('i,i', a, b); np.einsum('i,j->ij', a, b)
    np.einsum('...i,...i->...', a, b); np.einsum('ij,j', a, b); np.einsum('ij,ij->', a, b)
    np.einsum('...ij,...jk', a, b); np.einsum('i,ij,j', a, b, a); np.einsum('ij,ij,ij->i', a, b, c)
    np.einsum('ij,kl->ik', a, b); np.einsum('...,...', a, b)
    np.einsum(a, [0, 1], b, [1, 2], [2, 0])
    K.unfold(a, kernel_size=(2,), stride=({n},), dilation=(1,)); K.soft_nll(a, {mask})
    K.cross_entropy(a, np.arange(a.shape[-1]) == np.zeros((*a.shape[:-1], 1)))
    K.fold(np.atleast_3d(a), size=(a.size,), stride=(1,), dilation=(1,))
    K.soft_nll(a, a * a); np.nextafter(a, 9.0)
    F.conv1d(a, b); F.avg_pool1d(a, 2); F.max_pool1d(a, 2) | gaps(a)
    a @ b + c; (a * b).sum(-1); np.matvec(a, b); np.vecmat(a, b)
    R.rnn(a, np.outer(a[0], b[0]), b[0])
    R.gru(np.tile(a, 3), np.tile(np.outer(a[0], b[0]), 3), np.tile(b[0], 3), b[0])
    R.lstm(np.tile(a, 4), np.tile(np.outer(a[0], b[0]), 4), a[0], b[0])
    """
)

LINALG = rows(
    r"""
    np.linalg.inv({definite}); np.linalg.det(a); np.linalg.det({definite})
    np.linalg.slogdet({definite})[1]; np.linalg.cholesky({definite}); np.linalg.solve({definite}, b)
    np.linalg.solve({definite}, a); np.linalg.pinv(a @ a.mT + 2 * np.eye(len(a)))
    np.linalg.tensorinv({definite}, ind=1)
    np.linalg.eigvalsh({spread}) | np.diff(np.linalg.eigvalsh({spread}))
    np.linalg.svdvals({spread}) | np.diff(np.linalg.svdvals({spread}))
    np.linalg.svd({spread})[1] | np.diff(np.linalg.svdvals({spread}))
    np.linalg.eigh({spread})[1] ** 2 | np.diff(np.linalg.eigvalsh({spread}))
    np.abs(np.linalg.qr({definite})[{bit}]) | np.linalg.qr({definite})[1]
    np.linalg.norm({spread}, 2) | np.diff(np.linalg.svdvals({spread}))
    """
)

TABLE = [
    *(ELEMENTWISE, ELEMENTWISE, BINARY, BINARY, BINARY, REDUCTIONS, REDUCTIONS, SHAPES, SHAPES),
    *(INDEXING, INDEXING, JOINING, PRODUCTS, PRODUCTS, LINALG),
]

# What HIPS autograd has no derivative for, or a wrong one
UNKNOWN_TO_AUTOGRAD = re.compile(
    r"^\+a|\.(mT|celu|selu|softsign|hardtanh|layer_norm|rms_norm|normalize|cosine_similarity|glu"
    r"|positive|cbrt|copy|modf|float_power|copysign|fmod|divmod|choose|clip|where"
    r"|nansum|nanmean|reduce|median|ptp|average|cumprod|diff\(a, prep|trapezoid|bincount"
    r"|rollaxis|matrix_transpose|permute_dims|broadcast_to|broadcast_arrays|meshgrid|resize|flip"
    r"|roll\(a, \(|pad|astype|take|take_along_axis|sort|partition|compress|delete|extract|insert"
    r"|diagonal|diag|diagflat|linalg.trace|index_update|unindex|tile|repeat|tril|triu|dstack"
    r"|block|stack\(a|concatenate\(a|vdot|multi_dot|vecdot|linalg\.outer|linalg\.matmul|cross"
    r"|matrix_power|matvec|vecmat|einsum\('ii|einsum\(a|norm|pinv|arctan2|kron|std|hypot"
    r"|prod|sinc|outer|fliplr|flipud|rot90|rnn|gru|lstm)\b"
    r"|axis=None\)|transpose\((a, )?[({]|\[(True|False)"
)
SHARED_TABLE = [[row for row in part if not UNKNOWN_TO_AUTOGRAD.search(row.text)] for part in TABLE]


def rows_of_the_rest() -> list[Row]:
    """np.f(a), K.f(a, b): for each rule of which no row above names a function."""
    named = {name for part in TABLE for row in part for name in re.findall(r"\b[\w.]+", row.text)}
    known = {
        f"{prefix}{name}": RULES[forward_of(function)]
        for prefix, module in {"np.": np, "np.linalg.": np.linalg, "K.": kernels}.items()
        for name, function in vars(module).items()
        if callable(function) and forward_of(function) in RULES
    }
    tested = {rule for name, rule in known.items() if name in named}
    rest = {rule: name for name, rule in known.items() if rule not in tested}
    return [Row(f"{name}({', '.join('abc'[: inputs_of(rule)])})") for rule, name in rest.items()]


def inputs_of(rule: Callable[..., Any]) -> int:
    """How many arguments a rule has without a default, after g and out."""
    arguments = list(inspect.signature(rule).parameters.values())[2:]
    return sum(x.default is x.empty for x in arguments)


ELEMENTWISE += rows_of_the_rest()

# For one float

SCALARS = rows(
    r"""
    a + b; a - b; a * b; a / b; b - a; a * a; a + a; -a; +a; a - a * b; a / (b * b + 0.5); a**{n}
    (a * a + 0.3)**{x}; (a * a + 0.3)**b; {n}**a; (a * a + 0.3)**-{n}; a * {x}; {x} - a; a / {x}
    {x} / (a * a + 0.3); {k} + a; a + True; exp(a); sin(a); cos(a); tanh(a); sigmoid(a)
    log(a * a + 0.3); sqrt(a * a + 0.3); abs(a) | a; relu(a) | a; a % 2.5 | whole(a / 2.5)
    weighted_sum(a, b, c, a, b); weighted_sum(a, b, {x}); sum([a, b, c])
    """
)

# The blanks

Rng = np.random.Generator


def any_axis(rng: Rng, a: Any) -> int:
    return int(rng.integers(-max(np.ndim(a), 1), max(np.ndim(a), 1)))


def axes(rng: Rng, a: Any) -> Any:
    """None, one axis, or some, counted from either end."""
    ndim = np.ndim(a)
    if ndim == 0 or rng.random() < 0.25:
        return None
    if rng.random() < 0.5:
        return any_axis(rng, a)
    some = rng.permutation(ndim)[: rng.integers(1, ndim + 1)]
    return tuple(int(i - ndim * rng.integers(2)) for i in some)


def number(rng: Rng, a: Any) -> float:
    return round(float(rng.choice([-1, 1]) * rng.uniform(0.3, 2)), 2)


def shape(rng: Rng, a: Any) -> tuple[int, ...]:
    shape, size = np.shape(a), int(np.size(a))
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    n = int(rng.choice(divisors))
    options = [(-1,), (size,), shape[::-1], (n, size // n), (1, n, -1), (n, -1), (*shape, 1)]
    return options[rng.integers(len(options))]


def wider(rng: Rng, a: Any) -> tuple[int, ...]:
    stretched = tuple(2 if n == 1 and rng.random() < 0.7 else n for n in np.shape(a))
    return (*[(), (1,), (2,)][rng.integers(3)], *stretched)


def order(rng: Rng, a: Any) -> tuple[int, ...]:
    ndim = np.ndim(a)
    return tuple(int(i - ndim * rng.integers(2)) for i in rng.permutation(ndim))


def row(rng: Rng, a: Any) -> list[int]:
    """A few indices along the first axis, often one of them twice."""
    n = np.shape(a)[0] if np.ndim(a) else 1
    return rng.integers(-n, n, rng.integers(1, 4)).tolist()


def mask(rng: Rng, a: Any) -> str:
    return f"np.array({(rng.random(np.shape(a)) < 0.6).tolist()})"


def a_slice(rng: Rng, n: int) -> str:
    start, stop = (["", *range(-n, n + 1)][i] for i in rng.integers(0, 2 * n + 2, 2))
    return f"{start}:{stop}:{rng.choice([-2, -1, 1, 1, 2])}"


def slices(rng: Rng, a: Any) -> str:
    """Basic indexing with slices alone, as an argument of a function."""
    parts = [f"slice({int(rng.integers(2))}, None)" for _ in np.shape(a)]
    return f"({''.join(part + ', ' for part in parts)})"


def index(rng: Rng, a: Any) -> str:
    """What may stand in a[...]: integers, slices, None, ..., lists of integers, masks."""
    parts = []
    for n in np.shape(a):
        kinds = [
            a_slice(rng, n),
            ":",
            str(rng.integers(-n, n)),
            str(rng.integers(-n, n, 2).tolist()),
            str((rng.random(n) < 0.7).tolist()),
        ]
        parts.append(kinds[rng.choice(5, p=[0.35, 0.2, 0.2, 0.15, 0.1])])
        if rng.random() < 0.1:
            parts.append("None")
    if rng.random() < 0.2:
        parts = [*parts[: rng.integers(len(parts) + 1)], "..."]
    return ", ".join(parts) or "()"


def indices01(rng: Rng, a: Any) -> str:
    return f"np.array({rng.integers(0, 2, np.shape(a)).tolist()})"


def labels(rng: Rng, a: Any) -> list[int]:
    return rng.integers(0, 4, np.size(a)).tolist()


def within(low: float, high: float, otherwise: str) -> Callable[[Rng, Any], str]:
    """a itself where all of it lies between low and high, and a map to there where it does not."""

    def domain(rng: Rng, a: Any) -> str:
        return "a" if np.size(a) and low < np.min(a) and np.max(a) < high else f"({otherwise})"

    return domain


def definite(rng: Rng, a: Any) -> str:
    return "(np.tanh(a) @ np.swapaxes(np.tanh(a), -1, -2) + 1.5 * np.eye(a.shape[-2]))"


def spread(rng: Rng, a: Any) -> str:
    """Symmetric, with eigenvalues that are apart."""
    return "(0.2 * np.tanh(a @ np.swapaxes(a, -1, -2)) + np.diag(np.arange(1.0, a.shape[-2] + 1)))"


BLANKS: dict[str, Callable[[Rng, Any], Any]] = {
    "axis": any_axis,
    "other": any_axis,
    "axes": axes,
    "keep": lambda rng, a: bool(rng.integers(2)),
    "bit": lambda rng, a: int(rng.integers(2)),
    "k": lambda rng, a: int(rng.integers(-2, 3)),
    "n": lambda rng, a: int(rng.integers(1, 4)),
    "x": number,
    "shape": shape,
    "wider": wider,
    "order": order,
    "row": row,
    "mask": mask,
    "index": index,
    "indices01": indices01,
    "slices": slices,
    "labels": labels,
    "order_of_norm": lambda rng, a: rng.choice(["1", "2", "3", "1.5", "np.inf", "-np.inf"]),
    "positive": within(0.2, np.inf, "np.exp(0.7 * np.tanh(1.0 * a))"),
    "inside": within(-0.9, 0.9, "0.9 * np.tanh(1.0 * a)"),
    "above_1": within(1.2, np.inf, "np.cosh(np.tanh(1.0 * a)) + 0.2"),
    "definite": definite,
    "spread": spread,
}
