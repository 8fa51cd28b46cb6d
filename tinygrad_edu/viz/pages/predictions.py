"""Which way does a gradient go if an input changes? The engine knows: it runs the graph again."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, apply, behind
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.notation.derivations import KNOWN
from tinygrad_edu.notation.formula import expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.viz.graph.data import Graph
from tinygrad_edu.viz.graph.description import seen_data
from tinygrad_edu.viz.words.chain import chain_rule, gradient_name, total
from tinygrad_edu.viz.words.names import names_of

CHOICES = (
    "It grows in size",
    "It shrinks",
    "It stays the same",
    "Its sign flips, whatever its size",
)
LARGER, SMALLER, SAME, FLIPPED = range(4)
MOST = 3  # predictions in a quiz
LEAVES = 8  # that are changed, at most
CHANGES = (("doubles", 2.0), ("changes its sign", -1.0), ("is halved", 0.5))
PLAIN = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 4.0, 0.25)
SAMENESS = 1e-9  # relative
NEAR = 0.1  # what changes by less cannot be predicted


@dataclass(frozen=True)
class Prediction:
    """What becomes of a gradient if an input changes?

    node     the id of the node whose gradient it is
    changed  the id of the input that changes
    text     the question
    choices  the answers to choose from, and
    right    which of them the engine gives
    reason   the rule, and by how much the gradient changes
    is_plain whether that is a factor that one sees without computing
    """

    node: int
    changed: int
    text: str
    choices: tuple[str, ...]
    right: int
    reason: str
    is_plain: bool


def predictions_of(root: Node, graph: Graph, grad: Any) -> tuple[Prediction, ...]:
    """At most three, with answers as different as can be; none for a graph that cannot run again.

    A function of somebody's own is not run again: it may draw random numbers, or count its calls.
    """
    if not all(is_known(node) for node in behind(root)):
        return ()
    pool = sorted(candidates(root, graph, grad), key=lambda x: not x.is_plain)
    found: list[Prediction] = []

    def familiar(x: Prediction) -> tuple[int, ...]:
        """How often its answer, its node and its change were there already."""
        return tuple(
            sum(getattr(x, part) == getattr(other, part) for other in found)
            for part in ("right", "node", "changed")
        )

    while pool and len(found) < MOST:
        found.append(min(pool, key=familiar))
        pool = [x for x in pool if (x.node, x.changed) != (found[-1].node, found[-1].changed)]
    return tuple(found)


def candidates(root: Node, graph: Graph, grad: Any) -> Iterator[Prediction]:
    """What can be predicted: an input, a change of it, and a gradient elsewhere or there."""
    data = seen_data(root, sorted(behind(root), key=lambda node: node.birth))
    ids = {x.birth: x.id for x in graph.nodes}
    leaves = [x for x in data if x.rule is None and x.birth in ids and is_float(data[x])]
    before = gradients_of(data, root, {}, grad)
    again = gradients_of(data, root, {}, grad)
    if not all(np.array_equal(before[x], again[x], equal_nan=True) for x in before):
        return  # it draws random numbers
    for change, factor in CHANGES:
        for leaf in leaves[:LEAVES]:
            after = gradients_of(data, root, {leaf: data[leaf] * factor}, grad)
            asked = [x for x in leaves if x in before and x in after]
            for x in sorted(asked, key=lambda x: x is leaf):
                place = np.unravel_index(np.argmax(np.abs(before[x])), np.shape(before[x]))
                ratio = share(np.asarray(after[x])[place], np.asarray(before[x])[place])
                if ratio is not None:
                    symbol = symbol_of(graph, ids[x.birth], tuple(map(int, place)))
                    yield prediction(graph, ids[x.birth], ids[leaf.birth], symbol, change, ratio)


def prediction(
    graph: Graph, node: int, changed: int, symbol: str, change: str, ratio: float
) -> Prediction:
    name = expression(names_of(graph)[changed]).pretty
    whose = f"all of {name}" if graph.nodes[changed].shape else name
    right = direction(ratio)
    return Prediction(
        node,
        changed,
        f"If {whose} {change}, what becomes of {symbol}?",
        CHOICES,
        right,
        f"{becomes(ratio)} The rule: {rule_of(graph, node)}",
        is_plain=any(math.isclose(ratio, x, rel_tol=SAMENESS) for x in PLAIN),
    )


def becomes(ratio: float) -> str:
    if direction(ratio) == SAME:
        return "It stays the same."
    return (
        "Its sign flips, its size stays."
        if ratio == -1
        else f"It is multiplied by {number(ratio)}."
    )


def direction(ratio: float) -> int:
    if math.isclose(ratio, 1, rel_tol=SAMENESS):
        return SAME
    if ratio < 0:
        return FLIPPED
    return LARGER if ratio > 1 else SMALLER


def share(after: float, before: float) -> float | None:
    """after / before; None where that says nothing, or is too close to 1 to be predicted."""
    with np.errstate(all="ignore"):
        ratio = float(np.divide(after, before))
    is_near = SAMENESS < abs(ratio - 1) < NEAR
    return ratio if math.isfinite(ratio) and not is_near else None


def symbol_of(graph: Graph, node: int, index: tuple[int, ...]) -> str:
    symbol = expression(gradient_name(graph, node, names_of(graph))).pretty
    is_one = math.prod(graph.nodes[node].shape) == 1
    return symbol if is_one else f"{symbol}[{', '.join(map(str, index))}]"


def rule_of(graph: Graph, node: int) -> str:
    """The chain rule at a node, in symbols."""
    names = names_of(graph)
    uses = [x for x in graph.edges if x.source == node and x.contribution is not None]
    symbols = total(chain_rule(graph, edge, names)[0] for edge in uses)
    return f"{expression(gradient_name(graph, node, names)).pretty} = {expression(symbols).pretty}"


# Running again


def is_known(node: Node) -> bool:
    """Whether a node is a leaf, or made by a function that does nothing but compute."""
    module = getattr(node.function, "__module__", None) or "numpy"
    return module.partition(".")[0] in KNOWN and not hasattr(node.function, "rule")


def is_float(data: Any) -> bool:
    return np.asarray(data).dtype.kind == "f"


def gradients_of(
    data: Mapping[Node, Any], root: Node, changed: Mapping[Node, Any], grad: Any
) -> dict[Node, Any]:
    """The gradient of each node, if the graph of root is made once more with other leaves.

    data  what the forward pass saw, oldest nodes first; `changed` takes the place of some of it
    Nothing for a change that the graph has no number for, such as the logarithm of -1.
    """
    twins: dict[Node, Node] = {}
    found: dict[Node, Any] = {}
    with temporarily(RECORDING, True), np.errstate(all="ignore"):
        try:
            for node in sorted(data, key=lambda node: node.birth):
                twins[node] = twin_of(node, changed.get(node, data[node]), twins)
            twins[root].backward(grad, inputs=(), watch=lambda x, g, _: found.update({x: g}))
        except (ArithmeticError, ValueError, TypeError):
            return {}
    return {node: found[twin] for node, twin in twins.items() if twin in found}


def twin_of(node: Node, data: Any, twins: Mapping[Node, Node]) -> Node:
    """The same leaf with its data, or the same operation on other nodes."""
    if node.function is None:
        return type(node)(data, node.requires_grad, node.name)
    inputs = [
        twins[x] if isinstance(x, Node) else seen
        for x, seen in zip(node.inputs, node.seen[1:], strict=True)
    ]
    twin: Node = apply(node.function, *inputs, **node.options)
    return twin
