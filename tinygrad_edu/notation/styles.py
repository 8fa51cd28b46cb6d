"""How does each style write mathematics: plain text, text for a blackboard, LaTeX, MathML?

A style joins parts that are already written. It knows nothing about precedence.
"""

from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

import numpy as np

SIGNS: dict[Any, tuple[str, str, str, str]] = {
    np.add: (" + ", " + ", " + ", "+"),
    np.subtract: (" - ", " - ", " - ", "\u2212"),
    np.multiply: (" * ", " · ", r" \cdot ", "\u22c5"),
    np.matmul: (" @ ", " @ ", r"\,", "\u2062"),
    np.remainder: (" % ", " % ", r" \bmod ", "mod"),
    np.negative: ("-", "-", "-", "\u2212"),
    np.positive: ("+", "+", "+", "+"),
    np.invert: ("~", "~", r"\lnot ", "\u00ac"),
    np.bitwise_and: (" & ", " & ", r" \land ", "\u2227"),
    np.bitwise_or: (" | ", " | ", r" \lor ", "\u2228"),
    np.greater: (" > ", " > ", " > ", ">"),
    np.greater_equal: (" >= ", " ≥ ", r" \ge ", "\u2265"),
    np.less: (" < ", " < ", " < ", "<"),
    np.less_equal: (" <= ", " ≤ ", r" \le ", "\u2264"),
    np.equal: (" == ", " = ", " = ", "="),
    np.not_equal: (" != ", " ≠ ", r" \ne ", "\u2260"),
}
FORMS: dict[str, tuple[str, str, str, str]] = {
    "row": ("%s", "%s", "%s", "<mrow>%s</mrow>"),
    "sign": ("%s", "%s", "%s", "<mo>%s</mo>"),
    "comma": (", ", ", ", ", ", "<mo>,</mo>"),
    "parentheses": ("(%s)", "(%s)", r"\left(%s\right)", "<mrow><mo>(</mo>%s<mo>)</mo></mrow>"),
    # Iverson's bracket: 1 where the condition is true, else 0
    "condition": ("(%s)", "[%s]", r"\left[%s\right]", "<mrow><mo>[</mo>%s<mo>]</mo></mrow>"),
    "fraction": (
        *("%s / %s", "%s / %s", r"\frac{%s}{%s}"),
        "<mfrac><mrow>%s</mrow><mrow>%s</mrow></mfrac>",
    ),
    "derivative": (
        *("d%s/d%s", "∂%s/∂%s", r"\frac{\partial %s}{\partial %s}"),
        "<mfrac><mrow><mo>∂</mo>%s</mrow><mrow><mo>∂</mo>%s</mrow></mfrac>",
    ),
    "power": ("%s**%s", "%s^%s", "{%s}^{%s}", "<msup><mrow>%s</mrow><mrow>%s</mrow></msup>"),
    "ten": ("", "", r"%s \cdot 10^{%d}", "%s<mo>\u22c5</mo><msup><mn>10</mn><mn>%d</mn></msup>"),
    "transposed": ("%s.T", "%sᵀ", r"{%s}^{\top}", "<msup><mrow>%s</mrow><mi>T</mi></msup>"),
    "matrix transposed": (
        *("%s.mT", "%sᵀ", r"{%s}^{\top}"),
        "<msup><mrow>%s</mrow><mi>T</mi></msup>",
    ),
    "root": ("sqrt(%s)", "√(%s)", r"\sqrt{%s}", "<msqrt>%s</msqrt>"),
    "absolute": ("abs(%s)", "|%s|", r"\left|%s\right|", "<mrow><mo>|</mo>%s<mo>|</mo></mrow>"),
    "item": ("%s[%s]", "%s[%s]", "{%s}_{%s}", "<msub><mrow>%s</mrow><mrow>%s</mrow></msub>"),
    "indexed": ("%s%s", "%s%s", "%s_{%s}", "<msub><mi>%s</mi><mn>%s</mn></msub>"),
    "infinity": ("inf", "inf", r"\infty", "<mi>\u221e</mi>"),
    "nan": ("nan", "nan", r"\text{nan}", "<mi>nan</mi>"),
}
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
UPRIGHT = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}  # \exp, ...


