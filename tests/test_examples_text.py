"""The examples that write: each learns to be less uncertain, and writes in its alphabet."""

import numpy as np
import pytest
from drawn import long
from figures import figures_saved, legible  # noqa: F401
from test_examples import EXAMPLES, example, pictures

HEAD, *SONNETS = (EXAMPLES / "sonnets.txt").read_text(encoding="utf-8").strip().split("\n\n")
ALPHABET = set("\n\n".join(SONNETS))


def test_the_text_is_fifty_sonnets():
    assert "Public domain" in HEAD
    assert len(SONNETS) == len(set(SONNETS)) == 50
    for sonnet in SONNETS:
        lines = sonnet.splitlines()
        assert [line.startswith("  ") for line in lines] == [False] * 12 + [True] * 2
        assert all(30 <= len(line) <= 60 for line in lines)
    assert "".join(sorted(ALPHABET)).isascii()
    assert 3072 <= len("\n\n".join(SONNETS[-5:])) <= 3080  # what char_lstm.py keeps back


@long
@pytest.mark.usefixtures("legible")
def test_char_lstm(tmp_path, capsys):
    with figures_saved() as saved:
        losses, new_losses, samples = example("char_lstm").main(tmp_path, steps=45)
    assert np.isclose(losses[0], np.log(len(ALPHABET)), atol=0.2)  # it starts with no idea
    assert np.mean(losses[-5:]) < 0.65 * losses[0]
    assert list(new_losses) == list(range(5, 46, 5))
    assert new_losses[45] < 0.65 * losses[0]
    assert list(samples) == [1, 5, 45]
    assert set("".join(samples.values())) <= ALPHABET
    assert len(samples[45]) == len("Shall I ") + 300
    printed = capsys.readouterr().out
    assert "in unread sonnets" in printed
    # A pipe is no terminal: there it tells how far it is in lines.
    assert [f"step {step}: " in printed for step in new_losses] == [True] * 9
    assert all(ax.get_title() for ax in saved[0].axes)
    assert pictures(tmp_path) == ["char_lstm.png"]


@pytest.mark.usefixtures("legible")
@long
def test_char_gpt(tmp_path, capsys):
    with figures_saved() as saved:
        losses, sample = example("char_gpt").main(tmp_path, steps=60)
    assert capsys.readouterr().out.count(" nats per character\n") == 10
    curve, attention, _ = saved[0].axes
    assert curve.get_title()
    for labels in (attention.get_xticklabels(), attention.get_yticklabels()):
        letters = "".join(label.get_text() for label in labels)
        assert letters.startswith("Shall␣I␣compare")
    assert np.isclose(losses[0], np.log(len(ALPHABET)), atol=0.5)
    assert np.mean(losses[-5:]) < 0.65 * losses[0]
    assert set(sample) <= ALPHABET
    assert len(sample) == len("My love ") + 500
    assert pictures(tmp_path) == ["char_gpt.png"]


@long
def test_the_whole_training_of_the_transformer_halves_the_loss(tmp_path):
    losses, _ = example("char_gpt").main(tmp_path)
    assert np.mean(losses[-20:]) < 0.5 * losses[0]


@long
def test_the_whole_training_of_the_lstm_learns_by_heart_in_the_end(tmp_path):
    losses, new_losses, _ = example("char_lstm").main(tmp_path)
    assert np.mean(losses[-20:]) < 0.5 * losses[0]
    assert np.mean(losses[-20:]) < np.mean(losses[240:260]) - 0.15
    assert new_losses[450] == pytest.approx(new_losses[250], abs=0.04)
    assert np.mean(losses[-20:]) < new_losses[450] - 0.4
