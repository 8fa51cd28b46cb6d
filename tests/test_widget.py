"""An interactive graph in a notebook: what it answers, and what Python reads and sets."""

import math
import sys

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, viz
from tinygrad_edu.viz.graph.description import describe
from tinygrad_edu.viz.pages.exploration import Exploration, widget_class


def neuron(w, x, b):
    return (w * x + b - 4) ** 2


def branching(x, w):
    h = x * w
    return h * 2 if h > 0 else h**2


def question(*values, held=0, h=1e-5, low=-5.0, high=5.0):
    return {"values": [*values], "held": held, "h": h, "low": low, "high": high}


def titles(exploration):
    return [node["operation"] for node in exploration.graph["nodes"] if node["operation"]]


def test_value_and_gradients_are_read_and_inputs_are_set():
    made = Exploration(neuron, {"w": 2.0, "x": 1.5, "b": -0.5})
    assert dict(made.inputs) == {"w": 2.0, "x": 1.5, "b": -0.5}
    assert made.value == 2.25
    assert dict(made.gradients) == {"w": -4.5, "x": -6.0, "b": -3.0}
    made.inputs = {"x": 2.0, "b": Value(1.0)}
    assert dict(made.inputs) == {"w": 2.0, "x": 2.0, "b": 1.0}
    assert (made.value, made.gradients["w"]) == (1.0, 4.0)
    with pytest.raises(ValueError, match="y is not an input: these are w, x, b"):
        made.inputs = {"y": 1.0}
    with pytest.raises(ValueError, match="x is nan"):
        made.inputs = {"x": math.nan}
    with pytest.raises(TypeError):
        made.inputs["x"] = 1.0
    assert made.inputs["x"] == 2.0


def test_arrays_have_their_shape():
    w = np.array([[1.0, -2.0], [0.5, 1.0]])
    made = Exploration(lambda w, x, b: (w @ x).sum() * b, {"w": w, "x": Tensor([3.0, 1.0]), "b": 2})
    np.testing.assert_array_equal(made.inputs["w"], w)
    np.testing.assert_array_equal(made.gradients["w"], [[6.0, 2.0], [6.0, 2.0]])
    assert made.gradients["b"] == 3.5
    made.inputs = {"x": [1.0, 0.0], "w[1,0]": 4.0}
    assert made.value == 10.0
    with pytest.raises(ValueError, match=r"x\[2\] is not an input"):
        made.inputs = {"x": [1.0, 2.0, 3.0]}


def test_another_branch_is_another_graph_and_the_same_branch_is_not():
    made = Exploration(branching, {"x": 1.0, "w": 0.5})
    first = made.graph
    assert titles(made) == ["multiply", "multiply"]
    made.inputs = {"x": 3.0}
    assert made.graph is first
    made.inputs = {"x": -3.0}
    assert titles(made) == ["multiply", "power"]
    assert made.value == 2.25
    assert dict(made.gradients) == {"x": -1.5, "w": 9.0}
    made.inputs = {"x": 1.0}
    assert made.graph == first


def test_a_constant_in_the_graph_is_part_of_the_picture():
    rates = iter(np.arange(1.0, 1000.0))
    made = Exploration(lambda x: x * float(next(rates)), {"x": 1.0})
    first = made.graph["nodes"][-1]["title"]
    made.inputs = {"x": 2.0}
    assert made.graph["nodes"][-1]["title"] != first


def test_any_function_of_python_works():
    def rounds_by_its_input(x):  # a program would refuse the float
        for _ in range(round(x.item())):
            x = x * 1.5
        return x

    made = Exploration(rounds_by_its_input, {"x": 2.0})
    assert made.value == 4.5
    made.inputs = {"x": 3.0}
    assert (made.value, made.gradients["x"]) == (10.125, 3.375)
    assert titles(made) == ["multiply"] * 3


