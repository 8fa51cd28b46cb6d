"""An example shows its question, not its axes: how much of its code draws by hand?"""

import ast

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from test_architecture import lines_of_code
from test_examples import EXAMPLES

MOST = 0.25  # of the lines of code
# What gives a figure or axes; and the arguments that a function of an example takes them as.
MAKERS = {"figure", "Figure", "panels", "tidy", "axes_of", "subplots", "subplot_mosaic"}
NAMES = {"ax", "axes", "fig"}
BY_HAND = {name for kind in (Axes, Figure) for name in dir(kind) if not name.startswith("_")}


def drawn_names(tree):
    """The names that stand for figures and axes, or for what is in them."""
    names = set(NAMES)
    while True:
        found = set(names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and touches(node.value, names, MAKERS):
                found |= bound(node.targets)
            elif isinstance(node, ast.For | ast.comprehension):
                found |= bound_in_loop(node.target, node.iter, names)
        if found == names:
            return names
        names = found


def bound(targets):
    return {x.id for target in targets for x in ast.walk(target) if isinstance(x, ast.Name)}


def bound_in_loop(target, iterated, names):
    """Of `for k, (ax, row) in enumerate(zip(axes, rows))` only ax."""
    called = getattr(getattr(iterated, "func", None), "id", "")
    if called in ("zip", "enumerate") and isinstance(target, ast.Tuple):
        parts = target.elts if called == "zip" else target.elts[1:]
        pairs = zip(parts, iterated.args, strict=True)
        return set().union(*(bound_in_loop(part, of, names) for part, of in pairs))
    return bound([target]) if touches(iterated, names, MAKERS) else set()


def touches(node, names, calls=frozenset()):
    """Whether a name of these is in an expression, or a call of these functions."""
    for x in ast.walk(node):
        if isinstance(x, ast.Name) and x.id in names:
            return True
        if isinstance(x, ast.Call) and getattr(x.func, "id", getattr(x.func, "attr", "")) in calls:
            return True
    return False


def lines_by_hand(path):
    """How many lines of code import matplotlib, or have to do with a figure or with axes.

    A call of a function of viz.plots has not: it draws, and the example does not.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names, lines, drawn_for_it = drawn_names(tree), set(), set()
    plots = {
        alias.asname or alias.name
        for x in imports(tree, "tinygrad_edu.viz.plots")
        for alias in x.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            lines.add(node.lineno)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in plots:
            drawn_for_it |= span(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in BY_HAND and touches(node.func.value, names, MAKERS):
                lines |= span(node)
        elif isinstance(node, ast.Assign) and touches(node.value, set(), MAKERS):
            lines |= span(node)
    return len((lines - drawn_for_it).union(*map(span, imports(tree, "matplotlib"))))


def imports(tree, package):
    """The statements that import from a package, its style left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", None) or node.names[0].name
            if f"{module}.".startswith(f"{package}.") and not module.endswith("style"):
                yield node


def span(node):
    return {*range(node.lineno, node.end_lineno + 1)}


def share(path):
    return lines_by_hand(path) / lines_of_code(path)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_no_more_than_a_quarter_of_an_example_draws_by_hand(path):
    assert share(path) <= MOST


def test_what_draws_by_hand_is_found(tmp_path):
    path = tmp_path / "example.py"
    path.write_text('''"""What?"""

import matplotlib.pyplot as plt

from tinygrad_edu.viz.plots import contour
from tinygrad_edu.viz.plots.style import panels


def picture(found, paths):
    left, right = panels("ab")
    contour(found, paths, ax=left)
    for k, (ax, row) in enumerate(zip((left, right), paths, strict=True)):
        ax.plot(
            row,
            "o",
        )
        row.sort()
    seen = set(paths)
    left.figure.savefig("x.png")
    return seen
''')
    assert lines_by_hand(path) == 8
    assert lines_of_code(path) == 15
