"""A graph that is too long for the window is broken into rows."""

import numpy as np
import pytest
from test_unfolding_page import MISPLACED, STILL

from tinygrad_edu import Tensor, nn, viz
from tinygrad_edu.losses import mse_loss

ROWS = (
    """[...new Set(player.data.groups.filter((x) => x.path === "").map((x) => x.box[1]))].length"""
)
SCALE = "graph.getBoundingClientRect().width / player.data.size[0]"


@pytest.fixture(scope="module")
def forty():
    """Forty layers, and a weight that the first and the last of them use."""
    rng = np.random.default_rng(0)
    shared = Tensor(rng.normal(size=(4, 4)), requires_grad=True, name="shared")
    layers = [nn.Sequential(nn.Linear(4, 4, rng=rng), nn.Tanh()) for _ in range(20)]
    model = nn.Sequential(*layers)
    with viz.record(model) as made:
        out = model(Tensor(rng.normal(size=(3, 4)), name="x") @ shared)
        loss = mse_loss(out @ shared, np.zeros((3, 4)))
    return loss, made


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_forty_layers_are_seen_at_a_glance(open_page, forty):
    loss, made = forty
    page = open_page(viz.play(loss, record=made, depth=2))
    assert page.evaluate(ROWS) > 4
    assert page.evaluate(MISPLACED) == []
    page.click("#fit")
    assert page.evaluate(SCALE) > 0.25  # in one row 0.09
    assert page.evaluate("stage.scrollWidth <= stage.clientWidth + 1")
    width, height = page.evaluate("player.data.size")
    for x, y in page.evaluate("player.data.edges.map((edge) => edge.label)"):
        assert 31 <= x <= width - 31
        assert 8 <= y <= height - 8


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_layers_that_open_are_broken_into_rows_again(open_page, forty):
    loss, made = forty
    page = open_page(viz.play(loss, record=made, depth=1))
    before = page.evaluate("player.data.size[0] * player.data.size[1]")
    for i in range(0, 20, 4):
        page.locator(f".fold[data-path='layers.{i}']").dispatch_event("click")
    assert page.evaluate(ROWS) > 3
    assert page.evaluate("player.data.size[0] * player.data.size[1]") > before
    assert page.evaluate(MISPLACED) == []


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_a_graph_that_is_seen_whole_stays_in_one_row(open_page, neuron):
    page = open_page(viz.play(neuron))
    before = [page.evaluate("player.data.size"), page.evaluate(MISPLACED)]
    assert before[0][1] < 400
    assert before[1] == []
