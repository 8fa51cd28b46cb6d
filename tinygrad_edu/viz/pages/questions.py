"""Questions about the gradients of a graph, with the answers that typical mistakes lead to."""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.recording import Record
from tinygrad_edu.notation.formula import Numeral, expression
from tinygrad_edu.viz.graph.data import Graph
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.pages.mistakes import KINDS, Mistake, Mistakes
from tinygrad_edu.viz.pages.player import Page, page_of, picture, steps
from tinygrad_edu.viz.pages.predictions import Prediction, predictions_of
from tinygrad_edu.viz.words.chain import chain_rule, gradient_name, in_numbers, total
from tinygrad_edu.viz.words.names import names_of

# The tolerances of a right answer. The absolute one is small: rounding may turn 0 into 1e-17, but a
# gradient of 1e-8 is not 0.
RELATIVE, ABSOLUTE = 1e-2, 1e-12
MOST = 24  # mistakes that a question knows: with more, a wrong answer finds a reason by chance


@dataclass(frozen=True)
class Question:
    """A question: what is d root / d node? For an array, it asks for one element.

    node      the id of the node
    text      the symbol that is asked for: ∂L/∂w[0, 1]
    answer    the gradient that the engine computed
    mistakes  wrong answers, and the mistakes that lead to them
    hints     the rule in symbols, then in numbers, unless that is the answer
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
        return next(reasons, "Not right yet.")


def close(answer: float, right: float) -> bool:
    return abs(answer - right) <= max(ABSOLUTE, RELATIVE * abs(right))


def quiz(
    root: Node,
    path: str | os.PathLike[str] | None = None,
    *,
    grad: Any = None,
    record: Record | None = None,
    depth: int | None = None,
    max_nodes: int = 60,
) -> Page:
    """The graph of root with its gradients hidden, for a learner to fill in, as a page.

    path  where to save the page, if anywhere; grad, record, depth and max_nodes as in `describe`

    The quiz first asks for up to three predictions: what happens to a gradient if an input
    doubles? Then it asks for each gradient, or for one element of an array. An answer within 1 % is
    right. It ends with a summary of the mistakes.
    Raises ValueError for a larger graph, for a graph without a gradient to ask for, and what
    `root.backward(grad)` raises.
    """
    graph = describe(root, grad=grad, max_nodes=max_nodes, record=record, depth=depth)
    asked = questions_of(graph)
    if not asked:
        raise ValueError(
            "there is no gradient to ask for: a quiz needs a node with a finite gradient, and of "
            "an array it can ask only up to 8 rows and columns"
        )
    shown = picture(graph)
    for edge in shown["edges"]:
        edge.update(contribution=None, contributions=None)
    names = [expression(name).pretty for name in names_of(graph)]
    for node, name in zip(shown["nodes"], names):
        node["title"] = name
    before = [step for step in steps(graph) if step["phase"] != "backward"]
    questions: list[Question | Prediction] = [*predictions_of(root, graph, grad), *asked]
    data = {
        **shown,
        "kind": "quiz",
        "title": f"Find the gradients of {names[graph.root]}",
        "steps": before + [question_step(each) for each in questions],
        "tolerance": [RELATIVE, ABSOLUTE],
        "kinds": KINDS,
    }
    return page_of(data, "answers", "quiz").saved(path)


def question_step(question: Question | Prediction) -> dict[str, Any]:
    """A question as a step of the page, in which its node gets a gradient as the root does."""
    return {
        "phase": "seed",
        "node": question.node,
        "to": question.node,
        "edges": [],
        "text": question.text if isinstance(question, Prediction) else f"What is {question.text}?",
        "question": asdict(question),
    }


def questions_of(graph: Graph) -> tuple[Question, ...]:
    """One question for each node that a gradient flows to, in the order of the backward pass.

    For an array it asks for the element with the largest gradient. It leaves out larger arrays
    than `describe` keeps in full, and gradients that are not finite.
    """
    mistakes, names = Mistakes(graph), names_of(graph)
    gradients = mistakes.backward.gradients
    return tuple(
        question(i, mistakes, names)
        for i in graph.order
        if i != graph.root and can_be_asked(gradients[i])
    )


def can_be_asked(gradient: Any) -> bool:
    return gradient is not None and gradient.size > 0 and bool(np.isfinite(gradient).all())


def question(node: int, mistakes: Mistakes, names: Sequence[Any]) -> Question:
    gradient = mistakes.backward.gradients[node]
    index = tuple(map(int, np.unravel_index(np.argmax(abs(gradient)), gradient.shape)))
    answer = float(gradient[index])
    wrong: list[Mistake] = []  # for each wrong answer, the likeliest mistake
    for mistake in mistakes.of(node, index):
        known = [answer, *(x.answer for x in wrong)]
        if math.isfinite(mistake.answer) and not any(close(mistake.answer, x) for x in known):
            wrong.append(mistake)
    symbol = expression(gradient_name(mistakes.backward.graph, node, names)).pretty
    text = element(symbol, gradient, index)
    return Question(node, text, answer, tuple(wrong[:MOST]), hints(node, index, mistakes, names))


def element(symbol: str, gradient: Any, index: tuple[int, ...]) -> str:
    """A symbol for one element of an array, or for a number."""
    return symbol if gradient.size == 1 else f"{symbol}[{', '.join(map(str, index))}]"


def hints(
    node: int, index: tuple[int, ...], mistakes: Mistakes, names: Sequence[Any]
) -> tuple[str, ...]:
    """The rule in symbols, then in numbers, unless that is one number: the answer."""
    backward = mistakes.backward
    graph, gradient = backward.graph, backward.gradients[node]
    symbol = expression(gradient_name(graph, node, names)).pretty
    rules = [chain_rule(graph, graph.edges[e], names) for e in backward.uses[node]]
    found = [f"{symbol} = {expression(total(symbols for symbols, _ in rules)).pretty}"]
    numbers = [numbers for _, numbers in rules]
    if not all(numbers):
        parts = [part for e in backward.uses[node] for part in backward.parts(e, index)]
        numbers = [Numeral(part) for part in parts]
    result = float(gradient[index])
    in_full = expression(in_numbers(total(numbers), result)).pretty
    if in_full != expression(Numeral(result)).pretty:
        found.append(f"{element(symbol, gradient, index)} = {in_full}")
    return tuple(found)
