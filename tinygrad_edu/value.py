"""Value: one float in the graph, with the same nodes, rules and backward pass as a Tensor."""

import math
import operator
from typing import Any, Self

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu import rules as rules  # the import fills the table of rules
from tinygrad_edu.graph import Node, apply, backward_of, forward_of, plain, primitive
from tinygrad_edu.notebook import html_table
from tinygrad_edu.operands import is_complex


class Value(Node):
    """A float that remembers how it was made.

    data           a real number of Python or NumPy, kept as a float
    requires_grad  whether `backward` computes its gradient
    name           shown in pictures and in errors

    Operators and methods compute as `math` does: `Value(-1).log()` raises an error, because its
    result is not a real number. NumPy's functions work on object arrays of Values.
    Raises TypeError for data that is not one real number.
    """

    __slots__ = ()
    native = float
    broadcasts = False

    def __init__(
        self, data: float | Node, requires_grad: bool = True, name: str | None = None
    ) -> None:
        number = self.adopt(plain(data))
        if number is NotImplemented:
            raise TypeError(
                f"a Value holds one real number, and this is a {type(data).__name__}; "
                "use a Tensor for an array"
            )
        super().__init__(number, requires_grad, name)

    @classmethod
    def adopt(cls, data: Any) -> Any:
        if is_complex(data):
            raise TypeError(f"a Value holds a real number, and this is complex: {data}")
        if isinstance(data, float | int | np.number | np.bool):
            return float(data)
        return NotImplemented

    def seed(self, grad: Any, create_graph: bool) -> Any:
        if not self._requires_grad:
            raise ValueError(
                "backward() has nothing to do: no Value with requires_grad=True went into "
                f"{self.name or 'this Value'}, or it was made under no_grad()"
            )
        if create_graph:
            return grad if isinstance(grad, Value) else Value(1.0 if grad is None else grad, False)
        return 1.0 if grad is None else float(plain(grad))

    def accumulate(self, g: Any) -> None:
        g = g if isinstance(g, Value) else float(g)
        self.grad = g if self.grad is None else self.grad + g

    def fit(self, partial: Any, node: Node) -> Any:
        return partial if isinstance(partial, Value) else float(partial)

    def detach(self) -> "Value":
        """The same number outside the graph: no gradient flows through the result."""
        return Value(self._array, requires_grad=False)

    def item(self) -> float:
        """The number itself."""
        return self._array

    # On object arrays, NumPy calls these methods for np.exp, np.log and so on.

    def exp(self) -> Self:
        return apply(math.exp, self)

    def log(self) -> Self:
        return apply(math.log, self)

    def sqrt(self) -> Self:
        return apply(math.sqrt, self)

    def sin(self) -> Self:
        return apply(math.sin, self)

    def cos(self) -> Self:
        return apply(math.cos, self)

    def tanh(self) -> Self:
        return apply(math.tanh, self)

    def sigmoid(self) -> Self:
        return apply(sigmoid, self)

    def relu(self) -> Self:
        return apply(relu, self)

    def abs(self) -> Self:
        return apply(operator.abs, self)

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"Value({self._array}{name})"

    def _repr_html_(self) -> str:
        return html_table(self)


# Two kernels on floats; their rules are those of the kernels on arrays


def relu(x: float) -> float:
    return x if x > 0 else 0.0


def sigmoid(x: float) -> float:
    small = math.exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1.0 + small)


backward_of(relu)(kernels.relu_backward)
backward_of(sigmoid)(kernels.sigmoid_backward)
Value.replaces = {forward_of(kernels.relu): relu, forward_of(kernels.sigmoid): sigmoid}


@primitive
def weighted_sum(*inputs: Any) -> Any:
    """w1 x1 + ... + wn xn + b, given as (w1, ..., wn, x1, ..., xn, b): one node for a neuron."""
    n = len(inputs) // 2
    return sum(map(operator.mul, inputs[:n], inputs[n:-1]), inputs[-1])


@backward_of(weighted_sum)
def weighted_sum_backward(g: Any, out: Any, *inputs: Any) -> tuple[Any, ...]:
    n = len(inputs) // 2
    return (*[g * x for x in inputs[n:-1]], *[g * w for w in inputs[:n]], g)
