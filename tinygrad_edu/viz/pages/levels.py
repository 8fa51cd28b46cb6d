"""Random small graphs to practise on, with numbers for mental arithmetic or for paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import atanh
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.value import Value

Generator = np.random.Generator

NUMBERS = (-4.0, -3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
WHOLE = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0)
SLOPES = (0.5, -0.5, 0.6, -0.6, 0.8, -0.8)  # of tanh: 1 - h² is 0.75, 0.64, 0.36


@dataclass(frozen=True)
class Level:
    """A level: its title, the kinds of mistakes it helps against, and a maker of random graphs."""

    title: str
    kinds: tuple[str, ...]
    graph: Callable[[Generator], Any]


class Leaves:
    """A maker of leaves that are named w, x, b, ... in turn."""

    def __init__(self, rng: Generator, numbers: Sequence[float] = NUMBERS) -> None:
        self.rng, self.numbers = rng, numbers
        self.letters = iter("wxbayucdv")

    def leaf(self, x: float | None = None) -> Any:
        """A leaf with the number x, or with a random one."""
        x = float(self.rng.choice(self.numbers)) if x is None else x
        return Value(x, name=next(self.letters))

    def leaves(self, n: int) -> list[Any]:
        return [self.leaf() for _ in range(n)]

    def array(self, *shape: int, requires_grad: bool = True) -> Any:
        data = self.rng.choice(WHOLE, shape)
        return Tensor(data, requires_grad=requires_grad, name=next(self.letters))


def chosen(rng: Generator, several: Sequence[Any]) -> Any:
    return several[int(rng.integers(len(several)))]


def combined(rng: Generator, x: Any, y: Any) -> Any:
    """x + y, x - y or x y."""
    operation: Callable[[Any, Any], Any] = chosen(
        rng, (lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x * y)
    )
    return operation(x, y)


def products(rng: Generator) -> Any:
    """Three or four numbers, joined two by two."""
    parts = Leaves(rng).leaves(int(rng.integers(3, 5)))
    while len(parts) > 1:
        x = parts.pop(int(rng.integers(len(parts))))
        y = parts.pop(int(rng.integers(len(parts))))
        parts.append(combined(rng, x, y))
    return parts[0]


def chains(rng: Generator) -> Any:
    """Each operation on the result of the one before, with a power among them."""
    leaves = Leaves(rng, WHOLE)
    inner = combined(rng, leaves.leaf(), leaves.leaf())
    if rng.random() < 0.5:
        inner = combined(rng, inner, leaves.leaf())
    outer = inner ** int(chosen(rng, (2, 2, 3)))
    return chosen(rng, (outer, outer * leaves.leaf(), outer * 0.5, leaves.leaf() - outer))


def fan_outs(rng: Generator) -> Any:
    """A value that is used twice."""
    leaves = Leaves(rng, WHOLE)
    w, x = leaves.leaves(2)
    z = combined(rng, w, x)
    return chosen(
        rng,
        (
            lambda: combined(rng, w * x, x**2),
            lambda: combined(rng, z * leaves.leaf(), w),
            lambda: z * combined(rng, z, leaves.leaf()),
            lambda: (w + x) * (w - x),
            lambda: combined(rng, w * x, x * leaves.leaf()),
            lambda: z * z + combined(rng, z, leaves.leaf()),
        ),
    )()


def activations(rng: Generator) -> Any:
    """A neuron, or two, with relu or tanh."""
    leaves = Leaves(rng, WHOLE)
    w, x = leaves.leaves(2)
    if rng.random() < 0.5:
        h = relu_of(combined(rng, w * x, leaves.leaf()))
    else:
        h = chosen(rng, SLOPES)
        h = tanh_of(w * x + leaves.leaf(atanh(h) - w.data * x.data))
    return chosen(
        rng,
        (
            lambda: h * leaves.leaf(),
            lambda: (h - leaves.leaf()) ** 2,
            lambda: h * leaves.leaf() + relu_of(x * leaves.leaf()),
        ),
    )()


def relu_of(x: Any) -> Any:
    return x.relu()


def tanh_of(x: Any) -> Any:
    h = x.tanh()
    h.name = "h"
    return h


def vectors(rng: Generator) -> Any:
    """Two or three numbers at once, and a sum at the end."""
    leaves = Leaves(rng)
    n = int(rng.integers(2, 4))
    w, x = leaves.array(n), leaves.array(n)
    s = Tensor(float(chosen(rng, WHOLE)), requires_grad=True, name="s")
    return chosen(
        rng,
        (
            lambda: np.sum(w * x * s),
            lambda: np.sum((w - x) ** 2),
            lambda: np.sum(w * s + x) * 0.5,
            lambda: np.sum((w + s) ** 2),
            lambda: np.sum((w * x - s) ** 2),
            lambda: np.sum(w * x) ** 2,
        ),
    )()


def matrices(rng: Generator) -> Any:
    """A matrix times a vector or a matrix, weighted and summed up."""
    rows = int(rng.integers(2, 4))
    w = Tensor(rng.choice(WHOLE, (rows, 2)), requires_grad=True, name="W")
    if rng.random() < 0.5:
        x = Tensor(rng.choice(WHOLE, 2), requires_grad=True, name="x")
        c = Tensor(rng.choice(WHOLE, rows), name="c", requires_grad=False)
    else:
        x = Tensor(rng.choice(WHOLE, (2, 2)), requires_grad=True, name="X")
        c = Tensor(rng.choice(WHOLE, (rows, 2)), name="C", requires_grad=False)
    y = w @ x
    y.name = "Y" if x.ndim == 2 else "y"
    return np.sum(y * c)


LEVELS = {
    "products": Level("sums and products", ("operand", "sign"), products),
    "chains": Level("chains", ("power", "chain", "incoming"), chains),
    "fan-outs": Level("fan-outs", ("uses",), fan_outs),
    "activations": Level("relu and tanh", ("gate", "function"), activations),
    "vectors": Level("vectors", ("broadcast", "element"), vectors),
    "matrices": Level("a matrix product", ("transpose",), matrices),
}


def rulebook() -> list[tuple[str, Node]]:
    """The rules of all levels: for each a title, and a graph whose leaves x and y show the rule."""
    x, y, v = (Value(n, name=name) for n, name in zip((3.0, 2.0, 5.0), "xyv"))
    vector = Tensor([1.0, 2.0, 4.0], requires_grad=True, name="x")
    scalar = Tensor(3.0, requires_grad=True, name="y")
    left, right = (
        Tensor(np.arange(1.0, 7.0).reshape(shape), requires_grad=True, name=name)
        for name, shape in (("x", (2, 3)), ("y", (3, 2)))
    )
    return [
        ("sum", seen(x + y)),
        ("difference", seen(x - y)),
        ("product", seen(x * y)),
        ("power", seen(x**3)),
        ("used twice", x * y + x * v),
        ("relu", seen(x.relu())),
        ("tanh", seen(x.tanh())),
        ("sum of a vector", seen(np.sum(vector))),
        ("a number, broadcast", seen(vector * scalar)),
        ("matrix product", seen(left @ right)),
    ]


def seen(z: Any) -> Any:
    """A number that depends on z, so that z has a gradient with a name."""
    z.name = "z"
    return np.sum(z * 1.0) if getattr(z, "shape", ()) else z * 1.0
