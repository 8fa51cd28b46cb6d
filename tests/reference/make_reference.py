"""What PyTorch answers: the numbers that tests/test_reference.py compares with.

    pip install torch
    python tests/reference/make_reference.py

writes functions.npz, conventions.npz, losses.npz and network.npz beside this file.
Everything is seeded, so running it again changes nothing but what PyTorch itself changed. A new row
here needs a row of the same name in tests/test_reference.py.
"""

import functools
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

HERE = Path(__file__).parent
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def positive(*shape):
    return rng.uniform(0.5, 2.0, shape)


def probabilities(*shape):
    x = positive(*shape)
    return x / x.sum(axis=-1, keepdims=True)


def weights(x, start=0):
    """Weights as many as x has elements, all different: they tell every partial from the others."""
    return torch.cos(torch.arange(start, start + x.numel(), dtype=x.dtype)).reshape(x.shape)


def gradients(out, inputs):
    if not out.requires_grad:
        return [torch.zeros_like(x) for x in inputs]
    return torch.autograd.grad(out, inputs, create_graph=True, materialize_grads=True)


def derivatives(f, *arrays):
    """f, the gradients of sum(w f), and the gradients of the sum of v times those gradients.

    Inputs of another dtype than float are constants.
    """
    inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in map(np.asarray, arrays)]
    tracked = [x for x in inputs if x.requires_grad]
    out = f(*inputs)
    first = gradients((weights(out) * out).sum(), tracked)
    slope = sum((weights(g, start) * g).sum() for start, g in enumerate(first, start=1))
    numbers = {f"input{i}": x for i, x in enumerate(inputs)} | {"value": out}
    numbers |= {f"first{i}": g for i, g in enumerate(first)}
    return numbers | {f"second{i}": g for i, g in enumerate(gradients(slope, tracked))}


def module_numbers(module, *arrays, f=None, rename=None):
    """What a module computes: its state before, output, gradients of sum(w output), buffers after.

    f       `f(module, *inputs)` where the pass is not `module(*inputs)`
    rename  PyTorch's name and array -> this package's (name, array); a Linear's weight is (in, out)
    """
    rename = rename or (lambda name, x: (name, x))

    def named(start, pairs):
        renamed = (rename(name, x.detach().clone()) for name, x in pairs)
        return {f"{start} {name}": x for name, x in renamed}

    module = module.double()
    inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in map(np.asarray, arrays)]
    tracked = [x for x in inputs if x.requires_grad]
    numbers = named("state", module.state_dict().items())
    out = module(*inputs) if f is None else f(module, *inputs)
    parameters = dict(module.named_parameters())
    partials = gradients((weights(out) * out).sum(), [*tracked, *parameters.values()])
    numbers |= {f"input{i}": x for i, x in enumerate(inputs)} | {"value": out}
    numbers |= {f"first{i}": x for i, x in enumerate(partials[: len(tracked)])}
    numbers |= named("gradient", zip(parameters, partials[len(tracked) :], strict=True))
    return numbers | named("buffer", module.named_buffers())


def save_rows(name, rows):
    """Rows of numbers under `case/what`; a number's name `what` has no slash."""
    save(name, {f"{case}/{what}": x for case, row in rows.items() for what, x in row.items()})


def save(name, arrays):
    arrays = {k: x.numpy(force=True) if torch.is_tensor(x) else x for k, x in arrays.items()}
    np.savez_compressed(HERE / f"{name}.npz", **arrays)


def save_table(name, table):
    """For each row `case: (function, *inputs)` its derivatives, under `case/what`."""
    save_rows(name, {case: derivatives(f, *inputs) for case, (f, *inputs) in table.items()})


