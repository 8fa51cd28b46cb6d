"""Activations as layers."""

from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.nn.module import Module


class ReLU(Module):
    """y = max(x, 0)."""

    def __call__(self, x: Any) -> Any:
        return kernels.relu(x)


class Tanh(Module):
    """y = tanh(x)."""

    def __call__(self, x: Any) -> Any:
        return np.tanh(x)
