"""Adam and its family: a step size for each number, from the recent size of its gradient."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.optim.optimizer import Optimizer, running_mean


class Adam(Optimizer):
    """p = p - lr m' / (sqrt(v') + eps), with m' and v' the running means of g and g², unbiased.

    m = β1 m + (1 - β1) g,   m' = m / (1 - β1^t)
    v = β2 v + (1 - β2) g²,  v' = v / (1 - β2^t)

    weight_decay  λ: the gradient of ½ λ p² is added to g
    amsgrad       the largest v so far takes the place of v: after a large g, steps stay small

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1; amsgrad: Reddi,
    Kale and Kumar 2018, "On the convergence of Adam and beyond", algorithm 2.
    """

    remembers = ("t", "m", "v", "largest")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad
        )

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        weight_decay, amsgrad = group["weight_decay"], group["amsgrad"]
        t, m, v, largest = state
        t += 1
        if weight_decay:
            g = g + weight_decay * p
        m = running_mean(m, g, beta1)
        v = running_mean(v, g * g, beta2)
        if amsgrad:
            largest = np.maximum(largest, v)
        v_unbiased = (largest if amsgrad else v) / (1 - beta2**t)
        step = lr / (1 - beta1**t) * m / (v_unbiased**0.5 + eps)
        return step, (t, m, v, largest)


class AdamW(Adam):
    """p = p - lr λ p - (the step of Adam): weight decay apart from the gradient.

    weight_decay  λ; unlike in Adam, its effect does not depend on the size of the gradients

    Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2, in PyTorch's
    form (lr times λ).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        step, state = super().update(g, p, state, {**group, "weight_decay": 0.0})
        return group["lr"] * group["weight_decay"] * p + step, state


class Adamax(Optimizer):
    """p = p - lr m' / u, with m' = m / (1 - β1^t), m = β1 m + (1 - β1) g, u = max(β2 u, |g| + eps).

    weight_decay  λ: the gradient of ½ λ p² is added to g

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 2: Adam with the
    largest |g| of the recent past instead of its root mean square.
    """

    remembers = ("t", "m", "u")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        weight_decay = group["weight_decay"]
        t, m, u = state
        t += 1
        if weight_decay:
            g = g + weight_decay * p
        m = running_mean(m, g, beta1)
        u = np.maximum(beta2 * u, abs(g) + eps)
        return lr / (1 - beta1**t) * m / u, (t, m, u)


class NAdam(Optimizer):
    """p = p - lr m' / (sqrt(v') + eps): Adam, with Nesterov's look ahead in m'.

    m' = μ_{t+1} m / (1 - μ_1 ... μ_{t+1}) + (1 - μ_t) g / (1 - μ_1 ... μ_t),
    m and v' as in Adam, and the momentum rises: μ_t = β1 (1 - ½ 0.96^(t momentum_decay))

    weight_decay            λ: the gradient of ½ λ p² is added to g
    momentum_decay          how fast μ rises to β1
    decoupled_weight_decay  λ as in AdamW instead

    Dozat 2016, "Incorporating Nesterov momentum into Adam", algorithm 2.
    """

    remembers = ("t", "m", "v", "mu_product")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        weight_decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
        momentum_decay = group["momentum_decay"]
        t, m, v, mu_product = state
        t += 1
        if weight_decay and not decoupled:
            g = g + weight_decay * p
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        mu_product = mu if t == 1 else mu_product * mu
        m = running_mean(m, g, beta1)
        v = running_mean(v, g * g, beta2)
        ahead = mu_next / (1 - mu_product * mu_next) * m + (1 - mu) / (1 - mu_product) * g
        step = lr * ahead / ((v / (1 - beta2**t)) ** 0.5 + eps)
        if decoupled:
            step = step + lr * weight_decay * p
        return step, (t, m, v, mu_product)


class RAdam(Optimizer):
    """p = p - lr r m' sqrt(1 - β2^t) / (sqrt(v) + eps): Adam, its first steps rectified by r.

    R = 2 / (1 - β2) - 1,  R_t = R - 2 t β2^t / (1 - β2^t): over how many gradients v averages
    r = sqrt((R_t - 4) (R_t - 2) R / ((R - 4) (R - 2) R_t))

    m' and v as in Adam. While R_t <= 5, p = p - lr m', because v rests on too few gradients.

    weight_decay            λ: the gradient of ½ λ p² is added to g
    decoupled_weight_decay  λ as in AdamW instead

    Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2.
    """

    remembers = ("t", "m", "v")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        weight_decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
        t, m, v = state
        t += 1
        if weight_decay and not decoupled:
            g = g + weight_decay * p
        m = running_mean(m, g, beta1)
        v = running_mean(v, g * g, beta2)
        step = lr / (1 - beta1**t) * m
        limit = 2 / (1 - beta2) - 1
        seen = limit - 2 * t * beta2**t / (1 - beta2**t)
        if seen > 5:
            r = ((seen - 4) * (seen - 2) * limit / ((limit - 4) * (limit - 2) * seen)) ** 0.5
            step = r * (1 - beta2**t) ** 0.5 * step / (v**0.5 + eps)
        if decoupled:
            step = step + lr * weight_decay * p
        return step, (t, m, v)
