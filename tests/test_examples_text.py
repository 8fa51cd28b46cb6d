"""The examples that write: each learns to be less uncertain, and writes in its alphabet."""

import os
from pathlib import Path

import numpy as np
import pytest
from test_examples import example, pictures

import tinygrad_edu

FILES = Path(tinygrad_edu.__file__).parent.rglob("*.py")
ALPHABET = set("\n".join(path.read_text(encoding="utf-8") for path in FILES))


def test_char_lstm(tmp_path, capsys):
    losses, samples = example("char_lstm").main(tmp_path, steps=45)
    assert np.isclose(losses[0], np.log(len(ALPHABET)), atol=0.2)  # it starts with no idea
    assert np.mean(losses[-5:]) < 0.65 * losses[0]
    assert list(samples) == [0, 5, 45]
    assert set("".join(samples.values())) <= ALPHABET
    assert len(samples[45]) >= len("def ") + 400  # a character may be an indent
    assert "in new files" in capsys.readouterr().out
    assert pictures(tmp_path) == ["char_lstm.png"]


def test_char_gpt(tmp_path):
    losses, sample = example("char_gpt").main(tmp_path, steps=60)
    assert np.isclose(losses[0], np.log(len(ALPHABET)), atol=0.5)
    assert np.mean(losses[-5:]) < 0.65 * losses[0]
    assert set(sample) <= ALPHABET
    assert len(sample) >= len("def ") + 400
    assert pictures(tmp_path) == ["char_gpt.png"]


@pytest.mark.skipif("NO_SKIPS" not in os.environ, reason="takes a minute; .ci/run does it")
@pytest.mark.parametrize("name", ["char_lstm", "char_gpt"])
def test_the_whole_training_halves_the_loss(name, tmp_path):
    losses, _ = example(name).main(tmp_path)
    assert np.mean(losses[-20:]) < 0.5 * losses[0]
