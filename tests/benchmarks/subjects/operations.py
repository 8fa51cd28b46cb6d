"""One operation on 100 numbers of float64, forward and backward, in a chain of 20."""

import numpy as np
from measure import Limit, Row, compare
from peers import EAGER, HAND, OURS

TITLE = "Single operations"
LENGTH = 20
LIMIT = 8.0  # times NumPy's own call: four forward, four backward


def measure(effort, say):
    found = []
    arrays = {"x": np.linspace(-2, -1, 100), "w": np.full(100, 1.1)}
    for name in ("add", "multiply", "tanh"):
        options = {"name": name, "length": LENGTH}
        limits = [Limit(OURS, HAND, LIMIT)]
        row = Row(f"{name}, {LENGTH} in a chain", "operation", arrays, EAGER, options, {}, limits)
        found.append(compare(row, effort, say))
    return found
