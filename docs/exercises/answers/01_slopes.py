"""-3 everywhere on the line, 2 (-1 - 2) on the square, 3 · 2² on the cube."""

import math

from checking import compare

HINTS = [
    "If x grows by 1, how much does the line 7 - 3 x change? For the other two, use calculus: the "
    "derivative of (x - 2)² is 2 (x - 2). A slope is negative where the function falls.",
    "The slope of the line is the number before x, with its sign. That of (x - 2)² is 2 (-1 - 2). "
    "That of x³ is 3 x², at 2. To measure, divide f(x + h) - f(x - h) by the distance of the two "
    "places, which is 2 h.",
]

ANSWER = """
slope_of_line = -3
slope_of_square = -6
slope_of_cube = 12


def measured_slope(f, x, h=0.0001):
    return (f(x + h) - f(x - h)) / (2 * h)
"""

MISTAKES = [
    ("slope_of_line = -3", "slope_of_line = 3", "falls"),
    ("slope_of_line = -3", "slope_of_line = -5", "value"),
    ("slope_of_square = -6", "slope_of_square = 9", "value"),
    ("slope_of_square = -6", "slope_of_square = 6", "sign"),
    ("slope_of_square = -6", "slope_of_square = -3", "2 in front"),
    ("slope_of_cube = 12", "slope_of_cube = 8", "value"),
    ("slope_of_cube = 12", "slope_of_cube = 6", "3 x²"),
    ("/ (2 * h)", "/ h", "twice the slope"),
    ("/ (2 * h)", "/ 2 * h", "parentheses"),
    ("/ (2 * h)", "", "divided"),
    ("f(x - h)) / (2 * h)", "f(x)) / h", "one-sided"),
    ("f(x + h) - f(x - h)) / (2 * h)", "f(x) - f(x - h)) / h", "one-sided"),
    ("f(x + h) - f(x - h)", "f(x - h) - f(x + h)", "the wrong sign"),
    ("(f(x + h) - f(x - h)) / (2 * h)", "f(x + h) - f(x - h) / (2 * h)", "numerator"),
    ("/ (2 * h)", "/ 0.2", "Use the h"),
    ("return (f", "(f", "None"),
]

H = 0.1
ONE_SIDED = (
    "That is a one-sided difference, and its error is of the order of h. Nudge to both sides."
)


def check(names):
    compare(
        "slope_of_line",
        names["slope_of_line"],
        -3,
        {3: "The line falls: where x grows, 7 - 3 x shrinks.",
         -5: "That is the value of 7 - 3 x at 4. The slope says how fast it changes.",
         -12: "That is the slope times 4. A line has the same slope everywhere."},
        "If x grows by 1, how much does 7 - 3 x change?",
    )  # fmt: skip
    yield "the slope of 7 - 3 x"
    compare(
        "slope_of_square",
        names["slope_of_square"],
        -6,
        {9: "That is the value of (x - 2)² at -1. The slope says how fast it changes.",
         6: "The sign is wrong: left of 2, the curve falls when x grows.",
         -3: "That is x - 2. The derivative of a square has a 2 in front: 2 (x - 2).",
         -2: "That is 2 x. The square is of x - 2, so its derivative is 2 (x - 2)."},
        "The derivative is 2 (x - 2), and x is -1.",
    )  # fmt: skip
    yield "the slope of (x - 2)²"
    compare(
        "slope_of_cube",
        names["slope_of_cube"],
        12,
        {8: "That is the value of x³ at 2. The slope says how fast it changes.",
         6: "That is 3 x. The derivative of x³ is 3 x².",
         4: "That is x². The derivative of x³ is 3 x²: the exponent comes down as a factor."},
        "The derivative is 3 x², and x is 2.",
    )  # fmt: skip
    yield "the slope of x³"
    yield from check_measurement(names["measured_slope"])


def check_measurement(measured_slope):
    """sin at 1, where all of the typical mistakes give another number."""
    step = math.sin(1 + H) - math.sin(1 - H)
    compare(
        "measured_slope(sin, 1, 0.1)",
        measured_slope(math.sin, 1.0, H),
        step / (2 * H),
        {step / H: "It is twice the slope. The two places are 2 h apart, not h.",
         step / 2 * H: "Python computes / 2 * h from left to right: put 2 * h in parentheses.",
         step: "That is the change of f. It is not divided by the change of x.",
         (math.sin(1 + H) - math.sin(1)) / H: ONE_SIDED,
         (math.sin(1) - math.sin(1 - H)) / H: ONE_SIDED,
         -step / (2 * H): "It has the wrong sign: subtract the value on the left, f(x - h), from "
         "the value on the right, f(x + h).",
         math.sin(1 + H) - math.sin(1 - H) / (2 * H): "Python divides before it subtracts: put the "
         "numerator, f(x + h) - f(x - h), in parentheses."},
        "It is (f(x + h) - f(x - h)) / (2 h).",
    )  # fmt: skip
    yield "the measured slope of sin at 1"
    wanted = (math.sin(2) - math.sin(0)) / 2
    got = measured_slope(math.sin, 1.0, 1.0)
    compare("measured_slope(sin, 1, 1)", got, wanted, because="Use the h that the function gets.")
    yield "the same with a larger nudge"
