"""How do straight pieces form a sine, and how do smooth steps?

Two networks have sixteen hidden units each. With relu, the prediction is straight between the
points where a unit turns on or off. With tanh, each unit is a smooth step. Both learn from noisy
samples. On new samples, no mean error can be smaller than their noise, and both come near it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tinygrad_edu import manual_seed, nn, no_grad, optim, train
from tinygrad_edu.losses import mse_loss
from tinygrad_edu.viz.plots import plot_learning
from tinygrad_edu.viz.plots.style import label_ends, line, panels

NOISE, EPOCHS, HIDDEN = 0.1, 300, 16
X = np.linspace(-np.pi, np.pi, 601)[:, None]
SHOWN = (EPOCHS, 10, 1)  # the fits after these epochs are drawn


def samples(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.uniform(-np.pi, np.pi, (n, 1))
    return x, np.sin(x) + NOISE * rng.standard_normal((n, 1))


def learn(
    activation: Callable[[], nn.Module], data: tuple, new: tuple
) -> tuple[nn.Sequential, list[np.ndarray], np.ndarray]:
    """The network, and after each epoch its fit and its root mean squared error on `new`."""
    manual_seed(0)
    model = nn.Sequential(nn.Linear(1, HIDDEN), activation(), nn.Linear(HIDDEN, 1))
    adam = optim.Adam(model.parameters(), lr=0.01)
    fits = []

    @no_grad()
    def remember_the_fit(history: train.History) -> None:
        fits.append(model(X).data)

    history = train.fit(
        model, mse_loss, adam, train.batches(*data, 20), new, epochs=EPOCHS,
        scheduler=optim.lr_scheduler.CosineAnnealingLR(adam, T_max=EPOCHS),
        callbacks=[remember_the_fit], progress=False,
    )  # fmt: skip
    return model, fits, np.sqrt(history.validation_loss)


def draw_fits(ax: Axes, fits: list[np.ndarray], data: tuple, title: str) -> None:
    ax.plot(*data, ".", color="0.7", markersize=4)
    ax.plot(X, np.sin(X), color="black", linewidth=1, label="sine")
    for k, epoch in enumerate(SHOWN):
        ax.plot(X, fits[epoch - 1], **line(k), label=f"epoch {epoch}")
    ax.set(xlabel="$x$ (radians)", ylim=(-1.6, 1.6), title=title)
    label_ends(ax)


def kinks(model: nn.Sequential, fit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of the fit where w x + b = 0 in a hidden unit."""
    first = model.layers[0]
    x = -first.bias.data / first.weight.data[0]
    x = x[np.abs(x) < np.pi]
    return x, np.interp(x, X[:, 0], fit[:, 0])


def picture(learned: dict[str, tuple], data: tuple, path: Path) -> None:
    relu, tanh, error = panels("ab;cc", 8, 7, height_ratios=[3, 2])
    model, fits, _ = learned["relu"]
    draw_fits(
        relu, fits, data, f"{HIDDEN} units of relu: straight pieces,\na dot where a unit turns on"
    )
    relu.plot(*kinks(model, fits[-1]), "o", color="black", markersize=5)
    draw_fits(
        tanh, learned["tanh"][1], data, f"{HIDDEN} units of tanh: smooth\n(grey: the samples)"
    )
    errors = {name: errors for name, (_, _, errors) in learned.items()}
    plot_learning(errors, mean=1, marks={"the noise alone": NOISE}, xlabel="epoch", ax=error,
                  ylabel="root mean square", title="Error on new samples")  # fmt: skip
    error.figure.savefig(path)


def main(out: Path = Path("out/sine_regression")) -> dict[str, float]:
    rng = np.random.default_rng(0)
    data, new = samples(rng, 200), samples(rng, 1000)
    learned = {"relu": learn(nn.ReLU, data, new), "tanh": learn(nn.Tanh, data, new)}
    final = {name: float(errors[-1]) for name, (_, _, errors) in learned.items()}
    print(*(f"{name}: error {final[name]:.3f}, noise {NOISE}" for name in final), sep="\n")
    path = out / "fits.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(learned, data, path)
    print(f"the fits: {path}")
    return final


if __name__ == "__main__":
    main()
