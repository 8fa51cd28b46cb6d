"""Derivatives of functions: grad, vjp, jvp, jacobian, hessian and hvp, nested to any order.

All of them use `linearized`. It runs f on fresh nodes and returns two things: the result, and a
function `back` that maps a gradient u of the result to the product u J, where J is the matrix of
all partial derivatives of f. The others add a line or two: grad is `back(1)`.

The results for arrays are arrays. A result that depends on a Tensor of an outer differentiation (a
tracked argument, or a parameter that f closes over) is a Tensor that can be differentiated again,
but not under `no_grad()`. An argument may be a nested list, tuple or dict of arrays: its gradient
has the same structure. The `.grad` of a Tensor never changes.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, plain
from tinygrad_edu.memory import next_birth
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.numpy_api.joining import stack_arrays
from tinygrad_edu.numpy_api.products import inner_product
from tinygrad_edu.structures import check_match, is_structure, leaves, rebuilt, shapes_in
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.value import Value

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """The function (*args) -> df/dx for x = args[argnums]. The gradient has the shape of x.

    f        returns one number
    argnums  the argument to differentiate with respect to; for a tuple of them, the result is a
             tuple

    Raises ValueError if f returns more than one number, and TypeError if x is made of integers.
    """

    def gradient(*args: Any, **options: Any) -> Any:
        return value_and_grad(f, argnums)(*args, **options)[1]

    return gradient


def value_and_grad(f: Function, argnums: Argnums = 0) -> Function:
    """The function (*args) -> (f(*args), df/dx), in one forward pass; otherwise as `grad`."""

    def both(*args: Any, **options: Any) -> tuple[Any, Any]:
        out, back = linearized(f, argnums, args, options)
        if is_structure(out) or math.prod(np.shape(plain(out))) != 1:
            raise ValueError(
                f"grad needs one number from {called(f)}, and got {shapes_in(out)}: "
                "sum it, or use jacobian, elementwise_grad or vjp"
            )
        return out, back(np.ones(np.shape(plain(out))))

    return both


def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    """f(*args), and a function `back`: back(u) = u J is a tuple of gradients, one per argument.

    The cotangent u has the structure and the shapes of f(*args), which may be an array or a
    nested list, tuple or dict of arrays. Raises ValueError if it does not.
    """
    return linearized(f, tuple(range(len(args))), args)


def jvp(f: Function, args: Iterable[Any], tangents: Iterable[Any]) -> tuple[Any, Any]:
    """f(*args) and J v: how f changes when its arguments move along the tangents v.

    u J is linear in u, and its derivative with respect to u is J. So J v is a vjp of a vjp, for any
    u. The tangents have the structure and the shapes of args. Raises ValueError if they do not.
    """
    args, tangents, start = tuple(args), tuple(tangents), next_birth()
    check_match("tangents", tangents, "arguments", args)
    out, back = linearized(f, tuple(range(len(args))), args, start=start)
    u = rebuilt(out, (zeros(x, isinstance(x, Node)) for x in leaves(out)))
    _, forth = linearized(back, 0, (u,), start=start)
    return out, forth(tangents)


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """J[i, j] = d out[i] / d x[j], of shape out.shape + x.shape: a vjp for each row.

    Raises TypeError if f does not return one array, and ValueError if that array is empty.
    """

    def matrix(*args: Any, **options: Any) -> Any:
        out, back = linearized(f, argnums, args, options)
        if is_structure(out):
            raise TypeError(f"jacobian needs one array from {called(f)}, and got {shapes_in(out)}")
        shape = np.shape(plain(out))
        size = math.prod(shape)
        rows = [back(u) for u in np.eye(size).reshape(size, *shape)]
        if not rows:
            raise ValueError(f"{called(f)} returned an empty array, {shapes_in(out)}: no rows")
        columns = zip(*map(leaves, rows), strict=True)
        blocks = (stack_arrays(*x).reshape(shape + np.shape(plain(x[0]))) for x in columns)
        return rebuilt(rows[0], blocks)

    return matrix


def hessian(f: Function, argnums: int = 0) -> Function:
    """H[i, j] = d² f / d x[i] d x[j], of shape x.shape + x.shape; f returns one number."""
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, argnums: Argnums = 0) -> Function:
    """The function (*args, v) -> H v, at the cost of a few gradients: H itself is never computed.

    H is symmetric, so H v = v H: a vjp of grad. v has the structure and the shapes of x.
    """

    def product(*args: Any, **options: Any) -> Any:
        *args, v = args  # type: ignore[assignment]
        _, back = linearized(grad(f, argnums), argnums, tuple(args), options)
        return back(v)

    return product


def elementwise_grad(f: Function, argnums: int = 0) -> Function:
    """f'(x) at each element of x, for an f that works elementwise; made for plots.

    Raises ValueError if the result of f does not have the shape of x.
    """

    def derivative(*args: Any, **options: Any) -> Any:
        out, back = linearized(f, argnums, args, options)
        check_match(f"result of {called(f)}", out, "argument", args[argnums])
        return back(rebuilt(out, (np.ones(np.shape(plain(x))) for x in leaves(out))))

    return derivative


# What all of them use


def linearized(
    f: Function,
    argnums: Argnums,
    args: tuple[Any, ...],
    options: dict[str, Any] | None = None,
    start: int | None = None,
) -> tuple[Any, Function]:
    """out = f(*args), and back(u) = u J: the gradient of <u, out> with respect to args[argnums].

    Tracked nodes that are older than `start` belong to an outer differentiation.
    """
    start = next_birth() if start is None else start
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    check_argnums(f, argnums, args)
    chosen = tuple(args[i] for i in places)
    nodes = [fresh(x, f) for x in leaves(chosen)]
    inputs = list(args)
    for i, x in zip(places, rebuilt(chosen, iter(nodes)), strict=True):
        inputs[i] = x
    with recording() as again:
        out = f(*inputs, **(options or {}))

    outs = leaves(out)
    for x in outs:
        if not isinstance(x, Node) and np.asarray(x).dtype.kind not in "biuf":
            raise TypeError(f"{called(f)} must return numbers, and it returned {x!r}")
    outer = again and len(outside(outs, start)) > 0
    tensors = any(isinstance(x, Node) for x in leaves(chosen))

    def shown(x: Any, differentiable: bool) -> Any:
        return x if differentiable else Tensor(plain(x)) if tensors else plain(x)

    def back(u: Any) -> Any:
        check_match("cotangent", u, f"result of {called(f)}", out)
        create_graph = bool(RECORDING.get()) and (outer or any(map(is_tracked, leaves(u))))
        gradients = pullback(outs, leaves(u), nodes, create_graph)
        result = rebuilt(chosen, (shown(g, create_graph) for g in gradients))
        return result if isinstance(argnums, tuple) else result[0]

    return rebuilt(out, (shown(x, outer) for x in outs)), back


def pullback(
    outs: list[Any], cotangents: list[Any], nodes: list[Any], create_graph: bool
) -> list[Any]:
    """d sum(<cotangent, out>) / d node for each of `nodes`; zeros where there is none."""
    pairs = [
        (out, u if isinstance(u, Node) else Tensor.adopt(u).astype(out.dtype))
        for out, u in zip(outs, cotangents, strict=True)
        if is_tracked(out)
    ]
    gradients: dict[Node, Any] = {}
    with recording():
        if len(pairs) == 1:
            out, u = pairs[0]
            out.backward(u, create_graph, inputs=nodes, into=gradients)
        elif pairs:
            root: Any = sum(inner_product(u, out) for out, u in pairs)
            root.backward(None, create_graph, inputs=nodes, into=gradients)
    return [Tensor.adopt(gradients[x]) if x in gradients else zeros(x, create_graph) for x in nodes]


def fresh(x: Any, f: Function) -> Any:
    """A new node in the place of x: `backward` can be asked for exactly this one."""
    if isinstance(x, Value):
        raise TypeError(f"{called(f)} got a Value; pass a float, or use backward() on Values")
    if is_tracked(x):
        with recording():
            return +x  # what flows to it can flow on to x, in an outer differentiation
    try:
        return Tensor(x, requires_grad=True)
    except TypeError as error:
        raise TypeError(
            f"{called(f)} cannot be differentiated with respect to {x!r}: {error}"
        ) from None


def outside(outs: list[Any], start: int) -> list[Any]:
    """The first tracked nodes older than `start`, going back from `outs` along every path."""
    found, stack = [], [x for x in outs if is_tracked(x)]
    visited = set(stack)
    while stack:
        node = stack.pop()
        if node.birth < start:
            found.append(node)
            continue
        for x in node.inputs:
            if is_tracked(x) and x not in visited:
                visited.add(x)
                stack.append(x)
    return found


@contextmanager
def recording() -> Iterator[bool]:
    """Inside, operations are remembered even under `no_grad`; yields whether they were before."""
    with temporarily(RECORDING, RECORDING.get() or True) as previous:
        yield bool(previous)


def is_tracked(x: Any) -> bool:
    return isinstance(x, Node) and x.requires_grad


def zeros(x: Any, as_tensor: bool) -> Any:
    """Zeros in the shape of x, and in its dtype if that is floating-point, else in float64."""
    array = np.zeros_like(plain(x)) * 1.0
    return Tensor(array) if as_tensor else array


# Checks


def check_argnums(f: Function, argnums: Argnums, args: tuple[Any, ...]) -> None:
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    count = len(args)
    if not all(-count <= i < count for i in places):
        raise ValueError(
            f"argnums is {argnums}, and {called(f)} got {count} arguments, counted from 0"
        )
    if len({i % count for i in places}) < len(places):
        raise ValueError(f"argnums is {argnums}: it names an argument twice")


def called(f: Function) -> str:
    return getattr(f, "__name__", repr(f))
