"""What does a smaller batch save, and what does it cost?

Gradient descent takes all rows for one step, stochastic gradient descent one row, and mini-batches
are in between. A gradient of fewer rows is cheaper, but it is not the gradient of the loss: there
is noise in it, which falls as 1 / B. We measure that, and what each gets for the same work, at the
same learning rate.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu import losses, nn
from tinygrad_edu.lab.noise import GradientNoise, compare_batches, gradient_noise
from tinygrad_edu.viz.plots.race import plot_batches

ROWS, EPOCHS = 256, 20
SIZES = (1, 16, ROWS)


def network() -> tuple[nn.Module, object]:
    """The same weights whenever it is called."""
    rng = np.random.default_rng(1)
    return nn.Sequential(
        nn.Linear(1, 16, rng=rng), nn.Tanh(), nn.Linear(16, 1, rng=rng)
    ), losses.mse_loss


def main(out: Path = Path("out/batch_sizes")) -> tuple[GradientNoise, dict[int, float]]:
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (ROWS, 1))
    data = x, np.sin(2 * x) + 0.1 * rng.standard_normal(x.shape)
    noise = gradient_noise(network, data, samples=400, rng=rng)
    print(noise)
    entries = compare_batches(network, data, SIZES, lr=0.05, epochs=EPOCHS, rng=rng)
    for size, entry in zip(SIZES, entries, strict=True):
        steps = len(entry.gradient)
        print(f"batches of {size:3}: {steps:5,} steps, loss {entry.loss[-1]:.4f}")
    plot_batches(entries, noise, out / "batch_sizes.png")
    print(f"picture: {out / 'batch_sizes.png'}")
    return noise, {size: float(e.loss[-1]) for size, e in zip(SIZES, entries, strict=True)}


if __name__ == "__main__":
    main()
