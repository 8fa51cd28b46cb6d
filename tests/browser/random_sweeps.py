"""Sweeps for the tests of their page."""

import math

import numpy as np

from tinygrad_edu.lab import Run, Sweep


def swept(count=12):
    """Random settings, of which rates above about 1.5 diverge."""
    rng = np.random.default_rng(0)
    runs = []
    for seed in range(count):
        lr, width = float(10 ** rng.uniform(-4, 1)), int(2 ** rng.uniform(2, 8))
        settings = {"lr": lr, "width": width, "act": ["ReLU", "Tanh", "GELU"][seed % 3]}
        loss = math.nan if lr > 1.5 else 0.1 + (math.log10(lr) + 1) ** 2
        verdict = "diverged" if lr > 1.5 else "converged"
        runs.append(Run(settings, seed, {"loss": loss}, {}, verdict, ""))
    return Sweep(runs)
