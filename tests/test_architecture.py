"""The house: imports point one way, importing it is light, and every rule has a row."""

import ast
import importlib
import io
import platform
import subprocess
import sys
import tokenize
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import test_rules
import test_rules_linalg
import test_rules_shapes
from test_rules import at

import tinygrad_edu
from tinygrad_edu import Tensor, Value
from tinygrad_edu.gradient_check import recorded
from tinygrad_edu.graph import RULES, forward_of
from tinygrad_edu.numpy_api.dispatch import COMPOSITIONS, NON_DIFFERENTIABLE
from tinygrad_edu.numpy_api.indexing import change_in_place

PACKAGE = Path(tinygrad_edu.__file__).parent
# Some are extras, and some take long to import.
OPTIONAL = {
    "IPython",
    "PIL",
    "anywidget",
    "cloudpickle",
    "dask",
    "distributed",
    "graphviz",
    "http",
    "joblib",
    "pygraphviz",
    "matplotlib",
    "numba",
    "optuna",
    "pyarrow",
    "safetensors",
    "sklearn",
    "tensorboardX",
    "tqdm",
    "traitlets",
    "webbrowser",
}

# Each may import those on the lines above it, and neighbours where its line says so.
FLOORS = [
    {"allocation", "cleanup", "operands", "progress", "tracing"},
    {"modes"},
    {"messages"},
    {"memory"},
    {"graph", "optim", "precision", "rng"},
    {"anomaly", "kernels", "notebook", "slopes", "structures"},
    {"recurrences", "rules"},
    {"numpy_api"},
    {"notation", "tensor", "value"},
    {"functional", "scalars", "transforms"},
    {"losses", "recomputation"},
    {"nn"},
    {"train"},
    {"compiler", "gradient_check", "lab"},
    {"viz"},
    {"testing"},
]
ALONE = {"optim", "tracing"}  # they need NumPy, and nothing of the package
# What compiled loops call is imported by a program, if there is one.
MACHINE = {"compiler/loops/blas.py", "compiler/loops/elementary.py"}
# They draw themselves, and import viz.plots when they are asked to: matplotlib comes with that.
DRAWN = {"optim/lr_scheduler.py", "train/history.py", "train/live.py"}
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree):
    """Every module that is imported in a tree, and whether it is inside a function."""
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert all(alias.name != "*" for alias in node.names), "no star imports"
            whole = node.module == "tinygrad_edu"
            names = (
                [f"tinygrad_edu.{alias.name}" for alias in node.names] if whole else [node.module]
            )
            yield from ((name, node in inside) for name in names)


SOURCES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    here = room(path)
    assert here in FLOOR or here in ALONE, f"give {here} a floor in FLOORS"
    for name, in_function in imports(ast.parse(path.read_text())):
        package, _, rest = name.partition(".")
        if name == "tinygrad_edu.viz.plots" and in_function:
            assert str(path.relative_to(PACKAGE)) in DRAWN, f"{path} imports {name}"
        elif package == "tinygrad_edu":
            assert not in_function, f"{path} imports {name} inside a function"
            there = rest.partition(".")[0]
            if there != here:
                assert here not in ALONE
                assert FLOOR[there] < FLOOR[here], f"{here} may not import {there}"
        else:
            late = package in OPTIONAL and str(path.relative_to(PACKAGE)) not in MACHINE
            assert in_function == late, f"{path} imports {name} in the wrong place"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_has_the_name_of_a_function_beside_it(path):
    name = path.parent.name if path.stem == "__init__" else path.stem
    defined = [x.name for x in ast.parse(path.read_text()).body if isinstance(x, ast.FunctionDef)]
    assert name not in defined
    if str(path.relative_to(PACKAGE)) in MACHINE and not find_spec("numba"):
        return
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    module = ".".join(parts[:-1] if path.stem == "__init__" else parts)
    room, _, name = importlib.import_module(module).__name__.rpartition(".")
    assert getattr(sys.modules[room], name) is sys.modules[module]


def lines_of_code(path):
    """How many lines a file has without docstrings, comments and blank lines."""
    text = path.read_text()
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            lines -= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    return len(lines - {text.count("\n") + 1})


