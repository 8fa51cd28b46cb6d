"""One program for each row: the sums of its losses and gradients are those of the batch."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_edu import CompileError, Tensor, Value, compile, nn, no_grad, optim
from tinygrad_edu.compiler import backends
from tinygrad_edu.compiler.loops import rows as loops
from tinygrad_edu.rng import default_rng

POINTS = np.random.default_rng(0).standard_normal((12, 2))
LABELS = np.where(POINTS[:, 0] * POINTS[:, 1] > 0, 1, -1)


def network():
    return nn.MLP(2, [4, 1], rng=np.random.default_rng(1))


def hinge_of(model):
    return lambda point, label: (1 - label * model(point)).relu()


def by_rows(f, *columns):
    """(f(row) / n).backward() for each row, and the mean of the losses."""
    n = len(columns[0])
    losses = [f(*(x[i].tolist() for x in columns)) / n for i in range(n)]
    for loss in losses:
        loss.backward()
    return sum((x.data for x in losses[1:]), losses[0].data)


@pytest.mark.parametrize(
    "make", [lambda p: optim.SGD(p, 0.1, momentum=0.9), optim.Adam], ids=["SGD", "Adam"]
)
def test_it_trains_with_the_same_bits(make):
    model, usual = network(), network()
    optimizer = make(usual.parameters())
    step = compile(hinge_of(model), make(model.parameters()), rows=True)
    for _ in range(5):
        optimizer.zero_grad()
        expected = by_rows(hinge_of(usual), POINTS, LABELS.astype(float))
        optimizer.step()
        assert step(POINTS, LABELS).data == expected
        assert [p.data for p in model.parameters()] == [p.data for p in usual.parameters()]
        assert all(p.grad is None for p in model.parameters())
    assert expected < by_rows(hinge_of(network()), POINTS, LABELS.astype(float))


def test_gradients_are_added_to_grad():
    model, usual = network(), network()
    step = compile(hinge_of(model), rows=True)
    for x in (POINTS, POINTS[:5], POINTS[::2]):
        labels = LABELS[: len(x)]
        before = [p.grad or 0.0 for p in model.parameters()]
        for p in usual.parameters():
            p.grad = None
        assert step(x, labels).data == by_rows(hinge_of(usual), x, labels.astype(float))
        for p, g, q in zip(model.parameters(), before, usual.parameters(), strict=True):
            assert p.grad == g + q.grad
    assert len(step.source.splitlines()) > 20
    assert "# backward" in step.source


def test_rows_may_branch_each_their_own_way():
    w = Value(0.7)

    def f(x):
        y = x * w
        return y * y if y > 0 else -y

    step = compile(f, rows=True)
    x = np.array([1.0, -2.0, 3.0, -4.0, 0.5])
    for _ in range(2):
        w.grad = None
        assert step(x).data == pytest.approx((0.49 + 2.1**2 + 0.35**2 + 1.4 + 2.8) / 5)
        assert w.grad == pytest.approx((2 * 0.7 * (1 + 9 + 0.25) + 2 + 4) / 5)
    w.data = -0.7  # each row takes the other branch
    w.grad = None
    step(x)
    assert w.grad == pytest.approx((2 * -0.7 * (4 + 16) - 1 - 3 - 0.5) / 5)


@pytest.fixture
def by_python(monkeypatch):
    """numba that compiles nothing: the loops run as the Python that they are."""
    if find_spec("numba") is None:
        monkeypatch.setitem(sys.modules, "numba", SimpleNamespace(njit=lambda function: function))
        monkeypatch.setattr(backends, "find_spec", lambda _: True)
        monkeypatch.setattr(loops, "compile_functions", lambda *_: None)


@pytest.mark.usefixtures("by_python")
def test_rows_as_a_loop_train_as_rows_of_python():
    found = []
    for backend in ("numpy", "numba"):
        model = network()
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        step = compile(hinge_of(model), optimizer, rows=True, backend=backend)
        losses = [step(POINTS, LABELS).data for _ in range(5)]
        found.append(losses + [p.data for p in model.parameters()])
    np.testing.assert_allclose(*found, rtol=1e-12)
    assert "for i in range(i, len(rows)):" in step.source


@pytest.mark.usefixtures("by_python")
def test_rows_of_a_loop_may_branch_each_their_own_way():
    w = Value(0.7)
    step = compile(lambda x: (x * w) ** 2 if x * w > 0 else -x * w, rows=True, backend="numba")
    x = np.array([1.0, -2.0, 3.0, -4.0, 0.5])
    for _ in range(2):
        w.grad = None
        assert step(x).data == pytest.approx((0.49 + 2.1**2 + 0.35**2 + 1.4 + 2.8) / 5)
        assert w.grad == pytest.approx((2 * 0.7 * (1 + 9 + 0.25) + 2 + 4) / 5)


@pytest.mark.usefixtures("by_python")
def test_rows_with_arrays_stay_python():
    w = Tensor(np.array([1.0, -2.0, 3.0]), requires_grad=True)
    step = compile(lambda x: np.sum(np.tanh(w * x)), rows=True, backend="numba")
    x = np.array([0.5, -1.0])
    assert step(x).item() == pytest.approx(np.tanh(np.outer(x, w.data)).sum() / 2)
    assert "for i in" not in step.source


def test_a_row_can_be_an_array_of_any_shape():
    w = [[Value(float(3 * i + j)) for j in range(3)] for i in range(2)]
    x = np.arange(24.0).reshape(4, 2, 3)
    step = compile(
        lambda x: sum(a * b for u, v in zip(x, w, strict=True) for a, b in zip(u, v, strict=True)),
        rows=True,
    )
    assert step(x).data == np.mean(np.sum(x * np.arange(6.0).reshape(2, 3), axis=(1, 2)))
    np.testing.assert_array_equal([[v.grad for v in row] for row in w], x.mean(axis=0))


def test_a_parameter_may_be_an_array():
    w = Tensor(np.array([1.0, -2.0, 3.0]), requires_grad=True)
    step = compile(lambda x: np.sum(np.tanh(w * x)), rows=True)
    x = np.array([0.5, -1.0])
    assert step(x).item() == pytest.approx(np.tanh(np.outer(x, w.data)).sum() / 2)
    expected = np.mean(x[:, None] * (1 - np.tanh(np.outer(x, w.data)) ** 2), axis=0)
    np.testing.assert_allclose(w.grad, expected)


def test_an_argument_may_have_a_default():
    w = Value(3.0)
    step = compile(lambda x, factor=2.0: x * factor * w, rows=True)
    assert (step([1.0, 2.0]).data, step([1.0, 2.0], [1.0, 1.0]).data) == (9.0, 4.5)


@pytest.mark.parametrize("args", [(), (POINTS, LABELS[:3]), (POINTS[:0], LABELS[:0]), (1.0, 2.0)])
def test_arguments_without_equal_rows_are_refused(args):
    with pytest.raises(ValueError, match="same number of rows, at least one"):
        compile(hinge_of(network()), rows=True)(*args)


def test_the_program_of_a_row_only_returns_a_loss():
    w, seen = Value(1.0), {"sum": Value(0.0)}

    def remembers(x):
        seen["sum"].data = seen["sum"].data + x
        return w * x

    for f, message in (
        (remembers, "changes"),
        (lambda x: w * x * default_rng().normal(), "draws random numbers"),
        (lambda x: x * 2.0, "no loss that depends on a parameter"),
    ):
        with pytest.raises(CompileError, match=message):
            compile(f, rows=True)(np.arange(3.0))
        assert w.grad is None


def test_a_wrong_row_leaves_everything_as_it_was():
    w = Value(2.0)
    step = compile(lambda x: w**x * (1.0 / x), optim.SGD([w], 0.1), rows=True)
    w.grad = 5.0
    with pytest.raises(ZeroDivisionError):
        step([1.0, 2.0, 0.0])
    assert (w.data, w.grad) == (2.0, 5.0)


def test_too_many_branches_are_refused():
    w = Value(1.0)
    step = compile(lambda x: w * next(k for k in range(40) if x == k), rows=True)
    with pytest.raises(CompileError, match="more than 16 programs"):
        step(np.arange(40.0))
    assert w.grad is None


def test_the_programs_cost_and_text_can_be_seen(tmp_path):
    step = compile(hinge_of(network()), rows=True)
    with pytest.raises(CompileError, match="no program for these arguments"):
        step.report(POINTS, LABELS)
    step(POINTS, LABELS)
    assert step.report(POINTS, LABELS, repeats=2).lines > 10
    step.save(tmp_path / "row.py")
    assert "def step(" in (tmp_path / "row.py").read_text()


def test_no_gradient_is_added_where_none_is_recorded():
    w = Value(1.0)
    step = compile(lambda x: w * x, rows=True)
    step(np.arange(3.0))
    w.grad = None
    with no_grad(), pytest.raises(CompileError, match="no loss that depends on a parameter"):
        step(np.arange(3.0))
    assert w.grad is None
