"""Can a network learn what no line separates?

The exclusive or asks: is exactly one of two inputs 1? The ones lie in opposite corners, and so do
the zeros. The best linear model predicts 0.5 everywhere. Two hidden units move the four points so
that a line separates them. Not every random start leads there: many networks get two points right,
predict 0.5 for the other two, and stay at a loss of log(2) / 2.
"""

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu import manual_seed, nn, no_grad, optim, sigmoid
from tinygrad_edu.losses import binary_cross_entropy_with_logits
from tinygrad_edu.viz.plots import plot_boundary, plot_learning
from tinygrad_edu.viz.plots.style import panels

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
STEPS, STARTS = 1000, 20


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


def learned(curves: list[list[float]]) -> int:
    """The number of trainings that learned all four points."""
    return sum(losses[-1] < 0.1 for losses in curves)


def answers(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """The probability of a 1 at each point x (..., 2)."""
    with no_grad():
        return sigmoid(model(x).data)[..., 0]


def picture(line: nn.Module, net: nn.Sequential, curves: list[list[float]]) -> Figure:
    """The predictions of both models, the input of the network's last layer, and all trainings."""
    of_line, of_net, inside, learning = panels("ab;cd", 8, 8.4)
    *layers, last = net.layers
    seen, inputs = nn.Sequential(*layers)(X).data, [f"({a:g}, {b:g})" for a, b in X]
    places = "both zeros", *inputs[1:3], ""  # the two zeros lie at the same point
    shades = {"level": 0.5, "limit": 0.5, "bar": False}
    plane, plane_inside = (-0.5, 1.5, -0.5, 1.5), (-1.5, 1.5, -1.5, 1.5)
    plot_boundary(partial(answers, line), X, Y, captions=inputs, bounds=plane, ax=of_line,
                  title="A linear model: 0.5 everywhere", **shades)  # fmt: skip
    plot_boundary(partial(answers, net), X, Y, captions=inputs, bounds=plane, ax=of_net,
                  title="The network: two lines", **shades)  # fmt: skip
    plot_boundary(partial(answers, last), seen, Y, captions=places, bounds=plane_inside, ax=inside,
                  title="Its hidden units join the zeros:\none line will do", **shades)  # fmt: skip
    inside.set(xlabel="$h_1$", ylabel="$h_2$")
    bar = of_line.figure.colorbar(
        of_net.images[0], ax=[of_line, of_net], location="top", shrink=0.7
    )
    bar.set_label("probability of a 1; right would be 0 (●) or 1 (■)", size=12)
    learning.plot(np.transpose(curves), color="0.8", linewidth=1)
    title = f"{STARTS} random starts: {learned(curves)} learn it\n(blue: the network that is shown)"
    plot_learning(min(curves, key=lambda losses: losses[-1]), mean=1, ax=learning, title=title,
                  marks={"linear:\nlog 2": np.log(2)}, ylabel="cross-entropy (nats)")  # fmt: skip
    return learning.figure


def main(out: Path = Path("out/xor")) -> tuple[np.ndarray, np.ndarray]:
    manual_seed(0)
    line = nn.Linear(2, 1)
    nets = [nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)) for _ in range(STARTS)]
    train(line)
    curves = [train(net) for net in nets]
    net = nets[np.argmin([losses[-1] for losses in curves])]
    print(f"{learned(curves)} of {STARTS} networks learned all four answers")
    print(f"linear model: {answers(line, X).round(3)}, network: {answers(net, X).round(3)}")

    path = out / "xor.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(line, net, curves).savefig(path)
    print(f"the answers: {path}")
    return answers(line, X), answers(net, X)


if __name__ == "__main__":
    main()
