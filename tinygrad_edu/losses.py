"""Loss functions: how wrong a prediction is, as one number to make small.

Options and results are the same as in torch.nn.functional, but classes are always the last axis.
Each equation is for one element, or for one row. `reduction` is "mean" by default; "sum" adds the
losses up, and "none" returns them one by one.
Every loss raises ValueError for an empty batch, for another reduction, and for shapes that do not
fit: (n,) against (n, 1) would broadcast to (n, n).
"""

import functools
import math
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.functional.indices import check_range, integers, one_hot
from tinygrad_edu.graph import plain
from tinygrad_edu.operands import as_array
from tinygrad_edu.precision import in_single

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "categorical_cross_entropy",
    "cosine_embedding_loss",
    "cross_entropy",
    "gaussian_nll_loss",
    "half_squared_error",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "multi_margin_loss",
    "nll_loss",
    "smooth_l1_loss",
    "triplet_margin_loss",
]

# Regression: prediction and target are numbers, of one shape


@in_single
def mse_loss(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """(prediction - target)², the squared error."""
    prediction, target = alike("mse_loss", prediction=prediction, target=target)
    return reduced((prediction - target) ** 2, reduction)


@in_single
def half_squared_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """(prediction - target)² / 2, with the slope prediction - target."""
    prediction, target = alike("half_squared_error", prediction=prediction, target=target)
    return reduced((prediction - target) ** 2 / 2, reduction)


@in_single
def l1_loss(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """|prediction - target|, the absolute error; slope 0 where they are equal."""
    prediction, target = alike("l1_loss", prediction=prediction, target=target)
    return reduced(abs(prediction - target), reduction)


@in_single
def huber_loss(prediction: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """e² / 2 where |e| <= delta, delta (|e| - delta / 2) beyond, for e = prediction - target.

    Raises ValueError for delta <= 0.
    Huber 1964, "Robust Estimation of a Location Parameter", section 1.
    """
    if not delta > 0:
        raise ValueError(f"delta must be positive, and is {delta}")
    prediction, target = alike("huber_loss", prediction=prediction, target=target)
    e = prediction - target
    return reduced(np.where(abs(e) <= delta, e**2 / 2, delta * (abs(e) - delta / 2)), reduction)


@in_single
def smooth_l1_loss(prediction: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """e² / (2 beta) where |e| < beta, |e| - beta / 2 beyond: huber_loss / beta; l1_loss for beta 0.

    Raises ValueError for beta < 0.
    Girshick 2015, "Fast R-CNN", equation 3, where beta is 1.
    """
    if not beta >= 0:
        raise ValueError(f"beta must not be negative, and is {beta}")
    prediction, target = alike("smooth_l1_loss", prediction=prediction, target=target)
    if beta == 0:
        return l1_loss(prediction, target, reduction)
    return huber_loss(prediction, target, reduction, delta=beta) / beta


# Classification


@in_single
def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-sum_c w_c q_c log softmax(logits)_c of each row; q is the true distribution of the row.

    logits           (..., classes), any real numbers: the softmax is taken here
    target           (...) class indices, each standing for probability 1; or (..., classes)
                     probabilities, floats or bools, one-hot rows among them
    weight           (classes,) w, all 1 by default. For class indices the mean is weighted: it is
                     the sum of the losses divided by the sum of w[target]
    ignore_index     rows with this class index have no loss, and do not count in the mean
    label_smoothing  e in [0, 1]: q becomes (1 - e) q + e / classes

    Raises ValueError for other shapes and options, and for the mean if every row is ignored
    (PyTorch: nan); TypeError for class indices that are not integers, and for probabilities that
    are; IndexError for a class that does not exist.
    Bishop 2006, "Pattern Recognition and Machine Learning", equation 4.108; label smoothing:
    Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", section 7.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, and is {label_smoothing}")
    logits = floats(logits)
    target = class_target("cross_entropy", "logits", logits, target, or_probabilities=True)
    q, counting = target, None
    if target.shape != logits.shape:
        q, counting = true_class(target, logits.shape[-1], ignore_index)
        # Almost all training uses these options: they are worth a kernel.
        usual = weight is None and reduction == "mean" and not label_smoothing
        if usual and counting == target.size:
            return kernels.cross_entropy(logits, q)
    log_p = kernels.log_softmax(logits)
    return weighted_nll(log_p, q, counting, weight, ignore_index, reduction, label_smoothing)


@in_single
def nll_loss(
    log_p: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """-w[target] log_p[target] of each row: cross_entropy is nll_loss of log_softmax(logits).

    log_p   (..., classes) logarithms of probabilities
    target  (...) class indices
    Weight, ignore_index and errors are the same as in cross_entropy.
    """
    log_p = floats(log_p)
    target = class_target("nll_loss", "log_p", log_p, target)
    true, counting = true_class(target, log_p.shape[-1], ignore_index)
    return weighted_nll(log_p, true, counting, weight, ignore_index, reduction)


def weighted_nll(
    log_p: Any,
    q: Any,
    counting: int | None,
    weight: Any,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
) -> Any:
    """-sum_c w_c q_c log p_c of each row.

    counting  the number of class indices that q was made from, without ignored ones; None if q
              was given as probabilities. The mean over class indices is weighted by w[target]
    """
    shape, q = log_p.shape, floats(q, log_p.dtype)
    if weight is not None:
        weight = class_weight(weight, shape[-1], log_p.dtype)
    if counting is None:
        counted, total = 1, math.prod(shape[:-1])
    else:
        counted = q.sum(axis=-1, keepdims=True)  # 0 for a row that is ignored, or else 1
        total = counting if weight is None else (weight * q).sum()
        if reduction == "mean" and total == 0:
            raise ValueError(
                f"no target to take the mean over: every one is {ignore_index} (ignore_index) "
                "or has weight 0"
            )
    if label_smoothing:
        q = (1 - label_smoothing) * q + label_smoothing / shape[-1] * counted
    if weight is not None:
        q = weight * q
    if reduction == "mean":
        # A number of rows may be an int64, which would make float64 of float32.
        return kernels.soft_nll(log_p, q) / np.true_divide(total, 1).astype(log_p.dtype)
    return reduced(-times_log(q, log_p).sum(axis=-1), reduction)


@in_single
def categorical_cross_entropy(probabilities: Any, target: Any, reduction: str = "mean") -> Any:
    """-sum_c y_c log p_c of each row, for probabilities p; cross_entropy takes logits.

    probabilities  (..., classes), each row with sum 1
    target         (...) class indices, or (..., classes) probabilities y, floats or bools, each
                   row with sum 1
    A class with y = p = 0 adds 0. If the true class has p = 0 the loss is inf, and NumPy warns.
    Raises ValueError for rows that are not a distribution (the sum may differ from 1 by less
    than 1e-3); TypeError and IndexError as in cross_entropy.
    Bishop 2006, "Pattern Recognition and Machine Learning", equation 4.108.
    """
    p = floats(probabilities)
    y = class_target("categorical_cross_entropy", "probabilities", p, target, or_probabilities=True)
    check_distribution("probabilities", p)
    if y.ndim == p.ndim:
        y = floats(y, p.dtype)
        check_distribution("target", y)
    else:
        y = one_hot(y, p.shape[-1], "target")
    return reduced(-xlogy(y, p).sum(axis=-1), reduction)


@in_single
def binary_cross_entropy(
    probabilities: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Any:
    """-w (y log p + (1 - y) log(1 - p)); a logarithm below -100 counts as -100, with slope 0.

    probabilities, target  p and y, of one shape, in [0, 1]
    weight                 broadcasts to that shape; the mean is not divided by it
    Raises ValueError for numbers outside of [0, 1] and for other shapes.
    Bishop 2006, "Pattern Recognition and Machine Learning", equation 4.90.
    """
    p, y = alike("binary_cross_entropy", probabilities=probabilities, target=target)
    check_interval("probabilities", p)
    check_interval("target", y)
    losses = -(y * bounded_log(p) + (1 - y) * bounded_log(1 - p))
    return reduced(weighed(losses, weight), reduction)


@in_single
def binary_cross_entropy_with_logits(
    logits: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """w (v y softplus(-x) + (1 - y) softplus(x)): binary_cross_entropy of p = sigmoid(x).

    The two are equal: -log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x).

    logits, target      x, any real numbers, and y in [0, 1], of one shape
    weight, pos_weight  w and v, which broadcast to that shape; the mean is not divided by them
    Raises ValueError for targets outside of [0, 1] and for other shapes.
    """
    x, y = alike("binary_cross_entropy_with_logits", logits=logits, target=target)
    check_interval("target", y)
    losses = weighed(y * kernels.log1pexp(-x), pos_weight, "pos_weight")
    losses = losses + (1 - y) * kernels.log1pexp(x)
    return reduced(weighed(losses, weight), reduction)


@in_single
def hinge_loss(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """max(0, 1 - target prediction): 0 on the right side with a margin of 1 or more.

    prediction, target  any real numbers, and 1 or -1; of one shape
    Raises ValueError for other targets.
    Cortes and Vapnik 1995, "Support-Vector Networks", section 3: the slack of a soft margin.
    """
    prediction, target = alike("hinge_loss", prediction=prediction, target=target)
    check_signs("hinge_loss", target)
    return reduced(kernels.relu(1 - target * prediction), reduction)


@in_single
def multi_margin_loss(
    scores: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Any:
    """w_t / classes sum_c max(0, margin - x_t + x_c)^p of each row x, over all classes c except t.

    scores  (..., classes)
    target  (...) class indices t
    p       1 or 2
    weight  (classes,) w, all 1 by default; the mean is not divided by it
    Raises ValueError for other p and shapes; TypeError and IndexError as in cross_entropy.
    Weston and Watkins 1999, "Support Vector Machines for Multi-Class Pattern Recognition". Crammer
    and Singer 2001 take the largest term in place of the sum.
    """
    if p not in (1, 2):
        raise ValueError(f"p must be 1 or 2, and is {p}")
    x = floats(scores)
    target = class_target("multi_margin_loss", "scores", x, target)
    classes = x.shape[-1]
    true = one_hot(target, classes, "target")
    x_t = np.where(true, x, 0).sum(axis=-1, keepdims=True)
    terms = np.where(true, 0, kernels.relu(margin - x_t + x) ** p)
    losses = terms.sum(axis=-1) / classes
    if weight is not None:
        losses = (class_weight(weight, classes, losses.dtype) * true).sum(axis=-1) * losses
    return reduced(losses, reduction)


# Distributions


@in_single
def kl_div(log_q: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """p (log p - log q), whose sum is the divergence of q from p; 0 where p = 0.

    log_q       logarithms of probabilities, of the shape of target
    target      p, or log p with log_target=True
    reduction   as for every loss, or "batchmean": the sum divided by the length of the first axis.
                For rows of classes that is the mean divergence; "mean" divides by all elements.
    Raises ValueError for a negative p and for shapes that differ.
    Kullback and Leibler 1951, "On Information and Sufficiency", section 2.
    """
    log_q, target = alike("kl_div", log_q=log_q, target=target)
    if log_target:
        p = np.exp(target)
        losses = times_log(p, target) - times_log(p, log_q)
    else:
        check_interval("target", target, high=math.inf)
        losses = xlogy(target, target) - times_log(target, log_q)
    if reduction == "batchmean":
        return losses.sum() / len(losses)
    return reduced(losses, reduction)


@in_single
def gaussian_nll_loss(
    prediction: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """(log v + (prediction - target)² / v) / 2, for v = max(var, eps): -log of a normal density.

    prediction, target  the mean of the normal distribution, and the observed number; of one shape
    var                 its variance: of that shape, or with 1 as the last axis, or without that
                        axis, or one number
    full                whether log(2 pi) / 2, a constant, is added
    Raises ValueError for a negative var, other shapes and eps <= 0.
    Nix and Weigend 1994, "Estimating the Mean and Variance of the Target Probability Distribution".
    """
    if not eps > 0:
        raise ValueError(f"eps must be positive, and is {eps}")
    prediction, target = alike("gaussian_nll_loss", prediction=prediction, target=target)
    var = floats(var, prediction.dtype)
    check_interval("var", var, high=math.inf)
    if var.ndim == prediction.ndim - 1 and var.shape == prediction.shape[:-1]:
        var = var[..., None]
    if var.ndim not in (0, prediction.ndim) or not broadcasts_to(var.shape, prediction.shape):
        raise ValueError(
            f"var has shape {var.shape}, and prediction {prediction.shape}: it must have that "
            "shape, or 1 in place of its last axis"
        )
    # A variance below eps keeps slope 1 in v: with slope 0 it could never grow again.
    v = var + np.maximum(eps - plain(var), 0)
    losses = (np.log(v) + (prediction - target) ** 2 / v) / 2
    return reduced(losses + math.log(2 * math.pi) / 2 if full else losses, reduction)


# Embeddings: vectors along the last axis, one loss for each


@in_single
def cosine_embedding_loss(
    x1: Any, x2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    x1, x2  (..., n), of one shape
    target  (...), 1 for vectors that should be alike, and -1 for others
    cos(x, y) = x·y / sqrt((x·x + 1e-12) (y·y + 1e-12)), which is 0 for a vector of zeros.
    Raises ValueError for other shapes and targets.
    """
    x1, x2 = alike("cosine_embedding_loss", x1=x1, x2=x2)
    target = floats(target, x1.dtype)
    if target.shape != x1.shape[:-1]:
        raise ValueError(
            f"cosine_embedding_loss of vectors {x1.shape} needs targets of shape {x1.shape[:-1]}, "
            f"and target has {target.shape}"
        )
    check_signs("cosine_embedding_loss", target)
    squares = (np.vecdot(x1, x1) + 1e-12) * (np.vecdot(x2, x2) + 1e-12)
    cos = np.vecdot(x1, x2) / np.sqrt(squares)
    return reduced(np.where(target == 1, 1 - cos, np.clip(cos - margin, 0, None)), reduction)


@in_single
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), for d(x, y) = |x - y + eps|_p.

    anchor, positive, negative  (..., n), of one shape
    swap                        use d(positive, negative) for the last distance where it is smaller
    Raises ValueError for margin <= 0 and for shapes that differ.
    Schroff et al. 2015, "FaceNet", section 3.1, with squared distances; Balntas et al. 2016,
    "Learning Local Feature Descriptors with Triplets and Shallow Convolutional Neural Networks",
    with the swap.
    """
    if not margin > 0:
        raise ValueError(f"margin must be positive, and is {margin}")
    anchor, positive, negative = alike(
        "triplet_margin_loss", anchor=anchor, positive=positive, negative=negative
    )

    def d(x: Any, y: Any) -> Any:
        return np.linalg.norm(x - y + eps, ord=p, axis=-1)

    far = d(anchor, negative)
    if swap:
        far = np.minimum(far, d(positive, negative))
    return reduced(np.clip(margin + d(anchor, positive) - far, 0, None), reduction)


# Helpers of all losses


def reduced(losses: Any, reduction: str) -> Any:
    """The losses as one number, or one by one."""
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', and is {reduction!r}")


def weighed(losses: Any, weight: Any, name: str = "weight") -> Any:
    """weight * losses, of the shape of the losses."""
    if weight is None:
        return losses
    weight = floats(weight, losses.dtype)
    if not broadcasts_to(weight.shape, losses.shape):
        raise ValueError(
            f"{name} has shape {weight.shape}, and must broadcast to the shape of the losses, "
            f"{losses.shape}"
        )
    return weight * losses


def class_weight(weight: Any, classes: int, dtype: Any) -> Any:
    weight = floats(weight, dtype)
    if weight.shape != (classes,):
        raise ValueError(
            f"weight needs one number for each class, shape ({classes},), and has {weight.shape}"
        )
    return weight


@functools.cache
def class_numbers(classes: int) -> Any:
    """0, 1, ..., classes - 1 as a column."""
    return np.arange(classes)[:, None]


def true_class(target: Any, classes: int, ignore_index: int) -> Any:
    """(..., classes) bools, True at the class of each target, and the number of targets.

    A target equal to ignore_index has no class and is not counted.
    """
    target = integers(target, "target")
    # In memory, one class follows the other, as `cross_entropy` reads them.
    true = np.equal(class_numbers(classes), target.reshape(-1)).T.reshape(*target.shape, classes)
    if np.count_nonzero(true) == target.size and not 0 <= ignore_index < classes:
        return true, target.size
    counted = target != ignore_index
    check_range(target[counted], classes, "target")
    return true & counted[..., None], np.count_nonzero(counted)


def xlogy(x: Any, y: Any) -> Any:
    """x log y, with 0 log 0 = 0."""
    return x * np.log(np.where((x == 0) & (y == 0), 1, y))


def times_log(p: Any, log_q: Any) -> Any:
    """p log q, with 0 log 0 = 0."""
    return p * np.where((p == 0) & (log_q == -np.inf), 0, log_q)


def bounded_log(p: Any) -> Any:
    """max(log p, -100), with slope 0 below the bound."""
    tiny = p < math.exp(-100)
    return np.where(tiny, -100.0, np.log(np.where(tiny, 1, p)))


# Checks


def floats(x: Any, dtype: Any = np.float64) -> Any:
    """x as an array or Tensor of floats; numbers, lists and arrays of integers get `dtype`."""
    own = getattr(x, "dtype", None)
    if own is None:
        return np.asarray(as_array(x), dtype)
    x = as_array(x)
    return x if own.kind in "fO" else x.astype(dtype)


def alike(loss: str, **arrays: Any) -> list[Any]:
    """The arrays, which must have one shape, as floats."""
    first, *others = arrays
    found = [floats(arrays[first])]
    found += [floats(arrays[name], found[0].dtype) for name in others]
    shapes = [x.shape for x in found]
    if shapes.count(shapes[0]) != len(shapes):
        listed = ", ".join(f"{name} has shape {x}" for name, x in zip(arrays, shapes))
        raise ValueError(
            f"{loss} needs one {' and one '.join(others)} for each {first}: {listed}; "
            "reshape what differs"
        )
    if 0 in shapes[0]:
        raise ValueError(f"{loss} of an empty batch: {' and '.join(arrays)} have shape {shapes[0]}")
    return found


def class_target(
    loss: str, name: str, rows: Any, target: Any, or_probabilities: bool = False
) -> Any:
    """The target as an array, after a check that its shape fits the rows of classes."""
    shape = getattr(rows, "shape", None)
    if shape is None:
        shape = np.shape(rows)
    if not shape or 0 in shape:
        raise ValueError(f"{loss} needs rows of {name}, and these have shape {shape}")
    target = as_array(target)
    if not hasattr(target, "dtype"):
        target = np.asarray(target)
    if target.shape == shape[:-1]:
        return target
    if not or_probabilities or target.shape != shape:
        probabilities = f" or probabilities of shape {shape}" if or_probabilities else ""
        raise ValueError(
            f"{loss} of {name} {shape} takes class indices of shape {shape[:-1]}{probabilities}; "
            f"target has {target.shape}"
        )
    if target.dtype.kind in "iu":
        raise TypeError(
            f"{loss} of {name} {shape} takes probabilities of that shape, or class indices of "
            f"shape {shape[:-1]}; target has that shape and is {target.dtype}: write "
            "target.astype(float) if these are probabilities"
        )
    return target


def broadcasts_to(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether an array of this shape broadcasts to the whole, and not beyond it."""
    ends = zip(reversed(shape), reversed(whole))
    return len(shape) <= len(whole) and all(n in (1, m) for n, m in ends)


def check_interval(name: str, x: Any, high: float = 1) -> None:
    x = plain(x)
    if not np.all((x >= 0) & (x <= high)):
        interval = "from 0 to 1" if high == 1 else "0 or more"
        raise ValueError(
            f"{name} must be {interval}, and its numbers run from {np.min(x)} to {np.max(x)}"
        )


def check_distribution(name: str, p: Any) -> None:
    check_interval(name, p)
    sums = plain(p).sum(axis=-1)
    if not np.all(abs(sums - 1) < 1e-3):
        raise ValueError(
            f"each row of {name} must have sum 1, and the sums run from {sums.min()} to "
            f"{sums.max()}; for logits, use cross_entropy"
        )


def check_signs(loss: str, target: Any) -> None:
    target = plain(target)
    if not np.all(abs(target) == 1):
        raise ValueError(
            f"{loss} takes targets 1 and -1, and these run from {target.min()} to {target.max()}; "
            "for targets 0 and 1, pass 2 * target - 1"
        )
