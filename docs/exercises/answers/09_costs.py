"""A grid is a power of its values, a descent three evaluations for each of its steps."""

from numbers import Real

import numpy as np
from checking import AnswerError, compare, compare_steps

HINTS = [
    "Each w is tried with each b. What is kept is the pair, and its loss. The descent takes the "
    "update of chapter 8 for w and for b. A grid of 3 weights repeats that of 2 for each value of "
    "the third.",
    "The inner loop runs over values as well, and keeps (w, b), loss(w, b). In the descent first "
    "dw, db = gradient(w, b); then the new w is w - lr * dw, and b likewise. A grid has "
    "values ** weights points. One backward pass gives all slopes, however many weights there are.",
]

ANSWER = """
def try_all(loss, values):
    best, lowest = None, float("inf")
    for w in values:
        for b in values:
            if loss(w, b) < lowest:
                best, lowest = (w, b), loss(w, b)
    return best


def follow_the_slope(gradient, w, b, lr, steps):
    for _ in range(steps):
        dw, db = gradient(w, b)
        w, b = w - lr * dw, b - lr * db
    return w, b


def cost_of_trying_all(values, weights):
    return values**weights


def cost_of_following(steps, weights):
    return 3 * steps
"""

MISTAKES = [
    ("for b in values:", "for b in [w]:", "only pairs with w = b"),
    ("for b in values:", "for b in range(len(values)):", "saw 51 of the 289 pairs"),
    ("return w, b", "return", "follow_the_slope returns None"),
    ("return w, b", "return 'w', 'b'", "should return a pair of numbers"),
    ("return w, b", "return (w, b), steps", "should return a pair of numbers"),
    ("(w, b), loss(w, b)", "(w, b), lowest", "lowest never changes"),
    ("(w, b), loss(w, b)", "w, loss(w, b)", "a pair"),
    ("w - lr * dw, b - lr * db", "w + lr * dw, b + lr * db", "uphill"),
    ("w - lr * dw, b - lr * db", "w - dw, b - db", "lr is missing"),
    ("b - lr * db", "b", "b does not move"),
    (
        "dw, db = gradient(w, b)\n        w, b = w - lr * dw, b - lr * db",
        "w = w - lr * gradient(w, b)[0]\n        b = b - lr * gradient(w, b)[1]",
        "after w has moved",
    ),
    ("values**weights", "values * weights", "multiplies the cost"),
    ("3 * steps", "3 * steps * weights", "gives all slopes"),
    ("3 * steps", "steps", "costs about three"),
]

X, Y = (1.0, 2.0, 3.0), (-1.0, 0.5, 1.0)
VALUES = [k / 4 for k in range(-8, 9)]
START, RATE = (2.0, 2.0), 0.1


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.arguments = function, []

    def __call__(self, w, b):
        self.arguments.append((w, b))
        return self.function(w, b)


def errors(w, b):
    return [w * x + b - y for x, y in zip(X, Y, strict=True)]


def loss(w, b):
    return sum(e * e for e in errors(w, b)) / len(X)


def gradient(w, b):
    wrong = errors(w, b)
    return 2 * sum(e * x for e, x in zip(wrong, X, strict=True)) / len(X), 2 * sum(wrong) / len(X)


def descent(steps):
    """The points of the right descent."""
    w, b = START
    points = [(w, b)]
    for _ in range(steps):
        dw, db = gradient(w, b)
        w, b = w - RATE * dw, b - RATE * db
        points.append((w, b))
    return points


def check(names):
    yield check_grid(names["try_all"])
    yield check_descent(names["follow_the_slope"])
    check_cost_of_grid(names["cost_of_trying_all"])
    yield "the cost of a grid: values ** weights"
    check_cost_of_descent(names["cost_of_following"])
    yield "the cost of a descent: 3 * steps, with 2 weights and with 1000"


