"""How do the numbers in a network change while it learns?

A network with two inputs, four hidden units and one output learns the exclusive or. The film shows
its graph with a slider: values, gradients and the loss change from step to step.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, losses, manual_seed, nn, optim, viz

X = Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], name="x")
Y = Tensor([[0.0], [1.0], [1.0], [0.0]], name="y")


def training(model: nn.Module, steps: int, history: list[float]) -> Iterator[Tensor]:
    """The loss of each step, before the parameters change."""
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = losses.mse_loss(model(X), Y)
        loss.name = "loss"
        history.append(loss.item())
        yield loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main(out: Path = Path("out/film_training"), steps: int = 60) -> float:
    out.mkdir(parents=True, exist_ok=True)
    manual_seed(2)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    history: list[float] = []
    viz.film(training(model, steps, history), out / "film.html")
    print(f"the loss fell from {history[0]:.3f} to {history[-1]:.6f} in {steps} steps")
    print(f"the targets are 0, 1, 1, 0, and the network says {np.round(model(X).data.ravel(), 2)}")
    print(f"the film: {out / 'film.html'}")
    return history[-1]


if __name__ == "__main__":
    main()
