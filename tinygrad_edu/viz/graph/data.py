"""The plain data of a graph: what every picture of a backward pass is drawn from."""

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from tinygrad_edu.notation.terms import Term

Role = Literal["input", "parameter", "constant", "intermediate", "module", "root"]


@dataclass(frozen=True)
class Cells:
    """An array as a small table of numbers.

    rows   the elements of a small array, or the means of the parts of a larger one; an array of
           more than two axes becomes a matrix first, which joins all axes but the last
    exact  whether each number is an element of the array
    """

    rows: tuple[tuple[float, ...], ...]
    exact: bool


@dataclass(frozen=True)
class GraphNode:
    """One value of the computation, as the forward pass used it.

    id         its place in `Graph.nodes`
    operation  the function that made it; empty for a leaf
    options    the options of that call, such as "axis=0"
    role       a "parameter" is a leaf that gets a gradient, an "input" a leaf that gets none, a
               "constant" a plain number or array among the operands, a "module" a module that
               `depth` folded into one node, with its class as operation
    value      the number, or a summary of an array as text
    gradient   d root / d node: the number, or the norm of an array as text; None if no gradient
               flows here. For a folded module with several outputs, the norm of all their gradients
    norm       the norm of the gradient; None if there is none
    bytes      the memory of its data
    birth      its running number: a node has a smaller number than all nodes made from it
    module     the path of the module that made or owns it; None if no record names one
    line       where it was made, if the record has lines
    made       the operation as a formula, if it can be written with operators
    rule       the source of its derivative rule
    values, gradients
               value and gradient of an array as small tables
    leaving    how many values of a folded module are used outside it: its outputs
    size       how many numbers the gradient has; those of all outputs of a folded module
    """

    id: int
    name: str
    operation: str
    options: str
    role: Role
    shape: tuple[int, ...]
    dtype: str
    value: float | str
    gradient: float | str | None
    norm: float | None = None
    bytes: int = 0
    birth: int | None = None
    module: str | None = None
    line: str | None = None
    made: Term | None = None
    rule: str = ""
    values: Cells | None = None
    gradients: Cells | None = None
    leaving: int = 1
    size: int = 1

    @property
    def is_plain_number(self) -> bool:
        """Whether this is a Python number among the operands, such as the 2 of x**2."""
        return self.role == "constant" and not self.shape


@dataclass(frozen=True)
class GraphEdge:
    """One use of a node as an operand, and the gradient that comes back from this use.

    source, target  the ids of the operand and of the result
    position        which operand it is, from 0
    formula         the contribution as a term of nodes and of their gradients, recorded from the
                    rule; None if there is no derivative, if the edge is part of a folded module,
                    or if the term is too long to read
    contribution    the part of the source's gradient that comes from this use: the number, or the
                    norm of an array; None if there is none
    local           d target / d source, if both are numbers and the gradient of target is not 0
    contributions   the contribution of an array as a small table
    count           how many values this edge stands for, between two folded modules; for several
                    values, the contribution is the norm of all their contributions
    size            how many numbers the contribution has: it is a norm unless this is 1
    """

    source: int
    target: int
    position: int
    formula: Term | None
    contribution: float | None
    local: float | None = None
    contributions: Cells | None = None
    count: int = 1
    size: int = 1


@dataclass(frozen=True)
class GraphGroup:
    """A module: its path, its class, and the path of the module around it (None at the top)."""

    path: str
    kind: str
    parent: str | None


@dataclass(frozen=True)
class Graph:
    """A computation and its backward pass.

    nodes   in the order of the forward pass, then the constants
    edges   in the order of their targets, then of the operands
    order   ids in the order of the backward pass; empty if the root tracks no gradient
    groups  the modules that nodes of the graph belong to, each after the one around it
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    order: tuple[int, ...]
    groups: tuple[GraphGroup, ...] = ()

    @cached_property
    def root(self) -> int:
        """The id of the node that the backward pass starts from."""
        return next(node.id for node in self.nodes if node.role == "root")

    def json(self) -> str:
        """The graph as strict JSON; numbers that are not finite become "nan", "inf" or "-inf"."""
        return json.dumps(strict(asdict(self)), allow_nan=False)


def strict(x: Any) -> Any:
    match x:
        case dict():
            return {key: strict(y) for key, y in x.items()}
        case list() | tuple():
            return [strict(y) for y in x]
        case float() if not math.isfinite(x):
            return str(x)
        case str() | int() | float() | None:
            return x
    return getattr(x, "__name__", str(x))  # a function or an index in a formula
