"""A page to practise on: it asks for gradients in random small graphs, forty for each level."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.notation.formula import expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.rng import default_rng
from tinygrad_edu.viz.drawing.layout import Layout, Size, in_ranks
from tinygrad_edu.viz.graph.data import Graph
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.pages.levels import LEVELS, Generator, rulebook
from tinygrad_edu.viz.pages.mistakes import KINDS, Mistakes
from tinygrad_edu.viz.pages.player import Page, assembled, assets
from tinygrad_edu.viz.pages.predictions import rule_of
from tinygrad_edu.viz.pages.questions import ABSOLUTE, RELATIVE, Question, hints, question
from tinygrad_edu.viz.words.chain import gradient_name
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.steps import forward_steps_of

PARTS = "answers", "practice"  # files of style and script
GRAPHS = 40  # of a level
QUESTIONS = 2  # about a graph, at most
LARGEST = 60.0  # the largest number in a graph, and the largest answer
MISTAKES = 3  # wrong answers that a question must have, at least
STEP = 0.0025  # answers are multiples of this
LETTER, LINE, SIDE = 7.6, 18, 24  # the size of text in a box, in pixels
GAP = 34  # between a box and those below it


@dataclass(frozen=True)
class Exercise:
    """A graph and the questions about it."""

    level: str
    root: Node
    graph: Graph
    mistakes: Mistakes
    questions: tuple[Question, ...]


def practice(
    level: str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    rng: Generator | None = None,
) -> Page:
    """Random small graphs that ask for one gradient after another, as a page.

    level  "products", "chains", "fan-outs", "activations", "vectors" or "matrices"; by default
           all of them: the page then chooses the next level by the learner's answers
    path   where to save the page, if anywhere
    rng    the generator of the random graphs; the package's generator by default

    The page names typical mistakes, counts streaks, and suggests what to practise next. The engine
    computes every answer. Raises ValueError for an unknown level.
    """
    if level is not None and level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, or None, not {level!r}")
    rng = default_rng(rng)
    levels = list(LEVELS) if level is None else [level]
    reasons: dict[str, int] = {}
    data = {
        "title": "Practice",
        "tolerance": [RELATIVE, ABSOLUTE],
        "levels": [
            {
                "name": name,
                "title": LEVELS[name].title,
                "kinds": LEVELS[name].kinds,
                "exercises": [exercise_data(x, reasons) for x in exercises_of(name, rng)]
                if name in levels
                else [],
            }
            for name in LEVELS
        ],
        "kinds": KINDS,
        "rules": rules(),
    }
    data["reasons"] = list(reasons)
    style = assets("css", "page", *PARTS)
    script = assets("js", "dom", "theme", *PARTS)
    return assembled("practice", data, style, script).saved(path)


# Exercises


def exercises_of(level: str, rng: Generator, count: int = GRAPHS) -> list[Exercise]:
    """Exercises of a level, no two of them alike."""
    found: dict[Any, Exercise] = {}
    while len(found) < count:
        root = LEVELS[level].graph(rng)
        root.name = "L"
        graph = describe(root)
        key = tuple((x.operation, x.value, str(x.values)) for x in graph.nodes)
        if key not in found and all(is_small(x.value) for x in graph.nodes):
            mistakes = Mistakes(graph)
            questions = questions_for(mistakes, rng)
            if questions:
                found[key] = Exercise(level, root, graph, mistakes, questions)
    return list(found.values())


def is_small(x: Any) -> bool:
    return isinstance(x, str) or abs(x) <= LARGEST


def questions_for(mistakes: Mistakes, rng: Generator) -> tuple[Question, ...]:
    """Questions about some leaves, in random order, except those that are too easy or too hard."""
    graph, names = mistakes.backward.graph, names_of(mistakes.backward.graph)
    leaves = [x.id for x in graph.nodes if x.role == "parameter"]
    asked = (question(int(i), mistakes, names) for i in rng.permutation(leaves))
    return tuple(islice(filter(is_worth_asking, asked), QUESTIONS))


def is_worth_asking(x: Question) -> bool:
    """Whether the answer needs some computing, is a short number, and has enough wrong answers."""
    is_round = math.isclose(x.answer / STEP, round(x.answer / STEP), abs_tol=1e-6)
    is_gate = any(mistake.kind == "gate" for mistake in x.mistakes)
    is_plain = abs(x.answer) == 1 or (x.answer == 0 and not is_gate)
    return is_round and not is_plain and is_small(x.answer) and len(x.mistakes) >= MISTAKES


def solution(mistakes: Mistakes, asked: Question) -> list[tuple[str, str]]:
    """The part of the backward pass that a question needs: pairs of a rule and its result."""
    backward = mistakes.backward
    graph, names = backward.graph, names_of(backward.graph)
    needed = {asked.node}
    for i in reversed(graph.order):
        if i in needed:
            needed |= {graph.edges[e].target for e in backward.uses[i]}
    lines = []
    for i in graph.order:
        if i in needed and i != graph.root:
            result = written(backward.gradients[i])
            symbols, *numbers = hints(i, (0,) * len(graph.nodes[i].shape), mistakes, names)
            shown = [x.partition(" = ")[2] for x in numbers if not graph.nodes[i].shape]
            lines.append((symbols, " = ".join(["", *shown, result])))
    return lines


def written(x: Any) -> str:
    """A number, or an array in brackets."""
    if np.ndim(x) == 0:
        return number(float(x))
    return f"[{', '.join(map(written, x))}]"


# Data for the page


def exercise_data(x: Exercise, reasons: dict[str, int]) -> dict[str, Any]:
    drawn = without_numbers(x.graph)
    lines = lines_in_boxes(x.graph)
    sizes = [
        (max(len(line) for line in each) * LETTER + SIDE, len(each) * LINE + 14.0)
        for each in lines[: len(drawn.nodes)]
    ]
    places = from_top_to_bottom(drawn, sizes)
    return {
        "size": rounded(places.size),
        "nodes": [
            {"role": node.role, "lines": text, "box": rounded((*at, *size))}
            for node, text, at, size in zip(drawn.nodes, lines, places.nodes, sizes)
        ],
        "edges": list(places.paths),
        "questions": [question_data(x, each, reasons) for each in x.questions],
    }


def question_data(x: Exercise, asked: Question, reasons: dict[str, int]) -> dict[str, Any]:
    symbol = gradient_name(x.graph, asked.node, names_of(x.graph))
    return {
        "node": asked.node,
        "text": asked.text,
        "symbol": expression(symbol).pretty,
        "answer": asked.answer,
        "mistakes": [
            (m.answer, reasons.setdefault(m.reason, len(reasons)), m.kind) for m in asked.mistakes
        ],
        "solution": solution(x.mistakes, asked),
    }


def rounded(numbers: Sequence[float]) -> list[float]:
    return [round(x, 1) for x in numbers]


def without_numbers(graph: Graph) -> Graph:
    """The graph without plain numbers: the formulas show them.

    The edges from leaves come first, because leaves stand on the left in their rank: fewer edges
    cross.
    """
    nodes = tuple(x for x in graph.nodes if not x.is_plain_number)
    edges = [x for x in graph.edges if x.source < len(nodes)]
    edges.sort(key=lambda x: (x.target, bool(nodes[x.source].operation), x.position))
    return replace(graph, nodes=nodes, edges=tuple(edges))


def lines_in_boxes(graph: Graph) -> list[list[str]]:
    """The name or the operation of each node, and its value."""
    labels = [expression(name).pretty for name in names_of(graph)]
    made = {step.node: step.symbols.pretty for step in forward_steps_of(graph)}
    lines = []
    for node, label in zip(graph.nodes, labels):
        title = f"{label} = {made[node.id]}" if node.id in made else label
        if node.values is not None:
            rows = [f"[{', '.join(number(x) for x in row)}]" for row in node.values.rows]
            lines.append([title, *rows])
        elif isinstance(node.value, str):
            lines.append([title])
        elif node.id in made:
            lines.append(
                [title, str(node.value if isinstance(node.value, str) else number(node.value))]
            )
        else:
            lines.append([f"{label} = {number(float(node.value))}"])
    return lines


def from_top_to_bottom(graph: Graph, sizes: Sequence[Size]) -> Layout:
    """A layout with ranks one below the other: narrow enough for a phone."""
    places = in_ranks(graph, [(height, width) for width, height in sizes], GAP)
    return replace(
        places,
        size=places.size[::-1],
        nodes=tuple((y, x) for x, y in places.nodes),
        paths=tuple(map(mirrored, places.paths)),
    )


def mirrored(path: str) -> str:
    """A path of absolute commands with x and y exchanged."""
    return " ".join(turned(part) for part in path.split(" "))


def turned(part: str) -> str:
    command = part[0] if part[0].isalpha() else ""
    x, y = part.removeprefix(command).split(",")
    return f"{command}{y},{x}"


def rules() -> list[dict[str, Any]]:
    """The rulebook: the operation, and the gradients of its operands."""
    return [{"title": title, **rule(describe(root))} for title, root in rulebook()]


def rule(graph: Graph) -> dict[str, Any]:
    made = {
        step.name.pretty: f"{step.name.pretty} = {step.symbols.pretty}"
        for step in forward_steps_of(graph)
    }
    leaves = [x.id for x in graph.nodes if x.role == "parameter" and x.name in "xy"]
    if "z" in made:
        return {"made": [made["z"]], "rules": [rule_of(graph, i) for i in leaves]}
    return {"made": list(made.values()), "rules": [rule_of(graph, leaves[0])]}
