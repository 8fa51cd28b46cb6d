"""Which competitors are there? One module for each framework, with one function for each task.

A task is a function of a peer's module: `perceptron(arrays, **options)` builds the network from
`arrays`, and returns a step, a function that trains once and returns the loss as a float. A
peer has no function for a task that it cannot do; `CANNOT` in its module says why.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple


class Competitor(NamedTuple):
    module: str  # in this folder
    package: str  # what must be installed
    settings: dict[str, Any]  # handed to each of its tasks
    variables: dict[str, str] = {}  # of the environment of its process  # noqa: RUF012


HAND, OURS, TENSORS = "NumPy by hand", "tinygrad_edu", "tinygrad_edu, Tensors"
COMPILED, NUMBA = "tinygrad_edu, compiled", "tinygrad_edu, numba"
PYTORCH, TORCH_COMPILE, JAX = "PyTorch", "PyTorch, compiled", "JAX, jit"
MYGRAD, AUTOGRAD, DEZERO = "MyGrad", "autograd", "DeZero"
TINYGRAD, MICROGRAD = "tinygrad", "micrograd"

COMPETITORS = {
    HAND: Competitor("by_hand", "numpy", {}),
    OURS: Competitor("ours", "tinygrad_edu", {}),
    TENSORS: Competitor(
        "ours", "tinygrad_edu", {"scalar": False}
    ),  # in graphs, where OURS is Value
    COMPILED: Competitor("ours", "tinygrad_edu", {"backend": "numpy"}),
    NUMBA: Competitor("ours", "numba", {"backend": "numba"}),
    PYTORCH: Competitor("pytorch", "torch", {}),
    TORCH_COMPILE: Competitor("pytorch", "torch", {"compiled": True}),
    JAX: Competitor("jax", "jax", {}),
    MYGRAD: Competitor("mygrad", "mygrad", {}),
    AUTOGRAD: Competitor("autograd", "autograd", {}),
    DEZERO: Competitor("dezero", "dezero", {}),
    TINYGRAD: Competitor("tinygrad", "tinygrad", {}, {"DEV": "CPU"}),
    MICROGRAD: Competitor("micrograd", "micrograd", {}),
}
NETWORKS = [name for name in COMPETITORS if name not in (TENSORS, MICROGRAD)]
EAGER = [HAND, OURS, PYTORCH, MYGRAD, AUTOGRAD, DEZERO]


EXAMPLES = str(Path(__file__).parents[3] / "examples")


def example(name: str) -> Any:
    """A module of examples/."""
    if EXAMPLES not in sys.path:
        sys.path.append(EXAMPLES)
    return import_module(name)


def is_installed(name: str) -> bool:
    return find_spec(COMPETITORS[name].package) is not None
