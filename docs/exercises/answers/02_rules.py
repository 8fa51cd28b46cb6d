"""Add copies, multiply swaps, and a square brings its 2 and its x."""

import numpy as np
from checking import AnswerError, as_numbers, check_rule

HINTS = [
    "Each gradient is g times a slope. Nudge x alone: how much does the result change?",
    "In x + y both slopes are 1. In x * y the slope with respect to x is y, and that with respect "
    "to y is x. The slope of x² is 2 x.",
]

ANSWER = """
def add_backward(g, out, x, y):
    return g, g


def multiply_backward(g, out, x, y):
    return g * y, g * x


def square_backward(g, out, x):
    return g * 2 * x
"""

MISTAKES = [
    ("g * y, g * x", "g * x, g * y", "multiply swaps"),
    ("g * y, g * x", "y, x", "g is missing"),
    ("g * 2 * x", "g * x", "The rule of square is wrong"),
    ("g * 2 * x", "2 * x", "g is missing"),
    ("return g * 2 * x", "print(g * 2 * x)", "returns nothing"),
    ("g * y, g * x", "g * y, 'g x'", "its type is str"),
    ("g, g", "g", "two gradients"),
    ("g, g", "[g, g]", "a list"),
    ("return g, g", "g, g", "returns nothing"),
    ("g * 2 * x", "None", "returns nothing"),
    ("g * 2 * x", "'2 g x'", "a str"),
    ("g * 2 * x", "g * 2 * x, g * 2 * x", "one input"),
]

X, Y = np.array([3.0, -1.0]), np.array([2.0, 5.0])


def add(x, y):
    return x + y


def multiply(x, y):
    return x * y


def square(x):
    return x * x


def check(names):
    for function, inputs in ((add, (X, Y)), (multiply, (X, Y)), (square, (X,))):
        rule = names.function(f"{function.__name__}_backward")
        expect_partials(rule, function, inputs)
        check_rule(function, rule, *inputs)
        yield f"the derivative of {function.__name__}"


def expect_partials(rule, function, inputs):
    """The mistakes that have a name."""
    one, ten = (rule(g, function(*inputs), *inputs) for g in (1.0, 10.0))
    name = function.__name__
    if one is None:
        raise AnswerError(f"The rule of {name} returns nothing. Is there a `return` in it?")
    if isinstance(one, list | str):
        kind = type(one).__name__
        raise AnswerError(
            f"The rule of {name} returns a {kind}. It returns one gradient for each input, "
            "with a comma between two of them."
        )
    if len(inputs) == 2 and not (isinstance(one, tuple) and len(one) == 2):
        raise AnswerError(
            f"{name} has two inputs, so its rule returns two gradients: return ..., ..."
        )
    if len(inputs) == 1 and isinstance(one, tuple) and len(one) != 1:
        raise AnswerError(f"{name} has one input, so its rule returns one gradient.")
    for partial in one if isinstance(one, tuple) else (one,):
        made = partial() if callable(partial) else partial  # a lambda, as the engine allows
        as_numbers(f"a gradient that {name}_backward returns", made)
    if np.array_equal(one, ten):
        raise AnswerError(
            f"g is missing in the rule of {name}: ten times the gradient changes nothing."
        )
    if function is multiply and np.array_equal(one, inputs):
        raise AnswerError(
            "In the rule of multiply, x gets g * x, and y gets g * y. But multiply swaps them."
        )
