"""A graph as plain data: what every picture of a backward pass is drawn from.

The numbers come from `backward` itself, through its `watch`, and the formulas from the source of
the rules. So a picture cannot disagree with the code.
"""

import ast
import inspect
import reprlib
import textwrap
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from tinygrad_edu.graph import Function, Node, behind, operation

Role = Literal["input", "parameter", "constant", "intermediate", "root"]


@dataclass(frozen=True)
class GraphNode:
    """One value of the computation, as the forward pass saw it.

    id         its place in `Graph.nodes`
    operation  what made it, and options how it was called ("axis=0"); both empty for a leaf
    role       a "parameter" is a leaf that gets a gradient, an "input" a leaf that gets none, a
               "constant" a plain number or array among the operands
    value      the number, or a summary of an array of more than one
    gradient   d root / d node: the number, or the norm as text; None if no gradient flows here
    """

    id: int
    name: str
    operation: str
    options: str
    role: Role
    shape: tuple[int, ...]
    dtype: str
    value: float | str
    gradient: float | str | None


@dataclass(frozen=True)
class GraphEdge:
    """One use of a node as an operand, and the gradient that comes back from this use.

    source, target  the ids of the operand and of the result
    position        which operand it is, from 0
    argument        its name in the formula, where g and out are the target's gradient and value
    formula         what the rule returns for it; None if it has no derivative
    contribution    what flows to the source: the number, or the norm of an array of more than
                    one; None if nothing does
    """

    source: int
    target: int
    position: int
    argument: str
    formula: str | None
    contribution: float | None


@dataclass(frozen=True)
class Graph:
    """A computation and its backward pass.

    nodes  in the order of the forward pass, then the constants
    edges  in the order of their targets, then of the operands
    order  ids in the order of the backward pass; empty if the root tracks no gradient
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    order: tuple[int, ...]


def describe(root: Node, *, grad: Any = None, max_nodes: int | None = None) -> Graph:
    """All that went into root, and all that flows back from it. No `.grad` is changed.

    root       a Value or a Tensor
    grad       where the backward pass starts, of the shape of root; 1 for a scalar
    max_nodes  the largest graph to accept; None for any

    Raises ValueError for a larger graph, and what `root.backward(grad)` raises.
    """
    if not isinstance(root, Node):
        raise TypeError(f"a graph ends in a Value or a Tensor, and this is a {type(root).__name__}")
    nodes = sorted(behind(root), key=lambda node: node.birth)  # oldest first
    uses = [(node, operand) for node in nodes for operand in arguments(node) if operand.is_drawn]
    constants = [operand.x for _, operand in uses if not isinstance(operand.x, Node)]
    refuse_beyond(max_nodes, len(nodes) + len(constants))

    gradients, flows = backward_pass(root, grad)
    seen = seen_data(root, nodes)
    ids = {node: i for i, node in enumerate(nodes)}
    constant_ids = count(len(nodes))
    return Graph(
        nodes=(
            *[described(ids[x], x, role(x, root), seen[x], gradients.get(x)) for x in nodes],
            *[described(i, x, "constant", x, None) for i, x in enumerate(constants, len(nodes))],
        ),
        edges=tuple(
            GraphEdge(
                source=ids[operand.x] if isinstance(operand.x, Node) else next(constant_ids),
                target=ids[node],
                position=operand.position,
                argument=operand.argument,
                formula=operand.formula,
                contribution=magnitude(flows.get((node, operand.position))),
            )
            for node, operand in uses
        ),
        order=tuple(ids[node] for node in gradients),
    )


def refuse_beyond(max_nodes: int | None, count: int) -> None:
    if max_nodes is not None and count > max_nodes:
        raise ValueError(
            f"the graph has {count} nodes, more than max_nodes={max_nodes}: pass a larger "
            "max_nodes, or a smaller part of the graph, such as one of its first results"
        )


def backward_pass(root: Node, grad: Any) -> tuple[dict[Node, Any], dict[tuple[Node, int], Any]]:
    """The gradient of each node, in the order of the pass, and what flows to each operand."""
    gradients: dict[Node, Any] = {}
    flows: dict[tuple[Node, int], Any] = {}

    def watch(node: Node, g: Any, contributions: tuple[Any, ...]) -> None:
        gradients[node] = g
        flows.update({(node, i): flow for i, flow in enumerate(contributions)})

    if root.requires_grad:
        root.backward(grad, inputs=(), watch=watch)
    return gradients, flows


def seen_data(root: Node, nodes: list[Node]) -> dict[Node, Any]:
    """The data that the forward pass saw, and backward uses: `x.data` may be another by now."""
    seen = {root: root.seen[0] if root.seen else root.data}
    for node in nodes:
        pairs = zip(node.inputs, node.seen[1:], strict=True)
        seen.update((x, data) for x, data in pairs if isinstance(x, Node))
    return seen


def role(node: Node, root: Node) -> Role:
    if node is root:
        return "root"
    if node.rule is not None:
        return "intermediate"
    return "parameter" if node.requires_grad else "input"


def described(i: int, x: Any, role: Role, data: Any, gradient: Any) -> GraphNode:
    made = isinstance(x, Node) and x.rule is not None
    size = magnitude(gradient)
    return GraphNode(
        id=i,
        name=(x.name or "") if isinstance(x, Node) else "",
        operation=operation(x.rule) if made else "",
        options=options_text(x) if made else "",
        role=role,
        shape=data.shape if is_array(data) else (),
        dtype=str(data.dtype) if is_array(data) else type(data).__name__,
        value=summary(data),
        gradient=size if size is None or is_scalar(gradient) else f"norm {number(size)}",
    )


# Operands, and what the rule says about them


class Operand(NamedTuple):
    """One argument of the call that made a node."""

    x: Any
    position: int
    argument: str
    formula: str | None

    @property
    def is_drawn(self) -> bool:
        """Not so an index, a shape, a bound that is None: these are options of the operation."""
        is_data = isinstance(self.x, Node) or is_array(self.x)
        return is_data or (self.x is not None and self.formula is not None)


def arguments(node: Node) -> list[Operand]:
    if node.rule is None:
        return []
    n = len(node.inputs)
    names, quotes = argument_names(node.rule, n), formulas(node.rule, n)
    return [Operand(*each) for each in zip(node.inputs, range(n), names, quotes, strict=True)]


@cache
def argument_names(rule: Function, n: int) -> tuple[str, ...]:
    """What the rule calls its n inputs: x, y, or inputs[0], inputs[1], ..."""
    names = []
    for name, slot in inspect.signature(rule).bind(*range(n + 2)).arguments.items():
        names += [f"{name}[{i}]" for i in range(len(slot))] if isinstance(slot, tuple) else [name]
    return tuple(names[2:])  # without g and out


def options_text(node: Node) -> str:
    """What the operation was given besides its operands, except defaults."""
    known = inspect.signature(cast(Function, node.rule)).parameters
    given = {x.argument: x.x for x in arguments(node) if not x.is_drawn} | node.options
    return ", ".join(
        f"{name}={written(x)}"
        for name, x in given.items()
        if name not in known or repr(x) != repr(known[name].default)
    )


def written(x: Any) -> str:
    """An option as its user wrote it, shortened: `1:`, `(0, 1)`, `float32`."""
    match x:
        case slice(step=None):
            return ":".join("" if i is None else str(i) for i in (x.start, x.stop))
        case slice():
            return f"{written(slice(x.start, x.stop))}:{x.step}"
        case tuple():
            return f"({', '.join(map(written, x))})"
        case type():
            return x.__name__
    return "..." if x is ... else reprlib.repr(x)


@cache
def formulas(rule: Function, n: int) -> tuple[str | None, ...]:
    """What the rule returns for each of its n inputs, quoted from its source.

    The name of the rule instead, if its source is not there or has not exactly one `return`.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(rule)))
    except (OSError, TypeError, SyntaxError):
        return (rule.__name__,) * n
    match [each.value for each in ast.walk(tree) if isinstance(each, ast.Return)]:
        case [ast.expr() as returned]:
            return tuple(map(quoted, partials(returned, n)))
    return (rule.__name__,) * n


