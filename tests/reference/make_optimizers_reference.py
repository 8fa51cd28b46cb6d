"""What PyTorch's optimizers do: the numbers that tests/test_optim.py compares with.

    pip install torch
    python tests/reference/make_optimizers_reference.py

writes optimizers.npz beside this file. Everything is seeded. All is computed in float64, also what
PyTorch's Muon does in bfloat16 (the orthogonalization) and NAdam in float32 (the product of the μ).
"""

import json
from pathlib import Path

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.Tensor.bfloat16 = torch.Tensor.clone
rng = np.random.default_rng(0)

WEIGHT_DECAY = {"lr": 0.02, "weight_decay": 0.1}
DECOUPLED = WEIGHT_DECAY | {"decoupled_weight_decay": True}
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.03, "momentum": 0.9}),
    ("SGD", {"lr": 0.03, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.03, "momentum": 0.8, "nesterov": True}),
    ("SGD", WEIGHT_DECAY),
    ("SGD", WEIGHT_DECAY | {"momentum": 0.9, "dampening": 0.5}),
    ("SGD", WEIGHT_DECAY | {"momentum": 0.9, "nesterov": True}),
    ("Adagrad", {}),
    ("Adagrad", WEIGHT_DECAY | {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adadelta", {}),
    ("Adadelta", WEIGHT_DECAY | {"rho": 0.7, "eps": 1e-3}),
    ("RMSprop", {}),
    ("RMSprop", WEIGHT_DECAY | {"alpha": 0.8, "eps": 1e-3}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", WEIGHT_DECAY | {"alpha": 0.9, "momentum": 0.5, "centered": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": [0.7, 0.95], "eps": 1e-4}),
    ("Adam", {"lr": 0.01, "betas": [0.0, 0.0]}),
    ("Adam", {"lr": 0.01, "betas": [0.8, 0.9], "amsgrad": True}),
    ("Adam", WEIGHT_DECAY),
    ("Adam", WEIGHT_DECAY | {"amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", WEIGHT_DECAY | {"betas": [0.8, 0.9], "eps": 1e-4, "amsgrad": True}),
    ("Adamax", {}),
    ("Adamax", WEIGHT_DECAY | {"betas": [0.8, 0.9], "eps": 1e-3}),
    ("NAdam", {}),
    ("NAdam", WEIGHT_DECAY | {"betas": [0.8, 0.9], "eps": 1e-3, "momentum_decay": 0.1}),
    ("NAdam", DECOUPLED),
    ("RAdam", {}),
    ("RAdam", WEIGHT_DECAY | {"betas": [0.8, 0.9], "eps": 1e-3}),
    ("RAdam", DECOUPLED),
]
MUONS = [
    {},
    {"lr": 0.02, "weight_decay": 0.3, "momentum": 0.8, "nesterov": False},
    {"lr": 0.02, "ns_coefficients": [2.0, -1.5, 0.5], "ns_steps": 3, "eps": 1e-3},
    {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"},
]
STEPS = [1, 2, 10, 100]


def path(kind, settings, start, gradients):
    """The parameters after each of STEPS; a gradient that is nan is none."""
    parameters = [torch.tensor(x, requires_grad=True) for x in start]
    optimizer = getattr(torch.optim, kind)(parameters, **settings)
    after = []
    for row in zip(*gradients, strict=True):
        for p, g in zip(parameters, row, strict=True):
            p.grad = None if np.isnan(g).any() else torch.tensor(g)
        optimizer.step()
        after.append([p.detach().numpy().copy() for p in parameters])
    return [np.array(x)[np.array(STEPS) - 1] for x in zip(*after, strict=True)]


def problem(*shapes):
    """Where two parameters start, and their gradients in 100 steps; the second has some without."""
    start = [rng.standard_normal(shape) for shape in shapes]
    size = 10 ** rng.uniform(-3, 3, 100)
    size[7] = 0.0
    gradients = [np.moveaxis(rng.standard_normal((*shape, 100)) * size, -1, 0) for shape in shapes]
    gradients[1][[0, 4, 5, 50]] = np.nan
    return start, gradients


if __name__ == "__main__":
    arrays = {"steps": STEPS}
    start, gradients = problem((4,), (2,))
    for i in range(2):
        arrays |= {f"problem/start{i}": start[i], f"problem/gradients{i}": gradients[i]}
    for kind, settings in OPTIMIZERS:
        for i, x in enumerate(path(kind, settings, start, gradients)):
            arrays[f"{kind} {json.dumps(settings)}/after{i}"] = x
    # Weights here are (in, out), and PyTorch's are (out, in).
    start, gradients = problem((3, 2), (2, 3))
    for i in range(2):
        arrays |= {f"matrices/start{i}": start[i], f"matrices/gradients{i}": gradients[i]}
    transposed = [x.T for x in start], [np.moveaxis(x, 1, 2) for x in gradients]
    for settings in MUONS:
        for i, x in enumerate(path("Muon", settings, *transposed)):
            arrays[f"Muon {json.dumps(settings)}/after{i}"] = np.moveaxis(x, 1, 2)
    np.savez_compressed(Path(__file__).parent / "optimizers.npz", **arrays)
