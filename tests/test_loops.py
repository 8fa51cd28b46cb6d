"""A program as loops gives the numbers that it gives as NumPy, and its loops are few.

Without numba the loops run as the Python that they are: slowly, and on the same numbers.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from drawn import THOROUGH
from test_compile_rows import ROWS, weights
from test_rules import at, name

from tinygrad_edu import Tensor, losses, manual_seed, nn, optim
from tinygrad_edu import functional as F  # noqa: N812
from tinygrad_edu.compiler import CompileError, backends, compile
from tinygrad_edu.compiler.loops import compilation, writing
from tinygrad_edu.kernels import logsumexp, relu

HAS_NUMBA = find_spec("numba") is not None
ALL = HAS_NUMBA or THOROUGH > 1
BOUNDS = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-5}
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")


def gemm(a, b, out, alpha, beta):
    """What compiled code calls, by NumPy; what BLAS would read wrongly is an error."""
    assert (a.shape[0], b.shape[1]) == out.shape
    assert a.shape[1] == b.shape[0]
    assert out.flags.c_contiguous
    for x in (a, b):
        assert x.itemsize in x.strides or 1 in x.shape
    out[...] = alpha * (a @ b) + (beta * out if beta else 0)


def aligned(count, dtype):
    """Memory with numbers in it that nobody may read."""
    return np.full(count, np.nan if np.dtype(dtype).kind == "f" else 77).astype(dtype)


@pytest.fixture
def by_python(monkeypatch):
    package = "tinygrad_edu.compiler.loops"
    blas = SimpleNamespace(gemm=gemm, add=lambda total, x: total + x)
    elementary = SimpleNamespace(
        jit=lambda function: function, aligned=aligned, exp=np.exp, log=np.log, tanh=np.tanh
    )
    monkeypatch.setitem(sys.modules, f"{package}.blas", blas)
    monkeypatch.setitem(sys.modules, f"{package}.elementary", elementary)
    monkeypatch.setattr(writing, "compile_functions", lambda *_: None)
    monkeypatch.setattr(backends, "find_spec", lambda _: True)


@pytest.fixture
def machine(request):
    """Loops as machine code; as Python where numba is not installed."""
    if not HAS_NUMBA:
        request.getfixturevalue("by_python")


def some(x, every):
    """All of a list where there is time, else a few."""
    return list(x) if ALL else list(x)[::every]


def arrays(*shapes, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.3, 1.7, shape).astype(dtype) for shape in shapes]


def agree(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    size = np.abs(expected[finite]).max(initial=0)
    assert (np.abs(found - expected)[finite] <= BOUNDS[found.dtype] * size).all()


def agree_in_three_runs(f, *shapes, dtype=np.float64, xs=None):
    """Values and gradients; returns the text of the loops."""
    xs = arrays(*shapes, dtype=dtype) if xs is None else xs
    steps = [compile(f, backend=backend) for backend in ("numpy", "numba")]
    for run in range(3):
        pairs = []
        for step in steps:
            ts = [Tensor(x * (1 + run / 8), requires_grad=x.dtype.kind == "f") for x in xs]
            out = step(*ts)
            pairs.append([out.data, *(t.grad for t in ts if t.grad is not None)])
        for found, expected in zip(pairs[1], pairs[0], strict=True):
            agree(found, expected)
    return steps[1].source


# Each: a function, and the shapes of its operands
PROGRAMS = {
    "chain": (lambda x: (np.exp(-x) * x + 2 / x).sum(), (4, 5)),
    "powers": (lambda x: (x**2 + x**0.5 + x**3 + x**1.7 + x**-1).sum(), (3, 4)),
    "functions": (lambda x: (np.tanh(x) + np.log(x) + np.sin(x) * np.cos(x)).sum(), (3, 4)),
    "small_functions": (lambda x: (np.log1p(x) + np.expm1(x) + np.sqrt(x)).sum(), (7,)),
    "where": (lambda x, y: (np.where(x.data > 1, x * y, x / y)).sum(), (3, 4), (3, 4)),
    "compare": (lambda x, y: np.where(x > y, x, -y).sum(), (3, 4), (4,)),
    "rows_and_columns": (lambda x, y: (x * y + x - y).sum(), (3, 1), (1, 4)),
    "scalar_operand": (lambda x, y: (x * y).sum(), (3, 4), ()),
    "left_broadcast": (lambda x, y: (x / y * x).sum(), (2, 3, 4), (3, 1)),
    "middle_broadcast": (lambda x, y: (x * y * y).sum(), (2, 3, 4), (2, 1, 4)),
    "first_broadcast": (lambda x, y: (x * y * y).sum(), (2, 3, 4), (2, 1, 1)),
    "four_axes": (lambda x, y: (x * y).sum(axis=(1, 3)).max(), (2, 3, 4, 5), (3, 1, 5)),
    "sum_last": (lambda x: (x.sum(axis=-1) ** 2).sum(), (3, 4)),
    "sum_first": (lambda x: (x.sum(axis=0) ** 2).sum(), (3, 4)),
    "sum_middle": (lambda x: (x.sum(axis=1, keepdims=True) * x).sum(), (2, 3, 4)),
    "max_and_min": (lambda x: (x.max(axis=1) * x.min(axis=0).sum()).sum(), (3, 4)),
    "prod": (lambda x: x.prod(axis=1).sum(), (3, 4)),
    "mean_and_variance": (lambda x: (x.mean(axis=0) * np.var(x, axis=0)).sum(), (5, 3)),
    "transposed": (lambda x, y: (x.T * y).sum(axis=0).max(), (3, 4), (4, 3)),
    "transposed_axes": (lambda x: (x.transpose(2, 0, 1) ** 2).sum(axis=0).max(), (2, 3, 4)),
    "reshaped": (lambda x: (x.reshape(3, 8) * x.reshape(3, 8)[::-1]).max(axis=1).sum(), (2, 3, 4)),
    "reshaped_transpose": (lambda x: (x.T.reshape(2, 6) ** 2).max(axis=0).sum(), (3, 4)),
    "slices": (lambda x: (x[1:, ::2] * x[:-1, 1::2]).sum(axis=0).max(), (4, 6)),
    "index": (lambda x: (x[2] * x[:, None, 1][:4, 0].sum()).sum(), (4, 6)),
    "backwards": (lambda x: (x[::-1] * x).sum(), (5,)),
    "matmul": (lambda x, y: (x @ y).max(axis=0).sum(), (3, 4), (4, 5)),
    "matmul_transposed": (lambda x, y: np.tanh(x.T @ y.T).sum(), (4, 3), (5, 4)),
    "matmul_row": (lambda x, y: np.tanh(x @ y).sum(), (1, 4), (4, 1)),
    "matmul_slice": (lambda x, y: np.tanh(x[:, 1:4] @ y[::2]).sum(), (3, 5), (6, 2)),
    "matmul_batched": (lambda x, y: np.tanh(x @ y).sum(), (2, 3, 4), (2, 4, 5)),
    "matmul_broadcast": (lambda x, y: np.tanh(x @ y).sum(), (2, 3, 4), (4, 5)),
    "vectors": (lambda x, y: (x @ y).sum() * (x @ x), (4,), (4, 3)),
    "softmax": (lambda x: (F.softmax(x, dim=-1) * x).sum(), (4, 5)),
    "softmax_first": (lambda x: (F.softmax(x, dim=0) * x).sum(), (4, 5)),
    "softmax_long": (lambda x: (F.softmax(x, dim=-1) ** 2).sum(), (3, 100)),
    "logsumexp": (lambda x: logsumexp(x, axis=1).sum(), (4, 5)),
    "layer_norm": (lambda x, w, b: (F.layer_norm(x, (6,), w, b) ** 3).sum(), (4, 6), (6,), (6,)),
    "gelu": (lambda x: F.gelu(x).sum(), (4, 6)),
    "relu_and_clip": (lambda x: (relu(x - 1) + np.clip(x, 0.5, 1.2)).sum(), (4, 6)),
    "attention": (
        lambda q, k, v: (F.softmax(q @ k.mT / 2.0, dim=-1) @ v).max(axis=1).sum(),
        (2, 3, 4),
        (2, 5, 4),
        (2, 5, 3),
    ),
    "heads": (
        lambda x: np.tanh(
            x.reshape(2, 3, 2, 4).swapaxes(1, 2) @ x.reshape(2, 3, 2, 4).transpose(0, 2, 3, 1)
        ).sum(),
        (2, 3, 8),
    ),
    "concatenated": (lambda x, y: (np.concatenate([x * 2, y]) ** 2).sum(), (2, 3), (4, 3)),
    "sorted": (lambda x: (np.sort(x * 2, axis=1) * x).sum(), (3, 4)),
    "rows_picked": (lambda x: (x[[0, 2, 0]] * 3).max(axis=1).sum(), (4, 5)),
}


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_give_the_numbers_of_numpy(name):
    f, *shapes = PROGRAMS[name]
    source = agree_in_three_runs(f, *shapes)
    assert "@jit" in source


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("name", ["chain", "softmax", "sum_middle", "functions", "matmul"])
def test_loops_of_single_precision(name):
    f, *shapes = PROGRAMS[name]
    agree_in_three_runs(f, *shapes, dtype=np.float32)


@pytest.mark.usefixtures("machine")
def test_nan_and_infinity_go_through_loops_as_through_numpy():
    x = np.array([[np.nan, 1, -np.inf], [np.inf, -2, 3], [0.0, -0.0, 5]])

    def f(x):
        return relu(x), np.exp(x), x.max(axis=1), np.maximum(x, x[:, ::-1]), x.sum(axis=0), x * 0

    steps = [compile(f, backend=backend) for backend in ("numpy", "numba")]
    with np.errstate(invalid="ignore"):
        for found, expected in zip(steps[1](x), steps[0](x), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("machine")
def test_integers_and_booleans_are_numpys():
    x = np.array([[3, -4, 2**62], [7, 0, -1]])

    def f(x):
        y = x * 3 + x  # too large
        inside = (x > 0) & (x < 5)
        return y, y > 2, (y == x).sum(axis=1), inside, ~inside, x / 2, x // 2, x % 3, np.abs(x)

    steps = [compile(f, backend=backend) for backend in ("numpy", "numba")]
    for found, expected in zip(steps[1](x), steps[0](x), strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.usefixtures("by_python")
@pytest.mark.parametrize("row", some(ROWS, 25), ids=name)
def test_the_loops_of_a_row_are_right(row):
    def loss(*xs):
        y = row.f(*xs)
        y = y[0] if isinstance(y, list | tuple) else y
        return (y * weights(y.shape)).sum()

    step = compile(loss, check=False, backend="numba")
    for seed in range(2):
        xs, ys = ([Tensor(x, requires_grad=True) for x in at(row, seed)] for _ in range(2))
        expected = loss(*xs)
        expected.backward()
        with np.errstate(all="ignore"):
            found = step(*ys)
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-11, atol=1e-12)
        for x, y in zip(xs, ys, strict=True):
            if x.grad is None:
                assert y.grad is None
            else:
                np.testing.assert_allclose(y.grad, x.grad, rtol=1e-11, atol=1e-12, strict=True)


def perceptron(dtype, layers=(4, 8, 8, 3), dropout=False):
    rng = np.random.default_rng(0)
    parts = []
    for n, m in pairwise(layers):
        parts += [nn.Linear(n, m, rng=rng, dtype=dtype), nn.ReLU()]
        parts += [nn.Dropout(0.5, rng=np.random.default_rng(3))] * dropout
    return nn.Sequential(*parts[: -1 - dropout])


OPTIMIZERS = {
    "none": lambda p: None,
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.1),
}


def train(model, optimizer, backend, dtype, steps=3):
    rng = np.random.default_rng(1)
    batches = [(rng.standard_normal((6, 4)).astype(dtype), rng.integers(0, 3, 6)) for _ in range(3)]
    step = compile(lambda x, y: losses.cross_entropy(model(x), y), optimizer, backend=backend)
    found = [step(x, y).data for x, y in batches]
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    return [*found, *(p.data for p in model.parameters()), *grads], step.source


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("dtype", some([np.float64, np.float32], 2))
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_perceptron_learns_the_same(name, dtype):
    found = []
    for backend in ("numpy", "numba"):
        model = perceptron(dtype)
        numbers, source = train(model, OPTIMIZERS[name](model.parameters()), backend, dtype)
        found.append(numbers)
    for x, y in zip(*found, strict=True):
        agree(y, x)
    assert source.count("@jit") == 1


@pytest.mark.usefixtures("machine")
def test_a_gradient_that_is_kept_and_used_in_another_shape():
    """Momentum keeps the first gradient; that of a kernel is a reshaped transpose."""
    found = []
    x, y = np.random.default_rng(0).standard_normal((4, 1, 6, 6)), np.array([0, 1, 2, 1])
    for backend in ("numpy", "numba"):
        rng = np.random.default_rng(1)
        layers = [nn.Conv2d(1, 2, 3, rng=rng), nn.BatchNorm2d(2), nn.Flatten()]
        model = nn.Sequential(*layers, nn.Linear(32, 3, rng=rng))
        sgd = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        step = compile(
            lambda x, y, model=model: losses.cross_entropy(model(x), y), sgd, backend=backend
        )
        found.append([step(x, y).data for _ in range(3)])
    agree(found[1], found[0])


@pytest.mark.usefixtures("machine")
def test_gradient_descent_is_one_product_and_changes_the_parameter_itself():
    model = perceptron(np.float64)
    arrays = [p.data for p in model.parameters()]
    _, source = train(model, optim.SGD(model.parameters(), lr=0.1), "numba", np.float64)
    assert all(p.data is x for p, x in zip(model.parameters(), arrays, strict=True))
    assert source.count(", -lr, 1.0)") == 3


@pytest.mark.usefixtures("machine")
def test_dropout_draws_by_numpy_between_the_loops():
    found = []
    for backend in ("numpy", "numba"):
        model = perceptron(np.float64, dropout=True)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        numbers, source = train(model, optimizer, backend, np.float64)
        found.append(numbers)
    for x, y in zip(*found, strict=True):
        agree(y, x)
    assert "random" in source
    assert source.count("@jit") == 1


@pytest.mark.usefixtures("machine")
def test_results_are_the_callers():
    step = compile(lambda x: (x * 2, x.sum(axis=0)), backend="numba")
    first = step(np.ones((3, 4)))
    kept = [np.copy(x) for x in first]
    step(np.zeros((3, 4)))
    for x, y in zip(first, kept, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.usefixtures("machine")
def test_a_guard_in_loops_records_anew():
    def f(x):
        y = x * 2
        return y + 1 if (y > 0).any() else y - 1

    step = compile(f, backend="numba")
    for x in (np.ones(3), -np.ones(3), np.ones(3)):
        np.testing.assert_array_equal(step(x), f(x))


@pytest.mark.usefixtures("machine")
def test_what_is_only_used_inside_a_loop_is_no_array():
    x = Tensor(np.ones((3, 4)), requires_grad=True)
    step = compile(lambda x: ((x * 2 + 1) * 3 - x).sum(), backend="numba")
    step(x)
    assert "memory" not in step.source


def test_without_numba_there_is_a_remedy(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[compile\]"'):
        compile(lambda x: x, backend="numba")


def test_another_backend_is_refused():
    with pytest.raises(ValueError, match="backend is 'c'"):
        compile(lambda x: x, backend="c")


# Parts of arrays


@pytest.mark.usefixtures("machine")
def test_gradients_of_slices_are_written_into_one_array():
    def f(x):
        a, b, c = x[:, :2], x[:, 2:4], x[1:, 1:3]
        return (a * b).sum() + (np.tanh(c) * a[1:]).sum() + x[0, 0] ** 2

    source = agree_in_three_runs(f, (3, 4))
    assert "zeros" not in source


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("shape", [(1, 1), (1,)])
def test_an_array_of_one_number_goes_from_function_to_function_as_a_number(shape):
    def f(x):
        y = x * 2
        return (np.sort(np.concatenate([y, x]), axis=0) * np.exp(y)).sum() + (y * y).sum()

    agree_in_three_runs(f, shape)


@pytest.mark.usefixtures("machine")
def test_a_long_program_is_cut_and_its_steps_share_functions():
    cell = nn.LSTM(3, 4, rng=np.random.default_rng(0))
    # The first steps may have functions of their own: their number is also that of a gate.
    sources = [
        agree_in_three_runs(lambda x: (cell(x)[0] ** 2).sum(), (steps, 2, 3)) for steps in (10, 13)
    ]
    functions, calls = ([x.count(word) for x in sources] for word in ("@jit", "loops_"))
    assert functions[1] - functions[0] <= 2
    assert calls[1] - calls[0] > 20


# How exact sums are


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("shape", "axis", "dtype"),
    [
        ((2, 3, 3000), (0, 2), np.float64),
        ((7, 2, 60, 30), (0, 2, 3), np.float32),
        ((3, 90, 90), (1, 2), np.float32),
    ],
)
def test_long_sums_are_as_exact_as_numpys(shape, axis, dtype):
    def f(x):
        return (x * 2).sum(axis=axis), (x - x.sum(axis=axis, keepdims=True)).sum(axis=axis)

    x = np.full(shape, 0.1, dtype)
    exact = 0.2 * (x.size / np.size(x.sum(axis=axis)))
    step = compile(f, backend="numba")
    error = np.abs(step(x)[0] / exact - 1).max()
    assert error <= np.abs(f(x)[0] / exact - 1).max() + 64 * np.finfo(dtype).eps


@needs_numba
@pytest.mark.parametrize(
    ("shape", "axis", "dtype"),
    [
        ((10**7,), None, np.float64),
        ((3, 10**6), 1, np.float64),
        ((1000, 2, 1000), (0, 2), np.float64),
        ((1000, 1000, 3), None, np.float64),
        ((64, 4, 56, 56), (0, 2, 3), np.float32),
    ],
)
def test_very_long_sums_agree_with_numpys(shape, axis, dtype):
    x = np.full(shape, 0.1, dtype)
    y = np.ones(shape[-1:], dtype)
    step = compile(lambda x, y: (x * y).sum(axis=axis), backend="numba")
    agree(step(x, y), x.sum(axis=axis))


# Whose memory it is


def training(x, w, backend):
    p = Tensor(w, requires_grad=True)
    step = compile(lambda x: ((x @ p) ** 2).sum(), optim.SGD([p], lr=0.1), backend=backend)
    found = [step(x(p)).data for _ in range(3)]
    return [*found, p.data]


ARGUMENTS = {
    "all of the parameter": lambda p: p.data[:],
    "a view of it": lambda p: p.data.T,
    "a part of it": lambda p: p.data[::-1],
    "columns": lambda p: np.arange(32.0).reshape(4, 8)[:, ::2] / 32,
    "in Fortran's order": lambda p: np.asfortranarray(np.arange(16.0).reshape(4, 4)) / 16,
}


@pytest.mark.usefixtures("machine")
def test_an_argument_may_be_called_what_loops_call():
    x, y, z = arrays((3, 4), (3, 4), (3, 4))
    step = compile(lambda **x: np.abs(x["range"] - x["min"]) * x["abs"], backend="numba")
    agree(step(range=x, min=y, abs=z), np.abs(x - y) * z)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_may_lie_anywhere(name):
    (w,) = arrays((4, 4))
    found = [training(ARGUMENTS[name], w / 4, backend) for backend in ("numpy", "numba")]
    for x, y in zip(*found, strict=True):
        agree(y, x)


@pytest.mark.usefixtures("machine")
def test_a_copy_of_a_parameter_keeps_what_it_was():
    p = Tensor(np.ones((3, 3)), requires_grad=True)

    def f(x):
        before = p.detach() + 0.0
        return ((x @ p) ** 2).sum() + (before * p).sum()

    found = []
    for backend in ("numpy", "numba"):
        p.data = np.ones((3, 3))
        step = compile(f, optim.SGD([p], lr=0.1), backend=backend)
        found.append([step(np.eye(3)).data.copy() for _ in range(3)] + [p.data.copy()])
    for x, y in zip(*found, strict=True):
        agree(y, x)


@pytest.mark.usefixtures("machine")
def test_a_product_reads_a_parameter_in_another_shape_before_it_changes():
    def trained(backend):
        v, w = (Tensor(x, requires_grad=True) for x in arrays((8, 2), (4, 3)))
        optimizer = optim.SGD([v, w], lr=0.01)
        step = compile(lambda x: ((v.reshape(4, 4) @ w) ** x).sum(), optimizer, backend=backend)
        return [*(step(2).data for _ in range(3)), v.data, w.data]

    for x, y in zip(trained("numpy"), trained("numba"), strict=True):
        agree(y, x)


@pytest.mark.usefixtures("machine")
def test_a_transposed_softmax_is_the_callers():
    step = compile(lambda x: np.exp(np.transpose(F.log_softmax(x, dim=0))), backend="numba")
    x, y = arrays((3, 4), (3, 4))
    first = step(x)
    kept = np.copy(first)
    step(y * 3)
    np.testing.assert_array_equal(first, kept)


# Lines that are written in another way


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("s", [1e300, -1.0, 1e-320])
def test_exp_of_a_difference_may_be_finite_where_a_quotient_is_not(s):
    def f(x, s):
        return np.exp(x), np.exp(x - np.log(s))

    step = compile(f, backend="numba")
    step(np.ones(3), np.ones(3))  # for which both are the same
    x, s = np.full(3, 800 * np.sign(np.log(abs(s)))), np.full(3, s)
    with np.errstate(all="ignore"):
        for found, expected in zip(step(x, s), f(x, s), strict=True):
            agree(found, expected)


@pytest.mark.usefixtures("machine")
def test_a_softmax_without_its_peak_overflows_as_numpys_does():
    def f(x):
        return np.exp(x - np.log(np.exp(x).sum(axis=1, keepdims=True)))

    step = compile(f, backend="numba")
    step(np.ones((2, 3)))
    x = np.full((2, 3), 800.0)
    with np.errstate(all="ignore"):
        agree(step(x), f(x))


@needs_numba
def test_a_difference_of_equal_products_is_0():
    """A product and a sum in one instruction would round once, and find what is left."""
    x = np.linspace(0.1, 3, 100)
    step = compile(lambda x, y: np.sqrt(x * x - y * y), backend="numba")
    step(x + 1, x)
    np.testing.assert_array_equal(step(x, np.copy(x)), np.zeros(100))


@pytest.mark.usefixtures("machine")
def test_arrays_of_many_axes_stay_with_numpy():
    x = np.arange(2.0**12).reshape([2] * 12)

    def f(x):
        y = x * 2
        pairs = np.concatenate([y, x]), x @ x
        return y, y.sum(axis=0), x.T.reshape(64, 64).max(axis=0), *pairs

    for found, expected in zip(compile(f, backend="numba")(x), f(x), strict=True):
        agree(found, expected)


# What is checked before a program is handed out


@pytest.mark.usefixtures("machine")
def test_a_slope_that_is_nothing_but_rounding_is_no_error():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 5, rng=rng), nn.BatchNorm1d(5), nn.Linear(5, 1, rng=rng))
    step = compile(
        lambda x: (model(x) ** 2).mean(), optim.Adam(model.parameters()), backend="numba"
    )
    x = rng.standard_normal((16, 4))
    assert step(x).data > step(x).data


@pytest.mark.usefixtures("by_python")
def test_a_wrong_program_is_not_handed_out(monkeypatch):
    elementary = sys.modules["tinygrad_edu.compiler.loops.elementary"]
    monkeypatch.setattr(elementary, "exp", lambda x: np.exp(x) * (1 + 1e-10))
    with pytest.raises(CompileError, match="the program is wrong, and nothing was changed"):
        compile(lambda x: np.exp(x).sum(), backend="numba")(np.ones(5))


@pytest.mark.usefixtures("by_python")
def test_chance_that_nobody_can_draw_again_is_refused():
    with pytest.raises(CompileError):
        compile(lambda x: x * np.random.default_rng().random(), backend="numba")(np.ones(3))


# Machine code


@needs_numba
def test_a_refusal_of_numba_names_the_line():
    from numba import njit

    def loops_1(x):
        return x.nothing

    text = "\n".join(["", "def loops_1(x):", "    return x.nothing"])
    with pytest.raises(CompileError, match=r"numba cannot compile .* of loops_1"):
        compilation.compile_functions({"loops_1": njit(loops_1)}, {"loops_1": [np.ones(2)]}, text)


@needs_numba
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_way_to_blas_gives_the_product(dtype):
    from numba import njit

    from tinygrad_edu.compiler.loops import blas

    assert blas.has_numpy_symbols() or blas.has_scipy_symbols()
    ways = [blas.gemm_by_numpy]
    ways += [blas.gemm_by(blas.call_numpy)] * blas.has_numpy_symbols()
    ways += [blas.gemm_by(blas.call_scipy)] * blas.has_scipy_symbols()
    a, b = arrays((3, 4), (4, 5), dtype=dtype)
    column, row, wide = arrays((3, 1), (1, 5), (3, 8), dtype=dtype)
    pairs = [(a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b)), (column, row)]
    pairs.append((wide[:, 2:6], b))
    for way in ways:

        @njit
        def product(a, b, out, alpha, beta, way=way):
            way(a, b, out, alpha, beta)

        for x, y in pairs:
            out = np.full((3, 5), np.nan, dtype)
            product(x, y, out, dtype(1), dtype(0))
            agree(out, x @ y)
            product(x, y, out, dtype(-0.5), dtype(1))
            agree(out, (x @ y) / 2)


@needs_numba
def test_no_product_is_written_to_an_array_that_is_read_only():
    from numba import njit
    from numba.core.errors import TypingError

    from tinygrad_edu.compiler.loops import blas

    a, out = np.eye(3), np.zeros((3, 3))
    out.flags.writeable = False
    with pytest.raises(TypingError, match="read-only"):
        njit(lambda a, out: blas.gemm(a, a, out, 1.0, 0.0))(a, out)
    np.testing.assert_array_equal(out, 0)


@needs_numba
def test_a_compiler_that_is_off_is_no_error_of_python(monkeypatch):
    from numba import config

    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    with pytest.raises(CompileError, match="NUMBA_DISABLE_JIT is set"):
        compile(lambda x: np.exp(x).sum(), backend="numba")(np.ones(3))


@needs_numba
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exp_log_and_tanh_are_numpys_to_the_last_digits(dtype):
    from numba import njit

    from tinygrad_edu.compiler.loops.elementary import exp, log, tanh

    @njit
    def several(x, e, o, t):
        for i in range(x.size):
            e[i], o[i], t[i] = exp(x[i]), log(x[i]), tanh(x[i])

    rng = np.random.default_rng(0)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 1e-300, 1e-40, 710, -745, 88.8, -103.0, 1e30]
    with np.errstate(all="ignore"):
        x = np.array([*edges, *rng.standard_normal(1000) * 30, *rng.uniform(0, 2, 1000)], dtype)
        expected = [np.exp(x), np.log(x), np.tanh(x)]
    found = [np.empty_like(x) for _ in range(3)]
    several(x, *found)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=8 * np.finfo(dtype).eps, atol=0)


@needs_numba
def test_a_saved_program_runs_without_this_package(tmp_path):
    model = perceptron(np.float64)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)
    step = compile(
        lambda x, y: losses.cross_entropy(model(x), y),
        optim.SGD(model.parameters(), lr=0.1),
        backend="numba",
    )
    step(x, y)
    step.save(tmp_path / "saved_step.py")
    np.savez(tmp_path / "data.npz", x=x, y=y)
    code = (
        "import sys, numpy as np, saved_step\n"
        "data = np.load('data.npz')\n"
        "print(*(float(saved_step.step(data['x'], data['y'], **saved_step.held)[0])"
        " for _ in range(3)))\n"
        "assert 'tinygrad_edu' not in sys.modules\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = [sys.executable, "-c", code]
    printed = subprocess.check_output(run, cwd=tmp_path, env=environment, text=True)
    assert printed.split() == [repr(float(step(x, y).data)) for _ in range(3)]


@pytest.mark.usefixtures("machine")
def test_a_report_times_the_loops_and_the_lines_of_numpy():
    (x,) = arrays((3, 4))
    step = compile(lambda x: (np.sort(x * 2, axis=1) * x).sum(), backend="numba")
    step(x)
    texts = [text for _, text in step.report(x, repeats=3).times]
    assert any(text.startswith("loops: nest") for text in texts)
    assert any("np.sort" in text for text in texts)


@pytest.mark.usefixtures("by_python")
def test_the_page_shows_a_real_text():
    page = (Path(__file__).parent.parent / "docs/compile.md").read_text()
    program, shown = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    manual_seed(0)
    names = {"np": np, "nn": nn, "optim": optim, "compile": compile, "print": lambda _: None}
    names["rng"] = np.random.default_rng(0)
    exec(program, names)
    real = re.sub(r"\(<string>:\d+\)", "(lesson.py:11)", names["fast"].source)
    assert real.strip() == shown.strip()
