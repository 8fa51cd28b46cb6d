"""What does the loss of one neuron look like for all weights and biases?

The neuron predicts w x + b. For x = 1 and the target y = -1, the error prediction - y is a sloping
plane: it has no lowest point to find. The squared error is a valley, and all points on a line are
best, because one example cannot tell w from b. Gradient descent goes straight to this line. Three
examples close the valley at both ends: a bowl with one lowest point, the least-squares solution.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, optim
from tinygrad_edu.lab import Landscape, landscape
from tinygrad_edu.viz.plots import contour, surface
from tinygrad_edu.viz.plots.style import panels

ONE = np.array([1.0]), np.array([-1.0])  # x, y
THREE = np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.5, 1.0])
TABLE = [(1, 1), (2, 1), (1, 2), (2, 2)]  # (w, b)
START = (2.0, 2.0)
BOUNDS = ((-3.0, 3.0), (-4.0, 3.0))


def neuron() -> list[Tensor]:
    return [Tensor(x, requires_grad=True, name=n) for x, n in zip(START, "wb", strict=True)]


def error(w, b, x, y):
    return (w * x + b - y).mean()


def squared_error(w, b, x, y):
    return ((w * x + b - y) ** 2).mean()


def small_table() -> dict[tuple[int, int], float]:
    """The error at four pairs of weights: a landscape of two by two points."""
    w, b = neuron()
    corners = ((1, 2), (1, 2))
    found = landscape(lambda: error(w, b, *ONE), [w, b], [0, 1], points=2, bounds=corners)
    return {(i, j): float(found.loss[i - 1, j - 1]) for i, j in TABLE}


def descend(data, lr: float = 0.1, steps: int = 500) -> list[list[float]]:
    """The path of gradient descent on the squared error: (w, b) before each step and at the end."""
    w, b = neuron()
    sgd = optim.SGD([w, b], lr)
    path = [[w.item(), b.item()]]
    for _ in range(steps):
        sgd.zero_grad()
        squared_error(w, b, *data).backward()
        sgd.step()
        path.append([w.item(), b.item()])
    return path


def map_of(loss, data) -> Landscape:
    w, b = neuron()
    return landscape(lambda: loss(w, b, *data), [w, b], [0, 1], points=61, bounds=BOUNDS)


def picture(table, valley: list, bowl: list):
    flat, of_one, of_three, solid = panels("ab;cd", 9.5, 8.5, solid="d")
    contour(map_of(error, ONE), name="error", title="The error of one example", ax=flat)
    for (w, b), value in table.items():
        flat.plot(w, b, "o", color="black", markersize=5)
        flat.annotate(f"{value:g}", (w, b), (4, 4), textcoords="offset points", fontsize=13)
    one, three = map_of(squared_error, ONE), map_of(squared_error, THREE)
    square = {"log": True, "name": "squared error"}
    path = {"gradient descent": valley}
    contour(one, path, **square, title="Its square: a valley", ax=of_one)
    path = {"gradient descent": bowl}
    contour(three, path, **square, title="The mean square of three: a bowl", ax=of_three)
    surface(three, path, name="squared error", title="The same bowl", ax=solid)
    return flat.figure


def main(out: Path = Path("out/landscape_of_a_neuron")):
    table = small_table()
    for (w, b), value in table.items():
        print(f"w = {w}, b = {b}: prediction {w * 1 + b}, error {value:g}")
    valley, bowl = descend(ONE), descend(THREE)
    for name, path in {"one example": valley, "three examples": bowl}.items():
        print(f"{name}: gradient descent from {START} to ({path[-1][0]:.4f}, {path[-1][1]:.4f})")

    path = out / "landscape_of_a_neuron.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(table, valley, bowl).savefig(path)
    print(f"the landscapes: {path}")
    return table, valley[-1], bowl[-1]


if __name__ == "__main__":
    main()
