"""Each example answers its question: it runs, reaches its number, and saves its picture."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from figures import figures_saved, legible  # noqa: F401

from tinygrad_edu import optim
from tinygrad_edu.graph import RULES, forward_of

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures(folder):
    """The pictures in a folder, each of which must be one."""
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".gif": b"GIF89a"}
    for path in folder.iterdir():
        assert path.read_bytes().startswith(starts[path.suffix])
        assert path.stat().st_size > 2000
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("legible")
def test_quickstart(tmp_path, capsys):
    accuracy = example("quickstart").main(tmp_path)
    assert accuracy >= 0.97
    assert pictures(tmp_path) == ["learning.png", "one_neuron.svg", "whole_loss.svg"]
    printed = capsys.readouterr().out
    assert "gradcheck: all derivatives agree" in printed
    assert str(tmp_path / "learning.png") in printed


def test_by_hand(tmp_path, capsys):
    assert example("by_hand").main(tmp_path) == (1.5, 1.125, -1.5, 2.15)
    assert pictures(tmp_path) == ["by_hand.svg"]
    assert "dL/dW          = dL/dprediction * x = -1.5 * 1.0 = -1.5" in capsys.readouterr().out


@pytest.mark.usefixtures("legible")
def test_scalar_moons(tmp_path, monkeypatch):
    moons = example("scalar_moons")
    monkeypatch.setattr(moons, "STEPS", 45)
    assert moons.main(tmp_path) >= 0.95
    assert pictures(tmp_path) == ["boundary.png"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_asks_one_question_and_is_short(path):
    source = path.read_text()
    assert source.split('"""')[1].strip().splitlines()[0].endswith("?")
    assert len(source.splitlines()) <= 100
    tests = "".join(x.read_text() for x in Path(__file__).parent.glob("test_examples*.py"))
    assert f"def test_{path.stem}(" in tests


def test_an_example_runs_as_a_program(tmp_path):
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / "by_hand.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2.15" in run.stdout
    assert pictures(tmp_path / "out/by_hand") == ["by_hand.svg"]


@pytest.mark.usefixtures("legible")
def test_tanh_derivatives(tmp_path):
    with figures_saved() as saved:
        curves = example("tanh_derivatives").main(tmp_path)
    (ax,) = saved[0].axes
    assert len({str(each.get_linestyle()) for each in ax.lines}) > 3  # seen without colours
    assert [len(each.get_markevery()) for each in ax.lines] == [0, 1, 2, 3, 4, 5, 6]
    assert [text.get_text().endswith("\n6 extremes") for text in ax.texts] == [False] * 6 + [True]
    middle = [curve[400] for curve in curves]  # the Taylor coefficients of tanh at 0, times n!
    assert np.allclose(middle, [0, 1, 0, -2, 0, 16, 0])
    assert pictures(tmp_path) == ["tanh_derivatives.png"]


@pytest.mark.usefixtures("legible")
def test_newton(tmp_path):
    ways = example("newton").main(tmp_path)
    losses = {name: losses for name, (_, losses) in ways.items()}
    assert len(losses["Newton"]) < 30
    assert losses["Newton"][-1] < 1e-20
    assert losses["gradient descent"][-1] > 1e-6
    assert pictures(tmp_path) == ["newton.png"]


@pytest.mark.usefixtures("legible")
def test_add_an_op(tmp_path, capsys):
    module = example("add_an_op")
    with figures_saved() as saved:
        lines = module.main(tmp_path)
    (ax,) = saved[0].axes
    labels = [text.get_text() for text in ax.texts]
    assert not any("nan x" in label for label in labels)
    assert any(label.startswith("log(cosh(error))") and "no line" in label for label in labels)
    assert all(np.isfinite(each.get_ydata()).all() for each in ax.lines)
    del RULES[np.unwrap], RULES[forward_of(module.log_cosh)]
    ours, composed = (lines[next(n for n in lines if word in n)] for word in ("our", "NumPy"))
    assert np.allclose(ours, (2, 1), atol=0.2)
    assert np.isnan(composed).all()
    assert "both rules are right" in capsys.readouterr().out
    assert pictures(tmp_path) == ["add_an_op.png"]


@pytest.mark.usefixtures("legible")
def test_schedules(tmp_path):
    rates = example("schedules").main(tmp_path)
    public = set(optim.lr_scheduler.__all__) - {"LRScheduler"}
    assert rates.keys() == public
    assert all(len(rate) == 101 and max(rate) <= 0.1 + 1e-12 for rate in rates.values())
    wave = rates["CosineAnnealingLR"]  # half a wave: it only falls
    assert wave == sorted(wave, reverse=True)
    assert wave[-1] == pytest.approx(0)
    assert rates["StepLR"][::20] == pytest.approx([0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125])
    assert pictures(tmp_path) == ["schedules.png"]
