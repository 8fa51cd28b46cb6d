"""A function of arrays opened into the graph of its single numbers."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.graph import Node, behind, forward_of
from tinygrad_edu.messages import operation
from tinygrad_edu.notation.forms import FORMS
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.value import Value

MAX_NODES = 400  # the most that a picture can show


@dataclass(frozen=True)
class Zoomed:
    """A function of arrays as a graph of Values.

    root    the result: draw it, step through it, play it
    inputs  object arrays of Values, by the names of the arguments
    """

    root: Value
    inputs: dict[str, Any]

    def gradients(self) -> dict[str, Any]:
        """d root / d input for each input, as an array of numbers."""
        return derivatives(self.root, self.inputs)


def zoom(f: Callable[..., Any], *arrays: Any) -> Zoomed:
    """f(*arrays) computed once more on single numbers: a matmul becomes its products and sums.

        zoomed = viz.zoom(lambda x, W: np.tanh(x @ W).sum(), x, W)
        viz.draw(zoomed.root)  # nodes W[0,0], W[0,1], ...

    f       a function of Tensors with one number as its result
    arrays  its arguments: arrays or Tensors, small ones

    f runs on Tensors. Then every operation of its graph runs again on object arrays of Values.
    Raises ValueError if f does not return one number, if there are more than 400 nodes, and if the
    gradients differ from those of the Tensors, as at a tie of `max`; NotImplementedError for an
    operation that has no form for single numbers.
    """
    tensors = {name: tracked(x, name) for name, x in zip(argument_names(f, arrays), arrays)}
    out = f(*tensors.values())
    if not (isinstance(out, Tensor) and out.requires_grad and math.prod(out.shape) == 1):
        what = f"one of shape {out.shape}" if hasattr(out, "shape") else f"a {type(out).__name__}"
        raise ValueError(
            f"zoom needs one number that was computed from its Tensors, and the result is {what}: "
            "let the function end in .sum(), .mean() or a loss"
        )
    nodes = sorted(behind(out), key=lambda node: node.birth)
    refuse_more_than_a_picture(sum(math.prod(node.data.shape) for node in nodes))
    opened: dict[Node, Any] = {}
    for node in nodes:
        opened[node] = numbers_of(node) if node.rule is None else again(node, opened)
    root = opened[out].item()
    refuse_more_than_a_picture(len(behind(root)))
    inputs = {name: opened.get(x, numbers_of(x)) for name, x in tensors.items()}
    zoomed = Zoomed(root, inputs)
    compare(zoomed, out, tensors)
    return zoomed


def argument_names(f: Callable[..., Any], arrays: tuple[Any, ...]) -> list[str]:
    names = []
    for name, slot in inspect.signature(f).bind(*arrays).arguments.items():
        names += [f"{name}{i}" for i in range(len(slot))] if isinstance(slot, tuple) else [name]
    return names


def tracked(x: Any, name: str) -> Tensor:
    data = x.data if isinstance(x, Node) else np.asarray(x, float)
    return Tensor(data, requires_grad=True, name=name)


def numbers_of(leaf: Node) -> Any:
    """An object array with a Value for each number of a leaf, named like `W[0,1]`."""
    values = np.empty(leaf.data.shape, object)
    for index, x in np.ndenumerate(leaf.data):
        place = f"[{','.join(map(str, index))}]" if index else ""
        values[index] = Value(x, leaf.requires_grad, f"{leaf.name}{place}" if leaf.name else None)
    return values


def again(node: Node, opened: dict[Node, Any]) -> Any:
    """The operation of a node, on the Values of its inputs."""
    function: Any = ON_VALUES.get(node.function) or on_each(node.function)
    inputs = [
        opened[x] if isinstance(x, Node) else data
        for x, data in zip(node.inputs, node.seen[1:], strict=True)
    ]
    try:
        result = function(*inputs, **node.options)
    except (TypeError, AttributeError) as error:
        raise NotImplementedError(
            f"zoom cannot open {operation(node.rule)}: it has no form for single numbers; write it "
            "in operators and in exp, log, sqrt, sin, cos, tanh, sigmoid, relu, abs, sums and means"
        ) from error
    values = np.empty(node.data.shape, object)
    values[...] = result
    for index, x in np.ndenumerate(values):
        if not isinstance(x, Value):
            values[index] = Value(x, requires_grad=False)
    return values


def on_each(function: Any) -> Any:
    """`function` for object arrays: the method of Value with its name, else `function` itself.

    For np.exp, NumPy calls the method `exp` of each object. This does the same for kernels.
    """
    method = getattr(Value, function.__name__, None)
    return function if method is None else np.frompyfunc(method, 1, 1)


def logsumexp(x: Any, axis: Any = -1, keepdims: bool = False) -> Any:
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def masked_softmax(x: Any, mask: Any) -> Any:
    e = np.zeros_like(x)
    shown = np.broadcast_to(mask, x.shape)
    e[shown] = np.exp(x[shown])
    total = e.sum(axis=-1, keepdims=True)
    total[~mask.any(axis=-1, keepdims=True)] = 1.0
    return e / total


# These kernels avoid overflow in ways that object arrays do not support: here are plain formulas.
ON_VALUES: dict[Any, Callable[..., Any]] = {
    **FORMS,
    forward_of(kernels.logsumexp): logsumexp,
    forward_of(kernels.log_softmax): lambda x, axis=-1: x - logsumexp(x, axis, keepdims=True),
    forward_of(kernels.softmax): lambda x, axis=-1: np.exp(x - logsumexp(x, axis, keepdims=True)),
    forward_of(kernels.masked_softmax): masked_softmax,
    forward_of(kernels.cross_entropy): lambda x, true: (logsumexp(x) - (x * true).sum(-1)).mean(),
}


def derivatives(root: Value, inputs: dict[str, Any]) -> dict[str, Any]:
    found: dict[Node, float] = {}
    root.backward(inputs=(), watch=lambda node, g, _: found.update({node: g}))
    look_up = np.vectorize(lambda x: found.get(x, 0.0), otypes=[float])
    return {name: look_up(values) for name, values in inputs.items()}


def compare(zoomed: Zoomed, out: Tensor, tensors: dict[str, Tensor]) -> None:
    """Raise ValueError if the gradients differ from those of the Tensors."""
    expected: dict[Node, Any] = {}
    out.backward(inputs=(), watch=lambda node, g, _: expected.update({node: g}))
    for name, g in zoomed.gradients().items():
        right = expected.get(tensors[name], np.zeros_like(g))
        if not np.allclose(g, right, rtol=1e-4, atol=1e-7, equal_nan=True):
            raise ValueError(
                f"the gradient of {name} on single numbers is {g}, on arrays {right}: the function "
                "is at a kink or a tie, such as a maximum of equal numbers; move the input a little"
            )


def refuse_more_than_a_picture(count: int) -> None:
    if count > MAX_NODES:
        raise ValueError(
            f"zoom would make {count} nodes or more, and a picture can show {MAX_NODES}: use "
            "smaller arrays, such as (2, 3) @ (3, 2)"
        )
