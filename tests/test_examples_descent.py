"""The examples about the learning rate: each reaches the numbers that theory gives."""

import re

import numpy as np
import pytest
from drawn import long
from figures import figures_saved, legible  # noqa: F401
from test_docs import ROOT
from test_examples import example, pictures

pytestmark = pytest.mark.usefixtures("legible")


def test_learning_rate_quadratic(tmp_path):
    kinds = example("learning_rate_quadratic").main(tmp_path)
    assert list(kinds.values()) == [
        *("slow", "converged", "converged"),
        *("converged", "oscillating", "diverged"),
    ]
    assert pictures(tmp_path) == ["learning_rate_quadratic.png"]


@long
def test_learning_rate_sine(tmp_path):
    module = example("learning_rate_sine")
    with figures_saved() as saved:
        found = module.main(tmp_path)
    below = saved[0].axes[3:]  # a panel for each start, so that none hides another
    for ax, (start, valleys) in zip(below, found.items(), strict=True):
        assert ax.get_title() == f"Valley after 60 steps from x = {start:g}"
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), valleys)
        assert ax.texts[0].get_text() == module.march(valleys)
    page = " ".join((ROOT / "docs/08_learning_rate.md").read_text().split())
    ends = [int(n) for valleys in found.values() for n in re.findall(r"\d+", module.march(valleys))]
    assert f"the three descents of the picture end {min(ends)} to {max(ends)} valleys away" in page
    small = module.RATES < 2  # f'' = 1 at the bottom: beyond 2 no minimum holds a descent
    for start, valley in ((0.0, 0), (1.4, 0), (3.0, 1)):
        assert set(np.array(found[start])[small]) == {valley}
        assert len(set(found[start])) > 10
        # "from 2π to 7 each step can lead one valley on, always in the same direction"
        leading = (module.RATES > 6.6) & (module.RATES < 6.9)
        assert min(map(abs, np.array(found[start])[leading])) >= 59
    away = [
        module.RATES[np.array(valleys) != valleys[0]][0] for valleys in map(list, found.values())
    ]
    assert 4.55 < min(away) < 4.65  # "one above 4.6 leaves its valley", says the chapter
    assert pictures(tmp_path) == ["learning_rate_sine.png"]


def test_minima(tmp_path):
    with figures_saved() as saved:
        shares = example("minima").main(tmp_path)
    legends = [[x.get_text() for x in ax.get_legend().get_texts()] for ax in saved[0].axes]
    assert legends[2] == ["to -1.1", "minima", "to 0.88", "to none"]
    assert legends[3] == ["a minimum, and the starts\nthat go to it"]
    assert legends[4] == [*legends[3], "starts that reach none"]
    plain = shares["gradient descent"][0]
    assert shares["momentum 0.9"][0] > plain
    assert shares["noise 0.8"][0] > plain
    assert shares["gradient descent, lr = 0.01"][:4] == pytest.approx([0.25] * 4, abs=0.02)
    assert shares["gradient descent, lr = 0.022"][-1] > 0.2
    assert pictures(tmp_path) == ["minima.png"]


@long
def test_edge_of_stability(tmp_path):
    ends = example("edge_of_stability").main(tmp_path)
    for lr, sharpness in ends.items():
        assert sharpness == pytest.approx(2 / lr, rel=0.1)
    assert pictures(tmp_path) == ["edge_of_stability.png"]
