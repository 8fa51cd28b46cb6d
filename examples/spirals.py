"""How does a network bend its boundaries around three spiral arms?

Two hidden layers with relu see only the two coordinates of a point. The animation has one picture
for each epoch: first the boundaries are almost straight, then they bend until they follow the arms.
A quarter of the points is held out, to test whether the network learns the arms or only the points.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np

from tinygrad_edu import manual_seed, nn, optim, train
from tinygrad_edu.losses import cross_entropy
from tinygrad_edu.viz.plots import animate, plot_boundary, plot_learning
from tinygrad_edu.viz.plots.style import panels

EPOCHS, ROWS, NOISE = 50, 250, 0.12
BOUNDS = (-1.15, 1.15, -1.15, 1.15)


def spirals(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three arms, a third of a turn apart; each goes once around the middle."""
    arm = np.repeat(np.arange(3), ROWS)
    radius = np.sqrt(rng.uniform(0.01, 1, 3 * ROWS))  # the same density everywhere
    angle = 2 * np.pi * (arm / 3 + radius) + NOISE * rng.standard_normal(3 * ROWS)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1), arm


def picture(model: nn.Module, history: train.History, new: tuple, path: Path) -> None:
    left, right = panels("ab", 8, 4.4)
    accuracy = history.metrics["accuracy"]
    title = f"{accuracy[-1]:.1%} of the held-out points\nare on the ground of their arm"
    arms = ["first arm", "second", "third"]
    plot_boundary(model, *new, names=arms, bounds=BOUNDS, title=title, ax=left)
    plot_learning({"": accuracy}, mean=1, marks={"guessing": 1 / 3}, xlabel="epoch", ax=right,
                  ylabel="held-out points right", title="Learning")  # fmt: skip
    right.yaxis.set_major_formatter("{x:.0%}")
    right.figure.savefig(path)


def main(out: Path = Path("out/spirals")) -> float:
    out.mkdir(parents=True, exist_ok=True)
    manual_seed(0)
    data, new = train.split(*spirals(np.random.default_rng(0)), validation=0.25)
    model = nn.Sequential(
        nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)
    )
    models = []
    history = train.fit(
        model, cross_entropy, optim.Adam(model.parameters(), lr=0.01), train.batches(*data, 32),
        new, epochs=EPOCHS, metrics={"accuracy": train.accuracy},
        callbacks=[lambda history: models.append(deepcopy(model))],
    )  # fmt: skip
    accuracy = history.metrics["accuracy"]

    def draw(ax, epoch: int) -> None:
        title = f"epoch {epoch + 1}: {accuracy[epoch]:.0%} of held-out points right"
        plot_boundary(models[epoch], *data, bounds=BOUNDS, title=title, ax=ax)

    animate(draw, range(EPOCHS), out / "training.gif")
    picture(model, history, new, out / "spirals.png")
    print(f"{accuracy[-1]:.1%} of {len(new[0])} held-out points are right")
    print(f"pictures: {out / 'training.gif'}, {out / 'spirals.png'}")
    return accuracy[-1]


if __name__ == "__main__":
    main()
