"""Practice: every graph of every level has the engine's numbers, and mistakes that can be told."""

import itertools

import numpy as np
import pytest

from tinygrad_edu import manual_seed
from tinygrad_edu.graph import Node, behind
from tinygrad_edu.viz import practice
from tinygrad_edu.viz.pages.exercises import (
    GRAPHS,
    LARGEST,
    QUESTIONS,
    exercise_data,
    exercises_of,
    rules,
    solution,
)
from tinygrad_edu.viz.pages.levels import LEVELS
from tinygrad_edu.viz.pages.mistakes import KINDS
from tinygrad_edu.viz.pages.questions import close


@pytest.fixture(scope="module")
def exercises():
    """All of a page, as it is made by default."""
    rng = np.random.default_rng(0)
    return [x for level in LEVELS for x in exercises_of(level, rng)]


def gradients_of(root):
    found = {}
    root.backward(inputs=(), watch=lambda x, g, _: found.update({x: g}))
    return found


def recomputed(root, leaf, data):
    """The number that root comes to with other data in a leaf: functions on plain data only."""
    found = {}
    for node in sorted(behind(root), key=lambda node: node.birth):
        if node.function is None:
            found[node] = data if node is leaf else node.data
            continue
        inputs = [found[x] if isinstance(x, Node) else x for x in node.inputs]
        found[node] = node.function(*inputs, **node.options)
    return float(found[root])


def asked_of(exercise, question):
    """The leaf that a question is about, and which element of it."""
    birth = exercise.graph.nodes[question.node].birth
    (leaf,) = (x for x in behind(exercise.root) if x.birth == birth)
    inside = question.text.partition("[")[2].rstrip("]")
    return leaf, tuple(map(int, inside.split(","))) if inside else ()


def test_all_answers_are_the_engine_s_and_central_differences(exercises):
    for exercise in exercises:
        gradients = {}
        exercise.root.backward(
            inputs=(), watch=lambda x, g, _, found=gradients: found.update({x: g})
        )
        for question in exercise.questions:
            leaf, index = asked_of(exercise, question)
            assert question.answer == np.asarray(gradients[leaf])[index]
            step = np.zeros(np.shape(leaf.data))
            step[index] = 1e-4
            sides = [recomputed(exercise.root, leaf, leaf.data + x) for x in (step, -step)]
            assert question.answer == pytest.approx((sides[0] - sides[1]) / 2e-4, abs=1e-5)


def test_every_mistake_differs_from_the_answer_and_from_the_others(exercises):
    for exercise in exercises:
        for question in exercise.questions:
            assert len(question.mistakes) >= 3
            for mistake in question.mistakes:
                assert not close(mistake.answer, question.answer)
                assert question.verdict(mistake.answer) == mistake.reason
                assert mistake.kind in KINDS


def test_a_level_has_the_mistakes_that_it_is_good_against(exercises):
    for name, level in LEVELS.items():
        questions = [q for x in exercises if x.level == name for q in x.questions]
        found = {mistake.kind for question in questions for mistake in question.mistakes}
        assert set(level.kinds) <= found, name
    helped = set().union(*(level.kinds for level in LEVELS.values()))
    assert helped >= {
        mistake.kind for x in exercises for q in x.questions for mistake in q.mistakes
    }


def test_numbers_are_small_and_graphs_are_all_different(exercises):
    assert len(exercises) == GRAPHS * len(LEVELS)
    for exercise in exercises:
        assert 1 <= len(exercise.questions) <= QUESTIONS
        for question in exercise.questions:
            assert abs(question.answer) <= LARGEST
            assert question.answer * 400 == pytest.approx(round(question.answer * 400), abs=1e-3)
    told = [str(exercise_data(x, {})["nodes"]) for x in exercises]
    assert len(set(told)) == len(told)


def test_relu_is_shut_in_some_graphs_and_open_in_others(exercises):
    gated = [x for x in exercises if any(node.operation == "relu" for node in x.graph.nodes)]
    answers = [question.answer == 0 for x in gated for question in x.questions]
    assert 0.05 < np.mean(answers) < 0.7


def test_the_solution_ends_in_the_answer(exercises):
    for exercise in exercises:
        for question in exercise.questions:
            lines = solution(exercise.mistakes, question)
            symbols, numbers = lines[-1]
            assert symbols == question.hints[0]
            if "[" not in question.text:
                assert float(numbers.split(" = ")[-1]) == pytest.approx(question.answer, rel=1e-3)
            mentioned = "".join(symbols for symbols, _ in lines)
            assert mentioned.count("∂L/∂L") >= 1  # it starts at the end of the graph


def test_boxes_lie_in_the_picture_and_apart(exercises):
    for exercise in exercises:
        data = exercise_data(exercise, {})
        width, height = data["size"]
        assert width <= 440  # it is legible on a phone
        boxes = [node["box"] for node in data["nodes"]]
        for x, y, w, h in boxes:
            assert w / 2 <= x <= width - w / 2 + 1
            assert h / 2 <= y <= height - h / 2 + 1
        for (a, b, w, h), (c, d, v, k) in itertools.combinations(boxes, 2):
            assert abs(a - c) >= (w + v) / 2 or abs(b - d) >= (h + k) / 2


def test_the_rulebook_is_what_the_engine_does():
    book = {rule["title"]: (rule["made"], rule["rules"]) for rule in rules()}
    assert book["product"] == (["z = x · y"], ["∂L/∂x = ∂L/∂z · y", "∂L/∂y = ∂L/∂z · x"])
    assert book["difference"][1] == ["∂L/∂x = ∂L/∂z", "∂L/∂y = -∂L/∂z"]
    assert book["power"] == (["z = x³"], ["∂L/∂x = ∂L/∂z · 3 · x²"])
    assert book["used twice"][1] == ["∂L/∂x = ∂L/∂z₁ · y + ∂L/∂z₂ · v"]
    assert book["tanh"][1] == ["∂L/∂x = ∂L/∂z · (1 - z · z)"]
    assert book["a number, broadcast"][1] == ["∂L/∂x = ∂L/∂z · y", "∂L/∂y = sum(∂L/∂z · x)"]
    assert book["matrix product"][1] == ["∂L/∂x = ∂L/∂z @ yᵀ", "∂L/∂y = xᵀ @ ∂L/∂z"]


def test_a_page_of_one_level_comes_from_its_generator(tmp_path):
    pages = [practice("chains", rng=np.random.default_rng(seed)).html for seed in (3, 3, 4)]
    assert pages[0] == pages[1] != pages[2]
    assert len(pages[0].encode()) < 200_000
    manual_seed(3)
    page = practice("chains", tmp_path / "practice.html")
    assert page.html == pages[0]
    assert (tmp_path / "practice.html").read_text("utf-8") == page.html
    with pytest.raises(ValueError, match=r"level must be one of products, chains, .*not 'chain'"):
        practice("chain")
