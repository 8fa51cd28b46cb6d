"""What PyTorch answers for the loss functions: the numbers that tests/test_losses.py compares with.

    python tests/reference/make_losses_reference.py

writes loss_functions.npz beside this file, with a row `loss, note {options}` for each case below; a
list among the options is an array. What PyTorch has not is written out here in its operations.
"""

import json

import numpy as np
import torch
from make_reference import HUGE, derivatives, save_rows
from torch.nn import functional

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def uniform(*shape):
    return rng.uniform(0.1, 0.9, shape)


def probabilities(*shape):
    x = uniform(*shape)
    return x / x.sum(axis=-1, keepdims=True)


def half_squared_error(x, y):
    return ((x - y) ** 2 / 2).mean()


def hinge_loss(x, y):
    return torch.clamp(1 - y * x, min=0).mean()


def categorical_cross_entropy(p, y):
    if y.ndim == p.ndim:
        return -(y * p.log()).sum(-1).mean()
    return functional.nll_loss(p.log(), y)


def multi_margin_loss(x, y, p=1, margin=1.0, weight=None, reduction="mean"):
    """PyTorch's has no second derivative; this one is checked against it."""
    true = functional.one_hot(y, x.shape[-1]).bool()
    terms = torch.where(true, 0, torch.relu(margin - x[true][:, None] + x) ** p)
    losses = terms.mean(-1) * (1 if weight is None else weight[y])
    out = losses if reduction == "none" else getattr(losses, reduction)()
    theirs = functional.multi_margin_loss(x, y, p, margin, weight, reduction=reduction)
    torch.testing.assert_close(out, theirs)
    grads = (torch.autograd.grad(z.sum(), x, retain_graph=True)[0] for z in (out, theirs))
    torch.testing.assert_close(*grads)
    return out


WRITTEN_OUT = {
    f.__name__: f
    for f in (half_squared_error, hinge_loss, categorical_cross_entropy, multi_margin_loss)
}

X, Y = 2 * normal(3, 4), normal(3, 4)
LOGITS, CLASSES, Q = normal(5, 4), np.array([2, 0, 3, 1, 2]), probabilities(5, 4)
IGNORED = np.array([2, -100, 3, -100, 0])
SIGNS = np.where(normal(3, 4) > 0, 1.0, -1.0)
W = [0.5, 2.0, 0.0, 1.5]
P, T = uniform(3, 4), uniform(3, 4)
EDGES = np.array([0.0, 0.0, 1.0, 1.0, 1e-300, 1e-20]), np.array([0.0, 1.0, 0.0, 1.0, 1.0, 1.0])
KINK = np.array([[0.5, 0.5]]), np.array([[1.0, 1.0]]), np.array([[1.5, 1.5]])
A, B, C = normal(5, 3), normal(5, 3), normal(5, 3)

