"""Why does a deep network of sigmoids not learn, and what do relu and residuals change?

We compare three networks of the same depth and width before training. Each picture has one node for
each layer, coloured by the size of its gradient on a common scale. A sigmoid has a slope of at most
1/4, so each one makes the gradient smaller. The slope of a relu is 0 or 1. In a residual network,
the gradient can also go around each block.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu import losses, manual_seed, nn, viz

DEPTH, WIDTH, BATCH = 10, 16, 64
SCALE = 1e-11, 1.0  # the colour scale: 1 is the gradient of the loss itself
COLORS = {"sigmoid": "#D55E00", "relu": "#0072B2", "residual": "#009E73"}
MARKERS = {"sigmoid": "o", "relu": "s", "residual": "^"}


def relu_block() -> nn.Sequential:
    layer = nn.Linear(WIDTH, WIDTH)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return nn.Sequential(layer, nn.ReLU())


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sigmoid()),
    "relu": relu_block,
    "residual": lambda: nn.Residual(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())),
}


def network(block: Callable[[], nn.Module]) -> nn.Sequential:
    return nn.Sequential(*[block() for _ in range(DEPTH)], nn.Linear(WIDTH, 2))


def gradients(model: nn.Sequential, out: Path) -> list[float]:
    """The norm of the gradient at the output of each block; also saves the picture."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((BATCH, WIDTH)), rng.integers(0, 2, BATCH)
    with viz.record(model) as made:
        loss = losses.cross_entropy(model(x), y)
    drawing = viz.draw(loss, record=made, depth=1, style="backward", color_by_gradient=SCALE)
    drawing.save(out)
    graph = viz.describe(loss, record=made, depth=1)
    return [node.norm for node in graph.nodes if node.role == "module"]


def picture(sizes: dict[str, list[float]]) -> Figure:
    fig = Figure(figsize=(8, 4.5), dpi=100, layout="constrained")
    ax = fig.subplots()
    for name, norms in sizes.items():
        ax.semilogy(
            range(1, len(norms) + 1), norms, color=COLORS[name], marker=MARKERS[name], label=name
        )
    ax.set(xlabel="layer, from the input to the loss", ylabel="norm of the gradient there")
    ax.set_title(f"The gradient on its way back through {DEPTH} layers, before any training")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return fig


def main(out: Path = Path("out/vanishing_gradients")) -> dict[str, float]:
    out.mkdir(parents=True, exist_ok=True)
    manual_seed(0)
    sizes = {name: gradients(network(block), out / f"{name}.png") for name, block in BLOCKS.items()}
    kept = {name: norms[0] / norms[-2] for name, norms in sizes.items()}
    for name, share in kept.items():
        print(f"{name:9} {share:8.2g} of the gradient at the last block is left at the first")
    picture(sizes).savefig(out / "sizes.png")
    print(f"the pictures: {out}")
    return kept


if __name__ == "__main__":
    main()
