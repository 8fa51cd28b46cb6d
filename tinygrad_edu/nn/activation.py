"""Activations as layers."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

import numpy as np
import numpy.typing as npt

from tinygrad_edu.functional import activation
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor


@dataclass(eq=False, repr=False)
class Activation(Module):
    """y = function(x, *settings): a function from functional/ that remembers its settings."""

    function: ClassVar[Callable[..., Any]]
    settings: ClassVar[tuple[str, ...]]

    def __call__(self, x: Any) -> Any:
        return self.function(x, *[getattr(self, name) for name in self.settings])

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


Class = TypeVar("Class", bound=type[Activation])


@dataclass_transform(eq_default=False)
def layer_of(function: Callable[..., Any]) -> Callable[[Class], Class]:
    """Make the class below the layer of `function`: its fields are the arguments after x."""

    def enter(layer: Class) -> Class:
        dataclass(eq=False, repr=False)(layer)
        layer.function = staticmethod(function)
        layer.settings = tuple(field.name for field in fields(layer))
        if not layer.settings:  # call it directly: every extra call slows a small network down
            layer.__call__ = lambda self, x: function(x)  # type: ignore[method-assign]
        return layer

    return enter


@layer_of(activation.relu)
class ReLU(Activation):
    """y = max(x, 0), with slope 0 at 0.

    Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".
    """


@layer_of(activation.leaky_relu)
class LeakyReLU(Activation):
    """y = x where x > 0, else negative_slope x.

    Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models", section 2.
    """

    negative_slope: float = 0.01


class PReLU(Module):
    """y = x where x > 0, else weight x: a LeakyReLU that learns its slope, or one for each channel.

    num_parameters  1, or the number of channels of x: (batch, channels, ...)
    init            the value that every weight starts with

    He et al. 2015, "Delving deep into rectifiers", section 2.1.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: npt.DTypeLike = float
    ) -> None:
        if num_parameters < 1:
            raise ValueError(f"PReLU needs at least one parameter, not {num_parameters}")
        weight = np.full(num_parameters, init, dtype)
        self.weight = Tensor(weight, requires_grad=True, name="weight")

    def __call__(self, x: Any) -> Any:
        return activation.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.weight.size}"


@layer_of(activation.elu)
class ELU(Activation):
    """y = x where x > 0, else alpha (exp(x) - 1).

    Clevert et al. 2016, "Fast and accurate deep network learning by exponential linear units
    (ELUs)", section 3.
    """

    alpha: float = 1.0


@layer_of(activation.selu)
class SELU(Activation):
    """y = scale elu(x, alpha), with alpha = 1.67326... and scale = 1.05070...

    Klambauer et al. 2017, "Self-normalizing neural networks", section 2.
    """


@layer_of(activation.celu)
class CELU(Activation):
    """y = x where x > 0, else alpha (exp(x / alpha) - 1).

    Barron 2017, "Continuously differentiable exponential linear units".
    """

    alpha: float = 1.0


@layer_of(activation.gelu)
class GELU(Activation):
    """y = x P(X < x) for a standard normal X: x (1 + erf(x / sqrt(2))) / 2.

    approximate  "none", or "tanh" for x (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) / 2

    Hendrycks and Gimpel 2016, "Gaussian error linear units (GELUs)", section 2.
    """

    approximate: str = "none"


@layer_of(activation.silu)
class SiLU(Activation):
    """y = x sigmoid(x), also called swish.

    Elfwing et al. 2018, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning", section 2.
    """


@layer_of(activation.mish)
class Mish(Activation):
    """y = x tanh(softplus(x)).

    Misra 2020, "Mish: a self regularized non-monotonic activation function".
    """


@layer_of(activation.softplus)
class Softplus(Activation):
    """y = log(1 + exp(beta x)) / beta; just x where beta x > threshold."""

    beta: float = 1.0
    threshold: float = 20.0


@layer_of(activation.softsign)
class Softsign(Activation):
    """y = x / (1 + |x|)."""


@layer_of(activation.sigmoid)
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x))."""


@layer_of(activation.logsigmoid)
class LogSigmoid(Activation):
    """y = log(1 / (1 + exp(-x)))."""


@layer_of(activation.tanh)
class Tanh(Activation):
    """y = tanh(x)."""


@layer_of(activation.hardtanh)
class Hardtanh(Activation):
    """y = x between min_val and max_val, else the nearer of the two; slope 0 at both."""

    min_val: float = -1.0
    max_val: float = 1.0


@layer_of(activation.hardsigmoid)
class Hardsigmoid(Activation):
    """y = min(max(x + 3, 0), 6) / 6.

    Howard et al. 2019, "Searching for MobileNetV3", section 5.2.
    """


@layer_of(activation.hardswish)
class Hardswish(Activation):
    """y = x min(max(x + 3, 0), 6) / 6.

    Howard et al. 2019, "Searching for MobileNetV3", section 5.2.
    """


@layer_of(activation.relu6)
class ReLU6(Activation):
    """y = min(max(x, 0), 6)."""


@layer_of(activation.softmax)
class Softmax(Activation):
    """y = exp(x) / sum(exp(x)) along dim."""

    dim: int = -1


@layer_of(activation.log_softmax)
class LogSoftmax(Activation):
    """y = log(exp(x) / sum(exp(x))) along dim, without overflow."""

    dim: int = -1


@layer_of(activation.softmin)
class Softmin(Activation):
    """y = exp(-x) / sum(exp(-x)) along dim."""

    dim: int = -1


@layer_of(activation.glu)
class GLU(Activation):
    """y = a sigmoid(b), with a and b the two halves of x along dim.

    Dauphin et al. 2017, "Language modeling with gated convolutional networks", section 2.
    """

    dim: int = -1
