"""The same perceptrons with Adam, and Adam's update alone."""

import numpy as np
from measure import Limit, Row, compare
from peers import HAND, NETWORKS, OURS, PYTORCH

from subjects.networks import SIZES, SLOW, perceptron

TITLE = "Adam"
LIMITS = (1.3, 1.2, 1.1, 1.1)
ALONE = [(1000, 1000), (10_000,)]
ALONE_LIMIT = 1.5


def measure(effort, say):
    rows = []
    for size, at_most in zip(SIZES, LIMITS, strict=True):
        rows.append(perceptron(*size, "Adam", NETWORKS, [Limit(OURS, HAND, at_most)]))
        rows[-1].name += ", Adam"
        rows[-1].tolerance = 1e-3  # of a gradient that is nearly 0 only rounding is left
    rows += map(alone, ALONE)
    return [compare(row, effort, say) for row in rows]


def alone(shape) -> Row:
    rng = np.random.default_rng(0)
    p, g = rng.standard_normal((2, *shape), dtype=np.float32)
    name = f"the update alone, {' x '.join(map(str, shape))} float32"
    limits = [Limit(OURS, HAND, ALONE_LIMIT)]
    arrays, competitors = {"p": p, "g": g}, [HAND, OURS, PYTORCH]
    return Row(name, "adam", arrays, competitors, {"lr": SLOW}, {"lr": 1e-3}, limits, 1e-4)
