"""Memory of a compiled program: what lives when, what lies where, how much it is, as drawn."""

import gc
import tracemalloc
from itertools import combinations, pairwise

import numpy as np
import pytest
from drawn import THOROUGH
from test_compile import BATCHES, LAYERS, World, assert_same_steps, small_network, squared_error

from tinygrad_edu import Tensor, Value, losses, nn, no_grad, optim
from tinygrad_edu.compiler import CompileError, compile
from tinygrad_edu.compiler.lifetimes import kept_bytes, lives_in, memory_bytes
from tinygrad_edu.compiler.passes import packing
from tinygrad_edu.compiler.verification import same_bits
from tinygrad_edu.viz.plots import plot_program


class Classifier:
    """A perceptron in float32, its data, and its step, with a program and without."""

    def __init__(self, *sizes, batch, optimizer=optim.SGD):
        rng = np.random.default_rng(0)
        layers = []
        for n, m in pairwise(sizes):
            layers += [nn.Linear(n, m, rng=rng, dtype=np.float32), nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1])
        self.optimizer = optimizer(self.model.parameters(), lr=0.01)
        self.x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
        self.y = rng.integers(0, sizes[-1], batch)
        self.step = compile(self.loss, self.optimizer, check=False)

    def loss(self, x, y):
        return losses.cross_entropy(self.model(x), y)

    def compiled(self):
        self.step(self.x, self.y)

    def eager(self):
        self.optimizer.zero_grad()
        loss = self.loss(self.x, self.y)
        loss.backward()
        self.optimizer.step()


@pytest.fixture(scope="module")
def large():
    """After its first steps, without gradients."""
    network = Classifier(784, 1024, 1024, 10, batch=256)
    network.compiled()
    network.eager()
    network.optimizer.zero_grad()
    return network


def peak(f):
    """The bytes that f takes at most beyond what there is."""
    gc.collect()
    tracemalloc.start()
    try:
        f()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# How much


def test_a_step_takes_at_most_seven_tenths_of_the_memory(large):
    found = kept_bytes(large.step.latest.program) + peak(large.compiled)
    expected = peak(large.eager)
    large.optimizer.zero_grad()
    assert found <= 0.7 * expected
    report = large.step.report(large.x, large.y, repeats=1)
    assert report.memory == kept_bytes(large.step.latest.program)
    assert report.peak == pytest.approx(found, rel=0.02)
    assert report.eager == pytest.approx(expected, rel=0.02)
    assert f"{report.peak / 1e3:,.1f} kB at most" in str(report)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_memory_without_a_program_is_what_is_measured(optimizer):
    network = Classifier(784, 256, 128, 10, batch=128, optimizer=optimizer)
    network.compiled()
    network.eager()
    network.compiled()
    network.optimizer.zero_grad()
    found, expected = peak(network.compiled), peak(network.eager)
    timeline = network.step.timeline()
    assert max(timeline.eager) == pytest.approx(expected, rel=0.02)
    assert timeline.kept + found < 0.9 * expected


def test_ten_thousand_calls_leave_nothing_behind():
    model = nn.Linear(3, 2)
    step = compile(squared_error(model), optim.SGD(model.parameters(), 1e-3, momentum=0.9))
    args = BATCHES[0][0]

    def call(n):
        for _ in range(n):
            step(*args)
        gc.collect()
        return len(gc.get_objects())

    call(10)
    objects = call(10)
    assert call(10_000) <= objects + 10
    tracemalloc.start()
    call(10)
    before = tracemalloc.get_traced_memory()[0]
    call(500)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after < before + 1000


def test_a_large_array_is_given_back_after_its_last_use():
    w = Tensor(np.ones(2**14), requires_grad=True)

    def chain(w):
        y = w
        for _ in range(20):
            y = np.where(y > 0, y, w)[::-1] ** 0.5
        return y.sum()

    step = compile(chain)
    step(w)
    timeline = step.timeline()
    assert "del " in step.source
    assert peak(lambda: step(w)) == pytest.approx(max(timeline.taken) - timeline.kept, rel=0.05)
    assert max(timeline.taken) < max(timeline.eager)
    expected = np.copy(w.grad)
    w.grad = None
    chain(w).backward()
    np.testing.assert_array_equal(2 * w.grad, expected)


def test_what_adam_remembers_is_changed_in_place():
    def make():
        model = small_network()
        optimizer = optim.Adam(model.parameters(), amsgrad=True)
        return World(squared_error(model), model, optimizer=optimizer)

    world = make()
    step = compile(world.f, world.optimizer)
    for args, _ in BATCHES[:2]:
        step(*args)
    before = [x for state in world.optimizer.state[0] for x in state[1:3]]
    step(*BATCHES[2][0])
    after = [x for state in world.optimizer.state[0] for x in state[1:3]]
    assert all(x is y for x, y in zip(before, after, strict=True))
    assert not {id(x) for x in after} & {id(p.data) for p in world.optimizer.params}
    assert_same_steps(make, BATCHES, {"all passes": {}, "no pass": {"optimize": ()}})


@pytest.mark.filterwarnings("ignore:.*encountered")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, int])
def test_powers_keep_their_bits_in_given_memory(dtype):
    x = np.array([3, 0, 1, 7, 2, 5]).astype(dtype)
    if dtype is not int:
        x = np.append(x, np.array([-0.0, np.inf, -np.inf, np.nan, -1, 6e-8, 1.1, 6e4])).astype(
            dtype
        )

    @no_grad()
    def f(x):
        return x**2 + 1, x**0.5 + 1, x**2.0 + 1, x**3 + 1, 2.0**x + 1

    step = compile(f)
    for found, expected in zip(step(x), f(x), strict=True):
        assert same_bits(found, expected)
    assert ("np.sqrt" in step.source) == (dtype is not int)


