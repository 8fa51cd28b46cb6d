"""The length is r·r / d·Hd, the new rest is r - length Hd, and the share is r'·r' / r·r."""

import numpy as np
from checking import AnswerError, compare, compare_steps

from tinygrad_edu import grad, hessian, hvp
from tinygrad_edu.lab import SURFACES

HINTS = [
    "a @ b is the product a · b of two vectors, and `old` is r · r. The length is old divided by "
    "the curvature along the direction, which is d · H d.",
    "When s grows by length * direction, H s grows by length * curved, and the rest is less by "
    "that. The share is the new rest @ rest over the old one.",
]

ANSWER = """
import numpy as np


def conjugate_gradients(product, g, steps):
    s, rest, direction = np.zeros(len(g)), -g, -g
    path = []
    for _ in range(steps):
        curved, old = product(direction), rest @ rest  # H times direction, and r · r
        length = old / (direction @ curved)
        s = s + length * direction
        rest = rest - length * curved  # the new rest, r'
        share = (rest @ rest) / old
        direction = rest + share * direction
        path.append(s)
    return path
"""

RIGHT = {
    "length": lambda rest, direction, curved: (rest @ rest) / (direction @ curved),
    "new_rest": lambda rest, direction, curved, length: rest - length * curved,
    "share": lambda rest, new_rest: (new_rest @ new_rest) / (rest @ rest),
}
TYPICAL = [
    (
        {"length": lambda rest, direction, curved: (rest @ rest) / (direction @ direction)},
        "The length ignores H: divide by direction @ curved, the curvature along the direction.",
    ),
    (
        {"length": lambda rest, direction, curved: (direction @ curved) / (rest @ rest)},
        "The length is upside down: the larger the curvature, the shorter the step.",
    ),
    (
        {"new_rest": lambda rest, direction, curved, length: rest + length * curved},
        "The rest has the wrong sign: H s grew by length * curved, so the rest is less by that.",
    ),
    (
        {"new_rest": lambda rest, direction, curved, length: rest - length * direction},
        "The new rest lacks H: s grew by length * direction, and H s by length * curved.",
    ),
    (
        {"new_rest": lambda rest, direction, curved, length: rest - curved},
        "The new rest lacks the length: H s grew by length * curved.",
    ),
    (
        {"share": lambda rest, new_rest: (rest @ rest) / (new_rest @ new_rest)},
        "The share is upside down: it is that of the new rest over that of the old one.",
    ),
    (
        {"share": lambda rest, new_rest: 0.0},
        "Without a share of the old direction this is steepest descent, which zigzags.",
    ),
    (
        {"share": lambda rest, new_rest: np.linalg.norm(new_rest) / np.linalg.norm(rest)},
        "The share takes the lengths of the rests: it needs their squares, rest @ rest.",
    ),
]

MISTAKES = [
    ("(direction @ curved)", "(direction @ direction)", "The length ignores H"),
    ("old / (direction @ curved)", "(direction @ curved) / old", "The length is upside down"),
    ("old / (direction @ curved)", "1", "s at step 0 is [-1."),
    ("return path", "return s", "It should return path"),
    ("return path", "return", "It should return path"),
    ("rest - length * curved", "rest + length * curved", "the wrong sign"),
    ("rest - length * curved", "rest - length * direction", "The new rest lacks H"),
    ("rest - length * curved", "rest - curved", "The new rest lacks the length"),
    ("rest - length * curved", "-g - product(s)", "6 products in 3 steps"),
    ("(rest @ rest) / old", "old / (rest @ rest)", "The share is upside down"),
    ("(rest @ rest) / old", "0", "steepest descent"),
    ("(rest @ rest) / old", "((rest @ rest) / old) ** 0.5", "it needs their squares"),
]

H = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])
G = np.array([1.0, -2.0, 3.0])


def check(names):
    solve = names["conjugate_gradients"]
    taken = []

    def product(v):
        taken.append(v)
        return H @ v

    path = solve(product, G, 3)
    if np.ndim(path) != 2:
        raise AnswerError("It should return path, a list with the s of each step.")
    wanted = steps_of(H, G, 3)
    because = next((why for wrong, why in TYPICAL if alike(path, steps_of(H, G, 3, wrong))), "")
    compare_steps("s", path, wanted, because=because)
    yield "the three steps for three unknowns"
    if len(taken) != 3:
        raise AnswerError(
            f"It takes {len(taken)} products in 3 steps, and one for each step is enough: H times "
            "direction is `curved`."
        )
    yield "one product for each step"
    compare("H s + g after three steps", H @ path[-1] + G, np.zeros(3))
    yield "H s = -g"
    valley, point = SURFACES["rosenbrock"], np.array([-1.2, 1.0])
    step = solve(lambda v: hvp(valley)(point, v), grad(valley)(point), 2)[-1]
    newton = np.linalg.solve(hessian(valley)(point), -grad(valley)(point))
    compare("Newton's step in the valley", step, newton, rtol=1e-6)
    yield "Newton's step in the bent valley, without its Hessian"


def steps_of(matrix, g, steps, changed=None):
    """What the method does step by step, with some of its three lines changed."""
    lines = RIGHT | (changed or {})
    s, rest, direction, path = np.zeros(len(g)), -g, -g, []
    with np.errstate(all="ignore"):
        for _ in range(steps):
            curved = matrix @ direction
            length = lines["length"](rest, direction, curved)
            s = s + length * direction
            new_rest = lines["new_rest"](rest, direction, curved, length)
            direction = new_rest + lines["share"](rest, new_rest) * direction
            rest = new_rest
            path.append(s)
    return path


def alike(path, other):
    same = len(path) == len(other) and np.shape(path) == np.shape(other)
    return same and np.allclose(np.array(path, float), np.array(other))
