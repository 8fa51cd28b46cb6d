"""An interactive graph as a page: drag an input, and every number follows."""

import math
import operator
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.compiler.javascript import JavaScriptWriter
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.scalars import backward_numbers, record_scalars
from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.graph import Node, behind, plain
from tinygrad_edu.tracing import Line, Traced
from tinygrad_edu.value import Value
from tinygrad_edu.viz.graph.data import Graph
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.pages.player import Page, picture, root_name
from tinygrad_edu.viz.pages.workbench import computing_page

WIDEST = -1.234e-05  # no number takes more room
COMPARISONS = {
    operator.gt: ">",
    operator.ge: "≥",
    operator.lt: "<",
    operator.le: "≤",
    operator.eq: "=",
    operator.ne: "≠",
}


def explore(
    f: Callable[..., Any],
    path: str | os.PathLike[str] | None = None,
    /,
    *,
    max_nodes: int = 200,
    **inputs: Any,
) -> Page:
    """The graph of f(**inputs) as an interactive page: drag an input, and every number follows.

        viz.explore(lambda w, x, b: (w * x + b - 4) ** 2, w=2.0, x=1.5, b=-0.5)

    f          takes Values and returns one
    path       where to save the page, if anywhere
    max_nodes  the largest graph to accept
    inputs     numbers or Values; an array, a list or a Tensor becomes an array of Values

    The page contains the forward and the backward pass as a program, and computes the same numbers
    as the engine. Below each gradient it shows the slope measured with f alone. It says where f
    would take another branch, or raise an error. In a notebook, `widget` uses the running engine
    instead.
    Raises ValueError for a larger graph, for no inputs, and for a function that gives other numbers
    when it runs again; TypeError if f returns no Value; CompileError for what a program cannot
    record, such as float() of a Value.
    """
    leaves = leaves_of(inputs)
    if not leaves:
        raise ValueError("there is no input to change: pass the inputs by name, such as w=2.0")

    def result(values: Mapping[str, Value]) -> Any:
        return value_of(f(**filled(inputs, values)))

    values = {name: Value(x, name=name) for name, x in leaves.items()}
    root = result(values)
    graph, nodes = describe(root, max_nodes=max_nodes), in_order(root)
    uses = uses_of(graph)
    program = record_scalars(both_passes(result, uses), leaves)
    check(f, program, nodes, 2 * len(nodes) + len(uses) + len(leaves))
    writer = JavaScriptWriter(program)
    text = writer.text()
    data = graph_data(graph, nodes, leaves, [*values.values()])
    titles = [node["title"] for node in data["nodes"]]
    names = names_of_lines(program, leaves, titles[: len(nodes)])
    data["guards"] = [guard_text(line, names) for line in writer.guards]
    return computing_page(data, [text], "explore", "program").saved(path)


# The inputs


