"""An example that trains a network shows its question, and not its axes."""

import ast

import pytest
from test_examples import EXAMPLES

NETWORKS = (
    "add_an_op", "autoencoder", "char_gpt", "char_lstm", "digits_cnn", "quickstart",
    "scalar_moons", "sine_regression", "spirals", "tanh_derivatives", "xor",
)  # fmt: skip


def names_in(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def drawing_lines(source):
    """The lines that speak to matplotlib: through an import, an axes, or what was made of one.

    A call of `viz.plots` is none of them.
    """
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    whole = {a.asname or a.name for x in imports if x.module.endswith("viz.plots") for a in x.names}
    axes = [x for x in imports if x.module.startswith("matplotlib") or x.module.endswith(".style")]
    known = {alias.asname or alias.name for node in axes for alias in node.names} | {"ax"}
    known |= {x.arg for x in ast.walk(tree) if isinstance(x, ast.arg) and is_axes(x)}
    lines = {line for node in axes for line in range(node.lineno, node.end_lineno + 1)}
    for _ in range(5):  # a figure gives axes, and they give images
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and names_in(node.value) & known:
                known |= set().union(*map(names_in, node.targets))
            elif isinstance(node, ast.For) and names_in(node.iter) & known:
                known |= names_in(node.target)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.Expr | ast.Return) and names_in(node) & known:
            if not names_in(node) & whole:
                lines |= {*range(node.lineno, node.end_lineno + 1)}
        elif isinstance(node, ast.For | ast.With) and names_in(node) & known:
            lines.add(node.lineno)
    return lines


def is_axes(argument):
    return argument.annotation is not None and bool(names_in(argument.annotation) & {"Axes"})


@pytest.mark.parametrize("name", NETWORKS)
def test_at_most_a_quarter_of_an_example_draws(name):
    source = (EXAMPLES / f"{name}.py").read_text()
    written = sum(bool(line.strip()) for line in source.splitlines())
    assert len(drawing_lines(source)) <= written / 4, sorted(drawing_lines(source))
    assert written <= 88


def test_lines_that_draw_are_counted():
    assert drawing_lines(
        "from matplotlib.figure import Figure\n"
        "from tinygrad_edu.viz.plots import plot_images\n"
        "fig = Figure()\n"
        "ax = fig.subplots()\n"
        "model = train()\n"
        "curve = ax.plot(\n"
        "    model)\n"
        "curve.remove()\n"
        "plot_images(model, ax=ax)\n"
        "print(model)\n"
    ) == {1, 3, 4, 6, 7, 8}
