"""What do the first six derivatives of tanh look like?

`elementwise_grad` turns a function of an array into its derivative, which is a function of an array
again: so it nests. Six times nested, it draws six curves. Each is divided by its greatest height,
which the label names: the sixth derivative is fifty times as high as tanh itself.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu.transforms import elementwise_grad

# Told apart by colour-blind eyes too (Okabe and Ito 2008).
COLORS = ["black", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
ORDERS = 6


def derivatives(f, x):
    """f(x), f'(x), f''(x), ..."""
    curves = [f(x)]
    for _ in range(ORDERS):
        f = elementwise_grad(f)
        curves.append(f(x))
    return curves


def picture(x: np.ndarray, curves: list[np.ndarray]) -> Figure:
    fig = Figure(figsize=(9, 5.5), dpi=150, layout="constrained")
    ax = fig.subplots()
    ax.axhline(0, color="0.8", linewidth=1)
    for n, (curve, color) in enumerate(zip(curves, COLORS, strict=True)):
        height = np.max(np.abs(curve))
        label = f"tanh$^{{({n})}}$   (height {height:.3g})"
        ax.plot(x, curve / height, color=color, linewidth=3 if n == 0 else 2, label=label)
    ax.set(xlabel="$x$", ylabel="derivative / its greatest height", xlim=(x[0], x[-1]))
    ax.set_title("tanh and its first six derivatives, by nesting elementwise_grad")
    ax.spines[["top", "right"]].set_visible(False)
    fig.legend(loc="outside right center", frameon=False)
    return fig


def main(out: Path = Path("out/tanh_derivatives")) -> list[np.ndarray]:
    x = np.linspace(-4, 4, 801)
    curves = derivatives(np.tanh, x)
    for n, curve in enumerate(curves):
        extremes = np.count_nonzero(np.diff(np.sign(np.diff(curve))))
        print(f"derivative {n}: greatest height {np.max(np.abs(curve)):8.3f}, {extremes} extremes")

    path = out / "tanh_derivatives.png"
    out.mkdir(parents=True, exist_ok=True)
    picture(x, curves).savefig(path)
    print(f"the curves: {path}")
    return curves


if __name__ == "__main__":
    main()
