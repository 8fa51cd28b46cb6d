"""Every page on a phone, by keyboard alone, dark and without motion: all of it can be used."""

import numpy as np
import pytest
from random_sweeps import swept

from tinygrad_edu import viz

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "reduced_motion": "reduce",
    "has_touch": True,
    "is_mobile": True,
}
W, X = np.array([[0.5, -1.0], [2.0, 0.3]]), [1.0, 2.0]
PAGES = {
    "play": viz.play,
    "quiz": viz.quiz,
    "film": lambda neuron: viz.film([neuron, neuron]),
    "practice": lambda neuron: viz.practice("matrices", rng=np.random.default_rng(0)),
    "explore": lambda neuron: viz.explore(lambda w, x: (np.tanh(w @ x) ** 2).sum(), w=W, x=X),
    "explore_descent": lambda neuron: viz.explore_descent(),
    "explore_sweep": lambda neuron: viz.explore_sweep(swept()),
}

# Whether the middle of what has the focus is in the window, with nothing over it.
REACHED = """() => {
    const held = document.activeElement;
    const box = held.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return held === document.body || held.contains(top) ? "" : held.id || held.tagName;
}"""
SMALL = """() => [...document.querySelectorAll("button, select, input, summary")]
    .filter((x) => x.offsetParent)
    .filter((x) => x.getBoundingClientRect().height < 24 || x.getBoundingClientRect().width < 24)
    .map((x) => x.id || x.textContent)"""
# A phone zooms into a field with smaller letters, and some keypads for decimals have no minus.
AWKWARD = """() => [...document.querySelectorAll("input:not([type=range]), select")]
    .filter((x) => parseFloat(getComputedStyle(x).fontSize) < 16 || x.inputMode)
    .map((x) => x.id)"""
CUT = """() => [...document.querySelectorAll("h1")]
    .filter((x) => x.scrollWidth > x.clientWidth || x.scrollHeight > x.clientHeight + 1)
    .map((x) => x.textContent)"""


@pytest.mark.parametrize("context", [PHONE], indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_used_on_a_phone_and_by_keyboard(open_page, neuron, name):
    page = open_page(PAGES[name](neuron))
    assert page.evaluate(CUT) == []
    assert page.evaluate(SMALL) == []
    assert page.evaluate(AWKWARD) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if name == "explore_descent":
        page.select_option("#terrain", "2")
    hidden = []
    for key in ("Tab", "Shift+Tab"):
        for _ in range(20):
            page.keyboard.press(key)
            hidden.append(page.evaluate(REACHED))
    assert [x for x in hidden if x] == []
    assert "Point at" not in page.locator("body").inner_text()  # with what?


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_what_opens_low_in_the_panel_of_practice_comes_into_view(open_page):
    page = open_page(viz.practice("matrices", rng=np.random.default_rng(0)))
    page.click("#reveal")  # and all hints with it
    page.focus("#rulebook summary")
    page.keyboard.press("Enter")
    seen = """() => {
        const [rule, panel] = ["rules", "panel"].map((x) =>
            document.querySelector(`#${x}, .${x}`).getBoundingClientRect());
        return rule.bottom <= panel.bottom;
    }"""
    page.wait_for_function(seen)
    assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_the_node_of_an_input_that_is_held_is_in_view(open_page, neuron):
    page = open_page(PAGES["explore"](neuron))
    for k in (5, 0):
        page.focus(f"#dial-{k}-slider")
        node, room = (page.locator(x).bounding_box() for x in (".node.now", "#room"))
        assert room["y"] <= node["y"]
        assert node["y"] + node["height"] <= room["y"] + room["height"]


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_a_touch_of_a_node_shows_its_numbers(open_page, neuron):
    for name in ("play", "quiz", "film"):
        page = open_page(PAGES[name](neuron))
        page.locator("#node-2 .box").tap()
        assert "value" in page.locator("#details").inner_text()
