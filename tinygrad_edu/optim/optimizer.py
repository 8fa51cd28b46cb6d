"""What every optimizer has: parameters, and a learning rate."""

import math
from collections.abc import Iterable, Iterator
from typing import Any


class Optimizer:
    """The base of the optimizers. State stands in lists parallel to `params`.

    params  anything with `.data` and `.grad`: Tensors or Values; each is taken once
    lr      the learning rate, a number >= 0; change `optimizer.lr` at any time
    """

    def __init__(self, params: Iterable[Any], lr: float) -> None:
        self.params = list({id(p): p for p in params}.values())
        self.lr = lr
        if not self.params:
            raise ValueError(f"{type(self).__name__} got no parameters to train")
        for p in self.params:
            if not hasattr(p, "data") or not hasattr(p, "grad"):
                raise TypeError(f"a parameter has .data and .grad; {type(p).__name__} has not")
            if getattr(p, "function", None) is not None:
                raise ValueError(
                    f"{p.name or 'a parameter'} was computed from others, and its .grad stays "
                    "None: train those instead, a single parameter w as [w]"
                )
        check(lr=lr)

    def gradients(self) -> Iterator[tuple[int, Any, Any]]:
        """(i, p, g) for each parameter p = params[i] that has a gradient g, as plain data."""
        for i, p in enumerate(self.params):
            g = p.grad
            if g is not None:
                recorded = g.__class__ is p.__class__  # by backward(create_graph=True)
                yield i, p, g.data if recorded else g

    def step(self) -> None:
        """Move every parameter that has a gradient one step."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget all gradients, so that the next `backward` starts from nothing."""
        for p in self.params:
            p.grad = None


def check(below: float = math.inf, **settings: float) -> None:
    """Raise ValueError for a setting that is negative, not a number, or not below its limit."""
    for name, value in settings.items():
        if not 0 <= value < below:
            bounds = "finite and at least 0" if below == math.inf else f"in [0, {below})"
            raise ValueError(f"{name} must be {bounds}, and it is {value}")
