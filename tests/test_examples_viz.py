"""The examples that draw: each shows what its question asks for."""

import matplotlib.image
import numpy as np
import pytest
from test_examples import example, pictures

from tinygrad_edu.viz.drawing.themes import THEMES


def test_draw_neuron(tmp_path, capsys):
    gradients = example("draw_neuron").main(tmp_path)
    assert gradients == pytest.approx([-1.5, 1.0, 0.5, 0.0, 0.5])
    solution = (tmp_path / "solution.md").read_text(encoding="utf-8")
    assert r"\frac{\partial" in solution
    (tmp_path / "solution.md").unlink()
    assert pictures(tmp_path) == ["dark.png", "forward.svg", "neuron.svg"]
    printed = capsys.readouterr().out
    assert "out = tanh" in printed
    assert "dout/dx1 += dout/dz1 * w1 = 0.5 * (-3.0) = -1.5" in printed


def test_vanishing_gradients(tmp_path):
    kept = example("vanishing_gradients").main(tmp_path)
    assert kept["sigmoid"] < 1e-6
    assert 0.1 < kept["relu"] < 10
    assert 0.1 < kept["residual"] < 10
    assert pictures(tmp_path) == ["relu.png", "residual.png", "sigmoid.png", "sizes.png"]
    pale = {name: share_of_pale_pixels(tmp_path / f"{name}.png") for name in kept}
    assert pale["sigmoid"] > 10 * pale["relu"]  # its first layers, where nothing is left
    assert pale["relu"] == pytest.approx(pale["residual"])  # of the bar alone


def share_of_pale_pixels(path):
    """How much of a picture has a colour from the low third of the ramp."""
    pixels = matplotlib.image.imread(path)[..., :3].reshape(-1, 3)
    low = [THEMES["light"].shade(place) for place in np.linspace(0, 0.33, 100)]
    codes = np.round(pixels * 255).astype(int) @ [65536, 256, 1]
    return np.isin(codes, [int(color[1:], 16) for color in low]).mean()


def test_play_backprop(tmp_path):
    pages = example("play_backprop").main(tmp_path)
    assert [page.name for page in pages] == ["play.html", "quiz.html", "practice.html"]
    for page, word in zip(pages, ("loss", "loss", "fan-outs")):
        html = page.read_text(encoding="utf-8")
        assert html.startswith("<!doctype html>")
        assert word in html
        assert len(html) < 200_000


def test_film_training(tmp_path):
    assert example("film_training").main(tmp_path) < 0.01
    html = (tmp_path / "film.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert len(html) < 1_500_000


def test_take_hold(tmp_path):
    for page in example("take_hold").main(tmp_path):
        html = page.read_text(encoding="utf-8")
        assert html.startswith("<!doctype html>")
        assert "const programs" in html
        assert len(html) < 150_000
