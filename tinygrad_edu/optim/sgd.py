"""Gradient descent."""

from collections.abc import Iterable
from typing import Any

from tinygrad_edu.optim.optimizer import Optimizer, check


class SGD(Optimizer):
    """p = p - lr v, with v = momentum v + g, and v = 0 at the start.

    lr        learning rate
    momentum  how much of the last step is kept; 0 is plain gradient descent

    Momentum as in Sutskever et al. 2013, section 2, in PyTorch's form (lr outside of v).
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0) -> None:
        super().__init__(params, lr)
        check(momentum=momentum)
        self.momentum = momentum
        self.velocity: list[Any] = [0.0] * len(self.params)

    def step(self) -> None:
        for i, p, v in self.gradients():
            if self.momentum:
                v = self.velocity[i] = self.momentum * self.velocity[i] + v
            p.data -= self.lr * v
