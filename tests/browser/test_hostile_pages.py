"""Names that look like markup or script are text in the pages, and nothing of them runs."""

import numpy as np
import pytest
from test_hostile_names import NAMES, network, scalars

from tinygrad_edu import Tensor, Value, viz

WATCH = """
    window.alarms = [];
    for (const name of ["alert", "confirm", "prompt"]) {
        window[name] = () => window.alarms.push(name);
    }
"""
STRANGE = "img, iframe, object, embed, link, base, a, script:not(#data):not(:last-of-type)"


# Every step, the details of every node, every hint and answer.
VISIT = """() => {
    for (let i = 0; i < player.steps.length; i += 1) {
        player.go(i);
        for (const id of ["hint", "reveal"]) {
            const button = document.getElementById(id);
            if (button?.offsetParent) button.click();
        }
    }
    for (const node of document.querySelectorAll(".node")) node.focus();
}"""

PAGES = {
    "play": lambda: viz.play(scalars(*NAMES)),
    "quiz": lambda: viz.quiz(scalars(*NAMES)),
    "film": lambda: viz.film([scalars(*NAMES)] * 2),
    "play layers": lambda: layers(None),
    "play folded layers": lambda: layers(1),
}


def layers(depth):
    loss, made = network(*NAMES)
    return viz.play(loss, record=made, depth=depth)


@pytest.mark.parametrize("what", PAGES)
def test_nothing_runs(open_page, context, what):
    context.add_init_script(WATCH)
    page = open_page(PAGES[what]())
    page.evaluate(VISIT)
    assert page.evaluate("window.alarms") == []
    assert page.locator(STRANGE).count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_the_watch_would_notice(open_page, context):
    context.add_init_script(WATCH)
    page = open_page(viz.play(Value(1.0, name="x")))
    page.evaluate("alert(1); document.body.append(document.createElement('img'))")
    assert page.evaluate("window.alarms") == ["alert"]
    assert page.locator(STRANGE).count() == 1


def test_notebook_output_runs_nothing(open_page, context):
    context.add_init_script(WATCH)

    class Output:
        def save(self, path):
            nodes = [Tensor(np.ones(2), name=name) for name in NAMES]
            shown = [node._repr_html_() for node in nodes]
            shown += [viz.play(scalars(name))._repr_html_() for name in NAMES[:2]]
            html = f'<!doctype html><meta charset="utf-8"><body>{"".join(shown)}'
            path.write_text(html, "utf-8", errors="backslashreplace")

    page = open_page(Output())
    assert page.evaluate("window.alarms") == []
    assert page.locator("img, script").count() == 0
    inside = page.frame_locator("iframe").first
    assert inside.locator("#graph").count() == 1
