"""Loss functions: how wrong a prediction is, as one number to make small."""

from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.graph import plain


def mse_loss(prediction: Any, target: Any) -> Any:
    """mean((prediction - target)²), the mean squared error over all elements.

    prediction, target  of one shape
    Raises ValueError for different shapes: (n,) against (n, 1) would broadcast to (n, n).
    """
    if np.shape(plain(prediction)) != np.shape(plain(target)):
        raise ValueError(
            "mse_loss needs one target for each prediction: prediction has shape "
            f"{np.shape(plain(prediction))}, target {np.shape(plain(target))}; reshape one of them"
        )
    return ((prediction - target) ** 2).mean()


def cross_entropy(logits: Any, target: Any) -> Any:
    """-sum(p log softmax(logits)), averaged over the rows; p is the true distribution of a row.

    logits  (..., classes), any real numbers: the softmax is taken here
    target  (...) class indices, each standing for probability 1; or (..., classes) probabilities
    Raises ValueError for other shapes, TypeError for indices that are no integers, IndexError for
    a class that does not exist.
    """
    log_p = kernels.log_softmax(logits)
    data = plain(log_p)
    if not data.size:
        raise ValueError(f"cross_entropy of an empty batch: logits have shape {data.shape}")
    rows = data.size // data.shape[-1]
    return kernels.vdot(as_probabilities(target, data) / -rows, log_p)


def as_probabilities(target: Any, like: Any) -> Any:
    """The target of cross_entropy, checked; class indices become one-hot rows, shaped `like`."""
    if not hasattr(target, "dtype"):
        target = np.asarray(target)
    if target.shape == like.shape:
        return target
    if target.shape != like.shape[:-1]:
        raise ValueError(
            f"cross_entropy of logits {like.shape} takes class indices of shape "
            f"{like.shape[:-1]} or probabilities of shape {like.shape}; target has {target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"class indices are integers, and target is {target.dtype}; write target.astype(int)"
        )
    labels, classes = plain(target), like.shape[-1]
    one_hot = np.equal(labels[..., None], np.arange(classes))
    if np.count_nonzero(one_hot) != labels.size:  # a class out of range has no 1 in its row
        raise IndexError(
            f"class indices run from 0 to {classes - 1} here, and target has "
            f"{labels.min()} to {labels.max()}"
        )
    return one_hot.astype(like.dtype)
