"""What PyTorch's learning-rate schedules answer: the numbers of tests/test_lr_scheduler.py.

    pip install torch
    python tests/reference/make_schedules_reference.py

writes schedules.npz beside this file. Each row is `schedule {settings as JSON}`, or a name for
settings that are functions. It holds the rates of two groups, and of cycles the momentum, at the
steps 0 to 200, or to the last one of a schedule that ends.
"""

import json
import math

import numpy as np
import torch
from make_reference import save_rows
from torch.optim import lr_scheduler

BASE_LRS = [0.1, 0.03]
STEPS = 200

SCHEDULES = [
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.7, "total_iters": 90}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 150}),
    ("StepLR", {"step_size": 30}),
    ("StepLR", {"step_size": 7, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [3, 50, 120]}),
    ("MultiStepLR", {"milestones": [1, 2, 100], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 180, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 200}),
    ("CosineAnnealingLR", {"T_max": 60, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 40}),
    ("CosineAnnealingWarmRestarts", {"T_0": 10, "T_mult": 3, "eta_min": 0.002}),
    ("CyclicLR", {"base_lr": 0.001, "max_lr": 0.1}),
    ("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": [0.1, 0.5], "step_size_up": 20}),
    (
        "CyclicLR",
        {
            "base_lr": 0.01,
            "max_lr": 0.1,
            "step_size_up": 10,
            "step_size_down": 23,
            "mode": "triangular2",
            "base_momentum": 0.5,
            "max_momentum": 0.99,
        },
    ),
    (
        "CyclicLR",
        {
            "base_lr": 0.01,
            "max_lr": 0.1,
            "step_size_up": 31,
            "mode": "exp_range",
            "gamma": 0.99,
            "cycle_momentum": False,
        },
    ),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 201}),
    ("OneCycleLR", {"max_lr": [0.1, 0.5], "epochs": 12, "steps_per_epoch": 10, "pct_start": 0.45}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 150, "three_phase": True, "div_factor": 5.0}),
    (
        "OneCycleLR",
        {
            "max_lr": 0.1,
            "total_steps": 100,
            "anneal_strategy": "linear",
            "final_div_factor": 10.0,
            "base_momentum": [0.6, 0.7],
            "max_momentum": [0.8, 0.99],
        },
    ),
    (
        "OneCycleLR",
        {
            "max_lr": 0.1,
            "total_steps": 77,
            "anneal_strategy": "linear",
            "three_phase": True,
            "pct_start": 0.5,
            "cycle_momentum": False,
        },
    ),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 30, "pct_start": 0.0}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 30, "pct_start": 1.0}),
]
SEQUENCES = [
    (
        [("ConstantLR", {"factor": 0.1, "total_iters": 20}), ("ExponentialLR", {"gamma": 0.98})],
        [20],
    ),
    (
        [
            ("LinearLR", {"total_iters": 10}),
            ("StepLR", {"step_size": 25}),
            ("CosineAnnealingWarmRestarts", {"T_0": 20}),
        ],
        [10, 90],
    ),
    (
        [
            ("PolynomialLR", {"total_iters": 30}),
            ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 15}),
        ],
        [50],
    ),
]
FUNCTIONS = {
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda t: 0.95**t),
    "LambdaLR, one for each group": lambda optimizer: lr_scheduler.LambdaLR(
        optimizer, [lambda t: 1 / (1 + t), lambda t: 1 + math.sin(t)]
    ),
    "CyclicLR, scale_fn of the cycle": lambda optimizer: lr_scheduler.CyclicLR(
        optimizer, 0.01, 0.1, 12, scale_fn=lambda cycle: 1 / cycle
    ),
    "CyclicLR, scale_fn of the step": lambda optimizer: lr_scheduler.CyclicLR(
        optimizer, 0.01, 0.1, 12, scale_fn=lambda t: 0.99**t, scale_mode="iterations"
    ),
}
WARMUPS = [(0, 200, 0.0), (1, 50, 0.001), (20, 150, 0.01)]
PLATEAUS = [
    {},
    {"mode": "max", "factor": 0.5, "patience": 3, "cooldown": 4},
    {"patience": 0, "factor": 0.9, "threshold_mode": "abs", "threshold": 0.05, "cooldown": 1},
    {"mode": "max", "patience": 2, "threshold_mode": "abs", "min_lr": [1e-3, 1e-5]},
    {"patience": 5, "threshold": 0.1, "min_lr": 1e-3, "eps": 2.5e-3},
]


def sgd():
    parameters = [torch.zeros(1, requires_grad=True) for _ in BASE_LRS]
    groups = [{"params": [p], "lr": lr} for p, lr in zip(parameters, BASE_LRS, strict=True)]
    return torch.optim.SGD(groups, momentum=0.9)


def adam():
    parameters = [torch.zeros(1, requires_grad=True) for _ in BASE_LRS]
    groups = [{"params": [p], "lr": lr} for p, lr in zip(parameters, BASE_LRS, strict=True)]
    return torch.optim.Adam(groups)


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


def run(optimizer, scheduler, steps=STEPS, metrics=None):
    rates, momentums = [], []
    for t in range(steps + 1):
        rates.append([group["lr"] for group in optimizer.param_groups])
        momentums.append([momentum_of(group) for group in optimizer.param_groups])
        optimizer.step()
        if t < steps:
            scheduler.step(*([] if metrics is None else [metrics[t]]))
    row = {"lr": np.array(rates)}
    if np.ptp(momentums, axis=0).any():
        row["momentum"] = np.array(momentums)
    return row


def made(optimizer, kind, settings):
    return getattr(lr_scheduler, kind)(optimizer, **settings)


def rows():
    for kind, settings in SCHEDULES:
        optimizer = sgd()
        scheduler = made(optimizer, kind, settings)
        last = min(STEPS, getattr(scheduler, "total_steps", STEPS + 1) - 1)
        yield f"{kind} {json.dumps(settings)}", run(optimizer, scheduler, last)
    for kinds, milestones in SEQUENCES:
        optimizer = sgd()
        parts = [made(optimizer, *part) for part in kinds]
        scheduler = lr_scheduler.SequentialLR(optimizer, parts, milestones)
        settings = {"schedulers": kinds, "milestones": milestones}
        yield f"SequentialLR {json.dumps(settings)}", run(optimizer, scheduler)
    for case, make in FUNCTIONS.items():
        optimizer = adam()
        yield case, run(optimizer, make(optimizer))
    for warmup, total, low in WARMUPS:
        optimizer = sgd()
        cosine = lr_scheduler.CosineAnnealingLR(optimizer, total - warmup, low)
        scheduler = cosine
        if warmup:
            start = lr_scheduler.LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
            scheduler = lr_scheduler.SequentialLR(optimizer, [start, cosine], [warmup])
        settings = {"warmup_steps": warmup, "total_steps": total, "min_lr": low}
        yield f"WarmupCosineLR {json.dumps(settings)}", run(optimizer, scheduler, total)
    metrics = 1 / (1 + 0.05 * np.arange(STEPS)) + np.random.default_rng(0).uniform(0, 0.1, STEPS)
    for settings in PLATEAUS:
        optimizer = sgd()
        scheduler = made(optimizer, "ReduceLROnPlateau", settings)
        own = metrics if settings.get("mode") != "max" else 1.2 - metrics
        row = run(optimizer, scheduler, metrics=own)
        yield f"ReduceLROnPlateau {json.dumps(settings)}", row | {"metrics": own}


if __name__ == "__main__":
    save_rows("schedules", dict(rows()))