FUNCTIONS = {
    # arithmetic, with broadcasting
    "add": (torch.add, normal(2, 3), normal(3)),
    "subtract": (torch.sub, normal(2, 1), normal(2, 3)),
    "multiply": (torch.mul, normal(2, 3), normal(2, 1)),
    "divide": (torch.div, normal(3), positive(2, 3)),
    "power": (torch.pow, positive(2, 3), normal(3)),
    "power, integer exponent": (lambda x: x**3, normal(2, 3)),
    "power, number as base": (lambda y: 2.0**y, normal(2, 3)),
    "negative": (torch.neg, normal(2, 3)),
    "positive": (torch.positive, normal(2, 3)),
    "absolute": (torch.abs, normal(2, 3)),
    "maximum": (torch.maximum, normal(2, 3), normal(3)),
    "minimum": (torch.minimum, normal(2, 3), normal(2, 1)),
    "where": (torch.where, np.array([[True], [False]]), normal(2, 3), normal(3)),
    "clip": (torch.clamp, 2 * normal(4, 3), -positive(3), positive(4, 1)),
    # exponentials and waves
    "exp": (torch.exp, normal(2, 3)),
    "log": (torch.log, positive(2, 3)),
    "sqrt": (torch.sqrt, positive(2, 3)),
    "sin": (torch.sin, normal(2, 3)),
    "cos": (torch.cos, normal(2, 3)),
    "tanh": (torch.tanh, normal(2, 3)),
    "relu": (torch.relu, normal(2, 3)),
    "sigmoid": (torch.sigmoid, normal(2, 3)),
    "softplus": (functional.softplus, normal(2, 3)),
    "logsumexp": (lambda x: torch.logsumexp(x, -1), normal(2, 3)),
    "logsumexp, keepdims": (lambda x: torch.logsumexp(x, 0, keepdim=True), normal(2, 3)),
    "logsumexp, all axes": (lambda x: torch.logsumexp(x, (0, 1)), normal(2, 3)),
    "log_softmax": (lambda x: torch.log_softmax(x, -1), normal(2, 3)),
    "log_softmax, axis 0": (lambda x: torch.log_softmax(x, 0), normal(2, 3)),
    # reductions
    "sum": (torch.sum, normal(2, 3)),
    "sum, axis": (lambda x: x.sum(1), normal(2, 3)),
    "sum, axes, keepdims": (lambda x: x.sum((0, -1), keepdim=True), normal(2, 3, 2)),
    "mean": (torch.mean, normal(2, 3)),
    "mean, axes": (lambda x: x.mean((0, -1)), normal(2, 3, 2)),
    "max": (torch.amax, normal(2, 3)),
    "max, axis": (lambda x: x.amax(1), normal(2, 3)),
    "min": (torch.amin, normal(2, 3)),
    "min, axes, keepdims": (lambda x: x.amin((0, 2), keepdim=True), normal(2, 3, 2)),
    "var": (lambda x: x.var(correction=0), normal(2, 3)),
    "var, axis, ddof": (lambda x: x.var(1, correction=1), normal(2, 3)),
    "std": (lambda x: x.std(correction=0), normal(2, 3)),
    "std, axes, keepdims": (lambda x: x.std((0, 2), correction=1, keepdim=True), normal(2, 3, 2)),
    # products
    "matmul": (torch.matmul, normal(2, 3), normal(3, 4)),
    "matmul, row": (torch.matmul, normal(3), normal(3, 2)),
    "matmul, column": (torch.matmul, normal(2, 3), normal(3)),
    "matmul, vectors": (torch.matmul, normal(3), normal(3)),
    "matmul, batches": (torch.matmul, normal(2, 1, 2, 3), normal(3, 3, 2)),
    "matmul, batch and column": (torch.matmul, normal(2, 2, 3), normal(3)),
    "matmul, row and batch": (torch.matmul, normal(3), normal(2, 3, 2)),
    "vdot": (lambda x, y: torch.vdot(x.ravel(), y.ravel()), normal(2, 3), normal(2, 3)),
    "linear": (
        lambda x, w, b: functional.linear(x, w.mT, b),
        normal(2, 2, 3),
        normal(3, 2),
        normal(2),
    ),
    "linear, vector": (
        lambda x, w, b: functional.linear(x, w.mT, b),
        normal(3),
        normal(3, 2),
        normal(2),
    ),
    "weighted_sum": (lambda w, x, b: torch.dot(w, x) + b, normal(3), normal(3), normal()),
    # shapes; squared, so that there is a second derivative
    "reshape": (lambda x: x.reshape(3, -1) ** 2, normal(2, 3)),
    "transpose": (lambda x: x.permute(2, 0, 1) ** 2, normal(2, 3, 2)),
    "swapaxes": (lambda x: x.swapaxes(0, -1) ** 2, normal(2, 3, 2)),
    "moveaxis": (lambda x: x.moveaxis(0, -1) ** 2, normal(2, 3, 2)),
    "expand_dims": (lambda x: x.unsqueeze(1) ** 2, normal(2, 3)),
    "squeeze": (lambda x: x.squeeze(1) ** 2, normal(2, 1, 3)),
    "broadcast_to": (lambda x: x.broadcast_to(2, 3, 3) ** 2, normal(3, 1)),
    "concatenate": (lambda x, y: torch.cat([x, y], 1) ** 2, normal(2, 3), normal(2, 1)),
    "stack": (lambda x, y: torch.stack([x, y], 1) ** 2, normal(2, 3), normal(2, 3)),
    "astype": (lambda x: x.float().double() ** 2, normal(2, 3)),
    # indices
    "getitem, slices": (lambda x: x[..., None, :2] ** 2, normal(2, 3)),
    "getitem, rows twice": (lambda x: x[[0, 1, 0]] ** 2, normal(2, 3)),
    "getitem, pairs": (lambda x: x[[0, 1, 0], [2, 1, 2]] ** 2, normal(2, 3)),
    "getitem, mask": (lambda x: x[[True, False, True]] ** 2, normal(3, 2)),
    "index_update": (
        lambda x, y: x.index_put([torch.tensor([0, 2])], y) ** 2,
        normal(3, 2),
        normal(2),
    ),
    "unindex": (
        lambda y: y.new_zeros(4, 2).index_put([torch.tensor([0, 2, 0])], y, accumulate=True) ** 2,
        normal(3, 2),
    ),
    "float_power": (torch.float_power, positive(2, 3), normal(3)),
    "remainder": (torch.remainder, 10 * normal(2, 3), np.array([1.5, -2.0, 3.0])),
    "fmod": (torch.fmod, 10 * normal(2, 3), np.array([1.5, -2.0, 3.0])),
    "square": (torch.square, normal(2, 3)),
    "reciprocal": (torch.reciprocal, positive(2, 3)),
    "fabs": (torch.abs, normal(2, 3)),
    "copysign": (torch.copysign, normal(2, 3), normal(3)),
    "fmax": (torch.fmax, normal(2, 3), np.array([0.0, np.nan, 0.1])),
    "fmin": (torch.fmin, normal(2, 3), np.array([0.0, np.nan, 0.1])),
    "nan_to_num": (lambda x: torch.nan_to_num(x, nan=2.0) ** 2, np.array([np.nan, 1.5, -2.0])),
    "exp2": (torch.exp2, normal(2, 3)),
    "expm1": (torch.expm1, normal(2, 3)),
    "log2": (torch.log2, positive(2, 3)),
    "log10": (torch.log10, positive(2, 3)),
    "log1p": (torch.log1p, positive(2, 3) - 1),
    "logaddexp": (torch.logaddexp, normal(2, 3), normal(3)),
    "logaddexp2": (torch.logaddexp2, normal(2, 3), normal(3)),
    "hypot": (torch.hypot, normal(2, 3), normal(3)),
    "tan": (torch.tan, normal(2, 3)),
    "arcsin": (torch.arcsin, positive(2, 3) / 2 - 0.5),
    "arccos": (torch.arccos, positive(2, 3) / 2 - 0.5),
    "arctan": (torch.arctan, normal(2, 3)),
    "arctan2": (torch.arctan2, normal(2, 3), normal(3)),
    "sinh": (torch.sinh, normal(2, 3)),
    "cosh": (torch.cosh, normal(2, 3)),
    "arcsinh": (torch.arcsinh, normal(2, 3)),
    "arccosh": (torch.arccosh, 1 + positive(2, 3)),
    "arctanh": (torch.arctanh, positive(2, 3) / 2 - 0.5),
    "deg2rad": (torch.deg2rad, normal(2, 3)),
    "rad2deg": (torch.rad2deg, normal(2, 3)),
    "sinc": (torch.sinc, normal(2, 3)),
    "ptp": (lambda x: x.amax() - x.amin(), normal(2, 3)),
    "median": (lambda x: x.quantile(0.5), normal(2, 3)),
    "median, axis": (lambda x: x.median(1).values, normal(2, 3)),
    "nansum": (torch.nansum, np.array([[1.0, np.nan], [3.0, 4.0]])),
    "nanmean": (lambda x: torch.nanmean(x, 0), np.array([[1.0, np.nan], [3.0, 4.0]])),
    "prod": (torch.prod, normal(2, 3)),
    "prod, axis": (lambda x: x.prod(1, keepdim=True), normal(2, 3)),
    "cumsum": (lambda x: x.cumsum(1) ** 2, normal(2, 3)),
    "cumprod": (lambda x: x.cumprod(1), normal(2, 5)),
    "diff": (lambda x: x.diff(2) ** 2, normal(2, 5)),
    "trapezoid": (torch.trapezoid, normal(2, 4), normal(4)),
    "norm": (torch.linalg.norm, normal(2, 3)),
    "norm, fro": (lambda x: torch.linalg.norm(x, "fro", (0, 2)), normal(2, 3, 2)),
    "norm, 0.5": (lambda x: torch.linalg.vector_norm(x, 0.5, 1), normal(2, 3)),
    "norm, 1": (lambda x: torch.linalg.vector_norm(x, 1, 1), normal(2, 3)),
    "norm, 1.5": (lambda x: torch.linalg.vector_norm(x, 1.5, 1), normal(2, 3)),
    "norm, 3": (lambda x: torch.linalg.vector_norm(x, 3, 1), normal(2, 3)),
    "norm, -1": (lambda x: torch.linalg.vector_norm(x, -1, 1), normal(2, 3)),
    "norm, inf": (lambda x: torch.linalg.vector_norm(x, np.inf, 1), normal(2, 3)),
    "norm, -inf": (lambda x: torch.linalg.vector_norm(x, -np.inf, 1), normal(2, 3)),
    "norm of a matrix, 1": (lambda x: torch.linalg.matrix_norm(x, 1), normal(2, 3)),
    "norm of a matrix, -1": (lambda x: torch.linalg.matrix_norm(x, -1), normal(2, 3)),
    "norm of a matrix, inf": (lambda x: torch.linalg.matrix_norm(x, np.inf), normal(2, 3)),
    "norm of a matrix, -inf": (lambda x: torch.linalg.matrix_norm(x, -np.inf), normal(2, 3)),
}

