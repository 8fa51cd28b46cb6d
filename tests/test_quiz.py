"""The quiz: right answers are the engine's, and each typical mistake has its name."""

import re

import numpy as np
import pytest
from test_rules import TABLE, at
from test_rules import name as name_of_row
from test_rules_linalg import TABLE as LINALG_TABLE

from tinygrad_edu import Tensor, Value, nn, relu
from tinygrad_edu.graph import apply
from tinygrad_edu.value import weighted_sum
from tinygrad_edu.viz import describe, record
from tinygrad_edu.viz.pages.mistakes import KINDS
from tinygrad_edu.viz.pages.predictions import (
    FLIPPED,
    LARGER,
    SAME,
    SMALLER,
    candidates,
    predictions_of,
)
from tinygrad_edu.viz.pages.questions import close, questions_of, quiz


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
        (question,) = [q for text, q in found.items() if text.startswith(f"∂L/∂{name}")]
        index = tuple(map(int, re.findall(r"\d+", question.text)))
        assert len(index) == np.ndim(leaf.grad)
        assert question.answer == np.asarray(leaf.grad)[index]
        assert abs(question.answer) == np.max(np.abs(leaf.grad))
        assert question.verdict(question.answer) == "Right."
        assert question.verdict(question.answer * 1.009) == "Right."
        assert question.verdict(question.answer * 1.012) != "Right."
        assert question.verdict(1e6) == "Not right yet."


def test_every_gradient_but_that_of_the_root_is_asked_for_in_the_order_of_the_pass():
    graph = describe(neuron()[0])
    assert [question.node for question in questions_of(graph)] == list(graph.order[1:])


g = 2 * (np.tanh(0.7) - 1)  # ∂L/∂h
slope = 1 - np.tanh(0.7) ** 2


