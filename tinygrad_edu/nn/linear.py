"""Layers that multiply by a matrix."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu import kernels
from tinygrad_edu.graph import plain
from tinygrad_edu.nn.init import uniform_parameter
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor


class Linear(Module):
    """y = x W + b, with x: (..., in), W: (in, out), b: (out,).

    W and b start uniform in ±1/sqrt(in_features), as in PyTorch; its weight is the transpose of W.

    Raises ValueError for a size below 1, and for an x whose last axis is not in_features long.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"Linear needs at least one feature on each side, not {in_features} in and "
                f"{out_features} out"
            )
        rng = default_rng(rng)
        bound = 1 / math.sqrt(in_features)
        shape = in_features, out_features
        self.weight = uniform_parameter("weight", shape, bound, rng, dtype)
        self.bias = uniform_parameter("bias", out_features, bound, rng, dtype) if bias else None

    def __call__(self, x: Any) -> Tensor:
        try:
            if self.bias is None:
                return x @ self.weight
            return kernels.linear(x, self.weight, self.bias)
        except ValueError:
            raise ValueError(
                f"{self} takes x of shape (..., {len(self.weight)}), and this x has shape "
                f"{np.shape(plain(x))}"
            ) from None

    def extra_repr(self) -> str:
        n, m = self.weight.shape
        return f"in_features={n}, out_features={m}" + (
            "" if self.bias is not None else ", bias=False"
        )
