"""The examples that take seconds: each reaches its number, and saves its pictures."""

import numpy as np
import pytest
from drawn import long
from figures import figures_saved, legible  # noqa: F401
from PIL import Image
from test_examples import example, pictures


@long
@pytest.mark.usefixtures("legible")
def test_xor(tmp_path, capsys):
    with figures_saved() as saved:
        linear, network = example("xor").main(tmp_path)
    titles = " ".join(ax.get_title() for ax in saved[0].axes)
    assert all(word in titles for word in ("0.5 everywhere", "two lines", "one line", "learn it"))
    assert linear == pytest.approx([0.5] * 4, abs=1e-6)
    assert network == pytest.approx([0, 1, 1, 0], abs=0.01)
    learned, rest = capsys.readouterr().out.split(" of 20 networks learned ")
    assert 0 < int(learned) < 20
    assert str(tmp_path / "xor.png") in rest
    assert pictures(tmp_path) == ["xor.png"]


@long
@pytest.mark.usefixtures("legible")
def test_sine_regression(tmp_path):
    errors = example("sine_regression").main(tmp_path)
    assert errors.keys() == {"relu", "tanh"}
    # A thousand samples know the noise, 0.1, to 2 %.
    assert all(0.098 < error < 0.11 for error in errors.values())
    assert pictures(tmp_path) == ["fits.png"]


@long
@pytest.mark.usefixtures("legible")
def test_spirals(tmp_path):
    assert example("spirals").main(tmp_path) >= 0.98
    with Image.open(tmp_path / "training.gif") as movie:
        frames, seconds = [], 0
        for i in range(movie.n_frames):
            movie.seek(i)
            frames.append(np.array(movie.convert("RGB"), int))
            seconds += movie.info["duration"] / 1000
    # One for each of 50 epochs; of the 8 equal ones at the end some writers make one that stays.
    assert 50 <= len(frames) <= 58
    assert seconds == pytest.approx(58 / 8, rel=0.05)
    assert np.mean(np.abs(frames[-1] - frames[0]).max(axis=-1) > 30) > 0.1  # the plane was redrawn
    assert pictures(tmp_path) == ["spirals.png", "training.gif"]
