"""An expression of a rule's source, as a reader of mathematics would write it."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from tinygrad_edu.viz.graph.numbers import number

Style = Literal["text", "latex", "mathml"]

# How strongly an operator binds: what binds less than its surroundings is put in parentheses.
IF, OR, COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(8)

BINDING: dict[type, int] = {
    **dict.fromkeys((ast.Add, ast.Sub), SUM),
    **dict.fromkeys((ast.Mult, ast.MatMult, ast.Div, ast.FloorDiv, ast.Mod), PRODUCT),
    **dict.fromkeys((ast.BitAnd, ast.BitOr, ast.BitXor), OR),
    ast.Pow: POWER,
}
SIGNS: dict[type, dict[Style, str]] = {
    ast.Add: {"text": " + ", "latex": " + ", "mathml": "+"},
    ast.Sub: {"text": " - ", "latex": " - ", "mathml": "\u2212"},
    ast.Mult: {"text": " * ", "latex": r" \cdot ", "mathml": "\u22c5"},
    ast.MatMult: {"text": " @ ", "latex": r"\,", "mathml": "\u2062"},
    ast.FloorDiv: {"text": " // ", "latex": r" \mathbin{//} ", "mathml": "//"},
    ast.Mod: {"text": " % ", "latex": r" \bmod ", "mathml": "mod"},
    ast.BitAnd: {"text": " & ", "latex": r" \land ", "mathml": "\u2227"},
    ast.BitOr: {"text": " | ", "latex": r" \lor ", "mathml": "\u2228"},
    ast.BitXor: {"text": " ^ ", "latex": r" \oplus ", "mathml": "\u2295"},
    ast.Gt: {"text": " > ", "latex": " > ", "mathml": ">"},
    ast.GtE: {"text": " >= ", "latex": r" \ge ", "mathml": "\u2265"},
    ast.Lt: {"text": " < ", "latex": " < ", "mathml": "<"},
    ast.LtE: {"text": " <= ", "latex": r" \le ", "mathml": "\u2264"},
    ast.Eq: {"text": " == ", "latex": " = ", "mathml": "="},
    ast.NotEq: {"text": " != ", "latex": r" \ne ", "mathml": "\u2260"},
    ast.USub: {"text": "-", "latex": "-", "mathml": "\u2212"},
    ast.UAdd: {"text": "+", "latex": "+", "mathml": "+"},
    ast.Invert: {"text": "~", "latex": r"\lnot ", "mathml": "\u00ac"},
    ast.Not: {"text": "not ", "latex": r"\lnot ", "mathml": "\u00ac"},
}
FINITE = {"inf": (r"\infty", "<mi>\u221e</mi>"), "nan": (r"\text{nan}", "<mi>nan</mi>")}
UPRIGHT = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}  # \exp, ...


def written(source: str, style: Style, names: Mapping[str, str] | None = None) -> str:
    """The expression `source` in this style, each name in `names` replaced by what stands there.

    What stands there is written in the style already; it is put in parentheses where it needs them.
    """
    tree = ast.parse(source, mode="eval").body
    return Writer(style, names or {}).write(tree, IF)


def mathml(source: str, names: Mapping[str, str] | None = None) -> str:
    """The expression as a whole MathML element."""
    return f"<math>{written(source, 'mathml', names)}</math>"


@dataclass(frozen=True)
class Expression:
    """The same mathematics in three styles; `mathml` is the inside of a <math> element."""

    text: str
    latex: str
    mathml: str


def expression(source: str, names: Mapping[str, Expression]) -> Expression:
    """The expression `source` in each style, each name in `names` replaced."""
    return Expression(
        text=written(source, "text", {name: x.text for name, x in names.items()}),
        latex=written(source, "latex", {name: x.latex for name, x in names.items()}),
        mathml=written(source, "mathml", {name: x.mathml for name, x in names.items()}),
    )


def derivative(of: Expression, by: Expression) -> Expression:
    """d of / d by."""
    return Expression(
        text=f"d{of.text}/d{by.text}",
        latex=rf"\frac{{\partial {of.latex}}}{{\partial {by.latex}}}",
        mathml=f"<mfrac><mrow><mo>∂</mo>{of.mathml}</mrow><mrow><mo>∂</mo>{by.mathml}</mrow></mfrac>",
    )


def numeral(x: float) -> Expression:
    """A number of the graph; unlike a number in a rule, it has a point in text: 2.0."""
    digits = number(x)
    whole = digits.lstrip("-").isdigit()
    size, _, exponent = digits.lstrip("-").partition("e")
    minus = digits.startswith("-")
    if not exponent:
        latex, mathml = FINITE.get(size, (size, f"<mn>{size}</mn>"))
    else:
        latex = rf"{size} \cdot 10^{{{int(exponent)}}}"
        power = f"<msup><mn>10</mn><mn>{int(exponent)}</mn></msup>"
        mathml = f"<mn>{size}</mn><mo>\u22c5</mo>{power}"
    return Expression(
        text=f"{digits}.0" if whole else digits,
        latex=f"-{latex}" if minus else latex,
        mathml=f"<mrow><mo>\u2212</mo>{mathml}</mrow>" if minus else f"<mrow>{mathml}</mrow>",
    )


def call(function: str, arguments: Sequence[Expression], options: str = "") -> Expression:
    """function(arguments, options), for any text as the function and the options."""
    texts = [x.text for x in arguments] + [options] * bool(options)
    latex = [x.latex for x in arguments] + [tex(options)] * bool(options)
    mathml = [x.mathml for x in arguments] + [f"<mtext>{escape(options)}</mtext>"] * bool(options)
    inside = "<mo>,</mo>".join(mathml)
    return Expression(
        text=f"{function}({', '.join(texts)})",
        latex=rf"{operator_name(function)}\left({', '.join(latex)}\right)",
        mathml=f"<mi>{escape(function)}</mi><mrow><mo>(</mo>{inside}<mo>)</mo></mrow>",
    )


class Writer:
    """Writes the tree of an expression; `binding` is how strongly its surroundings bind."""

    def __init__(self, style: Style, names: Mapping[str, str]) -> None:
        self.style, self.names = style, names

    def write(self, x: ast.expr, binding: int) -> str:
        match x:
            case _ if (name := ast.unparse(x)) in self.names:
                return self.named(name, binding)
            case ast.BinOp(left, ast.Div(), right) if self.style != "text":
                return self.fraction(self.write(left, IF), self.write(right, IF))
            case ast.BinOp(left, ast.Div(), right):
                inside = f"{self.write(left, PRODUCT)} / {self.write(right, POWER)}"
                return self.parenthesized(inside, PRODUCT, binding)
            case ast.BinOp(left, ast.Pow(), right):
                return self.power(left, right, binding)
            case ast.BinOp(left, operator, right):
                own = BINDING.get(type(operator), IF)
                second = self.write(right, own + 1)
                if NEGATIVE.match(second):
                    second = self.around(second)
                inside = self.row(self.write(left, own), self.sign(operator), second)
                return self.parenthesized(inside, own, binding)
            case ast.UnaryOp(operator, operand):
                inside = self.row(self.sign(operator), self.write(operand, SIGN))
                return self.parenthesized(inside, SIGN, binding)
            case ast.Compare(left, operators, rights):
                parts = [self.write(left, SUM)]
                for comparison, right in zip(operators, rights, strict=True):
                    parts += [self.sign(comparison), self.write(right, SUM)]
                return self.bracketed(self.row(*parts))
            case ast.Call(ast.Attribute(value, "swapaxes"), _):
                return self.raised(self.write(value, ATOM), self.transposed())
            case ast.Call(function, args, keywords):
                return self.call(function, args, keywords)
            case ast.Attribute(value, "T" | "mT"):
                return self.raised(self.write(value, ATOM), self.transposed())
            case ast.Attribute(ast.Name("math"), "pi"):
                return {"text": "pi", "latex": r"\pi", "mathml": "<mi>π</mi>"}[self.style]
            case ast.Attribute(ast.Name("np" | "math" | "kernels"), attribute):
                return self.identifier(attribute)
            case ast.Subscript(value, index):
                inside = f"{self.write(value, ATOM)}[{self.code(index)}]"
                return inside if self.style == "text" else self.indexed(value, index)
            case ast.Name(name):
                return self.identifier(name)
            case ast.Constant(int() | float() as number):
                return self.number(f"{number}")
        return self.code(x)

    def named(self, name: str, binding: int) -> str:
        text = self.names[name]
        own = binding_of(text, self.style)
        return self.parenthesized(text, own, binding)

    def power(self, base: ast.expr, exponent: ast.expr, binding: int) -> str:
        match exponent:
            case ast.Constant(0.5) if self.style == "latex":
                return rf"\sqrt{{{self.write(base, IF)}}}"
            case ast.Constant(0.5) if self.style == "mathml":
                return f"<msqrt>{self.write(base, IF)}</msqrt>"
        if self.style == "text":
            inside = f"{self.write(base, ATOM)}**{self.write(exponent, ATOM)}"
            return self.parenthesized(inside, POWER, binding)
        return self.raised(self.write(base, ATOM), self.write(exponent, IF))

    def call(self, function: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> str:
        if not keywords and len(args) == 1:
            (x,) = args
            match ast.unparse(function), self.style:
                case "np.sqrt" | "math.sqrt", "latex":
                    return rf"\sqrt{{{self.write(x, IF)}}}"
                case "np.sqrt" | "math.sqrt", "mathml":
                    return f"<msqrt>{self.write(x, IF)}</msqrt>"
                case "np.abs" | "abs", "latex":
                    return rf"\left|{self.write(x, IF)}\right|"
                case "np.abs" | "abs", "mathml":
                    return self.row("<mo>|</mo>", self.write(x, IF), "<mo>|</mo>")
        given = [self.write(x, IF) for x in args if not isinstance(x, ast.Starred)]
        given += [self.code(x) for x in args if isinstance(x, ast.Starred)]
        given += [self.code(ast.Name(f"{k.arg}={ast.unparse(k.value)}")) for k in keywords]
        comma = "<mo>,</mo>" if self.style == "mathml" else ", "
        return self.row(self.function(function), self.around(comma.join(given)))

    def function(self, x: ast.expr) -> str:
        match x:
            case ast.Attribute(ast.Name("np" | "math" | "kernels"), name) | ast.Name(name):
                if self.style == "latex":
                    return operator_name(name)
                return f"<mi>{escape(name)}</mi>" if self.style == "mathml" else name
            case ast.Attribute(ast.Attribute(ast.Name("np"), name), "reduce"):
                words = {"add": "sum", "maximum": "max", "minimum": "min", "multiply": "prod"}
                return self.function(ast.Name(words.get(name, name)))
        return self.code(x)

    # How each style puts things together

    def row(self, *parts: str) -> str:
        return "".join(parts) if self.style != "mathml" else f"<mrow>{''.join(parts)}</mrow>"

    def sign(self, operator: ast.AST) -> str:
        sign = SIGNS[type(operator)][self.style]
        return f"<mo>{escape(sign)}</mo>" if self.style == "mathml" else sign

    def parenthesized(self, inside: str, own: int, binding: int) -> str:
        return self.around(inside) if own < binding else inside

    def around(self, inside: str) -> str:
        match self.style:
            case "latex":
                return rf"\left({inside}\right)"
            case "mathml":
                return f"<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>"
        return f"({inside})"

    def bracketed(self, inside: str) -> str:
        """Iverson's bracket: 1 where it is true, else 0."""
        match self.style:
            case "latex":
                return rf"\left[{inside}\right]"
            case "mathml":
                return f"<mrow><mo>[</mo>{inside}<mo>]</mo></mrow>"
        return f"({inside})"

    def fraction(self, above: str, below: str) -> str:
        if self.style == "latex":
            return rf"\frac{{{above}}}{{{below}}}"
        return f"<mfrac>{self.row(above)}{self.row(below)}</mfrac>"

    def raised(self, base: str, exponent: str) -> str:
        match self.style:
            case "latex":
                return f"{{{base}}}^{{{exponent}}}"
            case "mathml":
                return f"<msup>{self.row(base)}{self.row(exponent)}</msup>"
        return f"{base}{exponent}"

    def transposed(self) -> str:
        return {"text": ".T", "latex": r"\top", "mathml": "<mi>T</mi>"}[self.style]

    def indexed(self, value: ast.expr, index: ast.expr) -> str:
        base, below = self.write(value, ATOM), self.code(index)
        if self.style == "latex":
            return f"{{{base}}}_{{{below}}}"
        return f"<msub>{self.row(base)}{self.row(below)}</msub>"

    def identifier(self, name: str) -> str:
        return getattr(identifier(name), self.style)

    def number(self, digits: str) -> str:
        return f"<mn>{digits}</mn>" if self.style == "mathml" else digits

    def code(self, x: ast.expr) -> str:
        """What has no form of its own in mathematics, as source, with the names replaced in it."""
        source = ast.unparse(x)
        known = "|".join(sorted(map(re.escape, self.names), key=len, reverse=True))
        # A name stands alone: it is no attribute, and no keyword of a call.
        name = rf"(?<![\w.])({known})(?![\w=])" if known else "(?!)"
        parts = []
        for i, part in enumerate(re.split(name, source)):
            if i % 2:
                parts.append(self.named(part, ATOM))
            elif part:
                parts.append(self.verbatim(part))
        return self.row(*parts)

    def verbatim(self, source: str) -> str:
        return {"text": source, "latex": tex(source)}.get(
            self.style, f"<mtext>{escape(source)}</mtext>"
        )


