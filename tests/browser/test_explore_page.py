"""The interactive page of a graph computes what the engine computes, and says where it cannot."""

import math
from operator import floordiv, mod, truediv

import numpy as np
import pytest
from page_controls import assert_controls_fit
from page_time import time_of_task
from random_scalars import RandomFunction
from test_hostile_names import HOSTILE

from tinygrad_edu import Value, relu
from tinygrad_edu.compiler.javascript import JavaScriptWriter, arithmetic
from tinygrad_edu.compiler.scalars import backward_numbers, record_scalars
from tinygrad_edu.losses import mse_loss
from tinygrad_edu.viz import explore
from tinygrad_edu.viz.pages.explorable import in_order

RUN = """([programs, points]) => programs.map((program, i) => points[i].map((point) => {
    const out = [];
    try {
        program(ofPython)(...point, out);
    } catch (stop) {
        return stop.guard === undefined ? stop.message.split(":")[0] : "branch";
    }
    return out.map(String);
}))"""
ERRORS = ValueError, OverflowError, ZeroDivisionError, TypeError
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Page:
    """A page that carries programs alone, as text that the browser reads."""

    def __init__(self, programs):
        text = ",\n".join(programs)
        self.html = f"<script>{arithmetic()}\nconst programs = [{text}];</script>"

    def save(self, path):
        path.write_text(self.html, encoding="utf-8")


def numbers(f):
    """The values of the nodes, their gradients, and those of the inputs, by the engine."""

    def of(point):
        root = f(**point)
        nodes = in_order(root)
        gradients, _ = backward_numbers(root, nodes)
        return [*nodes, *(gradients.get(x, 0.0) for x in (*nodes, *point.values()))]

    return of


def by_the_engine(f, point):
    """The same numbers without any recording, or the name of the error that Python raises."""
    found = {}
    inputs = {name: Value(x) for name, x in point.items()}
    try:
        with np.errstate(all="ignore"):
            nodes = in_order(root := f(**inputs))
            root.backward(inputs=nodes, into=found)
    except ERRORS as error:
        return type(error).__name__
    return [*(x.data for x in nodes), *(found.get(x, 0.0) for x in (*nodes, *inputs.values()))]


@pytest.fixture
def run_all(open_page):
    """run_all(programs, points): what they compute in the browser, all in one page."""

    def run_all(programs, points):
        page = open_page(Page(programs))
        handle = page.evaluate_handle("programs")
        return page.evaluate(RUN, [handle, points])

    return run_all


def test_five_hundred_random_graphs_are_the_engines(run_all):
    rng = np.random.default_rng(0)
    cases, programs = [], []
    while len(programs) < 500:
        f = RandomFunction(rng)
        points = [f.point(rng) for _ in range(3)]
        if isinstance(by_the_engine(f, points[0]), str):
            continue
        choices = list(f.choices)
        programs.append(JavaScriptWriter(record_scalars(numbers(f), points[0])).text())
        cases.append((f, choices, points))
    results = run_all(programs, [[list(p.values()) for p in points] for _, _, points in cases])
    seen = {"numbers": 0, "branch": 0, "error": 0}
    for (f, choices, points), outs in zip(cases, results, strict=True):
        for point, out in zip(points, outs, strict=True):
            expected = by_the_engine(f, point)
            if out == "branch":
                assert f.choices[: len(choices)] != choices
                seen["branch"] += 1
            elif isinstance(out, str):
                assert out == expected
                seen["error"] += 1
            else:
                assert not isinstance(expected, str), f"{expected} at {point}: {f.calls}"
                assert f.choices == choices
                found = [WORDS[x] if x in WORDS else float(x) for x in out]
                np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)
                seen["numbers"] += 1
    assert seen["numbers"] > 1000
    assert seen["branch"] > 100
    assert seen["error"] > 30


SPECIAL = [-math.inf, -1e200, -2.5, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 7.1, 1e200]
SPECIAL += [math.inf, math.nan]
PAIRS = {"divide": truediv, "power": pow, "remainder": mod, "floorDivide": floordiv}
SINGLE = {"exp": math.exp, "log": math.log, "sqrt": math.sqrt, "sin": math.sin, "tanh": math.tanh}
CALLS = """(calls) => calls.map(([name, ...operands]) => {
    const numbers = operands.map(Number);
    try {
        return String(ofPython[name](...numbers));
    } catch (stop) {
        return stop.message.split(":")[0];
    }
})"""


