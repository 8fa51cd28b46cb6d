"""How does one add an operation to the engine?

log(cosh(x)) is a loss for data with outliers: a parabola near 0, and |x| - log 2 far away. A
composition of NumPy's functions is right until cosh overflows near 710; then its gradient is nan.
A new operation has a forward pass that cannot overflow, and a rule of one line. We fit a line to
points with a few outliers, and see how each loss treats them.
"""

import math
from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, backward_of, optim, primitive
from tinygrad_edu.testing import check_rule
from tinygrad_edu.viz.plots.style import axes_of, label_ends, line


@primitive
def log_cosh(x):
    """log(cosh(x)) = |x| + log(1 + exp(-2 |x|)) - log 2, without overflow."""
    size = np.abs(x)
    return size + np.log1p(np.exp(-2 * size)) - math.log(2)


@backward_of(log_cosh)
def log_cosh_backward(g, out, x):
    return g * np.tanh(x)


# A function of NumPy without a rule in the table. It adds multiples of 2 pi, which are constants.
@backward_of(np.unwrap)
def unwrap_backward(g, out, p):
    return g


LOSSES = {
    "squared error": lambda error: error**2,
    "log(cosh(error)) of NumPy's functions": lambda error: np.log(np.cosh(error)),
    "log_cosh(error), our operation": log_cosh,
}


def points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """40 points of the line 2 x + 1 with noise; three of them are outliers."""
    x = np.linspace(-3, 3, 40)
    y = 2 * x + 1 + 0.5 * rng.standard_normal(40)
    y[[3, 17, 31]] += [60, 800, 90]
    return x, y


def fit(loss, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    slope, intercept = (Tensor(0.0, requires_grad=True, name=n) for n in ("slope", "intercept"))
    optimizer = optim.Adam([slope, intercept], lr=0.1)
    for _ in range(1000):
        optimizer.zero_grad()
        with np.errstate(over="ignore", invalid="ignore"):  # for the loss that overflows
            loss(slope * x + intercept - y).mean().backward()
            optimizer.step()
    return slope.item(), intercept.item()


def picture(x: np.ndarray, y: np.ndarray, lines: dict, path: Path) -> None:
    ax, far = axes_of(None, 8, 5), y > 40
    ax.plot(x[~far], y[~far], "o", color="0.6")
    ax.plot(x[far], np.full(far.sum(), 38), "^", color="0.6")
    above = ", ".join(f"{outlier:.0f}" for outlier in y[far])
    ax.text(0, 35, f"three outliers, far above: {above}", ha="center", size=11)
    for k, (name, (slope, intercept)) in enumerate(lines.items()):
        if np.isfinite(slope):
            label = f"{name}:\n{slope:.2f} x + {intercept:.2f}"
            ax.plot(x, slope * x + intercept, **line(k), label=label)
        else:
            ax.text(-3, 15, f"{name}:\nno line, for its gradient is {slope}", size=11)
    ax.set(xlabel="$x$", ylabel="$y$", ylim=(-8, 40), title="A line through 2 x + 1 with outliers")
    label_ends(ax)
    ax.figure.savefig(path)


def main(out: Path = Path("out/add_an_op")) -> dict[str, tuple[float, float]]:
    check_rule(log_cosh)
    check_rule(np.unwrap, (7,), domain=lambda x: 4 * x)
    print("check_rule: both rules are right, and so are their second derivatives")

    x, y = points(np.random.default_rng(0))
    lines = {name: fit(loss, x, y) for name, loss in LOSSES.items()}
    for name, (slope, intercept) in lines.items():
        print(f"{name:40} {slope:6.2f} x + {intercept:.2f}")

    path = out / "add_an_op.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(x, y, lines, path)
    print(f"the lines: {path}")
    return lines


if __name__ == "__main__":
    main()
