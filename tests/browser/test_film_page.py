"""The page that shows one graph over many steps of training."""

import re

import numpy as np
import pytest
from test_play_page import played

from tinygrad_edu import Tensor, Value, nn, viz
from tinygrad_edu.losses import mse_loss


@pytest.fixture
def frames():
    w = Value(3.0, name="w")
    found = []
    for _ in range(12):
        loss = (w - 1.0) ** 2
        loss.name = "L"
        found.append(viz.describe(loss))
        w.data -= 0.3 * found[-1].nodes[0].gradient
    return found


def current(page):
    return page.evaluate("player.step")


def test_each_frame_shows_its_own_numbers(open_page, frames):
    page = open_page(viz.film(frames))
    for i, graph in enumerate(frames):
        page.fill("#slider", str(i))
        assert current(page) == i
        w = graph.nodes[0]
        label = page.locator("#node-0").get_attribute("aria-label")
        shown = re.fullmatch(r"w, parameter, value (\S+), gradient (\S+)", label)
        assert [float(x) for x in shown.groups()] == pytest.approx([w.value, w.gradient], rel=1e-3)
        assert f"{i + 1} of 12" in page.locator("#live").text_content()


def test_keys_and_buttons(open_page, frames):
    page = open_page(viz.film(frames))
    for key, frame in [("ArrowRight", 1), ("End", 11), ("ArrowLeft", 10), ("Home", 0)]:
        page.keyboard.press(key)
        assert current(page) == frame
    for button, frame in [("next", 1), ("last", 11), ("back", 10), ("first", 0)]:
        page.click(f"#{button}")
        assert current(page) == frame
    page.select_option("#speed", "8")
    page.keyboard.press(" ")
    played(page)
    assert current(page) == 11


def test_the_details_follow_the_frames(open_page, frames):
    page = open_page(viz.film(frames))
    page.hover("#node-0")
    before = page.locator("#details").inner_text()
    page.keyboard.press("End")
    assert page.locator("#details").inner_text() != before
    assert f"{frames[-1].nodes[0].value:.4g}" in page.locator("#details").inner_text()


@pytest.mark.parametrize("context", [{"viewport": {"width": 380, "height": 700}}], indirect=True)
def test_it_fits_a_narrow_screen(open_page, frames):
    page = open_page(viz.film(frames))
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    for control in ("first", "back", "play", "next", "last", "slider", "speed", "theme"):
        box = page.locator(f"#{control}").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 380


def test_a_loss_that_overflows_is_named_and_the_others_keep_their_curve(open_page):
    w, frames = Value(3.0, name="w"), []
    for _ in range(6):
        h = w - 1.0
        frames.append(viz.describe(h * h))
        w.data -= 1e60 * frames[-1].nodes[0].gradient
    page = open_page(viz.film(frames))
    assert page.locator("#chart .curve").get_attribute("points").count(",") == 3
    page.keyboard.press("End")
    assert "frame 6 of 6, loss inf" in page.locator("#now").inner_text()
    assert page.locator("#chart circle").count() == 0
    assert "3 of 6 frames have no finite loss" in page.locator("#now").inner_text()


WINDOWS = [{"viewport": {"width": w, "height": h}} for w, h in ((1280, 800), (1920, 1080))]


@pytest.mark.parametrize("context", WINDOWS, indirect=True, ids=["1280", "1920"])
def test_most_of_a_wide_window_is_the_graph_s(open_page):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 4, rng=rng), nn.Tanh(), nn.Linear(4, 1, rng=rng))
    loss = mse_loss(model(Tensor(rng.normal(size=(4, 2)), name="x")), np.zeros((4, 1)))
    page = open_page(viz.film([loss] * 3))
    stage, main, panel, chart = (
        page.locator(x).bounding_box() for x in ("#stage", "main", "#panel", "#chart")
    )
    assert stage["width"] == main["width"]  # the panel stands below
    assert stage["height"] > 0.7 * main["height"]
    assert chart["y"] + chart["height"] <= panel["y"] + panel["height"]
    assert page.evaluate("panel.scrollHeight <= panel.clientHeight + 1")
