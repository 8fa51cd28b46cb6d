"""What happens in the backward pass of one neuron?

The package shows tanh(w1 x1 + w2 x2 + b) as a picture, as a tree in the terminal, as the steps of
the backward pass, and as a worked solution in Markdown.
"""

from pathlib import Path

from tinygrad_edu import Value, viz


def neuron() -> tuple[Value, list[Value]]:
    """The output of the neuron and its five inputs."""
    x1, x2 = Value(2.0, name="x1"), Value(0.0, name="x2")
    w1, w2 = Value(-3.0, name="w1"), Value(1.0, name="w2")
    b = Value(6.8813735870195432, name="b")  # with this b, the derivative of tanh is 1/2
    z = w1 * x1 + w2 * x2 + b
    z.name = "z"
    out = z.tanh()
    out.name = "out"
    return out, [x1, w1, x2, w2, b]


def main(out: Path = Path("out/draw_neuron")) -> list[float]:
    out.mkdir(parents=True, exist_ok=True)
    result, leaves = neuron()

    print("The graph as a tree:\n")
    print(viz.text(result))
    print("\nThe backward pass, step by step:\n")
    for step in viz.backward_steps(result):
        print(step)

    viz.draw(result).save(out / "neuron.svg")
    viz.draw(result, style="forward").save(out / "forward.svg")
    viz.draw(result, theme="dark").save(out / "dark.png")
    (out / "solution.md").write_text(str(viz.worked_solution(result)), encoding="utf-8")
    print(f"\nThe pictures and the worked solution: {out}")

    result.backward()
    return [leaf.grad for leaf in leaves]


if __name__ == "__main__":
    main()
