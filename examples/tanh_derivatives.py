"""What do the first six derivatives of tanh look like?

`elementwise_grad` turns a function of an array into its derivative, which is again a function of an
array. So we can apply it six times. The picture shows the curves one below the other, each divided
by its greatest height. The labels give these heights: the sixth derivative is fifty times as high
as tanh itself.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.transforms import elementwise_grad
from tinygrad_edu.viz.plots.style import axes_of, line

ORDERS = 6


def derivatives(f, x):
    """f(x), f'(x), f''(x), ..."""
    curves = [f(x)]
    for _ in range(ORDERS):
        f = elementwise_grad(f)
        curves.append(f(x))
    return curves


def extremes(curve: np.ndarray) -> np.ndarray:
    """The indices of the maxima and minima of a curve."""
    return np.flatnonzero(np.diff(np.sign(np.diff(curve)))) + 1


def picture(x: np.ndarray, curves: list[np.ndarray], path: Path) -> None:
    """The curves one below the other, with a dot at each maximum and minimum."""
    ax = axes_of(None, 8, 7)
    for n, curve in enumerate(curves):
        height, turns = np.max(np.abs(curve)), extremes(curve)
        name = f"derivative {n}" if n else "tanh itself"
        label = f"{name}: height {height:.3g},\n{len(turns)} extremes"
        ax.plot(x, curve / height - 2.2 * n, **line(n), marker="o", markevery=list(turns))
        ax.text(4.1, -2.2 * n, label, va="center", size=12)
    title = "Each derivative of tanh turns once more, and soon they grow"
    ax.set(xlabel="$x$", xlim=(-4, 4), yticks=[], title=title)
    ax.figure.savefig(path)


def main(out: Path = Path("out/tanh_derivatives")) -> list[np.ndarray]:
    x = np.linspace(-4, 4, 801)
    curves = derivatives(np.tanh, x)
    for n, curve in enumerate(curves):
        turns = len(extremes(curve))
        print(f"derivative {n}: greatest height {np.max(np.abs(curve)):8.3f}, {turns} extremes")

    path = out / "tanh_derivatives.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(x, curves, path)
    print(f"the curves: {path}")
    return curves


if __name__ == "__main__":
    main()