def by_python(function, operands):
    try:
        out = function(*operands)
    except ERRORS as error:
        return type(error).__name__
    return "TypeError" if isinstance(out, complex) else out  # a Value refuses it


def test_arithmetic_is_that_of_python(open_page):
    page = open_page(Page([]))
    calls = [(name, x, y) for name in PAIRS for x in SPECIAL for y in SPECIAL]
    calls += [(name, x) for name in SINGLE for x in SPECIAL]
    as_words = {math.inf: "Infinity", -math.inf: "-Infinity"}
    asked = [[name, *(as_words.get(x, repr(x)) for x in xs)] for name, *xs in calls]
    for (name, *xs), found in zip(calls, page.evaluate(CALLS, asked), strict=True):
        expected = by_python(PAIRS.get(name) or SINGLE[name], xs)
        if not isinstance(expected, str):
            found = WORDS[found] if found in WORDS else float(found)
            expected = pytest.approx(expected, rel=1e-15, abs=0, nan_ok=True)
        assert found == expected, (name, xs)
    assert page.evaluate("ofPython.sum([1e16, 1, -1e16], 0)") == 1  # as sum() of Python 3.12


# The page


def neuron(w, x, b):
    return (w * x + b - 4) ** 2


def open_neuron(open_page):
    return open_page(explore(neuron, w=2.0, x=1.5, b=-0.5))


def shown(page):
    """The texts of the numbers: value and gradient of each node, by its title."""
    nodes = page.locator("#graph .node:not(.constant)")
    return {
        node.locator(".title").text_content(): (
            node.locator(".number.value").text_content(),
            node.locator(".number.gradient").text_content(),
        )
        for node in nodes.all()
    }


def as_text(x):
    return f"{x + 0.0:.4g}".replace("-", "\u2212")


def expected_of(f, **point):
    """What the inputs and the result show, by the engine."""
    inputs = {name: Value(x) for name, x in point.items()}
    root = f(**inputs)
    root.backward()
    found = {name: (as_text(x.data), as_text(x.grad)) for name, x in inputs.items()}
    return {**found, "L": (as_text(root.data), "1")}


def assert_shows(page, f, **point):
    found = shown(page)
    assert {**found, **expected_of(f, **point)} == found


def test_every_way_to_change_an_input_changes_all_numbers(open_page):
    page = open_neuron(open_page)
    assert_shows(page, neuron, w=2.0, x=1.5, b=-0.5)
    page.fill("#dial-0-number", "-1.25")
    assert_shows(page, neuron, w=-1.25, x=1.5, b=-0.5)
    page.focus("#dial-1-slider")
    page.keyboard.press("ArrowRight")
    assert_shows(page, neuron, w=-1.25, x=1.51, b=-0.5)
    page.fill("#dial-1-slider", "0")
    assert_shows(page, neuron, w=-1.25, x=-5.0, b=-0.5)
    node = page.locator("#graph .handle").nth(2)
    assert node.locator(".title").text_content() == "b"
    box = node.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 20)  # 40 of the 400 pixels from -5 to 5
    page.mouse.up()
    assert_shows(page, neuron, w=-1.25, x=-5.0, b=0.5)
    assert page.locator("#card-2").get_attribute("class") == "dial-card held"
    assert "L as a function of b" in page.locator("#caption").inner_text()
    page.fill("#dial-2-number", "100")  # beyond the slider, whose range grows
    assert_shows(page, neuron, w=-1.25, x=-5.0, b=100.0)
    assert page.input_value("#dial-2-slider") == "750"
    page.fill("#dial-2-number", "")  # no number: the last one stays
    assert page.evaluate("explorer.values") == [-1.25, -5, 100]
    page.click("#reset")
    assert_shows(page, neuron, w=2.0, x=1.5, b=-0.5)
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_the_measured_slope_agrees_and_says_where_it_does_not(open_page):
    page = open_neuron(open_page)
    cards = page.locator(".dial-card")
    for k, gradient in enumerate(("\u22124.5", "\u22126", "\u22123")):
        assert cards.nth(k).locator(".gradient").inner_text() == gradient
        assert cards.nth(k).locator(".slope").inner_text() == gradient
        assert cards.nth(k).get_by_label("agrees").count() == 1
    slope = page.evaluate("explorer.slopeOf(0)")
    assert slope == pytest.approx((neuron(2.00002, 1.5, -0.5) - neuron(1.99998, 1.5, -0.5)) / 4e-5)
    page = open_page(explore(lambda x: x.relu() ** 3 + x.relu(), x=1.0))
    page.select_option("#h", "1")  # x³ + x: 3 + 1 at 1, and (2³ + 2 - 0) / 2 = 5
    assert page.locator(".slope").inner_text() == "5"
    assert page.get_by_label("differs").count() == 1
    assert page.locator("#tangent .secant").count() == 1
    page.select_option("#h", "0.00001")
    page.fill("#dial-0-number", "0")  # at the kink: 0 by convention, and half of 0 and 1
    assert page.locator(".gradient").last.inner_text() == "0"
    assert page.locator(".slope").inner_text() == "0.5"
    assert page.get_by_label("differs").count() == 1


