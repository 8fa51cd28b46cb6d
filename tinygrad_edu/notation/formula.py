"""How is a term written? In each style, with only the parentheses that its tree needs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.graph import RULES
from tinygrad_edu.messages import operation
from tinygrad_edu.notation.numbers import number, written
from tinygrad_edu.notation.styles import STYLES, Style
from tinygrad_edu.notation.terms import Call, summed
from tinygrad_edu.tracing import item, with_at

# How strongly a sign binds: a term that binds less than its surroundings gets parentheses.
ANY, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(7)

BINARY: dict[Any, int] = {
    **dict.fromkeys((np.bitwise_and, np.bitwise_or), ANY),
    **dict.fromkeys((np.greater, np.greater_equal, np.less, np.less_equal), COMPARISON),
    **dict.fromkeys((np.equal, np.not_equal), COMPARISON),
    **dict.fromkeys((np.add, np.subtract), SUM),
    **dict.fromkeys((np.multiply, np.matmul, np.divide, np.remainder), PRODUCT),
}
UNARY = {np.negative, np.positive, np.invert}
TRANSPOSED = {np.transpose: "transposed", np.matrix_transpose: "matrix transposed"}
WRAPPED = {np.sqrt: "root", np.absolute: "absolute"}


@dataclass(frozen=True)
class Name:
    """The name of a node."""

    name: str


@dataclass(frozen=True)
class Derivative:
    """The derivative d of / d by."""

    of: Any
    by: Any


@dataclass(frozen=True)
class Verbatim:
    """Any text, as it is."""

    text: str


@dataclass(frozen=True)
class Numeral:
    """A number of the graph, to `digits` significant digits; in text a float has a point: 2.0."""

    x: float
    digits: int = 4
    is_int: bool = False

    def __str__(self) -> str:
        return number(self.x, self.digits)

    @property
    def rounded(self) -> float:
        return float(str(self))


@dataclass(frozen=True)
class Expression:
    """The same mathematics in four styles; `mathml` is the inside of a <math> element."""

    text: str
    pretty: str
    latex: str
    mathml: str


def expression(tree: Any) -> Expression:
    """A tree in each style."""
    return Expression(*(Writer(style).write(tree, ANY) for style in STYLES))


@dataclass(frozen=True)
class Writer:
    """Writes a tree in one style; `binding` is how strongly its surroundings bind."""

    style: Style

    def write(self, x: Any, binding: int) -> str:
        style = self.style
        match x:
            case Name(name):
                return style.name(name)
            case Verbatim(text):
                return style.verbatim(text)
            case Derivative(of, by):
                inside = style.form("derivative", self.write(of, ATOM), self.write(by, ATOM))
                return self.parenthesized(inside, ATOM if style.has_fractions else SIGN, binding)
            case Numeral() | bool() | int() | float() | np.number():
                return self.number(x, binding)
            case Call():
                return self.call(x, binding)
            case tuple() | list():
                inside = ", ".join(self.write(y, ANY) for y in x)
                comma = "," if isinstance(x, tuple) and len(x) == 1 else ""
                return f"[{inside}]" if isinstance(x, list) else f"({inside}{comma})"
        return style.verbatim(written(x))

    def number(self, x: Any, binding: int) -> str:
        if isinstance(x, Numeral):
            digits = str(x)
            if self.style.is_text and digits.lstrip("-").isdigit() and not x.is_int:
                digits += ".0"
        else:
            digits = number(float(x), 17 if float(x).is_integer() else 10)
        own = SIGN if digits[0] == "-" else ATOM
        if "e" in digits and self.style.has_fractions:
            own = PRODUCT
        return self.parenthesized(self.style.number(digits), own, binding)

    def call(self, x: Call, binding: int) -> str:
        style, function = self.style, x.function
        match x.operands:
            case (left, right) if function is np.divide:
                return self.quotient(left, right, binding)
            case (below,) if function is np.reciprocal:
                return self.quotient(1, below, binding)
            case (base, exponent) if function is np.power:
                return self.power(base, exponent, binding)
            case (base,) if function is np.square:
                return self.power(base, 2, binding)
            case (left, right) if function in BINARY:
                return self.binary(function, left, right, binding)
            case (operand,) if function in UNARY:
                inside = self.write(operand, ATOM if is_negative(operand) else SIGN)
                inside = style.form("row", style.sign(function) + inside)
                return self.parenthesized(inside, SIGN, binding)
            case (operand,) if function in TRANSPOSED and not x.options:
                return style.form(TRANSPOSED[function], self.write(operand, ATOM))
            case (operand,) if function in WRAPPED:
                return style.form(WRAPPED[function], self.write(operand, ANY))
            case (operand, index) if function is item:
                parts = index if isinstance(index, tuple) else (index,)
                inside = style.form("comma").join(self.write(y, ANY) for y in parts)
                return style.form("item", self.write(operand, ATOM), inside)
            case (ufunc, *rest) if function is with_at:
                return style.call(f"{ufunc.__name__}.at", [self.write(y, ANY) for y in rest])
        arguments = [self.write(y, ANY) for y in x.operands]
        arguments += [style.verbatim(f"{name}={written(y)}") for name, y in x.options]
        return style.call(function_name(function), arguments)

    def binary(self, function: Any, left: Any, right: Any, binding: int) -> str:
        own, style = BINARY[function], self.style
        first, second = self.write(left, own), self.write(right, own + 1)
        if is_negative(right):
            second = self.write(right, ATOM)
        inside = style.form("row", first + style.sign(function) + second)
        if own == COMPARISON and not (style.is_text and binding == ANY):
            return style.form("condition", inside)
        return self.parenthesized(inside, own, binding)

    def quotient(self, left: Any, right: Any, binding: int) -> str:
        if self.style.has_fractions:
            inside = self.style.form("fraction", self.write(left, ANY), self.write(right, ANY))
            return self.parenthesized(inside, POWER, binding)
        inside = self.style.form("fraction", self.write(left, PRODUCT), self.write(right, POWER))
        return self.parenthesized(inside, PRODUCT, binding)

    def power(self, base: Any, exponent: Any, binding: int) -> str:
        if exponent == 0.5 and self.style.has_fractions:
            return self.style.form("root", self.write(base, ANY))
        above = self.write(exponent, ANY if self.style.has_fractions else ATOM)
        return self.parenthesized(self.style.power(self.write(base, ATOM), above), POWER, binding)

    def parenthesized(self, inside: str, own: int, binding: int) -> str:
        return self.style.form("parentheses", inside) if own < binding else inside


def is_negative(x: Any) -> bool:
    """Whether a tree begins with a minus."""
    match x:
        case Numeral(value) | (int() | float() as value):
            return value < 0
        case Call(function=function, operands=(first, *_)):
            return function is np.negative or (function in BINARY and is_negative(first))
    return False


def function_name(function: Any) -> str:
    """The name that users know: for a function of the package, the name of its rule."""
    if isinstance(function, str):
        return function
    if function is summed:
        return "sum"
    is_ours = getattr(function, "__module__", "").startswith("tinygrad_edu.")
    return operation(RULES[function]) if is_ours and function in RULES else function.__name__