def test_what_a_learner_reads_is_short():
    assert sum(lines_of_code(PACKAGE / f"{name}.py") for name in ("graph", "value", "rules")) <= 700


PICTURES = [p for p in SOURCES if room(p) in ("notation", "viz")]


@pytest.mark.parametrize("path", PICTURES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_formula_is_what_a_rule_wrote_down_and_no_source_text(path):
    tree = ast.parse(path.read_text())
    assert not {name for name, _ in imports(tree)} & {"re", "ast", "tokenize"}
    named = {x.id for x in ast.walk(tree) if isinstance(x, ast.Name)}
    assert not named & {"eval", "exec", "compile"}
    texts = {x.value for x in ast.walk(tree) if isinstance(x, ast.Constant)}
    rules = ast.parse((PACKAGE / "rules.py").read_text()).body
    functions = {x.name for x in rules if isinstance(x, ast.FunctionDef)}
    assert not any("tinygrad_edu.rules" in name for name, _ in imports(tree))
    assert not texts & functions


def test_importing_is_light():
    code = "import sys, tinygrad_edu; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not OPTIONAL & set(modules)


ROWS = test_rules.TABLE + test_rules_linalg.TABLE + test_rules_shapes.TABLE
VALUE_ROWS = test_rules.VALUE_TABLE
PLAIN = {np.histogram, np.ix_, np.lexsort}  # compositions without a derivative


called = set()


def note(function):
    """Note what is called on a Tensor, unless the package itself calls it."""
    if not sys._getframe(2).f_code.co_filename.startswith(str(PACKAGE)):
        called.add(function)


class Noting(Tensor):
    __slots__ = ()

    def __array_function__(self, function, types, args, kwargs):
        note(function)
        return super().__array_function__(function, types, args, kwargs)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        note(ufunc if method == "__call__" else getattr(ufunc, method))
        return super().__array_ufunc__(ufunc, method, *inputs, **options)

    def __getattribute__(self, name):
        note(getattr(Tensor, name, None))
        return super().__getattribute__(name)


def called_by(row, kind):
    """The functions that a row calls, and those of the nodes that it makes."""
    called.clear()
    xs = [kind(x if kind is Noting else x.item(), requires_grad=True) for x in at(row)]
    return {node.function for node in recorded(lambda: row.f(*xs))} | called


@pytest.mark.parametrize(
    ("row", "kind"),
    [(row, Noting) for row in ROWS] + [(row, Value) for row in VALUE_ROWS],
    ids=lambda x: getattr(x, "__name__", None) or test_rules.name(x),
)
def test_a_row_calls_the_function_that_it_is_of(row, kind):
    assert forward_of(row.function) in called_by(row, kind)


def test_every_rule_and_every_composition_has_a_row():
    rows = {forward_of(row.function) for row in ROWS + VALUE_ROWS}
    rules = {f for f, rule in RULES.items() if rule.__module__.startswith("tinygrad_edu")}
    compositions = {f for f, composed in COMPOSITIONS.items() if composed is not change_in_place}
    direct = set().union(*(called_by(row, Noting) for row in ROWS))
    missing = (rules - rows) | (compositions - PLAIN - rows - direct)
    assert not missing, "no row in the tables of tests/test_rules*.py"


def test_an_answer_without_a_derivative_has_no_rule():
    assert not NON_DIFFERENTIABLE & {*RULES, *COMPOSITIONS}


def test_every_public_name_is_there():
    for name in tinygrad_edu.__all__:
        assert hasattr(tinygrad_edu, name)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do otherwise")
def test_memory_of_large_arrays_is_used_again():
    code = """
import resource, tinygrad_edu, numpy as np

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    return sum(x[0] for x in [np.ones(500_000) for _ in range(4)])

step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""
    pages = int(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert pages < 1000  # 40 arrays of 4 MB have 39,000 pages


def test_attributes_of_a_node_are_found_without_detours():
    """With a `__getattr__` or the like, Python finds every attribute late: 10 % of a small step."""
    for kind in (Tensor, Value):
        for hook in ("__getattr__", "__getattribute__", "__setattr__"):
            assert getattr(kind, hook, None) is getattr(object, hook, None)
