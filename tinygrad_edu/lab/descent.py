"""Gradient descent on a function that one can draw: the whole trajectory, and a verdict on it."""

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
    """Where a descent went. Row t is the state before step t; the last row is the end.

    x         (steps + 1, ...) the points
    loss      (steps + 1,) f(x)
    gradient  (steps + 1, ...) df/dx
    step      (steps, ...) x[t + 1] - x[t]
    lr        the learning rate
    optimizer the name of the optimizer

    Ends early where a number is not finite any more: the last row then shows it.
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
    """What became of a descent, and why one can say so."""

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
    """Follow x = x - lr df/dx, or another optimizer, from x0: every point, loss and gradient.

    f          takes a Tensor of the shape of x0 and returns a scalar one
    x0         a number or an array
    optimizer  the name of a class in `optim`, with its `settings`: "Adam", "SGD" (momentum=0.9)

    A number that is not finite is a result and ends the descent: there is no warning.
    Raises ValueError for an unknown optimizer, a bad setting, an x0 that is not finite or an f that
    returns no scalar.
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
    """Who descended, how fast, and from where to where."""
    return (
        f"{name}, learning rate {lr:g}: {len(loss) - 1} steps, loss {loss[0]:.6g} -> {loss[-1]:.6g}"
    )


def make_optimizer(name: str, parameters: list[Tensor], lr: float, settings: Any) -> Any:
    """The optimizer of this name from `optim`."""
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
    """The result of f, which must be one number in the graph."""
    if not isinstance(out, Tensor) or out.size != 1:
        what = f"a Tensor of shape {out.shape}" if isinstance(out, Tensor) else repr(out)
        raise ValueError(f"the function to descend on must return a scalar Tensor, not {what}")
    return out


def is_finite(x: Any) -> bool:
    return bool(np.all(np.isfinite(x)))


# Of the gradients of a descent that goes to a minimum the last is this much smaller than the
# first; and a gradient that keeps its size changes it by less than this from step to step.
CONVERGED = 1e-3
CONSTANT = 1e-4


def verdict(trajectory: Trajectory) -> Verdict:
    """Whether a descent converged, is slow, falls on, oscillates or diverged, and why.

    On f = a (x - c)² / 2 each step multiplies the gradient by 1 - lr a. It shrinks while
    |1 - lr a| < 1, bounces forever at lr a = 2, and grows beyond. On any other function the
    factor by which the gradient changes is measured, as the geometric mean over the last steps.
    Where the loss falls and the gradient does not shrink there may be a minimum later, as beyond a
    maximum of the sine, or none, as on -x².
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
        f"{math.ceil(left):,} more would do",
    )


def not_finite(trajectory: Trajectory) -> str:
    """Which number of the last state is nan or infinite, in words; "" if none is."""
    t = len(trajectory)
    when = f"after step {t}" if t else "at the start"
    state = {"the loss": trajectory.loss, "the gradient": trajectory.gradient, "x": trajectory.x}
    for name, numbers in state.items():
        if not is_finite(numbers[-1]):
            return f"{name} is {'nan' if np.any(np.isnan(numbers[-1])) else 'infinite'} {when}"
    return ""


def mean_factor(sizes: Array) -> float:
    """The geometric mean of the factors between successive sizes, over the later half."""
    later = sizes[(len(sizes) - 1) // 2 :]
    if later[0] == 0 or later[-1] == 0 or len(later) < 2:
        return 0.0
    return float((later[-1] / later[0]) ** (1 / (len(later) - 1)))


def reversals(step: Array) -> float:
    """The share of steps, in the later half, that go back where the one before came from."""
    rows = step.reshape(len(step), -1)[len(step) // 2 :]
    if len(rows) < 2:
        return 0.0
    return float(np.mean(np.sum(rows[1:] * rows[:-1], axis=1) < 0))
