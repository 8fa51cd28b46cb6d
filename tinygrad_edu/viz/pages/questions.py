"""Questions about the gradients of a graph, with the answers that typical mistakes lead to."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.notation.formula import Numeral, expression
from tinygrad_edu.notation.terms import Call, Ref, evaluated, summed
from tinygrad_edu.tensor import unbroadcast
from tinygrad_edu.viz.graph.data import Cells, Graph
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.pages.player import Page, page_of, picture, root_name, steps
from tinygrad_edu.viz.words.chain import chain_rule, in_numbers, refs_in, total
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.steps import Contribution, Step, steps_of

RELATIVE, ABSOLUTE = 1e-2, 1e-6  # an answer that lies closer is right


@dataclass(frozen=True)
class Mistake:
    """A wrong answer, and what the learner who gives it did."""

    answer: float
    reason: str


@dataclass(frozen=True)
class Question:
    """What is d root / d node? Of an array, one element of it.

    node    the id of the node
    text    the symbol that is asked for: dL/dw[0, 1]
    answer  what the engine found
    hints   the rule in symbols, then with the numbers
    """

    node: int
    text: str
    answer: float
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]

    def verdict(self, answer: float) -> str:
        """Whether an answer is right, or which mistake leads to it."""
        if close(answer, self.answer):
            return "Right."
        reasons = (x.reason for x in self.mistakes if close(answer, x.answer))
        return next(reasons, "Not yet.")


def close(answer: float, right: float) -> bool:
    return abs(answer - right) <= max(ABSOLUTE, RELATIVE * abs(right))


def quiz(
    root: Node,
    path: str | os.PathLike[str] | None = None,
    *,
    grad: Any = None,
    max_nodes: int = 60,
) -> Page:
    """The graph of root with its gradients hidden, for a learner to fill in, as a page.

    path  where to save the page, if anywhere; the others are those of `describe`

    An answer is right within 1 %; of an array it asks for one element.
    Raises ValueError for a larger graph, one without a gradient to ask for, and what
    `root.backward(grad)` raises.
    """
    graph = describe(root, grad=grad, max_nodes=max_nodes)
    asked = questions_of(graph)
    if not asked:
        raise ValueError(
            "there is no gradient to ask for: a quiz needs a node that requires a gradient, and "
            "of arrays small ones, of at most 8 rows and columns"
        )
    shown = picture(graph)
    for edge in shown["edges"]:
        edge.update(contribution=None, contributions=None)
    before = [step for step in steps(graph) if step["phase"] != "backward"]
    data = {
        **shown,
        "kind": "quiz",
        "title": f"Find the gradients of {root_name(graph)}",
        "steps": before + [question_step(each) for each in asked],
        "tolerance": [RELATIVE, ABSOLUTE],
    }
    return page_of(data, "quiz").saved(path)


def question_step(question: Question) -> dict[str, Any]:
    """A question as a step of the page, in which its node gets a gradient as the root does."""
    return {
        "phase": "seed",
        "node": question.node,
        "to": question.node,
        "edges": [],
        "text": f"What is {question.text}?",
        "question": asdict(question),
    }


def questions_of(graph: Graph) -> tuple[Question, ...]:
    """One question for each node that a gradient flows to, in the order of the backward pass.

    Of an array it asks for the element with the largest gradient. Arrays of more elements than
    `describe` writes down are left out, and so are gradients that are not finite.
    """
    backward = {step.node: step for step in steps_of(graph)}
    lines = [line for step in backward.values() for line in step.contributions]
    asked = []
    names = names_of(graph)
    for i in graph.order:
        node = graph.nodes[i]
        gradient = whole_array(node.gradient, node.gradients, node.shape)
        if node.role == "root" or gradient is None or not np.isfinite(gradient).all():
            continue
        uses = [
            flow(graph, line, backward[graph.edges[line.edge].target], names)
            for line in lines
            if line.target == i
        ]
        asked.append(question(i, gradient, uses))
    return tuple(asked)


def question(node: int, gradient: Any, uses: list["Flow"]) -> Question:
    index = tuple(map(int, np.unravel_index(np.argmax(abs(gradient)), gradient.shape)))
    answer = float(gradient[index])
    wrong: dict[float, Mistake] = {}  # to each answer the likeliest mistake
    for mistake in mistakes(gradient, uses, index):
        if math.isfinite(mistake.answer) and not close(mistake.answer, answer):
            wrong.setdefault(mistake.answer, mistake)
    symbol = uses[0].line.gradient.text
    text = symbol if gradient.size == 1 else f"{symbol}[{', '.join(map(str, index))}]"
    hints = [f"{symbol} = {expression(total(use.symbols for use in uses)).text}"]
    summands = [Numeral(part) for use in uses for part in use.summands(index)]
    numbers = [use.numbers for use in uses if use.numbers is not None]
    if len(numbers) == len(uses):
        hints.append(f"{text} = {expression(in_numbers(total(numbers), answer)).text}")
    elif len(summands) > 1:
        hints.append(f"{text} = {expression(in_numbers(total(summands), answer)).text}")
    return Question(node, text, answer, tuple(wrong.values()), tuple(hints))


def mistakes(gradient: Any, uses: list["Flow"], index: tuple[int, ...]) -> Iterator[Mistake]:
    """The answers that typical mistakes lead to, the likelier first."""
    if len(uses) > 1:
        for use in uses:
            yield Mistake(
                float(use.contribution[index]),
                f"This is the contribution through {use.result} alone. There are {len(uses)} uses: "
                "add the contributions of all.",
            )
    for use in uses:
        others = gradient - use.contribution
        for part in use.summands(index):  # a single one is no mistake, but the answer
            yield Mistake(
                float(others[index] + part),
                "This is one summand. Broadcasting used the element several times: sum over the "
                "axes that it stretched.",
            )
        if use.local is not None:
            for wrong in (use.local, others + use.local):
                yield Mistake(
                    float(wrong[index]),
                    f"This has the local derivative of {use.result} alone. Multiply it by the "
                    f"gradient that comes in, {use.incoming}.",
                )
        if use.swapped is not None:
            yield Mistake(
                float((others + use.swapped)[index]),
                f"This takes the wrong operand of the product {use.result}: the derivative with "
                "respect to one operand is the other one.",
            )
    yield Mistake(-float(gradient[index]), "The size is right, the sign is wrong.")
    if len(uses) > 1:
        for use in uses:
            yield Mistake(
                float((gradient - 2 * use.contribution)[index]),
                f"The contribution through {use.result} has the wrong sign.",
            )


@dataclass(frozen=True)
class Flow:
    """What flows back from one use of a node, and what would flow if a mistake were made.

    line          this use as a line of the backward pass, with the
    symbols, numbers
                  of its formula; None for arrays
    result        what the node is used for, and `incoming` the gradient of that
    contribution  what flows back
    partial       the same before broadcasting is undone; None if the formula does not say it
    local         what would flow back if the gradient that comes in were 1
    swapped       what would flow back if a product took the wrong operand
    """

    line: Contribution
    symbols: Any
    numbers: Any
    result: str
    incoming: str
    contribution: Any
    partial: Any
    local: Any
    swapped: Any

    def summands(self, index: tuple[int, ...]) -> list[float]:
        """What is added up to the contribution at an index."""
        shape = self.contribution.shape
        if self.partial is None or self.partial.shape == shape:
            return [float(self.contribution[index])]
        kept = (slice(None) if n == 1 else i for n, i in zip(shape, index, strict=True))
        return self.partial[(..., *kept)].ravel().tolist()


def flow(graph: Graph, line: Contribution, step: Step, names: Sequence[Any]) -> Flow:
    edge = graph.edges[line.edge]
    source, target = graph.nodes[edge.source], graph.nodes[edge.target]
    term, shape = edge.formula, source.shape
    match term:
        case Call(function=function, operands=(inner,)) if function is summed:
            term, shape = inner, target.shape  # before broadcasting is undone

    def comes_to(term: Any, g: float | None = None) -> Any:
        return computed(term, graph, shape, g)

    local, swapped = comes_to(term, g=1.0), None
    match term:
        case Call(function=function, operands=(Ref(is_gradient=True) as g, Ref() as other)) if (
            function is np.multiply and other.node != edge.target
        ):
            swapped = comes_to(Call(function, (g, Ref(edge.source))))
    return Flow(
        line,
        *chain_rule(graph, edge, names),
        step.name.text,
        step.derivative.text,
        whole_array(edge.contribution, edge.contributions, source.shape),
        partial=comes_to(term),
        local=None if local is None else unbroadcast(local, source.shape),
        swapped=None if swapped is None else unbroadcast(swapped, source.shape),
    )


def computed(term: Any, graph: Graph, shape: tuple[int, ...], g: float | None = None) -> Any:
    """What a term comes to in the numbers of the graph; None if they are not all there.

    g  in the place of every element of the gradient that comes in
    """

    def value(ref: Ref) -> Any:
        node = graph.nodes[ref.node]
        if ref.is_gradient and g is not None:
            return np.full(node.shape, g)
        found = (node.gradient, node.gradients) if ref.is_gradient else (node.value, node.values)
        return whole_array(*found, node.shape)

    if term is None or any(value(ref) is None for ref in refs_in(term)):
        return None
    found = np.asarray(evaluated(term, value), float)
    return found.reshape(shape) if found.size == math.prod(shape) else np.broadcast_to(found, shape)


def whole_array(scalar: float | str | None, cells: Cells | None, shape: tuple[int, ...]) -> Any:
    """The array behind a number or a small table; None if that is not all of it."""
    if cells is None:
        return np.full(shape, scalar) if isinstance(scalar, float) else None
    return np.reshape(cells.rows, shape) if cells.exact else None
