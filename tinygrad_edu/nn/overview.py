"""What a network is made of, and what it costs: one row for each module."""

import math
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.graph import Node, behind, plain
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import default_rng


@dataclass
class ModuleRow:
    """One module, without the modules inside it, so that each column adds up to its total."""

    path: str
    kind: str
    output_shape: Any = None  # None if the module was not called
    parameters: int = 0  # how many numbers
    trainable: int = 0  # those with requires_grad
    kept: int = 0  # bytes kept for backward


@dataclass(repr=False)
class Summary:
    """What `summary` returns: `rows`, which print as a table."""

    rows: list[ModuleRow]

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        return sum(row.trainable for row in self.rows)

    @property
    def kept(self) -> int:
        return sum(row.kept for row in self.rows)

    def __repr__(self) -> str:
        head = ("layer", "output shape", "parameters", "kept for backward")
        total = ("total", "", f"{self.parameters:,}", f"{self.kept:,} B")
        table = [head, *map(row_texts, self.rows), total]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if i > 1 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        rule = "-" * max(map(len, lines))
        frozen = self.parameters - self.trainable
        note = [f"{frozen:,} of the parameters are not trained"] if frozen else []
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *note])


def row_texts(row: ModuleRow) -> tuple[str, str, str, str]:
    name = f"{row.path}: {row.kind}" if row.path else row.kind
    shape = "not called" if row.output_shape is None else str(row.output_shape)
    return name, shape, f"{row.parameters:,}", f"{row.kept:,} B"


def summary(
    model: Module, input_shape: tuple[int, ...], dtype: npt.DTypeLike | None = None
) -> Summary:
    """Run a copy of the model once on an input of this shape, and list its modules.

    input_shape  with the batch: (32, 1, 8, 8)
    dtype        of the input, by default the dtype of the first parameter; use int for a model that
                 takes token indices, which are then all 0

    Each row has the path and class of a module, the shape of its output, the count of numbers in
    its parameters, and the bytes of the arrays (parameters excluded) that its operations keep until
    backward() has run. An array that several operations keep is counted once, for the first of
    them. The model runs in its current mode, training or not. Neither the model nor any random
    generator is changed.
    """
    twin = deepcopy(model)
    rows = {path: ModuleRow(path, type(x).__name__) for path, x in twin.named_modules()}
    x = example(input_shape, dtype, twin)
    count_parameters(twin, rows)
    count_kept(twin, *run_noted(twin, x, rows))
    return Summary(list(rows.values()))


def count_parameters(model: Module, rows: dict[str, ModuleRow]) -> None:
    """Give every parameter to the innermost module that holds it."""
    for path, p in model.named_parameters():
        owner = max((name for name in rows if path.startswith(name and f"{name}.")), key=len)
        rows[owner].parameters += math.prod(np.shape(p.data))
        rows[owner].trainable += math.prod(np.shape(p.data)) * p.requires_grad


def run_noted(
    model: Module, x: Any, rows: dict[str, ModuleRow]
) -> tuple[Any, dict[Node, ModuleRow]]:
    """model(x), and for each node that it makes, the row of the innermost running module."""
    maker: dict[Node, ModuleRow] = {}

    def note_shape(path: str, out: Any) -> None:
        rows[path].output_shape = shape(out)

    def note_maker(out: Node) -> None:
        maker[out] = rows[calls[-1]]

    state = default_rng().bit_generator.state

    def restore() -> None:
        default_rng().bit_generator.state = state

    with (
        afterwards(restore),
        model.watched(note_shape) as calls,
        temporarily(RECORDING, note_maker),
    ):
        return model(x), maker


def count_kept(model: Module, out: Any, maker: dict[Node, ModuleRow]) -> None:
    """Count every array that the graph of `out` keeps for the module that first used it."""
    counted = {id(base_of(p.data)) for p in model.parameters()}
    graph = {node for root in nodes_in(out) for node in behind(root) if node in maker}
    for node in sorted(graph, key=lambda node: node.birth):
        for array in map(base_of, node.seen):
            if id(array) not in counted:
                counted.add(id(array))
                maker[node].kept += getattr(array, "nbytes", 0)


def example(input_shape: tuple[int, ...], dtype: npt.DTypeLike | None, model: Module) -> Any:
    """An input: random numbers, or zeros if they are integers."""
    if dtype is None:
        dtype = next((p.data.dtype for p in model.parameters() if p.broadcasts), float)
    if np.dtype(dtype).kind != "f":
        return np.zeros(input_shape, dtype)
    return np.random.default_rng(0).standard_normal(input_shape).astype(dtype)


def shape(out: Any) -> Any:
    """The shape of an output, or of each part of a tuple, list or dict."""
    if isinstance(out, tuple | list):
        return type(out)(map(shape, out))
    if isinstance(out, dict):
        return {key: shape(x) for key, x in out.items()}
    return None if out is None else np.shape(plain(out))


def nodes_in(out: Any) -> Iterator[Node]:
    """The nodes in an output."""
    if isinstance(out, Node):
        yield out
    elif isinstance(out, Iterable) and not hasattr(out, "dtype"):
        for x in out.values() if isinstance(out, dict) else out:
            yield from nodes_in(x)


def base_of(array: Any) -> Any:
    """The array that owns the memory of a view."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array