@pytest.mark.parametrize(
    ("graph", "text", "answer", "reason"),
    [
        (
            neuron,
            "∂L/∂w",
            g * slope * 1.5,
            "This is the contribution through z₁ alone. There are 2",
        ),
        (neuron, "∂L/∂w", 0.1 * 2 * 0.8, "This is the contribution through"),
        (neuron, "∂L/∂w", 1.5, "This uses only the local derivative of z₁. Multiply it by the"),
        (neuron, "∂L/∂w", 1.5 + 0.16, "This uses only the local derivative of z₁"),
        (neuron, "∂L/∂w", g * slope * 0.8 + 0.16, "This takes the wrong operand of the product z₁"),
        (neuron, "∂L/∂w", -(g * slope * 1.5 + 0.16), "The size is right, the sign is wrong."),
        (neuron, "∂L/∂w", g * slope * 1.5 - 0.16, "The contribution through"),
        (neuron, "∂L/∂b", 1.0, "This uses only the local derivative of z₂"),
        (neuron, "∂L/∂z₂", slope, "Multiply it by the incoming gradient, ∂L/∂h."),
        (neuron, "∂L/∂z₂", -g * slope, "The size is right, the sign is wrong."),
        (layer, "∂L/∂b[1]", 2.5 * 5, "This is one summand. Broadcasting"),
        (layer, "∂L/∂b[1]", 3.0, "This uses only the local derivative of z"),
        (layer, "∂L/∂b[1]", -27.5, "The size is right, the sign is wrong."),
        (layer, "∂L/∂s", 4.6 * 1.0, "This is one summand. Broadcasting"),
        (layer, "∂L/∂s", 2.5 * 8, "This takes the wrong operand"),
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
    w = asked(neuron()[0])["∂L/∂w"]
    assert w.hints[0] == "∂L/∂w = ∂L/∂z₅ · 2 · w + ∂L/∂z₁ · x"
    assert w.hints[1] == "∂L/∂w = 0.1 · 2 · 0.8 + (-0.50225 · 1.5)"
    b = asked(layer()[0])["∂L/∂b[1]"]
    assert b.hints == ("∂L/∂b = sum(∂L/∂z)", "∂L/∂b[1] = 5 + 12.5 + 10")


def test_no_hint_is_the_answer():
    for root in (neuron()[0], layer()[0], power(), gates(), product()):
        for question in asked(root).values():
            assert len(question.hints) in (1, 2)
            for hint in question.hints:
                said = hint.partition(" = ")[2]
                assert not re.fullmatch(r"[-.\de]+", said), f"{hint} is the answer"
    b = asked(neuron()[0])["∂L/∂b"]
    assert b.hints == ("∂L/∂b = ∂L/∂z₂",)  # one number is left of the rule: the answer


def test_a_weighted_sum_knows_the_other_operand():
    w, x = [Value(2.0, name="w1"), Value(3.0, name="w2")], [Value(5.0, name="x1"), Value(7.0)]
    root = 10.0 * weighted_sum(*w, *x, Value(1.0, name="b"))
    question = next(q for text, q in asked(root).items() if text.endswith("/∂w₁"))
    assert question.answer == 50
    assert "wrong operand" in question.verdict(20.0)
    assert "local derivative" in question.verdict(5.0)


def test_what_cannot_be_asked_is_left_out():
    big = Tensor(np.ones((20, 20)), requires_grad=True, name="big")
    s = Tensor(2.0, requires_grad=True, name="s")
    assert [q.text for q in questions_of(describe((big * s).sum()))] == ["∂L/∂s"]
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


def leaves(*numbers):
    return [Value(x, name=name) for name, x in zip("wxyv", numbers)]


def power():
    w, x, y, _ = leaves(2.0, 4.0, 1.0, 0.0)
    error = w * x - y
    error.name = "error"
    root = error**3
    root.name = "L"
    return root


def quotient():
    w, x, *_ = leaves(2.0, 5.0, 0.0, 0.0)
    return named((w / x) * 10.0)


def gates():
    w, x, y, v = leaves(2.0, -3.0, 5.0, 0.5)
    return named(w.relu() * 7.0 + x.relu() * y + v.tanh())


def fan_out():
    w, x, y, _ = leaves(2.0, 3.0, 7.0, 0.0)
    z = w * x
    z.name = "z"
    return named(z * y + z * z)


def product():
    w = Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True, name="w")
    x = Tensor([[2.0, -1.0], [4.0, 3.0]], requires_grad=True, name="x")
    return named(((w @ x) * np.array([[1.0, 2.0], [-3.0, 5.0]])).sum())


def named(root):
    root.name = "L"
    return root


@pytest.mark.parametrize(
    ("graph", "text", "answer", "kind", "reason"),
    [
        (
            power,
            "∂L/∂error",
            49.0,
            "power",
            "The factor 3 is missing: the exponent comes down as a factor.",
        ),
        (power, "∂L/∂error", 1029.0, "power", "The exponent goes down by one, from 3 to 2."),
        (power, "∂L/∂w", 49.0 * 4, "power", "At L = error³: The factor 3 is missing"),
        (power, "∂L/∂w", 147.0, "chain", "Here ∂L/∂z₁ is passed on unchanged"),
        (power, "∂L/∂w", 4.0, "incoming", "only the local derivative of z₁"),
        (power, "∂L/∂y", 147.0, "sign", "y is subtracted in error = z₁ - y"),
        (power, "∂L/∂y", 49.0, "", "two mistakes at once have no name"),
        (quotient, "∂L/∂w", 50.0, "quotient", "multiplies by the denominator"),
        (quotient, "∂L/∂x", 0.8, "quotient", "the minus is missing"),
        (quotient, "∂L/∂x", -4.0, "quotient", "the square is missing"),
        (gates, "∂L/∂x", 5.0, "gate", "only where its input is positive: look at x."),
        (gates, "∂L/∂w", 0.0, "gate", "The gate is open"),
        (gates, "∂L/∂w", 14.0, "gate", "the derivative of relu is 1"),
        (gates, "∂L/∂v", 1 - 0.5**2, "function", "from its result here, not from its input"),
        (gates, "∂L/∂v", 1.0, "chain", "passed on unchanged"),
        (fan_out, "∂L/∂z", 7.0 * 6 * 6, "uses", "are multiplied here: add them"),
        (fan_out, "∂L/∂z", 7.0, "uses", "This is the contribution through z₁ alone"),
        (fan_out, "∂L/∂w", 7.0 * 3, "uses", "At z: This is the contribution through z₁ alone"),
        (fan_out, "∂L/∂w", 36.0, "uses", "At z: The contribution through z₁ is missing"),
    ],
)
def test_a_mistake_has_its_name_wherever_on_the_way_it_was_made(graph, text, answer, kind, reason):
    question = asked(graph())[text]
    if not kind:  # two mistakes at once
        assert question.verdict(answer) == "Not right yet."
        return
    found = next(x for x in question.mistakes if close(answer, x.answer))
    assert (found.kind, reason in found.reason) == (kind, True), found


def test_a_vanishing_gradient_is_not_0_and_rounding_is():
    x, y = Value(1.0, name="x"), Value(0.1, name="y")
    found = asked(named(x * 1e-8 * 2.0 + (y * 0.1 + y * 0.2 - y * 0.3)))
    tiny, rest = found["∂L/∂x"], found["∂L/∂y"]
    assert tiny.verdict(2e-8) == tiny.verdict(1.99e-8) == "Right."
    assert "Right." not in {tiny.verdict(0.0), tiny.verdict(-2e-8), tiny.verdict(1e-8)}
    assert 0 < rest.answer < 1e-16
    assert rest.verdict(0.0) == "Right."


def test_the_gates_of_equal_operands_and_of_arrays_are_told_as_they_are():
    x, y = (Tensor(2.0, requires_grad=True, name=name) for name in "xy")
    tie = asked(named(np.maximum(x, y) * 3.0))["∂L/∂x"]
    assert tie.answer == 1.5
    for answer in (0.0, 3.0):
        assert tie.verdict(answer) == (
            "A maximum passes the gradient to the larger operand, and half of it to each if they "
            "are equal: look at x."
        )
    z = Tensor([-1.0, 2.0], requires_grad=True, name="z")
    open_gate = asked(named((relu(z) * 3.0).sum()))["∂L/∂z[1]"]
    assert open_gate.verdict(0.0) == "The gate is open where the input of relu, z, is positive."


def test_mistakes_in_a_matrix_product_are_named():
    w, x = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[2.0, -1.0], [4.0, 3.0]])
    g = np.array([[1.0, 2.0], [-3.0, 5.0]])
    for text, index, right, wrong in (
        ("∂L/∂w[1, 0]", (1, 0), g @ x.T, {"transposed": g @ x, "wrong order": x.T @ g}),
        ("∂L/∂x[1, 1]", (1, 1), w.T @ g, {"transposed": w @ g, "wrong order": g @ w.T}),
    ):
        question = asked(product())[text]
        assert question.answer == right[index]
        for reason, matrix in wrong.items():
            assert reason in question.verdict(matrix[index])
        assert "one product" in question.verdict((g[1] * x[0])[0] if "w" in text else w[0, 1] * 2.0)
        assert question.verdict(right[0, 1]) == "This is the element [0, 1]."


