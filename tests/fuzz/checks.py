"""One program, checked: its values against NumPy, its derivatives against differences.

Values are compared bit for bit. Gradients and Hessian-vector products are compared with differences
of the exact program, which is the same one in float64, and with HIPS autograd where that can tell.
Where two step sizes of the differences do not agree, the program is too steep or has a kink: it is
ill-conditioned, and differences say nothing.
"""

import re
import warnings
from typing import Any, NamedTuple

import numpy as np

from fuzz.programs import (
    MATH,
    NUMPY,
    VALUES,
    Library,
    Program,
    arrays,
    exact,
    leaf,
    run,
    single,
    total,
)
from fuzz.second import second_opinion
from tinygrad_edu import Node, Value

STEP = 1e-3

# Compositions that add up in another order than NumPy does
ROUNDED = {
    *("np.average", "np.trapezoid", "np.dot", "np.inner", "np.tensordot", "np.einsum"),
    *("np.linalg.eigvalsh", "np.linalg.svdvals", "np.linalg.norm", "np.linalg.matrix_power"),
    *("np.diag", "np.diagflat"),  # 0 + -0.0 is 0.0
}


class DifferenceError(AssertionError):
    """What the engine does and what it should do differ. `kind` says in which way."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Verdict(NamedTuple):
    """Who could judge the derivatives of a program; all who could agreed with them."""

    differences: bool
    autograd: bool


def check(program: Program) -> Verdict:
    """Raise DifferenceError unless all that a program computes is right."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            check_values(program)
            if not is_scalar(program):
                check_memory(program)
            return check_derivatives(program)
        except DifferenceError:
            raise
        except Exception as error:
            raise DifferenceError("raised", f"{type(error).__name__}: {error}") from error


def plain_library(program: Program) -> Library:
    """The library that computes without a graph."""
    return MATH if is_scalar(program) else NUMPY


def is_scalar(program: Program) -> bool:
    return any(isinstance(program.inputs[i].data, float) for i in program.leaves)


def differ(kind: str, message: str, found: Any, right: Any) -> None:
    raise DifferenceError(kind, f"{message}\n  found {found!r}\n  right {right!r}")


# Values


def check_values(program: Program) -> None:
    """Each operation gives, bit for bit, what NumPy gives for the same arrays."""
    library, plain = (VALUES, MATH) if is_scalar(program) else (NUMPY, NUMPY)
    count = len(program.inputs)
    values = run(program, nodes(program, arrays(program)), library)
    tracked = program.tracked
    for i, (text, operands) in enumerate(program.operations, count):
        found = values[i]
        right = plain.evaluate(text, *[data(values[j]) for j in operands])
        line = f"v{i} = {text}"
        if isinstance(found, Node) and found.requires_grad != tracked[i]:
            differ("tracked", line, found.requires_grad, tracked[i])
        if tracked[i] and not isinstance(found, Node):
            differ("tracked", line, type(found), Node)
        # NumPy takes the power of a scalar otherwise than that of an array without axes.
        scalar_power = "**" in text and np.ndim(right) == 0
        rounded = scalar_power or not ROUNDED.isdisjoint(words(text))
        compare_values(line, data(found), right, rounded)
    whole = run(program, arrays(program), plain)
    for i, (found, right) in enumerate(zip(values, whole, strict=True)):
        if np.size(right) and not np.allclose(data(found), right, 1e-3, 1e-3):
            differ("value", f"v{i} after the whole program", data(found), right)


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.]+", text))


def data(x: Any) -> Any:
    return x.data if isinstance(x, Node) else x


def compare_values(line: str, found: Any, right: Any, rounded: bool) -> None:
    found, right = np.asarray(found), np.asarray(right)
    if found.dtype != right.dtype:
        differ("dtype", line, found.dtype, right.dtype)
    if found.shape != right.shape:
        differ("shape", line, found.shape, right.shape)
    if rounded:
        scale = np.finfo(right.dtype).eps * 100 * max(np.max(np.abs(right)), 1)
        same = np.all(np.abs(found - right) <= scale)
    else:
        same = found.tobytes() == right.tobytes()
    if not same:
        differ("value", line, found, right)


# Memory


def check_memory(program: Program) -> None:
    """Backward changes nothing that it did not make, and a second pass adds the same again."""
    inputs = arrays(program)
    values = run(program, nodes(program, inputs))
    held = [np.asarray(data(x)) for x in values]
    before = [x.tobytes() for x in held]
    leaves = {i: values[i] for i in program.leaves}

    total(program, values).backward()
    first = {i: x.grad for i, x in leaves.items() if x.grad is not None}
    copies = {i: g.copy() for i, g in first.items()}
    for i, g in first.items():
        others = [*held, *(h for j, h in first.items() if j != i)]
        if g.dtype != inputs[i].dtype or g.shape != inputs[i].shape:
            differ(
                "gradient's dtype", f"v{i}", (g.dtype, g.shape), (inputs[i].dtype, held[i].shape)
            )
        if not g.flags.writeable or any(np.may_share_memory(g, x) for x in others):
            differ("memory", f"the gradient of v{i} is not an array of its own", g, "a copy")

    total(program, values).backward()
    for i, g in first.items():
        if g.tobytes() != copies[i].tobytes():
            differ("memory", f"v{i}.grad was changed by a second pass", g, copies[i])
        if not np.array_equal(leaves[i].grad, copies[i] + copies[i], equal_nan=True):
            differ("twice", f"v{i} after two passes", leaves[i].grad, copies[i] + copies[i])
    for i, x in enumerate(held):
        if x.tobytes() != before[i]:
            differ("memory", f"v{i} was changed by backward", x, np.frombuffer(before[i], x.dtype))