SIGNS = {
    # Rounding of 1e7 is 1e-9, and 1e-4 in the slope.
    "rounding": (lambda x: (x - 2) ** 2 + 1e7, 1.0, "agrees"),
    "rounding of a step": (lambda x: (x * 1e6 - 1e12) ** 2 * 1e-6, 1e6 + 1.0, "agrees"),
    "a kink": (lambda x: x.relu(), 0.0, "differs"),
    "a wave": (lambda x: (x * 1000).sin(), 1.0, "differs"),
    "another branch beside it": (lambda x: x * x if x >= 0 else x, 0.0, None),
    "an error beside it": (lambda x: x.log() * x, 1e-6, None),
    "infinite": (lambda x: x * 1e308 * 1e308, 1.0, None),
    "nan": (lambda x: x * float("nan"), 1.0, None),
}


@pytest.mark.parametrize("name", SIGNS)
def test_only_what_is_known_is_compared_and_only_as_exactly_as_it_is(open_page, name):
    f, x, verdict = SIGNS[name]
    sign = open_page(explore(f, x=x)).locator(".sign")
    assert sign.get_attribute("aria-label") == verdict
    assert (sign.inner_text() != "") == (verdict is not None)
    assert (sign.get_attribute("title") is not None) == (verdict is not None)


@pytest.mark.parametrize("x", [1e200, 1e308, -1e308, 1e-320])
@pytest.mark.parametrize("f", [lambda x: x * x, lambda x: x * 1.5])
def test_the_largest_and_the_smallest_numbers_can_be_taken(open_page, f, x):
    page = open_page(explore(f, x=1.0))
    page.fill("#dial-0-number", str(x))  # the page may not complain
    assert shown(page)["x"][0] == as_text(max(-5e307, min(5e307, x)))
    page.focus("#dial-0-slider")
    page.keyboard.press("ArrowRight")
    assert math.isfinite(page.evaluate("explorer.values[0]"))


def test_the_labels_of_an_axis_can_be_told_apart(open_page):
    page = open_page(explore(lambda x: 1000.0 - 0.01 * x * x, x=1.0))
    labels = page.locator("#curve .tick").all_text_contents()
    rows = [float(text) for text in labels if text.startswith(("99", "1000"))]
    assert len(rows) == len(set(rows)) >= 3
    assert (
        min(page.evaluate("[...document.querySelectorAll('.tick')].map((x) => x.getBBox().x)")) >= 0
    )


def branching(x, w):
    h = x * w
    return h * 2 if h > 0 else h**2


