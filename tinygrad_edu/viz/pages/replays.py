"""What are the values and gradients if the leaves change? The engine runs the graph again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, apply, behind
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.notation.derivations import KNOWN
from tinygrad_edu.viz.graph.description import seen_data


@dataclass(frozen=True)
class Replay:
    """The new values and gradients, by the nodes of the first run, oldest first."""

    values: dict[Node, Any]
    gradients: dict[Node, Any]


def can_be_replayed(root: Node) -> bool:
    """Whether every node is a leaf, or made by a known function without side effects.

    A user's own function is not run again: it may draw random numbers, or count its calls.
    """
    return all(is_known(node) for node in behind(root))


def is_known(node: Node) -> bool:
    module = getattr(node.function, "__module__", None) or "numpy"
    return module.partition(".")[0] in KNOWN and not hasattr(node.function, "rule")


def replayed(root: Node, changed: Mapping[Node, Any], grad: Any = None) -> Replay | None:
    """Run the graph of root again, forward and backward, with the data of `changed` in some leaves.

    None if that raises an error, such as the logarithm of -1.
    """
    nodes = sorted(behind(root), key=lambda node: node.birth)
    data, twins = seen_data(root, nodes), dict[Node, Node]()
    found: dict[Node, Any] = {}
    with temporarily(RECORDING, True), np.errstate(all="ignore"):
        try:
            for node in nodes:
                twins[node] = twin_of(node, changed.get(node, data[node]), twins)
            twins[root].backward(grad, inputs=(), watch=lambda x, g, _: found.update({x: g}))
        except (ArithmeticError, ValueError, TypeError):
            return None
    values = {node: twin.data for node, twin in twins.items()}
    return Replay(values, {x: found[twin] for x, twin in twins.items() if twin in found})


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
