"""Which minimum of a wave does gradient descent find?

sin(x) has a minimum at -π/2, and at every 2π to the left and to the right of it. A small rate
walks down into the one whose valley it starts in. A large rate jumps over hills: where it ends
then depends on the rate, and two rates that are almost the same end far apart. From 2π on there is
order again for a while: each step leads one valley on, always in the same direction.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.lab import descend
from tinygrad_edu.viz.plots import descent
from tinygrad_edu.viz.plots.style import COLORS, figure, tidy

RATES = np.linspace(0.1, 8, 400)
STARTS = (0.0, 1.4, 3.0)


def valley(x: float) -> int:
    """The number of the valley that x lies in: 0 for the one around -π/2."""
    return round((x + np.pi / 2) / (2 * np.pi))


def ends() -> dict[float, list[int]]:
    """For each start the valley of the end, rate by rate."""
    return {
        start: [valley(float(descend(np.sin, start, lr, 60).x[-1])) for lr in RATES]
        for start in STARTS
    }


def picture(found: dict[float, list[int]]):
    fig = figure(9, 7.5)
    above, below = fig.subfigures(2, 1)
    for ax, lr in zip(above.subplots(1, 3, sharey=True), (0.5, 3.0, 5.0), strict=True):
        path = descend(np.sin, 1.4, lr, 12)
        title = f"from 1.4 with lr = {lr:g}"
        descent.path_on_curve(np.sin, path, bounds=(-9, 12), title=title, ax=tidy(ax))
        ax.set_ylim(-1.2, 1.2)
    ax = tidy(below.subplots())
    for (start, valleys), color, marker in zip(
        found.items(), ("blue", "vermillion", "green"), ("o", "s", "^"), strict=True
    ):
        style = {"color": COLORS[color], "marker": marker, "linestyle": "none", "markersize": 3}
        ax.plot(RATES, valleys, label=f"from x = {start:g}", **style)
    ax.set(xlabel="learning rate", ylabel="valley after 60 steps (0 is that of -π/2)")
    ax.set_yscale("symlog", linthresh=8)
    ax.set_yticks(ticks := [-60, -8, -4, 0, 4, 8, 60], labels=map(str, ticks), minor=False)
    ax.legend(frameon=False)
    return fig


def main(out: Path = Path("out/learning_rate_sine")) -> dict[float, list[int]]:
    found = ends()
    for start, valleys in found.items():
        small = {v for v, lr in zip(valleys, RATES, strict=True) if lr < 1}
        print(f"from {start:g}: valley {small} at rates below 1, {len(set(valleys))} in all")

    path = out / "learning_rate_sine.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(found).savefig(path)
    print(f"the valleys: {path}")
    return found


if __name__ == "__main__":
    main()