def test_every_kind_of_mistake_is_one_that_the_summary_knows():
    graphs = [neuron()[0], layer()[0], power(), quotient(), gates(), fan_out(), product()]
    mistakes = [x for root in graphs for q in questions_of(describe(root)) for x in q.mistakes]
    assert {x.kind for x in mistakes} == KINDS.keys() - {"prediction"}
    for root in graphs:
        for question in questions_of(describe(root)):
            assert not any(close(x.answer, question.answer) for x in question.mistakes)


def test_a_folded_graph_can_be_asked_about():
    model = nn.Sequential(*(nn.Linear(2, 2, rng=np.random.default_rng(i)) for i in range(20)))
    with record(model) as made:
        loss = (model(np.ones((1, 2))) ** 2).sum()
    with pytest.raises(ValueError, match="depth=1"):
        quiz(loss)
    page = quiz(loss, record=made, depth=1)
    assert "layers.3" in page.html


# Predictions


def predicted(root):
    return predictions_of(root, describe(root), None)


def test_predictions_are_what_the_engine_finds_with_the_other_input():
    def loss(w=2.0, x=1.5, b=-0.5):
        w, x, b = Value(w, name="w"), Value(x, name="x"), Value(b, name="b")
        nodes = {"w": w, "x": x, "b": b}
        return named((w * x + b - 4.0) ** 2 + 0.1 * x**2), nodes

    root, nodes = loss()
    root.backward()
    found = predicted(root)
    assert len(found) == 3
    assert len({x.right for x in found}) == 3
    factors = {"doubles": 2.0, "changes its sign": -1.0, "is halved": 0.5}
    for each in found:
        name, change, asked = re.fullmatch(
            r"If (\w) (.*), what happens to ∂L/∂(\w)\?", each.text
        ).groups()
        other, changed = loss(**{name: nodes[name].data * factors[change]})
        other.backward()
        before, after = nodes[asked].grad, changed[asked].grad
        if before == after:
            assert each.right == SAME
            assert each.reason.endswith(
                f"None of the values that it is computed from depends on {name}."
            )
        elif before * after < 0:
            assert each.right == FLIPPED
        else:
            assert each.right == (LARGER if abs(after) > abs(before) else SMALLER)


