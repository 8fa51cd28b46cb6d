"""Backpropagation to read, watch and step through: an autograd framework on NumPy."""

from tinygrad_edu.graph import Node, backward_of, no_grad, primitive
from tinygrad_edu.kernels import index_update, log_softmax, logsumexp, relu, sigmoid, softplus
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.value import Value

__version__ = "0.1.0"

__all__ = [
    "Node",
    "Tensor",
    "Value",
    "backward_of",
    "index_update",
    "log_softmax",
    "logsumexp",
    "no_grad",
    "primitive",
    "relu",
    "sigmoid",
    "softplus",
]
