"""Learning-rate schedules: the learning rate as a function of the step t.

    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = CosineAnnealingLR(optimizer, T_max=100)
    for x, y in data:
        ...
        optimizer.step()
        scheduler.step()

A schedule starts at t = 0 and writes the rate of t = 0 into the optimizer; each `step()` adds 1 to
t. Your loop decides whether a step is a batch or an epoch. To resume a training, use
`load_state_dict`; there is no argument `last_epoch`.

Every parameter group of the optimizer has a base rate: the lr it had when its first schedule was
made. An optimizer follows one schedule at a time. Unlike in PyTorch, the factors of two schedules
do not multiply: the schedule that steps last sets the rate. Use `SequentialLR` to run schedules one
after another, and `LambdaLR` for a product.
"""

import copy
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from tinygrad_edu.optim.cleanup import all_or_none
from tinygrad_edu.optim.settings import increasing, nonnegative, one_of, positive, whole

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WarmupCosineLR",
]

UNSAVED = {"optimizer", "lr_lambdas", "scale_fn", "schedulers"}  # objects and functions, not data


class LRScheduler:
    """lr(t) = base_lr factor(t), written into every group of the optimizer.

    A schedule is a subclass with one method: `factor(t)`, or `lr(t, base_lr)` if the rate is not a
    multiple of the base rate. Its `__init__` keeps the settings, then calls this one.

    optimizer   an object with `param_groups`, a list of dicts with "lr"
    span        the number of steps that `plot` shows by default
    base_lrs    a base rate for each group; by default the lr before the first schedule of the group
    last_epoch  the current t

    Raises TypeError if the optimizer has no `param_groups`.
    """

    def __init__(
        self, optimizer: Any, span: int = 100, base_lrs: Sequence[float] | None = None
    ) -> None:
        groups = param_groups_of(optimizer)
        if base_lrs is None:
            base_lrs = [group.get("initial_lr", group["lr"]) for group in groups]
        for group, base_lr in zip(groups, base_lrs):
            group["initial_lr"] = base_lr
        self.optimizer = optimizer
        self.span = span
        self.base_lrs = [float(lr) for lr in base_lrs]
        self.last_epoch: float = 0
        self.move_to(0)

    def factor(self, t: float) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no factor(t) and no lr(t, base_lr)")

    def lr(self, t: float, base_lr: float) -> float:
        return base_lr * self.factor(t)

    def lrs(self, t: float) -> list[float]:
        """The learning rate of each group at step t."""
        return [self.lr(t, base_lr) for base_lr in self.base_lrs]

    def move_to(self, t: float) -> None:
        """Go to step t: write the rates of t into the groups.

        Raises ValueError, and changes nothing, for a rate that is negative or not finite and for
        groups that were added after the schedule was made.
        """
        groups, rates = self.optimizer.param_groups, self.lrs(t)
        if len(groups) != len(rates):
            raise ValueError(
                f"{type(self).__name__} was made for {len(rates)} parameter groups, and the "
                f"optimizer has {len(groups)}: add groups before the schedule is made"
            )
        for i, lr in enumerate(rates):
            if not 0 <= lr < math.inf:
                raise ValueError(
                    f"{type(self).__name__} gives group {i} the learning rate {lr} at step {t}; "
                    "it must be finite and at least 0"
                )
        for group, lr in zip(groups, rates):
            group["lr"] = lr
        self.last_epoch = t

    def step(self) -> None:
        """t = t + 1."""
        self.move_to(self.last_epoch + 1)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group now."""
        return self.lrs(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The step and the settings as plain numbers, strings and lists; no functions."""
        return copy.deepcopy({name: x for name, x in vars(self).items() if name not in UNSAVED})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the step and with the settings in `state`, and set the rates of the groups.

        Raises ValueError, and changes nothing, for the state of another schedule.
        """
        self.check_state(state)
        all_or_none(self.dicts(), lambda: self.go_on_from(state))

    def dicts(self) -> list[dict[str, Any]]:
        """All that `go_on_from` changes."""
        return [vars(self), *self.optimizer.param_groups]

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        vars(self).update(
            copy.deepcopy({name: x for name, x in state.items() if name not in UNSAVED})
        )
        self.move_to(self.last_epoch)

    def check_state(self, state: Mapping[str, Any]) -> None:
        mine = self.state_dict()
        problems = [f"missing: {name}" for name in mine if name not in state]
        problems += [f"unknown: {name}" for name in state if name not in mine]
        problems += [
            f"{name}: {state[name]!r:.60}, expected something like {x!r:.60}"
            for name, x in mine.items()
            if name in state and not replaces(state[name], x)
        ]
        if not problems and len(state["base_lrs"]) != len(self.base_lrs):
            n = len(state["base_lrs"])
            problems = [f"base_lrs: {n} parameter groups, expected {len(self.base_lrs)}"]
        if problems:
            raise ValueError(
                f"this state does not fit {type(self).__name__}, and nothing was loaded:\n  "
                + "\n  ".join(problems)
            )

    def curve(self, steps: int) -> list[list[float]]:
        """The rates of each group at the steps 0, 1, ..., steps - 1."""
        return [self.lrs(t) for t in range(whole("steps", steps))]

    def plot(self, steps: int | None = None, path: Any = None) -> Any:
        """Draw the rates with `viz.plots.plot_schedule`.

        steps  how many; the default shows the shape of the schedule
        path   a file to save the picture in, such as "schedule.png"

        Neither the optimizer nor t changes. Returns matplotlib's figure.
        """
        from tinygrad_edu.viz.plots import plot_schedule

        return plot_schedule(self, steps, path=path)


class LambdaLR(LRScheduler):
    """lr = base_lr f(t).

    lr_lambda  the function f, or a list with one for each parameter group

    Functions are not in `state_dict`: make the schedule with the same ones before loading.
    """

    def __init__(
        self,
        optimizer: Any,
        lr_lambda: Callable[[Any], float] | Sequence[Callable[[Any], float]],
    ) -> None:
        self.lr_lambdas = one_per_group("lr_lambda", lr_lambda, optimizer)
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(
                    f"lr_lambda must be a function of the step, or a list of functions; {f!r} "
                    "cannot be called"
                )
        super().__init__(optimizer)

    def lrs(self, t: float) -> list[float]:
        return [float(base_lr * f(t)) for base_lr, f in zip(self.base_lrs, self.lr_lambdas)]


class ConstantLR(LRScheduler):
    """lr = factor base_lr for t < total_iters, then base_lr."""

    def __init__(self, optimizer: Any, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.start_factor = nonnegative("factor", factor, high=1)
        self.total_iters = whole("total_iters", total_iters)
        super().__init__(optimizer, span=2 * self.total_iters)

    def factor(self, t: float) -> float:
        return self.start_factor if t < self.total_iters else 1.0


class LinearLR(LRScheduler):
    """lr = base_lr (start_factor + (end_factor - start_factor) min(t / total_iters, 1)).

    The linear warm-up of Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2.
    """

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        self.start_factor = nonnegative("start_factor", start_factor, high=1)
        self.end_factor = nonnegative("end_factor", end_factor, high=1)
        self.total_iters = whole("total_iters", total_iters)
        super().__init__(optimizer, span=2 * self.total_iters)

    def factor(self, t: float) -> float:
        done = min(t / self.total_iters, 1)
        return self.start_factor + (self.end_factor - self.start_factor) * done


class StepLR(LRScheduler):
    """lr = base_lr gamma^floor(t / step_size)."""

    def __init__(self, optimizer: Any, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = whole("step_size", step_size)
        self.gamma = nonnegative("gamma", gamma)
        super().__init__(optimizer, span=4 * self.step_size)

    def factor(self, t: float) -> float:
        return self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """lr = base_lr gamma^n, with n the number of milestones that are at most t.

    milestones  increasing steps
    """

    def __init__(self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = increasing("milestones", milestones)
        self.gamma = nonnegative("gamma", gamma)
        super().__init__(optimizer, span=max(self.milestones, default=80) * 5 // 4)

    def factor(self, t: float) -> float:
        return self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(LRScheduler):
    """lr = base_lr gamma^t."""

    def __init__(self, optimizer: Any, gamma: float) -> None:
        self.gamma = nonnegative("gamma", gamma)
        super().__init__(optimizer)

    def factor(self, t: float) -> float:
        return self.gamma**t


class PolynomialLR(LRScheduler):
    """lr = base_lr (1 - min(t / total_iters, 1))^power."""

    def __init__(self, optimizer: Any, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters = whole("total_iters", total_iters)
        self.power = nonnegative("power", power)
        super().__init__(optimizer, span=self.total_iters + 1)

    def factor(self, t: float) -> float:
        return (1 - min(t / self.total_iters, 1)) ** self.power


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (base_lr - eta_min) (1 + cos(π t / T_max)) / 2.

    The rate falls from base_lr at t = 0 to eta_min at T_max, rises back until 2 T_max, and so on.

    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5,
    without the restarts.
    """

    def __init__(self, optimizer: Any, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803
        self.T_max = whole("T_max", T_max)
        self.eta_min = nonnegative("eta_min", eta_min)
        super().__init__(optimizer, span=self.T_max + 1)

    def lr(self, t: float, base_lr: float) -> float:
        return cosine(base_lr, self.eta_min, t / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """lr = eta_min + (base_lr - eta_min) (1 + cos(π T_cur / T_i)) / 2, with restarts.

    T_cur  the steps since the last restart
    T_i    the steps from one restart to the next: T_0, T_0 T_mult, T_0 T_mult², ...
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5.
    """

    def __init__(
        self,
        optimizer: Any,
        T_0: int,  # noqa: N803
        T_mult: int = 1,  # noqa: N803
        eta_min: float = 0.0,
    ) -> None:
        self.T_0 = whole("T_0", T_0)
        self.T_mult = whole("T_mult", T_mult)
        self.eta_min = nonnegative("eta_min", eta_min)
        super().__init__(optimizer, span=self.T_0 * (1 + self.T_mult + self.T_mult**2))

    def step(self, epoch: float | None = None) -> None:
        """t = t + 1, or t = epoch, which may be a fraction: step(epoch + batch / batches)."""
        self.move_to(self.last_epoch + 1 if epoch is None else nonnegative("epoch", epoch))

    def since_restart(self, t: float) -> tuple[float, int]:
        """(T_cur, T_i): the steps since the last restart, and from that restart to the next."""
        if self.T_mult == 1:
            return t % self.T_0, self.T_0
        T_i = self.T_0  # noqa: N806
        while t >= T_i:
            t -= T_i
            T_i *= self.T_mult  # noqa: N806
        return t, T_i

    def lr(self, t: float, base_lr: float) -> float:
        T_cur, T_i = self.since_restart(t)  # noqa: N806
        return cosine(base_lr, self.eta_min, T_cur / T_i)


class WarmupCosineLR(LRScheduler):
    """lr = base_lr (t + 1) / (warmup_steps + 1) up to base_lr, then a cosine down to min_lr.

    The rate reaches min_lr at t = total_steps and stays there. It starts above 0, so that the first
    step is not lost. Until total_steps, a SequentialLR of a LinearLR and a CosineAnnealingLR gives
    the same rates.
    Goyal et al. 2017, section 2.2 (warm-up); Loshchilov and Hutter 2017, equation 5 (cosine).
    """

    def __init__(
        self, optimizer: Any, warmup_steps: int, total_steps: int, min_lr: float = 0.0
    ) -> None:
        self.warmup_steps = whole("warmup_steps", warmup_steps, low=0)
        self.total_steps = whole("total_steps", total_steps, low=self.warmup_steps + 1)
        self.min_lr = nonnegative("min_lr", min_lr)
        super().__init__(optimizer, span=self.total_steps + 1)

    def lr(self, t: float, base_lr: float) -> float:
        if t < self.warmup_steps:
            return base_lr * (t + 1) / (self.warmup_steps + 1)
        done = (t - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return cosine(base_lr, self.min_lr, min(done, 1))


class MomentumCycle(LRScheduler):
    """A schedule that also moves the momentum of each group: SGD's, or β1 of Adam's betas."""

    def momentums(self, t: float) -> list[float]:
        raise NotImplementedError

    def move_to(self, t: float) -> None:
        super().move_to(t)
        if self.cycle_momentum:
            for group, momentum in zip(self.optimizer.param_groups, self.momentums(t)):
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum

    def keep_momentum(
        self, optimizer: Any, cycle_momentum: bool, base_momentum: Any, max_momentum: Any
    ) -> None:
        """Keep the settings. Raises ValueError if the momentum is to cycle and a group has none."""
        self.cycle_momentum = cycle_momentum
        self.base_momentums = numbers_of_groups("base_momentum", base_momentum, optimizer, high=1)
        self.max_momentums = numbers_of_groups("max_momentum", max_momentum, optimizer, high=1)
        for group in param_groups_of(optimizer):
            if cycle_momentum and "betas" not in group and "momentum" not in group:
                raise ValueError(
                    f"cycle_momentum=True needs an optimizer with momentum or betas, and "
                    f"{type(optimizer).__name__} has neither: pass cycle_momentum=False"
                )


class CyclicLR(MomentumCycle):
    """lr = base_lr + (max_lr - base_lr) h(t) with h = triangle(t) scale(t): up and down forever.

    base_lr, max_lr  one for all groups, or a list with one for each
    step_size_up     steps from base_lr to max_lr
    step_size_down   steps from max_lr to base_lr, by default as many
    mode             scale: "triangular" 1; "triangular2" 1/2^(cycle - 1); "exp_range" gamma^t
    scale_fn         in place of a mode: a function of the cycle 1, 2, ... or, with scale_mode
                     "iterations", of t; it is not in `state_dict`
    cycle_momentum   momentum = max_momentum - (max_momentum - base_momentum) h(t)

    Smith 2017, "Cyclical learning rates for training neural networks", section 3.
    """

    def __init__(
        self,
        optimizer: Any,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[Any], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
    ) -> None:
        down = step_size_up if step_size_down is None else step_size_down
        self.step_size_up = whole("step_size_up", step_size_up)
        self.step_size_down = whole("step_size_down", down)
        self.mode = one_of("mode", mode, "triangular", "triangular2", "exp_range")
        self.gamma = nonnegative("gamma", gamma)
        self.scale_fn = scale_fn
        self.scale_mode = one_of("scale_mode", scale_mode, "cycle", "iterations")
        self.max_lrs = numbers_of_groups("max_lr", max_lr, optimizer)
        self.keep_momentum(optimizer, cycle_momentum, base_momentum, max_momentum)
        period = self.step_size_up + self.step_size_down
        super().__init__(
            optimizer, 3 * period + 1, numbers_of_groups("base_lr", base_lr, optimizer)
        )

    def triangle(self, t: float) -> float:
        """From 0 up to 1 and back to 0."""
        up, down = self.step_size_up, self.step_size_down
        t = t % (up + down)
        return t / up if t <= up else (up + down - t) / down

    def scale(self, t: float) -> float:
        """The height of the triangle."""
        cycle = 1 + t // (self.step_size_up + self.step_size_down)
        if self.scale_fn is not None:
            return float(self.scale_fn(cycle if self.scale_mode == "cycle" else t))
        if self.mode == "triangular2":
            return 0.5 ** (cycle - 1)
        if self.mode == "exp_range":
            return self.gamma**t
        return 1.0

    def lrs(self, t: float) -> list[float]:
        h = self.triangle(t) * self.scale(t)
        return [low + (high - low) * h for low, high in zip(self.base_lrs, self.max_lrs)]

    def momentums(self, t: float) -> list[float]:
        h = self.triangle(t) * self.scale(t)
        ends = zip(self.base_momentums, self.max_momentums)
        return [high - (high - low) * h for low, high in ends]


class OneCycleLR(MomentumCycle):
    """lr rises from initial_lr to max_lr, then falls to min_lr, once in total_steps.

    initial_lr = max_lr / div_factor, min_lr = initial_lr / final_div_factor

    max_lr            one for all groups, or a list with one for each
    total_steps       by default epochs · steps_per_epoch
    pct_start         the fraction of the steps in which the rate rises
    anneal_strategy   "cos" or "linear": the curve of each rise and fall
    cycle_momentum    True: the momentum falls from max_momentum to base_momentum while the rate
                      rises, and rises back while the rate falls
    three_phase       True: lr falls to initial_lr in as many steps as it rose, then to min_lr

    A loop calls `step()` after every step, total_steps times in all. The last of these calls keeps
    min_lr (PyTorch extrapolates); one more raises ValueError.

    Smith and Topin 2018, "Super-convergence: very fast training of neural networks using large
    learning rates", section 3. The paper's cycle has three linear phases.
    """

    def __init__(
        self,
        optimizer: Any,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "OneCycleLR needs total_steps, or both epochs and steps_per_epoch: total_steps "
                    f"is None, epochs {epochs}, steps_per_epoch {steps_per_epoch}"
                )
            total_steps = whole("epochs", epochs) * whole("steps_per_epoch", steps_per_epoch)
        self.total_steps = whole("total_steps", total_steps)
        # with three phases, a rise and a fall of this length must fit
        self.pct_start = nonnegative("pct_start", pct_start, high=0.5 if three_phase else 1)
        self.anneal_strategy = one_of("anneal_strategy", anneal_strategy, "cos", "linear")
        self.three_phase = three_phase
        self.final_div_factor = positive("final_div_factor", final_div_factor)
        self.max_lrs = numbers_of_groups("max_lr", max_lr, optimizer)
        self.keep_momentum(optimizer, cycle_momentum, base_momentum, max_momentum)
        initial_lrs = [lr / positive("div_factor", div_factor) for lr in self.max_lrs]
        super().__init__(optimizer, self.total_steps, initial_lrs)

    def between(self, t: float, *values: float) -> float:
        """The value at step t on the curve from the first value through the others to the last."""
        if t > self.total_steps:
            raise ValueError(
                f"OneCycleLR ends after total_steps={self.total_steps}, and this is step {t:g}; "
                "set total_steps to the number of steps of your training"
            )
        rise, end = self.pct_start * self.total_steps - 1, self.total_steps - 1
        knots = [0, rise, 2 * rise, end] if self.three_phase else [0, rise, end]
        t = min(t, end)
        i = min(bisect_left(knots, t, lo=1), len(knots) - 1)
        phase = knots[i] - knots[i - 1]
        done = (t - knots[i - 1]) / phase if phase else 1.0
        way = cosine if self.anneal_strategy == "cos" else straight
        return way(values[i - 1], values[i], done)

    def lrs(self, t: float) -> list[float]:
        rates = []
        for initial_lr, max_lr in zip(self.base_lrs, self.max_lrs):
            down = [initial_lr] if self.three_phase else []
            min_lr = initial_lr / self.final_div_factor
            rates.append(self.between(t, initial_lr, max_lr, *down, min_lr))
        return rates

    def momentums(self, t: float) -> list[float]:
        return [
            self.between(t, high, low, high, high)
            for low, high in zip(self.base_momentums, self.max_momentums)
        ]


class ReduceLROnPlateau(LRScheduler):
    """lr = max(factor lr, min_lr) after more than `patience` steps without a better metric.

    mode            "min": lower is better; "max": higher is better
    threshold       the least improvement that counts
    threshold_mode  "rel": threshold is a fraction of the best metric, for metrics above 0; "abs":
                    threshold is a difference
    cooldown        steps after a reduction that are not counted
    min_lr          one for all groups, or a list with one for each
    eps             a reduction of lr by this or less is not made

    This is the only schedule that is not a function of t: `step(metrics)` takes the metric to
    watch. `plot` shows the rates for a metric that never improves again.
    """

    def __init__(
        self,
        optimizer: Any,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        self.mode = one_of("mode", mode, "min", "max")
        self.reduction = nonnegative("factor", factor, high=1)
        if self.reduction == 1:
            raise ValueError(f"factor must be below 1 to reduce anything, and it is {factor}")
        self.patience = whole("patience", patience, low=0)
        self.threshold = nonnegative("threshold", threshold)
        self.threshold_mode = one_of("threshold_mode", threshold_mode, "rel", "abs")
        self.cooldown = whole("cooldown", cooldown, low=0)
        self.min_lrs = numbers_of_groups("min_lr", min_lr, optimizer)
        self.eps = nonnegative("eps", eps)
        self.best = self.worst = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.current_lrs = [float(group["lr"]) for group in param_groups_of(optimizer)]
        super().__init__(optimizer, span=5 * (self.patience + self.cooldown + 1))

    def lrs(self, t: float) -> list[float]:
        return list(self.current_lrs)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """t = t + 1; `metrics` is the metric after this step. nan is never better."""
        metric = metrics.item() if hasattr(metrics, "item") else float(metrics)
        self.num_bad_epochs += 1
        if self.is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        self.current_lrs = [float(group["lr"]) for group in self.optimizer.param_groups]
        if self.num_bad_epochs > self.patience:
            self.current_lrs = list(map(self.reduced, self.current_lrs, self.min_lrs))
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self.move_to(self.last_epoch + 1)

    def is_better(self, metric: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * metric > sign * self.best * (1 + sign * self.threshold)
        return sign * metric > sign * self.best + self.threshold

    def reduced(self, lr: float, min_lr: float) -> float:
        new_lr = max(self.reduction * lr, min_lr)
        return new_lr if lr - new_lr > self.eps else lr

    def curve(self, steps: int) -> list[list[float]]:
        future = copy.copy(self)
        future.optimizer = copy.copy(self.optimizer)
        future.optimizer.param_groups = [dict(group) for group in self.optimizer.param_groups]
        rates = []
        for _ in range(whole("steps", steps)):
            rates.append(future.get_last_lr())
            future.step(self.worst)
        return rates


class SequentialLR(LRScheduler):
    """lr = lr_i(t - milestone_i), with the last schedule i whose milestone is at most t.

    schedulers  schedules of this optimizer; each of them starts at its own t = 0
    milestones  increasing steps, one fewer than schedulers: where the second one starts, the third,
                and so on

    Raises ValueError or TypeError for schedules that cannot follow one another.
    """

    def __init__(
        self, optimizer: Any, schedulers: Sequence[LRScheduler], milestones: Iterable[int]
    ) -> None:
        self.milestones = increasing("milestones", milestones)
        self.schedulers = list(schedulers)
        if len(self.schedulers) != len(self.milestones) + 1:
            raise ValueError(
                f"SequentialLR needs one milestone fewer than schedulers: {len(self.schedulers)} "
                f"schedulers, and milestones {self.milestones}"
            )
        for i, scheduler in enumerate(self.schedulers):
            name = f"schedulers[{i}], a {type(scheduler).__name__},"
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{name} is not a schedule")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name} needs a metric for every step, and SequentialLR has none")
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{name} belongs to another optimizer")
        last_start = max(self.milestones, default=0)
        super().__init__(optimizer, last_start + self.schedulers[-1].span)

    def part(self, t: float) -> tuple[LRScheduler, float]:
        """The schedule that is in force at step t, and its own t."""
        i = bisect_right(self.milestones, t)
        return self.schedulers[i], t - [0, *self.milestones][i]

    def lrs(self, t: float) -> list[float]:
        scheduler, t = self.part(t)
        return scheduler.lrs(t)

    def move_to(self, t: float) -> None:
        scheduler, own_t = self.part(t)
        scheduler.move_to(own_t)
        self.last_epoch = t

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"schedulers": [s.state_dict() for s in self.schedulers]}

    def dicts(self) -> list[dict[str, Any]]:
        return super().dicts() + [each for part in self.schedulers for each in part.dicts()]

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        for scheduler, its_state in zip(self.schedulers, state["schedulers"]):
            scheduler.go_on_from(its_state)
        super().go_on_from(state)

    def check_state(self, state: Mapping[str, Any]) -> None:
        super().check_state(state)
        if len(state["schedulers"]) != len(self.schedulers):
            raise ValueError(
                f"this state has {len(state['schedulers'])} schedulers, and this SequentialLR has "
                f"{len(self.schedulers)}; nothing was loaded"
            )
        for scheduler, its_state in zip(self.schedulers, state["schedulers"]):
            scheduler.check_state(its_state)


def replaces(x: Any, y: Any) -> bool:
    """Whether x may replace y: two numbers, lists of such, or one type; None replaces anything."""
    if isinstance(x, list | tuple) and isinstance(y, list | tuple):
        return all(replaces(each, other) for each in x for other in y[:1])
    if isinstance(x, Real) and isinstance(y, Real):
        return True
    return x is None or y is None or type(x) is type(y)


def straight(start: float, end: float, done: float) -> float:
    """start + (end - start) done, with done from 0 to 1."""
    return start + (end - start) * done


def cosine(start: float, end: float, done: float) -> float:
    """end + (start - end) (1 + cos(π done)) / 2, with done from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def param_groups_of(optimizer: Any) -> list[dict[str, Any]]:
    groups = getattr(optimizer, "param_groups", None)
    if groups is None:
        raise TypeError(
            "a schedule needs an optimizer with param_groups, and this is of type "
            f"{type(optimizer).__name__}"
        )
    return groups


def one_per_group(name: str, x: Any, optimizer: Any) -> list[Any]:
    """One value for each group: those in the list x, or x for all groups."""
    n = len(param_groups_of(optimizer))
    if not isinstance(x, list | tuple):
        return [x] * n
    if len(x) != n:
        raise ValueError(f"{name} has {len(x)} values, and the optimizer has {n} parameter groups")
    return list(x)


def numbers_of_groups(name: str, x: Any, optimizer: Any, high: float = math.inf) -> list[float]:
    return [nonnegative(name, value, high) for value in one_per_group(name, x, optimizer)]
