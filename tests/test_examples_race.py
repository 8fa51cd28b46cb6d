"""The examples that race optimizers, batches and schedules: each reaches its number."""

import re

import numpy as np
import pytest
from drawn import long
from figures import figures_saved, legible  # noqa: F401
from test_docs import ROOT
from test_examples import example, pictures

pytestmark = pytest.mark.usefixtures("legible")


@long
def test_race_optimizers(tmp_path, capsys):
    first = example("race_optimizers").main(tmp_path, frames=3)
    valley, saddle = first["valley"], first["saddle"]
    page = (ROOT / "docs/13_optimizers.md").read_text()  # its program is that of its picture
    for name, step in valley.items():
        (line,) = re.findall(rf"^{name} +rate .* below 0.01 in step (\w+)$", page, re.MULTILINE)
        assert line == str(step)
    assert all(valley[name] is None for name in ("gradient descent", "mini-batch SGD", "Adagrad"))
    assert valley["Adam"] < valley["momentum"] < 800
    assert saddle["RMSprop"] < saddle["Adam"] < saddle["Nesterov"] < saddle["momentum"]
    assert saddle["mini-batch SGD"] < saddle["gradient descent"]
    assert f"Adam              in step {valley['Adam']}" in capsys.readouterr().out
    assert pictures(tmp_path) == ["saddle.gif", "saddle.png", "valley.gif", "valley.png"]


@long
def test_batch_sizes(tmp_path):
    noise, best = example("batch_sizes").main(tmp_path)
    np.testing.assert_allclose(noise.variance[:-1], noise.theory[:-1], rtol=0.2)
    rates = {size: rate for size, (rate, _) in best.items()}
    losses = {size: loss for size, (_, loss) in best.items()}
    assert rates == {1: 0.03, 16: 0.1, 256: 0.2}  # the more noise, the smaller a rate
    assert losses[1] < losses[16] < 2 * losses[1]  # with a sixteenth of the steps
    assert losses[256] > 0.2
    assert pictures(tmp_path) == ["batch_sizes.png"]


@long
def test_schedules_compared(tmp_path, capsys):
    module = example("schedules_compared")
    with figures_saved() as saved:
        ends = module.main(tmp_path)
    _, middle, below = saved[0].axes
    for ax in (middle, below):  # the spread of the seeds, and the names at the ends
        assert len(ax.collections) == 6
        assert [text.get_text() for text in ax.texts] == list(module.SCHEDULES)
    assert "new digits" in below.get_title()
    page = " ".join((ROOT / "docs/14_schedules.md").read_text().split())
    assert "0.18 nats on new digits" in page
    assert "every schedule that comes down ends between 0.08 and 0.13" in page
    constant, new, accuracy = ends.pop("constant")
    assert new == pytest.approx(0.18, abs=0.02)
    assert all(0.07 < held_out < 0.145 for _, held_out, _ in ends.values())
    assert len(ends) == 5
    for loss, held_out, right in ends.values():
        assert loss < 0.7 * constant
        assert held_out < 0.8 * new
        assert right > accuracy
    assert " ± " in capsys.readouterr().out
    assert pictures(tmp_path) == ["schedules_compared.png"]
