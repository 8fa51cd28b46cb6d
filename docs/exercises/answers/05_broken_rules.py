"""A factor, swapped operands, a g, a sign, and x in the place of out."""

import re

import numpy as np
from checking import AnswerError

from tinygrad_edu import backward_of, gradcheck, primitive
from tinygrad_edu.graph import RULES

GIVEN = "5 of 5 rules are wrong"

HINTS = [
    "Compare the two numbers of each line. Is their ratio always the same? Do they differ in sign? "
    "Has one operand the slope of the other? If they seem unrelated: does the rule use g? Does it "
    "use x where it needs the result?",
    "sqrt lacks a factor of 2. multiply swaps. exp lacks g. subtract lacks a minus. The slope of "
    "tanh is 1 - tanh(x)², and tanh(x) is the result.",
]

ANSWER = """
def sqrt_backward(g, out, x):
    return g / (2 * out)


def multiply_backward(g, out, x, y):
    return g * y, g * x


def exp_backward(g, out, x):
    return g * out


def subtract_backward(g, out, x, y):
    return g, -g


def tanh_backward(g, out, x):
    return g * (1 - out * out)
"""

MISTAKES = [
    ("g / (2 * out)", "g / out", "analytic 0.7071067812, numerical 0.3535533906"),
    ("g / (2 * out)", "g / 2 * out", "The rule of sqrt is wrong:"),
    ("g * y, g * x", "g * x, g * y", "operand 1[0]: analytic 0.5, numerical 1.414213562"),
    ("g * y, g * x", "g * y", "The rule of multiply is wrong:"),
    ("g * out\n", "out\n", "1 of 5 rules is wrong: exp"),
    ("g, -g", "g, g", "operand 1[0]: analytic 1, numerical -1"),
    ("g, -g", "-g, g", "operand 0[0]: analytic -1, numerical 1"),
    ("g, -g", "1, -1", "uses g"),
    ("return g, -g", "g, -g", "returns nothing"),
    ("g * y, g * x", "[g * y, g * x]", "a list"),
    ("1 - out * out", "1 - x * x", "The rule of tanh is wrong:"),
    ("1 - out * out", "1 - out", "The rule of tanh is wrong:"),
]

X, Y = np.array([2.0, 3.0]), np.array([0.5, -1.0])


def sqrt(x):
    return np.sqrt(x)


def multiply(x, y):
    return x * y


def exp(x):
    return np.exp(x)


def subtract(x, y):
    return x - y


def tanh(x):
    return np.tanh(x)


FUNCTIONS = (sqrt, multiply, exp, subtract, tanh)


def check(names):
    rules = [names[f"{f.__name__}_backward"] for f in FUNCTIONS]
    for f, rule in zip(FUNCTIONS, rules, strict=True):
        expect_arrays(f, rule)
    said = what_gradcheck_says(rules)
    wrong = [f.__name__ for f in FUNCTIONS if f"The rule of {f.__name__} is wrong" in said]
    for f in FUNCTIONS:
        if f.__name__ not in wrong:
            yield f"the rule of {f.__name__}"
    if said:
        verb = "is" if len(wrong) == 1 else "are"
        count = f"{len(wrong)} of {len(FUNCTIONS)} rules {verb} wrong: {', '.join(wrong)}."
        raise AnswerError(f"{count}\ngradcheck says of tanh(sqrt(x) * y) - exp(x - y):\n{said}")


def expect_arrays(f, rule):
    """What gradcheck would say in the words of the engine."""
    inputs = (X, Y) if f in (multiply, subtract) else (X,)
    partials = rule(np.ones(2), f(*inputs), *inputs)
    for partial in partials if isinstance(partials, tuple) else (partials,):
        partial = partial() if callable(partial) else partial
        if partial is None:
            raise AnswerError(f"The rule of {f.__name__} returns nothing. Is there a `return`?")
        if not isinstance(partial, np.ndarray):
            raise AnswerError(
                f"The rule of {f.__name__} returns {partial}, a {type(partial).__name__}. It "
                "returns a gradient for each input, with a comma between two of them, and a "
                "gradient is an array, as g is: a rule uses g."
            )


def what_gradcheck_says(rules):
    """Its message about a computation that uses all five rules, or nothing."""
    run = {f.__name__: primitive(f) for f in FUNCTIONS}
    for f, rule in zip(FUNCTIONS, rules, strict=True):
        backward_of(f)(rule)

    def computation(x, y):
        left = run["tanh"](run["multiply"](run["sqrt"](x), y))
        return run["subtract"](left, run["exp"](run["subtract"](x, y)))

    try:
        gradcheck(computation, X, Y, order=1)
    except AssertionError as error:
        return re.sub(r", at the node of \S+:", ":", f"{error}")
    finally:
        for f in FUNCTIONS:
            RULES.pop(f)
    return ""
