"""A training step of a multilayer perceptron: cross-entropy, backward pass, gradient descent."""

from measure import Limit, compare
from peers import COMPILED, HAND, NETWORKS, NUMBA, OURS

from subjects.networks import SIZES, perceptron

TITLE = "Perceptrons"
LIMITS = {
    OURS: (1.45, 1.25, 1.04, 1.04),
    COMPILED: (0.95, 0.92, 0.92, 0.97),
    NUMBA: (0.20, 0.57, 0.97, 0.97),
}


def measure(effort, say, sizes=SIZES, competitors=NETWORKS):
    rows = []
    for i, size in enumerate(sizes):
        limits = [Limit(name, HAND, found[i]) for name, found in LIMITS.items()]
        row = perceptron(*size, competitors=competitors, limits=limits)
        rows.append(compare(row, effort, say))
    return rows
