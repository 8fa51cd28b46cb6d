"""Write the softmax of a batch, and the gradient of the mean cross-entropy.

z holds the logits, one row for each observation and one column for each class. y has the same
shape and is one-hot: 1 for the right class, 0 for the others. `cross_entropy` below is finished.
Replace the two `...`. Use NumPy's functions and operators only.

The rule gets the gradient g of the loss `out`. It returns the gradient of z alone.
"""

import numpy as np


def cross_entropy(z, y):
    """The mean over the rows of -sum_c y_c log p_c, for p = softmax(z)."""
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(y * log_p).sum() / len(z)


def softmax(z):
    """The probabilities of each row, also where z holds 1000."""
    return ...


def cross_entropy_backward(g, out, z, y):
    return ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
