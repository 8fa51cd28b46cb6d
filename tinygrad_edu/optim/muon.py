"""Muon: the step of a matrix is equally long in the direction of every singular vector."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.optim.optimizer import Optimizer, name_of, running_mean
from tinygrad_edu.optim.settings import one_of, whole


class Muon(Optimizer):
    """W = W - lr λ W - lr s O(u), with u = (1 - μ) g + μ m and m = μ m + (1 - μ) g.

    If U S Vᵀ is the singular value decomposition of u, O(u) is about U Vᵀ: see `orthogonalized`.
    Use Muon for the weights (in, out) of hidden layers, and AdamW for everything else.

    weight_decay     λ
    momentum         μ
    nesterov         False: u = m
    ns_coefficients  a, b, c of the Newton-Schulz iteration
    eps              u is divided by its norm, or by eps if the norm is smaller
    ns_steps         the number of Newton-Schulz iterations
    adjust_lr_fn     "original": s = sqrt(max(1, out / in));
                     "match_rms_adamw": s = 0.2 sqrt(max(in, out)), which makes steps as large as
                     AdamW's, so that you can use the lr and λ of AdamW

    Raises ValueError for a parameter that is not a matrix.

    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; match_rms_adamw:
    Liu et al. 2025, "Muon is scalable for LLM training", section 2.2. PyTorch iterates in bfloat16;
    here the precision is that of W.
    """

    remembers = ("m",)
    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str = "original",
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )

    def check_parameter(self, p: Any) -> None:
        super().check_parameter(p)
        if np.ndim(p.data) != 2:
            shape = np.shape(p.data)
            raise ValueError(f"Muon trains matrices, and {name_of(p)} has the shape {shape}")

    def check(self, **settings: Any) -> None:
        coefficients, adjust = settings.pop("ns_coefficients"), settings.pop("adjust_lr_fn")
        if np.shape(coefficients) != (3,) or not np.isfinite(coefficients).all():
            raise ValueError(f"ns_coefficients must be three numbers, not {coefficients!r}")
        one_of("adjust_lr_fn", adjust, "original", "match_rms_adamw")
        whole("ns_steps", settings["ns_steps"], low=0)
        super().check(**settings)

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        lr, weight_decay, momentum = group["lr"], group["weight_decay"], group["momentum"]
        (m,) = state
        m = running_mean(m, g, momentum)
        u = (1 - momentum) * g + momentum * m if group["nesterov"] else m
        n, k = p.shape
        original = group["adjust_lr_fn"] == "original"
        s = max(1, k / n) ** 0.5 if original else 0.2 * max(n, k) ** 0.5
        direction = orthogonalized(u, group["ns_coefficients"], group["ns_steps"], group["eps"])
        return lr * s * direction + lr * weight_decay * p, (m,)


def orthogonalized(x: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """x with all its singular values near 1: the Newton-Schulz iteration.

    x = a x + b (x xᵀ) x + c (x xᵀ)² x turns each singular value s into a s + b s³ + c s⁵. At first,
    x is scaled so that no singular value is above 1.
    """
    if x.shape[0] > x.shape[1]:
        return orthogonalized(x.T, coefficients, steps, eps).T
    a, b, c = coefficients
    x = x / np.maximum((x * x).sum() ** 0.5, eps)
    for _ in range(int(steps)):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x
