"""The chain rule at one edge of a graph, in the names and in the numbers of the graph."""

import ast
import builtins
import inspect
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu import kernels, rules
from tinygrad_edu.tensor import unbroadcast
from tinygrad_edu.viz.graph.data import Cells, Graph, GraphEdge, GraphNode
from tinygrad_edu.viz.words.formula import Expression, derivative, expression, numeral


@dataclass(frozen=True)
class Use:
    """An edge with all that its rule was given, by the names that the rule has for them."""

    edge: GraphEdge
    source: GraphNode
    target: GraphNode
    operands: dict[str, GraphNode]

    @classmethod
    def of(cls, graph: Graph, edge: GraphEdge, into: Iterable[int]) -> "Use":
        beside = [graph.edges[i] for i in into]
        operands = {x.argument: graph.nodes[x.source] for x in beside}
        return cls(edge, graph.nodes[edge.source], graph.nodes[edge.target], operands)


def chain_rule(
    use: Use, labels: Sequence[Expression], derivatives: Sequence[Expression]
) -> tuple[Expression, Expression | None]:
    """The contribution in symbols, and in numbers where all of them are numbers.

    That is the rule's own formula, unless it is written in names that only the rule knows: it has
    to come to what flowed. Then it is dL/dz * dz/dx.
    """
    source, target = use.source, use.target
    g = derivatives[target.id]
    formula = adapted(use)
    found: Any = UNKNOWN if formula is None else evaluated(formula, use)
    if formula is None or found is UNKNOWN or disagrees(found, use):
        local = derivative(labels[target.id], labels[source.id])
        symbols = expression("g * local", {"g": g, "local": local})
        if use.edge.local is None or not isinstance(target.gradient, float):
            return symbols, None
        numbers = {"g": numeral(target.gradient), "local": numeral(use.edge.local)}
        return symbols, expression("g * local", numbers)
    if found is not None and is_larger(np.shape(found), source.shape):
        formula = f"sum({formula})"  # the operand was broadcast
    formula = ast.unparse(Simplified(use).visit(ast.parse(formula, mode="eval")))
    names = {name: labels[node.id] for name, node in use.operands.items()}
    symbols = expression(formula, names | {"g": g, "out": labels[target.id]})
    given = {**use.operands, "out": target}
    if found is None or any(x.shape for x in given.values()):
        return symbols, None
    numbers = {name: numeral_of(node, labels) for name, node in given.items()}
    return symbols, expression(formula, numbers | {"g": numeral(float(target.gradient or 0.0))})


UNKNOWN = object()  # the value of a formula in names that only its rule knows
NAMESPACE = {**vars(kernels), **vars(rules)}


def adapted(use: Use) -> str | None:
    """The rule's formula, in the names of its arguments; None if it is no formula."""
    formula = use.edge.formula
    if formula is None or "_backward" in formula:
        return None
    tree = ast.parse(formula, mode="eval")
    if use.target.operation == "power":
        tree = Renamed({"y_minus_1": "y - 1"}).visit(tree)
    if use.target.operation == "weighted_sum":
        n, i = len(use.operands) // 2, use.edge.position
        tree = Renamed({"x": f"inputs[{i + n}]", "w": f"inputs[{i - n}]"}).visit(tree)
    match tree.body:
        case ast.IfExp(body=then, orelse=otherwise):
            value: Any = evaluated(ast.unparse(then), use)
            return ast.unparse(then if np.shape(value) == use.source.shape else otherwise)
    return ast.unparse(tree)


