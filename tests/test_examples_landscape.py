"""The examples that look at landscapes: each reaches its numbers and saves its picture."""

import numpy as np
import pytest
from test_examples import example, pictures


def test_landscape_of_a_neuron(tmp_path, capsys):
    table, valley, bowl = example("landscape_of_a_neuron").main(tmp_path)
    assert table == {(1, 1): 3, (2, 1): 4, (1, 2): 4, (2, 2): 5}
    assert valley == pytest.approx([-0.5, -0.5])  # the nearest to (2, 2) of w + b = -1
    assert bowl == pytest.approx(np.polyfit([1, 2, 3], [-1, 0.5, 1], 1), abs=1e-3)
    assert "w = 2, b = 2: prediction 4, error 5" in capsys.readouterr().out
    assert pictures(tmp_path) == ["landscape_of_a_neuron.png"]


def test_landscape_of_a_network(tmp_path):
    on_random, on_principal, rises = example("landscape_of_a_network").main(tmp_path, points=21)
    assert on_random < 0.15
    assert on_principal > 0.95
    assert rises == 0
    assert pictures(tmp_path) == ["landscape_of_a_network.png"]
