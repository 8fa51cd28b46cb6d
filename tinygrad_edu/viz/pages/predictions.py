"""How does a gradient change if an input changes? The engine runs the graph again to find out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.notation.formula import expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.viz.graph.data import Graph
from tinygrad_edu.viz.pages.replays import can_be_replayed, replayed
from tinygrad_edu.viz.words.chain import chain_rule, gradient_name, refs_in, total
from tinygrad_edu.viz.words.names import names_of

CHOICES = (
    "It grows in size",
    "It shrinks",
    "It stays the same",
    "Its sign flips, whatever its size",
)
LARGER, SMALLER, SAME, FLIPPED = range(4)
MOST = 3  # predictions in a quiz
LEAVES = 8  # inputs that are changed, at most
TOLD = 2  # values that an explanation names, at most
CHANGES = (("doubles", 2.0), ("changes its sign", -1.0), ("is halved", 0.5))
PLAIN = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 4.0, 0.25)
SAMENESS = 1e-9  # a smaller relative change is rounding
NEAR = 0.1  # a smaller relative change is too hard to predict


@dataclass(frozen=True)
class Prediction:
    """A question: how does a gradient change if an input changes?

    node     the id of the node whose gradient it is
    changed  the id of the input that changes
    text     the question
    choices  the answers to choose from
    right    the place of the right answer among them, which the engine computes
    reason   by how much the gradient changes, and why
    is_plain whether it changes by a simple factor, such as 2 or -1
    """

    node: int
    changed: int
    text: str
    choices: tuple[str, ...]
    right: int
    reason: str
    is_plain: bool


def predictions_of(root: Node, graph: Graph, grad: Any) -> tuple[Prediction, ...]:
    """At most three predictions, as different as possible; none if the graph cannot run again."""
    if not can_be_replayed(root):
        return ()
    pool = sorted(candidates(root, graph, grad), key=lambda x: not x.is_plain)
    found: list[Prediction] = []

    def familiar(x: Prediction) -> tuple[int, ...]:
        """How many predictions found so far share its answer, its node and its changed input."""
        return tuple(
            sum(getattr(x, part) == getattr(other, part) for other in found)
            for part in ("right", "node", "changed")
        )

    while pool and len(found) < MOST:
        found.append(min(pool, key=familiar))
        pool = [x for x in pool if (x.node, x.changed) != (found[-1].node, found[-1].changed)]
    return tuple(found)


def candidates(root: Node, graph: Graph, grad: Any) -> Iterator[Prediction]:
    """All possible predictions: for each change of an input, first those of other gradients."""
    before, again = (replayed(root, {}, grad) for _ in range(2))
    if before is None or again is None or not same(before.gradients, again.gradients):
        return  # it draws random numbers
    ids = {x.birth: x.id for x in graph.nodes}
    shown = [x for x in before.values if x.birth in ids]
    leaves = [x for x in shown if x.rule is None and has_floats(before.values[x])]
    for change, factor in CHANGES:
        for leaf in leaves[:LEAVES]:
            after = replayed(root, {leaf: before.values[leaf] * factor}, grad)
            if after is None:
                continue
            pairs = {ids[x.birth]: (before.values[x], after.values[x]) for x in shown}
            moved = {i: pair for i, pair in pairs.items() if not np.array_equal(*pair)}
            asked = [x for x in leaves if x in before.gradients]
            for x in sorted(asked, key=lambda x: x is leaf):
                gradients = before.gradients[x], after.gradients[x]
                found = prediction(graph, ids[x.birth], ids[leaf.birth], change, gradients, moved)
                if found is not None:
                    yield found


def same(xs: Mapping[Node, Any], ys: Mapping[Node, Any]) -> bool:
    return all(np.array_equal(xs[node], ys[node], equal_nan=True) for node in xs)


def has_floats(data: Any) -> bool:
    return np.asarray(data).dtype.kind == "f" and np.size(data) > 0


def prediction(
    graph: Graph,
    node: int,
    changed: int,
    change: str,
    gradients: tuple[Any, Any],
    moved: Mapping[int, tuple[Any, Any]],
) -> Prediction | None:
    """The question about the largest element of a gradient; None if it cannot be predicted.

    gradients  before the change and after it
    moved      the values that change with it, before and after, by node
    """
    largest = np.argmax(np.abs(gradients[0]))
    index = tuple(map(int, np.unravel_index(largest, np.shape(gradients[0]))))
    ratio = share(*(np.asarray(g)[index] for g in reversed(gradients)))
    factors = factors_of(graph, node)
    if ratio is None or (
        direction(ratio) == SAME and factors and factors & made_of(graph, changed)
    ):
        return None  # it stays the same by chance: two changes cancel, or twice 0 is 0
    names = [expression(name).pretty for name in names_of(graph)]
    whose = f"all of {names[changed]}" if graph.nodes[changed].shape else names[changed]
    return Prediction(
        node,
        changed,
        f"If {whose} {change}, what happens to {symbol_of(graph, node, index)}?",
        CHOICES,
        direction(ratio),
        f"{becomes(ratio)} {why(graph, node, changed, factors, moved, names)}",
        is_plain=any(math.isclose(ratio, x, rel_tol=SAMENESS) for x in PLAIN),
    )


def factors_of(graph: Graph, node: int) -> set[int] | None:
    """The nodes whose values a gradient is computed from; None if a rule has no formula."""
    needed, found = {node}, set[int]()
    for i in reversed(graph.order):
        for edge in graph.edges if i in needed else ():
            if edge.source == i and edge.contribution is not None:
                if edge.formula is None:
                    return None
                needed.add(edge.target)
                found |= {ref.node for ref in refs_in(edge.formula) if not ref.is_gradient}
    return found


def made_of(graph: Graph, leaf: int) -> set[int]:
    """A leaf, and all nodes that depend on it."""
    found = {leaf}
    for edge in graph.edges:  # in the order of the forward pass
        if edge.source in found:
            found.add(edge.target)
    return found


def why(
    graph: Graph,
    node: int,
    changed: int,
    factors: set[int] | None,
    moved: Mapping[int, tuple[Any, Any]],
    names: Sequence[str],
) -> str:
    """The reason of a change: which of the values that a gradient is computed from change."""
    if factors is None:
        return f"The rule: {rule_of(graph, node)}"
    on_the_way = sorted(factors & moved.keys())
    if not on_the_way:
        return f"None of the values that it is computed from depends on {names[changed]}."
    seen = [x for x in on_the_way if np.ndim(moved[x][0]) or len(set(map(told, moved[x]))) == 2]
    shown = [x for x in seen if x != changed] or seen or on_the_way
    return f"On its path, {' and '.join(movement(names[x], *moved[x]) for x in shown[:TOLD])}."


def movement(name: str, before: Any, after: Any) -> str:
    if np.ndim(before):
        return f"{name} changes"
    if told(before) == told(after):
        return f"{name} changes a little"
    return f"{name} goes from {told(before)} to {told(after)}"


def told(x: Any) -> str:
    return number(float(x))


def becomes(ratio: float) -> str:
    if direction(ratio) == SAME:
        return "It stays the same."
    if ratio == -1:
        return "Its sign flips, its size stays the same."
    return f"It is multiplied by {number(ratio)}."


def direction(ratio: float) -> int:
    if math.isclose(ratio, 1, rel_tol=SAMENESS):
        return SAME
    if ratio < 0:
        return FLIPPED
    return LARGER if ratio > 1 else SMALLER


def share(after: float, before: float) -> float | None:
    """after / before; None if it is not finite, or too close to 1 to be predicted."""
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
