"""Can 337 single numbers learn to tell two moons apart, and where do they draw the line?

Every weight of this 2-16-16-1 network is a Value: one float that remembers how it was made. The
network gives each point a score: positive for one moon, negative for the other. The hinge loss is 0
if each point is on the right side with a margin of 1. A small penalty keeps the weights small.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import make_moons

from tinygrad_edu import nn, optim
from tinygrad_edu.progress import Progress
from tinygrad_edu.viz.plots import plot_boundary

STEPS = 80


def train(model: nn.MLP, points: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Gradient descent on the loss of all points at once; returns the last loss and accuracy."""
    parameters = model.parameters()
    optimizer = optim.SGD(parameters, lr=0.2, momentum=0.9)
    with Progress(True, STEPS, unit="step") as progress:
        for step in range(STEPS):
            scores = [model(point) for point in points]
            hinge = sum((1 - y * score).relu() for y, score in zip(labels, scores, strict=True))
            loss = hinge / len(labels) + 1e-4 * sum(p * p for p in parameters)
            accuracy = np.mean([y * score > 0 for y, score in zip(labels, scores, strict=True)])

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.step()
            if (step + 1) % 10 == 0:
                progress.tell(f"step {step + 1}: loss {loss.data:.4f}, {accuracy:.0%} right")
    return loss.data, float(accuracy)


def main(out: Path = Path("out/scalar_moons")) -> float:
    points, moons = make_moons(100, noise=0.1, random_state=0)
    labels = 2 * moons - 1
    model = nn.MLP(2, [16, 16, 1], rng=np.random.default_rng(0))
    loss, accuracy = train(model, points, labels)
    print(f"after {STEPS} steps: loss {loss:.4f}, accuracy {accuracy:.0%}")

    title = f"{len(model.parameters())} Values tell two moons apart: {accuracy:.0%} are right"
    title += "\n(dotted: the margin, where the score is -1 or 1)"
    path = out / "boundary.png"
    out.mkdir(parents=True, exist_ok=True)
    plot_boundary(
        lambda places: [model(place) for place in places], points, labels, margins=(-1, 1), limit=3,
        names=["moon -1", "moon +1"], label="score of the network", places=40, title=title,
        path=path,
    )  # fmt: skip
    print(f"the boundary it found: {path}")
    return accuracy


if __name__ == "__main__":
    main()
