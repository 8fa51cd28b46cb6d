"""What does the learning rate do, on the simplest function that has a minimum?

f(x) = (x - 2)². Each step of gradient descent multiplies the distance from 2 by 1 - 2 lr. This
distance shrinks for rates between 0 and 1. It shrinks fastest at 0.5, where one step reaches 2. At
rate 1, x jumps from side to side without end. Above 1, the distance grows.
"""

from pathlib import Path

from tinygrad_edu.lab import Trajectory, descend, verdict
from tinygrad_edu.viz.plots import loss_curves, path_on_curve
from tinygrad_edu.viz.plots.style import panels

RATES = (0.01, 0.1, 0.5, 0.9, 1.0, 1.1)
STARTS = (0.0, -1.0, 5.0)
STEPS = 100


def f(x):
    return (x - 2) ** 2


def picture(paths: list[Trajectory]):
    *small, below = panels("abc;def;ggg", 9, 9.5, height_ratios=(3, 3, 4))
    for ax, path in zip(small, paths, strict=True):
        title = f"lr = {path.lr:g}: {verdict(path).kind}"
        path_on_curve(f, path, bounds=(-1.2, 5.2), title=title, ax=ax)
        ax.set(ylim=(-0.4, 10.2))
    below.set(ylim=(1e-17, 1e17))
    loss_curves(paths, ax=below, title="f(x) = (x - 2)², from x = 0")
    return below.figure


def main(out: Path = Path("out/learning_rate_quadratic")) -> dict[float, str]:
    kinds = {}
    for lr in RATES:
        paths = [descend(f, start, lr, STEPS) for start in STARTS]
        (kinds[lr],) = {verdict(path).kind for path in paths}  # the same from every start
        print(f"lr = {lr:4}, |1 - 2 lr| = {abs(1 - 2 * lr):.2f}: {verdict(paths[0])}")

    path = out / "learning_rate_quadratic.png"
    out.mkdir(parents=True, exist_ok=True)
    picture([descend(f, STARTS[0], lr, STEPS) for lr in RATES]).savefig(path)
    print(f"the paths: {path}")
    return kinds


if __name__ == "__main__":
    main()
