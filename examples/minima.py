"""Which start goes to which minimum, and what do momentum and noise change?

On a curve with two minima, gradient descent ends in the valley where it starts, be it the lower one
or not. Momentum carries it over small hills, and noise, as mini-batches make it, kicks it out of
shallow valleys. The maps show which starts find which of the four minima of Himmelblau's function.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.lab import SURFACES, Basins, basins
from tinygrad_edu.viz.plots import descent
from tinygrad_edu.viz.plots.style import COLORS, figure, tidy

WAYS = {
    "gradient descent": {},
    "momentum 0.9": {"momentum": 0.9},
    "noise 0.8": {"noise": 0.8},
}
MAPS = {"gradient descent, lr = 0.01": 0.01, "gradient descent, lr = 0.022": 0.022}


def on_the_curve(out: dict[str, Basins], fig) -> None:
    curve = SURFACES["two minima"]
    x = np.linspace(*curve.bounds[0], 300)
    for ax, (name, found) in zip(fig.subplots(1, 3, sharey=True), out.items(), strict=True):
        tidy(ax).plot(x, curve(x[:, None]), color=COLORS["grey"], linewidth=2)
        starts, goals = found.axes[0], found.goal
        for goal, color, marker in ((0, "blue", "o"), (1, "vermillion", "s"), (-1, "black", "x")):
            at = starts[goals == goal]
            style = {"color": COLORS[color], "marker": marker, "linestyle": "none", "markersize": 5}
            ax.plot(at, curve(at[:, None]), **style)
        for minimum, color in zip(curve.minima, ("blue", "vermillion"), strict=True):
            ax.plot(*minimum, curve(np.array(minimum)), "*", color=COLORS[color], markersize=16)
        ax.set(xlabel="start x", title=f"{name}:\n{found.shares[0]:.0%} to the lower")
    fig.axes[0].set_ylabel("f(x)")


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

    fig = figure(9, 8)
    above, below = fig.subfigures(2, 1, height_ratios=[2, 3])
    on_the_curve(curves, above)
    for ax, (name, found) in zip(below.subplots(1, 2), maps.items(), strict=True):
        descent.basin_map(found, title=name, ax=tidy(ax))
    path = out / "minima.png"
    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(path)
    print(f"the basins: {path}")
    return {name: found.shares for name, found in (curves | maps).items()}


if __name__ == "__main__":
    main()
