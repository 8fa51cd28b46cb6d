"""How much does a Hessian help to find the bottom of a bent valley?

Gradient descent knows the slope, Newton's method the curvature too: it jumps to the bottom of the
parabola that fits the function here, p = p - H^-1 g. On Rosenbrock's valley (Rosenbrock 1960),
f(x, y) = (1 - x)^2 + 100 (y - x^2)^2, the first needs thousands of steps, the second about twenty.
Both look before they leap: a step that would lead uphill is halved until it leads down.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu.transforms import hessian, value_and_grad

ORANGE, BLUE = "#D55E00", "#0072B2"  # told apart by colour-blind eyes too (Okabe and Ito 2008)
START = np.array([-1.2, 1.0])


def rosenbrock(p):
    x, y = p
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


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


def picture(paths: dict[str, tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    fig = Figure(figsize=(11, 4.8), dpi=150, layout="constrained")
    valley, progress = fig.subplots(1, 2)
    grid = np.meshgrid(np.linspace(-1.6, 1.5, 200), np.linspace(-0.7, 1.9, 200))
    valley.contourf(*grid, np.log10(rosenbrock(grid) + 1e-3), 24, cmap="Greys_r", alpha=0.45)
    for name, (color, path, losses) in paths.items():
        style = {"color": color, "linewidth": 2, "marker": "o"}
        style["markersize"] = 5 if len(path) < 100 else 1
        valley.plot(*path.T, **style, label=name)
        progress.loglog(np.arange(1, len(losses) + 1), losses, **style, label=name)
    valley.plot(1, 1, "*", color="black", markersize=16, label="minimum (1, 1)")
    valley.set(xlabel="$x$", ylabel="$y$", title="Paths in the valley")
    valley.legend(loc="lower left", framealpha=0.95)
    progress.set(xlabel="step", ylabel="loss", title="Loss after each step", ylim=(1e-17, 1e2))
    progress.legend(loc="lower left")
    progress.grid(alpha=0.3)
    return fig


def main(out: Path = Path("out/newton")) -> dict[str, tuple[str, np.ndarray, np.ndarray]]:
    curvature = hessian(rosenbrock)
    ways = {
        "gradient descent": (ORANGE, lambda p, g: 0.01 * g, 3000),
        "Newton": (BLUE, lambda p, g: np.linalg.solve(curvature(p), g), 50),
    }
    paths = {name: (color, *descend(way, n)) for name, (color, way, n) in ways.items()}
    for name, (_, path, losses) in paths.items():
        print(f"{name}: loss {losses[-1]:.1e} at {path[-1]} after {len(losses) - 1} steps")

    path = out / "newton.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(paths).savefig(path)
    print(f"both paths: {path}")
    return paths


if __name__ == "__main__":
    main()
