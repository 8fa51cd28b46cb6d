"""What is a program, how is it run, and how is it printed?

A program is plain data: its inputs, and a list of operations. An operation is an expression in the
letters a, b and c, as "np.sum(a * b, axis=0)", and says which values these letters stand for. The
values of a program are numbered: first its inputs, then the result of each operation.

What is differentiated is the sum of sin over all values that no operation uses.
"""

import math
import re
from collections.abc import Callable
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu import Tensor, Value, functional, kernels, recurrences, value
from tinygrad_edu.value import weighted_sum

LETTERS = "abc"


class Input(NamedTuple):
    """An argument of a program.

    data     an array; a float in a program of Values
    layout   an expression in a: the same numbers, in memory of another kind
    tracked  whether a derivative with respect to it is wanted; if not, it stays a plain operand
    """

    data: Any
    layout: str = "a"
    tracked: bool = True


class Operation(NamedTuple):
    text: str
    operands: tuple[int, ...]


class Program(NamedTuple):
    inputs: tuple[Input, ...]
    operations: tuple[Operation, ...]

    @property
    def tracked(self) -> list[bool]:
        """For each value, whether it depends on a tracked input."""
        found = [x.tracked for x in self.inputs]
        for operation in self.operations:
            found.append(any(found[i] for i in operation.operands))
        return found

    @property
    def leaves(self) -> list[int]:
        """The numbers of the inputs that are differentiated."""
        return [i for i, x in enumerate(self.inputs) if x.tracked]

    @property
    def ends(self) -> list[int]:
        """The numbers of the values that are tracked, and used by no operation."""
        used = {i for operation in self.operations for i in operation.operands}
        return [i for i, tracked in enumerate(self.tracked) if tracked and i not in used]


class Library:
    """What the names in an expression mean: one program runs on several libraries.

    closing  an expression in a: the number that a value at the end of a program contributes
    """

    def __init__(self, closing: str, **names: Any) -> None:
        self.closing = closing
        self.names = names
        self.function_of = lru_cache(maxsize=5000)(self.compiled)

    def compiled(self, text: str) -> Callable[..., Any]:
        return eval(f"lambda a=None, b=None, c=None: {text}", self.names)

    def evaluate(self, text: str, *operands: Any) -> Any:
        return self.function_of(text)(*operands)


NUMPY = Library("np.sum(np.sin(a))", np=np, F=functional, K=kernels, R=recurrences)

# Values, and floats that compute the same
METHODS = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu", "abs")
VALUES = Library(
    "sin(a)", weighted_sum=weighted_sum, **{name: getattr(Value, name) for name in METHODS}
)
MATH = Library(
    "sin(a)",
    **vars(math),
    sigmoid=value.sigmoid,
    relu=value.relu,
    weighted_sum=weighted_sum,
)


def arrays(program: Program) -> list[Any]:
    """The inputs of a program, each in new memory of the layout that it asks for."""
    return [NUMPY.evaluate(x.layout, copy(x.data)) for x in program.inputs]


def run(program: Program, inputs: list[Any], library: Library = NUMPY) -> list[Any]:
    """All values of a program: the inputs, and the result of each operation."""
    values = list(inputs)
    for text, operands in program.operations:
        values.append(library.evaluate(text, *[values[i] for i in operands]))
    return values


def total(program: Program, values: list[Any], library: Library = NUMPY) -> Any:
    """The number that is differentiated."""
    first, *rest = [library.evaluate(library.closing, values[i]) for i in program.ends]
    for x in rest:
        first = first + x
    return first


def leaf(array: Any) -> Tensor:
    """A Tensor with a gradient that computes with this array itself, and not with a copy."""
    x = Tensor(array, requires_grad=True)
    x.data = array
    return x


def exact(program: Program) -> Program:
    """The same program with float64 for float32, so that its numbers have all their digits."""
    return Program(
        tuple(x._replace(data=widened(x.data)) for x in program.inputs),
        tuple(x._replace(text=x.text.replace("float32", "float64")) for x in program.operations),
    )


def single(program: Program) -> bool:
    """Whether a program computes in float32 anywhere."""
    dtypes = [getattr(x.data, "dtype", None) for x in program.inputs]
    return np.float32 in dtypes or any("float32" in x.text for x in program.operations)


def widened(x: Any) -> Any:
    return x.astype(float) if getattr(x, "dtype", None) == np.float32 else x


# Python lines


def printed(program: Program) -> str:
    """Lines of Python that run the program and print its gradients."""
    scalar = any(isinstance(x.data, float) and x.tracked for x in program.inputs)
    lines = HEADER_OF_VALUES if scalar else HEADER_OF_TENSORS
    lines = [*lines, ""]
    for i, (data, layout, tracked) in enumerate(program.inputs):
        array = literal(data)
        if scalar and tracked:
            lines.append(f"v{i} = Value({array})")
        elif tracked:
            lines.append(f"v{i} = Tensor({array}, requires_grad=True)")
            if layout != "a":
                lines.append(f"v{i}.data = {substituted(layout, [f'v{i}.data'])}")
        else:
            lines.append(f"v{i} = {substituted(layout, [array])}")
    count = len(program.inputs)
    for i, (text, operands) in enumerate(program.operations, count):
        lines.append(f"v{i} = {substituted(text, [f'v{j}' for j in operands])}")
    closing = (VALUES if scalar else NUMPY).closing
    ends = [substituted(closing, [f"v{i}"]) for i in program.ends]
    lines.append(f"({' + '.join(ends)}).backward()")
    lines.append(f"print({', '.join(f'v{i}.grad' for i in program.leaves)})")
    return "\n".join(lines)


HEADER_OF_TENSORS = [
    "import numpy as np",
    "from tinygrad_edu import Tensor, functional as F, kernels as K, recurrences as R",
]
HEADER_OF_VALUES = [
    "from tinygrad_edu import Value",
    "from tinygrad_edu.value import weighted_sum",
    f"{', '.join(METHODS)} = {', '.join(f'Value.{name}' for name in METHODS)}",
]


def literal(data: Any) -> str:
    """An array as Python that makes it."""
    if isinstance(data, np.ndarray):
        return f"np.array({data.tolist()}, np.{data.dtype})"
    return repr(data)


def substituted(text: str, operands: list[str]) -> str:
    """An expression with its letters replaced by operands."""
    names = dict(zip(LETTERS, operands, strict=False))
    return re.sub(r"(?<![\w.])[abc](?!\w)", lambda m: names[m[0]], text)
