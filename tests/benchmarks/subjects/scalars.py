"""A training step of a network of single floats, 2-16-16-1, on 100 points of two moons."""

import numpy as np
from measure import Limit, Row, compare
from peers import COMPILED, MICROGRAD, NETWORKS, NUMBA, OURS
from sklearn.datasets import make_moons

TITLE = "Scalars"
LIMITS = {OURS: 1 / 4, COMPILED: 1 / 50, NUMBA: 1 / 500}


def measure(effort, say):
    points, classes = make_moons(100, noise=0.1, random_state=0)
    weights = []
    rng = np.random.default_rng(0)
    for n, m in ((2, 16), (16, 16), (16, 1)):
        for _ in range(m):
            weights += [*rng.uniform(-1, 1, n) * (6 / n) ** 0.5, 0.0]
    arrays = {"points": points, "labels": 2.0 * classes - 1, "weights": np.array(weights)}
    names = [MICROGRAD, *NETWORKS]
    limits = [Limit(name, MICROGRAD, at_most) for name, at_most in LIMITS.items()]
    name = "2-16-16-1, 100 points, gradient descent"
    row = Row(name, "scalars", arrays, names, {"lr": 1e-6}, {"lr": 0.1}, limits, 1e-9)
    return [compare(row, effort, say)]
