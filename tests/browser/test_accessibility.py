"""Can everybody use the pages? axe-core looks at each, in both themes, on a screen and a phone."""

import numpy as np
import pytest
from random_sweeps import swept

from tinygrad_edu import Tensor, losses, nn, viz

WINDOWS = [
    {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", "bypass_csp": True},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "bypass_csp": True},
]


def layered(**options):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 2, rng=rng))
    with viz.record(model) as made:
        loss = losses.mse_loss(model(Tensor(rng.normal(size=(5, 3)), name="x")), np.zeros((5, 2)))
    return viz.play(loss, record=made, **options)


PAGES = {
    "play": viz.play,
    "play with layers": lambda neuron: layered(),
    "play with a layer open": lambda neuron: layered(depth=1),
    "quiz": viz.quiz,
    "film": lambda neuron: viz.film([neuron, neuron]),
    "practice": lambda neuron: viz.practice("matrices", rng=np.random.default_rng(0)),
    "explore": lambda neuron: viz.explore(lambda w, x: (w * x - 4) ** 2, w=2.0, x=1.5),
    "explore_descent": lambda neuron: viz.explore_descent(),
    "explore_sweep": lambda neuron: viz.explore_sweep(swept()),
}


@pytest.mark.parametrize("context", WINDOWS, indirect=True, ids=["screen", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_breaks_no_rule_of_accessibility(open_page, neuron, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe").Axe()
    page = open_page(PAGES[name](neuron))
    if name == "play with a layer open":
        page.locator(".fold[data-path='layers.0']").dispatch_event("click")
        assert page.get_by_role("button", name="Close layers.0").count() == 1
    if name.startswith("play"):
        page.evaluate("player.go(player.steps.length - 2)")
    found = axe.run(page).response["violations"]
    assert [(x["id"], x["nodes"][0]["html"]) for x in found] == []
