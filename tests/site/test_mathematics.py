"""Is LaTeX typeset as LaTeX means it?"""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("sphinx", reason='no Sphinx: pip install -e ".[docs]"')
FOLDER = str(Path(__file__).parents[2] / "docs/site")
sys.path.insert(0, FOLDER)
from mathematics import mathml  # noqa: E402

sys.path.remove(FOLDER)


def shape(latex):
    """The tags, nested as they are drawn, down to letters."""

    def nested(element):
        tag, inside = element.tag.split("}")[-1], tuple(nested(x) for x in element)
        return (tag, *inside) if inside else element.text

    return nested(ElementTree.fromstring(mathml(latex, False)))


@pytest.mark.parametrize("accent", ["hat", "bar", "vec", "tilde"])
def test_the_index_of_an_accented_letter_stands_beside_it(accent):
    for latex in (rf"\{accent} y_i", rf"\{accent}{{y}}_i"):
        _, (tag, (accented, letter, _), index) = shape(latex)
        assert (tag, accented, letter, index) == ("msub", "mover", "y", "i")


def test_the_limits_of_a_sum_stand_above_and_below_it():
    assert shape(r"\sum_i^n")[1] == ("munderover", "∑", "i", "n")


def test_functions_dots_and_fractions():
    assert shape(r"\tanh(x)")[1] == "tanh"
    assert shape(r"1 + \dots + n") == shape(r"1 + \ldots + n")
    assert shape(r"\tfrac12 x") == shape(r"\tfrac{1}{2} x")
