"""Can a training stop in the middle, and go on as if it had never stopped?

We run the same training four times. Many parts of it have a state: Adam has its means, the schedule
its step, the batches their order, dropout its random generator. The first training never stops.
The second stops inside an epoch and is saved. The third starts with other weights and loads this
checkpoint. The fourth loads only the weights from it.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.viz.plots.style import line, mark_x, panels

STEPS, STOP = 84, 36  # 28 steps are an epoch: it stops in the second of three


def training(seed: int) -> dict:
    """{name: each object that changes in the training}"""
    manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    adam = optim.Adam(model.parameters())
    return {
        "model": model,
        "optimizer": adam,
        "schedule": optim.lr_scheduler.OneCycleLR(adam, max_lr=0.01, total_steps=STEPS),
        "data": train.batches(x / 16, y, batch_size=64, drop_last=True),
    }


def steps(model, optimizer, schedule, data) -> Iterator[float]:
    """Yield the loss of each step: one step of the training for each item."""
    while True:
        for x, y in data:
            optimizer.zero_grad()
            loss = losses.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            schedule.step()
            yield loss.item()


def picture(through: list[float], resumed: list[float], forgetful: list[float]):
    above, below = panels("a;b", 8, 6, height_ratios=(5, 2))
    step = np.arange(1, STEPS + 1)
    wide = {"color": "0.8", "linewidth": 7, "label": "the first, never stopped"}
    above.plot(step, through, **wide)
    for k, (loss, loaded) in enumerate(((resumed, "everything"), (forgetful, "only the weights"))):
        above.plot(step[STOP:], loss, **line(k), label=f"a new model that loaded {loaded}")
        below.plot(step[STOP:], np.subtract(loss, through[STOP:]), **line(k))
    above.set(ylabel="cross-entropy (nats)", title="The loss of each batch")
    below.set(
        xlabel="step", ylabel="nats", title="... less that of the first", xlim=above.get_xlim()
    )
    above.legend(frameon=False)
    mark_x(above, STOP + 0.5, "saved here", height=0.5)
    return above.figure


def main(out: Path = Path("out/resume")) -> tuple[list[float], list[float], list[float]]:
    checkpoint, path = out / "stopped.npz", out / "resume.png"
    out.mkdir(parents=True, exist_ok=True)

    first = training(seed=0)
    through = list(islice(steps(**first), STEPS))

    second = training(seed=0)
    stopped = list(islice(steps(**second), STOP))
    train.save(checkpoint, **second)

    third = training(seed=1)
    train.load(checkpoint, **third)
    resumed = stopped + list(islice(steps(**third), STEPS - STOP))

    fourth = training(seed=1)
    train.load(checkpoint, model=fourth["model"])
    forgetful = stopped + list(islice(steps(**fourth), STEPS - STOP))

    print(f"{checkpoint} was saved after step {STOP}, in {checkpoint.stat().st_size:,} bytes")
    for loaded, curve, run in ("all", resumed, third), ("the weights only", forgetful, fourth):
        apart = max(np.abs(np.subtract(curve, through)))
        pairs = zip(first["model"].parameters(), run["model"].parameters(), strict=True)
        weights = max(np.max(np.abs(a.data - b.data)) for a, b in pairs)
        print(f"loaded {loaded}: losses differ by at most {apart:.2g}, weights by {weights:.2g}")
    picture(through, resumed[STOP:], forgetful[STOP:]).savefig(path)
    print(f"the losses: {path}")
    return through, resumed, forgetful


if __name__ == "__main__":
    main()
