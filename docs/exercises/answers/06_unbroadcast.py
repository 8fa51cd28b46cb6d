"""Sum over the axes that NumPy wrote in front, and over those of length 1."""

import numpy as np
from checking import AnswerError, compare

from tinygrad_edu import Node, gradcheck, tensor

HINTS = [
    "g.sum(axis=0) adds the rows, and the first axis goes away. With keepdims=True it stays, with "
    "the length 1. Which of the two does each hole need?",
    "The first hole is g.sum(axis=0). The second one sums over `axis`, and keeps it.",
]

ANSWER = """
def unbroadcast(g, shape):
    for _ in range(g.ndim - len(shape)):
        g = g.sum(axis=0)
    for axis in range(len(shape)):
        if shape[axis] == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g
"""

MISTAKES = [
    ("g.sum(axis=0)", "g[0]", "the first copy only"),
    ("g.sum(axis=0)", "g.mean(axis=0)", "the mean over the copies"),
    ("g.sum(axis=0)", "g.sum(axis=-1)", "(2,), and it should be (3,). The copies"),
    ("g.sum(axis=0)", "g.sum(axis=0, keepdims=True)", "an axis too many"),
    ("g.sum(axis=0)", "g.sum()", "an axis too few"),
    (", keepdims=True", "", "an axis too few"),
    ("g.sum(axis=axis, keepdims=True)", "g.mean(axis=axis, keepdims=True)", "the mean over"),
    ("g.sum(axis=axis, keepdims=True)", "g.sum(axis=0, keepdims=True)", "The copies lie along"),
    ("    return g\n", "", "Does the function return it?"),
    ("return g\n", "return g.tolist()\n", "is a list"),
    ("return g\n", "return abs(g)\n", "signs and fractions"),
    ("g.sum(axis=0)", "g.sum", "is a builtin_function_or_method"),
    ("g.sum(axis=0)", "g.max(axis=0)", "the largest copy only"),
]

LARGEST = "That is the largest copy only. Each copy contributes its slope."
CASES = [
    ((2, 3), (3,), "a row that was copied into 2 rows"),
    ((3, 3), (3,), "a row of 3 that was copied into 3 rows"),
    ((2, 3, 4), (4,), "a row that was copied along two new axes"),
    ((2, 3), (), "a number that was copied into 6 places"),
    ((2, 3), (2, 1), "a column that was copied into 3 columns"),
    ((4, 2, 3), (1, 3), "a row with an axis of length 1, copied into 4 times 2 rows"),
    ((2, 3), (2, 3), "an array that was not broadcast"),
    ((1, 3), (1, 3), "an axis of length 1 that was not copied"),
]


def check(names):
    unbroadcast = names["unbroadcast"]
    for start, shape, what in CASES:
        g = np.arange(1.0, 1 + np.prod(start)).reshape(start)
        expect_sum(unbroadcast(g.copy(), shape), g, shape)
        yield what
    expect_gradients(unbroadcast)
    yield "gradcheck agrees: the engine ran a layer with your function in it"


def expect_sum(got, g, shape):
    """The right sum; the mistakes that have a name."""
    what = f"For g of shape {g.shape} and shape {shape}, the result"
    right = tensor.unbroadcast(g, shape)
    new = g.ndim - len(shape)
    copied = [*range(new), *(new + i for i, n in enumerate(shape) if n == 1)]
    lie = f"The copies lie along axis {' and '.join(map(str, copied))} of g."
    lie = lie if copied else "Nothing was copied, so the result is g."
    if got is not None and not isinstance(got, np.ndarray | np.generic | Node):
        raise AnswerError(f"{what} is a {type(got).__name__}, and it should be an array.")
    if got is not None and np.shape(got) != shape:
        surplus = np.ndim(got) - len(shape)
        many = "an axis too many: a new axis goes away"
        few = "an axis too few: an axis that had the length 1 stays, with keepdims=True"
        why = f"That is {many if surplus > 0 else few}." if surplus else lie
        raise AnswerError(f"{what} has the shape {np.shape(got)}, and it should be {shape}. {why}")
    first = g[tuple(slice(0, 1) if i in copied else slice(None) for i in range(g.ndim))]
    typical = [
        (right * right.size / g.size, "That is the mean over the copies. Slopes add: use the sum."),
        (first.reshape(shape), "That is the first copy only. Each copy contributes its slope."),
        (g.max(axis=tuple(copied), keepdims=True).reshape(shape), LARGEST),
    ]
    because = next((why for wrong, why in typical if np.array_equal(got, wrong)), lie)
    compare(what, got, right, because=because)


def expect_gradients(unbroadcast):
    """Raise an error unless the engine is right with this function in the place of its own."""
    own = tensor.unbroadcast
    tensor.unbroadcast = unbroadcast
    try:
        x, weight, bias = np.ones((5, 2)), np.array([[1.0, 2.0, 3.0], [0.5, 0.1, 0.2]]), np.ones(3)
        gradcheck(lambda x, w, b: np.tanh(x @ w + b), x, weight, bias, order=1)
    except AssertionError:
        raise AnswerError(
            "It is right for the positive whole numbers above. But a layer gets a wrong gradient "
            "with it, and gradients have signs and fractions. Does the function change them?"
        ) from None
    finally:
        tensor.unbroadcast = own
