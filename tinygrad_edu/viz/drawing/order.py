"""Where does each node of a graph belong: in which box, and in which rank?"""

from collections import defaultdict

from tinygrad_edu.viz.graph.data import Graph, GraphEdge, GraphNode

LARGE = 150  # a graph with so many edges has short labels, and Graphviz gets less time for it
ROUNDS = 400  # Graphviz's nslimit, which bounds its rounds, times the number of edges
REACH = 8  # ranks that one curve crosses, at most: the time to route it grows with their cube


def hurry(graph: Graph) -> dict[str, str]:
    """For a large graph fewer rounds of improving the layout: seconds instead of minutes."""
    edges = len(graph.edges)
    if edges < LARGE:
        return {}
    return {"nslimit": f"{ROUNDS / edges:.2f}", "nslimit1": "0.2", "mclimit": "0.1"}


def boxes(graph: Graph) -> dict[str | None, list[int]]:
    """The nodes in the box of each module, and under None those in no box."""
    found: dict[str | None, list[int]] = defaultdict(list)
    around = boxes_around(graph)
    for i in in_order_of_use(graph):
        found[around[i]].append(i)
    return found


def boxes_around(graph: Graph) -> dict[int, str | None]:
    """The path of the innermost box around each node.

    A number belongs to the box of the operation that uses it, and so does a weight that only one
    module uses. A folded module belongs to the box of the module around it.
    """
    drawn = {group.path for group in graph.groups}

    def box(node: GraphNode) -> str | None:
        path = node.module
        while path is not None and path not in drawn:
            path = path.rpartition(".")[0] if path else None
        return path

    around = {node.id: box(node) for node in graph.nodes}
    users: dict[int, set[str | None]] = defaultdict(set)
    for edge in graph.edges:
        users[edge.source].add(around[edge.target])
    for node in graph.nodes:
        is_beside = node.is_plain_number or (node.role == "parameter" and node.module is None)
        if is_beside and len(users[node.id]) == 1:
            (around[node.id],) = users[node.id]
    return around


def in_order_of_use(graph: Graph) -> list[int]:
    """The nodes in an order in which Graphviz tends to place operands as in the formula."""
    return list(dict.fromkeys([x.source for x in graph.edges] + [x.id for x in graph.nodes]))


def ranks(graph: Graph) -> dict[int, int]:
    """How many operations come before each node; a leaf stands right before its first use."""
    rank = {x.id: 0 for x in graph.nodes}
    for edge in graph.edges:  # sorted by target, so every source has its rank already
        rank[edge.target] = max(rank[edge.target], rank[edge.source] + 1)
    firsts = {edge.source: rank[edge.target] for edge in reversed(graph.edges)}
    leaves = {x.id for x in graph.nodes if not x.operation}
    return rank | {i: first - 1 for i, first in firsts.items() if i in leaves}


class Tracks:
    """The routes of edges: the least length of each, and the points of shared lines that it passes.

    All uses of a node beyond REACH ranks branch off from one line along the graph. Without it, a
    weight that a hundred steps use would have a hundred lines side by side.
    """

    def __init__(self, graph: Graph) -> None:
        rank, around = ranks(graph), boxes_around(graph)
        leaves = {x.id for x in graph.nodes if not x.operation}
        self.graph, self.around = graph, around
        self.points = [(rank[x.target] - rank[x.source] - 1) // REACH for x in graph.edges]
        # Boxes that share a rank cannot stand one below the other. So an edge into a box is longer
        # by a rank, that of the parameters in the box.
        self.with_leaves = {
            x.target
            for x in graph.edges
            if x.source in leaves and around[x.source] == around[x.target] is not None
        }

    def inside_boxes(self) -> dict[str | None, list[int]]:
        """The edges by the innermost box around both ends: Graphviz makes room for labels there.

        An edge along a shared line comes from outside all boxes.
        """
        parents = {group.path: group.parent for group in self.graph.groups}

        def outwards(path: str | None) -> list[str | None]:
            return [None] if path is None else [path, *outwards(parents[path])]

        found: dict[str | None, list[int]] = defaultdict(list)
        for k, edge in enumerate(self.graph.edges):
            outer = [None] if self.points[k] else outwards(self.around[edge.source])
            found[next(x for x in outwards(self.around[edge.target]) if x in outer)].append(k)
        return found

    def start(self, k: int) -> str:
        """Where the last curve of edge k begins: at its source, or at a point of its line."""
        return point(self.graph.edges[k].source, self.points[k])

    def pieces(self, k: int) -> list[tuple[str, str]]:
        """The pieces of the shared line that lead to the last curve of edge k."""
        source = self.graph.edges[k].source
        return [(point(source, n), point(source, n + 1)) for n in range(self.points[k])]

    def length(self, edge: GraphEdge) -> int:
        """The least length of an edge, in ranks."""
        enters = self.around[edge.source] != self.around[edge.target]
        return 2 if enters and edge.target in self.with_leaves else 1


def point(source: int, n: int) -> str:
    """The name of the n-th point of the line from a node; for n = 0, the name of the node."""
    return f"{source}_{n}" if n else str(source)
