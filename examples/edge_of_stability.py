"""How strongly is the valley curved in which gradient descent ends?

It is just wide enough for the learning rate. The sharpness λ of the loss is the largest eigenvalue
of its Hessian. λ rises while a network is trained on all data at once. Above 2 / lr, a step
overshoots; so λ stops rising and stays near 2 / lr. The loss still falls, not in every step, but in
the long run (Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge
of stability").
"""

from pathlib import Path

import numpy as np

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.lab import sharpness
from tinygrad_edu.viz.plots.style import label_ends, line, panels

RATES = (0.1, 0.15, 0.2)
STEPS, EVERY = 4000, 50

X = np.linspace(-1, 1, 40)[:, None]
Y = np.sin(3 * X) + 0.5 * np.sign(X)


def train(lr: float, steps: int) -> tuple[list[float], list[float]]:
    """Sharpness and loss every 50 steps of gradient descent on all data."""
    rng = np.random.default_rng(1)
    layers = [nn.Linear(1, 32, rng=rng), nn.Tanh(), nn.Linear(32, 32, rng=rng), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(32, 1, rng=rng))
    optimizer = optim.SGD(model.parameters(), lr=lr)

    def loss():
        return losses.mse_loss(model(X), Y)

    sharp, value = [], []
    for step in range(steps + 1):
        out = loss()
        if step % EVERY == 0:
            sharp.append(sharpness(loss, model.parameters(), tolerance=1e-4))
            value.append(out.item())
        optimizer.zero_grad()
        out.backward()
        optimizer.step()
    return sharp, value


def picture(runs: dict[float, tuple[list[float], list[float]]]):
    above, below = panels("a;b", 8, 7)
    for k, (lr, (sharp, value)) in enumerate(runs.items()):
        steps = EVERY * np.arange(len(sharp))
        above.plot(steps, sharp, **line(k))
        limit = line(k) | {"linewidth": 1, "linestyle": ":"}
        above.plot(steps, 0 * steps + 2 / lr, **limit, label=f"2 / {lr:g}")
        below.plot(steps, value, **line(k), label=f"lr = {lr:g}")
    above.set(ylabel="sharpness λ", title="Sharpness rises to 2 / lr, and hovers there")
    below.set(xlabel="step", ylabel="mean squared error", yscale="log", title="The loss falls on")
    label_ends(above)
    label_ends(below)
    return above.figure


def main(out: Path = Path("out/edge_of_stability"), steps: int = STEPS) -> dict[float, float]:
    runs = {lr: train(lr, steps) for lr in RATES}
    ends = {lr: float(np.mean(sharp[-10:])) for lr, (sharp, _) in runs.items()}
    for lr, end in ends.items():
        print(f"lr = {lr:4}: the sharpness ends at {end:.2f}, and 2 / lr = {2 / lr:g}")

    path = out / "edge_of_stability.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(runs).savefig(path)
    print(f"the sharpness: {path}")
    return ends


if __name__ == "__main__":
    main()
