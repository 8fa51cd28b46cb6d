"""How parameters start: each function gives a Tensor new numbers, and returns it.

    init.xavier_uniform_(layer.weight, rng=np.random.default_rng(0))

fan_in is the number of inputs that one unit of the layer adds up. fan_out is the number of units
that one input goes to. A matrix is (in, out), as in Linear: fan_in is its number of rows. A weight
of a convolution is (out, in, *kernel): fan_in is `in` times the size of the kernel, and fan_out
`out` times the size of the kernel. Random numbers come from `rng`; the default is the package's
generator.
"""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "fans",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Rng = np.random.Generator | None


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element is val."""
    return fill(tensor, np.full(tensor.shape, val))


def zeros_(tensor: Tensor) -> Tensor:
    """Every element is 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Every element is 1."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: output i of a Linear is then input i, or 0 if there are fewer inputs.

    Raises ValueError for a tensor that is not a matrix.
    """
    check_matrix("eye_", tensor)
    return fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, *, rng: Rng = None) -> Tensor:
    """Uniform in [a, b).

    Raises ValueError if a > b.
    """
    if not a <= b:
        raise ValueError(f"uniform_ draws from [a, b) and needs a <= b, but a is {a} and b is {b}")
    return fill(tensor, default_rng(rng).uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: Rng = None) -> Tensor:
    """Normal with this mean and standard deviation.

    Raises ValueError for a negative std.
    """
    if not std >= 0:
        raise ValueError(f"normal_ needs a standard deviation std >= 0, not {std}")
    return fill(tensor, default_rng(rng).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    rng: Rng = None,
) -> Tensor:
    """Normal with this mean and standard deviation; numbers outside of [a, b] are drawn again.

    a and b are limits of the numbers themselves, not multiples of std.
    Raises ValueError if std is not positive, or if less than 1 % of the numbers fall in [a, b].
    """
    if not std > 0:
        raise ValueError(f"trunc_normal_ needs a standard deviation std > 0, not {std}")
    normal = NormalDist(mean, std)
    inside = normal.cdf(b) - normal.cdf(a)
    if not inside >= 0.01:
        raise ValueError(
            f"trunc_normal_ draws numbers outside of [a, b] again, but with mean {mean} and std "
            f"{std} only a share of {max(inside, 0):.2g} falls in [{a}, {b}]; widen [a, b], or use "
            "uniform_"
        )
    rng = default_rng(rng)
    values = np.asarray(rng.normal(mean, std, tensor.shape))
    while (outside := (values < a) | (values > b)).any():
        values[outside] = rng.normal(mean, std, np.count_nonzero(outside))
    return fill(tensor, values)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, *, rng: Rng = None) -> Tensor:
    """Uniform in ±gain sqrt(6 / (fan_in + fan_out)): variance gain² 2 / (fan_in + fan_out).

    A compromise: a variance of 1 / fan_in would keep the variance of the activations from layer to
    layer, 1 / fan_out the variance of the gradients. Raises ValueError for a tensor without fans.
    Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward neural networks,
    section 4.2.1.
    """
    fan_in, fan_out = fans(tensor)
    bound = gain * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, *, rng: Rng = None) -> Tensor:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)); see xavier_uniform_."""
    fan_in, fan_out = fans(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2 / (fan_in + fan_out)), rng=rng)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Rng = None,
) -> Tensor:
    """Uniform in ±gain sqrt(3 / fan): variance gain² / fan. See kaiming_normal_."""
    bound = math.sqrt(3) * kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng=rng)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Rng = None,
) -> Tensor:
    """Normal with standard deviation gain / sqrt(fan), for layers between (leaky) ReLUs.

    a             slope of the leaky ReLU below 0
    mode          "fan_in" keeps the variance of activations, "fan_out" the variance of gradients
    nonlinearity  a name that `calculate_gain` knows

    Raises ValueError for a tensor without fans and for an unknown mode or nonlinearity.
    He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers, section 2.2.
    """
    return normal_(tensor, 0.0, kaiming_std(tensor, a, mode, nonlinearity), rng=rng)


def kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """gain / sqrt(fan)."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'mode is "fan_in" or "fan_out", not {mode!r}')
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def lecun_normal_(tensor: Tensor, *, rng: Rng = None) -> Tensor:
    """Normal with standard deviation 1 / sqrt(fan_in), as SELU needs it.

    Raises ValueError for a tensor without fans.
    LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, section 4.6; Klambauer, Unterthiner, Mayr,
    Hochreiter 2017, Self-Normalizing Neural Networks.
    """
    return normal_(tensor, 0.0, 1 / math.sqrt(fans(tensor)[0]), rng=rng)


def orthogonal_(tensor: Tensor, gain: float = 1.0, *, rng: Rng = None) -> Tensor:
    """gain Q, where Q has orthonormal columns, or orthonormal rows if it has fewer rows.

    A square Q keeps the length of every vector. All axes but the first count as one. Q is a factor
    of a matrix Q R of normal numbers, with signs that make diag(R) positive: Q is then unique, and
    uniform among all such matrices. Raises ValueError for fewer than two axes.
    Saxe, McClelland, Ganguli 2013, Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks; Mezzadri 2007, How to generate random matrices from the classical
    compact groups, for the signs.
    """
    if tensor.ndim < 2 or tensor.size == 0:
        raise ValueError(f"orthogonal_ needs at least two axes, and this has shape {tensor.shape}")
    n = tensor.shape[0]
    m = tensor.size // n
    q, r = np.linalg.qr(default_rng(rng).normal(size=(max(n, m), min(n, m))))
    q = q * np.sign(np.diagonal(r))
    return fill(tensor, gain * (q if n >= m else q.T).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, *, rng: Rng = None) -> Tensor:
    """Normal with mean 0; a fraction `sparsity` of each column is 0: each unit has few inputs.

    The number of zeros in a column is rounded up. Raises ValueError for a tensor that is not a
    matrix, a sparsity outside of [0, 1], and a negative std.
    Martens 2010, Deep learning via Hessian-free optimization, section 5.
    """
    check_matrix("sparse_", tensor)
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_ needs a sparsity from 0 to 1, not {sparsity}")
    rng = default_rng(rng)
    normal_(tensor, 0.0, std, rng=rng)
    order = rng.random(tensor.shape).argsort(axis=0)  # each column: all row numbers, shuffled
    zeros = math.ceil(sparsity * tensor.shape[0])
    return fill(tensor, np.where(order < zeros, 0, tensor.data))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain: a factor on the standard deviation, because an activation changes the variance.

    1 for "linear", "conv1d", "conv2d", "conv_transpose2d" and "sigmoid", 5/3 for "tanh", sqrt(2)
    for "relu", sqrt(2 / (1 + param²)) for "leaky_relu" with slope param (by default 0.01), 3/4 for
    "selu". Raises ValueError for another nonlinearity. The values are PyTorch's; the values for the
    ReLUs are derived in He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers, section 2.2.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        known = ", ".join([*GAINS, "leaky_relu"])
        raise ValueError(f"no gain is known for {nonlinearity!r}; known are {known}")
    return GAINS[nonlinearity]


GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv_transpose2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight."""
    if tensor.ndim < 2 or tensor.size == 0:
        raise ValueError(
            "fan_in and fan_out need a weight with at least two axes and one element, and this "
            f"tensor has shape {tensor.shape}; for a bias use zeros_, uniform_ or normal_"
        )
    if tensor.ndim == 2:
        return tensor.shape[0], tensor.shape[1]
    fan_out, fan_in, *kernel = tensor.shape
    return fan_in * math.prod(kernel), fan_out * math.prod(kernel)


def uniform_parameter(
    name: str,
    shape: int | tuple[int, ...],
    bound: float,
    rng: np.random.Generator,
    dtype: npt.DTypeLike,
) -> Tensor:
    """A new parameter, uniform in ±bound."""
    return Tensor(rng.uniform(-bound, bound, shape).astype(dtype), requires_grad=True, name=name)


def fill(tensor: Tensor, values: Any) -> Tensor:
    """Give a tensor new data, in its own dtype."""
    if not isinstance(tensor, Tensor) or tensor.dtype.kind != "f":
        raise TypeError(
            "only a Tensor of floating-point numbers can be initialized, and this is a "
            f"{type(tensor).__name__} of {tensor.dtype}"
        )
    tensor.data = values.astype(tensor.dtype)
    return tensor


def check_matrix(name: str, tensor: Tensor) -> None:
    if tensor.ndim != 2:
        raise ValueError(f"{name} needs a matrix, and this has shape {tensor.shape}")
