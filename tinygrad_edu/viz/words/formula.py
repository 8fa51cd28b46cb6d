"""How is a term written? With as many parentheses as its tree needs, in each style."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.tracing import item
from tinygrad_edu.viz.graph.numbers import number, written
from tinygrad_edu.viz.graph.terms import Call, Ref, summed, with_refs
from tinygrad_edu.viz.words.styles import LATEX, MATHML, PRETTY, TEXT, Text

# How strongly a sign binds: what binds less than its surroundings is put in parentheses.
ANY, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(7)

BINARY: dict[Any, int] = {
    **dict.fromkeys((np.bitwise_and, np.bitwise_or), ANY),
    **dict.fromkeys((np.greater, np.greater_equal, np.less, np.less_equal), COMPARISON),
    **dict.fromkeys((np.equal, np.not_equal), COMPARISON),
    **dict.fromkeys((np.add, np.subtract), SUM),
    **dict.fromkeys((np.multiply, np.matmul, np.divide, np.remainder), PRODUCT),
}
UNARY = {np.negative, np.positive, np.invert}


@dataclass(frozen=True)
class Name:
    """What a node is called."""

    name: str


@dataclass(frozen=True)
class Derivative:
    """d of / d by."""

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


def expression(term: Any, names: Callable[[Ref], Any] = lambda ref: ref) -> Expression:
    """A term in each style, with `names` for the nodes in it."""
    tree = with_refs(term, names)
    return Expression(*(Writer(style).write(tree, ANY) for style in (TEXT, PRETTY, LATEX, MATHML)))


@dataclass(frozen=True)
class Writer:
    """Writes a tree in one style; `binding` is how strongly its surroundings bind."""

    style: Text

    def write(self, x: Any, binding: int) -> str:
        style = self.style
        match x:
            case Name(name):
                return style.name(name)
            case Verbatim(text):
                return style.verbatim(text)
            case Derivative(of, by):
                own = ATOM if style.has_fractions else SIGN
                inside = style.derivative(self.write(of, ATOM), self.write(by, ATOM))
                return self.parenthesized(inside, own, binding)
            case Numeral() | bool() | int() | float() | np.number():
                return self.number(x, binding)
            case Call(function=function, operands=(left, right)) if function is np.divide:
                return self.quotient(left, right, binding)
            case Call(function=function, operands=(base, exponent)) if function is np.power:
                return self.power(base, exponent, binding)
            case Call(function=function, operands=(base,)) if function is np.square:
                return self.power(base, 2, binding)
            case Call(function=function, operands=(below,)) if function is np.reciprocal:
                return self.quotient(1, below, binding)
            case Call(function=function, operands=(left, right)) if function in BINARY:
                return self.binary(function, left, right, binding)
            case Call(function=function, operands=(operand,)) if function in UNARY:
                inside = style.row(style.sign(function), self.operand(operand))
                return self.parenthesized(inside, SIGN, binding)
            case Call(function=function, operands=(operand,), options=()) if function in (
                np.transpose,
                np.matrix_transpose,
            ):
                return style.transposed(self.write(operand, ATOM))
            case Call(function=np.sqrt, operands=(operand,)):
                return style.root(self.write(operand, ANY))
            case Call(function=np.absolute, operands=(operand,)):
                return style.absolute(self.write(operand, ANY))
            case Call(function=function, operands=(operand, index)) if function is item:
                return style.item(self.write(operand, ATOM), index_text(index))
            case Call():
                return self.call(x)
            case tuple() | list():
                inside = ", ".join(self.write(y, ANY) for y in x)
                return f"[{inside}]" if isinstance(x, list) else f"({inside})"
        return style.verbatim(written(x))

    def number(self, x: Any, binding: int) -> str:
        if isinstance(x, Numeral):
            digits = str(x)
            if digits.lstrip("-").isdigit() and not x.is_int:
                digits += self.style.point
        else:
            digits = number(float(x), 17 if float(x).is_integer() else 4)
        own = SIGN if digits[0] == "-" else ATOM
        if "e" in digits and self.style.has_fractions:
            own = min(own, PRODUCT)
        return self.parenthesized(self.style.number(digits), own, binding)

    def binary(self, function: Any, left: Any, right: Any, binding: int) -> str:
        own, style = BINARY[function], self.style
        first = self.write(left, own)
        second = self.write(right, ATOM if is_negative(right) else own + 1)
        inside = style.row(first, style.sign(function), second)
        if own == COMPARISON:
            return style.asked(inside)
        return self.parenthesized(inside, own, binding)

    def operand(self, x: Any) -> str:
        """What stands behind a sign of its own."""
        return self.write(x, ATOM if is_negative(x) else SIGN)

    def quotient(self, left: Any, right: Any, binding: int) -> str:
        if self.style.has_fractions:
            inside = self.style.fraction(self.write(left, ANY), self.write(right, ANY))
            return self.parenthesized(inside, POWER, binding)
        inside = self.style.fraction(self.write(left, PRODUCT), self.write(right, POWER))
        return self.parenthesized(inside, PRODUCT, binding)

    def power(self, base: Any, exponent: Any, binding: int) -> str:
        if self.style.has_fractions:
            if exponent == 0.5:
                return self.style.root(self.write(base, ANY))
            inside = self.style.power(self.write(base, ATOM), self.write(exponent, ANY))
        else:
            inside = self.style.power(self.write(base, ATOM), self.write(exponent, ATOM))
        return self.parenthesized(inside, POWER, binding)

    def call(self, x: Call) -> str:
        arguments = [self.write(y, ANY) for y in x.operands]
        arguments += [self.style.verbatim(f"{name}={written(y)}") for name, y in x.options]
        return self.style.call(function_name(x.function), arguments)

    def parenthesized(self, inside: str, own: int, binding: int) -> str:
        return self.style.around(inside) if own < binding else inside


def is_negative(x: Any) -> bool:
    """Whether a tree begins with a minus."""
    match x:
        case Numeral(value) | (int() | float() as value):
            return value < 0
        case Call(function=function, operands=(first, *_)):
            return function is np.negative or (function in BINARY and is_negative(first))
    return False


def index_text(index: Any) -> str:
    parts = index if isinstance(index, tuple) else (index,)
    return ", ".join(map(written, parts))


def function_name(function: Any) -> str:
    if isinstance(function, str):
        return function
    return "sum" if function is summed else function.__name__
