"""What do the filters of a convolutional network look for when it reads digits?

A filter of 3 by 3 weights slides over a digit of 8 by 8 pixels and answers where it finds its
pattern. Two layers of filters learn on three quarters of the 1,797 digits that scikit-learn ships,
shifted by up to a pixel at random, and are tested on the rest. Then we look at what they learned.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.rng import default_rng


class Shift(nn.Module):
    """In training: each image moved by -1, 0 or 1 pixels in both directions. Else: y = x."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if not self.training:
            return x
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        corners = default_rng().integers(0, 3, (len(x), 2))
        return np.stack([p[:, i : i + 8, j : j + 8] for p, (i, j) in zip(padded, corners)])


def network() -> nn.Sequential:
    return nn.Sequential(
        Shift(),
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(32 * 4 * 4, 10),
    ).astype(np.float32)  # fmt: skip


def show(ax: Axes, image: np.ndarray, cmap: str = "gray_r", largest: float | None = None) -> None:
    ax.imshow(image, cmap=cmap, vmin=-largest if largest else 0, vmax=largest)
    ax.set(xticks=[], yticks=[])


def picture(model: nn.Sequential, history: train.History, x: np.ndarray, y: np.ndarray) -> Figure:
    fig = Figure(figsize=(10, 7), dpi=150, layout="constrained")
    above, below = fig.subfigures(2, 1, height_ratios=(4, 3))
    digit, inside = above.subfigures(1, 2, width_ratios=(1, 4))
    curves, misread = below.subfigures(1, 2, width_ratios=(3, 2))

    model.eval()
    filters, answers = model.layers[1].weight.data[:, 0], model[:4](x[:1]).data[0]
    show(digit.add_subplot(title="A held-out digit"), x[0, 0])
    inside.suptitle("The 16 filters of the first layer (red is positive), below each its answer")
    for n, place in enumerate([*range(1, 9), *range(17, 25)]):
        show(inside.add_subplot(4, 8, place), filters[n], "RdBu_r", abs(filters).max())
        show(inside.add_subplot(4, 8, place + 8), answers[n])

    ax = curves.subplots()
    epochs = range(1, len(history) + 1)
    ax.plot(epochs, history.train_loss, color="#0072B2", label="training, shifted, with dropout")
    ax.plot(epochs, history.validation_loss, color="#D55E00", label="held out")
    ax.set(xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)

    read = np.argmax(model(x).data, axis=1)
    wrong = np.flatnonzero(read != y)
    misread.suptitle(f"Misread: {len(wrong)} of {len(y)} held-out digits")
    for n, i in enumerate(wrong[:6], start=1):
        show(misread.add_subplot(2, 3, n, title=f"{y[i]}, read as {read[i]}"), x[i, 0])
    return fig


def main(out: Path = Path("out/digits_cnn"), seed: int = 0, epochs: int = 30) -> float:
    manual_seed(seed)
    pixels, digits = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    (x, y), held_out = train.split(images, digits, 0.25)
    model = network()
    print(nn.summary(model, (1, 1, 8, 8)))

    data = train.batches(x, y, batch_size=64)
    adamw = optim.AdamW(model.parameters())
    cycle = optim.lr_scheduler.OneCycleLR(adamw, max_lr=0.01, total_steps=epochs * len(data))
    history = train.fit(
        model, losses.cross_entropy, adamw, data, held_out, epochs=epochs, scheduler=cycle,
        scheduler_per_batch=True, metrics={"accuracy": train.accuracy}, progress=False,
    )  # fmt: skip
    accuracy = history.metrics["accuracy"][-1]
    print(f"read {accuracy:.1%} of {len(held_out[1])} held-out digits right")

    path = out / "digits_cnn.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(model, history, *held_out).savefig(path)
    print(f"what it learned: {path}")
    return accuracy


if __name__ == "__main__":
    main()
