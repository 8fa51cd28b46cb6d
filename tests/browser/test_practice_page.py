"""The practice page: it judges, counts, advises and remembers, by the engine's numbers."""

import numpy as np
import pytest

from tinygrad_edu.viz import Page, practice
from tinygrad_edu.viz.pages.levels import LEVELS
from tinygrad_edu.viz.pages.mistakes import KINDS

PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def whole():
    return practice(rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def chains():
    return practice("chains", rng=np.random.default_rng(0))


def asked(page):
    return page.evaluate("practice.question")


def streak(page):
    return page.locator("#streak").inner_text()


def verdict(page):
    return page.locator("#verdict").inner_text()


def focus(page):
    return page.evaluate("document.activeElement.id")


def answer(page, x):
    """By keyboard: the field has the focus, Enter checks."""
    assert focus(page) == "answer"
    page.keyboard.type(repr(x))
    page.keyboard.press("Enter")


def answer_right(page):
    answer(page, asked(page)["answer"])
    assert verdict(page).startswith(f"Right: {asked(page)['text']} = ")
    assert focus(page) == "onward"
    page.keyboard.press("Enter")


def test_right_answers_make_a_streak_and_lead_to_the_next_level(open_page, whole):
    assert len(whole.html.encode()) < 1_200_000
    page = open_page(whole, served=True)
    seen = []
    for n in range(8):
        assert streak(page) == f"streak {n}, best {n}"
        assert page.locator("#asked").inner_text() == f"{asked(page)['text']} ="
        assert page.locator(".asked .sought").text_content() == "?"
        seen.append(page.evaluate("practice.level"))
        answer_right(page)
    order = list(dict.fromkeys(seen))  # three right in a row, and the level is done
    assert order == list(LEVELS)[: len(order)]
    assert all(seen.count(name) in (3, 4) for name in order[:-1])
    page.click("#progress summary")
    rows = [row.split("\t")[1] for row in page.locator("#progress tr").all_inner_texts()]
    assert rows == [f"{n} of {n}" if (n := seen.count(name)) else "" for name in LEVELS]
    level = page.evaluate("practice.level")

    page.reload()  # it remembers
    assert streak(page) == "streak 8, best 8"
    assert page.evaluate("practice.level") == level


def test_a_mistake_is_named_ends_the_streak_and_is_practised_next(open_page, whole):
    page = open_page(whole)
    answer_right(page)
    reasons = page.evaluate("JSON.parse(document.getElementById('data').textContent).reasons")
    page.select_option("#level", "chains")
    page.select_option("#level", "")
    for n in (1, 2):
        while not (wrong := [x for x in asked(page)["mistakes"] if x[2] == "incoming"]):
            page.click("#onward")
        number, reason, _ = wrong[0]
        answer(page, number)
        assert verdict(page) == reasons[reason]
        assert page.locator("#verdict").get_attribute("class") == "wrong"
        assert streak(page) == "streak 0, best 1"
        assert page.evaluate("practice.memory.kinds.incoming") == n
        told = page.locator("#advice").inner_text()
        assert "chains." in told
        assert KINDS["incoming"] in told
        page.click("#onward")  # which skips the question
    while page.evaluate("practice.level") != "chains":  # what is left of the graph, then chains
        page.click("#onward")
    level = page.evaluate("practice.level")
    for _ in range(6):
        if page.evaluate("practice.memory.kinds.incoming") == 0:
            break
        answer_right(page)
    assert level == "chains"
    assert page.evaluate("practice.memory.kinds.incoming") == 0  # made good
    assert "incoming" not in page.locator("#advice").inner_text()


def test_what_is_no_typical_mistake_and_what_is_no_number(open_page, chains):
    page = open_page(chains)
    answer(page, 12345.0)
    assert verdict(page) == "Not right yet."
    page.fill("#answer", "one")
    page.keyboard.press("Enter")
    assert verdict(page) == "Write a number, such as -0.5, 1e-3 or -1/2."
    page.evaluate("document.activeElement.blur()")
    page.fill("#answer", "")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.type("-3")
    assert page.input_value("#answer") == "-3"
    assert page.locator("#level option").all_inner_texts() == ["chains"]


def test_hints_lead_to_the_answer_and_do_not_tell_it(open_page, chains):
    page = open_page(chains)
    solution = asked(page)["solution"]
    for n in range(1, len(solution) + 1):
        page.click("#hint")
        shown = page.locator("#hints li").all_inner_texts()
        told = ["".join(line) for line in solution[:n]]
        if n == len(solution):
            told[-1] = solution[-1][0]  # the rule, not what it comes to
        assert shown == told
    assert page.locator("#hint").is_disabled()
    page.click("#reveal")
    assert page.locator("#hints li").all_inner_texts()[-1] == "".join(solution[-1])
    digits = f"{asked(page)['answer']:.4g}"
    assert verdict(page) == f"{asked(page)['text']} = {digits}"
    assert page.locator(".asked .sought").text_content() == digits
    assert streak(page) == "streak 0, best 0"
    page.click("#rulebook summary")
    assert "∂L/∂x = ∂L/∂z · 3 · x²" in page.locator("#rulebook").inner_text()


TEXTS = """() => [...document.querySelectorAll("#graph g")].flatMap((g) => {
    const [box, ...texts] = [g.querySelector(".box"), ...g.querySelectorAll(".title, .value")];
    if (!box) return [];
    const outer = box.getBBox();
    return texts.map((text) => text.getBBox()).filter((inner) =>
        inner.x < outer.x || inner.x + inner.width > outer.x + outer.width
        || inner.y < outer.y || inner.y + inner.height > outer.y + outer.height).length;
}).reduce((x, y) => x + y, 0)"""


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_all_graphs_are_legible_on_a_phone(open_page, whole):
    page = open_page(whole)
    for level in LEVELS:
        page.select_option("#level", level)
        for _ in range(6):
            assert page.evaluate(TEXTS) == 0
            letters = "document.querySelector('#graph .title').getBoundingClientRect().height"
            assert page.evaluate(letters) >= 9
            page.evaluate("document.getElementById('onward').click()")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("#answer", "#check", "#hint", "#reveal", "#onward", "#level", "#theme"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    assert page.locator("#graph").bounding_box()["width"] <= 390


def test_it_works_in_the_frame_of_a_notebook_without_a_memory(open_page, chains):
    page = open_page(Page(f"<!doctype html><title>notebook</title>{chains._repr_html_()}"))
    frame = page.frame_locator("iframe")
    frame.locator("#theme").click()
    question = page.frames[1].evaluate("practice.question")
    frame.locator("#answer").fill(repr(question["answer"]))
    frame.locator("#answer").press("Enter")
    assert frame.locator("#streak").inner_text() == "streak 1, best 1"


DAMAGED = [
    "not JSON",
    "null",
    "7",
    '"text"',
    "[]",
    '{"levels": null, "kinds": null, "level": null, "streak": null}',
    '{"levels": {"chains": null}, "kinds": {"incoming": "many"}, "streak": -2, "best": "ten"}',
    '{"levels": {"chains": {"place": -1.5, "row": "x"}}, "kinds": [], "best": 1e300}',
    '{"levels": [7], "level": {"name": "chains"},}',
    '{"levels": {"chains": {"place": 3}}, "kinds": {"no such kind": 5, "__proto__": 1}}',
]


def test_a_memory_that_is_damaged_is_made_afresh_in_silence(open_page, chains):
    page = open_page(chains, served=True)
    for text in DAMAGED:
        page.evaluate("(x) => localStorage.setItem('tinygrad_edu.practice', x)", text)
        page.reload()
        assert streak(page) == "streak 0, best 0"
        answer_right(page)
        assert streak(page) == "streak 1, best 1"
        assert page.locator("#advice").inner_text() == ""
        page.reload()  # and it remembers again
        assert streak(page) == "streak 1, best 1"


def test_what_is_sound_in_a_damaged_memory_is_kept(open_page, whole):
    page = open_page(whole, served=True)
    text = '{"level": "chains", "streak": 4, "best": 9, "kinds": {"incoming": 2}, "levels": 3}'
    page.evaluate("(x) => localStorage.setItem('tinygrad_edu.practice', x)", text)
    page.reload()
    assert streak(page) == "streak 4, best 9"
    assert page.evaluate("practice.level") == "chains"
    assert KINDS["incoming"] in page.locator("#advice").inner_text()
