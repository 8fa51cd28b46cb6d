"""3 * 3 is 9, and the engine agrees, if everything is installed."""

import importlib.util
import platform

import numpy as np
from checking import AnswerError, compare

from tinygrad_edu import Value, draw, gradcheck

HINTS = [
    "x * x is the area of a square whose sides are x long.",
    "Replace the three dots, and nothing else: x_times_x = and then the number that 3 * 3 is.",
]

ANSWER = """
x_times_x = 9
"""

MISTAKES = [
    ("= 9", "= 6", "That is x + x"),
    ("= 9", "= 3", "That is x"),
    ("= 9", "= 'nine'", "should be a number"),
    ("= 9", "= x * x", "NameError"),
    ("x_times_x", "answer", "There is no x_times_x in the file"),
]

INSTALL = 'Install what the book needs: pip install -e ".[exercises]"'
PACKAGES = ("matplotlib", "sklearn", "click", "watchfiles")


def check(names):
    reasons = {6: "That is x + x.", 3: "That is x. Multiply it by itself."}
    compare("x_times_x", names["x_times_x"], 9, reasons)
    yield "3 * 3 is 9"
    yield f"Python {platform.python_version()} and NumPy {np.__version__}"
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    yield f"the engine: x * x is {y.data}, and its slope is {x.grad}"
    gradcheck(lambda x: x * x, x)
    yield "gradcheck: the slope that one measures is the same"
    expect_packages()
    yield f"the libraries of the book: {', '.join(PACKAGES)}"
    expect_drawing(y)
    yield "pictures can be drawn"


def expect_packages():
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise AnswerError(f"Not installed: {', '.join(missing)}. {INSTALL}")


def expect_drawing(y):
    try:
        draw(y).svg()
    except RuntimeError as error:
        raise AnswerError(f"A picture cannot be drawn: {error}. {INSTALL}") from error
