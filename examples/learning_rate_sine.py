"""Which minimum of a wave does gradient descent find?

sin(x) has a minimum at -π/2, and further ones at distances of 2π. With a small learning rate,
gradient descent finds the minimum of the valley in which it starts. With a large rate it jumps over
hills: then the end depends on the rate, and two almost equal rates can end far apart. For rates
from 2π to 7 there is order again: nearly each step goes to the next valley, in one direction.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.lab import descend
from tinygrad_edu.viz.plots import path_on_curve
from tinygrad_edu.viz.plots.style import panels, points

RATES = np.linspace(0.1, 8, 400)
STARTS = (0.0, 1.4, 3.0)
MARCH = (6.35, 6.95)  # with these rates, nearly each step goes to the next valley


def valley(x: float) -> int:
    """The number of the valley that contains x: 0 for the valley around -π/2."""
    return round((x + np.pi / 2) / (2 * np.pi))


def ends() -> dict[float, list[int]]:
    """{start: the valley of the end for each rate}"""
    return {
        start: [valley(float(descend(np.sin, start, lr, 60).x[-1])) for lr in RATES]
        for start in STARTS
    }


def picture(found: dict[float, list[int]]):
    axes = panels("abc;ddd;eee;fff", 9, 10, height_ratios=(3, 2, 2, 2))
    for ax, lr in zip(axes, (0.5, 3.0, 5.0), strict=False):
        path = descend(np.sin, 1.4, lr, 12)
        path_on_curve(np.sin, path, bounds=(-9, 12), title=f"12 steps with lr = {lr:g}", ax=ax)
    for k, (ax, (start, valleys)) in enumerate(zip(axes[3:], found.items(), strict=True)):
        ax.plot(RATES, valleys, **points(k), markersize=3)
        ax.axvspan(*MARCH, alpha=0.12)
        ax.set(ylim=(-100, 100), title=f"Valley after 60 steps from x = {start:g}")
        ax.set_yscale("symlog", linthresh=8)
        ax.set_yticks(ticks := [-60, -8, 0, 8, 60], labels=map(str, ticks), minor=False)
        ax.text(np.mean(MARCH), 0, march(valleys), ha="center", va="center", size=11)
    axes[4].set_ylabel("valley (0 is that of -π/2)")
    axes[5].set_xlabel("learning rate")
    return axes[0].figure


def march(valleys: list[int]) -> str:
    """How many valleys away the rates in MARCH end."""
    away = np.abs(valleys)[(MARCH[0] < RATES) & (MARCH[1] > RATES)]
    return f"{' to '.join(map(str, sorted({min(away), max(away)})))}\nvalleys\naway"


def main(out: Path = Path("out/learning_rate_sine")) -> dict[float, list[int]]:
    found = ends()
    for start, valleys in found.items():
        small = {v for v, lr in zip(valleys, RATES, strict=True) if lr < 1}
        far = march(valleys).replace("\n", " ")
        print(
            f"from {start:g}: valley {small} at rates below 1, {len(set(valleys))} in all,", end=" "
        )
        print(f"{far} at rates from {MARCH[0]} to {MARCH[1]}")

    path = out / "learning_rate_sine.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(found).savefig(path)
    print(f"the valleys: {path}")
    return found


if __name__ == "__main__":
    main()
