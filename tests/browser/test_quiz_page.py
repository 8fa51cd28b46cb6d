"""The quiz page: it judges as `Question.verdict` does, and lets nothing out before its time."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value
from tinygrad_edu.viz import Page, describe, quiz
from tinygrad_edu.viz.pages.mistakes import KINDS
from tinygrad_edu.viz.pages.predictions import predictions_of
from tinygrad_edu.viz.pages.questions import questions_of

NARROW = {"viewport": {"width": 380, "height": 700}}


@pytest.fixture
def layer():
    x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]])
    weight = Tensor([[0.5, -1.0], [2.0, 0.3]], requires_grad=True, name="W")
    b = Tensor([0.1, 0.2], requires_grad=True, name="b")
    s = Tensor(2.5, requires_grad=True, name="s")
    return np.sum((x @ weight + b) * s * np.array([[1.0, 2.0], [3.0, 5.0], [-7.0, 4.0]]))


def verdict(page):
    return page.locator("#verdict").inner_text()


def answer(page, text):
    page.fill("#answer", text)
    page.press("#answer", "Enter")
    return verdict(page)


ANSWER = """(texts) => texts.map((text) => {
    document.getElementById("answer").value = text;
    document.getElementById("check").click();
    return document.getElementById("verdict").textContent;
})"""


def steps(page):
    """The stop of each question that wants a number."""
    wants = "(step) => step.question && !step.question.choices"
    found = page.evaluate(f"player.steps.map((step, i) => ({wants})(step) ? i : -1)")
    return [i for i in found if i >= 0]


def numbers(page):
    """The page at its first question that wants a number."""
    page.evaluate(f"player.go({steps(page)[0]})")
    return page


def focus(page):
    return page.evaluate("document.activeElement.id || document.activeElement.tagName")


def zoom(page):
    return page.locator("#graph").get_attribute("width")


@pytest.mark.parametrize(
    ("graph", "named"),
    [
        ("neuron", ["add the contributions", "local derivative", "wrong operand", "sign is wrong"]),
        ("layer", ["sum over the axes", "local derivative", "wrong operand", "sign is wrong"]),
    ],
)
def test_every_verdict_is_that_of_python(open_page, request, graph, named):
    root = request.getfixturevalue(graph)
    page = open_page(quiz(root))
    asked = questions_of(describe(root))
    verdicts = set()
    for stop, question in zip(steps(page), asked, strict=True):
        page.evaluate(f"player.go({stop})")
        assert page.locator("#quiz label").inner_text() == f"{question.text} ="
        wrong = [mistake.answer for mistake in question.mistakes]
        tried = [*wrong, *(x * 1.004 for x in wrong), 1e6, question.answer * 1.02]
        tried = [x for x in tried if question.verdict(x) != "Right."]
        found = page.evaluate(ANSWER, [repr(x) for x in tried])
        assert found == [question.verdict(x) for x in tried]
        verdicts |= set(found)
        assert answer(page, repr(question.answer * 0.995)).startswith(f"Right: {question.text} = ")
    assert page.locator("#score").inner_text() == f"{len(asked)} right"
    for part in named:
        assert any(part in each for each in verdicts), f"no verdict says {part!r}"


def test_numbers_are_read_as_people_write_them(open_page):
    page = numbers(open_page(quiz(Value(3.0, name="x") * 0.1)))
    for text in ("one", "", "1/0", "1.2.3", "0x1", "alert(1)", "1e", "--1"):
        assert answer(page, text) == "Write a number, such as -0.5, 1e-3 or -1/2."
    for text in ("1e-1", "1/10", "0,1", " + 0.1 ", ".1", "10 / 1E2", "\u22120,1/\u22121"):
        page.reload()
        assert answer(numbers(page), text) == "Right: ∂L/∂x = 0.1"


def test_a_gradient_shows_when_it_is_found(open_page, neuron):
    page = numbers(open_page(quiz(neuron)))
    first = page.evaluate("player.steps[player.step].node")
    gradients = page.locator("svg .number.gradient")
    assert [text for text in gradients.all_text_contents() if text] == ["1"]  # dL/dL
    page.hover(f"#node-{first}")
    assert "gradient" not in page.locator("#details").inner_text()
    assert "gradient" not in page.locator(f"#node-{first}").get_attribute("aria-label")
    answer(page, repr(questions_of(describe(neuron))[0].answer))
    assert len([text for text in gradients.all_text_contents() if text]) == 2
    assert "gradient" in page.locator(f"#node-{first}").get_attribute("aria-label")


def test_no_answer_is_in_the_text_of_the_page(open_page, neuron):
    page = open_page(quiz(neuron))
    text = page.locator("body").inner_text()
    answers = [f"{question.answer:.4g}" for question in questions_of(describe(neuron))]
    long = [text for text in answers if len(text) > 4]
    assert len(long) == 6
    assert not any(answer in text for answer in long)


def test_hints_come_one_by_one_and_the_answer_can_be_shown(open_page, neuron):
    page = open_page(quiz(neuron))
    for stop, question in zip(steps(page)[2:4], questions_of(describe(neuron))[2:4], strict=True):
        page.evaluate(f"player.go({stop})")
        assert page.locator("#hints li").all_inner_texts() == []
        for i in range(len(question.hints)):
            page.click("#hint")
            assert page.locator("#hints li").all_inner_texts() == list(question.hints[: i + 1])
        assert page.locator("#hint").is_disabled()
    page.click("#reveal")
    assert verdict(page) == f"{question.text} = {question.answer:.4g}"
    assert page.locator("#score").inner_text() == "0 right, 1 shown"


def test_the_whole_quiz_by_keyboard_without_a_mistake(open_page, neuron):
    page = open_page(quiz(neuron))
    predictions = predictions_of(neuron, describe(neuron), None)
    asked = questions_of(describe(neuron))
    assert 2 <= len(predictions) <= 3
    for prediction in predictions:
        assert page.locator("#prediction").inner_text() == prediction.text
        page.keyboard.press(str(prediction.right + 1))
        assert verdict(page) == f"Right. {prediction.reason}"
        assert focus(page) == "onward"
        page.keyboard.press("Enter")
    for question in asked:
        assert focus(page) == "answer"
        page.keyboard.type(repr(question.answer))
        page.keyboard.press("Enter")
        assert verdict(page).startswith("Right")
        assert focus(page) == "onward"
        page.keyboard.press("Enter")
    n = len(asked) + len(predictions)
    assert page.locator("#score").inner_text() == f"{n} right"
    assert focus(page) == "summary"
    summary = page.locator("#summary").inner_text()
    assert f"{n} of {n} right, all of them on the first try and without a hint." in summary
    assert "No mistakes." in summary
    assert page.locator("#onward").is_hidden()


def test_the_end_tells_the_mistakes_and_what_to_look_at_again(open_page, neuron):
    page = open_page(quiz(neuron))
    predictions = predictions_of(neuron, describe(neuron), None)
    asked = questions_of(describe(neuron))
    wrong = (predictions[0].right + 1) % 4
    for i, prediction in enumerate(predictions):
        page.click(f"#choices button:nth-child({(wrong if i == 0 else prediction.right) + 1})")
        page.click("#onward")
    (power,) = (x for x in asked if x.text == "∂L/∂z₃")
    for question in asked:
        if question is power:
            forgotten = answer(page, repr(question.answer / 2))
            assert forgotten == "The factor 2 is missing: the exponent comes down as a factor."
            assert answer(page, "123") == "Not right yet."
        if question is asked[-1]:
            page.click("#reveal")
        else:
            answer(page, repr(question.answer))
        page.click("#onward")
    n = len(asked) + len(predictions)
    summary = page.locator("#summary")
    assert f"{n - 2} of {n} right, {n - 3} of them on the first try" in summary.inner_text()
    questions = [predictions[0].text, power.text, asked[-1].text]
    assert summary.locator("dt").all_inner_texts() == questions
    told = summary.locator("dd").all_inner_texts()
    assert told[0].startswith(f"Not “{predictions[0].choices[wrong].lower()}”. ")
    assert forgotten in told[1]
    assert told[2:] == ["123: Not right yet.", "The answer was shown."]
    again = summary.locator("#again li").all_inner_texts()
    assert sorted(again) == sorted(KINDS[kind] for kind in ("prediction", "power"))

    page.click(f"text={power.text}")  # back to that question, and from there to the end again
    assert page.locator("#quiz label").inner_text() == f"{power.text} ="
    page.click("#onward")
    page.click("#restart")
    assert page.locator("#score").inner_text() == "0 right"
    assert page.locator("#prediction").inner_text() == predictions[0].text
    gradients = page.locator("svg .number.gradient").all_text_contents()
    assert [text for text in gradients if text] == ["1"]  # all others are hidden again


def test_the_end_of_a_quiz_without_a_right_answer(open_page, neuron):
    page = open_page(quiz(neuron))
    wrong = [(each.right + 1) % 4 for each in predictions_of(neuron, describe(neuron), None)]
    for choice in wrong:
        page.keyboard.press(str(choice + 1))
        page.keyboard.press("Enter")
    while page.locator("#reveal").is_visible():
        page.click("#reveal")
        page.keyboard.press("Enter")
    n = len(wrong) + len(questions_of(describe(neuron)))
    assert page.locator("#summary p").first.inner_text() == f"0 of {n} right."


def test_a_number_goes_to_the_answer_and_never_zooms(open_page, neuron):
    page = open_page(quiz(neuron))
    before = zoom(page)
    page.keyboard.press("-")  # a prediction takes 1 to 4 only
    assert (zoom(page), verdict(page)) == (before, "")
    numbers(page)
    assert focus(page) == "answer"
    for start in "-+0":
        page.evaluate("document.activeElement.blur()")
        assert focus(page) == "BODY"
        page.fill("#answer", "")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.type(f"{start}3")
        assert page.input_value("#answer") == f"{start}3"
        assert zoom(page) == before
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    assert focus(page) == "slider"  # nobody is taken away from the controls
    page.keyboard.type("-7")
    assert page.input_value("#answer") == "-7"
    answer(page, repr(questions_of(describe(neuron))[1].answer))
    page.keyboard.type("-3")
    assert zoom(page) == before
    assert page.input_value("#answer") != "-7-3"


def test_keys_in_the_answer_do_not_turn_the_page(open_page, neuron):
    page = numbers(open_page(quiz(neuron)))
    stop = page.evaluate("player.step")
    page.focus("#answer")
    for key in ("ArrowLeft", "ArrowRight", "Home", "End", " ", "-", "+", "0"):
        page.keyboard.press(key)
    assert page.evaluate("player.step") == stop
    assert page.input_value("#answer").strip("+-0 ") == ""


def test_an_answer_and_its_verdict_are_still_there_when_one_comes_back(open_page, neuron):
    page = numbers(open_page(quiz(neuron)))
    stop = page.evaluate("player.step")
    answer(page, "123")
    page.click("#next")
    assert (page.input_value("#answer"), verdict(page)) == ("", "")
    page.click("#back")
    assert page.evaluate("player.step") == stop
    assert (page.input_value("#answer"), verdict(page)) == ("123", "Not right yet.")
    page.click("#first")
    assert page.locator("#answer").is_hidden()
    page.click("#onward")
    assert page.evaluate("document.activeElement.parentElement.id") == "choices"


def test_controls_have_names_and_verdicts_are_announced(open_page, neuron):
    page = numbers(open_page(quiz(neuron)))
    (question, *_) = questions_of(describe(neuron))
    assert page.get_by_label(f"{question.text} =").count() == 1
    assert page.locator("#verdict").get_attribute("role") == "status"
    for name in ("Check", "Hint", "Show the answer", "Next question"):
        assert page.get_by_role("button", name=name).count() == 1


def test_on_paper_a_prediction_has_its_choices_and_no_answer(open_page, neuron):
    page = open_page(quiz(neuron))
    page.emulate_media(media="print")
    lines = page.locator("#solution li:has(li)")
    predictions = predictions_of(neuron, describe(neuron), None)
    assert page.locator("#solution h2").last.inner_text() == "Questions"
    assert lines.locator("p").all_inner_texts() == [each.text for each in predictions]
    for i, each in enumerate(predictions):
        choices = lines.nth(i).locator("li")
        assert choices.all_inner_texts() == list(each.choices)
        assert choices.first.is_visible()
        assert each.reason not in page.locator("#solution").inner_text()
    page.emulate_media(media="screen")
    page.locator("#solution li").first.wait_for(state="detached")


@pytest.mark.parametrize("context", [NARROW], indirect=True)
def test_it_fits_a_narrow_screen(open_page, layer):
    page = open_page(quiz(layer))
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    numbers(page)
    page.click("#hint")
    answer(page, "4.6")
    for part in ("#answer", "#check", "#hint", "#reveal", "#onward"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 380
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_it_works_in_the_frame_of_a_notebook(open_page, neuron):
    page = open_page(Page(f"<!doctype html><title>notebook</title>{quiz(neuron)._repr_html_()}"))
    inside = page.frames[1]
    numbers(inside)
    inside.press("#answer", "5")
    inside.press("#answer", "Enter")
    assert inside.locator("#verdict").inner_text() == "Not right yet."
