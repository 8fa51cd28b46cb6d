"""How does a network wind its boundaries around three spiral arms?

Two hidden layers of relu see only the two coordinates of a point. The animation has one picture for
each epoch: first the boundaries are almost straight, and then they bend until they follow the arms.
A quarter of the points is held out, to see whether it learned the arms or only the points.
"""

from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from tinygrad_edu import manual_seed, nn, no_grad, optim, train
from tinygrad_edu.losses import cross_entropy

EPOCHS, ROWS, NOISE = 50, 250, 0.12
COLORS, MARKERS = ("#56B4E9", "#E69F00", "#009E73"), "o^s"
SIDE = np.linspace(-1.15, 1.15, 200)
PLANE = np.stack(np.meshgrid(SIDE, SIDE), axis=-1)


def spirals(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three arms, a third of a turn apart, that each go around the middle once."""
    arm = np.repeat(np.arange(3), ROWS)
    radius = np.sqrt(rng.uniform(0.01, 1, 3 * ROWS))  # as many points to an area everywhere
    angle = 2 * np.pi * (arm / 3 + radius) + NOISE * rng.standard_normal(3 * ROWS)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1), arm


def draw_arms(ax: Axes, classes: np.ndarray, x: np.ndarray, arm: np.ndarray) -> None:
    """The class that each place in the plane belongs to, and the points."""
    frame = {"origin": "lower", "extent": (SIDE[0], SIDE[-1]) * 2}
    ax.imshow(classes, ListedColormap(COLORS), vmin=0, vmax=2, alpha=0.45, **frame)
    for k, (color, marker) in enumerate(zip(COLORS, MARKERS, strict=True)):
        mine = x[arm == k]
        ax.scatter(*mine.T, 14, color, marker=marker, edgecolors="black", linewidths=0.4)
    ax.set(xlabel="$x_1$", ylabel="$x_2$")


def animate(planes: list[np.ndarray], accuracy: list[float], data: tuple, path: Path) -> None:
    """One frame for each epoch, with the training points; the last one stays for a second."""
    fig = Figure(figsize=(4.8, 4.8), dpi=80, layout="constrained")
    ax = fig.subplots()
    draw_arms(ax, planes[0], *data)
    ax.set_title(" ")
    fig.draw_without_rendering()
    fig.set_layout_engine("none")  # the frames have one layout, which is found once
    writer = PillowWriter(fps=8)
    with writer.saving(fig, path, dpi=80):
        for epoch in [*range(len(planes)), *[len(planes) - 1] * 8]:
            ax.images[0].set_data(planes[epoch])
            ax.set_title(f"epoch {epoch + 1}: {accuracy[epoch]:.0%} of held-out points right")
            writer.grab_frame()


def picture(planes: list[np.ndarray], history: train.History, new: tuple) -> Figure:
    fig = Figure(figsize=(9, 4.6), dpi=100, layout="constrained")
    left, right = fig.subplots(1, 2)
    accuracy = history.metrics["accuracy"]
    draw_arms(left, planes[-1], *new)
    left.set_title(f"Held-out points: {accuracy[-1]:.1%} right")
    epochs = np.arange(len(accuracy)) + 1
    right.plot(epochs, accuracy, color="#0072B2", linewidth=2)
    right.axhline(1 / 3, color="black", linestyle="--", linewidth=1)
    right.text(epochs[-1], 0.345, "guessing", ha="right")
    right.set(xlabel="epoch", ylabel="held-out points right", ylim=(0, 1.02), title="Learning")
    right.yaxis.set_major_formatter("{x:.0%}")
    return fig


def main(out: Path = Path("out/spirals")) -> float:
    out.mkdir(parents=True, exist_ok=True)
    manual_seed(0)
    data, new = train.split(*spirals(np.random.default_rng(0)), validation=0.25)
    model = nn.Sequential(
        nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)
    )
    planes = []

    @no_grad()
    def remember_the_plane(history: train.History) -> None:
        planes.append(np.argmax(model(PLANE), axis=-1))

    history = train.fit(
        model, cross_entropy, optim.Adam(model.parameters(), lr=0.01), train.batches(*data, 32),
        new, epochs=EPOCHS, metrics={"accuracy": train.accuracy}, callbacks=[remember_the_plane],
    )  # fmt: skip
    accuracy = history.metrics["accuracy"]
    animate(planes, accuracy, data, out / "training.gif")
    picture(planes, history, new).savefig(out / "spirals.png")
    print(f"{accuracy[-1]:.1%} of {len(new[0])} held-out points are right")
    print(f"pictures: {out / 'training.gif'}, {out / 'spirals.png'}")
    return accuracy[-1]


if __name__ == "__main__":
    main()