def test_an_error_is_told_in_words_and_the_next_input_is_answered():
    def fails(x, y):
        if x.data == 7:
            raise KeyboardInterrupt
        return x.log() / y if x.data < 5 else "large"

    made = Exploration(fails, {"x": 2.0, "y": 1.0})
    made.inputs = {"x": -2.0}
    assert made.error.startswith("At these inputs, Python raises ValueError: log of 'x' = -2.0")
    assert made.value is None
    assert made.gradients is None
    assert made.inputs["x"] == -2.0
    assert made.answer["out"][: made.graph["known"]] == [-2.0, 1.0, None, None]
    made.inputs = {"y": 0.0, "x": 3.0}
    assert made.error.startswith("At these inputs, Python raises ZeroDivisionError")
    made.inputs = {"x": 6.0}
    assert "widget needs a function of Values that returns one Value; it" in made.error
    made.inputs = {"x": 7.0}
    assert made.error.startswith("The kernel was interrupted")
    made.inputs = {"x": 1.0, "y": 2.0}
    assert (made.error, made.value, made.gradients["x"]) == ("", 0.0, 0.5)


def test_a_graph_that_grows_too_large_is_refused():
    def grows(x):
        return sum([x] * round(x.item()), 1.0 * x)

    made = Exploration(grows, {"x": 2.0}, max_nodes=20)
    made.inputs = {"x": 100.0}
    assert "max_nodes=20" in made.error


def test_a_question_is_answered_with_slopes_and_a_curve():
    made = Exploration(branching, {"x": 1.0, "w": 0.5})
    assert made.answer["curve"] == []  # nobody has said over which range
    made.ask({**question(1.0, 0.5, low=-2.0, high=2.0), "asker": "a", "number": 3})
    answer = made.answer
    assert (answer["asker"], answer["number"]) == ("a", 3)
    slopes = [np.diff(x["ends"])[0] / (2 * x["step"]) for x in answer["sides"]]
    np.testing.assert_allclose(slopes, [1.0, 2.0])
    xs = np.linspace(-2, 2, 201)
    np.testing.assert_allclose(answer["curve"], np.where(xs > 0, xs, xs**2 / 4))
    made.ask(question(1.0, 0.5, h=1.0))
    assert answer["sides"][0]["step"] == 1e-5
    assert made.answer["sides"][0] == {"step": 1.0, "ends": [0.0, 2.0]}
    made.inputs = {"x": 2.0}
    assert len(made.answer["curve"]) == 201
    made.inputs = {"x": 7.0}  # beyond the range of the curve: the page asks for another
    assert made.answer["low"] is None


def test_the_curve_of_a_slow_function_has_fewer_points_and_a_new_picture_does_not_count(
    monkeypatch,
):
    seconds = 0.0

    def taking(time, function):
        def slow(*arguments, **options):
            nonlocal seconds
            seconds += time
            return function(*arguments, **options)

        return slow

    room = "tinygrad_edu.viz.pages.exploration"
    monkeypatch.setattr(f"{room}.perf_counter", lambda: seconds)
    monkeypatch.setattr(f"{room}.describe", taking(1.0, describe))
    for time, points in ((1e-6, 201), (0.004, 75), (1.0, 11)):
        made = Exploration(taking(time, branching), {"x": 1.0, "w": 0.5})
        made.ask(question(-1.0, 0.5))
        assert len(made.answer["curve"]) == pytest.approx(points, abs=1)


def test_what_is_not_finite_is_written_in_words():
    made = Exploration(lambda x: x * 1e200 * 1e200, {"x": 1e-300})
    made.inputs = {"x": 1.0}
    assert made.answer["out"][made.graph["root"]] == "inf"
    assert made.value == math.inf


def test_nothing_that_the_function_holds_is_changed():
    w = Value(2.0, name="w")
    made = Exploration(lambda x: w * x, {"x": 1.0})
    made.inputs = {"x": 3.0}
    assert (made.value, w.data, w.grad) == (6.0, 2.0, None)


def test_what_cannot_be_explored_says_why():
    with pytest.raises(ValueError, match="no input to change"):
        Exploration(neuron, {})
    with pytest.raises(TypeError, match="widget needs a function of Values"):
        Exploration(lambda x: 1.0, {"x": 1.0})
    with pytest.raises(ValueError, match="more than max_nodes=3"):
        Exploration(lambda x: x * x * x * x, {"x": 1.0}, max_nodes=3)
    with pytest.raises(ZeroDivisionError):
        Exploration(lambda x: 1 / x, {"x": 0.0})


def test_without_anywidget_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    widget_class.cache_clear()
    made = viz.widget(neuron, w=2.0, x=1.5, b=-0.5)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[notebook\]"'):
        made._repr_mimebundle_()
