"""The examples that race optimizers, batches and schedules: each reaches its number."""

import numpy as np
import pytest
from figures import legible  # noqa: F401
from test_examples import example, pictures

pytestmark = pytest.mark.usefixtures("legible")


def test_race_optimizers(tmp_path, capsys):
    first = example("race_optimizers").main(tmp_path, frames=3)
    valley, saddle = first["valley"], first["saddle"]
    assert all(valley[name] is None for name in ("gradient descent", "mini-batch SGD", "Adagrad"))
    assert valley["Adam"] < valley["momentum"] < 800
    assert saddle["RMSprop"] < saddle["Adam"] < saddle["Nesterov"] < saddle["momentum"]
    assert saddle["mini-batch SGD"] < saddle["gradient descent"]
    assert f"Adam              in step {valley['Adam']}" in capsys.readouterr().out
    assert pictures(tmp_path) == ["saddle.gif", "saddle.png", "valley.gif", "valley.png"]


def test_batch_sizes(tmp_path):
    noise, losses = example("batch_sizes").main(tmp_path)
    np.testing.assert_allclose(noise.variance[:-1], noise.theory[:-1], rtol=0.2)
    assert losses[1] < losses[16] < losses[256]
    assert pictures(tmp_path) == ["batch_sizes.png"]


def test_schedules_compared(tmp_path):
    ends = example("schedules_compared").main(tmp_path)
    constant, accuracy = ends.pop("constant")
    assert len(ends) == 5
    for loss, right in ends.values():
        assert loss < 0.7 * constant
        assert right > accuracy
    assert pictures(tmp_path) == ["schedules_compared.png"]
