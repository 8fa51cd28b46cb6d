"""What happens to all other numbers when one of them changes?

This example writes two pages that work without a network. On the first page you drag a weight or an
input of a neuron with two inputs and a relu: values, gradients and measured slopes follow. Drag b
below the kink, and all gradients become 0. On the second page you drag the learning rate, the
momentum and the start of a gradient descent, beyond the limit of stability and back.
"""

from pathlib import Path
from typing import Any

from tinygrad_edu import viz


def neuron(w: Any, x: Any, b: Any) -> Any:
    """loss = (relu(w1 x1 + w2 x2 + b) - 1)²"""
    out = (w @ x + b).relu()
    out.name = "out"
    loss = (out - 1) ** 2
    loss.name = "loss"
    return loss


def main(out: Path = Path("out/take_hold")) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    pages = [out / "neuron.html", out / "descent.html"]
    viz.explore(neuron, pages[0], w=[0.8, -0.4], x=[1.5, 2.0], b=0.2)
    viz.explore_descent(path=pages[1])
    print("Open these in a browser, and drag the sliders:")
    for page in pages:
        print(f"  {page}")
    return pages


if __name__ == "__main__":
    main()
