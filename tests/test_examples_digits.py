"""The examples on handwritten digits: each reaches its number and saves its picture."""

import numpy as np
import pytest
from drawn import long
from figures import figures_saved, legible  # noqa: F401
from test_examples import example, pictures

from tinygrad_edu import train


@pytest.mark.usefixtures("legible")
@long
def test_digits_cnn(tmp_path, capsys):
    with figures_saved() as saved:
        assert example("digits_cnn").main(tmp_path) >= 0.985
    assert pictures(tmp_path) == ["digits_cnn.png"]
    printed = capsys.readouterr().out
    assert "layers.4: Conv2d       (1, 32, 8, 8)       4,640" in printed
    assert "epoch 30  loss" in printed
    scales = [scale for ax in saved[0].axes for scale in ax.child_axes]
    assert [scale.get_ylabel() for scale in scales] == ["weight"]


def test_the_shift_moves_by_at_most_a_pixel_and_only_in_training():
    shift = example("digits_cnn").Shift()
    x = np.zeros((500, 1, 8, 8))
    x[:, 0, 3, 4] = 1.0
    _, _, row, column = np.nonzero(shift(x))
    assert sorted(set(zip(row, column, strict=True))) == [
        (i, j) for i in (2, 3, 4) for j in (3, 4, 5)
    ]
    assert shift.eval()(x) is x


@pytest.mark.usefixtures("legible")
@long
def test_autoencoder(tmp_path):
    with figures_saved() as saved:
        ours, components = example("autoencoder").main(tmp_path)
    names = [text.get_text() for text in saved[0].axes[-1].texts]
    assert names[2] == f"from two principal\ncomponents, PCA ({components:.0%})"
    assert ours < 0.5 < 0.7 < components
    assert pictures(tmp_path) == ["autoencoder.png"]


@pytest.mark.parametrize("n", [2, 64])
def test_the_components_that_the_autoencoder_is_compared_with(n):
    module = example("autoencoder")
    x = np.random.default_rng(0).standard_normal((100, 64)) * np.linspace(1, 3, 64)
    largest = np.sort(np.linalg.eigvalsh(np.cov(x.T)))[::-1]
    lost = module.error(module.project(x, x, n), x)
    assert lost == pytest.approx(largest[n:].sum() / largest.sum())


@pytest.mark.usefixtures("legible")
def test_resume(tmp_path, capsys):
    through, resumed, forgetful = example("resume").main(tmp_path)
    assert resumed == through
    assert forgetful[36:] != through[36:]
    assert "loaded all: losses differ by at most 0, weights by 0\n" in capsys.readouterr().out
    checkpoint = tmp_path / "stopped.npz"
    assert sorted(train.load(checkpoint)) == ["data", "model", "optimizer", "schedule"]
    checkpoint.unlink()
    assert pictures(tmp_path) == ["resume.png"]
