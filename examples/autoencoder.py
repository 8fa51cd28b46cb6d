"""What is left of a digit of which only two numbers may pass?

One network turns the 64 pixels of a digit into two numbers, another turns these into 64 pixels
again, and both learn together to make the copy like the original. Nobody tells them which digit it
is. The two numbers are a place on a map, and the map is drawn. What the nonlinear layers are good
for shows beside the best that a linear map can do: the first two principal components.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib import color_sequences
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from sklearn.datasets import load_digits

from tinygrad_edu import losses, manual_seed, nn, optim, train


def perceptron(*sizes: int) -> nn.Sequential:
    linear = [nn.Linear(n, m, dtype=np.float32) for n, m in pairwise(sizes)]
    return nn.Sequential(*(layer for each in linear for layer in (each, nn.Tanh())))


def project(x_new: np.ndarray, x: np.ndarray, n: int) -> np.ndarray:
    """x_new in the n directions in which x varies most: its principal components."""
    directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False).Vh[:n]
    return x.mean(axis=0) + (x_new - x.mean(axis=0)) @ directions.T @ directions


def error(copy: np.ndarray, x: np.ndarray) -> float:
    """The mean squared error as a share of the variance."""
    return float(np.mean((copy - x) ** 2) / np.mean((x - x.mean(axis=0)) ** 2))


def show(ax: Axes, rows: np.ndarray, **options) -> None:
    """Digits, (rows, columns, 64), as one picture with white lines between them."""
    digits = np.pad(rows.reshape(*rows.shape[:2], 8, 8), ((0, 0),) * 2 + ((0, 1),) * 2)
    digits[:, :, 8], digits[:, :, :, 8] = -1, -1
    image = digits.swapaxes(1, 2).reshape(9 * rows.shape[0], 9 * rows.shape[1])
    ax.imshow(image, cmap="gray_r", vmin=-1, vmax=1, **options)


def picture(codes: np.ndarray, digits: np.ndarray, decoder, copies: dict) -> Figure:
    fig = Figure(figsize=(10, 6.9), dpi=150, layout="constrained")
    above, below = fig.subfigures(2, 1, height_ratios=(5, 1.55))
    where, grid = above.subplots(1, 2)
    for digit, color in enumerate(color_sequences["petroff10"]):  # safe for the colour-blind
        here = codes[digits == digit]
        where.scatter(*here.T, marker=f"${digit}$", s=40, color=color, linewidths=0.4)
        label = where.text(*here.mean(axis=0), digit, size=26, weight="bold", color=color)
        label.set(ha="center", va="center", path_effects=[withStroke(linewidth=4, foreground="w")])
    places = np.linspace(-0.94, 0.94, 17, dtype=np.float32)
    lattice = np.stack(np.meshgrid(places, -places), axis=-1)
    show(grid, decoder(lattice).data, extent=(-1, 1, -1, 1))
    where.set_title("Where the encoder puts held-out digits")
    grid.set_title("What the decoder makes of each place")
    for ax in (where, grid):
        ax.set(xlabel="first number", ylabel="second number", aspect="equal")
        ax.set(xlim=(-1, 1), ylim=(-1, 1), xticks=(-1, 0, 1), yticks=(-1, 0, 1))

    ax = below.subplots()
    some = np.concatenate([np.flatnonzero(digits == digit)[:2] for digit in range(10)])
    show(ax, np.stack([images[some] for images in copies.values()]))
    ax.set(xticks=[], yticks=[4, 13, 22], yticklabels=copies, frame_on=False)
    return fig


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
    copies = {"held-out digit": x_new, "from two numbers": copy, "two components": straight}
    ours, theirs = error(copy, x_new), error(straight, x_new)
    as_good = next(n for n in range(1, 65) if error(project(x_new, x, n), x_new) < ours)
    print(f"lost of the variance of held-out digits: {ours:.0%}, two components {theirs:.0%}")
    print(f"it takes {as_good} components to lose as little as two numbers of the encoder")

    path = out / "autoencoder.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(codes, digits, decoder, copies).savefig(path)
    print(f"the map: {path}")
    return ours, theirs


if __name__ == "__main__":
    main()
