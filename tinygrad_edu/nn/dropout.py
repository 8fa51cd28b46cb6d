"""Dropout: a layer that sets random elements to 0."""

from typing import Any

import numpy as np

from tinygrad_edu.functional.activation import check_probability, dropout
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import default_rng


class Dropout(Module):
    """y = x / (1 - p) with probability 1 - p, else 0, in training; y = x after `eval()`.

    Every forward pass draws its elements anew. Raises ValueError for a p outside of [0, 1].

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting",
    scaled in training, so that nothing needs scaling afterwards (section 10).
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        check_probability(p)
        self.p = p
        self.rng = None if rng is None else default_rng(rng)

    def __call__(self, x: Any) -> Any:
        return dropout(x, self.p, self.training, self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"
