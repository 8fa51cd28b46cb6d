"""RMSprop, compared with the package's for twenty steps."""

import numpy as np
from checking import AnswerError, compare

from tinygrad_edu import Tensor, optim

HINTS = [
    "A moving average keeps the share alpha of its old value, and takes the share 1 - alpha of "
    "what is new. Here g * g is new.",
    "s = alpha * s + (1 - alpha) * g * g, and the step that is subtracted from w is "
    "lr * g / (s**0.5 + eps).",
]

ANSWER = """
def rmsprop_step(w, g, s, lr=0.01, alpha=0.99, eps=1e-8):
    s = alpha * s + (1 - alpha) * g * g
    w = w - lr * g / (s**0.5 + eps)
    return w, s
"""

MISTAKES = [
    ("(1 - alpha) * g * g", "g * g", "the sum of Adagrad's kind"),
    ("alpha * s + (1 - alpha)", "(1 - alpha) * s + alpha", "the shares are exchanged"),
    ("(1 - alpha) * g * g", "(1 - alpha) * g", "not of g²"),
    ("w - lr", "w + lr", "uphill"),
    ("(s**0.5 + eps)", "(s + eps)", "root"),
    ("(s**0.5 + eps)", "(s + eps) ** 0.5", "inside of the root"),
    ("(s**0.5 + eps)", "s**0.5", "eps is missing"),
    ("lr * g / (", "g / (", "The learning rate is missing"),
    ("lr * g / (", "lr / (", "g is missing"),
    ("w - lr", "lr", "the step itself"),
    ("alpha * s + (1 - alpha)", "0.99 * s + 0.01", "use the argument"),
    ("return w, s", "return s", "two things"),
    ("return w, s", "return s, w", "The weight comes first"),
    ("return w, s", "print(w, s)", "two things"),
    (", lr=0.01, alpha=0.99, eps=1e-8", "", "Keep the arguments"),
    (
        "    s = alpha * s + (1 - alpha) * g * g\n    w = w - lr * g / (s**0.5 + eps)",
        "    w = w - lr * g / (s**0.5 + eps)\n    s = alpha * s + (1 - alpha) * g * g",
        "the old average",
    ),
]

ALPHA = 0.9


def check(names):
    step = names.function("rmsprop_step")
    w, s = first(step)
    average = {
        4.0: "This is a sum of squares: the sum of Adagrad's kind, which never forgets.",
        3.6: "Here the shares are exchanged: alpha belongs to the old average.",
        0.2: "This is an average of g, and not of g².",
        0.04: "Here alpha is 0.9, and yours seems to be 0.99: use the argument.",
        1 - 0.1 * 2 / (0.4**0.5 + 1e-8): "That is the new weight. The weight comes first, then s.",
    }
    compare("s after a gradient of 2, with alpha = 0.9,", s, 0.4, average)
    yield "the average after one step"
    root = 0.4**0.5
    wrong = {
        1 + 0.1 * 2 / root: "The weight goes uphill: subtract the step.",
        1 - 0.1 * 2 / 0.4: "The root of s is missing.",
        1 - 0.1 * 2 / 1e-8: "The step uses the old average: compute the new s first.",
        1 - 2 / root: "The learning rate is missing.",
        1 - 0.1 / root: "The step is lr times g, and g is missing.",
        0.1 * 2 / root: "That is the step itself. Subtract it from w.",
        -0.1 * 2 / root: "That is the step itself. Add it to w.",
    }
    compare("w after a gradient of 2, with lr = 0.1,", w, 1 - 0.1 * 2 / root, wrong, rtol=1e-6)
    yield "the first step"
    compare_with_the_package(step)
    yield "twenty steps, equal to the package's to twelve digits"


def first(step):
    out = step(1.0, 2.0, 0.0, lr=0.1, alpha=ALPHA)
    if not (isinstance(out, tuple | list | np.ndarray) and len(out) == 2):
        raise AnswerError("rmsprop_step returns two things: the new weight and the new average.")
    return out


def compare_with_the_package(step):
    parameter = Tensor(1.0, requires_grad=True)
    rmsprop = optim.RMSprop([parameter], lr=0.01, alpha=ALPHA, eps=0.1)
    w, s = 1.0, 0.0
    for i, g in enumerate(np.random.default_rng(0).standard_normal(20)):
        parameter.grad = np.array(g)
        rmsprop.step()
        without_eps = w - 0.01 * g / ((1 - ALPHA) * g * g) ** 0.5  # of the first step, where s is 0
        w, s = step(w, g, s, lr=0.01, alpha=ALPHA, eps=0.1)
        compare(
            f"w after step {i + 1}, with eps = 0.1,",
            w,
            parameter.item(),
            {without_eps: "Here eps is missing."} if i == 0 else {},
            because="Is eps inside of the root? It is added to the root.",
            rtol=1e-12,
        )
