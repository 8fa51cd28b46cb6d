"""How does each style write mathematics: plain text, text with signs of its own, LaTeX, MathML?

A style puts parts together that are written already, and knows nothing of precedence.
"""

from html import escape
from itertools import groupby
from typing import Any, ClassVar

import numpy as np

SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
UPRIGHT = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}  # \exp, ...


def index_of(name: str) -> tuple[str, str] | None:
    """A letter and its index: z and 12 of z12, W and 0,1 of W[0,1]; None for other names."""
    letter, rest = name[:1], name[1:]
    if not (letter.isascii() and letter.isalpha()):
        return None
    if rest.isascii() and rest.isdigit():
        return letter, rest
    inside = rest[1:-1]
    places = inside.split(",") if rest == f"[{inside}]" else [""]
    return (letter, inside) if all(x.isascii() and x.isdigit() for x in places) else None


class Text:
    """As a program writes it: dL/dz1 * W.T."""

    signs: ClassVar[dict[Any, str]] = {
        np.add: " + ",
        np.subtract: " - ",
        np.multiply: " * ",
        np.divide: " / ",
        np.matmul: " @ ",
        np.remainder: " % ",
        np.negative: "-",
        np.positive: "+",
        np.invert: "~",
        np.bitwise_and: " & ",
        np.bitwise_or: " | ",
        np.greater: " > ",
        np.greater_equal: " >= ",
        np.less: " < ",
        np.less_equal: " <= ",
        np.equal: " == ",
        np.not_equal: " != ",
    }
    has_fractions = False
    point = ".0"  # after a float without decimals

    def row(self, *parts: str) -> str:
        return "".join(parts)

    def sign(self, function: Any) -> str:
        return self.signs[function]

    def around(self, inside: str) -> str:
        return f"({inside})"

    def asked(self, inside: str) -> str:
        """Iverson's bracket: 1 where it is true, else 0."""
        return f"({inside})"

    def name(self, name: str) -> str:
        return name

    def verbatim(self, text: str) -> str:
        return text

    def number(self, digits: str) -> str:
        return digits

    def derivative(self, of: str, by: str) -> str:
        return f"d{of}/d{by}"

    def fraction(self, above: str, below: str) -> str:
        return f"{above} / {below}"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}**{exponent}"

    def transposed(self, x: str) -> str:
        return f"{x}.T"

    def root(self, x: str) -> str:
        return f"sqrt({x})"

    def absolute(self, x: str) -> str:
        return f"abs({x})"

    def item(self, x: str, index: str) -> str:
        return f"{x}[{index}]"

    def call(self, function: str, arguments: list[str]) -> str:
        return f"{function}({', '.join(arguments)})"


class Pretty(Text):
    """As a blackboard shows it, in letters: ∂L/∂z₁ · Wᵀ."""

    signs: ClassVar[dict[Any, str]] = Text.signs | {
        np.multiply: " · ",
        np.greater_equal: " ≥ ",
        np.less_equal: " ≤ ",
        np.equal: " = ",
        np.not_equal: " ≠ ",
    }

    point = ""

    def asked(self, inside: str) -> str:
        return f"[{inside}]"

    def name(self, name: str) -> str:
        match index_of(name):
            case (letter, index) if "," not in index and "[" not in name:
                return letter + index.translate(SUBSCRIPT)
        return name

    def derivative(self, of: str, by: str) -> str:
        return f"∂{of}/∂{by}"

    def power(self, base: str, exponent: str) -> str:
        if exponent.isdigit():
            return base + exponent.translate(SUPERSCRIPT)
        return f"{base}^{exponent}"

    def transposed(self, x: str) -> str:
        return f"{x}ᵀ"

    def root(self, x: str) -> str:
        return f"√({x})"

    def absolute(self, x: str) -> str:
        return f"|{x}|"


class Latex(Text):
    r"""\frac{\partial L}{\partial z_{1}} \cdot W^{\top}."""

    signs: ClassVar[dict[Any, str]] = {
        np.add: " + ",
        np.subtract: " - ",
        np.multiply: r" \cdot ",
        np.matmul: r"\,",
        np.remainder: r" \bmod ",
        np.negative: "-",
        np.positive: "+",
        np.invert: r"\lnot ",
        np.bitwise_and: r" \land ",
        np.bitwise_or: r" \lor ",
        np.greater: " > ",
        np.greater_equal: r" \ge ",
        np.less: " < ",
        np.less_equal: r" \le ",
        np.equal: " = ",
        np.not_equal: r" \ne ",
    }
    has_fractions = True
    point = ""

    def around(self, inside: str) -> str:
        return rf"\left({inside}\right)"

    def asked(self, inside: str) -> str:
        return rf"\left[{inside}\right]"

    def name(self, name: str) -> str:
        if indexed := index_of(name):
            return f"{indexed[0]}_{{{indexed[1]}}}"
        if name.isascii() and name.isalpha():
            return name if len(name) == 1 else rf"\mathit{{{name}}}"
        return tex(name)

    def verbatim(self, text: str) -> str:
        return tex(text)

    def number(self, digits: str) -> str:
        size, _, exponent = digits.lstrip("-").partition("e")
        size = {"inf": r"\infty", "nan": r"\text{nan}"}.get(size, size)
        power = rf" \cdot 10^{{{int(exponent)}}}" if exponent else ""
        return ("-" if digits[0] == "-" else "") + size + power

    def derivative(self, of: str, by: str) -> str:
        return rf"\frac{{\partial {of}}}{{\partial {by}}}"

    def fraction(self, above: str, below: str) -> str:
        return rf"\frac{{{above}}}{{{below}}}"

    def power(self, base: str, exponent: str) -> str:
        return f"{{{base}}}^{{{exponent}}}"

    def transposed(self, x: str) -> str:
        return self.power(x, r"\top")

    def root(self, x: str) -> str:
        return rf"\sqrt{{{x}}}"

    def absolute(self, x: str) -> str:
        return rf"\left|{x}\right|"

    def item(self, x: str, index: str) -> str:
        return f"{{{x}}}_{{{tex(index)}}}"

    def call(self, function: str, arguments: list[str]) -> str:
        name = tex(function)
        if function in UPRIGHT:
            name = f"\\{function}"
        elif function.replace("_", "").isalnum() and function.isascii():
            name = rf"\operatorname{{{function.replace('_', chr(92) + '_')}}}"
        return rf"{name}\left({', '.join(arguments)}\right)"