def check_grid(try_all):
    pairs = {(w, b) for w in VALUES for b in VALUES}
    counted, wanted = Counted(loss), min(pairs, key=pair_loss)
    best = try_all(counted, list(VALUES))
    seen = set(counted.arguments)
    if seen == {(v, v) for v in VALUES}:
        raise AnswerError(
            f"try_all saw only pairs with w = b, {len(seen)} of them. There are {len(VALUES)} "
            f"values for w, and for each of them {len(VALUES)} for b: {len(pairs)} pairs."
        )
    if missing := pairs - seen:
        raise AnswerError(
            f"try_all saw {len(pairs & seen)} of the {len(pairs)} pairs. It never tried "
            f"{min(missing)}. Both w and b come from `values`."
        )
    if np.shape(best) != (2,):
        raise AnswerError(f"try_all returns {best}, and it should return a pair, (w, b).")
    because = f"The loss there is {loss(*wanted):.4g}, the lowest of all {len(pairs)}."
    if tuple(best) == (VALUES[-1], VALUES[-1]):
        because = "It kept the last pair, as if every loss were lower: lowest never changes."
    compare("what try_all returns", best, wanted, because=because)
    return f"the grid search: {len(pairs)} pairs tried, the lowest loss is {loss(*wanted):.4f}"


def check_descent(follow):
    slopes = gradient(*START)
    moved = follow(gradient, *START, RATE, 1)
    if not is_pair(moved):
        raise AnswerError(
            f"follow_the_slope returns {moved}, and it should return a pair of numbers, (w, b)."
        )
    w, b = moved
    uphill = tuple(s + RATE * d for s, d in zip(START, slopes, strict=True))
    if np.allclose((w, b), uphill):
        raise AnswerError(
            f"One step from {START} goes to ({w:.4g}, {b:.4g}): uphill. The loss rises from "
            f"{loss(*START):.4g} to {loss(w, b):.4g}."
        )
    if np.allclose((w, b), np.subtract(START, slopes)):
        raise AnswerError(
            f"lr is missing: with lr = {RATE} a step is {RATE} times the slope, not all of it."
        )
    for name, here, before, slope in zip("wb", (w, b), START, slopes, strict=True):
        if here == before:
            raise AnswerError(f"{name} does not move in a step. Its slope is {slope:.4g}.")
    if np.isclose(b, START[1] - RATE * gradient(w, START[1])[1]):
        raise AnswerError(
            "The slope for b was computed after w has moved. Both slopes belong to the same point: "
            "compute them first, then move both."
        )
    mine = [follow(gradient, *START, RATE, t) for t in range(5)]
    compare_steps("(w, b)", mine, descent(4))
    steps = 200
    end = follow(gradient, *START, RATE, steps)
    return f"the descent: {steps} steps, {3 * steps} evaluations, loss {loss(*end):.4f}"


def is_pair(found):
    try:
        return len(found) == 2 and all(isinstance(x, Real) for x in found)
    except TypeError:
        return False


def check_cost_of_grid(cost):
    for values, weights in ((11, 2), (11, 3), (41, 10)):
        product = values * weights
        reasons = {
            product: f"Each further weight multiplies the cost by {values}; it does not add "
            f"{values}. Two weights have {values} * {values} pairs.",
            weights**values: "Values and weights are exchanged.",
        }
        got = cost(values, weights)
        compare(f"cost_of_trying_all({values}, {weights})", got, values**weights, reasons)


def check_cost_of_descent(cost):
    for steps, weights in ((100, 1000), (50, 2)):
        reasons = {
            3 * steps * weights: "One backward pass gives all slopes, so the number of "
            "weights does not count.",
            steps: "A step is a forward and a backward pass, and costs about three evaluations.",
            2 * steps: "The backward pass alone costs about two: with the forward pass, three.",
        }
        compare(f"cost_of_following({steps}, {weights})", cost(steps, weights), 3 * steps, reasons)


def pair_loss(pair):
    return loss(*pair)