inf = np.inf
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
EQUALS = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
HUGE = np.array([[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 999.0]])
MASKED = np.array([[-inf, -inf, -inf], [0.5, -inf, 1.0], [-inf, 2.0, -inf]])

CONVENTIONS = {
    "relu at 0": (torch.relu, np.array([-1.0, 0.0, 2.0])),
    "abs at 0": (torch.abs, np.array([-1.0, 0.0, 2.0])),
    "max over ties": (torch.amax, TIES),
    "max over ties, axis": (lambda x: x.amax(1), TIES),
    "min over ties": (torch.amin, TIES),
    "min over ties, axis": (lambda x: x.amin(1), TIES),
    "maximum of equals": (torch.maximum, *EQUALS),
    "maximum of x and x": (lambda x: torch.maximum(x, x), EQUALS[0]),
    "minimum of equals": (torch.minimum, *EQUALS),
    "minimum of x and x": (lambda x: torch.minimum(x, x), EQUALS[0]),
    "clip at its bounds": (lambda x: x.clamp(-1, 1), np.array([-2.0, -1.0, 0.0, 1.0, 2.0])),
    "clip without a bound": (lambda x: x.clamp(max=1), np.array([-2.0, 1.0, 2.0])),
    "clip at bounds with gradients": (
        torch.clamp,
        np.array([-2.0, -1.0, 0.0, 1.0, 2.0]),
        np.array(-1.0),
        np.array(1.0),
    ),
    "clip with crossed bounds": (
        torch.clamp,
        np.array([-2.0, 0.0, 2.0]),
        np.array(1.0),
        np.array(-1.0),
    ),
    "var of equals": (lambda x: x.var(1, correction=0), TIES),
    "std of equals": (lambda x: x.std(1, correction=0), TIES),
    "x**0 at 0": (lambda x: x**0, np.array([0.0, 2.0])),
    "x**1 at 0": (lambda x: x**1, np.array([0.0, 2.0])),
    "x**2 at 0": (lambda x: x**2, np.array([0.0, 2.0])),
    "0**y": (lambda y: 0.0**y, np.array([0.0, 0.5, 1.0, 2.0])),
    "x**y at 0": (torch.pow, np.zeros(4), np.array([0.0, 1.0, 2.0, 3.0])),
    "logsumexp of -inf": (lambda x: torch.logsumexp(x, -1), MASKED),
    "log_softmax of -inf": (lambda x: torch.log_softmax(x, -1)[0, ::2], MASKED[1:2]),
    "logsumexp at 1000": (lambda x: torch.logsumexp(x, -1), HUGE),
    "log_softmax at 1000": (lambda x: torch.log_softmax(x, -1), HUGE),
    "sigmoid at 1000": (torch.sigmoid, HUGE),
    "softplus at 1000": (functional.softplus, HUGE),
    "tanh at 1000": (torch.tanh, HUGE),
    "remainder at a multiple": (
        torch.remainder,
        np.array([6.0, -6.0, 0.0]),
        np.array([3.0, 3.0, -2.0]),
    ),
    "fmod at a multiple": (torch.fmod, np.array([6.0, -6.0, 0.0]), np.array([3.0, 3.0, -2.0])),
    "copysign at 0": (torch.copysign, np.array([0.0, -0.0, 2.0]), np.array([-1.0, 1.0, 0.0])),
    "fmax beside nan": (torch.fmax, np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.0, 2.0])),
    "fmin beside nan": (torch.fmin, np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.0, 2.0])),
    "nan_to_num of inf and nan": (torch.nan_to_num, np.array([inf, -inf, np.nan, 1.0])),
    "logaddexp at 1000": (torch.logaddexp, HUGE[0], HUGE[1]),
    "logaddexp of -inf": (torch.logaddexp, MASKED[1], np.zeros(3)),
    "prod with a zero": (torch.prod, np.array([0.0, 2.0, 3.0, 4.0])),
    "prod with two zeros": (torch.prod, np.array([0.0, 2.0, 0.0, 4.0])),
    "prod with zeros, axis": (lambda x: x.prod(1), np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.0]])),
    "cumprod with zeros": (lambda x: x.cumprod(0), np.array([2.0, 0.0, 3.0, 0.0, 4.0])),
    "median over ties": (torch.median, np.array([1.0, 2.0, 2.0, 2.0, 3.0])),
    "median over an even tie": (lambda x: x.quantile(0.5), np.array([1.0, 2.0, 2.0, 3.0])),
    "arctan2 on the axes": (torch.arctan2, np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.0, 0.0])),
}
for p in (0.5, 1, 1.5, 2, 3, inf, -inf):
    norm = functools.partial(torch.linalg.vector_norm, ord=p)
    CONVENTIONS[f"norm {p} at 0"] = norm, np.zeros(3)
    CONVENTIONS[f"norm {p} with 0 and ties"] = norm, np.array([0.0, 2.0, -2.0, 1.0])


