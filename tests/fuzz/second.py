"""The second opinion: the same derivatives by HIPS autograd, an implementation of other people.

What autograd has no derivative for it cannot judge: then there is no second opinion.
"""

from types import SimpleNamespace
from typing import Any

import numpy

from fuzz.operations import UNKNOWN_TO_AUTOGRAD
from fuzz.programs import Library, Program, run, total

try:
    import autograd
    import autograd.numpy as np
    from autograd.scipy.special import erf
except ImportError:
    autograd = None


def sigmoid(x: Any) -> Any:
    return (np.tanh(x / 2) + 1) / 2


def logsumexp(x: Any, axis: Any = -1, keepdims: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def softmax(x: Any, axis: Any = -1) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def library() -> Library:
    """NumPy's functions by autograd, and of the package's own those that are short formulas."""
    kernels = SimpleNamespace(
        relu=lambda x: np.maximum(x, 0),
        sigmoid=sigmoid,
        log1pexp=lambda x: np.log(1 + np.exp(x)),
        erf=erf,
        logsumexp=logsumexp,
        softmax=softmax,
        log_softmax=lambda x, axis: x - logsumexp(x, axis, True),
        linear=lambda x, weight, bias: np.matmul(x, weight) + bias,
    )
    functional = SimpleNamespace(
        tanh=np.tanh,
        gelu=lambda x: x * (1 + erf(x / 2**0.5)) / 2,
        silu=lambda x: x * sigmoid(x),
        mish=lambda x: x * np.tanh(np.log(1 + np.exp(x))),
        logsigmoid=lambda x: np.log(sigmoid(x)),
        softmax=softmax,
        softmin=lambda x, axis: softmax(-x, axis),
        leaky_relu=lambda x: np.where(x > 0, x, 0.01 * x),
        elu=lambda x: np.where(x > 0, x, np.exp(x) - 1),
    )
    return Library("np.sum(np.sin(a))", np=np, K=kernels, F=functional)


LIBRARY = library() if autograd else None


def second_opinion(
    program: Program, inputs: list[Any], along: list[Any]
) -> tuple[list[Any], list[Any]] | None:
    """The gradient and the Hessian times `along`, or None where autograd cannot tell."""

    def f(leaves: list[Any]) -> Any:
        values = list(inputs)
        for i, x in zip(program.leaves, leaves, strict=True):
            values[i] = x
        return total(program, run(program, values, LIBRARY), LIBRARY)

    def slope(leaves: list[Any]) -> Any:
        g = autograd.grad(f)(leaves)
        return sum(np.sum(x * v) for x, v in zip(g, along, strict=True))

    if LIBRARY is None or any(UNKNOWN_TO_AUTOGRAD.search(x.text) for x in program.operations):
        return None
    leaves = [numpy.array(inputs[i]) for i in program.leaves]
    try:
        return autograd.grad(f)(leaves), autograd.grad(slope)(leaves)
    except Exception:  # autograd has many ways to say that it cannot
        return None
