"""How can one watch a gradient flow, and find out whether one has understood it?

This example writes three pages that work without a network. A player goes forward and backward
through a neuron, step by step. A quiz hides the gradients and asks for them. A practice page does
the same with random graphs. The neuron has a fan-out: x is used twice, and its two contributions
add up.
"""

from pathlib import Path

from tinygrad_edu import Value, viz


def expression() -> Value:
    """loss = (w x + b - y)² + 0.1 x²"""
    w, x, b = Value(2.0, name="w"), Value(1.5, name="x"), Value(-0.5, name="b")
    y = Value(4.0, requires_grad=False, name="y")
    error = w * x + b - y
    error.name = "error"
    loss = error**2 + 0.1 * x**2
    loss.name = "loss"
    return loss


def main(out: Path = Path("out/play_backprop")) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    loss = expression()
    pages = [out / f"{kind}.html" for kind in ("play", "quiz", "practice")]
    viz.play(loss, pages[0])
    viz.quiz(loss, pages[1])
    viz.practice("fan-outs", pages[2])
    print("Open these in a browser; the arrow keys step, the space bar plays:")
    for page in pages:
        print(f"  {page}")
    return pages


if __name__ == "__main__":
    main()