@dataclass(frozen=True)
class Style:
    """One column of the tables above."""

    column: int

    @property
    def is_text(self) -> bool:
        """Whether this is plain text, which distinguishes the float 2.0 from the int 2."""
        return self is TEXT

    @property
    def has_fractions(self) -> bool:
        """Whether a fraction is written above and below a line, where it needs no parentheses."""
        return self in (LATEX, MATHML)

    def form(self, name: str, *parts: Any) -> str:
        return FORMS[name][self.column] % parts

    def sign(self, function: Any) -> str:
        sign = SIGNS[function][self.column]
        return self.form("sign", escape(sign) if self is MATHML else sign)

    def power(self, base: str, exponent: str) -> str:
        if self is PRETTY and exponent.isdigit():
            return base + exponent.translate(SUPERSCRIPT)
        return self.form("power", base, exponent)

    def name(self, name: str) -> str:
        indexed = index_of(name)
        if self.has_fractions and indexed:
            return self.form("indexed", *indexed)
        if self is PRETTY and indexed and not name.endswith("]"):
            return indexed[0] + indexed[1].translate(SUBSCRIPT)
        if self is LATEX and name.isascii() and name.isalpha():
            return name if len(name) == 1 else rf"\mathit{{{name}}}"
        return f"<mi>{escape(name)}</mi>" if self is MATHML else self.verbatim(name)

    def verbatim(self, text: str) -> str:
        """Any text, as it is."""
        if self is LATEX:
            return tex(text)
        return f"<mtext>{escape(text)}</mtext>" if self is MATHML else text

    def number(self, digits: str) -> str:
        if not self.has_fractions:
            return digits
        size, _, exponent = digits.lstrip("-").partition("e")
        written = f"<mn>{size}</mn>" if self is MATHML else size
        if size in ("inf", "nan"):
            written = self.form({"inf": "infinity"}.get(size, size))
        if exponent:
            written = self.form("ten", written, int(exponent))
        return self.form("row", (digits[0] == "-") * self.sign(np.negative) + written)

    def call(self, function: str, arguments: list[str]) -> str:
        inside = self.form("parentheses", self.form("comma").join(arguments))
        if self is MATHML:
            return self.form("row", self.name(function) + inside)
        if self is not LATEX:
            return function + inside
        if function in UPRIGHT:
            return f"\\{function}{inside}"
        is_word = function.isascii() and function.replace("_", "").isalnum()
        escaped = function.replace("_", r"\_")
        return (rf"\operatorname{{{escaped}}}" if is_word else tex(function)) + inside


TEXT, PRETTY, LATEX, MATHML = STYLES = tuple(map(Style, range(4)))


def index_of(name: str) -> tuple[str, str] | None:
    """A letter and its index: z and 12 of z12, W and 0,1 of W[0,1]; None for other names."""
    letter, rest = name[:1], name[1:]
    if not (letter.isascii() and letter.isalpha()):
        return None
    inside = rest[1:-1] if rest == f"[{rest[1:-1]}]" else rest
    places = inside.split(",") if inside != rest else [inside]
    return (letter, inside) if all(x.isascii() and x.isdigit() for x in places) else None


# Characters that could end \text{...}, or have a meaning in Markdown, are written outside of it.
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
    """A text in LaTeX, for a formula that shows it unchanged."""
    shown = []
    for special, characters in groupby(text, SPECIAL.get):
        run = "".join(characters)
        shown += [special] * len(run) if special else [rf"\text{{{run}}}"]
    return shown[0] if len(shown) == 1 else f"{{{''.join(shown)}}}"  # one symbol for the spacing
