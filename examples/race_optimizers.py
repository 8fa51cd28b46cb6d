"""Which optimizer is the first at the bottom: of a bent valley, and beyond a saddle?

Seven optimizers start at the same place. Rosenbrock's valley is steep across and flat along, and it
bends. The saddle is almost level where they come in: only a little push leads down to one of the
two minima. All of the gradient-descent kind have one learning rate, and the three with a step size
for each weight another.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.lab import SURFACES, Race, default_racers, race
from tinygrad_edu.viz.plots.race import animate_race, plot_race


def report(name: str, found: Race, bottom: float) -> dict[str, int | None]:
    """Who was the first below this loss, in words; and the step of each."""
    first = {entry.racer.name: entry.first_below(bottom) for entry in found.entries}
    print(f"{name}: who reaches a loss of {bottom:g}?")
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
