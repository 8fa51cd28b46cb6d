"""What does a schedule of the learning rate change if everything else is the same?

We train one network with one optimizer and six schedules. All see the same digits in the same
order, with noise on the pixels, so that no image comes twice. A large learning rate is fast at
first, but later it jumps around the minimum. A schedule that lowers the rate in time is fast too,
and ends lower.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from tinygrad_edu import losses, nn, optim, train
from tinygrad_edu.optim import lr_scheduler as schedules
from tinygrad_edu.viz.plots.style import draw_runs, label_ends, line, panels

LR, NOISE, EPOCHS, SEEDS = 0.2, 0.3, 20, 4
SCHEDULES: dict[str, Callable[[optim.SGD, int], schedules.LRScheduler]] = {
    "constant": lambda sgd, steps: schedules.LambdaLR(sgd, lambda t: 1.0),
    "steps": lambda sgd, steps: schedules.StepLR(sgd, steps // 3, gamma=0.1),
    "exponential": lambda sgd, steps: schedules.ExponentialLR(sgd, gamma=0.01 ** (1 / steps)),
    "cosine": lambda sgd, steps: schedules.CosineAnnealingLR(sgd, T_max=steps),
    "warm-up, cosine": lambda sgd, steps: schedules.WarmupCosineLR(sgd, steps // 10, steps),
    "one cycle": lambda sgd, steps: schedules.OneCycleLR(sgd, LR, steps, cycle_momentum=False),
}


def training(name: str, seed: int, data: tuple, new: tuple) -> tuple[list, list, list, float]:
    """The rate of each batch, both losses of each epoch, and the final accuracy on new digits."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(64, 32, rng=rng), nn.ReLU(), nn.Linear(32, 10, rng=rng))
    batches = train.batches(*data, 32, drop_last=True, rng=rng)
    sgd = optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    schedule = SCHEDULES[name](sgd, EPOCHS * len(batches))
    rates, learned, held_out = [], [], []
    for _ in range(EPOCHS):
        values = []
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
        learned.append(np.mean(values))
        held_out.append(scores["loss"])
    return rates, learned, held_out, scores["accuracy"]


def picture(runs: dict[str, list[tuple]], path: Path) -> None:
    above, middle, below = panels("a;b;c", 9, 10, height_ratios=(3, 4, 4))
    epochs = range(1, EPOCHS + 1)
    for k, (name, found) in enumerate(runs.items()):
        above.plot(np.linspace(0, EPOCHS, len(found[0][0])), found[0][0], **line(k), label=name)
        for ax, which in ((middle, 1), (below, 2)):
            draw_runs(ax, epochs, [run[which] for run in found], k, name)
    above.set(ylabel="learning rate", title="Six schedules ...")
    middle.set(title=f"... the loss while learning: mean and range of {SEEDS} seeds")
    below.set(title="... and on new digits, without noise", xlabel="epoch")
    for ax in (above, middle, below):
        ax.set(xticks=range(0, EPOCHS + 1, 5))
    for ax in (middle, below):
        ax.set(ylabel="cross-entropy (nats)", yscale="log")
        label_ends(ax)
    above.figure.savefig(path)


def main(out: Path = Path("out/schedules_compared")) -> dict[str, tuple[float, float, float]]:
    out.mkdir(parents=True, exist_ok=True)
    pixels, digits = load_digits(return_X_y=True)
    data, new = train.split(pixels / 16, digits, validation=0.25, rng=np.random.default_rng(0))
    runs, ends = {}, {}
    for name in SCHEDULES:
        runs[name] = [training(name, seed, data, new) for seed in range(SEEDS)]
        last = [(learned[-1], held_out[-1], right) for _, learned, held_out, right in runs[name]]
        ends[name] = tuple(np.mean(last, axis=0).tolist())
        spread = np.std(last, axis=0, ddof=1)
        shown = [f"{m:.3f} ± {d:.3f}" for m, d in zip(ends[name], spread, strict=True)]
        print("{:16} loss {}, on new digits {}, right {}".format(name, *shown))
    picture(runs, out / "schedules_compared.png")
    print(f"picture: {out / 'schedules_compared.png'}")
    return ends


if __name__ == "__main__":
    main()
