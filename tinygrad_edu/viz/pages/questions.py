"""Questions about the gradients of a graph, with the answers that typical mistakes lead to."""

import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.tensor import unbroadcast
from tinygrad_edu.viz.graph.data import Cells, Graph
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.graph.labels import labels_of
from tinygrad_edu.viz.graph.numbers import number
from tinygrad_edu.viz.pages.player import Page, page_of, picture, steps
from tinygrad_edu.viz.words.chain import UNKNOWN, Use, adapted, evaluated
from tinygrad_edu.viz.words.steps import Contribution, Step, edges_into, root_of, steps_of

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
        "title": f"Find the gradients of {labels_of(graph)[root_of(graph)].text}",
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
    into = edges_into(graph)
    backward = {step.node: step for step in steps_of(graph)}
    lines = [line for step in backward.values() for line in step.contributions]
    asked = []
    for i in graph.order:
        node = graph.nodes[i]
        gradient = array(node.gradient, node.gradients, node.shape)
        if node.role == "root" or gradient is None or not np.isfinite(gradient).all():
            continue
        uses = []
        for line in lines:
            if line.target == i:
                edge = graph.edges[line.edge]
                use = Use.of(graph, edge, into[edge.target])
                uses.append(flow(use, line, backward[edge.target]))
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
    hints = [f"{symbol} = {total(use.line.symbols.text for use in uses)}"]
    summands = [part for use in uses for part in use.summands(index)]
    numbers = [use.line.numbers.text for use in uses if use.line.numbers is not None]
    if len(numbers) == len(uses):
        hints.append(f"{text} = {total(numbers)}")
    elif len(summands) > 1:
        hints.append(f"{text} = {total(map(number, summands))}")
    return Question(node, text, answer, tuple(wrong.values()), tuple(hints))


def total(summands: Iterable[str]) -> str:
    return " + ".join(summands).replace("+ -", "- ")


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

    line          this use as a line of the backward pass
    result        what the node is used for, and `incoming` the gradient of that
    contribution  what flows back
    partial       the same before broadcasting is undone; None if the formula does not say it
    local         what would flow back if the gradient that comes in were 1
    swapped       what would flow back if a product took the wrong operand
    """

    line: Contribution
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


def flow(use: Use, line: Contribution, step: Step) -> Flow:
    edge, shape = use.edge, use.source.shape
    contribution = array(edge.contribution, edge.contributions, shape)
    formula = adapted(use) or "None"
    ones = replace(use, target=replace(use.target, gradient=1.0, gradients=None))
    partial: Any = computed(formula, use)
    local: Any = None if edge.local is None else np.full(shape, edge.local)
    swapped = None
    if partial is None or not np.allclose(unbroadcast(partial, shape), contribution):
        partial = None
    elif re.fullmatch(r"g \* (?!out)[\w\[\]]+", formula):
        swapped = unbroadcast(computed(f"g * {edge.argument}", use), shape)
    if local is None and partial is not None:
        local = unbroadcast(computed(formula, ones), shape)
    incoming = step.derivative.text
    return Flow(line, step.name.text, incoming, contribution, partial, local, swapped)


def computed(formula: str, use: Use) -> Any:
    """What a formula comes to as an array; None if that cannot be said."""
    found = evaluated(formula, use)
    return None if found is None or found is UNKNOWN else np.asarray(found, float)


def array(scalar: float | str | None, cells: Cells | None, shape: tuple[int, ...]) -> Any:
    """The array behind a number or a small table; None if that is not all of it."""
    if cells is None:
        return np.full(shape, scalar) if isinstance(scalar, float) else None
    return np.reshape(cells.rows, shape) if cells.exact else None
