"""How does each schedule change the learning rate?

A schedule is a function of the step. We draw all schedules for SGD with a learning rate of 0.1 over
100 steps, with settings that show their shapes.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from tinygrad_edu import Tensor, optim
from tinygrad_edu.optim import lr_scheduler as schedules
from tinygrad_edu.viz.plots import plot_schedule
from tinygrad_edu.viz.plots.style import panels

STEPS = 101


def warm_up_then_stairs(sgd: optim.SGD) -> schedules.SequentialLR:
    parts = [schedules.LinearLR(sgd, total_iters=20), schedules.StepLR(sgd, 30, gamma=0.5)]
    return schedules.SequentialLR(sgd, parts, milestones=[20])


SCHEDULES: list[Callable[[optim.SGD], schedules.LRScheduler]] = [
    lambda sgd: schedules.LambdaLR(sgd, lambda t: 1 / (1 + t / 10)),
    lambda sgd: schedules.ConstantLR(sgd, total_iters=40),
    lambda sgd: schedules.LinearLR(sgd, total_iters=40),
    lambda sgd: schedules.StepLR(sgd, 20, gamma=0.5),
    lambda sgd: schedules.MultiStepLR(sgd, [50, 80], gamma=0.3),
    lambda sgd: schedules.ExponentialLR(sgd, gamma=0.96),
    lambda sgd: schedules.PolynomialLR(sgd, 100, power=2.0),
    lambda sgd: schedules.CosineAnnealingLR(sgd, T_max=100),
    lambda sgd: schedules.CosineAnnealingWarmRestarts(sgd, T_0=14, T_mult=2),
    lambda sgd: schedules.WarmupCosineLR(sgd, warmup_steps=15, total_steps=100),
    lambda sgd: schedules.CyclicLR(sgd, 0.01, 0.1, step_size_up=16, mode="triangular2"),
    lambda sgd: schedules.OneCycleLR(sgd, max_lr=0.1, total_steps=STEPS),
    lambda sgd: schedules.ReduceLROnPlateau(sgd, factor=0.5, patience=20),
    warm_up_then_stairs,
]


def schedules_of_one_rate() -> list[schedules.LRScheduler]:
    weight = Tensor(0.0, requires_grad=True)
    return [make(optim.SGD([weight], lr=0.1, momentum=0.9)) for make in SCHEDULES]


def picture(made: list[schedules.LRScheduler]):
    axes = panels("abc;def;ghi;jkl;mn.", 9, 10, sharex=True, sharey=True)
    for k, (ax, schedule) in enumerate(zip(axes, made, strict=True)):
        plot_schedule(schedule, STEPS, ax)
        name = type(schedule).__name__.replace("WarmRestarts", "\nWarmRestarts")
        ax.set(title=name, ylabel="learning rate" if k % 3 == 0 else "")
        ax.set_xlabel("step" if k in (11, 12, 13) else "")
    axes[11].tick_params(labelbottom=True)
    return axes[0].figure


def main(out: Path = Path("out/schedules")) -> dict[str, list[float]]:
    made = schedules_of_one_rate()
    rates = {type(each).__name__: [rate for (rate,) in each.curve(STEPS)] for each in made}
    for name, rate in rates.items():
        print(f"{name:28} from {rate[0]:.4f} to {rate[-1]:.4f}, mean {fmean(rate):.4f}")

    path = out / "schedules.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(made).savefig(path)
    print(f"the schedules: {path}")
    return rates


if __name__ == "__main__":
    main()