NEGATIVE = re.compile(r"-|(<mrow>)*<mo>\u2212")
DERIVATIVE = re.compile(r"d\S+/d\S+")


def binding_of(text: str, style: Style) -> int:
    """How strongly the weakest sign binds in what takes the place of a name."""
    if style != "mathml" and (" + " in text or " - " in text):
        return SUM
    if NEGATIVE.match(text) or "\u22c5" in text:
        return PRODUCT
    if style == "mathml":
        return ATOM
    if DERIVATIVE.fullmatch(text):
        return SIGN  # x @ dL/dz needs no parentheses, and x / (dL/dz) does
    return PRODUCT if r"\cdot" in text or any(sign in text for sign in "/*@") else ATOM


def identifier(name: str) -> Expression:
    """A name: x1 and W[0,1] with an index, any text as itself."""
    if indexed := re.fullmatch(r"([A-Za-z])(\d+|\[\d+(?:,\d+)*\])", name):
        letter, index = indexed[1], indexed[2].strip("[]")
        return Expression(
            name, f"{letter}_{{{index}}}", f"<msub><mi>{letter}</mi><mn>{index}</mn></msub>"
        )
    latex = tex(name)
    if re.fullmatch(r"[A-Za-z]+", name):
        latex = name if len(name) == 1 else rf"\mathit{{{name}}}"
    return Expression(name, latex, f"<mi>{escape(name)}</mi>")


def operator_name(name: str) -> str:
    if name in UPRIGHT:
        return f"\\{name}"
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        return tex(name)
    escaped = name.replace("_", r"\_")
    return rf"\operatorname{{{escaped}}}"


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
    parts = re.split(f"([{re.escape(''.join(SPECIAL))}])", text)
    shown = [SPECIAL.get(part) or rf"\text{{{part}}}" for part in parts if part]
    return shown[0] if len(shown) == 1 else f"{{{''.join(shown)}}}"  # one symbol for the spacing
