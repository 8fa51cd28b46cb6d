"""p - y, for the mean of the rows, times the gradient that arrives."""

import numpy as np
from checking import AnswerError, as_numbers, check_rule, compare

HINTS = [
    "The softmax divides the exponentials of a row by their sum: keepdims=True keeps the axis, so "
    "that each row is divided by its own sum. For the gradient, write the loss of one row as "
    "log(sum(exp(z))) - z[right class], and take the slope of both terms.",
    "Subtract the largest logit of each row before you take the exponential; it changes no "
    "probability. The gradient of one row is p - y. The loss is the mean over len(z) rows, and g "
    "is a factor of every rule.",
]

ANSWER = """
import numpy as np


def cross_entropy(z, y):
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(y * log_p).sum() / len(z)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy_backward(g, out, z, y):
    return g * (softmax(z) - y) / len(z)
"""

MISTAKES = [
    ("np.exp(z - z.max(axis=1, keepdims=True))", "np.exp(z)", "exp(1000)"),
    ("e / e.sum(axis=1, keepdims=True)", "e / e.sum()", "sum of the whole batch"),
    ("e / e.sum(axis=1, keepdims=True)", "e / e.sum(axis=0)", "sum of its column"),
    ("    e = np", "    z -= 1.0\n    e = np", "changes the array z itself"),
    ("e / e.sum(axis=1, keepdims=True)", "e", "must have the sum 1"),
    ("g * (softmax(z) - y) / len(z)", "g * (y - softmax(z)) / len(z)", "The sign is wrong"),
    ("g * (softmax(z) - y) / len(z)", "g * (softmax(z) - y)", "3 times too large"),
    ("g * (softmax(z) - y) / len(z)", "g * (softmax(z) - y) / z.size", "all 12 numbers"),
    ("g * (softmax(z) - y) / len(z)", "g * (softmax(z) - y) / z.shape[1]", "number of classes"),
    ("g * (softmax(z) - y) / len(z)", "g * (softmax(z) - y) / len(z), None", "its type is tuple"),
    ("g * (softmax(z) - y) / len(z)", "'p - y'", "its type is str"),
    ("    return g *", "    g *", "is None"),
    ("backward(g, out, z, y)", "backward(g, z, y)", "Keep the arguments"),
    ("g * (softmax(z) - y) / len(z)", "(softmax(z) - y) / len(z)", "g is missing"),
    ("g * (softmax(z) - y) / len(z)", "-g * y / softmax(z) / len(z)", "with respect to p"),
    ("g * (softmax(z) - y) / len(z)", "g * softmax(z) / len(z)", "y is missing"),
    ("(softmax(z) - y)", "(softmax(z) - y) * softmax(z)", "gradcheck finds a wrong derivative"),
]

Z = np.array([[2.0, 1.0, -1.0, 0.5], [0.0, -2.0, 0.5, 1.5], [1.0, 1.0, 3.0, -0.5]])
Y = np.eye(4)[[1, 0, 2]]
FAR = np.array([[1000.0, 999.0], [0.0, -1000.0]])


def loss(z):
    """The mean cross-entropy, as in the exercise: a learner may have changed it there."""
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(Y * log_p).sum() / len(z)


def true_softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def check(names):
    check_softmax(names.function("softmax"))
    yield "the softmax, also of logits as large as 1000"
    rule = names.function("cross_entropy_backward")
    name_mistakes(shaped_like_z("the gradient", rule(1.0, loss(Z), Z.copy(), Y)), rule)

    def cross_entropy_backward(g, out, z):
        return rule(g, out, z, Y)

    check_rule(loss, cross_entropy_backward, Z)
    yield "the gradient: gradcheck measures the same slopes"


def check_softmax(softmax):
    z = Z.copy()
    p = shaped_like_z("softmax(z)", softmax(z))
    if not np.array_equal(z, Z):
        raise AnswerError("softmax changes the array z itself. Make a new one: others use z too.")
    if np.allclose(p.sum(), 1):
        raise AnswerError("Each number is divided by the sum of the whole batch, not of its row.")
    if np.allclose(p.sum(axis=0), 1):
        raise AnswerError("Each number is divided by the sum of its column, not of its row.")
    because = f"Each row must have the sum 1; the sums are {p.sum(axis=-1).round(3)}."
    compare("softmax(z)", p, true_softmax(Z), because=because)
    with np.errstate(all="ignore"):
        far = softmax(FAR.copy())
    because = (
        "exp(1000) is larger than the largest float. Subtract the largest number of each row first."
    )
    compare("softmax([[1000, 999], [0, -1000]])", far, true_softmax(FAR), because=because)


def shaped_like_z(what, got):
    found = as_numbers(what, got)
    if found.shape != Z.shape:
        raise AnswerError(
            f"{what} has the shape {found.shape}, and it should have that of z, {Z.shape}."
        )
    return found


def name_mistakes(found, rule):
    """The mistakes that have a name; gradcheck finds all others."""
    p, rows = true_softmax(Z), len(Z)
    right = (p - Y) / rows
    for wrong, words in (
        (-right, "The sign is wrong: the slope is p - y, prediction minus truth."),
        (
            rows * right,
            f"It is {rows} times too large: the loss is the mean over {rows} rows, so each row "
            f"counts 1/{rows}.",
        ),
        (
            right / Z.shape[1],
            f"You divide by all {Z.size} numbers of z. The mean is over the {rows} rows.",
        ),
        (
            right * rows / Z.shape[1],
            f"You divide by the number of classes. The mean is over the {rows} rows.",
        ),
        (-Y / p / rows, "That is the slope with respect to p. Go on to z, through the softmax."),
        (p / rows, "y is missing: the second term of the loss, - z[right class], has a slope too."),
    ):
        if np.allclose(found, wrong):
            raise AnswerError(words)
    if np.allclose(found, rule(10.0, loss(Z), Z.copy(), Y)):
        raise AnswerError("g is missing: ten times the gradient that arrives changes nothing.")
