"""Estimate how noisy the gradient of a batch is, and predict it for other batch sizes.

The variance of a gradient is the mean of |g_B - g|²: the squared distance between the gradient g_B
of a batch and the gradient g of all rows, averaged over many batches. Replace each `...`.
"""

import numpy as np


def variance(gradients, exact):
    """From gradients (batches, weights), one row for each batch, and the exact one (weights,)."""
    return ...


def predict(measured, size, other):
    """The variance for batches of `other` rows, if batches of `size` rows have the measured one."""
    return ...


def size_needed(measured, size, wanted):
    """The smallest batch size whose variance is at most `wanted`. It is a whole number."""
    return np.ceil(...)


def iterations(rows, size, epochs):
    """Updates of the weights in so many epochs, if the last batch of an epoch may be smaller."""
    return ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
