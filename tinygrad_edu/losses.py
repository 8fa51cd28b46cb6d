"""Loss functions: how wrong a prediction is, as one number to make small."""

import math
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.functional import one_hot
from tinygrad_edu.graph import plain


def mse_loss(prediction: Any, target: Any) -> Any:
    """mean((prediction - target)²), the mean squared error over all elements.

    prediction, target  of one shape
    Raises ValueError for different shapes, since (n,) against (n, 1) would broadcast to (n, n), and
    for an empty batch.
    """
    shape, target_shape = np.shape(plain(prediction)), np.shape(plain(target))
    if shape != target_shape:
        raise ValueError(
            f"mse_loss needs one target for each prediction: prediction has shape {shape}, "
            f"target {target_shape}; reshape one of them"
        )
    if 0 in shape:
        raise ValueError(f"mse_loss of an empty batch: prediction and target have shape {shape}")
    return ((prediction - target) ** 2).mean()


def cross_entropy(logits: Any, target: Any) -> Any:
    """-sum(p log softmax(logits)), averaged over the rows; p is the true distribution of a row.

    logits  (..., classes), any real numbers: the softmax is taken here
    target  (...) class indices, each standing for probability 1; or (..., classes) probabilities
    Raises ValueError for other shapes and for an empty batch, TypeError for indices that are no
    integers, IndexError for a class that does not exist.
    """
    shape = np.shape(plain(logits))
    if not shape or 0 in shape:
        raise ValueError(f"cross_entropy needs rows of logits, and these have shape {shape}")
    if not hasattr(target, "dtype"):
        target = np.asarray(target)
    log_p = kernels.log_softmax(logits)
    if target.shape == shape:
        return kernels.vdot(target / -math.prod(shape[:-1]), log_p)
    if target.shape != shape[:-1]:
        raise ValueError(
            f"cross_entropy of logits {shape} takes class indices of shape {shape[:-1]} or "
            f"probabilities of shape {shape}; target has {target.shape}"
        )
    return kernels.nll(log_p, one_hot(plain(target), shape[-1], "target"))
