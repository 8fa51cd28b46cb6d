"""Adagrad, Adadelta, RMSprop: a step size for each number, from its past gradients."""

from collections.abc import Iterable
from typing import Any

from tinygrad_edu.optim.optimizer import Optimizer, running_mean


class Adagrad(Optimizer):
    """p = p - lr_t g / (sqrt(s) + eps), with s the sum of all g² and lr_t = lr / (1 + t lr_decay).

    lr_decay                   how fast lr_t falls; t = 0 in the first step
    weight_decay               λ: the gradient of ½ λ p² is added to g
    initial_accumulator_value  the value that s starts with

    Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization", section 1.1 (the diagonal form).
    """

    remembers = ("t", "s")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, lr_decay, eps = group["lr"], group["lr_decay"], group["eps"]
        weight_decay, start = group["weight_decay"], group["initial_accumulator_value"]
        t, s = state
        if weight_decay:
            g = g + weight_decay * p
        s = (s if t else start) + g * g
        return lr / (1 + t * lr_decay) * g / (s**0.5 + eps), (t + 1, s)


class Adadelta(Optimizer):
    """p = p - lr d, with d = sqrt(u + eps) / sqrt(v + eps) g: about as large as recent steps.

    v = rho v + (1 - rho) g²  before the step
    u = rho u + (1 - rho) d²  after the step

    weight_decay  λ: the gradient of ½ λ p² is added to g

    Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1, where lr is 1.
    """

    remembers = ("v", "u")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, rho, eps = group["lr"], group["rho"], group["eps"]
        weight_decay = group["weight_decay"]
        v, u = state
        if weight_decay:
            g = g + weight_decay * p
        v = running_mean(v, g * g, rho)
        d = (u + eps) ** 0.5 / (v + eps) ** 0.5 * g
        u = running_mean(u, d * d, rho)
        return lr * d, (v, u)


class RMSprop(Optimizer):
    """p = p - lr b, with b = momentum b + g / (sqrt(v) + eps), and v the running mean of g².

    v = alpha v + (1 - alpha) g²

    weight_decay  λ: the gradient of ½ λ p² is added to g
    momentum      how much of the last b is kept
    centered      the variance v - m² takes the place of v, with m the running mean of g

    Tieleman and Hinton 2012, "Neural networks for machine learning", lecture 6.5; centered: Graves
    2013, "Generating sequences with recurrent neural networks", equations 38 to 41.
    """

    remembers = ("v", "m", "b")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, alpha, eps = group["lr"], group["alpha"], group["eps"]
        weight_decay, momentum = group["weight_decay"], group["momentum"]
        v, m, b = state
        if weight_decay:
            g = g + weight_decay * p
        v = running_mean(v, g * g, alpha)
        variance = v
        if group["centered"]:
            m = running_mean(m, g, alpha)
            variance = v - m * m
        step = g / (variance**0.5 + eps)
        if momentum:
            step = b = momentum * b + step
        return lr * step, (v, m, b)
