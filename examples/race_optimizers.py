"""Which optimizer reaches the minimum first, in a bent valley and near a saddle?

Seven optimizers start at the same point. Rosenbrock's valley is bent, steep across and almost flat
along its bottom. The saddle is almost flat where they reach it, and only a small slope leads down
to one of the two minima. Gradient descent, its mini-batch form and the two kinds of momentum share
one learning rate. The three optimizers with a step size for each weight share another one.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.lab import SURFACES, Race, default_racers, race
from tinygrad_edu.viz.plots.race import animate_race, plot_race


def report(name: str, found: Race, bottom: float) -> dict[str, int | None]:
    """Print which racers reach this loss, the first one first; return the step of each."""
    first = {entry.racer.name: entry.first_below(bottom) for entry in found.entries}
    print(f"{name}: which optimizers reach a loss of {bottom:g}?")
    for racer, step in sorted(first.items(), key=lambda x: np.inf if x[1] is None else x[1]):
        print(f"  {racer:17}", "not yet" if step is None else f"in step {step}")
    return first


def main(out: Path = Path("out/race_optimizers"), frames: int = 30) -> dict[str, dict]:
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    valley = race(
        SURFACES["rosenbrock"], default_racers(6e-4, 0.1, noise=20.0), 800,
        start=(-1.5, 2.0), rng=rng,
    )  # fmt: skip
    saddle = race(
        SURFACES["saddle"], default_racers(0.03, 0.1, noise=0.5), 150, start=(-1.2, 0.001), rng=rng
    )
    first = {
        "valley": report("Rosenbrock's valley", valley, 0.01),
        "saddle": report("The saddle", saddle, -0.99),
    }
    for name, found in (("valley", valley), ("saddle", saddle)):
        plot_race(found, out / f"{name}.png")
        animate_race(found, out / f"{name}.gif", frames)
        print(f"pictures: {out / name}.png, {out / name}.gif")
    return first


if __name__ == "__main__":
    main()
