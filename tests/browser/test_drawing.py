"""A drawing in a page: as wide as the page at most, and in its own size after a click."""

import pytest

from tinygrad_edu import viz
from tinygrad_edu.viz.pages.player import Page


@pytest.mark.parametrize("context", [{"viewport": {"width": 600, "height": 800}}], indirect=True)
def test_a_drawing_fits_the_page_until_it_is_clicked(open_page, neuron):
    svg = viz.draw(neuron, rankdir="LR").svg()
    page = open_page(Page(f'<!doctype html><title>x</title><div style="overflow:auto">{svg}</div>'))

    def size(what):
        return page.evaluate(f"(() => {{const x = {what}; return [x.width, x.height]}})()")

    width, height = size("document.querySelector('svg').getBoundingClientRect()")
    whole, tall = size("document.querySelector('svg').viewBox.baseVal")
    assert 500 < width <= 600
    assert height == pytest.approx(width * tall / whole, rel=0.01)
    page.get_by_role("img", name="A graph of ").click()
    assert size("document.querySelector('svg').getBoundingClientRect()")[0] > 1000
    assert page.evaluate("document.documentElement.scrollWidth") <= 600  # its own box scrolls


@pytest.mark.parametrize("context", [{"viewport": {"width": 2400, "height": 800}}], indirect=True)
def test_a_drawing_is_never_larger_than_its_own_size(open_page, neuron):
    page = open_page(Page(f"<!doctype html><title>x</title>{viz.draw(neuron).svg()}"))
    width, own = page.evaluate(
        "[document.querySelector('svg').getBoundingClientRect().width,"
        " document.querySelector('svg').viewBox.baseVal.width]"
    )
    assert width == pytest.approx(own * 4 / 3, rel=0.01)  # points as pixels
