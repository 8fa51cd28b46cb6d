"""What does a schedule of the learning rate change, with everything else the same?

One network, one optimizer, the same digits in the same order, with noise on the pixels so that none
is seen twice; and six schedules. A large rate learns fast at first, and then jumps about the
minimum as far as it is large. A schedule that comes down in time has the speed and a better end.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from tinygrad_edu import losses, nn, optim, train
from tinygrad_edu.optim import lr_scheduler as schedules
from tinygrad_edu.viz.plots.style import figure, line, tidy

LR, NOISE, EPOCHS, SEEDS = 0.2, 0.3, 20, 3
SCHEDULES: dict[str, Callable[[optim.SGD, int], schedules.LRScheduler]] = {
    "constant": lambda sgd, steps: schedules.LambdaLR(sgd, lambda t: 1.0),
    "steps": lambda sgd, steps: schedules.StepLR(sgd, steps // 3, gamma=0.1),
    "exponential": lambda sgd, steps: schedules.ExponentialLR(sgd, gamma=0.01 ** (1 / steps)),
    "cosine": lambda sgd, steps: schedules.CosineAnnealingLR(sgd, T_max=steps),
    "warm-up, cosine": lambda sgd, steps: schedules.WarmupCosineLR(sgd, steps // 10, steps),
    "one cycle": lambda sgd, steps: schedules.OneCycleLR(sgd, LR, steps, cycle_momentum=False),
}


def training(name: str, seed: int, data: tuple, new: tuple) -> tuple[list, list, float]:
    """The learning rate and the loss of each batch, and the accuracy on new digits at the end."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(64, 32, rng=rng), nn.ReLU(), nn.Linear(32, 10, rng=rng))
    batches = train.batches(*data, 32, drop_last=True, rng=rng)
    sgd = optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    schedule = SCHEDULES[name](sgd, EPOCHS * len(batches))
    rates, values = [], []
    for _ in range(EPOCHS):
        for x, y in batches:
            noisy = x + rng.normal(0, NOISE, x.shape)
            loss = losses.cross_entropy(model(noisy), y)
            sgd.zero_grad()
            loss.backward()
            rates.append(sgd.lr)
            values.append(loss.item())
            sgd.step()
            schedule.step()
    scores = train.evaluate(model, losses.cross_entropy, new, {"accuracy": train.accuracy})
    return rates, values, scores["accuracy"]


def picture(rates: dict[str, list], curves: dict[str, np.ndarray], steps: int, path: Path) -> None:
    fig = figure(8, 8)
    above, below = fig.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    for k, name in enumerate(SCHEDULES):
        above.plot(rates[name], **line(k), label=name)
        below.plot(np.arange(1, EPOCHS + 1) * steps, curves[name], **line(k), label=name)
    above.set(ylabel="learning rate", title="Six schedules ...")
    below.set(xlabel="step", ylabel="cross-entropy (nats), mean of an epoch", yscale="log")
    below.set_title(f"... and the loss while learning, mean of {SEEDS} seeds")
    below.legend(fontsize=11)
    tidy(above)
    tidy(below)
    fig.savefig(path)


def main(out: Path = Path("out/schedules_compared")) -> dict[str, tuple[float, float]]:
    out.mkdir(parents=True, exist_ok=True)
    pixels, digits = load_digits(return_X_y=True)
    data, new = train.split(pixels / 16, digits, validation=0.25, rng=np.random.default_rng(0))
    rates, curves, ends = {}, {}, {}
    for name in SCHEDULES:
        runs = [training(name, seed, data, new) for seed in range(SEEDS)]
        rates[name] = runs[0][0]
        curves[name] = np.mean([run[1] for run in runs], axis=0).reshape(EPOCHS, -1).mean(axis=1)
        accuracy = float(np.mean([run[2] for run in runs]))
        ends[name] = float(curves[name][-1]), accuracy
        print(f"{name:16} loss at the end {ends[name][0]:.5f}, new digits {accuracy:.1%} right")
    picture(rates, curves, len(rates["constant"]) // EPOCHS, out / "schedules_compared.png")
    print(f"picture: {out / 'schedules_compared.png'}")
    return ends


if __name__ == "__main__":
    main()
