"""Which start leads to which minimum, and what do momentum and noise change?

On a curve with two minima, gradient descent ends in the valley where it starts, even if the other
valley is lower. Momentum carries it over small hills. Noise, such as that of mini-batches, pushes
it out of shallow valleys. The maps show which starts lead to which of the four minima of
Himmelblau's function.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.lab import SURFACES, basins
from tinygrad_edu.viz.plots import basin_curve, basin_map
from tinygrad_edu.viz.plots.style import panels

WAYS = {
    "gradient descent": {},
    "momentum 0.9": {"momentum": 0.9},
    "noise 0.8": {"noise": 0.8},
}
MAPS = {"gradient descent, lr = 0.01": 0.01, "gradient descent, lr = 0.022": 0.022}


def main(out: Path = Path("out/minima")) -> dict[str, list[float]]:
    rng = np.random.default_rng(0)
    curves = {
        name: basins(SURFACES["two minima"], lr=0.1, rng=rng, **way) for name, way in WAYS.items()
    }
    maps = {
        name: basins(SURFACES["himmelblau"], lr, steps=200, points=120) for name, lr in MAPS.items()
    }
    for name, found in (curves | maps).items():
        print(f"{name:30} {found}")

    axes = panels("aabbcc;dddeee", 9, 8.5, height_ratios=(2, 3))
    for ax, (name, found) in zip(axes, curves.items(), strict=False):
        title = f"{name}:\n{found.shares[0]:.0%} to the lower"
        basin_curve(SURFACES["two minima"], found, title=title, ax=ax)
    for ax, (name, found) in zip(axes[3:], maps.items(), strict=True):
        basin_map(found, title=name, ax=ax)
    path = out / "minima.png"
    out.mkdir(parents=True, exist_ok=True)
    axes[0].figure.savefig(path)
    print(f"the basins: {path}")
    return {name: found.shares for name, found in (curves | maps).items()}


if __name__ == "__main__":
    main()