def leaves_of(inputs: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of the inputs by name; an element of an array x is called x[0,1]."""
    found = {}
    for name, x in inputs.items():
        array = np.asarray(plain(x), dtype=object)
        for index, each in np.ndenumerate(array):
            place = f"{name}[{','.join(map(str, index))}]" if index else name
            number = Value(each).data
            if not math.isfinite(number):
                raise ValueError(f"{place} is {number}: a slider must start at a finite number")
            if index and place in inputs:
                raise ValueError(
                    f"two numbers are called {place}: the input {place} and an element of the "
                    f"input {place.rpartition('[')[0]}. Give one of the inputs another name"
                )
            found[place] = number
    return found


def filled(inputs: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """The inputs with a Value for each number."""
    rest = iter(values.values())
    given: dict[str, Any] = {}
    for name, x in inputs.items():
        shape = np.shape(plain(x))
        if not shape:
            given[name] = next(rest)
            continue
        given[name] = np.empty(shape, object)
        for index in np.ndindex(shape):
            given[name][index] = next(rest)
    return given


def value_of(out: Any, asker: str = "explore") -> Any:
    """The result of a function: one Value that depends on its inputs."""
    if isinstance(out, np.ndarray) and out.size == 1:
        out = out.item()
    if isinstance(out, Traced):  # NumPy treats a recorded comparison as an array
        raise CompileError(
            "a NumPy function of a comparison of Values cannot be recorded: write "
            "x if x > 0 else y in place of np.where(x > 0, x, y)"
        )
    if not isinstance(out, Value):
        is_array = isinstance(out, np.ndarray)
        what = f"an array of shape {out.shape}" if is_array else f"a {type(out).__name__}"
        raise TypeError(
            f"{asker} needs a function of Values that returns one Value; it returned {what}"
        )
    if not out.requires_grad:
        raise ValueError("the result does not depend on the inputs: there are no gradients to show")
    return out


def in_order(root: Node) -> list[Node]:
    """The nodes behind root, in the order in which `describe` numbers them."""
    return sorted(behind(root), key=lambda node: node.birth)


# The program


def both_passes(
    result: Callable[[Mapping[str, Value]], Any], uses: list[tuple[int, int]]
) -> Callable[[dict[str, Value]], list[Any]]:
    """A function of the inputs that computes all numbers of the page.

    They are, in this order, the value of each node, the gradient of each node, the contribution of
    each of `uses`, (node, operand), and the gradient of each input, which is 0 for an unused one.
    """

    def numbers(values: dict[str, Value]) -> list[Any]:
        root = result(values)
        nodes = in_order(root)
        gradients, flows = backward_numbers(root, nodes)
        return [
            *nodes,
            *(gradients.get(node, 0.0) for node in nodes),
            *(flows.get((nodes[i], k)) if i < len(nodes) else None for i, k in uses),
            *(gradients.get(x, 0.0) for x in values.values()),
        ]

    return numbers


def check(f: Any, program: Program, nodes: list[Node], count: int) -> None:
    """Raise ValueError if the program's `count` numbers are not those of the drawn graph."""
    found = [x.data if isinstance(x, Line) else x for x in program.outputs]
    expected = [node.data for node in nodes]
    known = found[: len(nodes)]
    is_same = len(found) == count and None not in found
    if not is_same or not np.allclose(known, expected, rtol=1e-9, atol=1e-12, equal_nan=True):
        raise ValueError(
            f"{getattr(f, '__name__', 'the function')} gives other numbers when it runs again: "
            "does it depend on more than its inputs, such as random draws?"
        )


def names_of_lines(
    program: Program, leaves: Mapping[str, float], titles: list[str]
) -> dict[Any, str]:
    """The names that the inputs and the values of a program have in the graph."""
    return {**dict(zip(program.inputs, leaves)), **dict(zip(program.outputs, titles))}


def guard_text(line: Line, names: Mapping[Any, str]) -> dict[str, Any]:
    """The condition of a branch as text, and its answer when the graph was made."""
    question, x, answer = line.inputs

    def name(operand: Any) -> str:
        return names.get(operand, "a number") if isinstance(operand, Line) else f"{operand:g}"

    if x.function in COMPARISONS:
        a, b = x.inputs
        text = f"{name(a)} {COMPARISONS[x.function]} {name(b)}"
    else:
        text = f"{name(x)} ≠ 0" if question is operator.truth else name(x)
    return {"question": text, "answer": answer}


# The picture


def graph_data(
    graph: Graph, nodes: list[Node], leaves: Mapping[str, float], inputs: list[Value]
) -> dict[str, Any]:
    """The data that explore.js draws. It takes the numbers in the order of `both_passes`."""
    places = {node: i for i, node in enumerate(nodes)}
    return {
        **picture(widest(graph)),
        "kind": "explore",
        "title": f"Explore {root_name(graph)}",
        "name": root_name(graph),
        "root": graph.root,
        "known": len(nodes),
        "flows": flows_of(graph),
        "inputs": [
            {"name": name, "value": number, "node": places.get(x)}
            for (name, number), x in zip(leaves.items(), inputs)
        ],
    }


def flows_of(graph: Graph) -> list[int]:
    """The edges along which a gradient flows back."""
    return [k for k, edge in enumerate(graph.edges) if edge.contribution is not None]


def uses_of(graph: Graph) -> list[tuple[int, int]]:
    """The node and the operand of each of these edges."""
    return [(graph.edges[k].target, graph.edges[k].position) for k in flows_of(graph)]


def widest(graph: Graph) -> Graph:
    """The graph with numbers that take the most room, since they will change."""
    nodes = tuple(
        node
        if node.role == "constant"
        else replace(node, value=WIDEST, gradient=None if node.gradient is None else WIDEST)
        for node in graph.nodes
    )
    edges = tuple(
        edge if edge.contribution is None else replace(edge, contribution=WIDEST)
        for edge in graph.edges
    )
    return replace(graph, nodes=nodes, edges=edges)
