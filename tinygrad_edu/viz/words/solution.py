"""The forward and the backward pass written out, as on the sheet that a teacher hands out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.formula import Expression, Numeral, expression
from tinygrad_edu.viz.graph.data import Cells, Graph, GraphNode
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.words.chain import chain_rule, in_numbers, total
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.steps import Contribution, forward_steps_of, steps_of

MATRIX = 4  # rows and columns of an array that is written out, at most
NUMBERS = 4  # equations of one number on one line
WIDTH = 180  # characters of LaTeX on one line, about


@dataclass(frozen=True)
class Solution:
    """Markdown with LaTeX: `print` it, write it to a file, or let a notebook show it."""

    markdown: str

    def __str__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown


def worked_solution(
    root: Node, grad: Any = None, record: Record | None = None, max_nodes: int | None = 400
) -> Solution:
    r"""Every operation, then every derivative: in symbols, in numbers, and the result.

        $$\frac{\partial L}{\partial w} = \frac{\partial L}{\partial z} \cdot x = -1.5 \cdot 1$$

    root       a Value or a Tensor
    grad       where the backward pass starts, of the shape of root; 1 for a scalar
    record     what `viz.record(model)` noted: tells parameters of the same name apart by module
    max_nodes  the largest graph to accept; None for any

    The derivative of a node that is used more than once is the sum over its uses. Arrays of at most
    four rows and columns are written out. No `.grad` is changed.
    Raises ValueError if no gradient flows and for a larger graph, and what `root.backward(grad)`
    raises.
    """
    if not root.requires_grad:
        root.seed(grad, create_graph=False)
    graph = describe(root, grad=grad, record=record, max_nodes=max_nodes)
    labels = [expression(name) for name in names_of(graph)]
    parts = [("Given", given(graph, labels)), ("Forward", forward(graph))]
    parts += [("Backward", backward(graph)), ("Answer", answers(graph))]
    return Solution("\n".join(f"### {title}\n\n{body}" for title, body in parts if body))


def given(graph: Graph, labels: Sequence[Expression]) -> str:
    """The leaves. Plain numbers among the operands are left out: they stand in the formulas."""
    leaves = [x for x in graph.nodes if not x.operation and (x.role != "constant" or x.shape)]
    values = [equation(labels[x.id].latex, data_latex(x.value, x.values, x)) for x in leaves]
    return lined(values, leaves)


def forward(graph: Graph) -> str:
    lines = []
    for step in forward_steps_of(graph):
        node = graph.nodes[step.node]
        middle = [] if step.numbers is None else [step.numbers.latex]
        value = data_latex(node.value, node.values, node)
        lines.append(equation(step.name.latex, step.symbols.latex, *middle, value))
    return display(*lines)


def backward(graph: Graph) -> str:
    lines, names = [], names_of(graph)
    received: dict[int, list[Contribution]] = defaultdict(list)
    for step in steps_of(graph):
        if step.is_root:
            lines.append(equation(step.derivative.latex, gradient_latex(graph.nodes[step.node])))
        for each in step.contributions:
            received[each.target].append(each)
            if each.use == each.uses:
                lines.append(derivative_of(graph, received[each.target], names))
    return display(*lines)


def derivative_of(graph: Graph, contributions: Sequence[Contribution], names: Sequence[Any]) -> str:
    """The derivative of a node: the sum of the contributions of its uses."""
    node = graph.nodes[contributions[0].target]
    terms = [chain_rule(graph, graph.edges[each.edge], names) for each in contributions]
    sides = [contributions[0].gradient.latex, expression(total(x for x, _ in terms)).latex]
    if not isinstance(node.gradient, str):
        result = node.gradient or 0.0
        sums = [[numbers for _, numbers in terms], [Numeral(each.value) for each in contributions]]
        sides += [
            expression(in_numbers(total(parts), result)).latex for parts in sums if all(parts)
        ]
    return equation(*sides, gradient_latex(node))


def answers(graph: Graph) -> str:
    """The derivatives with respect to the parameters, repeated at the end."""
    found = {each.target: each.gradient for step in steps_of(graph) for each in step.contributions}
    parameters = [x for x in graph.nodes if x.role == "parameter" and x.id in found]
    return lined([equation(found[x.id].latex, gradient_latex(x)) for x in parameters], parameters)


def gradient_latex(node: GraphNode) -> str:
    return data_latex(0.0 if node.gradient is None else node.gradient, node.gradients, node)


def latex_of(x: float) -> str:
    return expression(Numeral(x)).latex


def data_latex(x: float | str, table: Cells | None, node: GraphNode) -> str:
    """A number, a small array as a matrix, or the shape and the summary of a large array."""
    if not isinstance(x, str):
        return latex_of(x)
    small = table is not None and table.exact and max(node.shape) <= MATRIX
    if table is None or not small or len(node.shape) > 2:
        return rf"\text{{{node.shape}: {x}}}"
    rows = r" \\ ".join(" & ".join(latex_of(cell) for cell in row) for row in table.rows)
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def equation(*sides: str) -> str:
    """a = b = c without repeated sides; a long equation has a line for each side."""
    left, *rights = dict.fromkeys(sides)
    line = " = ".join([left, *rights])
    if len(line) <= WIDTH or len(rights) == 1:
        return line
    rows = r" \\ ".join(f"&= {x}" for x in rights)
    return rf"\begin{{aligned}} {left} {rows} \end{{aligned}}"


def lined(equations: Sequence[str], nodes: Iterable[GraphNode]) -> str:
    """Equations in lines: several equations of numbers in each, or one of arrays."""
    n = 1 if any(node.shape for node in nodes) else NUMBERS
    rows = (equations[i : i + n] for i in range(0, len(equations), n))
    return display(*(r" \qquad ".join(row) for row in rows))


def display(*lines: str) -> str:
    return "\n".join(f"$$\n{line}\n$$\n" for line in lines)
