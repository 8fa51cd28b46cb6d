"""The operators hand the nodes themselves to apply, in the order in which they stand."""

import operator

import numpy as np
from checking import AnswerError, compare

HINTS = [
    "Look at __sub__. It does not compute: it tells apply which function to call, and on what.",
    "operator.mul is Python's times as a function. In other - x, the left operand is `other`, and "
    "apply gets the operands from left to right.",
]

ANSWER = """
import operator


class Number:
    def __init__(self, data):
        self.data = data
        self.function, self.inputs = None, ()

    def __sub__(self, other):
        return apply(operator.sub, self, other)

    def __mul__(self, other):
        return apply(operator.mul, self, other)

    def __rmul__(self, other):
        return apply(operator.mul, other, self)

    def __rsub__(self, other):
        return apply(operator.sub, other, self)


def apply(function, *inputs):
    numbers = [x.data if isinstance(x, Number) else x for x in inputs]
    out = Number(function(*numbers))
    out.function, out.inputs = function, inputs
    return out
"""

MUL = "return apply(operator.mul, self, other)"

MISTAKES = [
    (MUL, "return self.data * other.data", "a plain float"),
    (MUL, "return Number(self.data * other.data)", "does not remember"),
    (MUL, "return apply(operator.add, self, other)", "the function add"),
    (MUL, "return apply(operator.mul, self.data, other.data)", "and not the nodes"),
    (MUL, "self.data *= other.data; return self", "changed x"),
    (MUL, "apply(operator.mul, self, other)", "returns nothing"),
    (MUL, "return self * other", "RecursionError"),
    ("apply(operator.mul, other, self)", "other * self", "RecursionError"),
    ("apply(operator.sub, other, self)", "apply(operator.sub, self, other)", "That is x - 2"),
    (MUL, "return apply(lambda a, b: a * b, self, other)", "the table of rules"),
    (MUL, "out = apply(operator.mul, self, other); out.inputs = None; return out", "None"),
    ("apply(operator.sub, other, self)", "Number(other - self.data)", "does not remember"),
]


SAME = {operator.mul: (operator.mul, np.multiply), operator.sub: (operator.sub, np.subtract)}


def check(names):
    number = names["Number"]
    x, y = number(3.0), number(4.0)
    for text, compute, function, inputs, wanted, reasons in (
        ("x * y", lambda: x * y, operator.mul, (x, y), 12, {}),
        ("x * x", lambda: x * x, operator.mul, (x, x), 9, {}),
        ("2 * x", lambda: 2 * x, operator.mul, (2, x), 6, {}),
        ("2 - x", lambda: 2 - x, operator.sub, (2, x), -1, {1: "That is x - 2."}),
    ):
        out = compute()
        expect_data(text, number, out, wanted, reasons)
        if x.data != 3 or y.data != 4:
            raise AnswerError(f"{text} has changed x or y: x is {x.data} now, and y is {y.data}.")
        expect_memory(text, out, function, inputs)
        yield f"{text} is {out.data}, and remembers {function.__name__} and its inputs"


def expect_data(text, number, out, wanted, reasons):
    if out is None:
        raise AnswerError(f"{text} returns nothing. Is there a `return` in the method?")
    if not isinstance(out, number):
        kind = type(out).__name__
        raise AnswerError(
            f"{text} is {out}, a plain {kind}, which remembers nothing. Let apply make the result."
        )
    told = getattr(out.function, "__name__", None)
    because = f"It was made by the function {told}." if told else ""
    compare(f"with x = 3 and y = 4, ({text}).data", out.data, wanted, reasons, because)


def expect_memory(text, out, function, inputs):
    if out.function is None:
        raise AnswerError(
            f"{text} is {out.data}, which is right. But it does not remember which function made "
            "it: `function` is None. Let apply make the result."
        )
    if out.function not in SAME[function]:
        told = getattr(out.function, "__name__", out.function)
        raise AnswerError(
            f"{text} remembers the function {told}, and it should be operator.{function.__name__}: "
            "the way back looks the function up in the table of rules."
        )
    if not same_inputs(out.inputs, inputs) and not (
        function is operator.mul and same_inputs(out.inputs, inputs[::-1])
    ):
        raise AnswerError(
            f"{text} remembers the inputs {shown(out.inputs)}, and not the nodes that it was "
            "computed from. Hand over the Number itself: a graph that holds plain numbers has no "
            "way back to x."
        )


def same_inputs(got, wanted):
    """The same nodes; the plain 2 may have been put into a Number as well."""
    return (
        isinstance(got, tuple | list)
        and len(got) == len(wanted)
        and all(
            a is b or (isinstance(b, int) and getattr(a, "data", a) == b)
            for a, b in zip(got, wanted, strict=True)
        )
    )


def shown(inputs):
    if not isinstance(inputs, tuple | list):
        return inputs
    return ", ".join(f"Number({x.data})" if hasattr(x, "data") else repr(x) for x in inputs)
