"""Gradient descent, with or without momentum."""

from collections.abc import Iterable
from typing import Any

from tinygrad_edu.optim.optimizer import Optimizer


class SGD(Optimizer):
    """p = p - lr v, with v = momentum v + (1 - dampening) g, and v = g in the first step.

    lr            learning rate
    momentum      how much of the last v is kept; 0 is plain gradient descent
    dampening     how much less the gradient counts in v, after the first step
    weight_decay  λ: the gradient of ½ λ p² is added to g
    nesterov      look ahead: g + momentum v takes the place of v

    Raises ValueError for nesterov without momentum or with dampening.

    Momentum as in Sutskever et al. 2013, "On the importance of initialization and momentum in deep
    learning", section 2, in PyTorch's form (lr outside of v); nesterov: Nesterov 1983, "A method
    for solving the convex programming problem with convergence rate O(1/k²)".
    """

    remembers = ("t", "v")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def check(self, **settings: Any) -> None:
        super().check(**settings)
        if settings["nesterov"] and (settings["momentum"] == 0 or settings["dampening"] != 0):
            raise ValueError("nesterov needs a momentum above 0, and a dampening of 0")

    def is_plain(self, group: Any) -> bool:
        own = type(self).update is not SGD.update  # a subclass may have an update of its own
        return not (own or group["momentum"] or group["weight_decay"])

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, momentum, weight_decay = group["lr"], group["momentum"], group["weight_decay"]
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            t, v = state
            v = momentum * v + (1 - group["dampening"]) * g if t else +g
            state = t + 1, v
            g = g + momentum * v if group["nesterov"] else v
        return lr * g, state
