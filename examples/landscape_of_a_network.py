"""What does the loss of a network look like around the point where its training ends?

A network of 321 weights learns a sine. We cannot see 321 dimensions, but we can see a plane through
the end of the training: along two random directions (filter-normalized, Li et al. 2018), or along
the two directions in which the weights moved most. The path of the training is only a dot in the
first plane; the second shows nearly all of it. And is there a wall on the straight line from the
start to the end (Goodfellow et al. 2015)?
"""

from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, nn, optim
from tinygrad_edu.lab import landscape, line_between, principal_plane, random_plane
from tinygrad_edu.losses import mse_loss
from tinygrad_edu.viz.plots import contour, curve, surface
from tinygrad_edu.viz.plots.style import panels


def train(parameters: list[Tensor], loss, steps: int) -> list[list[np.ndarray]]:
    """The weights before every fifth step of Adam, and at the end."""
    adam = optim.Adam(parameters, lr=0.01)
    path = []
    for step in range(steps + 1):
        if step % 5 == 0:
            path.append([p.data.copy() for p in parameters])
        adam.zero_grad()
        loss().backward()
        if step < steps:
            adam.step()
    return path


def shown(found, path) -> float:
    """The share of the straight line from the start to the end of a path that lies in a plane."""
    start, end = (np.concatenate([x.ravel() for x in state]) for state in (path[0], path[-1]))
    shadow = np.diff(found.plane.at(found.project([start, end])), axis=0)
    return float(np.linalg.norm(shadow) / np.linalg.norm(end - start))


def picture(random, principal, between, path):
    solid, aside, along, straight = panels("ab;cd", 9.5, 9, solid="a")
    surface(random, title="Two random directions", ax=solid)
    for found, name, ax in ((random, "From above", aside), (principal, "Principal plane", along)):
        far = f"{shown(found, path):.0%} of the distance\nfrom start to end lies in it"
        contour(found, {"training": path}, log=True, title=f"{name}: {far}", ax=ax)
    along.get_legend().set_loc("lower right")
    curve(between, log=True, title="Straight from the start (0)\nto the end (1)", ax=straight)
    return solid.figure


def main(out: Path = Path("out/landscape_of_a_network"), points: int = 41, steps: int = 500):
    rng = np.random.default_rng(0)
    x = np.linspace(-3, 3, 60)[:, None]
    y = np.sin(2 * x) + 0.1 * rng.standard_normal(x.shape)
    layers = nn.Linear(1, 16, rng=rng), nn.Tanh(), nn.Linear(16, 16, rng=rng), nn.Tanh()
    model = nn.Sequential(*layers, nn.Linear(16, 1, rng=rng))
    weights = model.parameters()

    def loss():
        return mse_loss(model(x), y)

    path = train(weights, loss, steps)
    line = line_between(path[0], path[-1])
    random = landscape(loss, weights, random_plane(weights, rng=rng), points=points)
    principal = landscape(loss, weights, principal_plane(path), points=points)
    between = landscape(loss, weights, line, span=1.5, points=2 * points)
    rises = int(np.sum(np.diff(between.loss[(between.axes[0] >= 0) & (between.axes[0] <= 1)]) > 0))
    print(f"{sum(p.size for p in weights)} weights, the loss at the end is {loss():.4f}")
    print("how much of the straight line from start to end of the training lies in a plane?")
    print(f"{shown(random, path):4.0%} in the random plane:    {random}")
    print(f"{shown(principal, path):4.0%} in the principal plane: {principal}")
    print(f"straight line:   {between}; from the start to the end the loss rises {rises} times")

    picture_path = out / "landscape_of_a_network.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(random, principal, between, path).savefig(picture_path)
    print(f"the landscapes: {picture_path}")
    return shown(random, path), shown(principal, path), rises


if __name__ == "__main__":
    main()
