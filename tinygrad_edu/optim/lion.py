"""Lion: every number of every parameter moves by the same amount."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.optim.optimizer import Optimizer, running_mean


class Lion(Optimizer):
    """p = p - lr (sign(β1 m + (1 - β1) g) + λ p), and then m = β2 m + (1 - β2) g.

    lr            about a tenth of Adam's, because a step of ±lr is larger than most of Adam's steps
    weight_decay  λ, about ten times AdamW's

    Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.
    """

    remembers = ("m",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay)

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        weight_decay = group["weight_decay"]
        (m,) = state
        step = np.sign(beta1 * m + (1 - beta1) * g)
        if weight_decay:
            step = step + weight_decay * p
        return lr * step, (running_mean(m, g, beta2),)
