"""What a user writes, with types: it draws, plays and trains with the package as installed."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tinygrad_edu
from tinygrad_edu import Tensor, Value, draw, gradcheck, manual_seed, nn, optim, viz
from tinygrad_edu.losses import cross_entropy


def neuron() -> Value:
    w, x, b = Value(2.0, name="w"), Value(0.3, name="x"), Value(-0.5, name="b")
    out = (w * x + b).tanh()
    out.backward()
    assert w.grad is not None
    assert abs(w.grad - 0.29701988725423195) < 1e-12
    return out


def pictures(root: Value, folder: Path) -> None:
    draw(root).save(folder / "neuron.svg")
    page: viz.Page = viz.play(root, folder / "play.html")
    assert "<svg" in (folder / "neuron.svg").read_text(encoding="utf-8")
    assert page.html == (folder / "play.html").read_text(encoding="utf-8")


def share_right(steps: int) -> float:
    manual_seed(0)
    points = np.random.default_rng(0).standard_normal((200, 2))
    inside = (np.sum(points**2, axis=1) < 1).astype(int)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    for _ in range(steps):
        loss: Tensor = cross_entropy(model(points), inside)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores: Tensor = model(points)
    read: NDArray[np.int_] = scores.detach().numpy().argmax(axis=1)
    right = [bool(a == b) for a, b in zip(read, inside, strict=True)]
    return sum(right) / len(right)


def square(x: Tensor) -> Tensor:
    return x * x


def main(folder: Path) -> None:
    assert "site-packages" in tinygrad_edu.__file__, tinygrad_edu.__file__
    pictures(neuron(), folder)
    gradcheck(square, np.array([1.0, -2.0]))
    right = share_right(200)
    assert right > 0.95, right
    print(f"tinygrad_edu {tinygrad_edu.__version__}: draws, plays, and has {right:.0%} right")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
