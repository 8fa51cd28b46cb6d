"""The initialization for relu, measured on fifty layers."""

import numpy as np
from checking import AnswerError, as_number

HINTS = [
    "x @ W adds n products. If x has the mean square q, each product has the mean square sigma² q. "
    "What is the mean square of the sum of n of them? And what does relu leave of it?",
    "A layer multiplies the mean square by n sigma² / 2. Set that to 1, and solve for sigma.",
]

ANSWER = """
import math


def sigma(n):
    return math.sqrt(2 / n)
"""

MISTAKES = [
    ("math.sqrt(2 / n)", "math.sqrt(1 / n)", "relu sets half"),
    ("math.sqrt(2 / n)", "2 / n", "root"),
    ("math.sqrt(2 / n)", "1.0", "every layer"),
    ("math.sqrt(2 / n)", "math.sqrt(2.15 / n)", "every layer"),
    ("math.sqrt(2 / n)", "-math.sqrt(2 / n)", "never negative"),
    ("math.sqrt(2 / n)", "str(math.sqrt(2 / n))", "its type is str"),
    ("math.sqrt(2 / n)", "(0.1, 0.2)", "one number"),
    ("    return math", "    math", "is None"),
    ("math.sqrt(2 / n)", "math.sqrt(n)", "its sum grows with n"),
    ("math.sqrt(2 / n)", "0.0", "all neurons of a layer stay the same"),
    ("math.sqrt(2 / n)", "math.sqrt(2 / 64)", "n = 256"),
]

LAYERS = 50


def check(names):
    for n in (64, 256):
        sigma = as_number(f"sigma({n})", names.function("sigma")(n))
        if sigma < 0:
            raise AnswerError(f"sigma({n}) is {sigma:.4g}: a standard deviation is never negative.")
        if sigma == 0:
            raise AnswerError("With weights of 0 all neurons of a layer stay the same, and give 0.")
        before, after = mean_squares(n, sigma)
        factor = (after / before) ** (1 / LAYERS)
        if not 0.96 < factor < 1.04:
            raise AnswerError(
                f"For n = {n} and sigma = {sigma:.4g} every layer multiplies the mean square by "
                f"{factor:.3g}: after {LAYERS} layers {before:.2g} has become {after:.2g}. "
                f"{reason(n, sigma)}"
            )
        yield f"n = {n}: from {before:.2g} to {after:.2g} in {LAYERS} layers"


def mean_squares(n, sigma):
    """The mean square before the first layer and after the last."""
    rng = np.random.default_rng(0)
    first = h = rng.standard_normal((100, n))
    for _ in range(LAYERS):
        h = np.maximum(h @ rng.normal(0, sigma, (n, n)), 0)
    return np.mean(first**2), np.mean(h**2)


def reason(n, sigma):
    if np.isclose(sigma, np.sqrt(1 / n)):
        return "This would be right without relu: relu sets half of the numbers to 0."
    if np.isclose(sigma, 2 / n):
        return "This is the variance. Its root is the standard deviation."
    if sigma >= 1:
        return "A neuron adds n products, so that its sum grows with n: sigma must become smaller."
    return "It should be 1."