def partials(returned: ast.expr, n: int) -> list[ast.expr]:
    """What of a returned expression is for each of n inputs: all of it, unless it is a tuple.

    Starred parts share equally what the others leave, as in a weighted sum; where that does not
    come out even, each input again gets all of it.
    """
    if not isinstance(returned, ast.Tuple):
        return [returned] * n
    parts = returned.elts
    stars = sum(isinstance(part, ast.Starred) for part in parts)
    share, rest = divmod(n - len(parts) + stars, stars or 1)
    if stars and rest:
        return [returned] * n
    spread = [x for x in parts for _ in range(share if isinstance(x, ast.Starred) else 1)]
    return (spread + [ast.Constant(None)] * n)[:n]  # `backward`, too, reads a short tuple so


def quoted(partial: ast.expr) -> str | None:
    """The source of one partial: of a thunk its body, of a starred comprehension its element."""
    match partial:
        case ast.Starred(ast.ListComp(element) | ast.GeneratorExp(element)):
            return quoted(element)
        case ast.Lambda(body=body):
            return quoted(body)
        case ast.Constant(None):
            return None
    return ast.unparse(partial)


# Numbers


def is_array(x: Any) -> bool:
    return isinstance(getattr(x, "size", None), int)  # a dtype has a shape, too, but no size


def is_scalar(x: Any) -> bool:
    return isinstance(x, float | int) or (is_array(x) and x.size == 1)


def scalar(x: Any) -> float:
    return float(x.item() if is_array(x) else x)


def number(x: float) -> str:
    """Four significant digits, and no -0."""
    return f"{x + 0.0:.4g}"


def magnitude(x: Any) -> float | None:
    """A number itself, the norm of an array, None for nothing."""
    if x is None:
        return None
    with np.errstate(all="ignore"):
        return scalar(x) if is_scalar(x) else float(np.linalg.norm(x.astype(float)))


def summary(x: Any) -> float | str:
    """A number itself, the mean and the range of an array, anything else as its user wrote it."""
    if is_scalar(x):
        return scalar(x)
    if not is_array(x):
        return written(x)
    if x.size == 0:
        return "empty"
    with np.errstate(all="ignore"):
        mean, low, high = (float(f(x.astype(float))) for f in (np.mean, np.min, np.max))
    return f"mean {number(mean)}, min {number(low)}, max {number(high)}"
