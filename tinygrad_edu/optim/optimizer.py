"""What every optimizer has: parameters, and a learning rate."""

import math
from collections.abc import Iterable
from typing import Any


class Optimizer:
    """The base of the optimizers. State stands in lists parallel to `params`.

    params  anything with `.data` and `.grad`: Tensors or Values
    lr      the learning rate, a number >= 0; change `optimizer.lr` at any time
    """

    def __init__(self, params: Iterable[Any], lr: float) -> None:
        self.params = list(params)
        self.lr = lr
        if not self.params:
            raise ValueError(f"{type(self).__name__} got no parameters to train")
        for p in self.params:
            if not hasattr(p, "data") or not hasattr(p, "grad"):
                raise TypeError(f"a parameter has .data and .grad; {type(p).__name__} has not")
        check(lr=lr)

    def step(self) -> None:
        """Move every parameter that has a gradient one step."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget all gradients, so that the next `backward` starts from nothing."""
        for p in self.params:
            p.grad = None


def check(below: float = math.inf, **settings: float) -> None:
    """Raise ValueError for a setting that is negative, not a number, or not under its limit."""
    for name, value in settings.items():
        if not 0 <= value < below:
            limit = f" and less than {below}" if below < math.inf else ""
            raise ValueError(f"{name} must be at least 0{limit}, and it is {value}")