# Derivatives


def nodes(program: Program, inputs: list[Any]) -> list[Any]:
    """The tracked inputs as nodes, the others as they are."""
    make = Value if is_scalar(program) else leaf
    return [make(x) if own.tracked else x for x, own in zip(inputs, program.inputs, strict=True)]


def gradient(program: Program, inputs: list[Any], along: list[Any] | None = None) -> list[Any]:
    """The gradient by each leaf; or the Hessian times `along`, by differentiating twice."""
    library = VALUES if is_scalar(program) else NUMPY
    values = nodes(program, inputs)
    leaves = [values[i] for i in program.leaves]
    root = total(program, run(program, values, library), library)
    root.backward(create_graph=along is not None)
    if along is not None:
        product = 0.0
        for x, v in zip(leaves, along, strict=True):
            if x.grad is not None:
                product = product + (x.grad * v if isinstance(x, Value) else np.sum(x.grad * v))
            x.grad = None
        if isinstance(product, Node) and product.requires_grad:
            product.backward()
    return [np.zeros(np.shape(data(x))) if x.grad is None else data(x.grad) for x in leaves]


def check_derivatives(program: Program) -> Verdict:
    """The gradient and the Hessian times a random direction, of the exact program."""
    twin = exact(program)
    inputs = arrays(twin)
    plain = plain_library(twin)
    rng = np.random.default_rng(len(program.operations))
    along = [rng.standard_normal(np.shape(inputs[i])) for i in twin.leaves]
    g, hv = gradient(twin, inputs), gradient(twin, inputs, along)

    def value_at(t: float) -> Any:
        return total(twin, run(twin, moved(twin, inputs, along, t), plain), plain)

    def gradient_at(t: float) -> Any:
        return flat(gradient(twin, moved(twin, inputs, along, t)))

    slopes = flat(g) * flat(along)
    size = np.max(np.abs(flat(g))) + 1e-3
    judged = [
        compare("gradient", np.sum(slopes), value_at, np.sum(np.abs(slopes)) + 1e-3),
        compare("second derivative", flat(hv), gradient_at, np.max(np.abs(flat(hv))) + size),
        compare_single(program, flat(g), size),
    ]
    opinion = None if is_scalar(twin) else second_opinion(twin, inputs, along)
    if opinion is not None:
        compare_opinions("gradient", flat(g), flat(opinion[0]), size)
        compare_opinions("second derivative", flat(hv), flat(opinion[1]), size)
    return Verdict(all(judged), opinion is not None)


def compare(kind: str, found: Any, f: Any, scale: float) -> bool:
    """Whether differences can tell if `found` is f'(0). Raises DifferenceError if it is not."""
    coarse, fine = derivative(f, STEP), derivative(f, STEP / 4)
    if np.all(np.abs(found - fine) <= 1e-6 * scale):
        return True
    if np.all(np.abs(coarse - fine) <= 1e-5 * scale) and smooth(f, scale):
        differ(kind, "backward and differences", found, fine)
    return False


def compare_single(program: Program, right: Any, scale: float) -> bool:
    """In float32 the gradient is the exact one, but for what rounding explains."""
    if not single(program):
        return True
    inputs = arrays(program)
    found = flat(gradient(program, inputs))
    error = np.max(np.abs(found - right))
    if error <= 1e-3 * scale:
        return True
    along = [np.sign(np.sin(1 + np.arange(np.size(inputs[i])))) for i in program.leaves]
    nudges = [inputs[i] * x.reshape(np.shape(inputs[i])) for i, x in zip(program.leaves, along)]
    nudged = flat(gradient(program, moved(program, inputs, nudges, np.float32(1e-6))))
    if error > 100 * np.max(np.abs(nudged - found)):
        differ("gradient in float32", "float32 and float64", found, right)
    return False


def compare_opinions(kind: str, found: Any, right: Any, scale: float) -> None:
    if not np.allclose(found, right, 1e-5, 1e-5 * scale):
        differ(f"{kind} by autograd", "two implementations", found, right)


def derivative(f: Any, h: float) -> Any:
    """(f(h) - f(-h)) / 2h, at h and h/2, with the error in h² taken out (Richardson)."""
    wide, narrow = (f(h) - f(-h)) / (2 * h), (f(h / 2) - f(-h / 2)) / h
    return (4 * narrow - wide) / 3


def smooth(f: Any, scale: float) -> bool:
    """Whether the slopes to the left and to the right of 0 meet as the step gets smaller."""
    middle = f(0.0)
    wide, narrow = ((f(h) - 2 * middle + f(-h)) / h for h in (STEP / 2, STEP / 4))
    return bool(np.all(np.abs(2 * narrow - wide) <= 1e-5 * scale))


def moved(program: Program, inputs: list[Any], along: list[Any], t: float) -> list[Any]:
    steps = dict(zip(program.leaves, along, strict=True))
    return [x + t * steps[i] if i in steps else x for i, x in enumerate(inputs)]


def flat(arrays: list[Any]) -> Any:
    return np.concatenate([np.ravel(x) for x in arrays])
