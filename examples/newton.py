"""How much does a Hessian help to find the bottom of a bent valley?

Gradient descent uses the slope. Newton's method also uses the curvature: it jumps to the bottom of
the quadratic function that fits the loss at p, p = p - H^-1 g. In the valley of Rosenbrock (1960),
f(x, y) = (1 - x)^2 + 100 (y - x^2)^2, the first needs thousands of steps, the second about twenty.
Both check each step: a step that leads uphill is halved until it leads downhill.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.lab import SURFACES, landscape
from tinygrad_edu.transforms import hessian, value_and_grad
from tinygrad_edu.viz.plots import contour, loss_curves
from tinygrad_edu.viz.plots.style import panels

START = np.array([-1.2, 1.0])
rosenbrock = SURFACES["rosenbrock"]


def descend(direction, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The path of p = p - t direction(p, g) from START, and the loss along it."""
    p, path, losses = START, [], []
    for _ in range(steps + 1):
        loss, g = value_and_grad(rosenbrock)(p)
        path.append(p)
        losses.append(float(loss))
        step = direction(p, g)
        if loss < 1e-24:
            break
        while rosenbrock(p - step) > loss:
            step = step / 2
        p = p - step
    return np.array(path), np.array(losses)


def picture(paths: dict[str, tuple[np.ndarray, np.ndarray]]):
    valley, progress = panels("ab", 11, 5)
    shown = landscape(rosenbrock, points=200, bounds=((-1.6, 1.5), (-0.7, 1.9)))
    ways = {name: path for name, (path, _) in paths.items()}
    contour(shown, ways, log=True, grey=True, minima=rosenbrock.minima, ax=valley)
    valley.set(title="Paths in the valley")
    progress.set(xscale="log", xlim=(0.8, 5000))
    losses, title = [losses for _, losses in paths.values()], "The loss (its minimum is 0)"
    loss_curves(losses, list(paths), title=title, ax=progress)
    return valley.figure


def main(out: Path = Path("out/newton")) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    curvature = hessian(rosenbrock)
    ways = {
        "gradient descent": (lambda p, g: 0.01 * g, 3000),
        "Newton": (lambda p, g: np.linalg.solve(curvature(p), g), 50),
    }
    paths = {name: descend(way, n) for name, (way, n) in ways.items()}
    for name, (path, losses) in paths.items():
        print(f"{name}: loss {losses[-1]:.1e} at {path[-1]} after {len(losses) - 1} steps")

    path = out / "newton.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(paths).savefig(path)
    print(f"both paths: {path}")
    return paths


if __name__ == "__main__":
    main()
