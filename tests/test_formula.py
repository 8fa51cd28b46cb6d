"""Formulas: terms written in four styles, with the parentheses that they need and no others."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tinygrad_edu.kernels import sigmoid
from tinygrad_edu.notation.formula import Derivative, Name, Numeral, Verbatim, expression
from tinygrad_edu.notation.styles import LATEX, MATHML, PRETTY, tex
from tinygrad_edu.notation.terms import Call
from tinygrad_edu.tracing import item


class Term:
    """A term that is built by operators."""

    def __init__(self, tree):
        self.tree = tree

    def __getitem__(self, index):
        return Term(Call(item, (self.tree, index)))


def operation(function):
    def call(*terms):
        return Term(Call(function, tuple(x.tree if isinstance(x, Term) else x for x in terms)))

    return call


for sign, ufunc in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "matmul": np.matmul,
    "pow": np.power,
    "gt": np.greater,
    "lt": np.less,
}.items():
    call = operation(ufunc)
    setattr(Term, f"__{sign}__", call)
    setattr(Term, f"__r{sign}__", lambda y, x, call=call: call(x, y))
Term.__neg__ = operation(np.negative)

sqrt, cos, transposed = map(operation, (np.sqrt, np.cos, np.transpose))
g, x, y = Term(Derivative(Name("L"), Name("z1"))), Term(Name("W")), Term(Name("y"))
A, B, C = map(Term, map(Name, "abc"))


@pytest.mark.parametrize(
    ("term", "text", "pretty", "latex"),
    [
        (x * y, "W * y", "W · y", r"W \cdot y"),
        (-g * x / y, "-dL/dz1 * W / y", "-∂L/∂z₁ · W / y", None),
        (g * (1 - x * x), "dL/dz1 * (1 - W * W)", None, None),
        (transposed(x) @ g, "W.T @ dL/dz1", "Wᵀ @ ∂L/∂z₁", None),
        (x / g, "W / (dL/dz1)", "W / (∂L/∂z₁)", None),
        (A / sqrt(1 + x), "a / sqrt(1 + W)", "a / √(1 + W)", r"\frac{a}{\sqrt{1 + W}}"),
        (A * (x > 0), "a * (W > 0)", "a · [W > 0]", r"a \cdot \left[W > 0\right]"),
        (A * x**2, "a * W**2", "a · W²", r"a \cdot {W}^{2}"),
        (A - (B - C), "a - (b - c)", "a - (b - c)", r"a - \left(b - c\right)"),
        (A - B - C, "a - b - c", "a - b - c", "a - b - c"),
        (A / (B * C), "a / (b * c)", "a / (b · c)", r"\frac{a}{b \cdot c}"),
        ((A / B) ** 2, "(a / b)**2", "(a / b)²", r"{\left(\frac{a}{b}\right)}^{2}"),
        (A ** (B - 1), "a**(b - 1)", "a^(b - 1)", r"{a}^{b - 1}"),
        (A + -B, "a + (-b)", "a + (-b)", r"a + \left(-b\right)"),
        (-(A * B), "-(a * b)", "-(a · b)", r"-\left(a \cdot b\right)"),
        (g[1:, None], "(dL/dz1)[1:, None]", None, None),
        (cos(A), "cos(a)", "cos(a)", r"\cos\left(a\right)"),
        (operation(sigmoid.args[0])(A), "sigmoid(a)", None, None),
        (Term(Call(np.sum, (A.tree,), (("axis", 0),))), "sum(a, axis=0)", None, None),
        (Term(Call(np.stack, ([A.tree, B.tree],))), "stack([a, b])", None, None),
    ],
)
def test_a_term_in_each_style(term, text, pretty, latex):
    written = expression(term.tree)
    assert written.text == text
    assert pretty in (None, written.pretty)
    assert latex in (None, written.latex)
    ET.fromstring(f"<math>{written.mathml}</math>")


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda g, y: g * y, "-1.5 * (-2.0)"),
        (lambda g, y: g + y, "-1.5 + (-2.0)"),
        (lambda g, y: g + y * g, "-1.5 + (-2.0 * (-1.5))"),
        (lambda g, y: 1 - y**2, "1 - (-2.0)**2"),
        (lambda g, y: -g, "-(-1.5)"),
        (lambda g, y: g / -4, "-1.5 / (-4)"),
    ],
)
def test_negative_numbers_have_parentheses_where_they_do_not_come_first(f, text):
    written = expression(f(Term(Numeral(-1.5)), Term(Numeral(-2.0))).tree)
    assert written.text == text
    if "/" not in text:
        assert written.latex.count("(") == text.count("(")
        assert written.mathml.count(">(<") == text.count("(")


@pytest.mark.parametrize(
    ("x", "text", "latex"),
    [
        (Numeral(1.0), "1.0", "1"),
        (Numeral(2, is_int=True), "2", "2"),
        (Numeral(-0.0), "0.0", "0"),
        (Numeral(2 / 3), "0.6667", "0.6667"),
        (Numeral(2 / 3, digits=7), "0.6666667", "0.6666667"),
        (Numeral(-1.25e-7), "-1.25e-07", r"-1.25 \cdot 10^{-7}"),
        (Numeral(float("inf")), "inf", r"\infty"),
        (Numeral(float("nan")), "nan", r"\text{nan}"),
        (8.0, "8", "8"),  # a number of the rule
        (0.5, "0.5", "0.5"),
    ],
)
def test_numerals(x, text, latex):
    assert (expression(x).text, expression(x).latex) == (text, latex)


def test_names():
    assert LATEX.name("W[0,1]") == "W_{0,1}"
    assert LATEX.name("z12") == "z_{12}"
    assert LATEX.name("error") == r"\mathit{error}"
    assert LATEX.name("a_1") == r"{\text{a}\_\text{1}}"
    assert PRETTY.name("z12") == "z₁₂"
    assert PRETTY.name("W[0,1]") == "W[0,1]"
    assert PRETTY.name("layer2") == "layer2"
    assert MATHML.name("<b>") == "<mi>&lt;b&gt;</mi>"


def test_tex_leaves_nothing_that_means_something():
    assert tex("a b") == r"\text{a b}"
    assert tex("\\}$") == r"{\backslash \}\$}"
    call = Call("f", (Name("x"), Verbatim("axis=0")))
    assert expression(call).latex == r"\operatorname{f}\left(x, \text{axis=0}\right)"
    assert expression(A[1:].tree).latex == r"{a}_{\text{1:}}"


def test_mathml_is_well_formed_and_escaped():
    written = expression((x * (x < y) / sqrt(x) + A[2] ** 2).tree).mathml
    tree = ET.fromstring(f"<math>{written}</math>")
    assert {"mfrac", "msqrt", "msup", "msub"} <= {element.tag for element in tree.iter()}
    assert "".join(tree.itertext()).replace("\u22c5", "*") == "W*[W<y]W+a22"
