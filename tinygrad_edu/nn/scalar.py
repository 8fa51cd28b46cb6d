"""A network of single floats: every weight is a Value, every neuron two nodes of the graph.

No number is hidden in an array. Only w . x + b is fused into a single node, `weighted_sum` of
value.py, whose rule returns all its partials at once. A node for each product and each sum would
give the same gradients and take almost six times as long. Set a breakpoint in `Neuron.__call__` to
look at the numbers of a neuron, or in `weighted_sum_backward` to look at its gradients.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import default_rng
from tinygrad_edu.value import Value, weighted_sum

Inputs = Sequence[Value | float]  # or a one-dimensional array


class Neuron(Module):
    """relu(w . x + b); without the relu if `nonlinearity` is False.

    The weights start uniform in ±sqrt(6 / n_inputs), the bias at 0: the variance 2 / n_inputs keeps
    signals from fading or growing from one layer with relu to the next (He et al. 2015, "Delving
    Deep into Rectifiers", section 2.2). Without `rng` they come from the package's generator.
    Raises ValueError for an x that does not have n_inputs numbers.
    """

    def __init__(
        self, n_inputs: int, nonlinearity: bool = True, rng: np.random.Generator | None = None
    ) -> None:
        if n_inputs < 1:
            raise ValueError(f"a neuron needs at least one input, not {n_inputs}")
        bound = sqrt(6 / n_inputs)
        weights = default_rng(rng).uniform(-bound, bound, n_inputs)
        self.weights = [Value(w, name=f"w{i}") for i, w in enumerate(weights)]
        self.bias = Value(0.0, name="b")
        self.nonlinearity = nonlinearity

    def __call__(self, x: Inputs) -> Value:
        if len(x) != len(self.weights):
            raise ValueError(f"a neuron with {len(self.weights)} inputs was given {len(x)} numbers")
        x = [xi if isinstance(xi, Node) or xi.__class__ is float else float(xi) for xi in x]
        out: Value = weighted_sum(*self.weights, *x, self.bias)
        return out.relu() if self.nonlinearity else out

    def extra_repr(self) -> str:
        return f"n_inputs={len(self.weights)}, nonlinearity={self.nonlinearity}"


class Layer(Module):
    """Neurons that all take the same x: n_inputs numbers in, n_outputs Values out."""

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        nonlinearity: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.neurons = [Neuron(n_inputs, nonlinearity, rng) for _ in range(n_outputs)]

    def __call__(self, x: Inputs) -> list[Value]:
        return [neuron(x) for neuron in self.neurons]


class MLP(Module):
    """A multilayer perceptron: layers in a row, each of which takes the output of the one before.

    `sizes` says how many neurons each layer has. All but the last layer end in a relu. A network
    with one output returns that Value, any other a list of Values.
    """

    def __init__(
        self, n_inputs: int, sizes: Sequence[int], rng: np.random.Generator | None = None
    ) -> None:
        widths = list(pairwise([n_inputs, *sizes]))
        self.layers = [
            Layer(n, m, nonlinearity=i < len(widths), rng=rng)
            for i, (n, m) in enumerate(widths, start=1)
        ]

    def __call__(self, x: Inputs) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x[0] if len(x) == 1 else x
