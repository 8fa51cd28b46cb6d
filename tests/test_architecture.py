"""The house: imports point one way, importing it is light, and every rule has a row."""

import ast
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import test_rules
import test_rules_linalg
import test_rules_shapes

import tinygrad_edu
from tinygrad_edu import Tensor, Value
from tinygrad_edu.graph import RULES, forward_of

PACKAGE = Path(tinygrad_edu.__file__).parent
OPTIONAL = {
    "PIL",
    "graphviz",
    "joblib",
    "pygraphviz",
    "matplotlib",
    "safetensors",
    "sklearn",
    "tqdm",
}

# Each may import those on the lines above it, and neighbours where its line says so.
FLOORS = [
    {"cleanup"},
    {"graph", "optim", "precision", "rng"},
    {"anomaly", "kernels", "notebook", "slopes"},
    {"rules", "linalg_rules"},
    {"compositions"},
    {"value", "tensor"},
    {"functional", "transforms"},
    {"losses"},
    {"nn"},
    {"train"},
    {"gradcheck", "lab", "viz"},
    {"testing"},
]
ALONE = {"optim"}  # needs .data and .grad, and nothing of the package
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
        if package == "tinygrad_edu":
            assert not in_function, f"{path} imports {name} inside a function"
            there = rest.partition(".")[0]
            if there != here:
                assert here not in ALONE
                assert FLOOR[there] < FLOOR[here], f"{here} may not import {there}"
        else:
            assert in_function == (package in OPTIONAL), f"{path} imports {name} in the wrong place"


def test_importing_is_light():
    code = "import sys, tinygrad_edu; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not OPTIONAL & set(modules)


def test_every_rule_has_a_row():
    tables = test_rules, test_rules_linalg, test_rules_shapes
    rows = {forward_of(row.function) for tests in tables for row in tests.TABLE}
    rows |= {forward_of(row.function) for row in test_rules.VALUE_TABLE}
    missing = sorted(
        rule.__name__
        for function, rule in RULES.items()
        if function not in rows and rule.__module__.startswith("tinygrad_edu")
    )
    assert not missing, f"no row in the tables of tests/test_rules*.py for {missing}"


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
