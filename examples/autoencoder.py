"""How much of a digit can two numbers keep?

An encoder turns the 64 pixels of a digit into two numbers, and a decoder turns these into 64 pixels
again. Both learn together to make the copy like the original; they never see which digit it is. The
two numbers are a point on a map, and we draw the map. To see what the nonlinear layers add, we
compare them with the best linear map: the first two principal components.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib import color_sequences
from matplotlib.patheffects import withStroke
from sklearn.datasets import load_digits

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.viz.plots import plot_images
from tinygrad_edu.viz.plots.style import figure, tidy


def perceptron(*sizes: int) -> nn.Sequential:
    linear = [nn.Linear(n, m, dtype=np.float32) for n, m in pairwise(sizes)]
    return nn.Sequential(*(layer for each in linear for layer in (each, nn.Tanh())))


def project(x_new: np.ndarray, x: np.ndarray, n: int) -> np.ndarray:
    """x_new projected on the n directions in which x varies most: its principal components."""
    directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False).Vh[:n]
    return x.mean(axis=0) + (x_new - x.mean(axis=0)) @ directions.T @ directions


def error(copy: np.ndarray, x: np.ndarray) -> float:
    """The mean squared error as a share of the variance."""
    return float(np.mean((copy - x) ** 2) / np.mean((x - x.mean(axis=0)) ** 2))


def picture(codes: np.ndarray, digits: np.ndarray, decoder, copies: dict, path: Path) -> None:
    above, below = figure(8, 6.6).subfigures(2, 1, height_ratios=(4, 2.2))
    where, grid = map(tidy, above.subplots(1, 2))
    for digit, color in enumerate(color_sequences["petroff10"]):  # safe for the colour-blind
        here = codes[digits == digit]
        where.scatter(*here.T, marker=f"${digit}$", s=30, color=color, linewidths=0.4)
        where.text(*here.mean(axis=0), digit, size=22, weight="bold", color=color, va="center",
                   ha="center", path_effects=[withStroke(linewidth=4, foreground="w")])  # fmt: skip
    where.set(xlabel="first number", ylabel="second number", aspect="equal",
              title="Where held-out digits are put")  # fmt: skip
    places = np.linspace(-0.9, 0.9, 15, dtype=np.float32)
    lattice = np.stack(np.meshgrid(places, -places), axis=-1).reshape(-1, 2)
    plot_images(decoder(lattice).data.reshape(-1, 8, 8), columns=15, ax=grid,
                title="What is made of each place")  # fmt: skip
    some = np.concatenate([np.flatnonzero(digits == digit)[:1] for digit in range(10)])
    rows = {name: images[some].reshape(-1, 8, 8) for name, images in copies.items()}
    plot_images(rows, limits=(-1, 1), ax=below.subplots())
    above.figure.savefig(path)


def main(out: Path = Path("out/autoencoder"), epochs: int = 100) -> tuple[float, float]:
    manual_seed(0)
    pixels, digits = load_digits(return_X_y=True)
    (x, _), (x_new, digits) = train.split((pixels / 8 - 1).astype(np.float32), digits, 0.25)

    encoder, decoder = perceptron(64, 128, 64, 2), perceptron(2, 64, 128, 64)
    model = nn.Sequential(encoder, decoder)
    adamw = optim.AdamW(model.parameters())
    data = train.batches(x, x, batch_size=64)
    cycle = optim.lr_scheduler.OneCycleLR(adamw, max_lr=0.01, total_steps=epochs * len(data))
    train.fit(model, losses.mse_loss, adamw, data, epochs=epochs, scheduler=cycle,
              scheduler_per_batch=True, progress=False)  # fmt: skip

    codes = encoder(x_new).data
    copy, straight = decoder(codes).data, project(x_new, x, 2)
    ours, theirs = error(copy, x_new), error(straight, x_new)
    copies = {
        "held-out digit": x_new,
        f"from two numbers\n({ours:.0%} is lost)": copy,
        f"from two principal\ncomponents, PCA ({theirs:.0%})": straight,
    }
    as_good = next(n for n in range(1, 65) if error(project(x_new, x, n), x_new) < ours)
    print(f"lost of the variance of held-out digits: {ours:.0%}, by PCA {theirs:.0%}")
    print(f"it takes {as_good} components to lose as little as two numbers of the encoder")

    path = out / "autoencoder.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(codes, digits, decoder, copies, path)
    print(f"the map: {path}")
    return ours, theirs


if __name__ == "__main__":
    main()