def sequence_cross_entropy(logits, target):
    """PyTorch has the classes in the second axis, the package in the last."""
    target = target.transpose(1, 2) if target.ndim == 3 else target
    return functional.cross_entropy(logits.transpose(1, 2), target)


LABELS = rng.integers(0, 4, (2, 5))
LOSSES = {
    "mse_loss": (functional.mse_loss, normal(4, 3), normal(4, 3)),
    "cross_entropy, indices": (functional.cross_entropy, normal(5, 4), LABELS[0]),
    "cross_entropy, one row": (functional.cross_entropy, normal(4), LABELS[0, 0]),
    "cross_entropy, sequences": (sequence_cross_entropy, normal(2, 5, 4), LABELS),
    "cross_entropy, probabilities": (functional.cross_entropy, normal(5, 4), probabilities(5, 4)),
    "cross_entropy, probabilities of sequences": (
        sequence_cross_entropy,
        normal(2, 3, 4),
        probabilities(2, 3, 4),
    ),
    "cross_entropy, right at 1000": (functional.cross_entropy, HUGE, np.array([0, 1])),
    "cross_entropy, wrong at 1000": (functional.cross_entropy, HUGE, np.array([1, 2])),
    "cross_entropy, probabilities at 1000": (functional.cross_entropy, HUGE, probabilities(2, 3)),
}
for case, (f, *inputs) in list(LOSSES.items()):
    single = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in inputs]
    LOSSES[f"{case}, float32"] = (f, *single)


def save_network():
    """Weights under the names and in the layout of the package: PyTorch's are the transposes."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 5),
        torch.nn.Tanh(),
        torch.nn.Linear(5, 4, bias=False),
        torch.nn.ReLU(),
        torch.nn.Linear(4, 2),
    ).double()
    x = torch.tensor(normal(6, 3), requires_grad=True)
    out = model(x)
    (weights(out) * out).sum().backward()
    parameters = {f"layers.{name}": p for name, p in model.named_parameters()}
    arrays = {"input": x, "output": out, "gradient/input": x.grad}
    arrays |= {f"state/{name}": p.T if p.ndim == 2 else p for name, p in parameters.items()}
    arrays |= {
        f"gradient/{name}": p.grad.T if p.ndim == 2 else p.grad for name, p in parameters.items()
    }
    save("network", arrays)


if __name__ == "__main__":
    save_table("functions", FUNCTIONS)
    save_table("conventions", CONVENTIONS)
    save_table("losses", LOSSES)
    save_network()