def test_on_another_branch_no_number_is_shown_that_is_not_known(open_page):
    page = open_page(explore(branching, x=1.0, w=0.5))
    assert page.locator(".status").inner_text() == ""
    page.fill("#dial-0-number", "-1")
    assert "\u201cz1 > 0\u201d was true when this graph was made, and is false now" in (
        page.locator(".status").inner_text()
    )
    assert shown(page) == {
        "x": ("\u22121", "?"),
        "w": ("0.5", "?"),
        "z1": ("\u22120.5", "?"),
        "L": ("?", "?"),
    }
    assert set(page.locator(".gradient, .slope").all_text_contents()) == {"?", "grad"}
    assert set(page.locator(".flow").all_text_contents()) == {""}
    page.fill("#dial-0-number", "3")
    assert_shows(page, branching, x=3.0, w=0.5)
    page.fill("#dial-0-number", "1e-9")
    assert page.locator(".slope").first.inner_text() == "?"  # x - h is beyond the branch


def test_where_python_raises_the_page_says_so(open_page):
    page = open_page(explore(lambda x, y: x.log() / y, x=2.0, y=1.0))
    page.fill("#dial-0-number", "-2")
    assert (
        "At these inputs, Python raises ValueError: log(-2)" in page.locator(".status").inner_text()
    )
    assert shown(page)["L"] == ("?", "?")
    page.fill("#dial-0-number", "2")
    page.fill("#dial-1-number", "0")
    assert (
        "At these inputs, Python raises ZeroDivisionError" in page.locator(".status").inner_text()
    )


def test_what_is_not_finite_is_shown_as_such(open_page):
    def f(x):
        return x * 1e200 * 1e200 - x * 1e200 * 1e200

    page = open_page(explore(f, x=1e-300))
    page.fill("#dial-0-number", "1")
    assert shown(page)["L"][0] == "nan"
    assert "inf" in {value for value, _ in shown(page).values()}


def test_an_update_of_sixty_nodes_takes_less_than_a_frame(open_page):
    def deep(x, w):
        for _ in range(19):
            x = (x * w + 0.1).tanh()
        return (x - 1) ** 2

    page = open_page(explore(deep, x=0.5, w=0.8))
    assert page.locator("#graph .node:not(.constant)").count() >= 60
    assert time_of_task(page, "explorer.take(i % 2, 0.5 + i / 50)", 10) < 16


def test_a_page_of_a_neuron_is_small():
    page = explore(neuron, w=2.0, x=1.5, b=-0.5)
    assert len(page.html.encode()) < 60_000
    assert "eval(" not in page.html
    assert "unsafe" not in page.html


@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce", "has_touch": True}],
    indirect=True,
)
def test_it_fits_a_phone_and_every_control_has_a_name(open_page):
    page = open_neuron(open_page)
    assert_controls_fit(page, 390)
    page.locator("#dial-0-slider").tap()
    assert_shows(page, neuron, w=0.0, x=1.5, b=-0.5)  # its middle


def test_names_are_text(open_page):
    names = [*HOSTILE.values()]
    page = open_page(explore(lambda **x: sum(x.values()) ** 2, **dict.fromkeys(names, 1.0)))
    assert page.locator("img, iframe, script:not(#data):not(:last-of-type)").count() == 0
    assert page.locator(".dial-card").count() == len(names)
    page.fill("#dial-3-number", "5")
    assert shown(page)["L"][0] == as_text((len(names) + 4) ** 2)


ODD = {
    "an input that is not used": (lambda x, y: x * 2, {"x": 1.5, "y": 2.0}, "3"),
    "the input itself": (lambda x: x, {"x": 1.5}, "1.5"),
    "arrays": (
        lambda w, x: relu(w @ x).sum(),
        {"w": [[1.0, -2.0], [0.5, 1.0]], "x": [3.0, 1.0]},
        "3.5",
    ),
    "a loss": (lambda x: mse_loss(x, np.array([1.0, 2.0])), {"x": [3.0, 4.0]}, "4"),
    "the largest": (lambda x: np.max(x) * 2, {"x": [1.0, 4.0, 2.0]}, "8"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_functions_have_their_page(open_page, name):
    f, inputs, result = ODD[name]
    page = open_page(explore(f, **inputs))
    assert (
        page.locator(".root .number.value, .parameter .number.value").last.text_content() == result
    )
    for k in range(page.locator(".dial-card").count()):
        page.fill(f"#dial-{k}-number", "-7")
        assert page.locator(".dial-card.held").get_attribute("id") == f"card-{k}"
