"""What PyTorch answers for normalization, written to normalization.npz.

    python tests/reference/make_normalization_reference.py

A new row here needs a row of the same name in tests/test_normalization.py.
"""

import numpy as np
import torch
from make_reference import derivatives, module_numbers, save_rows
from torch import nn
from torch.nn import functional

rng = np.random.default_rng(4)


def normal(*shape):
    return rng.standard_normal(shape)


def positive(*shape):
    return rng.uniform(0.5, 2.0, shape)


def training_batch(x, weight, bias):
    return functional.batch_norm(x, None, None, weight, bias, True, eps=0.1)


FUNCTIONS = {
    "layer_norm": (lambda x: functional.layer_norm(x, (3,)), normal(2, 3)),
    "layer_norm, affine": (
        lambda x, w, b: functional.layer_norm(x, (2, 3), w, b, 0.1),
        normal(2, 2, 3),
        normal(2, 3),
        normal(2, 3),
    ),
    "rms_norm": (lambda x: functional.rms_norm(x, (3,)), normal(2, 3)),
    "rms_norm, small": (lambda x: functional.rms_norm(x, (3,)), 1e-8 * positive(1, 3)),
    "rms_norm, weight": (
        lambda x, w: functional.rms_norm(x, (2, 3), w, 0.1),
        normal(2, 2, 3),
        normal(2, 3),
    ),
    "group_norm": (lambda x: functional.group_norm(x, 2), normal(2, 4)),
    "group_norm, affine": (
        lambda x, w, b: functional.group_norm(x, 2, w, b, 0.1),
        normal(2, 4, 3),
        normal(4),
        normal(4),
    ),
    "batch_norm, training": (training_batch, normal(4, 3), normal(3), normal(3)),
    "batch_norm, training, image": (training_batch, normal(2, 2, 2, 3), normal(2), normal(2)),
    "batch_norm, running": (
        lambda x: functional.batch_norm(x, torch.zeros(3).double(), torch.ones(3).double()),
        normal(2, 3),
    ),
    "normalize": (functional.normalize, normal(2, 3)),
    "normalize, short": (functional.normalize, 1e-14 * normal(2, 3)),
    "normalize, p 1, dim 0": (lambda x: functional.normalize(x, 1.0, 0), normal(3, 2)),
    "normalize, p 3, dim -1": (lambda x: functional.normalize(x, 3.0, -1), normal(2, 2, 3)),
    "normalize, p inf": (lambda x: functional.normalize(x, np.inf), normal(2, 3)),
    "cosine_similarity": (functional.cosine_similarity, normal(2, 3), normal(2, 3)),
    "cosine_similarity, dim -1, broadcast": (
        lambda x, y: functional.cosine_similarity(x, y, -1),
        normal(2, 1, 3),
        normal(4, 1),
    ),
}

IMAGE = normal(2, 3, 2, 2)

MODULES = {
    "BatchNorm1d": (nn.BatchNorm1d(3), normal(4, 3), normal(4, 3)),
    "BatchNorm1d, sequence": (nn.BatchNorm1d(3), normal(2, 3, 4), normal(2, 3, 4)),
    "BatchNorm1d, eps, momentum": (nn.BatchNorm1d(3, 0.1, 0.3), normal(4, 3), normal(4, 3)),
    "BatchNorm1d, average": (nn.BatchNorm1d(3, momentum=None), normal(4, 3), normal(4, 3)),
    "BatchNorm1d, not affine": (nn.BatchNorm1d(3, affine=False), normal(4, 3), normal(4, 3)),
    "BatchNorm1d, untracked": (
        nn.BatchNorm1d(3, track_running_stats=False),
        normal(4, 3),
        normal(4, 3),
    ),
    "BatchNorm2d": (nn.BatchNorm2d(3), IMAGE, normal(2, 3, 2, 2)),
    "LayerNorm": (nn.LayerNorm(3), normal(2, 3)),
    "LayerNorm, two axes": (nn.LayerNorm([2, 3], 0.1), normal(4, 2, 3)),
    "LayerNorm, no bias": (nn.LayerNorm(3, bias=False), normal(2, 3)),
    "LayerNorm, not affine": (nn.LayerNorm(3, elementwise_affine=False), normal(2, 3)),
    "GroupNorm": (nn.GroupNorm(2, 4), normal(2, 4, 3)),
    "GroupNorm, image": (nn.GroupNorm(1, 3, 0.1), IMAGE),
    "GroupNorm, not affine": (nn.GroupNorm(4, 4, affine=False), normal(2, 4, 3)),
    "RMSNorm": (nn.RMSNorm(3), normal(2, 3)),
    "RMSNorm, two axes, eps": (nn.RMSNorm([2, 3], 0.1), normal(4, 2, 3)),
    "RMSNorm, not affine": (nn.RMSNorm(3, elementwise_affine=False), normal(2, 3)),
}


def train_and_eval(module, x, y):
    return torch.cat([module(x), module(y), module.eval()(x)])


def numbers(module, *inputs):
    """Those of a module with other weights than 1 and 0."""
    for p in module.parameters():
        p.data = torch.tensor(normal(*p.shape))
    return module_numbers(module, *inputs, f=train_and_eval if len(inputs) == 2 else None)


if __name__ == "__main__":
    rows = {case: derivatives(f, *inputs) for case, (f, *inputs) in FUNCTIONS.items()}
    save_rows("normalization", rows | {case: numbers(*row) for case, row in MODULES.items()})
