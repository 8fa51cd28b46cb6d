"""Adam: a step size for every parameter, from the recent size of its gradient."""

from collections.abc import Iterable
from typing import Any

from tinygrad_edu.optim.optimizer import Optimizer, check


class Adam(Optimizer):
    """p = p - lr m' / (sqrt(v') + eps), with m' and v' the running means of g and g², unbiased.

    m = β1 m + (1 - β1) g,   m' = m / (1 - β1^t)
    v = β2 v + (1 - β2) g²,  v' = v / (1 - β2^t)

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        check(eps=eps)
        self.betas = beta1, beta2 = betas
        check(below=1, beta1=beta1, beta2=beta2)
        self.eps = eps
        self.steps = [0] * len(self.params)
        self.m: list[Any] = [0.0] * len(self.params)
        self.v: list[Any] = [0.0] * len(self.params)

    def step(self) -> None:
        beta1, beta2 = self.betas
        for i, p, g in self.gradients():
            t = self.steps[i] = self.steps[i] + 1
            m = self.m[i] = beta1 * self.m[i] + (1 - beta1) * g
            v = self.v[i] = beta2 * self.v[i] + (1 - beta2) * g * g
            m_unbiased = m / (1 - beta1**t)
            v_unbiased = v / (1 - beta2**t)
            p.data -= self.lr * m_unbiased / (v_unbiased**0.5 + self.eps)