# When is each array needed?


def test_when_each_array_is_needed():
    w = Tensor(np.ones((3, 2)), requires_grad=True)

    @no_grad()
    def f(x):
        h = np.tanh(x @ w)  # in place of the product
        squares = h * h
        return (h + squares).sum(axis=0), h.T @ squares.reshape(8)[:4]

    step = compile(f)
    step(np.ones((4, 3)))
    timeline = step.timeline()
    assert timeline.lines == ["h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"]
    assert set(timeline.phases) == {"forward"}
    assert [(x.name, x.kind, x.nbytes) for x in timeline.inputs] == [
        ("x", "argument", 96),
        ("w", "parameter", 48),
    ]
    assert [(x.name, x.memory, x.start, x.end, x.nbytes) for x in timeline.arrays] == [
        ("h1", "m1", 0, 1, 64),
        ("h2", "m1", 1, 9, 64),
        ("h3", "m2", 2, 9, 64),
        ("h4", "m3", 3, 5, 64),
        ("h5", "", 4, 9, 16),
        ("h9", "", 8, 9, 16),
    ]
    assert timeline.memory == {"m1": 64, "m2": 64, "m3": 64}
    assert timeline.needed == [64, 64, 128, 192, 208, 144, 144, 144, 160]
    assert timeline.taken == [192] * 4 + [208] * 4 + [224]
    assert timeline.kept == 192


def test_what_the_update_changes():
    model = small_network()
    step = compile(squared_error(model), optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
    for args, _ in BATCHES:
        step(*args)
    timeline = step.timeline()
    kinds = {x.kind for x in timeline.inputs}
    assert kinds == {"argument", "parameter", "other"}
    for x in timeline.inputs:
        assert (x.kind == "parameter") <= (x.changed_at is not None)
        if x.changed_at is not None:
            assert f"{timeline.lines[x.changed_at]} = np." in step.source
            assert timeline.phases[x.changed_at] == "update"
    assert len(timeline.eager) == len(timeline.lines) == step.report(*args, repeats=1).lines
    assert timeline.kept == sum(timeline.memory.values())


def test_before_the_first_call_there_is_nothing_to_draw():
    step = compile(np.tanh)
    for ask in (step.timeline, lambda: plot_program(step)):
        with pytest.raises(CompileError, match="call the function once"):
            ask()


# What lies where

PACKED = [*LAYERS] if THOROUGH > 1 else ["Linear", "Conv2d", "LSTM", "MultiheadAttention"]


@pytest.mark.parametrize("row", PACKED)
def test_what_lies_in_one_place_is_never_needed_at_once(row, monkeypatch):
    monkeypatch.setattr(packing, "WORTH", -(2**30))
    layer, calls = LAYERS[row]

    def make():
        model = layer()

        def loss(x):
            out = model(x)
            out = out[0] if isinstance(out, tuple) else out
            return (out * out * 0.5 + out).sum()

        return World(loss, model, optimizer=optim.SGD(model.parameters(), lr=0.01))

    step = assert_same_steps(make, calls[:3], {"all passes": {}})
    program = step.latest.program
    sizes, places = memory_bytes(program), program.places
    lives = [x for x in lives_in(program) if x.memory is not None]
    assert sizes.keys() == places.keys()
    for x, y in combinations(lives, 2):
        apart = (
            places[x.memory] + sizes[x.memory] < places[y.memory]
            or places[y.memory] + sizes[y.memory] < places[x.memory]
        )
        assert apart or x.end <= y.start or y.end <= x.start
    assert all(place % packing.ALIGNED == 0 for place in places.values())
    assert kept_bytes(program) <= sum(sizes.values()) + packing.ALIGNED * len(sizes)


# The picture


def test_the_picture_names_lines_arrays_and_sections(tmp_path):
    model = small_network()
    step = compile(squared_error(model), optim.SGD(model.parameters(), lr=0.1))
    step(*BATCHES[0][0])
    figure = plot_program(step, title="A small step", path=tmp_path / "program.png")
    above, below = figure.axes
    timeline = step.timeline()
    assert (tmp_path / "program.png").stat().st_size > 10_000
    assert [x.get_text() for x in below.get_xticklabels()] == [x or "if" for x in timeline.lines]
    rows = [x.get_text().split("  ")[0] for x in above.get_yticklabels()]
    anew = [x.name for x in timeline.arrays if not x.memory]
    assert sorted(rows) == sorted([*timeline.memory, *anew, "arguments", "parameters"])
    shown = {x.get_text() for x in above.texts}
    assert {"forward", "backward", "update", *anew} <= shown
    black, blue = (x for x in below.get_lines() if len(x.get_xdata()) > 1)
    scale = max(timeline.eager) / max(black.get_ydata())
    np.testing.assert_allclose(black.get_ydata()[:-1] * scale, timeline.eager)
    np.testing.assert_allclose(blue.get_ydata()[:-1] * scale, timeline.taken)
    legend = [x.get_text() for x in below.get_legend().get_texts()]
    assert legend[0].startswith("without a program: at most ")


def test_a_program_of_thousands_of_lines_is_drawn_without_names():
    def chain(x):
        for i in range(1000 if THOROUGH > 1 else 60):
            x = np.tanh(x) + i
        return x.sum()

    step = compile(chain, check=False)
    step(Tensor(np.ones(3), requires_grad=True))
    assert len(step.timeline().lines) > 100
    above, below = plot_program(step).axes
    assert not above.get_yticks().size
    assert len(below.get_xticks()) < 20


def test_single_numbers_are_no_picture():
    step = compile(lambda x: (x * 2).tanh())
    step(Value(1.0))
    with pytest.raises(ValueError, match="single numbers"):
        plot_program(step)
