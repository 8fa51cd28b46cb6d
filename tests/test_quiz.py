"""The quiz: right answers are the engine's, and each typical mistake has its name."""

import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value
from tinygrad_edu.value import weighted_sum
from tinygrad_edu.viz import describe
from tinygrad_edu.viz.pages.questions import questions_of, quiz


def neuron():
    w, x, b = Value(0.8, name="w"), Value(1.5, requires_grad=False, name="x"), Value(-0.5, name="b")
    h = (w * x + b).tanh()
    h.name = "h"
    loss = (h - 1.0) ** 2 + 0.1 * w**2
    loss.name = "L"
    return loss, {"w": w, "b": b}


def layer():
    x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]])
    weight = Tensor([[0.5, -1.0], [2.0, 0.3]], requires_grad=True, name="W")
    b = Tensor([0.1, 0.2], requires_grad=True, name="b")
    s = Tensor(2.5, requires_grad=True, name="s")
    z = x @ weight + b
    z.name = "z"
    loss = np.sum(z * s * np.array([[1.0, 2.0], [3.0, 5.0], [-7.0, 4.0]]))
    loss.name = "L"
    return loss, {"W": weight, "b": b, "s": s}


def asked(root):
    return {question.text: question for question in questions_of(describe(root))}


@pytest.mark.parametrize("graph", [neuron, layer])
def test_the_answers_are_the_gradients(graph):
    root, leaves = graph()
    root.backward()
    found = asked(root)
    for name, leaf in leaves.items():
        (question,) = [q for text, q in found.items() if text.startswith(f"dL/d{name}")]
        index = tuple(map(int, re.findall(r"\d+", question.text)))
        assert len(index) == np.ndim(leaf.grad)
        assert question.answer == np.asarray(leaf.grad)[index]
        assert abs(question.answer) == np.max(np.abs(leaf.grad))
        assert question.verdict(question.answer) == "Right."
        assert question.verdict(question.answer * 1.009) == "Right."
        assert question.verdict(question.answer * 1.012) != "Right."
        assert question.verdict(1e6) == "Not yet."


def test_every_gradient_but_that_of_the_root_is_asked_for_in_the_order_of_the_pass():
    graph = describe(neuron()[0])
    assert [question.node for question in questions_of(graph)] == list(graph.order[1:])


g = 2 * (np.tanh(0.7) - 1)  # dL/dh
slope = 1 - np.tanh(0.7) ** 2


@pytest.mark.parametrize(
    ("graph", "text", "answer", "reason"),
    [
        (
            neuron,
            "dL/dw",
            g * slope * 1.5,
            "This is the contribution through z1 alone. There are 2",
        ),
        (neuron, "dL/dw", 0.1 * 2 * 0.8, "This is the contribution through"),
        (neuron, "dL/dw", 1.5, "This has the local derivative of z1 alone. Multiply it by the"),
        (neuron, "dL/dw", 1.5 + 0.16, "This has the local derivative of z1 alone"),
        (neuron, "dL/dw", g * slope * 0.8 + 0.16, "This takes the wrong operand of the product z1"),
        (neuron, "dL/dw", -(g * slope * 1.5 + 0.16), "The size is right, the sign is wrong."),
        (neuron, "dL/dw", g * slope * 1.5 - 0.16, "The contribution through"),
        (neuron, "dL/db", 1.0, "This has the local derivative of z2 alone"),
        (neuron, "dL/dz2", slope, "Multiply it by the gradient that comes in, dL/dh."),
        (neuron, "dL/dz2", -g * slope, "The size is right, the sign is wrong."),
        (layer, "dL/db[1]", 2.5 * 5, "This is one summand. Broadcasting"),
        (layer, "dL/db[1]", 3.0, "This has the local derivative of z alone"),
        (layer, "dL/db[1]", -27.5, "The size is right, the sign is wrong."),
        (layer, "dL/ds", 4.6 * 1.0, "This is one summand. Broadcasting"),
        (layer, "dL/ds", 2.5 * 8, "This takes the wrong operand"),
    ],
)
def test_a_typical_mistake_is_named(graph, text, answer, reason):
    assert reason in asked(graph()[0])[text].verdict(answer)


def test_mistakes_never_come_to_the_right_answer():
    x = Value(3.0, name="x")
    for root in (neuron()[0], layer()[0], x * x, -x, x + 0):
        for question in questions_of(describe(root)):
            assert all(question.verdict(x.answer) == x.reason for x in question.mistakes)


def test_hints_are_the_rule_in_symbols_then_in_numbers():
    w = asked(neuron()[0])["dL/dw"]
    assert w.hints[0] == "dL/dw = dL/dz5 * 2 * w + dL/dz1 * x"
    assert w.hints[1] == "dL/dw = 0.1 * 2 * 0.8 + (-0.50225 * 1.5)"
    b = asked(layer()[0])["dL/db[1]"]
    assert b.hints == ("dL/db = sum(dL/dz)", "dL/db[1] = 5.0 + 12.5 + 10.0")


def test_a_weighted_sum_knows_the_other_operand():
    w, x = [Value(2.0, name="w1"), Value(3.0, name="w2")], [Value(5.0, name="x1"), Value(7.0)]
    root = 10.0 * weighted_sum(*w, *x, Value(1.0, name="b"))
    question = next(q for text, q in asked(root).items() if text.endswith("/dw1"))
    assert question.answer == 50
    assert "wrong operand" in question.verdict(20.0)
    assert "local derivative" in question.verdict(5.0)


def test_what_cannot_be_asked_is_left_out():
    big = Tensor(np.ones((20, 20)), requires_grad=True, name="big")
    s = Tensor(2.0, requires_grad=True, name="s")
    assert [q.text for q in questions_of(describe((big * s).sum()))] == ["dL/ds"]
    with np.errstate(all="ignore"):
        infinite = describe(np.log(Tensor(0.0, requires_grad=True)) * 1.0)
    assert len(questions_of(infinite)) == 1
    with pytest.raises(ValueError, match="no gradient to ask for"):
        quiz(big.sum())
    with pytest.raises(ValueError, match="no gradient to ask for"):
        quiz(Value(1.0))


def test_a_quiz_changes_no_gradient(tmp_path):
    root, leaves = layer()
    page = quiz(root, tmp_path / "quiz.html")
    assert (tmp_path / "quiz.html").read_text("utf-8") == page.html
    assert all(leaf.grad is None for leaf in leaves.values())
    with pytest.raises(ValueError, match="more than max_nodes=3"):
        quiz(root, max_nodes=3)
