"""What do the filters of a convolutional network look for when it reads digits?

A filter of 3 by 3 weights slides over a digit of 8 by 8 pixels; its output is large where it finds
its pattern. Two layers of filters learn from three quarters of scikit-learn's 1,797 digits, each
shifted at random by up to a pixel. We test them on the rest, and look at the filters.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from tinygrad_edu import losses, manual_seed, nn, optim, train
from tinygrad_edu.rng import default_rng
from tinygrad_edu.viz.plots import plot_filters, plot_images, plot_learning
from tinygrad_edu.viz.plots.style import figure, tidy


class Shift(nn.Module):
    """In training, each image moved by -1, 0 or 1 pixels in both directions; in eval mode, x."""

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


def picture(model: nn.Sequential, history: train.History, x: np.ndarray, y: np.ndarray, path: Path):
    above, below = figure(8, 7).subfigures(2, 1, height_ratios=(4, 3))
    digit, seen, found = above.subplot_mosaic("abbbb\nacccc").values()
    curves, misread = map(tidy, below.subplots(1, 2, width_ratios=(3, 2)))
    model.eval()
    filters, answers = model.layers[1].weight.data[:, 0], model[:4](x[:1]).data[0]
    plot_images(x[0], title="A held-out digit", ax=digit)
    plot_filters(filters, title="The 16 filters of the first layer", ax=seen)
    plot_images(answers, title="What each of them answers (black: much)", ax=found)
    losses = {"training, shifted,\nwith dropout": history.train_loss}
    losses["held out"] = history.validation_loss
    plot_learning(losses, xlabel="epoch", ylabel="cross-entropy (nats)", ax=curves)
    read = np.argmax(model(x).data, axis=1)
    wrong = np.flatnonzero(read != y)
    captions = [f"{y[i]} as {read[i]}" for i in wrong[:6]]
    title = f"{len(wrong)} of {len(y)} held-out digits\nare misread"
    plot_images(x[wrong[:6], 0], captions, columns=3, title=title, ax=misread)
    above.figure.savefig(path)


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
        scheduler_per_batch=True, metrics={"accuracy": train.accuracy},
    )  # fmt: skip
    accuracy = history.metrics["accuracy"][-1]
    print(f"read {accuracy:.1%} of {len(held_out[1])} held-out digits right")

    path = out / "digits_cnn.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(model, history, *held_out, path)
    print(f"picture: {path}")
    return accuracy


if __name__ == "__main__":
    main()
