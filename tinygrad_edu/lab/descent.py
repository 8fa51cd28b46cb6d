"""Gradient descent on a function of few numbers: the whole trajectory, and a verdict on it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tinygrad_edu import optim
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.tensor import Tensor

Array = npt.NDArray[np.float64]
Kind = Literal["converged", "slow", "falling", "oscillating", "diverged"]


@dataclass(frozen=True)
class Trajectory:
    """The path of a descent. Row t is the state before step t; the last row is the end.

    x          (steps + 1, ...) the points
    loss       (steps + 1,) f(x)
    gradient   (steps + 1, ...) df/dx
    step       (steps, ...) x[t + 1] - x[t]
    lr         the learning rate
    optimizer  the name of the optimizer

    A path ends early at the first number that is not finite; its last row contains this number.
    """

    x: Array
    loss: Array
    gradient: Array
    step: Array
    lr: float
    optimizer: str

    def __len__(self) -> int:
        return len(self.step)

    def __str__(self) -> str:
        return in_a_line(self.optimizer, self.lr, self.loss)


@dataclass(frozen=True)
class Verdict:
    """The verdict on a descent or on a curve of losses, with its reason.

    kind    "converged", "slow", "falling", "oscillating" or "diverged"
    reason  the reason in words and numbers
    """

    kind: Kind
    reason: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def descend(
    f: Callable[[Any], Any],
    x0: npt.ArrayLike,
    lr: float,
    steps: int,
    optimizer: str = "SGD",
    **settings: Any,
) -> Trajectory:
    """Repeat x = x - lr df/dx from x0, or the step of another optimizer, and keep all points.

    f          a function of a Tensor of the shape of x0; returns a scalar Tensor
    x0         the start: a number or an array
    lr         the learning rate
    steps      the number of steps
    optimizer  the name of a class in `optim`, such as "Adam"
    settings   its other arguments, such as momentum=0.9

    A number that is not finite is a result: it ends the descent without a warning.
    Raises ValueError for an unknown optimizer, a bad setting, an x0 that is not finite, or an f
    that does not return a scalar.
    """
    x = Tensor(np.asarray(x0, float), requires_grad=True, name="x")
    if not np.all(np.isfinite(x.data)):
        raise ValueError(f"x0 must be finite, and it is {x.data}")
    steps = whole("steps", steps)
    walker = make_optimizer(optimizer, [x], lr, settings)
    points, losses, gradients = [], [], []
    with np.errstate(all="ignore"):
        for t in range(steps + 1):
            loss = scalar_loss(f(x))
            walker.zero_grad()
            if loss.requires_grad:
                loss.backward()
            points.append(x.data.copy())
            losses.append(float(loss.data))
            gradients.append(np.zeros_like(x.data) if x.grad is None else x.grad.copy())
            if t == steps or not all(map(is_finite, (points[-1], losses[-1], gradients[-1]))):
                break
            walker.step()
    path = np.array(points)
    return Trajectory(
        path, np.array(losses), np.array(gradients), np.diff(path, axis=0), lr, optimizer
    )


def in_a_line(name: str, lr: float, loss: Array) -> str:
    """One line: the optimizer, its learning rate, the number of steps, the first and last loss."""
    return (
        f"{name}, learning rate {lr:g}: {len(loss) - 1} steps, loss {loss[0]:.6g} -> {loss[-1]:.6g}"
    )


def make_optimizer(name: str, parameters: list[Tensor], lr: float, settings: Any) -> Any:
    """The optimizer with this name from `optim`. Raises ValueError for an unknown name."""
    kind = getattr(optim, name, None)
    if not (isinstance(kind, type) and issubclass(kind, optim.Optimizer)):
        known = sorted(
            key
            for key, x in vars(optim).items()
            if isinstance(x, type) and issubclass(x, optim.Optimizer) and x is not optim.Optimizer
        )
        raise ValueError(f"optimizer is one of {', '.join(known)}, not {name!r}")
    return kind(parameters, lr=lr, **settings)


def scalar_loss(out: Any) -> Any:
    """The result of f. Raises ValueError if it is not a Tensor with one number."""
    if not isinstance(out, Tensor) or out.size != 1:
        what = f"a Tensor of shape {out.shape}" if isinstance(out, Tensor) else repr(out)
        raise ValueError(f"the function to minimize must return a scalar Tensor, not {what}")
    return out


def is_finite(x: Any) -> bool:
    return bool(np.all(np.isfinite(x)))


CONVERGED = 1e-3  # the last gradient of a descent that converged, as a share of the first
CONSTANT = 1e-4  # a gradient that changes its size by a smaller share in each step is constant


def verdict(trajectory: Trajectory) -> Verdict:
    """Did a descent converge, is it slow or still falling, does it oscillate, did it diverge? Why?

    On f = a (x - c)² / 2 each step multiplies the gradient by 1 - lr a. The gradient shrinks if
    |1 - lr a| < 1, keeps its size if lr a = 2, and grows if lr a > 2. On any other function this
    factor is measured: the geometric mean over the later half of the steps.

    converged    the gradient shrank to a thousandth of its first size, or is 0 at the start
    slow         the gradient shrinks, but not enough yet; or neither gradient nor loss gets smaller
    falling      the loss falls, and the gradient does not shrink: there may be a minimum later, as
                 on a sine behind its maximum, or none, as on -x²
    oscillating  most steps turn back, and the gradient does not shrink
    diverged     a number is not finite, or gradient and loss grow
    """
    if reason := not_finite(trajectory):
        return Verdict("diverged", reason)
    sizes = np.array([math.hypot(*np.ravel(g)) for g in trajectory.gradient])
    if sizes[0] == 0:
        return Verdict("converged", "the gradient is 0 at the start: this is a stationary point")
    if sizes[-1] <= CONVERGED * sizes[0]:
        return Verdict(
            "converged", f"the gradient shrank to {sizes[-1] / sizes[0]:.1e} of what it was"
        )
    turns = reversals(trajectory.step)
    factor = mean_factor(sizes)
    if factor > 1 + CONSTANT and trajectory.loss[-1] > trajectory.loss[0]:
        return Verdict("diverged", f"the gradient grows by a factor of {factor:.4g} in every step")
    if turns > 0.5 and factor > 1 - CONSTANT:
        return Verdict(
            "oscillating", f"{turns:.0%} of the steps turn back, and the gradient does not shrink"
        )
    if factor >= 1 and trajectory.loss[-1] >= trajectory.loss[0]:
        return Verdict("slow", "the gradient does not shrink, and the loss does not fall")
    if factor >= 1:
        growth = f"grows by a factor of {factor:.4g} in every step"
        change = growth if factor > 1 + CONSTANT else "does not shrink"
        return Verdict("falling", f"the loss falls, and the gradient {change}")
    back = ", from side to side" if turns > 0.5 else ""
    left = math.log(CONVERGED * sizes[0] / sizes[-1]) / math.log(factor)
    return Verdict(
        "slow",
        f"the gradient shrinks by a factor of {factor:.4g} in every step{back}: about "
        f"{math.ceil(left):,} more steps are needed",
    )


def not_finite(trajectory: Trajectory) -> str:
    """Which number of the last state is nan or infinite, in words; "" if all are finite."""
    t = len(trajectory)
    when = f"after step {t}" if t else "at the start"
    state = {"the loss": trajectory.loss, "the gradient": trajectory.gradient, "x": trajectory.x}
    for name, numbers in state.items():
        if not is_finite(numbers[-1]):
            return f"{name} is {'nan' if np.any(np.isnan(numbers[-1])) else 'infinite'} {when}"
    return ""


def mean_factor(sizes: Array) -> float:
    """The geometric mean of the factors between neighbouring sizes, over the later half."""
    later = sizes[(len(sizes) - 1) // 2 :]
    if later[0] == 0 or later[-1] == 0 or len(later) < 2:
        return 0.0
    return float((later[-1] / later[0]) ** (1 / (len(later) - 1)))


def reversals(step: Array) -> float:
    """The share of steps in the later half that go against the step before: a product below 0."""
    rows = step.reshape(len(step), -1)[len(step) // 2 :]
    if len(rows) < 2:
        return 0.0
    return float(np.mean(np.sum(rows[1:] * rows[:-1], axis=1) < 0))
