"""What explore and explore_descent accept, what they refuse, and what they write into a page."""

import math
import random
import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, lab, relu, sigmoid
from tinygrad_edu.compiler import CompileError
from tinygrad_edu.compiler.javascript import JavaScriptWriter, weighted_sum_text
from tinygrad_edu.compiler.scalars import record_scalars
from tinygrad_edu.viz import explore, explore_descent, widget


def text_of(f, **point):
    return JavaScriptWriter(record_scalars(lambda given: [f(**given)], point)).text()


def test_the_program_reads_as_the_function():
    text = text_of(lambda w, x, b: ((w * x + b - 4.0) / 2) ** 2 + 0.5, w=2.0, x=1.5, b=-0.5)
    assert text.splitlines()[1:] == [
        "    // forward",
        "    const h1 = w * x;",
        "    const h2 = h1 + b;",
        "    const h3 = h2 - 4;",
        "    const h4 = divide(h3, 2);",
        "    const h5 = power(h4, 2);",
        "    const h6 = out[0] = h5 + 0.5;",
        "}",
    ]


def test_a_comparison_of_a_rule_stays_one_and_a_branch_becomes_a_question():
    assert "relu(x)" in text_of(lambda x: x.relu(), x=1.0)
    text = text_of(lambda x: x * 2 if x > 1 else x, x=3.0)
    assert "const h1 = x > 1;\n    ask(0, h1);" in text
    assert "ask(0, !h1)" in text_of(lambda x: x * 2 if x > 5 else x * 3, x=3.0)
    assert "ask(0, (x != 0))" in text_of(lambda x: x * 2 if x else x, x=3.0)  # nan is true


def test_no_name_breaks_the_program():
    names = ["class", "let", "out", "Math", "power", "a b", "x²", "λ", "1st", "</script>"]
    text = text_of(lambda **given: sum(given.values()), **dict.fromkeys(names, 1.0))
    inputs = "(x_class, let_2, out_2, Math_2, power_2, a_b, x, x_2, x_1st, script, out) => {"
    assert text.splitlines()[0].endswith(inputs)
    assert text.isascii()
    assert "</" not in text


def test_numbers_are_written_in_full():
    text = text_of(lambda x: x * 0.1 + 1e300 - 3 + x * float("inf"), x=2.0)
    for part in ("x * 0.1", "+ 1e+300", "- 3", "x * Infinity"):
        assert part in text
    assert weighted_sum_text(["a", "b", "c", "d", "e"]).endswith(("a * c + b * d", "b * d], e)"))


def test_arrays_become_arrays_of_values():
    weights, x = np.array([[0.5, -1.0], [2.0, 0.3]]), Tensor([1.0, 2.0])
    page = explore(lambda w, x: (np.tanh(w @ x) ** 2).sum(), w=weights, x=x)
    for name in ("w[0,0]", "w[1,1]", "x[1]"):
        assert f'"name":"{name}"' in page.html
    assert "tanh(x_0)" in explore(lambda x: np.tanh(x), x=[0.5]).html  # noqa: PLW0108


@pytest.mark.filterwarnings("error")
def test_values_in_lists_and_arrays_are_numbers_too():
    two = [Value(1.0), 2.0], np.array([Value(1.0), Value(2.0)]), [np.float32(1), np.int8(2)]
    pages = [explore(lambda x: x[0] * x[1], x=x).html for x in two]
    assert pages[0] == pages[1] == pages[2]
    for start in (Value(3.0), Tensor(3.0, requires_grad=True), np.float32(3)):
        assert '"start":[3.0]' in explore_descent(lambda x: x**2, start).html


@pytest.mark.parametrize("inputs", [{"w[1]": 1.0, "w": [1.0, 2.0]}, {"w": [1.0, 2.0], "w[1]": 1.0}])
def test_two_inputs_of_one_name_are_refused(inputs):
    said = "two numbers are called w[1]: the input w[1] and an element of the input w. Give one"
    for ask in (explore, widget):
        with pytest.raises(ValueError, match=re.escape(said)):
            ask(lambda w, **other: w[0] * w[1] + other["w[1]"], **inputs)