CASES = [
    ("mse_loss", {}, X, Y),
    ("half_squared_error", {}, X, Y),
    ("l1_loss", {}, X, Y),
    ("l1_loss, equal", {}, X, X),
    ("huber_loss", {}, X, Y),
    ("huber_loss", {"delta": 0.3}, X, Y),
    ("huber_loss, equal", {"delta": 0.3}, X, X),
    ("smooth_l1_loss", {}, X, Y),
    ("smooth_l1_loss", {"beta": 2.5}, X, Y),
    ("smooth_l1_loss", {"beta": 0.0}, X, Y),
    *(
        (f"cross_entropy, {what}", options, LOGITS, target)
        for what, target in (("indices", CLASSES), ("ignored", IGNORED), ("probabilities", Q))
        for options in (
            {"reduction": "none"},
            {"label_smoothing": 0.1},
            {"weight": W},
            {"weight": W, "label_smoothing": 0.3},
            {"weight": W, "label_smoothing": 0.3, "reduction": "none"},
        )
    ),
    ("cross_entropy, ignored", {}, LOGITS, IGNORED),
    ("cross_entropy, indices", {"ignore_index": 2}, LOGITS, CLASSES),
    ("cross_entropy, indices", {"ignore_index": 2, "label_smoothing": 0.1}, LOGITS, CLASSES),
    ("cross_entropy, one row", {"label_smoothing": 0.1, "weight": W}, LOGITS[0], CLASSES[1]),
    *(
        (f"cross_entropy, {what} at 1000", {"label_smoothing": 0.1, "weight": W[:3]}, HUGE, target)
        for what, target in (("right", [0, 1]), ("wrong", [1, 2]), ("probabilities", Q[:2, :3]))
    ),
    ("nll_loss", {}, LOGITS, CLASSES),
    ("nll_loss", {"weight": W, "ignore_index": 1}, LOGITS, CLASSES),
    ("nll_loss", {"weight": W, "reduction": "none"}, LOGITS, IGNORED),
    ("categorical_cross_entropy, indices", {}, Q, CLASSES),
    ("categorical_cross_entropy, probabilities", {}, Q, probabilities(5, 4)),
    ("binary_cross_entropy", {}, P, T),
    ("binary_cross_entropy", {"weight": W}, P, T),
    ("binary_cross_entropy_with_logits", {}, X, T),
    ("binary_cross_entropy_with_logits", {"weight": W, "pos_weight": [3.0]}, X, T),
    ("binary_cross_entropy_with_logits", {"pos_weight": W, "reduction": "sum"}, X, T),
    ("binary_cross_entropy_with_logits, at 1000", {}, HUGE, T[:2, :3]),
    ("binary_cross_entropy_with_logits, at 1000", {"pos_weight": W[:3]}, HUGE, SIGNS[:2, :3] > 0),
    ("hinge_loss", {}, X, SIGNS),
    ("hinge_loss, at 1000", {}, HUGE, SIGNS[:2, :3]),
    ("multi_margin_loss", {}, LOGITS, CLASSES),
    ("multi_margin_loss", {"p": 2, "margin": 0.5, "weight": W}, LOGITS, CLASSES),
    *(("multi_margin_loss, at 1000", {"p": p}, HUGE, [0, 2]) for p in (1, 2)),
    *(("kl_div", {"reduction": r}, np.log(Q), probabilities(5, 4)) for r in ("mean", "batchmean")),
    ("kl_div", {"log_target": True, "reduction": "batchmean"}, LOGITS, normal(5, 4)),
    ("gaussian_nll_loss", {}, X, Y, P),
    ("gaussian_nll_loss", {"full": True, "eps": 0.4}, X, Y, P),
    ("gaussian_nll_loss, one for each row", {}, X, Y, P[:, 0]),
    ("gaussian_nll_loss, one for each row, kept", {}, X, Y, P[:, :1]),
    ("gaussian_nll_loss, no variance", {"reduction": "none"}, X, X + 1e-3, 0 * X),
    ("cosine_embedding_loss", {}, A, B, np.array([1, -1, -1, 1, -1])),
    ("cosine_embedding_loss", {"margin": 0.2}, A, B, -np.ones(5, int)),
    ("cosine_embedding_loss, one pair", {}, A[0], B[0], np.array(1)),
    ("cosine_embedding_loss, at the kink", {}, np.eye(2), np.eye(2)[::-1].copy(), -np.ones(2)),
    ("triplet_margin_loss", {}, A, B, C),
    ("triplet_margin_loss", {"swap": True, "margin": 2.0, "eps": 0.01}, A, B, C),
    ("triplet_margin_loss", {"p": 1.0}, A, B, C),
    ("triplet_margin_loss, at the kink", {"p": 1.0, "eps": 0.0}, *KINK),
    ("triplet_margin_loss", {"p": 3.0, "swap": True}, A, B, C),
]


def row(loss, options, inputs):
    kind = inputs[0].dtype
    arrays = [
        x.astype(kind) if x.dtype.kind == "f" or x.dtype == bool else x
        for x in map(np.asarray, inputs)
    ]
    as_arrays = {
        key: torch.tensor(x, dtype=torch.float32 if kind == np.float32 else torch.float64)
        if isinstance(x, list)
        else x
        for key, x in options.items()
    }
    f = WRITTEN_OUT.get(loss) or getattr(functional, loss)
    return derivatives(lambda *xs: f(*xs, **as_arrays), *arrays)


if __name__ == "__main__":
    rows = {}
    for case, options, *inputs in CASES:
        loss = case.partition(",")[0]
        rows[f"{case} {json.dumps(options)}"] = row(loss, options, inputs)
        if "1000" in case:
            single = [inputs[0].astype(np.float32), *inputs[1:]]
            rows[f"{case}, float32 {json.dumps(options)}"] = row(loss, options, single)
    # PyTorch holds the slope of a logarithm at 1e12, so there only the values can be compared.
    p, y = map(torch.tensor, EDGES)
    edges = functional.binary_cross_entropy(p, y, reduction="none")
    rows["edges"] = {"probabilities": p, "target": y, "value": edges}
    save_rows("loss_functions", rows)
