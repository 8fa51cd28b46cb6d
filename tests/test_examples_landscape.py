"""The examples that look at landscapes: each reaches its numbers and saves its picture."""

import numpy as np
import pytest
from figures import figures_saved, legible  # noqa: F401
from test_examples import example, pictures

pytestmark = pytest.mark.usefixtures("legible")


def test_landscape_of_a_neuron(tmp_path, capsys):
    with figures_saved() as saved:
        table, valley, bowl = example("landscape_of_a_neuron").main(tmp_path)
    bars = [ax.get_ylabel() for ax in saved[0].axes if "error" in ax.get_ylabel()]
    assert bars == ["error", "squared error", "squared error"]
    assert table == {(1, 1): 3, (2, 1): 4, (1, 2): 4, (2, 2): 5}
    assert valley == pytest.approx([-0.5, -0.5])  # the nearest to (2, 2) of w + b = -1
    assert bowl == pytest.approx(np.polyfit([1, 2, 3], [-1, 0.5, 1], 1), abs=1e-3)
    assert "w = 2, b = 2: prediction 4, error 5" in capsys.readouterr().out
    assert pictures(tmp_path) == ["landscape_of_a_neuron.png"]


def test_landscape_of_a_network(tmp_path):
    with figures_saved() as saved:
        on_random, on_principal, rises = example("landscape_of_a_network").main(tmp_path, points=21)
    aside, along = saved[0].axes[1:3]
    assert aside.get_title() == "From above: 3% of the distance\nfrom start to end lies in it"
    assert aside.get_legend().get_texts()[0].get_text() == "training: a dot here"
    assert along.get_legend().get_texts()[0].get_text() == "training"
    assert on_random < 0.15
    assert on_principal > 0.95
    assert rises == 0
    assert pictures(tmp_path) == ["landscape_of_a_network.png"]
