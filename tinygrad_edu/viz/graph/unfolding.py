"""A graph whose modules fold and unfold: all nodes and edges that any of its views shows.

The data of a node or an edge does not depend on what else is folded. So the data stays small, even
though each further module doubles the number of views: there is one node for each operation and
each module, and one edge for each pair of nodes that may stand at the two ends of a use.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_edu.graph import Node, behind
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.derivations import OWN, Operand
from tinygrad_edu.viz.graph.data import Graph, GraphEdge
from tinygrad_edu.viz.graph.description import (
    Fold,
    Use,
    backward_pass,
    bundled,
    constant_node,
    crosses,
    edge_of,
    flows_out,
    folded,
    folds_of,
    groups_of,
    made_by,
    node_of,
    operands_in,
    seen_data,
    sum_of_flows,
)

Drawn = tuple[Node, Operand]  # a use that a picture shows


@dataclass(frozen=True)
class Unfolding:
    """All views of a graph.

    graph   the nodes and edges of all views; `groups` are the modules that never fold
    homes   for each node, the id of the module around it; None outside all modules that fold
    uses    an edge for each use of a single node, in the order of the backward pass
    covers  for each edge of the graph, the places of the uses that it stands for
    """

    graph: Graph
    homes: tuple[int | None, ...]
    uses: tuple[GraphEdge, ...]
    covers: tuple[tuple[int, ...], ...]


def unfolding_of(
    root: Node, *, grad: Any, record: Record, depth: int, max_nodes: int
) -> Unfolding | None:
    """The graph that `describe` makes at this depth, and the inside of its folded modules.

    None if nothing is folded, or if the graph with all modules open has more than max_nodes nodes.
    """
    nodes = sorted(behind(root), key=lambda node: node.birth)
    if len(nodes) > max_nodes:
        return None
    gradients, flows = backward_pass(root, grad)
    operands = operands_in(nodes, gradients, flows)
    uses = [(node, x) for node in nodes for x in operands[node] if x.is_drawn]
    modules = Modules(nodes, uses, root, record, depth)
    constants = {use_of(use): use[1].x for use in uses if not isinstance(use[1].x, Node)}
    if not modules.last or len(nodes) + len(constants) > max_nodes:
        return None

    shown = [x for node in nodes for x in (node, *modules.ending(node))]
    ids: dict[Any, int] = {x: i for i, x in enumerate([*shown, *constants])}
    ends = {(node, OWN): ids[node] for node in nodes} | {use: ids[use] for use in constants}
    ends |= {use_of(use): ids[use[1].x] for use in uses if isinstance(use[1].x, Node)}

    seen = seen_data(root, nodes)
    found = []
    for node in nodes:
        plain = node_of(ids[node], node, root, seen[node], gradients.get(node), record)
        found.append(made_by(plain, node, operands[node], ends))
        for fold in modules.ending(node):
            level = modules.level[fold]
            leaving = flows_out(modules.crossing(fold), level, flows)[fold]
            found.append(folded(replace(plain, id=ids[fold]), fold, level, record, leaving))
    found += [constant_node(ids[use], x) for use, x in constants.items()]
    homes: list[Fold | None] = []
    for node in nodes:
        homes += [modules.home(node), *map(modules.around_fold, modules.ending(node))]
    homes += [modules.home_of_array(node, x) for (node, _), x in constants.items()]

    in_order = sorted(uses, key=order_in(gradients))
    single = {
        use_of((node, x)): edge_of(
            node, x, ends, gradients.get(node), flows.get((node, x.position))
        )
        for node, x in in_order
    }
    places = {use: k for k, use in enumerate(single)}
    edges = sorted(
        edges_of(modules, ids, single, flows), key=lambda x: (x[0].target, x[0].position)
    )
    graph = Graph(
        nodes=tuple(found),
        edges=tuple(edge for edge, _ in edges),
        order=tuple(ids[x] for node in gradients for x in (node, *modules.ending(node))),
        groups=groups_of((node for node, home in zip(found, homes) if home is None), record),
    )
    return Unfolding(
        graph,
        tuple(None if home is None else ids[home] for home in homes),
        tuple(single.values()),
        tuple(tuple(sorted(places[use] for use in covered)) for _, covered in edges),
    )


def use_of(drawn: Drawn) -> Use:
    node, operand = drawn
    return node, operand.position


def order_in(gradients: Mapping[Node, Any]) -> Any:
    """A sort key: the order of the backward pass; nodes that take no part in it come last."""
    age = {node: i for i, node in enumerate(gradients)}
    return lambda use: (age.get(use[0], len(age)), use[1].position)


class Modules:
    """Which modules lie around each node.

    uses    the uses of all nodes
    around  for each node, the modules around it, the outermost first
    last    for each module, the youngest node in it
    level   for each module, the folds of all nodes at a depth at which this module is folded
    """

    def __init__(
        self, nodes: list[Node], uses: list[Drawn], root: Node, record: Record, depth: int
    ) -> None:
        self.uses = uses
        self.around: dict[Node, tuple[Fold, ...]] = {}
        self.last: dict[Fold, Node] = {}
        self.level: dict[Fold, Mapping[Node, Fold | None]] = {}
        deepest = max((len(record.chain(path)) for path in record.modules), default=0)
        levels = [folds_of(nodes, root, record, d) for d in range(depth, max(deepest, depth + 1))]
        for node in nodes:
            at_levels = [(fold, level) for level in levels if (fold := level[node]) is not None]
            self.around[node] = tuple(dict.fromkeys(fold for fold, _ in at_levels))
            self.last.update((fold, node) for fold, _ in at_levels)
            for fold, level in at_levels:
                self.level.setdefault(fold, level)
        # A plain array is the input of a fold that no node feeds; other folds made theirs.
        self.fed = {
            fold
            for fold in self.last
            if any(self.level[fold][node] == fold for node, _ in self.crossing(fold))
        }

    def ending(self, node: Node) -> list[Fold]:
        """The modules whose youngest node this is, the innermost first."""
        return [fold for fold in reversed(self.around[node]) if self.last[fold] is node]

    def crossing(self, fold: Fold) -> list[Drawn]:
        """The uses of nodes that are drawn if this module and all at its depth are folded."""
        level = self.level[fold]
        return [
            (node, x)
            for node, x in self.uses
            if isinstance(x.x, Node) and crosses(node, x.x, level)
        ]

    def enters(self, node: Node, x: Any, fold: Fold) -> bool:
        """Whether a plain array that a node uses is the input of a module around it."""
        return fold not in self.fed and crosses(node, x, self.level[fold])

    def home(self, node: Node) -> Fold | None:
        """The innermost module around a node."""
        return innermost(self.around[node])

    def around_fold(self, fold: Fold) -> Fold | None:
        """The innermost module around a module."""
        around = self.around[self.last[fold]]
        return innermost(around[: around.index(fold)])

    def home_of_array(self, node: Node, x: Any) -> Fold | None:
        """The module in which a plain array is drawn: outside all modules that it enters."""
        around = self.around[node]
        entered = [self.enters(node, x, fold) for fold in around]
        return innermost(around[: entered.index(True)] if True in entered else around)

    def ends_of(self, node: Node, x: Any) -> Iterator[tuple[Fold | None, Fold | None]]:
        """The pairs that may stand at the two ends of a use in a view: None is the node itself."""
        for target in (None, *self.around[node]):
            if not isinstance(x, Node):
                if target is None or self.enters(node, x, target):
                    yield None, target
                continue
            for source in (None, *self.around[x]):
                if self.go_together(source, x, target, node):
                    yield source, target

    def go_together(self, source: Fold | None, x: Node, target: Fold | None, node: Node) -> bool:
        """Whether there is a view with both ends, and an edge between them."""
        if source is not None and target is not None and source[0] == target[0]:
            return source != target and bool(x.inputs)  # two calls of one module
        opened, also_opened = self.opened(source, x), self.opened(target, node)
        closed = {fold[0] for fold in (source, target) if fold is not None}
        return not closed & (opened | also_opened)

    def opened(self, fold: Fold | None, node: Node) -> set[str]:
        """The paths of the modules that are open when a fold, or the node itself, is shown."""
        around = self.around[node]
        return {path for path, _ in (around if fold is None else around[: around.index(fold)])}


def innermost(around: Sequence[Fold]) -> Fold | None:
    return around[-1] if around else None


def edges_of(
    modules: Modules,
    ids: Mapping[Any, int],
    single: Mapping[Use, GraphEdge],
    flows: Mapping[Use, Any],
) -> Iterator[tuple[GraphEdge, list[Use]]]:
    """The edges of all views and the uses that each stands for, as in `description.edges`."""
    bundles: dict[tuple[Node | None, int, int], list[Drawn]] = defaultdict(list)
    for node, operand in modules.uses:
        x, use = operand.x, (node, operand.position)
        for source, target in modules.ends_of(node, x):
            start = single[use].source if source is None else ids[source]
            end = ids[node if target is None else target]
            if target is None or not isinstance(x, Node):
                yield replace(single[use], source=start, target=end), [use]
            else:
                bundles[x if source is None else None, start, end].append((node, operand))
    for position, ((_, start, end), bundle) in enumerate(bundles.items()):
        sums: dict[Node, Any] = {}
        for node, operand in bundle:
            flow = flows.get((node, operand.position))
            sums[operand.x] = sum_of_flows(sums.get(operand.x), flow)
        yield bundled(start, end, position, list(sums.values())), list(map(use_of, bundle))
