"""Formulas: names in the middle of source, numbers, and text that LaTeX shows as it is."""

from xml.etree import ElementTree as ET

import pytest

from tinygrad_edu.viz.words.formula import (
    call,
    derivative,
    expression,
    identifier,
    numeral,
    tex,
    written,
)

NAMES = {"g": derivative(identifier("L"), identifier("z1")), "x": identifier("W")}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x.mT @ g", "W.T @ dL/dz1"),
        ("-g * x", "-dL/dz1 * W"),
        ("x / g", "W / (dL/dz1)"),
        ("g.reshape(x.shape)", "(dL/dz1).reshape(W.shape)"),
        ("np.flip(g, axis=x)", "flip(dL/dz1, axis=W)"),
        ("f(g, x=1)", "f(dL/dz1, x=1)"),
        ("g[x]", "(dL/dz1)[W]"),
    ],
)
def test_names_are_replaced_in_source_as_well(source, text):
    written = expression(source, NAMES)
    assert written.text == text
    ET.fromstring(f"<math>{written.mathml}</math>")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("g * y", "-1.5 * (-2.0)"),
        ("g + y", "-1.5 + (-2.0)"),
        ("1 - y ** 2", "1 - (-2.0)**2"),
        ("-g", "-(-1.5)"),
    ],
)
def test_negative_numbers_have_parentheses_where_they_do_not_come_first(source, text):
    numbers = {"g": numeral(-1.5), "y": numeral(-2.0)}
    assert expression(source, numbers).text == text
    assert expression(source, numbers).latex.count("(") == text.count("(")
    assert expression(source, numbers).mathml.count(">(<") == text.count("(")


@pytest.mark.parametrize(
    ("x", "text", "latex"),
    [
        (1.0, "1.0", "1"),
        (-0.0, "0.0", "0"),
        (2 / 3, "0.6667", "0.6667"),
        (-1.25e-7, "-1.25e-07", r"-1.25 \cdot 10^{-7}"),
        (float("inf"), "inf", r"\infty"),
        (float("nan"), "nan", r"\text{nan}"),
    ],
)
def test_numerals(x, text, latex):
    assert (numeral(x).text, numeral(x).latex) == (text, latex)


def test_identifiers():
    assert identifier("W[0,1]").latex == "W_{0,1}"
    assert identifier("z12").latex == "z_{12}"
    assert identifier("error").latex == r"\mathit{error}"
    assert identifier("a_1").latex == r"{\text{a}\_\text{1}}"
    assert identifier("<b>").mathml == "<mi>&lt;b&gt;</mi>"


def test_tex_leaves_nothing_that_means_something():
    assert tex("a b") == r"\text{a b}"
    assert tex("\\}$") == r"{\backslash \}\$}"
    assert call("f", [identifier("x")], "axis=0").latex == (
        r"\operatorname{f}\left(x, \text{axis=0}\right)"
    )
    assert written("unknown[1:]", "latex") == r"{\mathit{unknown}}_{\text{1:}}"
