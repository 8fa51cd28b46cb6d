"""The example of a compiled step: the same bits as usual, and pictures."""

from test_examples import example, pictures


def test_compiled_step(tmp_path, capsys):
    assert example("compiled_step").main(tmp_path) < 0.3
    assert pictures(tmp_path) == ["compiled_step.png", "program.png"]
    printed = capsys.readouterr().out
    assert "# backward" in printed
    assert "µs a step" in printed
