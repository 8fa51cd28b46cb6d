"""Half the squared error, its slope by the chain rule, and one step down."""

from checking import compare

HINTS = [
    "Go in the order of the chapter: the prediction, its error (prediction - y), the loss, and "
    "only then the slope. The slope is a product of two factors.",
    "The slope of the loss with respect to the prediction is the error. The slope of the "
    "prediction with respect to W is x. The new weight is W - 0.05 times the product of both.",
]

ANSWER = """
prediction = 2.5 * 4 - 1
error = prediction - 6
loss = error**2 / 2
gradient = error * 4
new_weight = 2.5 - 0.05 * gradient
new_loss = (new_weight * 4 - 1 - 6) ** 2 / 2
"""

MISTAKES = [
    ("2.5 * 4 - 1", "2.5 * 4", "the bias is missing"),
    ("error**2 / 2", "error**2", "the half is missing"),
    ("error**2 / 2", "error / 2", "is not squared"),
    ("error**2 / 2", "error", "This is the error"),
    ("error * 4", "error", "the factor x is missing"),
    ("error * 4", "-error * 4", "The sign is wrong"),
    ("error * 4", "2 * error * 4", "2 of the square and the half"),
    ("error * 4", "error * 4 / 2", "removes the 2"),
    ("error * 4", "error * 2.5", "the other factor of the product"),
    ("error * 4", "loss * 4", "the loss in place of its slope"),
    ("2.5 - 0.05 * gradient", "2.5 + 0.05 * gradient", "uphill"),
    ("2.5 - 0.05 * gradient", "2.5 - gradient", "the learning rate is missing"),
    ("2.5 - 0.05 * gradient", "2.5 - 0.05 * loss", "the loss in place of its slope"),
    ("2.5 - 0.05 * gradient", "0.05 * gradient", "the step itself"),
    ("(new_weight * 4 - 1 - 6) ** 2 / 2", "loss", "the loss before the step"),
    ("(new_weight * 4 - 1 - 6) ** 2 / 2", "(new_weight * 4 - 1 - 6) ** 2", "the half is missing"),
]


def check(names):
    compare(
        "prediction",
        names["prediction"],
        9,
        {10: "W x is 10, and the bias is missing.", 11: "The bias is -1: it lowers W x."},
        "It is W x + b.",
    )
    yield "the prediction is 9, so that the error is 3"
    compare(
        "loss",
        names["loss"],
        4.5,
        {
            9: "The square of the error is 9, and the half is missing.",
            1.5: "The error is halved, but it is not squared.",
            3: "This is the error. The loss is half its square.",
            -4.5: "A square is never negative.",
        },
        "The error is 9 - 6 = 3.",
    )
    yield "the loss is 4.5"
    compare(
        "gradient",
        names["gradient"],
        12,
        {
            3: "That is the slope with respect to the prediction: the factor x is missing.",
            -12: "The sign is wrong. The prediction is too high, so that a larger W makes the loss "
            "grow. Did you take y - prediction?",
            24: "The 2 of the square and the half cancel.",
            6: "The square brings a 2, and the half removes the 2. So nothing is halved.",
            7.5: "W x has the slope x with respect to W: the other factor of the product.",
            18: "That is the loss times x. It is the loss in place of its slope, which is the "
            "error.",
            4.5: "That is the loss. Its slope is another number.",
        },
        "It is the error times x.",
    )
    yield "the gradient is 12"
    compare(
        "new_weight",
        names["new_weight"],
        1.9,
        {
            3.1: "That is a step uphill: descent subtracts.",
            -9.5: "The step is the gradient times 0.05: the learning rate is missing.",
            2.275: "That subtracts the loss in place of its slope.",
            0.6: "That is the step itself. Subtract it from W.",
            -0.6: "That is the step itself. Add it to W.",
        },
        "It is W - 0.05 times the gradient.",
    )
    yield "the new weight is 1.9"
    compare(
        "new_loss",
        names["new_loss"],
        0.18,
        {
            0.36: "The square of the error is 0.36, and the half is missing.",
            0.6: "That is the error of the new prediction 6.6. The loss is half its square.",
            4.5: "That is the loss before the step. Predict again with the new weight.",
        },
        "The new prediction is 1.9 * 4 - 1 = 6.6.",
    )
    yield "one step has taken the loss from 4.5 to 0.18"
