"""Two hidden units with a bend between the layers."""

import numpy as np
from checking import AnswerError, as_numbers

from tinygrad_edu import manual_seed, nn, optim
from tinygrad_edu.losses import binary_cross_entropy_with_logits

HINTS = [
    "One line cannot separate the points, and two layers without a bend between them are one "
    "line. How many lines does the picture of XOR in the chapter show?",
    "Take two layers with an activation between them: from the two inputs to two hidden units, "
    "and from these to one score. Behind the last layer there is no activation.",
]

ANSWER = """
from tinygrad_edu import nn


def build():
    return nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
"""

MISTAKES = [
    ("nn.Tanh(), ", "", "no bend"),
    ("nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))", "nn.Linear(2, 1)", "no bend"),
    ("nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)", "nn.Linear(2, 1), nn.Tanh()", "one line"),
    (
        "nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)",
        "nn.Linear(2, 1), nn.Tanh(), nn.Linear(1, 1)",
        "one line",
    ),
    ("nn.Linear(2, 1))", "nn.Linear(2, 1), nn.Sigmoid())", "a probability"),
    ("nn.Linear(2, 1))", "nn.Linear(2, 1), nn.Softmax())", "are all the same"),
    ("nn.Linear(2, 1))", "nn.Linear(2, 1), nn.ReLU())", "never negative"),
    ("nn.Linear(2, 1))", "nn.Linear(2, 1), nn.Tanh())", "behind the last layer"),
    ("nn.Linear(2, 1))", "nn.Linear(2, 1), lambda z: z.data)", "a plain array"),
    ("nn.Sequential(nn.Linear(2, 2)", "nn.Sequential(nn.Linear(3, 2)", "takes x of shape (..., 3)"),
    ("def build():", "def build(n):", "Keep the arguments"),
    ("def build():\n    return ", "build = ", "build should be a function"),
    (
        "def build():\n    return nn",
        "one = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))\n\n\ndef build():\n"
        "    return one\n    return nn",
        "the same network each time",
    ),
    (
        "nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)",
        "nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)",
        "17 parameters",
    ),
    ("nn.Linear(2, 1))", "nn.Linear(2, 2))", "one score"),
    ("return ", "", "is None"),
]

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
STARTS, STEPS, LEARNED, MOST = 10, 100, 0.1, 9


def check(names):
    build = names.function("build")
    fresh = [built(build, start) for start in range(STARTS)]
    if any(network is fresh[0] for network in fresh[1:]):
        raise AnswerError(
            "build() returns the same network each time. Make it inside of build(), so that each "
            "call gives a new random start."
        )
    before = [scores(network) for network in fresh]
    expect_a_bend(before)
    yield "there is a bend between the layers"
    start = first_that_learns(fresh)
    yield f"it learns all four answers, from start {start}"
    count = sum(np.size(parameter.data) for parameter in fresh[0].parameters())
    if count > MOST:
        raise AnswerError(
            f"It has {count} parameters, and {MOST} are enough. How many hidden units draw the two "
            "lines of XOR?"
        )
    fewer = ": fewer than the 9 of the chapter" if count < MOST else ""
    yield f"it has {count} parameters{fewer}"


def built(build, start):
    """The network of this random start."""
    manual_seed(start)
    network = build()
    if network is None:
        raise AnswerError("build() is None. Does the function return the network?")
    if not isinstance(network, nn.Module):
        raise AnswerError(
            f"build() should return a module, such as nn.Sequential(...), and it returns the type "
            f"{type(network).__name__}."
        )
    if not network.parameters():
        raise AnswerError("The network has no parameters, so that it cannot learn.")
    return network


def scores(network):
    """The scores of the four points."""
    score = network(X)
    if not getattr(score, "requires_grad", False):
        raise AnswerError(
            "The scores do not depend on the parameters: no gradient can go back. Does a layer "
            "return a plain array, or leave out the layers before it?"
        )
    z = as_numbers("the score", score)
    if z.shape != Y.shape:
        raise AnswerError(
            f"The network gives one score for each of the 4 points, of shape (4, 1), and yours "
            f"has the shape {z.shape}."
        )
    return z[:, 0]


def expect_a_bend(before):
    """Of what is a straight line, both sums of opposite corners are equal."""
    if np.ptp(before, axis=1).max() < 1e-9:
        raise AnswerError(
            f"The scores of the four points are all the same, {before[0][0]:.3g}. Is there a "
            "softmax behind the last layer? Of a single score it is always 1."
        )
    if all(np.isclose(z[0] + z[3], z[1] + z[2]) for z in before):
        zero, one, two, three = before[0]
        raise AnswerError(
            "There is no bend: the network computes a straight line, however many layers it has. "
            f"Its scores of (0, 0) and (1, 1) have the sum {zero + three:.3f}, and those of (0, 1) "
            f"and (1, 0) too, {one + two:.3f}. XOR needs a negative sum and a positive one."
        )


def first_that_learns(fresh):
    """The number of the first start from which the network learns XOR."""
    ends = []
    for start, network in enumerate(fresh):
        if train(network) < LEARNED:
            return start
        ends.append(scores(network))
    z = np.array(ends)
    best = max(int(np.sum((each > 0) == (Y[:, 0] > 0))) for each in ends)
    if np.all(z >= 0) and np.all(z <= 1):
        why = (
            "All its scores are from 0 to 1: it seems to give a probability. The loss has the "
            "sigmoid in it, and takes any score."
        )
    elif best == 4 and np.all(abs(z) <= 1):
        why = (
            "All its scores are from -1 to 1, so that no answer becomes certain. Is there an "
            "activation behind the last layer?"
        )
    elif np.all(z >= 0):
        why = "Its scores are never negative, so that it can never say no."
    else:
        why = "If there is one hidden unit, its bend lies along one line, and XOR needs two lines."
    raise AnswerError(
        f"It does not learn XOR from any of {STARTS} starts: the best has {best} of 4 answers "
        f"right. {why}"
    )


def train(network):
    """The loss after some steps on the four points, or as soon as it is low."""
    adam = optim.Adam(network.parameters(), lr=0.2)
    for _ in range(STEPS):
        loss = binary_cross_entropy_with_logits(network(X), Y)
        if loss.item() < LEARNED:
            break
        adam.zero_grad()
        loss.backward()
        adam.step()
    return loss.item()
