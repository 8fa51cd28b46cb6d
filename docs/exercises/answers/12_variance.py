"""The variance of a mean falls as 1 / B; its square root, the distance, as 1 / sqrt(B)."""

import numpy as np
from checking import compare

HINTS = [
    "A distance is a gradient minus the exact one. Square the distances first, and add up the "
    "squares of one gradient. Then take the mean over the batches. Twice the rows have half the "
    "variance.",
    "variance: with distances = gradients - exact, (distances**2).sum(axis=1).mean(). predict: "
    "measured * size is the variance of one row; divide it by other. size_needed turns that "
    "around. An epoch has ceil(rows / size) iterations.",
]

ANSWER = """
import numpy as np


def variance(gradients, exact):
    distances = gradients - exact
    return (distances**2).sum(axis=1).mean()


def predict(measured, size, other):
    return measured * size / other


def size_needed(measured, size, wanted):
    return np.ceil(measured * size / wanted)


def iterations(rows, size, epochs):
    return epochs * np.ceil(rows / size)
"""

MISTAKES = [
    ("(distances**2).sum(axis=1).mean()", "distances.mean() ** 2", "cancel"),
    ("(distances**2).sum(axis=1).mean()", "(distances**2).mean()", "a vector of 2 weights"),
    ("(distances**2).sum(axis=1).mean()", "(distances**2).sum()", "not their sum"),
    ("(distances**2).sum(axis=1).mean()", "(gradients**2).sum(axis=1).mean()", "distance from 0"),
    ("(distances**2).sum(axis=1).mean()", "gradients.var(axis=0).sum()", "their own mean"),
    ("(distances**2).sum(axis=1).mean()", "(distances**2).sum(axis=0).mean()", "axis=1"),
    ("(distances**2).sum(axis=1).mean()", "(distances**2).sum(axis=1).mean() ** 0.5", "root"),
    ("measured * size / other", "measured * other / size", "more rows has less noise"),
    ("measured * size / other", "measured * (size / other) ** 0.5", "standard deviation"),
    ("measured * size / other", "measured * (other / size) ** -2", "1 / B, and not as 1 / B²"),
    ("measured * size / wanted", "measured / wanted", "batch of a single row"),
    ("epochs * np.ceil(rows / size)", "np.ceil(epochs * rows / size)", "each epoch"),
    ("epochs * np.ceil(rows / size)", "epochs * (rows // size)", "left out"),
    ("epochs * np.ceil(rows / size)", "epochs * (rows // size + 1)", "no row is left"),
    ("epochs * np.ceil(rows / size)", "epochs * round(rows / size)", "left out"),
    ("epochs * np.ceil(rows / size)", "epochs * size", "iterations(100, 30, 5) is 150"),
    ("epochs * np.ceil(rows / size)", "epochs", "An epoch is one pass over all rows"),
]

ROWS = 256


def data():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 2, ROWS)
    return x, x - 0.5 + 0.5 * rng.standard_normal(ROWS)


def gradients_of(size, batches):
    """Gradients (batches, 2) of the mean squared error at w = b = 0, of rows drawn with return."""
    x, y = data()
    rows = np.random.default_rng(size).integers(ROWS, size=(batches, size))
    slopes = np.stack([-2 * y * x, -2 * y], axis=-1)  # of each row
    return slopes[rows].mean(axis=1), slopes.mean(axis=0)


def check(names):
    estimate = names["variance"]
    check_variance(estimate)
    measured = {size: float(estimate(*gradients_of(size, 2000))) for size in (4, 16)}
    yield f"the variance: {measured[4]:.3f} for batches of 4, {measured[16]:.3f} for 16"
    check_prediction(names["predict"])
    predicted = names["predict"](measured[4], 4, 16)
    yield f"the prediction from 4 rows to 16: {predicted:.3f}, and measured was {measured[16]:.3f}"
    check_size(names["size_needed"])
    yield "the batch size for a wanted variance"
    check_iterations(names["iterations"])
    yield "the iterations: epochs * ceil(rows / size)"


def check_variance(estimate):
    gradients, exact = np.array([[3.0, 1.0], [1.0, 1.0], [2.0, 4.0], [2.0, 2.0]]), np.array([2, 3])
    squares = (gradients - exact) ** 2
    reasons = {
        (gradients - exact).mean() ** 2: "Distances in opposite directions cancel. Square them "
        "first, and then take the mean.",
        gradients.var(
            axis=0
        ).sum(): "That takes the distances of the gradients from their own mean. "
        "Take those from the exact gradient.",
        squares.sum(axis=0).mean(): "That adds the batches, and takes the mean over the 2 weights. "
        "Add up the weights, with axis=1, and take the mean over the batches.",
        np.sqrt(squares.sum(axis=1).mean()): "That is the standard deviation, the root of it.",
        squares.mean(): "A gradient is a vector of 2 weights, and its squared length is the sum of "
        "both squares. Take the mean over the batches only.",
        squares.sum(): "That adds the 4 batches. The variance is their mean, not their sum.",
        (gradients**2).sum(axis=1).mean(): "That is the mean squared distance from 0. It should be "
        "the distance from the exact gradient.",
        np.sqrt(squares.sum(axis=1)).mean(): "That is the mean distance, without the square.",
    }
    got = estimate(gradients, exact)
    compare("the variance of 4 gradients", got, squares.sum(axis=1).mean(), reasons)


def check_prediction(predict):
    measured, size, other = 0.9, 4, 36
    reasons = {
        measured * other / size: "A batch with more rows has less noise, and not more.",
        measured * (size / other) ** 0.5: "That is the law of the standard deviation, the square "
        "root of the variance. The variance falls as 1 / B.",
        measured * (size / other) ** 2: "The variance falls as 1 / B, and not as 1 / B².",
        measured / other: "The measured variance is that of a batch of 4 rows. A batch of one row "
        "has 4 times as much.",
    }
    got = predict(measured, size, other)
    compare(f"predict({measured}, {size}, {other})", got, measured * size / other, reasons)


def check_size(size_needed):
    for measured, size, wanted in ((0.8, 16, 0.11), (0.9, 4, 0.07)):
        right = np.ceil(measured * size / wanted)
        reasons = {
            np.ceil(measured / wanted): "This is right if the measured variance is of a batch of a "
            f"single row. It is of {size} rows.",
            np.ceil(wanted * size / measured): "Less variance needs more rows.",
            np.ceil((measured / wanted) ** 2 * size): "The variance falls as 1 / B. The standard "
            "deviation would need the square.",
        }
        what = f"size_needed({measured}, {size}, {wanted})"
        compare(what, size_needed(measured, size, wanted), right, reasons)


def check_iterations(iterations):
    for rows, size, epochs in ((250, 16, 20), (100, 30, 5), (256, 16, 3)):
        batches = int(np.ceil(rows / size))
        reasons = {
            epochs * (batches + 1): "All batches are full, and no row is left for another one.",
            epochs * rows / size: f"{rows} / {size} is {rows / size:.5g}, and there is no fraction "
            "of an update.",
            np.ceil(epochs * rows / size): "A smaller batch comes at the end of each epoch, and "
            "not only at the end of the training.",
            epochs * (batches - 1): f"The last batch of an epoch, with {rows % size} rows, is left "
            "out.",
            epochs: "An epoch is one pass over all rows. An iteration is one batch.",
        }
        got = iterations(rows, size, epochs)
        compare(f"iterations({rows}, {size}, {epochs})", got, epochs * batches, reasons)
