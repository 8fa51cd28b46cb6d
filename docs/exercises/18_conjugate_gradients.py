"""Solve H s = -g by conjugate gradients: the matrix H is never made.

product(v) returns H v. The residual, -g - H s, is what is missing. Chapter 18 derives the three
lines with a hole: how far to go along the direction, what the residual is after that, and which
share of the old direction goes into the new one. `curved` and `old` are what they need.
"""

import numpy as np


def conjugate_gradients(product, g, steps):
    s, residual, direction = np.zeros(len(g)), -g, -g
    path = []
    for _ in range(steps):
        curved, old = product(direction), residual @ residual  # H times direction, and r · r
        length = ...
        s = s + length * direction
        residual = ...  # the new residual, r'
        share = ...
        direction = residual + share * direction
        path.append(s)
    return path


if __name__ == "__main__":
    from checking import run

    run(__file__)
