"""Can a network learn what no line separates?

Exclusive or: is exactly one of two inputs 1? The ones lie across from each other, and so do the
zeros, so the best that a linear model can do is to answer 0.5 everywhere. Two hidden units move the
four points to where a line does separate them. They do not find that from every random start: many
get two answers right, leave the other two at 0.5, and stay at a loss of log(2) / 2.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tinygrad_edu import manual_seed, nn, no_grad, optim, sigmoid
from tinygrad_edu.losses import binary_cross_entropy_with_logits

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
STEPS, STARTS = 1000, 20
ORANGE, BLUE, VERMILLION = "#E69F00", "#0072B2", "#D55E00"


def train(model: nn.Module) -> list[float]:
    """Gradient descent on all four points; returns the loss before each step."""
    sgd = optim.SGD(model.parameters(), lr=1.0)
    losses = []
    for _ in range(STEPS):
        sgd.zero_grad()
        loss = binary_cross_entropy_with_logits(model(X), Y)
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


def answers(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """The probability of a 1 at each x: (..., 2)."""
    with no_grad():
        return sigmoid(model(x).data)[..., 0]


def draw_answers(ax: Axes, model: nn.Module, points: np.ndarray, ends: tuple) -> None:
    """What the model answers on a square, the line where that is 0.5, and the four points."""
    side = np.linspace(*ends, 200)
    plane = answers(model, np.stack(np.meshgrid(side, side), axis=-1))
    shades = LinearSegmentedColormap.from_list("answers", [ORANGE, "white", BLUE])
    ax.imshow(plane, shades, vmin=0, vmax=1, origin="lower", extent=ends * 2, alpha=0.7)
    if np.ptp(plane) > 0.1:  # the linear model has no such line
        ax.contour(side, side, plane, [0.5], colors="black", linewidths=2)
    for x, (y,), (h1, h2), up in zip(X, Y, points, (0.18, 0.18, 0.18, -0.18), strict=True):
        color, marker = (BLUE, "o") if y else (ORANGE, "^")
        ax.plot(h1, h2, marker, color=color, markersize=10, markeredgecolor="black")
        ax.text(h1, h2 + up, f"({x[0]:g}, {x[1]:g})", ha="center", va="center")


def picture(line: nn.Module, net: nn.Sequential, curves: list[list[float]]) -> Figure:
    fig = Figure(figsize=(8, 8), dpi=100, layout="constrained")
    (of_line, of_net), (inside, learning) = axes = fig.subplots(2, 2)
    draw_answers(of_line, line, X, (-0.5, 1.5))
    draw_answers(of_net, net, X, (-0.5, 1.5))
    *layers, last = net.layers
    draw_answers(inside, last, nn.Sequential(*layers)(X).data, (-1.4, 1.4))
    of_line.set(title="A linear model: 0.5 everywhere", xlabel="$x_1$", ylabel="$x_2$")
    of_net.set(title="The network", xlabel="$x_1$", ylabel="$x_2$")
    inside.set(title="The network, seen by its last layer", xlabel="$h_1$", ylabel="$h_2$")
    bar = fig.colorbar(of_line.images[0], ax=axes, location="top", shrink=0.5, aspect=30)
    bar.set_label("probability of a 1: right is 0 (▲) or 1 (●)")

    learning.plot(np.transpose(curves), color="0.7")
    learning.plot(min(curves, key=min), color=BLUE, label="the network")
    learning.plot([], color="0.7", label=f"from {STARTS} random starts")
    learning.axhline(np.log(2), color=VERMILLION, label="the linear model: log 2")
    learning.set(title="Learning", xlabel="step", ylabel="cross-entropy (nats)", yscale="log")
    learning.legend(loc="center right")
    return fig


def main(out: Path = Path("out/xor")) -> tuple[np.ndarray, np.ndarray]:
    manual_seed(0)
    line = nn.Linear(2, 1)
    nets = [nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)) for _ in range(STARTS)]
    train(line)
    curves = [train(net) for net in nets]
    net = nets[np.argmin([losses[-1] for losses in curves])]
    learned = sum(losses[-1] < 0.1 for losses in curves)
    print(f"{learned} of {STARTS} networks learned all four answers")
    print(f"linear model: {answers(line, X).round(3)}, network: {answers(net, X).round(3)}")

    path = out / "xor.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(line, net, curves).savefig(path)
    print(f"the answers: {path}")
    return answers(line, X), answers(net, X)


if __name__ == "__main__":
    main()