@pytest.mark.parametrize("x", ["2", None, 1j, {"a": 1.0}, [[1.0], [1.0, 2.0]]])
def test_what_is_no_number_is_refused(x):
    with pytest.raises(TypeError, match="a Value holds"):
        explore(lambda x: x * 2, x=x)


def test_what_cannot_be_explored_says_why():
    with pytest.raises(ValueError, match="no input to change: pass the inputs by name"):
        explore(lambda: Value(1.0))
    with pytest.raises(TypeError, match="returned a float"):
        explore(lambda x: 1.0, x=1.0)
    with pytest.raises(TypeError, match=r"returned an array of shape \(2,\)"):
        explore(lambda x: x * 2, x=[1.0, 2.0])
    with pytest.raises(ValueError, match="does not depend on the inputs"):
        explore(lambda x: Value(1.0, requires_grad=False), x=1.0)
    with pytest.raises(ValueError, match="x is nan"):
        explore(lambda x: x * 2, x=float("nan"))
    with pytest.raises(ValueError, match="more than max_nodes=3"):
        explore(lambda x: x * x * x * x, x=1.0, max_nodes=3)
    with pytest.raises(CompileError, match="float"):
        explore(lambda x: x * math.floor(x.item()), x=1.0)
    with pytest.raises(CompileError, match="write x if x > 0 else y"):
        explore(lambda x, y: np.where(x > 1, x, y), x=1.0, y=2.0)
    runs = []

    def every_time_another(x):
        runs.append(x)
        return x * 2 if len(runs) % 2 else x * 2 + x

    with pytest.raises(ValueError, match="other numbers when it runs again"):
        explore(lambda x: x * random.random(), x=1.0)
    with pytest.raises(ValueError, match="other numbers when it runs again"):
        explore(every_time_another, x=1.0)
    with pytest.raises(TypeError):
        explore(lambda x: Tensor([1.0], requires_grad=True).sum(), x=1.0)


def test_nothing_that_the_function_holds_is_changed():
    w = Value(2.0, name="w")
    h = w * 3
    rule, birth = h.rule, h.birth
    explore(lambda x: h * x + w, x=1.0)
    assert (h.rule, h.birth, w.grad, w.data) == (rule, birth, None, 2.0)


def test_a_function_of_its_own_in_one_or_two_coordinates():
    for page in (
        explore_descent(lambda x: x**4, 1.0),
        explore_descent(lambda x, y: x**2 + y**4, (1.0, 2.0)),
        explore_descent(lambda p: (p**2).sum(), (1.0, 2.0)),
        explore_descent(abs, bounds=(-1, 2)),
        *(explore_descent(surface) for surface in lab.SURFACES.values()),
    ):
        assert page.html.count("=> (") >= 2
        assert len(page.html) < 150_000


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"lr": 0.0}, "lr must be above 0"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1"),
        ({"steps": 1000}, "steps must be between 1 and 300"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"steps": 1.5}, "steps must be a whole number of at least 1"),
        ({"f": abs, "bounds": (1, 2, 3)}, r"bounds must be \(low, high\) for each coordinate"),
        ({"f": abs, "bounds": 3.0}, r"bounds must be \(low, high\) for each coordinate"),
        ({"start": 1.0}, "need a function of your own"),
        ({"f": abs}, "pass where the descent begins"),
        ({"f": abs, "start": (1.0, 2.0, 3.0)}, "over one or two coordinates"),
        ({"f": abs, "start": np.inf}, "start must be finite"),
        ({"f": abs, "bounds": (2, 1)}, "bounds must be finite"),
    ],
)
def test_a_descent_with_settings_that_make_no_sense(settings, what):
    with pytest.raises(ValueError, match=what):
        explore_descent(**settings)
    with pytest.raises(TypeError, match="explore_descent needs a function of Values"):
        explore_descent(lambda x: 1.0, 0.0)


@pytest.mark.parametrize(("function", "name"), [(relu, "relu(x)"), (sigmoid, "sigmoid(x)")])
def test_a_function_of_the_package_is_written_as_the_method_is(function, name):
    assert name in text_of(lambda x: function(x) + 2 * x, x=0.3)
    assert text_of(function, x=0.3) == text_of(lambda x: getattr(x, function.__name__)(), x=0.3)
