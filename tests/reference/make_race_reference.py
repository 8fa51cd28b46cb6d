"""Where PyTorch's optimizers go on the lab's surfaces: the numbers that test_race.py compares with.

    pip install torch
    python tests/reference/make_race_reference.py

writes race.npz beside this file: 50 steps in float64, under "surface/racer".
"""

from pathlib import Path

import numpy as np
import torch

STEPS = 50
SURFACES = {
    "rosenbrock": (lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2, [-1.5, 2.0], 3e-4),
    "beale": (
        lambda x, y: (
            (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2
        ),
        [1.0, 1.2],
        1e-3,
    ),
    "bowl": (lambda x, y: (x**2 + 10 * y**2) / 2, [-2.5, 1.5], 0.05),
}
OPTIMIZERS = {
    "gradient descent": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "Adagrad": ("Adagrad", {}),
    "RMSprop": ("RMSprop", {}),
    "Adam": ("Adam", {}),
}


def path(f, start, kind, settings):
    """The point before each step, and at the end."""
    point = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, kind)([point], **settings)
    points = [point.detach().numpy().copy()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        f(*point).backward()
        optimizer.step()
        points.append(point.detach().numpy().copy())
    return np.array(points)


if __name__ == "__main__":
    arrays = {}
    for surface, (f, start, lr) in SURFACES.items():
        for racer, (kind, settings) in OPTIMIZERS.items():
            rate = lr if kind == "SGD" else 0.1
            arrays[f"{surface}/{racer}"] = path(f, start, kind, settings | {"lr": rate})
    np.savez_compressed(Path(__file__).parent / "race.npz", **arrays)