class Renamed(ast.NodeTransformer):
    """A tree with other expressions in the place of some names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.names:
            return node
        return ast.parse(self.names[node.id], mode="eval").body


class Simplified(ast.NodeTransformer):
    """A tree without what is for the shapes of arrays only, with numbers worked out."""

    def __init__(self, use: Use) -> None:
        self.use = use

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match ast.unparse(node.func):
            case "kept" | "rows" | "wide" | "np.broadcast_to":
                return node.args[0]
            case "count":
                sizes = math.prod(self.use.source.shape), math.prod(self.use.target.shape)
                return ast.Constant(sizes[0] // max(sizes[1], 1))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.BinOp(ast.Name(y), ast.Sub(), ast.Constant(1)) if y in self.use.operands:
                exponent = self.use.operands[y]
                if exponent.role == "constant" and not isinstance(exponent.value, str):
                    return ast.Constant(exact_int(exponent.value - 1))
            case ast.BinOp(base, ast.Pow(), ast.Constant(1)):
                return base
        return node


def exact_int(x: float) -> float:
    return int(x) if x == round(x) else round(x, 10)


def evaluated(formula: str, use: Use) -> Any:
    """What the formula comes to; None if that cannot be said, UNKNOWN if a name in it is not known.

    For arrays of which the graph has no more than a summary it has only the right shape.
    """
    rule = NAMESPACE.get(f"{use.target.operation}_backward")
    values = {} if rule is None else defaults(rule)
    values |= options_of(use.target)
    values |= {name: data(node.value, node.values, node) for name, node in use.operands.items()}
    values["g"] = data(use.target.gradient, use.target.gradients, use.target)
    values["out"] = data(use.target.value, use.target.values, use.target)
    for name in [name for name in values if "[" in name]:  # inputs[0] is no name in Python
        plain = name.replace("[", "_").replace("]", "")
        formula, values[plain] = formula.replace(name, plain), values[name]
    tree = ast.parse(formula, mode="eval")
    given = set(re.findall(r"(\w+)=", use.target.options))
    used = {x.id for x in ast.walk(tree) if isinstance(x, ast.Name)}
    if not used <= values.keys() | NAMESPACE.keys() | vars(builtins).keys() | given:
        return UNKNOWN
    try:
        with np.errstate(all="ignore"):
            return eval(compile(tree, "formula", "eval"), dict(NAMESPACE), values)
    except Exception:
        return None


def defaults(rule: Any) -> dict[str, Any]:
    parameters = inspect.signature(rule).parameters.values()
    return {x.name: x.default for x in parameters if x.default is not x.empty}


def options_of(node: GraphNode) -> dict[str, Any]:
    """The options of an operation that are plain numbers, texts and the like."""
    try:
        match ast.parse(f"f({node.options})", mode="eval").body:
            case ast.Call(keywords=given):
                return {x.arg: ast.literal_eval(x.value) for x in given if x.arg}
    except (SyntaxError, ValueError):
        pass
    return {}


def data(x: float | str | None, table: Cells | None, node: GraphNode) -> Any:
    """A number, an array, or for an array that the graph only sums up one of ones."""
    if table is not None and table.exact:
        return np.array(table.rows).reshape(node.shape)
    if isinstance(x, int | float):
        return np.full(node.shape, x) if node.shape else np.float64(x)
    return np.broadcast_to(np.float64(1.0), node.shape)


def disagrees(found: Any, use: Use) -> bool:
    """Whether a value that can be compared with what flowed is another one."""
    edge = use.edge
    nodes = [use.source, use.target, *use.operands.values()]
    summed_up = [x for x in nodes if math.prod(x.shape) != 1 and not (x.values and x.values.exact)]
    if found is None or summed_up or edge.contribution is None:
        return False
    flowed = data(edge.contribution, edge.contributions, use.source)
    with np.errstate(all="ignore"):
        if is_larger(np.shape(found), use.source.shape):
            found = unbroadcast(np.asarray(found, float), use.source.shape)
        rounding = 1e-6 * np.nan_to_num(use.target.norm or 0.0)
        return not np.allclose(found, flowed, rtol=1e-3, atol=rounding, equal_nan=True)


def is_larger(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    padded = (1,) * (len(shape) - len(other)) + other
    return len(shape) > len(other) or any(n > m for n, m in zip(shape, padded))


def numeral_of(node: GraphNode, labels: Sequence[Expression]) -> Expression:
    if node.role == "constant" or isinstance(node.value, str):
        return labels[node.id]
    return numeral(node.value)