class Mathml(Text):
    """The inside of a <math> element."""

    signs: ClassVar[dict[Any, str]] = {
        np.add: "+",
        np.subtract: "\u2212",
        np.multiply: "\u22c5",
        np.matmul: "\u2062",
        np.remainder: "mod",
        np.negative: "\u2212",
        np.positive: "+",
        np.invert: "\u00ac",
        np.bitwise_and: "\u2227",
        np.bitwise_or: "\u2228",
        np.greater: ">",
        np.greater_equal: "\u2265",
        np.less: "<",
        np.less_equal: "\u2264",
        np.equal: "=",
        np.not_equal: "\u2260",
    }
    has_fractions = True
    point = ""

    def row(self, *parts: str) -> str:
        return f"<mrow>{''.join(parts)}</mrow>"

    def sign(self, function: Any) -> str:
        return f"<mo>{escape(self.signs[function])}</mo>"

    def around(self, inside: str) -> str:
        return f"<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>"

    def asked(self, inside: str) -> str:
        return f"<mrow><mo>[</mo>{inside}<mo>]</mo></mrow>"

    def name(self, name: str) -> str:
        if indexed := index_of(name):
            return f"<msub><mi>{indexed[0]}</mi><mn>{indexed[1]}</mn></msub>"
        return f"<mi>{escape(name)}</mi>"

    def verbatim(self, text: str) -> str:
        return f"<mtext>{escape(text)}</mtext>"

    def number(self, digits: str) -> str:
        size, _, exponent = digits.lstrip("-").partition("e")
        size = {"inf": "<mi>\u221e</mi>", "nan": "<mi>nan</mi>"}.get(size, f"<mn>{size}</mn>")
        if exponent:
            power = f"<msup><mn>10</mn><mn>{int(exponent)}</mn></msup>"
            size += f"<mo>\u22c5</mo>{power}"
        return self.row("<mo>\u2212</mo>" if digits[0] == "-" else "", size)

    def derivative(self, of: str, by: str) -> str:
        above, below = f"<mrow><mo>∂</mo>{of}</mrow>", f"<mrow><mo>∂</mo>{by}</mrow>"
        return f"<mfrac>{above}{below}</mfrac>"

    def fraction(self, above: str, below: str) -> str:
        return f"<mfrac>{self.row(above)}{self.row(below)}</mfrac>"

    def power(self, base: str, exponent: str) -> str:
        return f"<msup>{self.row(base)}{self.row(exponent)}</msup>"

    def transposed(self, x: str) -> str:
        return self.power(x, "<mi>T</mi>")

    def root(self, x: str) -> str:
        return f"<msqrt>{x}</msqrt>"

    def absolute(self, x: str) -> str:
        return self.row("<mo>|</mo>", x, "<mo>|</mo>")

    def item(self, x: str, index: str) -> str:
        return f"<msub>{self.row(x)}{self.row(self.verbatim(index))}</msub>"

    def call(self, function: str, arguments: list[str]) -> str:
        return f"<mi>{escape(function)}</mi>{self.around('<mo>,</mo>'.join(arguments))}"


# What could end \text{...}, or mean something to Markdown, is written outside of it.
SPECIAL = {c: f"\\{c}" for c in "#$%&_{}"} | {
    "\\": r"\backslash ",
    "^": r"\wedge ",
    "~": r"\sim ",
    "`": r"\grave{} ",
    "<": r"\lt ",
    ">": r"\gt ",
    "*": r"\ast ",
    "[": r"\lbrack ",
    "]": r"\rbrack ",
}


def tex(text: str) -> str:
    """Text that LaTeX shows as it is, in a formula."""
    shown = []
    for special, characters in groupby(text, SPECIAL.get):
        run = "".join(characters)
        shown += [special] * len(run) if special else [rf"\text{{{run}}}"]
    return shown[0] if len(shown) == 1 else f"{{{''.join(shown)}}}"  # one symbol for the spacing


TEXT, PRETTY, LATEX, MATHML = Text(), Pretty(), Latex(), Mathml()