def test_a_prediction_says_why():
    w, x, b = Value(2.0, name="w"), Value(1.5, name="x"), Value(-0.5, name="b")
    error = w * x + b - 4.0
    error.name = "error"
    root = named(error**2 + 5.0 * b)
    found = {x.text: x.reason for x in candidates(root, describe(root), None)}
    flipped = found["If w doubles, what happens to ∂L/∂x?"]
    assert flipped == "It is multiplied by -2. On its path, error goes from -1.5 to 1.5."
    # Changes that make up for each other, as 2 error x does if x is halved, are no question.
    assert "If b is halved, what happens to ∂L/∂w?" in found
    assert "If x is halved, what happens to ∂L/∂w?" not in found
    product = {x.text: x.reason for x in predicted(named(w * x + b))}
    assert product["If x doubles, what happens to ∂L/∂b?"] == (
        "It stays the same. None of the values that it is computed from depends on x."
    )
    told = product["If w doubles, what happens to ∂L/∂x?"]
    assert told == "It is multiplied by 2. On its path, w goes from 2 to 4."


def test_what_stays_the_same_by_chance_alone_is_no_question():
    w, b, v = Value(2.0, name="w"), Value(0.0, name="b"), Value(1.5, name="v")
    root = named((w + b) ** 2 + w * v**2)  # twice 0 is 0; (-v)² is v²
    found = {x.text: x.reason for x in candidates(root, describe(root), None)}
    assert "If b doubles, what happens to ∂L/∂w?" not in found
    assert "If v changes its sign, what happens to ∂L/∂w?" not in found
    assert (
        "None of the values that it is computed from depends on v."
        in found["If v doubles, what happens to ∂L/∂b?"]
    )


def test_a_prediction_names_values_whose_change_can_be_seen():
    w, x = Value(2.0, name="w"), Value(3.0, name="x")
    z = w * x
    root = named((z + 20.0).tanh() * z**2)  # the tanh is 1 before and after
    reasons = [each.reason for each in candidates(root, describe(root), None)]
    assert reasons
    for reason in reasons:
        for before, after in re.findall(r"from (\S+) to ([^ ]+?)(?: and|\.$)", reason):
            assert before != after, reason


def test_predictions_about_arrays_and_what_cannot_run_again():
    root, _ = layer()
    assert any("all of" in each.text for each in predicted(root))
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    calls = []

    def noisy(x):
        calls.append(x)
        return x * np.random.default_rng().normal(size=2)

    noisy.rule = lambda g, out, x: g
    assert predicted(apply(noisy, x).sum()) == ()
    assert len(calls) == 1  # a function of somebody's own is not called again
    assert predicted(Value(3.0, requires_grad=True, name="x").log()) != ()
    assert all("sign" not in p.text for p in predicted(Value(3.0, name="x").log()))


def test_predictions_change_no_gradient():
    root, leaves = layer()
    before = {name: leaf.data.copy() for name, leaf in leaves.items()}
    predicted(root)
    assert all(leaf.grad is None for leaf in leaves.values())
    assert all(np.array_equal(leaf.data, before[name]) for name, leaf in leaves.items())


@pytest.mark.parametrize("row", [*TABLE, *LINALG_TABLE][::6], ids=name_of_row)
def test_a_quiz_can_be_made_of_every_function(row):
    xs = [Tensor(x, requires_grad=True) for x in at(row)]
    with np.errstate(all="ignore"):
        root = (row.f(*xs) * 2.0).sum()
    for question in questions_of(describe(root)):
        assert not any(close(x.answer, question.answer) for x in question.mistakes)
    for prediction in predicted(root):
        assert prediction.right in range(4)


def test_an_empty_array_is_not_asked_about():
    empty = Tensor(np.zeros(0), requires_grad=True, name="empty")
    s = Tensor(2.0, requires_grad=True, name="s")
    root = named((empty * s).sum() + s * 3.0)
    assert "∂L/∂empty" not in asked(root)
    assert "What is \\u2202L/\\u2202s?" in quiz(root).html


def test_a_sum_of_one_number_can_be_asked_about():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    assert "of L" in quiz((x.sum() * 2.0).sum()).html
