"""What does a smaller batch save, and what does it cost?

Gradient descent uses all rows for one step, stochastic gradient descent uses one row, and a
mini-batch has some rows. A gradient of B rows costs less, but it contains noise, whose variance
falls like 1 / B. We measure this noise, and compare the losses after the same amount of work. Each
size has its best learning rate, which is smaller if there is more noise.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu import losses, nn
from tinygrad_edu.lab import Entry, GradientNoise, compare_batches, gradient_noise
from tinygrad_edu.viz.plots import plot_batches

ROWS, EPOCHS = 256, 20
SIZES, RATES = (1, 16, ROWS), (0.01, 0.03, 0.1, 0.2)


def network() -> tuple[nn.Module, object]:
    """A network and its loss. The weights are the same in every call."""
    rng = np.random.default_rng(1)
    return nn.Sequential(
        nn.Linear(1, 16, rng=rng), nn.Tanh(), nn.Linear(16, 1, rng=rng)
    ), losses.mse_loss


def end(entry: Entry) -> float:
    """The mean loss over the last tenth of the steps, because noise makes single losses jump."""
    return float(np.mean(entry.loss[-max(1, len(entry.gradient) // 10) :]))


def main(out: Path = Path("out/batch_sizes")) -> tuple[GradientNoise, dict]:
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (ROWS, 1))
    data = x, np.sin(2 * x) + 0.1 * rng.standard_normal(x.shape)
    noise = gradient_noise(network, data, samples=400, rng=rng)
    print(noise)
    tried = [compare_batches(network, data, SIZES, lr=lr, epochs=EPOCHS, rng=rng) for lr in RATES]
    best = []
    for size, entries in zip(SIZES, zip(*tried, strict=True), strict=True):
        ends = {lr: end(entry) for lr, entry in zip(RATES, entries, strict=True)}
        best.append(min(ends, key=lambda lr: np.nan_to_num(ends[lr], nan=np.inf)))
        shown = ", ".join(f"{loss:.3g} at rate {lr}" for lr, loss in ends.items())
        print(f"batches of {size:3}, {len(entries[0].gradient):5,} steps: loss {shown}")
    entries = compare_batches(network, data, SIZES, lr=best, epochs=EPOCHS, rng=rng)
    plot_batches(entries, noise, out / "batch_sizes.png")
    print(f"picture: {out / 'batch_sizes.png'}")
    return noise, {size: (x.racer.lr, end(x)) for size, x in zip(SIZES, entries, strict=True)}


if __name__ == "__main__":
    main()
