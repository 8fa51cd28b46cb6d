"""How is a program of floats written in JavaScript? With Python's arithmetic, for a page."""

import math
import operator
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np

from tinygrad_edu import value
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.tape import CompileError, Origin, guard
from tinygrad_edu.compiler.text import WEIGHTED_SUM, Writer, indented, is_of_numpy, products
from tinygrad_edu.tracing import Line, astype

# Operators that JavaScript computes like Python
OPERATORS: dict[Any, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
}
SIGNS: dict[Any, str] = {operator.neg: "-", operator.pos: "+"}
# Functions of arithmetic.js: with Python's arithmetic, some of them raise errors
ARITHMETIC: dict[Any, str] = {
    operator.truediv: "divide",
    operator.pow: "power",
    operator.mod: "remainder",
    operator.floordiv: "floorDivide",
    math.exp: "exp",
    math.log: "log",
    math.sqrt: "sqrt",
    math.sin: "sin",
    math.cos: "cos",
    math.tanh: "tanh",
    value.sigmoid: "sigmoid",
    value.relu: "relu",
}
# NumPy's functions, which rules call: they return nan and infinities instead of errors
MATH: dict[Any, str] = {
    operator.abs: "Math.abs",
    np.absolute: "Math.abs",
    np.sign: "Math.sign",
    np.exp: "Math.exp",
    np.log: "Math.log",
    np.sqrt: "Math.sqrt",
    np.sin: "Math.sin",
    np.cos: "Math.cos",
    np.tanh: "Math.tanh",
}
SAME = {astype, np.asarray}  # a float64 stays one
HELPERS = "ask", "sum", *dict.fromkeys(ARITHMETIC.values())
# Words that cannot be names in JavaScript
WORDS = """
arguments await break case catch class const continue debugger default delete do else enum eval
export extends false finally for function if implements import in instanceof interface let new null
package private protected public return static super switch this throw true try typeof undefined
var void while with yield Infinity NaN Math out
"""


class JavaScriptWriter(Writer):
    """Writes a program of floats as `(arithmetic) => (inputs, out) => { ... }`.

    Output k of the program goes to out[k] as soon as it is known. So if a guard or an error ends
    the run, what is already in `out` is right. arithmetic.js defines the two arithmetics,
    `ofPython` and `ofNumPy`. Guard number n, in the order of the lines, calls ask(n, condition).
    Raises CompileError for a function that cannot be written in JavaScript.
    """

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.taken = {*WORDS.split(), *HELPERS}
        self.guards: list[Line] = []
        self.places: dict[Line, list[int]] = {}
        for k, line in enumerate(program.outputs):
            if isinstance(line, Line):
                self.places.setdefault(line, []).append(k)

    def fresh(self, wish: str) -> str:
        return super().fresh(re.sub(r"\W", "_", wish, flags=re.ASCII))

    def expression(self, x: Any) -> str:
        if isinstance(x, Line):
            return self.names[x]
        if isinstance(x, np.generic):
            x = x.item()
        if isinstance(x, bool):
            return str(x).lower()
        if not isinstance(x, int | float):
            raise CompileError(
                f"a program in JavaScript computes with floats only, and found a {type(x).__name__}"
            )
        x = float(x)
        if math.isfinite(x):
            return repr(int(x)) if x.is_integer() and 0 < abs(x) < 2**53 else repr(x)
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"

    def call(self, line: Line, out: str = "") -> str:
        function, inputs = line.function, line.inputs
        if function in SAME:
            return self.expression(inputs[0])
        operands = list(map(self.operand, inputs))
        if function in SIGNS:
            return f"{SIGNS[function]}{operands[0]}"
        if function in OPERATORS:
            return f"{operands[0]} {OPERATORS[function]} {operands[1]}"
        if function is operator.truediv and any(map(is_of_numpy, inputs)):
            return f"{operands[0]} / {operands[1]}"
        if function is WEIGHTED_SUM:
            return weighted_sum_text(operands)
        name = ARITHMETIC.get(function) or MATH.get(function)
        if name is None or line.options:
            called = getattr(function, "__name__", str(function))
            raise CompileError(
                f"{called} cannot be written in JavaScript: use only operators and exp, log, sqrt, "
                "sin, cos, tanh, sigmoid, relu and abs"
            )
        return f"{name}({', '.join(map(self.expression, inputs))})"

    def statements(self, line: Line) -> Iterator[str]:
        if line.function is guard:
            yield f"ask({len(self.guards)}, {self.held(*line.inputs)});"
            self.guards.append(line)
        else:
            yield f"const {self.names[line]} = {self.assigned(line, self.call(line))};"

    def held(self, question: Any, x: Any, answer: Any) -> str:
        """The condition that a branch goes as recorded. NaN is true in Python, but not here."""
        text = self.expression(x)
        if question is not operator.truth:
            return f"{text} == {answer}"
        text = text if isinstance(x.data, bool) else f"({text} != 0)"
        return text if answer else f"!{text}"

    def assigned(self, line: Line, text: str) -> str:
        return "".join(f"out[{k}] = " for k in self.places.get(line, ())) + text

    def body(self) -> Iterator[str]:
        given = self.program.inputs
        yield from (f"{self.assigned(x, self.names[x])};" for x in given if x in self.places)
        phase = None
        for line in self.program.lines:
            origin = self.program.origins.get(line, Origin())
            if origin.phase != phase:
                phase = origin.phase
                yield f"// {phase}"
            yield from self.statements(line)
        for k, x in enumerate(self.program.outputs):
            if not isinstance(x, Line):
                yield f"out[{k}] = {self.expression(x)};"

    def text(self) -> str:
        self.name_all()
        inputs = ", ".join([*(self.names[line] for line in self.program.inputs), "out"])
        head = f"({{ {', '.join(HELPERS)} }}) => ({inputs}) => {{"
        return "\n".join([head, *indented(self.body()), "}"])


def weighted_sum_text(operands: list[str]) -> str:
    terms = products(tuple(operands))
    if sys.version_info >= (3, 12):
        return f"sum([{', '.join(terms)}], {operands[-1]})"
    return " + ".join([operands[-1], *terms])


def arithmetic() -> str:
    """The text of arithmetic.js, whose functions programs in JavaScript call."""
    return (files("tinygrad_edu.compiler") / "assets/arithmetic.js").read_text("utf-8")
