"""How does a deep function train in little memory? It runs again in the backward pass."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, apply, plain
from tinygrad_edu.memory import next_birth
from tinygrad_edu.messages import described
from tinygrad_edu.modes import RECORDING
from tinygrad_edu.structures import leaves, rebuilt, shapes_in
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.transforms import called, is_tracked, outside, recording

Function = Callable[..., Any]


def checkpoint(f: Function, *args: Any) -> Any:
    """f(*args) without storing the intermediate results of f: `backward` runs f again.

    One node stands for all of f. Gradients reach the Tensors in args, also in nested lists, tuples
    and dicts, and the Tensors that f closes over, such as the parameters of a layer.
    Raises TypeError if f does not return one Tensor. `backward` raises RuntimeError if the second
    run differs from the first, as when f draws random numbers or a parameter was changed.
    Chen et al. 2016, "Training deep nets with sublinear memory cost".
    """
    if not RECORDING.get():
        return f(*args)
    inputs = [x for x in leaves(args) if isinstance(x, Node)]

    def run(*tensors: Any) -> Any:
        parts = iter(tensors)
        whole = [next(parts) if isinstance(x, Node) else x for x in leaves(args)]
        return f(*rebuilt(args, iter(whole)))

    aliases = [+x for x in inputs]
    start = next_birth()
    out = run(*aliases)
    if not isinstance(out, Tensor):
        raise TypeError(f"checkpoint needs one Tensor from {called(f)}, and got {shapes_in(out)}")
    closed = [x for x in outside([out], start) if x not in set(aliases)]
    data, count, made = out.data, len(inputs), next_birth()

    def forgotten(*arrays: Any) -> Any:
        return data

    def checkpoint_backward(g: Any, out: Any, *inputs: Any) -> Any:
        for x, seen in zip(closed, inputs[count:], strict=True):
            if not np.array_equal(plain(x), plain(seen), equal_nan=True):
                raise another_run(f, described(x))
        return flows_of_another_run(run, f, inputs[:count], closed, g, out, made)

    forgotten.rule = checkpoint_backward  # type: ignore[attr-defined]
    return apply(forgotten, *inputs, *closed)


def flows_of_another_run(
    run: Function,
    f: Function,
    inputs: tuple[Any, ...],
    closed: list[Node],
    g: Any,
    out: Any,
    made: int,
) -> tuple[Any, ...]:
    """Run f again with a graph; return the gradients of its inputs and of what it closes over.

    This `backward` stops at nodes that are older than the second run: the outer backward pass goes
    on from there.

    run     f as a function of its flat inputs
    closed  the Tensors that f closes over
    made    the running number at the end of the first run: a later change in place is an error
    """
    flows: dict[Any, Any] = {}

    def collect(node: Node, g: Any, contributions: tuple[Any, ...]) -> None:
        for x, flow in zip(node.inputs, contributions):
            if isinstance(x, Node) and x.memory is not None and made < x.memory.changed < start:
                raise another_run(f, described(x))
            if flow is not None and x.birth < start:
                flows[x] = flows[x] + flow if x in flows else flow

    with recording():
        aliases = [+x if is_tracked(x) else Tensor(x, is_floating(x)) for x in inputs]
        start = next_birth()
        marker = Tensor(0.0)
        again = +run(*aliases)
        if not np.allclose(again.data, plain(out), rtol=1e-5, atol=0, equal_nan=True):
            raise another_run(f, "its result")
        if again.requires_grad:
            create_graph = isinstance(out, Node)
            again.backward(g, create_graph, inputs=[marker], watch=collect)
    return tuple(flows.get(x) for x in [*aliases, *closed])


def is_floating(x: Any) -> bool:
    return plain(x).dtype.kind == "f"


def another_run(f: Function, what: str) -> RuntimeError:
    return RuntimeError(
        f"checkpoint ran {called(f)} again, and {what} has changed since the first run: call "
        "backward() before you change parameters; draw random numbers outside, and pass them in"
    )
