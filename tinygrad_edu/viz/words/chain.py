"""The chain rule at one edge of a graph: in the names of the graph, and in its numbers.

The printed arithmetic is true: numbers have as many digits as the printed result needs.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.notation.formula import Derivative, Numeral
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notation.terms import Call, Ref, evaluated, with_leaves, with_refs
from tinygrad_edu.viz.graph.data import Graph, GraphEdge

DIGITS = range(4, 18)  # 17 digits tell any two doubles apart


def chain_rule(graph: Graph, edge: GraphEdge, names: Sequence[Any]) -> tuple[Any, Any]:
    """The contribution of an edge in symbols and in numbers; no numbers (None) for arrays.

    It is the formula of the rule, or dL/dz * dz/dx if there is no formula.
    """
    root = names[graph.root]

    def named(ref: Ref) -> Any:
        return Derivative(root, names[ref.node]) if ref.is_gradient else names[ref.node]

    source, target = graph.nodes[edge.source], graph.nodes[edge.target]
    if edge.formula is None:
        local = Derivative(names[edge.target], names[edge.source])
        symbols = Call(np.multiply, (Derivative(root, names[edge.target]), local))
        if edge.local is None or not isinstance(target.gradient, float):
            return symbols, None
        return symbols, Call(np.multiply, (Numeral(target.gradient), Numeral(edge.local)))
    symbols = with_refs(edge.formula, named)
    if source.shape or target.shape or not all(numeral(x, graph) for x in refs_in(edge.formula)):
        return symbols, None
    return symbols, with_refs(edge.formula, lambda ref: numeral(ref, graph))


def gradient_name(graph: Graph, node: int, names: Sequence[Any]) -> Derivative:
    return Derivative(names[graph.root], names[node])


def refs_in(term: Any) -> list[Ref]:
    """The nodes in a term."""
    found: list[Ref] = []
    with_refs(term, found.append)
    return found


def numeral(ref: Ref, graph: Graph) -> Numeral | None:
    """The number that a reference stands for; None for an array."""
    node = graph.nodes[ref.node]
    x = (node.gradient or 0.0) if ref.is_gradient else node.value
    if node.shape or isinstance(x, str):
        return None
    return Numeral(x, is_int=node.role == "constant" and "int" in node.dtype)


def in_numbers(term: Any, result: float) -> Any:
    """A term of numerals, with as many digits as it takes to give `result` as it is printed."""
    for digits in DIGITS:
        tree = with_digits(term, digits)
        if comes_to(tree, result):
            break
    return tree


def with_digits(term: Any, digits: int) -> Any:
    def shown(x: Any) -> Any:
        match x:
            case Numeral():
                return replace(x, digits=digits)
            case float() if not x.is_integer():
                return Numeral(x, digits)
        return x

    return with_leaves(term, shown)


def comes_to(tree: Any, result: float) -> bool:
    """Whether the numbers as printed give the result as printed."""
    try:
        found = evaluated(rounded(tree), lambda ref: math.nan)
    except IndexError:  # an index among the numbers: it is printed in full
        return True
    if not math.isfinite(result):
        return np.array_equal(found, result, equal_nan=True)
    shown = float(number(result))
    unit = 10.0 ** (math.floor(math.log10(abs(shown))) - 3) if shown else 0.0
    return abs(found - shown) <= 0.5 * unit * (1 + 1e-9)


def rounded(tree: Any) -> Any:
    """A term of the rounded numbers that a reader sees, as arrays: every function takes these."""
    return with_leaves(tree, lambda x: np.asarray(x.rounded) if isinstance(x, Numeral) else x)


def total(terms: Iterable[Any]) -> Any:
    """The sum of some terms."""
    return functools.reduce(lambda x, y: Call(np.add, (x, y)), terms)
