"""The length is r·r / d·Hd, the new residual is r - length Hd, and the share is r'·r' / r·r."""

import numpy as np
from checking import AnswerError, compare, compare_steps

from tinygrad_edu import grad, hessian, hvp
from tinygrad_edu.lab import SURFACES

HINTS = [
    "a @ b is the product a · b of two vectors, and `old` is r · r. The length is old divided by "
    "the curvature along the direction, which is d · H d.",
    "When s grows by length * direction, H s grows by length * curved, and the residual is less by "
    "that. The share is the new residual @ residual over the old one.",
]

ANSWER = """
import numpy as np


def conjugate_gradients(product, g, steps):
    s, residual, direction = np.zeros(len(g)), -g, -g
    path = []
    for _ in range(steps):
        curved, old = product(direction), residual @ residual  # H times direction, and r · r
        length = old / (direction @ curved)
        s = s + length * direction
        residual = residual - length * curved  # the new residual, r'
        share = (residual @ residual) / old
        direction = residual + share * direction
        path.append(s)
    return path
"""

RIGHT = {
    "length": lambda residual, direction, curved: (residual @ residual) / (direction @ curved),
    "new_residual": lambda residual, direction, curved, length: residual - length * curved,
    "share": lambda residual, new_residual: (new_residual @ new_residual) / (residual @ residual),
}
TYPICAL = [
    (
        {
            "length": lambda residual, direction, curved: (
                (residual @ residual) / (direction @ direction)
            )
        },
        "The length ignores H: divide by direction @ curved, the curvature along the direction.",
    ),
    (
        {
            "length": lambda residual, direction, curved: (
                (direction @ curved) / (residual @ residual)
            )
        },
        "The length is upside down: the larger the curvature, the shorter the step.",
    ),
    (
        {"new_residual": lambda residual, direction, curved, length: residual + length * curved},
        "The residual has the wrong sign: H s grew by length * curved, so it is less by that.",
    ),
    (
        {"new_residual": lambda residual, direction, curved, length: residual - length * direction},
        "The new residual lacks H: s grew by length * direction, and H s by length * curved.",
    ),
    (
        {"new_residual": lambda residual, direction, curved, length: residual - curved},
        "The new residual lacks the length: H s grew by length * curved.",
    ),
    (
        {
            "share": lambda residual, new_residual: (
                (residual @ residual) / (new_residual @ new_residual)
            )
        },
        "The share is upside down: it is that of the new residual over that of the old one.",
    ),
    (
        {"share": lambda residual, new_residual: 0.0},
        "Without a share of the old direction this is steepest descent, which zigzags.",
    ),
    (
        {
            "share": lambda residual, new_residual: (
                np.linalg.norm(new_residual) / np.linalg.norm(residual)
            )
        },
        "The share takes the lengths of the residuals: it needs their squares, as `old` is.",
    ),
]

MISTAKES = [
    ("(direction @ curved)", "(direction @ direction)", "The length ignores H"),
    ("old / (direction @ curved)", "(direction @ curved) / old", "The length is upside down"),
    ("old / (direction @ curved)", "1", "s at step 0 is [-1."),
    ("return path", "return s", "It should return path"),
    ("return path", "return", "It should return path"),
    ("return path", "return path, s", "It should return path"),
    ("residual - length * curved", "residual + length * curved", "the wrong sign"),
    ("residual - length * curved", "residual - length * direction", "The new residual lacks H"),
    ("residual - length * curved", "residual - curved", "The new residual lacks the length"),
    ("residual - length * curved", "-g - product(s)", "6 products in 3 steps"),
    ("(residual @ residual) / old", "old / (residual @ residual)", "The share is upside down"),
    ("(residual @ residual) / old", "0", "steepest descent"),
    (
        "(residual @ residual) / old",
        "((residual @ residual) / old) ** 0.5",
        "it needs their squares",
    ),
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
    if path is None or any(np.shape(s) != G.shape for s in path):
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
    s, residual, direction, path = np.zeros(len(g)), -g, -g, []
    with np.errstate(all="ignore"):
        for _ in range(steps):
            curved = matrix @ direction
            length = lines["length"](residual, direction, curved)
            s = s + length * direction
            new_residual = lines["new_residual"](residual, direction, curved, length)
            direction = new_residual + lines["share"](residual, new_residual) * direction
            residual = new_residual
            path.append(s)
    return path


def alike(path, other):
    same = len(path) == len(other) and np.shape(path) == np.shape(other)
    return same and np.allclose(np.array(path, float), np.array(other))
