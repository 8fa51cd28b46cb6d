"""Backpropagation to read, watch and step through: an autograd framework on NumPy."""

from tinygrad_edu import functional, lab, losses, nn, optim, train, viz
from tinygrad_edu.allocation import keep_freed_memory
from tinygrad_edu.anomaly import detect_anomaly, explain
from tinygrad_edu.compiler import CompileError, compile
from tinygrad_edu.functional import softplus
from tinygrad_edu.gradient_check import gradcheck
from tinygrad_edu.graph import Node, backward_of, primitive
from tinygrad_edu.kernels import index_update, log_softmax, logsumexp, relu, sigmoid
from tinygrad_edu.messages import LeavesGraphWarning
from tinygrad_edu.modes import no_grad
from tinygrad_edu.recomputation import checkpoint
from tinygrad_edu.rng import manual_seed
from tinygrad_edu.slopes import GradcheckError
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.transforms import (
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from tinygrad_edu.value import Value
from tinygrad_edu.viz import draw

__version__ = "0.1.0"

keep_freed_memory()

__all__ = [
    "CompileError",
    "GradcheckError",
    "LeavesGraphWarning",
    "Node",
    "Tensor",
    "Value",
    "backward_of",
    "checkpoint",
    "compile",
    "detect_anomaly",
    "draw",
    "elementwise_grad",
    "explain",
    "functional",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "index_update",
    "jacobian",
    "jvp",
    "lab",
    "log_softmax",
    "logsumexp",
    "losses",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "relu",
    "sigmoid",
    "softplus",
    "train",
    "value_and_grad",
    "viz",
    "vjp",
]
