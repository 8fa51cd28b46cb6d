"""The theme of a page is remembered, and what is wrong with the memory disturbs no page."""

import numpy as np
import pytest
from random_sweeps import swept

from tinygrad_edu import viz

FORBIDDEN = """Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("access is denied", "SecurityError"); },
})"""
FULL = """Storage.prototype.setItem = () => {
    throw new DOMException("no room is left", "QuotaExceededError");
}"""
PAGES = {
    "play": viz.play,
    "quiz": viz.quiz,
    "film": lambda neuron: viz.film([neuron, neuron]),
    "practice": lambda neuron: viz.practice("chains", rng=np.random.default_rng(0)),
    "explore": lambda neuron: viz.explore(lambda w, x: (w * x - 4) ** 2, w=2.0, x=1.5),
    "explore_descent": lambda neuron: viz.explore_descent(),
    "explore_sweep": lambda neuron: viz.explore_sweep(swept()),
}


def theme(page):
    return page.evaluate("document.documentElement.style.colorScheme")


@pytest.mark.parametrize("name", PAGES)
def test_a_theme_is_remembered_and_no_memory_is_no_error(open_page, context, neuron, name):
    page = open_page(PAGES[name](neuron), served=True)
    for damaged in ("url(x)", "", "{"):
        page.evaluate("(x) => localStorage.setItem('tinygrad_edu theme', x)", damaged)
        page.reload()
        assert theme(page) == ""
    page.click("#theme")
    assert page.evaluate("localStorage.getItem('tinygrad_edu theme')") == "dark"  # of all pages
    page.reload()
    assert theme(page) == "dark"
    for script in (FULL, FORBIDDEN):
        context.add_init_script(script)
        page.reload()
        before = theme(page)
        page.click("#theme")
        assert (before, theme(page)) in {("dark", "light"), ("", "dark")}
