"""How does a network of straight pieces bend into a sine, and how does one of smooth steps?

Sixteen hidden units, twice: with relu, whose sum is straight between the places where one of its
units turns on or off, and with tanh, where each unit is a smooth step. Both learn from noisy
samples. On average no prediction of new ones can be closer than their noise: both come near that.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tinygrad_edu import manual_seed, nn, no_grad, optim, train
from tinygrad_edu.losses import mse_loss

NOISE, EPOCHS, HIDDEN = 0.1, 300, 16
X = np.linspace(-np.pi, np.pi, 601)[:, None]
SHOWN = {1: "#E69F00", 10: "#009E73", EPOCHS: "#0072B2"}  # after which epochs, in which colour


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


def draw_fits(ax: Axes, fits: list[np.ndarray], data: tuple) -> None:
    ax.plot(*data, ".", color="0.7", markersize=4, label="samples")
    ax.plot(X, np.sin(X), "k--", linewidth=1, label="sine")
    for epoch, color in SHOWN.items():
        ax.plot(X, fits[epoch - 1], color=color, linewidth=2, label=f"fit after epoch {epoch}")
    ax.set(xlabel="$x$ (radians)", ylabel="$y$", ylim=(-1.6, 1.6))


def draw_kinks(ax: Axes, model: nn.Sequential, fit: np.ndarray) -> None:
    """A dot on the fit wherever w x + b = 0 in a hidden unit."""
    first = model.layers[0]
    x = -first.bias.data / first.weight.data[0]
    x = x[np.abs(x) < np.pi]
    y = np.interp(x, X[:, 0], fit[:, 0])
    ax.plot(x, y, "o", color="#0072B2", markeredgecolor="white", label="a unit turns on or off")


def picture(learned: dict[str, tuple], data: tuple) -> Figure:
    fig = Figure(figsize=(8, 7), dpi=100, layout="constrained")
    panels = fig.subplot_mosaic([["relu", "tanh"], ["error", "error"]], height_ratios=[3, 2])
    error = panels["error"]
    for name, color in (("relu", "#D55E00"), ("tanh", "#56B4E9")):
        model, fits, errors = learned[name]
        draw_fits(panels[name], fits, data)
        panels[name].set_title(f"{HIDDEN} units of {name}")
        error.semilogy(np.arange(EPOCHS) + 1, errors, color=color, linewidth=1.5, label=name)
        if name == "relu":
            draw_kinks(panels[name], model, fits[-1])
    panels["relu"].legend(fontsize=8, loc="upper left")
    error.axhline(NOISE, color="black", linestyle="--", label="the noise alone")
    error.set(xlabel="epoch", ylabel="error (root mean square)", title="Error on new samples")
    error.set_yticks([0.1, 0.2, 0.4], ["0.1", "0.2", "0.4"])
    error.minorticks_off()
    error.legend()
    return fig


def main(out: Path = Path("out/sine_regression")) -> dict[str, float]:
    rng = np.random.default_rng(0)
    data, new = samples(rng, 200), samples(rng, 1000)
    learned = {"relu": learn(nn.ReLU, data, new), "tanh": learn(nn.Tanh, data, new)}
    final = {name: float(errors[-1]) for name, (_, _, errors) in learned.items()}
    print(*(f"{name}: error {final[name]:.3f}, noise {NOISE}" for name in final), sep="\n")
    path = out / "fits.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(learned, data).savefig(path)
    print(f"the fits: {path}")
    return final


if __name__ == "__main__":
    main()
