"""Can 337 single numbers learn to tell two moons apart, and where do they draw the line?

Every weight of this 2-16-16-1 network is a Value, one float that remembers how it was made. The
network gives each point a score: positive for one moon, negative for the other. The hinge loss asks
every point to stand on its own side by a margin of 1, and a small penalty keeps the weights small.
"""

from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from sklearn.datasets import make_moons
from tqdm import trange

from tinygrad_edu import nn, no_grad, optim

ORANGE, BLUE = "#D55E00", "#0072B2"  # told apart by colour-blind eyes too (Okabe and Ito 2008)
STEPS = 80


def train(model: nn.MLP, points: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Gradient descent on the loss of all points at once; returns the last loss and accuracy."""
    parameters = model.parameters()
    optimizer = optim.SGD(parameters, lr=0.2, momentum=0.9)
    progress = trange(STEPS, desc="training")
    for _ in progress:
        scores = [model(point) for point in points]
        hinge = sum((1 - y * score).relu() for y, score in zip(labels, scores, strict=True))
        loss = hinge / len(labels) + 1e-4 * sum(p * p for p in parameters)
        accuracy = np.mean([y * score > 0 for y, score in zip(labels, scores, strict=True)])

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress.set_postfix(loss=f"{loss.data:.4f}", accuracy=f"{accuracy:.0%}")
    return loss.data, float(accuracy)


def picture(model: nn.MLP, points: np.ndarray, labels: np.ndarray, title: str) -> Figure:
    """The score at every place of the plane, and the line along which it changes its sign."""
    (left, bottom), (right, top) = points.min(axis=0) - 0.4, points.max(axis=0) + 0.4
    x, y = np.meshgrid(np.linspace(left, right, 100), np.linspace(bottom, top, 70))
    with no_grad():
        scores = [[model(place).data for place in row] for row in np.stack([x, y], axis=-1)]

    fig = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    ax = fig.subplots()
    shades = LinearSegmentedColormap.from_list("moons", [ORANGE, "white", BLUE])
    frame = {"origin": "lower", "extent": (left, right, bottom, top), "interpolation": "bilinear"}
    plane = ax.imshow(scores, shades, vmin=-3, vmax=3, alpha=0.6, **frame)
    fig.colorbar(plane, label="score of the network", extend="both")
    for label, color, marker in ((1, BLUE, "o"), (-1, ORANGE, "^")):
        moon = points[labels == label]
        ax.scatter(*moon.T, 40, color, marker=marker, edgecolors="white", label=f"moon {label:+d}")
    lines = {"boundary: score 0": ([0], "-"), "margin: score ±1": ([-1, 1], ":")}
    for label, (levels, style) in lines.items():
        ax.contour(x, y, scores, levels, colors="black", linewidths=2, linestyles=style)
        ax.plot([], [], color="black", linewidth=2, linestyle=style, label=label)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=title)
    ax.legend(loc="lower left", framealpha=0.9)
    return fig


def main(out: Path = Path("out/scalar_moons")) -> float:
    points, moons = make_moons(100, noise=0.1, random_state=0)
    labels = 2 * moons - 1
    model = nn.MLP(2, [16, 16, 1], rng=np.random.default_rng(0))
    loss, accuracy = train(model, points, labels)
    print(f"after {STEPS} steps: loss {loss:.4f}, accuracy {accuracy:.0%}")

    title = f"Two moons, told apart by {len(model.parameters())} Values: {accuracy:.0%} are right"
    path = out / "boundary.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(model, points, labels, title).savefig(path)
    print(f"the boundary it found: {path}")
    return accuracy


if __name__ == "__main__":
    main()
