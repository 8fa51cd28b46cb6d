"""Ctrl-C at every line of what changes something for the time of a block: all is as before."""

import signal

import numpy as np
import pytest
from interrupts import interrupted_at_every_line

from tinygrad_edu import Tensor, Value, losses, nn, no_grad, optim, train
from tinygrad_edu.lab import landscape, lr_range_test, sweep
from tinygrad_edu.lab.curvature import hessian_product
from tinygrad_edu.lab.landscapes import Plane
from tinygrad_edu.lab.run_log import runs_in
from tinygrad_edu.modes import RECORDING, WATCH
from tinygrad_edu.rng import Package

X, Y = np.array([[1.0], [2.0]]), np.array([[0.5], [0.0]])


def model_of(*layers):
    """A model whose parts are not all in the same mode."""
    model = nn.Sequential(nn.Linear(1, 1, rng=np.random.default_rng(0)), *layers)
    model.layers[0].eval()
    return model


def test_the_helper_finds_what_is_not_put_back():
    state = []

    def changed_for_a_while():
        state.append("changed")
        try:
            len(state)
        finally:
            len(state)
            state.clear()

    left = []

    def check():
        left.append(list(state))
        state.clear()

    lines = interrupted_at_every_line(changed_for_a_while, check)
    assert lines == len(left) - 2  # the first call and the last are not interrupted
    assert left.count(["changed"]) == 3  # at `try`, and at both lines of `finally`
    assert left[-1] == []


def evaluating():
    model = model_of(nn.Dropout(0.5))
    before = [module.training for module in model.modules()]
    assert len(set(before)) == 2

    def check():
        assert [module.training for module in model.modules()] == before

    return lambda: train.evaluate(model, losses.mse_loss, (X, Y)), check


def recording():
    def action():
        with no_grad():
            len("a")

    return action, lambda: None


def swapping():
    w, v = Tensor([1.0, 2.0], requires_grad=True), Value(3.0, requires_grad=True)
    average = optim.EMA([w, v], decay=0.5)
    w.data, v.data = np.array([5.0, 6.0]), 7.0
    average.update()
    earlier = (w**2).sum()
    array = w.data

    def action():
        with average.swapped():
            assert w.data.tolist() == [3.0, 4.0]
            assert v.data == 5.0

    def check():
        assert w.data is array
        assert (w.data.tolist(), v.data) == ([5.0, 6.0], 7.0)
        assert [np.array(a).tolist() for a in average.averages] == [[3.0, 4.0], 5.0]
        earlier.backward()  # it would be stale if w were born again

    return action, check


def averages_loaded():
    w, v = Tensor([1.0, 2.0], requires_grad=True), Value(3.0, requires_grad=True)
    average = optim.EMA([w, v], decay=0.5)
    new = {"decay": 0.9, "averages": [np.array([5.0, 6.0]), 7.0]}

    def check():
        held = average.decay, average.averages[0].tolist(), average.averages[1]
        assert held in [(0.5, [1.0, 2.0], 3.0), (0.9, [5.0, 6.0], 7.0)]
        average.__init__([w, v], decay=0.5)

    return lambda: average.load_state_dict(new), check


def weights_moved():
    w, b = Tensor([1.0, 2.0], requires_grad=True), Tensor(3.0, requires_grad=True)
    earlier = (w**2).sum() * b
    arrays = w.data, b.data
    plane = Plane(np.array([1.0, 2.0, 3.0]), np.eye(3)[:1], ("w[0]",), ((-1.0, 1.0),))

    def loss():
        return (w * b).sum()

    def action():
        landscape(loss, [w, b], plane, points=2, progress=False)

    def check():
        assert (w.data, b.data) == arrays
        assert w.data is arrays[0]
        earlier.backward()

    return action, check


def gradients_lent():
    w = Tensor([1.0, 2.0], requires_grad=True)
    b = Tensor(3.0, requires_grad=True)
    ((w**2).sum() * b).backward()
    before = w.grad, b.grad

    def check():
        assert w.grad is before[0]
        assert b.grad is before[1]

    return lambda: hessian_product(lambda: (w**2).sum() * b, [w, b])(np.ones(3)), check


def trained_for_a_while():
    model = nn.Linear(1, 1, bias=False, rng=np.random.default_rng(0))
    sgd = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(X).sum().backward()
    sgd.step()
    gradient = model.weight.grad
    before = model.state_dict(), sgd.state_dict()
    steps = []

    def loss(prediction, y):
        steps.append(1)
        return (prediction**2).sum() if len(steps) == 1 else (prediction * np.nan).sum()

    def action():
        steps.clear()
        found = lr_range_test(model, loss, sgd, [(X, Y)], steps=10)
        assert len(found.loss) == 2

    def check():
        np.testing.assert_equal((model.state_dict(), sgd.state_dict()), before)
        assert model.weight.grad is gradient

    return action, check


def calls():
    model = model_of(nn.Tanh())

    def action():
        with model.watched():
            model(X)

    def check():
        assert [type(module) for module in model.modules()] == [nn.Sequential, nn.Linear, nn.Tanh]

    return action, check


def summarized():
    model = model_of()
    return lambda: nn.summary(model, (1, 1)), lambda: None


def swept():
    def run(lr, seed):
        return Package.rng.random()

    return lambda: sweep(run, lr=[0.1], seeds=1, jobs=1, progress=False), lambda: None


@pytest.mark.parametrize(
    "make",
    [
        evaluating,
        recording,
        swapping,
        averages_loaded,
        weights_moved,
        gradients_lent,
        trained_for_a_while,
        calls,
        summarized,
        swept,
    ],
)
def test_everything_is_as_before(make):
    action, check = make()
    generator, state = Package.rng, Package.rng.bit_generator.state

    def check_all():
        assert RECORDING.get() is True
        assert WATCH.get() is None
        assert Package.rng is generator
        assert Package.rng.bit_generator.state == state
        check()

    try:
        lines = interrupted_at_every_line(action, check_all)
    finally:
        RECORDING.set(True)
        Package.rng = generator
    assert lines > 5


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no such signal")
@pytest.mark.filterwarnings("ignore:unclosed file")  # interrupted while Python opens it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_sweep_leaves_whole_lines_and_no_alarm(tmp_path):
    path, alarm = tmp_path / "runs.jsonl", signal.getsignal(signal.SIGALRM)
    grid = {"lr": [0.1], "seeds": 1, "jobs": 1, "progress": False}

    def run(lr, seed):
        return lr

    def action():
        sweep(run, path=path, time_limit=60, **grid)

    def check():
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        assert signal.getsignal(signal.SIGALRM) is alarm
        if path.exists():
            runs_in(path.read_bytes(), path)  # warns of a damaged line
            path.unlink()

    assert interrupted_at_every_line(action, check) > 100
