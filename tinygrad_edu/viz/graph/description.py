"""A graph as plain data: what every picture of a backward pass is drawn from.

The numbers come from `backward` itself, through its `watch`, and the formulas are recorded while
the rules run. So a picture cannot disagree with the code.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count, groupby
from math import hypot, isfinite
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, behind
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.derivations import (
    OWN,
    Operand,
    forward_term,
    operands_of,
    operation_of,
    options_text,
    source_of,
)
from tinygrad_edu.notation.numbers import is_array, number
from tinygrad_edu.notation.terms import Ref, Term, with_refs
from tinygrad_edu.viz.graph.data import Graph, GraphEdge, GraphGroup, GraphNode, Role
from tinygrad_edu.viz.graph.numbers import cells, is_scalar, magnitude, scalar, size_of, summarized

Fold = tuple[str, int]  # the path of a module, and the number of its call
Use = tuple[Node, int]  # a node, and the position of one of its operands


def describe(
    root: Node,
    *,
    grad: Any = None,
    max_nodes: int | None = None,
    record: Record | None = None,
    depth: int | None = None,
) -> Graph:
    """The graph behind root as plain data: its values, and its gradients. No `.grad` is changed.

    root       a Value or a Tensor
    grad       where the backward pass starts, of the shape of root; 1 for a scalar
    max_nodes  the largest graph to accept, after folding; None for any
    record     what `viz.record(model)` noted while the graph was made
    depth      fold every module that lies this deep in the model into one node: 1 for its layers

    Raises TypeError for another root, ValueError for a larger graph and for a depth without a
    record, and what `root.backward(grad)` raises.
    """
    if not isinstance(root, Node):
        raise TypeError(f"root must be a Value or a Tensor, not a {type(root).__name__}")
    record = record or Record()
    if depth is not None and record.model is None:
        raise ValueError(
            "depth folds modules, and needs a record of the nodes that they made: compute the loss "
            "inside `with viz.record(model) as made:`, and pass record=made"
        )
    nodes = sorted(behind(root), key=lambda node: node.birth)  # oldest first
    folds = folds_of(nodes, root, record, depth)
    last = {fold: node for node, fold in folds.items() if fold is not None}  # the youngest in each
    shown_as = {node: node if fold is None else last[fold] for node, fold in folds.items()}
    shown = [node for node in nodes if shown_as[node] is node]
    refuse_beyond(max_nodes, len(shown))
    gradients, flows = backward_pass(root, grad)
    hidden = {node for node in nodes if folds[node] is not None}
    operands = operands_in(nodes, gradients, flows, hidden)
    uses = [
        (node, operand)
        for node in nodes
        for operand in operands[node]
        if operand.is_drawn and crosses(node, operand.x, folds)
    ]
    # A plain array is drawn as the input of a fold that no node feeds. A fold with a node as input
    # made its plain arrays itself.
    fed = {folds[node] for node, operand in uses if isinstance(operand.x, Node)} - {None}
    uses = [use for use in uses if isinstance(use[1].x, Node) or folds[use[0]] not in fed]
    constants = [operand.x for _, operand in uses if not isinstance(operand.x, Node)]
    refuse_beyond(max_nodes, len(shown) + len(constants))

    seen = seen_data(root, nodes)
    ids = {node: i for i, node in enumerate(shown)}
    graph_nodes = [node_of(ids[x], x, root, seen[x], gradients.get(x), record) for x in shown]
    leaving = flows_out(uses, folds, flows)
    for fold, node in last.items():
        graph_nodes[ids[node]] = folded(graph_nodes[ids[node]], fold, folds, record, leaving[fold])
    graph_nodes += [constant_node(i, x) for i, x in enumerate(constants, len(shown))]
    ends = ends_of(uses, ids, shown_as)
    for node in shown:
        if node not in hidden:
            graph_nodes[ids[node]] = made_by(graph_nodes[ids[node]], node, operands[node], ends)
    graph_edges = edges(uses, ends, folds, gradients, flows)
    return Graph(
        nodes=tuple(graph_nodes),
        edges=tuple(graph_edges),
        order=tuple(ids[node] for node in gradients if node in ids),
        groups=groups_of(graph_nodes, record),
    )


def operands_in(
    nodes: Iterable[Node],
    gradients: Mapping[Node, Any],
    flows: Mapping[Use, Any],
    hidden: Collection[Node] = (),
) -> dict[Node, list[Operand]]:
    """The operands of each node; those of hidden nodes without terms."""
    return {
        node: operands_of(
            node,
            gradients.get(node, node.data),
            [flows.get((node, i)) for i in range(len(node.inputs))],
            is_folded=node in hidden,
        )
        for node in nodes
    }


def made_by(
    shown: GraphNode, node: Node, operands: Sequence[Operand], ends: Mapping[Use, int]
) -> GraphNode:
    """The node with the options, the formula and the rule of its operation."""
    if node.rule is None:
        return shown
    return replace(
        shown,
        options=options_text(node, operands),
        made=placed(forward_term(node), node, ends),
        rule=source_of(node.rule),
    )


# Modules


def folds_of(
    nodes: list[Node], root: Node, record: Record, depth: int | None
) -> dict[Node, Fold | None]:
    """The fold around each node.

    A module that is called again after others becomes another node: with a single node the graph
    would have a cycle. Its parameters belong to its first call.
    """
    paths = {node: fold_of(node, root, record, depth) for node in nodes}
    folds = {node: None if path is None else (path, 0) for node, path in paths.items()}
    calls: Counter[str | None] = Counter()
    for path, call in groupby((node for node in nodes if node.inputs), key=paths.__getitem__):
        if path is not None:
            folds.update(dict.fromkeys(call, (path, calls[path])))
            calls[path] += 1
    return folds


def fold_of(node: Node, root: Node, record: Record, depth: int | None) -> str | None:
    """The path of the module that is folded around this node."""
    module = None if depth is None or node is root else record.module_of(node)
    if module is None or depth is None:
        return None
    chain = record.chain(module)
    if len(chain) > depth:
        return chain[depth]
    return None if record.has_parts(module) else module  # a layer without parts, less deep


def crosses(node: Node, x: Any, folds: Mapping[Node, Fold | None]) -> bool:
    """Whether the edge from x to node is drawn: not inside a fold, nor from a number into one."""
    fold = folds[node]
    if fold is not None and isinstance(x, Node):
        source = folds[x]
        return source is None or source[0] != fold[0] or (bool(x.inputs) and source != fold)
    return fold is None or (is_array(x) and x.ndim > 0 and x.dtype.kind == "f")


def flows_out(
    uses: Iterable[tuple[Node, Operand]],
    folds: Mapping[Node, Fold | None],
    flows: Mapping[Use, Any],
) -> dict[Fold, dict[Node, Any]]:
    """The values that leave each folded module, and what flows back to each from outside."""
    found: dict[Fold, dict[Node, Any]] = defaultdict(dict)
    for node, operand in uses:
        fold = folds[operand.x] if isinstance(operand.x, Node) else None
        if fold is not None:
            flow = flows.get((node, operand.position))
            found[fold][operand.x] = sum_of_flows(found[fold].get(operand.x), flow)
    return found


def folded(
    node: GraphNode,
    fold: Fold,
    folds: Mapping[Node, Fold | None],
    record: Record,
    leaving: Mapping[Node, Any],
) -> GraphNode:
    """The node of a folded module: its class, its counts, and the gradient of its output.

    If it has several outputs, its gradient is the norm of all their gradients.
    """
    path, _ = fold
    operations = sum(x.rule is not None for x, other in folds.items() if other == fold)
    owned = (x for x, other in folds.items() if other == (path, 0) and id(x) in record.owner)
    numbers = sum(np.size(x.data) for x in owned)
    return replace(
        node,
        name=path,
        operation=record.modules[path],
        options="",
        role="module",
        value=", ".join(
            number_of(n, what)
            for n, what in ((operations, "operation"), (numbers, "parameter"))
            if n
        )
        + (f", {len(leaving)} values leave" if len(leaving) > 1 else ""),
        module=path,
        leaving=len(leaving),
        **(joint_gradient(leaving.values()) if len(leaving) > 1 else {}),
    )


def joint_gradient(flows: Iterable[Any]) -> dict[str, Any]:
    """The fields of a node for the gradients of several values."""
    flows = list(flows)
    norm = joint_norm(flows)
    text = None if norm is None else f"norm {number(norm)}"
    return {"gradient": text, "norm": norm, "gradients": None, "size": joint_size(flows)}


def joint_norm(flows: Iterable[Any]) -> float | None:
    """The norm of several arrays joined into one; None if there is none."""
    sizes = [size for flow in flows if (size := magnitude(flow)) is not None]
    return hypot(*sizes) if sizes else None


def joint_size(flows: Iterable[Any]) -> int:
    return sum(size_of(flow) for flow in flows if flow is not None)


def number_of(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + "s" * (n != 1)


def groups_of(nodes: Iterable[GraphNode], record: Record) -> tuple[GraphGroup, ...]:
    """The modules around the nodes, outer ones first; a folded module is no group."""
    paths: dict[str, GraphGroup] = {}
    for node in nodes:
        if node.module is None:
            continue
        chain = record.chain(node.module)
        if node.role == "module":
            chain.pop()
        for parent, path in zip([None, *chain], chain):
            paths.setdefault(path, GraphGroup(path, record.modules[path], parent))
    return tuple(paths.values())


def ends_of(
    uses: Iterable[tuple[Node, Operand]], ids: Mapping[Node, int], shown_as: Mapping[Node, Node]
) -> dict[Use, int]:
    """For each use, the id of its operand, and under OWN the id of the node that uses it."""
    constant_ids = count(len(ids))
    ends = {}
    for node, operand in uses:
        is_node = isinstance(operand.x, Node)
        source = ids[shown_as[operand.x]] if is_node else next(constant_ids)
        ends[node, operand.position], ends[node, OWN] = source, ids[shown_as[node]]
    return ends


def placed(term: Term | None, node: Node, ends: Mapping[Use, int]) -> Term | None:
    """A term of the operands of a node with the ids of the graph; None if one is not drawn.

    A number that is not drawn, such as an axis, remains a number.
    """

    def at(ref: Ref) -> Any:
        use = node, ref.node
        is_drawn = use in ends or ref.number is None
        return replace(ref, node=ends[use]) if is_drawn else ref.number

    try:
        return with_refs(term, at)
    except KeyError:
        return None


def edges(
    uses: Iterable[tuple[Node, Operand]],
    ends: Mapping[Use, int],
    folds: Mapping[Node, Fold | None],
    gradients: Mapping[Node, Any],
    flows: Mapping[Use, Any],
) -> list[GraphEdge]:
    """An edge for each use; all uses of one node by a folded module are one edge.

    That edge has the sum of their contributions. Several values that go from one folded module to
    another are one edge as well, with the norm of all their contributions.
    """
    into_folds: dict[tuple[Node | None, int, int], dict[Node, Any]] = defaultdict(dict)
    found = []
    for node, operand in uses:
        source, target = ends[node, operand.position], ends[node, OWN]
        flow = flows.get((node, operand.position))
        if folds[node] is not None and isinstance(operand.x, Node):
            value = operand.x
            bundle = into_folds[value if folds[value] is None else None, source, target]
            bundle[value] = sum_of_flows(bundle.get(value), flow)
            continue
        found.append(edge_of(node, operand, ends, gradients.get(node), flow))
    for position, ((_, source, target), bundle) in enumerate(into_folds.items()):
        found.append(bundled(source, target, position, list(bundle.values())))
    return sorted(found, key=lambda edge: (edge.target, edge.position))


def edge_of(node: Node, operand: Operand, ends: Mapping[Use, int], g: Any, flow: Any) -> GraphEdge:
    """The edge of one use."""
    return GraphEdge(
        source=ends[node, operand.position],
        target=ends[node, OWN],
        position=operand.position,
        formula=placed(operand.term, node, ends) if flow is not None else None,
        contribution=magnitude(flow),
        local=local_derivative(g, flow),
        contributions=cells(flow),
        size=size_of(flow),
    )


def bundled(source: int, target: int, position: int, flows: list[Any]) -> GraphEdge:
    """One edge into a folded module, for one value or for several."""
    if len(flows) == 1:
        (flow,) = flows
        size, table = magnitude(flow), cells(flow)
    else:
        size, table = joint_norm(flows), None
    return GraphEdge(
        source,
        target,
        position,
        None,
        size,
        contributions=table,
        count=len(flows),
        size=joint_size(flows),
    )


def sum_of_flows(x: Any, y: Any) -> Any:
    """x + y, where None is nothing."""
    return y if x is None else x if y is None else x + y


def local_derivative(g: Any, flow: Any) -> float | None:
    """d node / d operand = flow / g, for numbers; None for arrays, and where g is 0."""
    if flow is None or not (is_scalar(g) and is_scalar(flow)):
        return None
    gradient, contribution = scalar(g), scalar(flow)
    return contribution / gradient if gradient and isfinite(contribution / gradient) else None


def refuse_beyond(max_nodes: int | None, count: int) -> None:
    if max_nodes is not None and count > max_nodes:
        raise ValueError(
            f"the graph has {count} nodes, more than max_nodes={max_nodes}: fold its modules with "
            "depth=1 (see viz.record), pass a smaller part of the graph, such as one of its first "
            "results, or a larger max_nodes"
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
    """The data that the forward pass used, as backward does: `x.data` may have changed since."""
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


def node_of(i: int, x: Node, root: Node, data: Any, gradient: Any, record: Record) -> GraphNode:
    return GraphNode(
        id=i,
        name=x.name or "",
        operation=operation_of(x) if x.rule else "",
        options="",
        role=role(x, root),
        gradient=gradient_text(gradient),
        norm=None if gradient is None else abs(magnitude(gradient) or 0.0),
        birth=x.birth,
        module=record.module_of(x),
        line=record.lines.get(x.birth),
        gradients=cells(gradient),
        **value_of(data),
    )


def constant_node(i: int, x: Any) -> GraphNode:
    return GraphNode(i, "", "", "", "constant", gradient=None, **value_of(x))


def value_of(data: Any) -> dict[str, Any]:
    """The fields of a node that describe its data."""
    array = is_array(data)
    return {
        "shape": data.shape if array else (),
        "dtype": str(data.dtype) if array else type(data).__name__,
        "value": summarized(data),
        "bytes": getattr(data, "nbytes", 8),
        "values": cells(data),
        "size": size_of(data),
    }


def gradient_text(gradient: Any) -> float | str | None:
    size = magnitude(gradient)
    return size if size is None or is_scalar(gradient) else f"norm {number(size)}"
