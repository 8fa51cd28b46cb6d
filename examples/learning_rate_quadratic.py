"""What does the learning rate do, on the simplest function that has a minimum?

f(x) = (x - 2)². Each step of gradient descent multiplies the distance from 2 by 1 - 2 lr. So it
shrinks for rates between 0 and 1, the faster the closer to 0.5, where one step lands on 2; at 1 it
bounces from side to side without end, and above 1 it grows.
"""

from pathlib import Path

from tinygrad_edu.lab import Trajectory, descend, verdict
from tinygrad_edu.viz.plots import descent
from tinygrad_edu.viz.plots.style import figure, tidy

RATES = (0.01, 0.1, 0.5, 0.9, 1.0, 1.1)
STARTS = (0.0, -1.0, 5.0)
STEPS = 100


def f(x):
    return (x - 2) ** 2


def picture(paths: list[Trajectory]):
    fig = figure(9, 9)
    above, below = fig.subfigures(2, 1, height_ratios=[3, 2])
    for ax, path in zip(above.subplots(2, 3, sharey=True).flat, paths, strict=True):
        kind = verdict(path).kind
        bounds = (-1.0, 5.0)
        descent.path_on_curve(
            f, path, bounds=bounds, title=f"lr = {path.lr:g}: {kind}", ax=tidy(ax)
        )
        ax.set_ylim(-0.3, 9.3)
    for ax in above.axes[1:3] + above.axes[4:]:
        ax.set_ylabel("")
    ax = tidy(below.subplots())
    descent.loss_curves(paths, ax=ax, title="f(x) = (x - 2)², from x = 0")
    ax.set_ylim(1e-17, 1e17)
    return fig


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
