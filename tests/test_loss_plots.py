"""Losses and their slopes as drawn, and what the chapters say about these pictures."""

import re
from pathlib import Path

import numpy as np
import pytest
from test_docs import ROOT

from tinygrad_edu import grad, losses
from tinygrad_edu.viz.plots.losses import ERROR, LOGIT, PROBABILITY, plot_losses

NUMBERS, CLASSES = ((ROOT / f"docs/{name}.md").read_text() for name in ("07_loss", "11_classes"))


def p_of(z):
    return 1 / (1 + np.exp(-z))


PLOTS = {
    "error": (ERROR, -3, 3, {
        "squared": lambda e: 2 * e,
        "half squared": lambda e: e,
        "absolute": np.sign,
        "Huber, delta 2": lambda e: np.clip(e, -2, 2),
        "smooth L1, beta 1": lambda e: np.clip(e, -1, 1),
    }),
    "probability": (PROBABILITY, 0.02, 1, {
        "cross-entropy": lambda p: -1 / p,
        "squared": lambda p: 2 * (p - 1),
    }),
    "logit": (LOGIT, -9, 9, {
        "cross-entropy": lambda z: p_of(z) - 1,
        "squared, of the sigmoid": lambda z: 2 * (p_of(z) - 1) * p_of(z) * (1 - p_of(z)),
        "hinge": lambda z: -1.0 * (z < 1),
    }),
}  # fmt: skip


@pytest.mark.parametrize(("functions", "low", "high", "slopes"), PLOTS.values(), ids=PLOTS)
def test_slopes_are_those_of_the_formulas_and_values_their_integrals(functions, low, high, slopes):
    left, right = plot_losses(functions, low, high).axes
    assert [line.get_label() for line in left.get_lines()] == list(slopes)
    for formula, *lines in zip(slopes.values(), left.get_lines(), right.get_lines(), strict=True):
        (x, value), (_, slope) = (line.get_xydata().T for line in lines)
        assert (x[0], x[-1]) == (low, high)
        away = abs(x - 1) > 1e-9  # from the kink of the hinge
        np.testing.assert_allclose(slope[away], formula(x)[away], rtol=1e-10, atol=1e-12)
        integral = np.cumsum(np.diff(x) * (slope[1:] + slope[:-1]) / 2)
        np.testing.assert_allclose(value[1:] - value[0], integral, atol=0.03)


def test_the_figure_is_saved_with_its_labels(tmp_path):
    figure = plot_losses(ERROR, xlabel="error", path=tmp_path / "losses.png", points=11)
    assert (tmp_path / "losses.png").stat().st_size > 2000
    assert [ax.get_xlabel() for ax in figure.axes] == ["error"] * 2
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "slope of the loss"]


def test_curves_that_lie_on_each_other_are_named_below():
    figure = plot_losses(ERROR, xlabel="error")
    assert figure.get_supxlabel().splitlines() == [
        "half squared = Huber, delta 2 = smooth L1, beta 1 from -1 to 1",
        "half squared = Huber, delta 2 from -2 to 2",
    ]
    assert plot_losses(PROBABILITY, 0.02, 1).get_supxlabel() == ""
    value, _ = figure.axes
    assert {text.get_text() for text in value.texts} == set(ERROR)
    assert value.get_legend() is None


def test_the_picture_of_logits_reaches_the_one_that_the_chapter_speaks_of():
    assert "network says z = -8" in CLASSES
    source = (ROOT / "examples/losses_compared.py").read_text()
    assert "plot_losses(LOGIT, -9, 9" in source


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), "functions must have at least one entry"),
        ((ERROR, 2.0, 2.0), "low must be less than high, and they are 2.0 and 2.0"),
        ((ERROR, 0.0, 1.0, "e", None, 1), "points must be at least 2, and it is 1"),
        (({"rows": lambda p: p * np.ones(3)},), r"one number from .* got shape \(3,\)"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_losses(*arguments)


def test_numbers_in_the_text_of_the_chapters():
    assert "falls from 1.125 to 0.911" in NUMBERS
    assert losses.half_squared_error(2.15 - 0.5, 3.0) == pytest.approx(0.911, abs=5e-4)
    assert "pulls 1491 times less" in CLASSES
    ratio = grad(LOGIT["cross-entropy"])(-8.0) / grad(LOGIT["squared, of the sigmoid"])(-8.0)
    assert ratio == pytest.approx(1491, abs=0.5)


def test_the_pictures_of_the_chapters_are_small():
    for image in re.findall(r"\]\((images/losses_.*?)\)", NUMBERS + CLASSES):
        assert Path(ROOT / "docs" / image).stat().st_size < 150_000
