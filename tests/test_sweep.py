"""lab: grids of runs with verdicts, tables, files to go on from, and processes that die."""

import builtins
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from tinygrad_edu import Tensor, manual_seed, nn
from tinygrad_edu.lab.curve import curve_verdict
from tinygrad_edu.lab.descent import descend
from tinygrad_edu.lab.program import code_fingerprint, is_library
from tinygrad_edu.lab.run_log import runs_in
from tinygrad_edu.lab.sweeps import sweep
from tinygrad_edu.messages import PACKAGE
from tinygrad_edu.rng import default_rng
from tinygrad_edu.viz.plots.sweep import plot_sweep


def parabola(lr, seed, curvature=1.0):
    """Gradient descent on curvature x² / 2 from a random start."""
    start = default_rng().uniform(1, 2)
    return descend(lambda x: curvature * x**2 / 2, start, lr, 100).loss.tolist()


def quiet(run, **settings):
    return sweep(run, **{"jobs": 1, "progress": False} | settings)


# What a sweep is


def test_a_run_for_each_combination_and_seed_in_the_order_of_the_grid():
    calls = []

    def run(lr, width, seed):
        calls.append((lr, width, seed))
        return lr * width + seed

    found = quiet(run, lr=[0.1, 1.0], width=(2, 3), seeds=2)
    expected = [(lr, w, s) for lr in (0.1, 1.0) for w in (2, 3) for s in (0, 1)]
    assert calls == expected
    assert [(*one.settings.values(), one.seed) for one in found.runs] == expected
    assert [row.settings["width"] for row in found.rows] == [2, 3, 2, 3]
    assert found.rows[3].mean == {"loss": 3.5}
    assert found.rows[3].spread == {"loss": pytest.approx(0.5**0.5)}


def test_the_seed_decides_the_run_and_the_generator_is_put_back():
    def run(lr, seed):
        return {"weight": nn.Linear(2, 2).weight.data[0, 0]}

    manual_seed(5)
    expected = default_rng().random(2)
    manual_seed(5)
    first = default_rng().random()
    found = quiet(run, lr=[0.1, 0.2], seeds=np.array([3, 4]))
    assert [first, default_rng().random()] == expected.tolist()
    weights = [one.numbers["weight"] for one in found.runs]
    assert weights[:2] == weights[2:]
    assert weights[0] != weights[1]
    manual_seed(4)
    assert weights[1] == nn.Linear(2, 2).weight.data[0, 0]


def test_processes_find_what_one_finds():
    grid = {"lr": [0.01, 0.1, 3.0], "curvature": [0.5, 1.0], "seeds": 2}
    assert quiet(parabola, jobs=2, **grid) == quiet(parabola, **grid)


def test_what_run_may_return():
    returned = {
        "number": 2,
        "list": [3.0, 2.0, 1.5, 1.0],
        "dict": {"accuracy": np.float32(0.5), "loss": np.array([1.0, 0.5]), "rows": np.int64(3)},
        "tensor": Tensor(2.0, requires_grad=True),
    }
    found = quiet(lambda kind, seed: returned[kind], kind=list(returned), seeds=1)
    number, curve, both, tensor = found.runs
    assert number.numbers == tensor.numbers == {"loss": 2.0}
    assert (curve.numbers, curve.curves) == ({"loss": 1.0}, {"loss": returned["list"]})
    assert both.numbers == {"accuracy": 0.5, "loss": 0.5, "rows": 3.0}
    assert [one.verdict for one in found.runs] == ["finished", "falling", "finished", "finished"]
    json.dumps(both.numbers)


def test_the_best_setting_has_all_its_seeds():
    def run(lr, seed):
        if lr == 0.1 and seed == 1:
            raise FloatingPointError("overflow")
        return {"loss": lr, "accuracy": lr if lr < 9 else np.nan}

    found = quiet(run, lr=[0.1, 0.2, 0.3, 9.0])
    assert found.best().settings == {"lr": 0.2}
    assert found.best("accuracy", "max").settings == {"lr": 0.3}
    assert found.rows[0].verdicts == {"finished": 2, "diverged": 1}
    assert found.runs[1].reason == "FloatingPointError: overflow"
    with pytest.raises(ValueError, match="one of loss, accuracy, not 'acc'"):
        found.best("acc")
    with pytest.raises(ValueError, match="mode must be one of min, max, and it is 'least'"):
        found.best("loss", "least")
    with pytest.raises(ValueError, match="no setting has a finite accuracy for every seed"):
        quiet(run, lr=[9.0]).best("accuracy", "max")


def test_a_run_that_raises_is_a_row_and_stops_nothing():
    def run(lr, layers, seed):
        if layers == 2:
            raise SystemExit(1) if seed else ValueError("no such thing")
        return [lr, lr / 2, lr / 3, lr / 4]

    found = quiet(run, lr=[0.1], layers=[1, 2, 3], seeds=2)
    assert [one.verdict for one in found.runs] == [
        *("falling", "falling", "error", "error", "falling", "falling"),
    ]
    assert found.runs[2].reason == "ValueError: no such thing"
    assert str(found).splitlines()[2].split() == ["0.1", "2", "error"]


def test_numbers_that_overflow_are_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = quiet(lambda lr, seed: [np.float64(1e300) * 10.0**k for k in (1, 9, 9, 9)], lr=[1])
        assert found.runs[0].verdict == "diverged"
        table = quiet(lambda lr, seed: [np.inf, -np.inf, np.nan][seed], lr=[1]).table()
    assert table.splitlines()[1] == "1   nan ± nan  diverged"


# Tables


def tabled():
    def run(lr, act, seed):
        if lr == 1.0:
            raise KeyError("a|b")
        return {"loss": lr + seed / 100, "error | rate": 0.25}

    return quiet(run, lr=[0.1, 1.0], act=[nn.ReLU, "tanh|x"], seeds=2)


def test_the_table_in_three_styles():
    found = tabled()
    assert str(found).splitlines() == [
        "lr   act     loss            error | rate  verdict",
        "0.1  ReLU    0.105 ± 0.0071  0.25 ± 0      finished",
        "0.1  tanh|x  0.105 ± 0.0071  0.25 ± 0      finished",
        "1.0  ReLU                                  error",
        "1.0  tanh|x                                error",
        "best loss 0.105: lr=0.1, act=ReLU",
    ]
    markdown = found.table("markdown").splitlines()
    assert markdown[:2] == [
        "| lr | act | loss | error \\| rate | verdict |",
        "| --- | --- | --- | --- | --- |",
    ]
    assert markdown[3] == "| 0.1 | tanh\\|x | 0.105 ± 0.0071 | 0.25 ± 0 | finished |"
    lines = found.table("csv").splitlines()
    assert lines[0] == "lr,act,loss mean,loss spread,error | rate mean,error | rate spread,verdict"
    mean, spread = map(float, lines[1].split(",")[2:4])
    assert (mean, spread) == pytest.approx((0.105, 0.005 * 2**0.5))
    assert lines[4] == "1.0,tanh|x,,,,,error"
    with pytest.raises(ValueError, match='"plain", "markdown" or "csv", not \'html\''):
        found.table("html")


def test_a_line_for_each_setting_in_the_order_of_the_grid_where_there_is_no_terminal(capsys):
    def run(lr, seed):
        time.sleep(0.2 if lr == 0.1 else 0)  # the first one is done last
        if lr == 0.3 and seed == 1:
            raise ValueError("no such thing")
        return [lr, np.nan if lr == 0.4 else lr, lr, lr]

    quiet(run, lr=[0.1, 0.2, 0.3, 0.4], seeds=2, jobs=4, backend="threading", progress=True)
    assert capsys.readouterr().out.splitlines() == [
        "lr=0.1: loss 0.1 ± 0",
        "lr=0.2: loss 0.2 ± 0",
        "lr=0.3: loss 0.3 ± 0; 1 error (ValueError: no such thing)",
        "lr=0.4: loss 0.4 ± 0; 2 diverged (loss number 2 is nan)",
    ]


def test_the_table_in_the_docs_is_what_its_program_prints():
    page = (Path(__file__).parent.parent / "docs/sweeps.md").read_text()
    (program, *_), (table, *_) = (
        re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        for language in ("python", "text")
    )
    names = {"__name__": "sweeps"}
    exec(program.replace("jobs=2", "jobs=1"), names)
    for ours, printed in zip(table.split(), str(names["found"]).split(), strict=True):
        try:
            number = float(ours)
        except ValueError:
            assert ours == printed
        else:
            assert float(printed) == pytest.approx(number, rel=0.02, nan_ok=True)


# Verdicts


@pytest.mark.parametrize("curvature", [0.1, 1.0, 30.0])
@pytest.mark.parametrize(
    ("product", "kind"),
    [
        (1e-6, "slow"),
        (0.001, "slow"),
        (0.01, "slow"),
        (0.1, "converged"),
        (1.0, "converged"),
        (1.9, "converged"),
        (1.999, "slow"),
        (2.0, "slow"),  # a curve does not show that it bounces at the same height
        (2.01, "diverged"),
        (3.0, "diverged"),
        (1e9, "diverged"),
    ],
)
def test_verdicts_on_the_losses_of_a_quadratic(curvature, product, kind):
    path = descend(lambda x: curvature * x**2 / 2, 4.0, product / curvature, 100)
    if len(path.loss) >= 4:
        assert curve_verdict(path.loss).kind == kind, curve_verdict(path.loss).reason


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("kind", "curve", "noise"),
    [
        ("converged", lambda t: 0.1 + 2 * np.exp(-10 * t), 0.05),
        ("slow", lambda t: 2.3 - t, 0.05),
        ("slow", lambda t: 2.3 - 0.001 * t, 0.02),
        ("oscillating", lambda t: 2 + 0 * t, 1.0),
        ("diverged", lambda t: 2 + 5 * t, 0.1),
        ("diverged", lambda t: np.where((t > 0.1) & (t < 0.2), 50, 2.31 - 0.02 * (t == 0)), 0.001),
    ],
)
def test_verdicts_on_curves_with_the_noise_of_batches(kind, curve, noise, seed):
    t = np.linspace(0, 1, 200)
    found = curve_verdict(curve(t) + np.random.default_rng(seed).normal(0, noise, 200) * (t > 0))
    assert found.kind == kind, found.reason


@pytest.mark.parametrize("noise", [0.0, 0.002])
@pytest.mark.parametrize("last", [5, 15, 60])
def test_a_loss_that_rises_again_at_the_end_has_not_converged(last, noise):
    curve = 0.01 + np.exp(-10 * np.linspace(0, 1, 500))
    curve += np.random.default_rng(0).normal(0, noise, 500)
    assert curve_verdict(curve).kind == "converged"
    curve[-last:] += 0.2 * np.linspace(0, 1, last) ** 2
    found = curve_verdict(curve)
    assert found.kind == "diverged", found.reason
    assert f"the loss fell from {curve[0]:.4g} to 0.0" in found.reason
    assert f"and rose to {min(curve[-2:]):.4g} again" in found.reason


def test_a_loss_that_settles_far_above_its_best_has_not_converged():
    t = np.linspace(0, 1, 400)
    assert curve_verdict(0.01 + np.exp(-20 * t) + 0.05 * (t > 0.5)).kind == "diverged"


@pytest.mark.parametrize("n", [4, 6, 20, 200, 5000])
def test_noise_and_spikes_of_one_step_are_no_rise(n):
    t, rng = np.linspace(0, 1, n), np.random.default_rng(0)
    for _ in range(100):
        curve = 0.1 + 2 * np.exp(-20 * t) + rng.normal(0, 0.1, n)
        curve[[n // 2, -1]] += [-1.5, 1.5]
        assert "rose" not in curve_verdict(curve).reason


def test_a_curve_that_nearly_overflows():
    assert curve_verdict(10.0 ** np.arange(0, 308)).kind == "diverged"
    assert curve_verdict([1e308, -1e308] * 5).kind == "oscillating"


@pytest.mark.parametrize("noise", [0.0, 0.0005])
def test_a_loss_that_creeps_on_has_not_converged(noise):
    """What a rate that is too low looks like: down fast at first, then by a per cent at a time."""
    t = np.linspace(0, 1, 500)
    curve = 0.1 * np.exp(-0.5 * t) + np.exp(-40 * t)
    curve += np.random.default_rng(0).normal(0, noise, 500)
    found = curve_verdict(curve)
    assert found.kind == "slow", found.reason
    assert "and still falls: by 6% of itself lately" in found.reason
    assert curve_verdict(0.1 + np.exp(-40 * t)).kind == "converged"


def fell(start, end, still):
    """A curve that is flat at its end, or still falls."""
    t = np.linspace(0, 1, 100)
    return (end + (start - end) * np.where(still, 1 - t, np.exp(-50 * t))).tolist()


def test_the_best_setting_decides_what_is_stalled_and_what_is_falling():
    ends = {"low": (0.004, False), "near": (0.007, True), "flat": (0.1, False), "far": (0.2, True)}
    found = quiet(lambda kind, seed: fell(1.0, *ends[kind]), kind=list(ends), seeds=1)
    assert [one.verdict for one in found.runs] == ["converged", "falling", "stalled", "slow"]
    assert found.runs[2].reason.endswith("and is flat, but the best setting reaches 0.004")
    assert str(found).endswith("best loss 0.004: kind=low")
    alone = quiet(lambda kind, seed: fell(1.0, *ends[kind]), kind=["flat"], seeds=2)
    assert alone.rows[0].verdicts == {"converged": 2}


def test_settings_that_reach_the_same_but_for_rounding_have_all_converged():
    found = quiet(parabola, lr=[0.2, 0.5, 1.0], seeds=2)
    assert {one.verdict for one in found.runs} == {"converged"}
    below = quiet(lambda end, seed: fell(9.0, end, False), end=[-5.0, -4.0, 0.5], seeds=1)
    assert [one.verdict for one in below.runs] == ["converged", "converged", "stalled"]


def test_what_is_recommended_is_not_called_slow():
    ends = {0.1: (0.5, True), 1.0: (0.04, True)}
    found = quiet(lambda lr, seed: fell(2.0 + seed / 10, *ends[lr]), lr=list(ends), seeds=3)
    assert found.best().verdicts == {"falling": 3}
    assert found.rows[0].verdicts == {"slow": 3}
    assert str(found).splitlines()[-1] == (
        "best loss 0.04: lr=1.0; it still falls, and more steps would lower it"
    )


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_loss_that_goes_nowhere_is_slow_even_if_no_setting_does_better(noise):
    """Not falling: more steps would not help, and that the best is no better is no merit."""

    def run(lr, seed):
        return 2.3 + noise * np.random.default_rng([seed, int(1e9 * lr)]).normal(size=100)

    found = quiet(lambda lr, seed: run(lr, seed).tolist(), lr=[1e-8, 1e-7], seeds=3)
    assert {one.verdict for one in found.runs} == {"slow"}
    assert "still falls" not in str(found)


def test_a_floor_that_is_high_does_not_bring_all_near_to_the_best():
    """Where all began at 2.3, a loss of 2.299 is not near to 1.2, though less than twice that."""
    ends = {"tiny": (2.299, True), "part": (1.8, True), "stuck": (2.0, False), "best": (1.2, False)}
    found = quiet(lambda kind, seed: fell(2.3, *ends[kind]), kind=list(ends), seeds=1)
    assert [one.verdict for one in found.runs] == ["slow", "slow", "stalled", "converged"]
    ends = {"far": (-5.0, False), "near": (-95.0, True), "best": (-100.0, False)}
    found = quiet(lambda kind, seed: fell(9.0, *ends[kind]), kind=list(ends), seeds=1)
    assert [one.verdict for one in found.runs] == ["stalled", "falling", "converged"]


def test_it_is_said_if_the_best_setting_diverged():
    found = quiet(lambda lr, seed: [(1 + lr) ** k for k in range(50)], lr=[0.1, 0.2], seeds=2)
    assert str(found).endswith(": lr=0.1; but 2 of its 2 runs diverged or oscillated")


def test_reasons_of_verdicts():
    assert curve_verdict([1, 2, np.nan, 1]).reason == "loss number 3 is nan"
    assert "no real fall" in curve_verdict([2.0] * 10).reason
    assert curve_verdict(np.linspace(2, 1, 100)).reason == (
        "the loss went from 2 to 1.121 and still falls: 29% of it came at the end"
    )
    with pytest.raises(ValueError, match=r"at least 4 losses; this has shape \(3,\)"):
        curve_verdict([3, 2, 1])


# Going on


def counting(folder):
    """A run that leaves a file for each call."""

    def run(lr, seed, width=1):
        (folder / f"{lr} {width} {seed} {time.time_ns()}").touch()
        if lr == 0.5 and not (folder / "mended").exists():
            raise ValueError("not yet")
        return {"loss": [lr, lr / 2, lr / 3, lr / 7.0], "nan": np.nan}

    return run


def test_an_interrupted_sweep_goes_on_from_its_file(tmp_path):
    path, folder = tmp_path / "sweep.jsonl", tmp_path / "calls"
    folder.mkdir()
    run, grid = counting(folder), {"lr": [0.1, 0.2, 0.5], "seeds": 2}
    quiet(run, path=path, **grid)
    raw = path.read_bytes()
    assert raw.count(b"\n") == len(list(folder.iterdir())) == 6

    path.write_bytes(raw[: raw.index(b"\n", len(raw) // 3) + 40])  # killed while it wrote
    done = path.read_bytes().count(b"\n")
    (folder / "mended").touch()
    for jobs in (2, 1):
        before = len(list(folder.iterdir()))
        with pytest.warns(UserWarning, match=rf"damaged in lines \[{done + 1}\]"):
            whole = quiet(run, path=path, jobs=jobs, **grid)
        assert len(list(folder.iterdir())) - before == (6 - done if jobs == 2 else 0)
    assert str(whole) == str(quiet(run, **grid))
    assert [one.curves for one in whole.runs] == [one.curves for one in quiet(run, **grid).runs]

    path.write_bytes(b"".join(x for x in path.read_bytes().splitlines(True) if x.count(b"crc32")))
    before = len(list(folder.iterdir()))
    more = quiet(run, path=path, lr=[0.2, 0.7], seeds=3)
    assert len(list(folder.iterdir())) - before == 4  # a seed of the old rate, three of the new
    assert [one.settings["lr"] for one in more.runs] == [0.2] * 3 + [0.7] * 3
    before = len(list(folder.iterdir()))
    quiet(run, path=path, lr=[0.2], width=[1], seeds=1)
    assert len(list(folder.iterdir())) - before == 1


NULS = bytes(4096)  # what a file system may leave of a block that was not written before a cut


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (lambda lines: [*lines, NULS], [7]),
        (lambda lines: [*lines, NULS, b"\n"], [7]),
        (lambda lines: [*lines[:5], bytes(len(lines[5]))], [6]),
        (lambda lines: [*lines[:5], lines[5][:60], NULS], [6]),
        (lambda lines: [*lines[:2], bytes(len(lines[2])), b"\n", *lines[3:]], [3]),
        (lambda lines: [lines[0], lines[1][:-9], b"\n", *lines[2:]], [2]),
        (lambda lines: [lines[0], b"\xff\xfe\n", *lines[2:]], [2]),
        (lambda lines: [lines[0], lines[1].replace(b"0.1", b"0.2", 1), *lines[2:]], [2]),
        (lambda lines: [x.replace(b'"loss": [', b'"loss": [1') for x in lines[:3]], [1, 2, 3]),
        (lambda lines: [NULS + lines[0], *lines[1:]], []),
        (lambda lines: [b"\n", *lines, b"\n", b"  \n"], []),
        (lambda lines: [x.replace(b"\n", b"\r\n") for x in lines], []),
        (lambda lines: [NULS], [1]),
        (lambda lines: [], []),
    ],
)
def test_only_damaged_lines_are_lost_and_it_is_said(damage, lost, tmp_path):
    path, folder = tmp_path / "sweep.jsonl", tmp_path / "calls"
    folder.mkdir()
    run, grid = counting(folder), {"lr": [0.1, 0.2, 0.3], "seeds": 2, "path": path}
    expected = str(quiet(run, **grid))
    lines = lines_of(path)
    damaged = damage(lines)
    path.write_bytes(b"".join(damaged))
    made = len({x.strip(b"\0\r\n") for x in damaged} & {x.strip() for x in lines})
    before = len(list(folder.iterdir()))
    for calls in (6 - made, 0):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert str(quiet(run, **grid)) == expected
        assert len(list(folder.iterdir())) - before == calls
        before += calls
        assert [str(one.message) for one in said] == [
            f"{path} is damaged in lines {lost}: the runs there are lost. They are made "
            "again, unless another line has them"
        ] * bool(lost)
        assert all(one.filename == __file__ for one in said)


def test_any_byte_of_a_line_may_be_damaged(tmp_path):
    path, grid = tmp_path / "sweep.jsonl", {"lr": [0.1, 0.2], "seeds": 1}
    quiet(lambda lr, seed: [lr, 0.25, lr / 3, lr / 7], path=path, **grid)
    whole, start = path.read_bytes(), len(lines_of(path)[0])
    for place in range(start, len(whole) - 1):
        for bit in (1, 128):
            flipped = bytearray(whole)
            flipped[place] ^= bit
            with pytest.warns(UserWarning, match=r"damaged in lines \[2"):
                ((name, _),) = runs_in(flipped, path)
            assert name == '[{"lr": 0.1}, 0]'


TEXT = """
import argparse
import dataclasses
import enum
import functools
import pathlib
import numpy as np
import users_helpers
from tinygrad_edu import grad, nn, no_grad

RATE = 2.0
SIZES = [3, {"a": 5, "b": {"x"}}]
SIZES.append(SIZES)
DATA = np.zeros(3)
SCALE = np.uint(524288)
STEPS = range(1048576)
PATH = pathlib.Path("data/2097152.csv")

class Kind(enum.Enum):
    DEEP = 4194304
    WIDE = -1

class Config:
    def __init__(self, batch):
        self.batch = batch
        self.same = self

    def method(self):
        return self.batch

@dataclasses.dataclass(slots=True)
class Slotted:
    size: int

KIND, CONFIG, SLOTTED = Kind.DEEP, Config(8388608), Slotted(16777216)
METHOD = Config(33554432).method
OPTIONS = argparse.Namespace(steps=67108864)

class Base(nn.Module):
    def scaled(self, x):
        return x * RATE

class Net(Base):
    depth = 2

    @property
    def width(self):
        return 16

    @functools.cached_property
    def height(self):
        return 134217728

    @staticmethod
    def fixed():
        return 32

    @classmethod
    def made(cls):
        return cls(), 64

    def __call__(self, x):
        return self.scaled(x)

def doubled(f):
    @functools.wraps(f)
    def call(*args, **kwargs):
        return 128 * f(*args, **kwargs)
    return call

@doubled
def decorated(x):
    return x + 256

@no_grad()
def unrecorded(x):
    return x + 512

@functools.cache
def cached(x):
    return x + 1024

def closed(y):
    def inner(x):
        return x + y
    return inner

inside = closed(2048)
part = functools.partial(closed, 4096)

def other(x):
    return [x for _ in range(3)][0]

def helper(x, y=8192, *, z=16384):
    def late(x):
        return x * (32768, "words")[0]
    return late(other(x)) in {1, 65536}

derivative = grad(lambda x: 268435456 * x)
vectorized = np.vectorize(lambda x: 536870912 * x)

def recursive(n):
    return recursive(n - 1) + mutual(n) if n else 131072

def mutual(n):
    return recursive(n)

def run(lr, seed):
    # what it does
    net = Net(*SIZES)
    try:
        total = net(lr) + DATA.sum() + np.exp(lr)
    except ValueError:
        total = 0
    for f in (decorated, unrecorded, cached, inside, part, helper, recursive):
        total += f(lr) + users_helpers.used(lr) + SCALE * len(STEPS) * len(PATH.name)
        total += KIND.value + CONFIG.batch + SLOTTED.size + METHOD() + OPTIONS.steps
        total += derivative(lr) + vectorized(lr)
    return total

def unused(x):
    return 7
"""
HELPERS = "def used(x): return below(x) + 1\ndef below(x): return 262144\ndef idle(x): return 3"


def program_of(folder, text=TEXT, helpers=HELPERS):
    """The fingerprint of `run` in a module with this text."""
    modules = {}
    for name, content in (("users_helpers", helpers), ("users_own", text)):
        path = folder / f"{name}.py"
        path.write_text(content)
        spec = importlib.util.spec_from_file_location(name, path)
        modules[name] = importlib.util.module_from_spec(spec)
        with mock.patch.dict(sys.modules, modules):
            exec(compile(content, str(path), "exec"), vars(modules[name]))
            found = code_fingerprint(modules[name].run) if name == "users_own" else None
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("run(lr, seed)", "run(seed, lr)"),
        ("DATA.sum()", "DATA.max()"),
        ("np.exp(lr)", "np.sin(lr)"),
        ("except ValueError", "except TypeError"),
        ("RATE = 2.0", "RATE = 3.0"),
        ("[3, {", "[4, {"),
        (": 5,", ": 6,"),
        ('{"x"}', '{"x", "y"}'),
        ("x * RATE", "x - RATE"),
        ("depth = 2", "depth = 3"),
        ("class Net(Base)", "class Net(nn.Module)"),
        ("for f in (decorated, ", "for f in ("),
        ("total += f(lr)", "total -= f(lr)"),
        ("range(3)", "range(4)"),
        ("doubled\ndef", "no_grad()\ndef"),
        ("KIND, CONFIG, SLOTTED = Kind.DEEP", "KIND, CONFIG, SLOTTED = Kind.WIDE"),
        ("return self.batch", "return -self.batch"),
        # One in each kind of function, and of value.
        *[(str(2**k), str(3**k)) for k in (*range(4, 18), *range(19, 30))],
    ],
)
def test_code_that_run_uses_counts(old, new, tmp_path):
    changed, count = re.subn(rf"(?<!\d){re.escape(old)}(?!\d)", new, TEXT)
    assert count == 1
    assert program_of(tmp_path, changed) != program_of(tmp_path)


def test_code_of_a_module_that_run_uses_counts(tmp_path):
    changed = [HELPERS.replace("+ 1", "+ 2"), HELPERS.replace("262144", "262145")]
    assert len({program_of(tmp_path, helpers=x) for x in [HELPERS, *changed]}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "import helpers_of.deep\ndef run(): return helpers_of.deep.used()",
        "from helpers_of import deep as other\ndef run(): return other.used()",
        "def run():\n    import helpers_of.deep as other\n    return other.used()",
        "def run():\n    from helpers_of.deep import used\n    return used()",
    ],
)
def test_code_of_a_package_that_run_uses_counts(text, tmp_path, monkeypatch):
    folder = tmp_path / "helpers_of"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for number in (1, 2):
        (folder / "__init__.py").write_text("import helpers_of")  # which has itself in it
        (folder / "deep.py").write_text(f"def used(): return {number}")
        with mock.patch.dict(sys.modules), mock.patch.object(sys, "dont_write_bytecode", True):
            names = {}
            exec(text, names)
            found.append(code_fingerprint(names["run"]))
    assert found[0] != found[1]


def test_a_folder_whose_name_begins_as_that_of_the_package_is_no_library():
    assert is_library("x", PACKAGE + "/tensor.py")
    assert not is_library("x", PACKAGE + "_experiments/models.py")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# what it does", "# what it did\n\n"),
        ("return 7", "return 8"),
        ("np.zeros(3)", "np.ones(3)"),  # data
        ("def unused(x)", "X = 3\ndef unused(x, y)"),
    ],
)
def test_comments_data_and_what_is_not_used_do_not_count(old, new, tmp_path):
    assert TEXT.count(old) == 1
    assert program_of(tmp_path, TEXT.replace(old, new)) == program_of(tmp_path)
    assert program_of(tmp_path, helpers=HELPERS.replace("3", "4")) == program_of(tmp_path)


def test_objects_and_methods_are_their_classes(tmp_path):
    def of(size):
        class Model:
            def __call__(self, lr, seed):
                return lr * size

            def run(self, lr, seed):
                return lr + size

        return Model

    for take in (lambda c: c, lambda c: c(), lambda c: c().run, lambda c: partial(c().run, size=3)):
        one, again, other = (code_fingerprint(take(of(n))) for n in (1, 1, 2))
        assert one == again != other
    first, second = partial(of(1)().run, size=3), partial(of(1)().run, size=4)
    assert code_fingerprint(first) != code_fingerprint(second)


def test_a_fingerprint_is_the_same_in_another_process(tmp_path):
    here = program_of(tmp_path)
    program = "import sys; sys.path[:0] = sys.argv[1:]; import users_own, tinygrad_edu.lab.program"
    program += "; print(tinygrad_edu.lab.program.code_fingerprint(users_own.run))"
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here


def test_a_changed_run_does_not_give_old_results(tmp_path):
    grid = {"lr": [0.1, 0.2], "path": tmp_path / "x.jsonl"}

    def run(lr, seed):
        return lr * 2

    def old():
        return [one.numbers["loss"] for one in quiet(run, seeds=2, **grid).runs]

    expected = old()
    with pytest.warns(
        UserWarning, match=r"has 4 of these runs from another version of run"
    ) as said:
        new = quiet(lambda lr, seed: lr * 3, seeds=3, **grid)
    assert said[0].filename == __file__
    assert [one.numbers["loss"] for one in new.runs] == [0.1 * 3] * 3 + [0.2 * 3] * 3
    assert old() == expected  # these are still there
    assert len(lines_of(grid["path"])) == 10


def test_a_changed_setting_does_not_give_old_results(tmp_path):
    def grid(factor):
        class Scaled:
            def __call__(self, x):
                return factor * x

        return {"act": [nn.ReLU, Scaled], "seeds": 1, "path": tmp_path / "x.jsonl"}

    def run(act, seed):
        return act()(np.array(1.0))

    assert [one.numbers["loss"] for one in quiet(run, **grid(2)).runs] == [1, 2]
    with pytest.warns(UserWarning, match=r"has 1 of these runs from another version of run"):
        assert [one.numbers["loss"] for one in quiet(run, **grid(3)).runs] == [1, 3]


def test_runs_that_raised_are_tried_again(tmp_path):
    run, grid = counting(tmp_path), {"lr": [0.1, 0.5], "seeds": 1, "path": tmp_path / "x.jsonl"}
    assert [one.verdict for one in quiet(run, **grid).runs] == ["falling", "error"]
    (tmp_path / "mended").touch()
    for _ in range(2):
        assert [one.verdict for one in quiet(run, **grid).runs] == ["falling", "slow"]
    assert len(list(tmp_path.glob("0.5*"))) == 2


def test_classes_come_back_from_the_file_as_they_were_given(tmp_path):
    grid = {"act": [nn.ReLU, nn.Tanh], "seeds": 1, "path": tmp_path / "x.jsonl"}
    for _ in range(2):
        found = quiet(lambda act, seed: act()(np.array(-1.0)), **grid)
        assert found.best().settings["act"] is nn.Tanh


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "line 1 is not a run"), ("a,b", "is not a file of a sweep")],
)
def test_other_files_are_left_alone(text, message, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        quiet(parabola, lr=[0.1], path=path)
    assert path.read_text() == text


# Processes


def test_a_process_that_dies_is_a_row_and_the_others_go_on(tmp_path):
    def run(lr, seed):
        if lr == 0.2 and seed == 1:
            os._exit(7)
        if lr == 0.4 and seed == 0:
            os.kill(os.getpid(), 9)
        return lr

    path = tmp_path / "x.jsonl"
    found = quiet(run, lr=[0.1, 0.2, 0.3, 0.4, 0.5], seeds=2, jobs=2, path=path)
    died = [one for one in found.runs if one.verdict == "error"]
    assert [(one.settings["lr"], one.seed) for one in died] == [(0.2, 1), (0.4, 0)]
    assert died[0].reason == "its process died. The exit codes of the workers are {EXIT(7)}"
    assert "SIGKILL" in died[1].reason
    assert path.read_text().count("\n") == 10


def test_a_backend_that_cannot_hand_out_results_one_by_one():
    """As Ray's, which is made of joblib's backend multiprocessing."""
    grid = {"lr": [0.01, 0.1, 3.0], "seeds": 1}
    there = quiet(parabola, jobs=2, backend="multiprocessing", **grid)
    assert there == quiet(parabola, **grid)


def test_threads_do_not_share_a_seed():
    grid = {"lr": [0.01, 0.1, 3.0], "seeds": 4}
    assert quiet(parabola, jobs=4, backend="threading", **grid) == quiet(parabola, **grid)


def test_large_arrays_in_a_run_can_be_changed_in_processes_too():
    data = np.ones((400, 400))

    def run(lr, seed):
        data[0, 0] += lr
        return data[0, 0]

    assert [one.verdict for one in quiet(run, lr=[1.0], seeds=2, jobs=2).runs] == ["finished"] * 2


def test_the_same_sweep_on_a_cluster_of_dask():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    import joblib

    grid = {"lr": [0.01, 0.1, 3.0], "seeds": 2}
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        warnings.catch_warnings(action="ignore"),
        mock.patch.dict(os.environ),  # Dask leaves settings of malloc there
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        there = quiet(parabola, jobs=-1, **grid)
    assert there == quiet(parabola, **grid)


# Runs that hang

can_alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no such signal")


@can_alarm
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_hangs_is_given_up_and_the_others_go_on(jobs, tmp_path):
    def run(lr, seed):
        while lr == 0.2:
            try:
                time.sleep(0.001)
            except Exception:  # a limit that is an Exception would be lost here
                continue
        return lr

    before, start = signal.getsignal(signal.SIGALRM), time.monotonic()
    found = quiet(run, lr=[0.1, 0.2, 0.3], seeds=2, jobs=jobs, time_limit=0.5)
    assert time.monotonic() - start < 30
    assert [one.verdict for one in found.runs] == ["finished"] * 2 + ["error"] * 2 + [
        "finished"
    ] * 2
    assert found.runs[2].reason == "TimeLimitError: it took longer than 0.5 s"
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@can_alarm
def test_a_process_that_hangs_where_nothing_can_be_raised_is_killed():
    def run(lr, seed):
        if lr == 0.2:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            time.sleep(600)
        return lr

    start = time.monotonic()
    found = quiet(run, lr=[0.1, 0.2, 0.3], seeds=1, jobs=2, time_limit=0.5)
    assert time.monotonic() - start < 60
    assert [one.verdict for one in found.runs] == ["finished", "error", "finished"]
    assert "its process died" in found.runs[1].reason
    assert "at 1 s it is killed" in found.runs[1].reason


@can_alarm
def test_a_time_limit_that_is_not_reached_changes_nothing():
    grid = {"lr": [0.01, 0.1, 3.0], "seeds": 1}
    for jobs in (1, 2):
        assert quiet(parabola, time_limit=60, jobs=jobs, **grid) == quiet(parabola, **grid)


def test_a_time_limit_that_cannot_be_kept_is_refused():
    for seconds in (0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="time_limit must be finite and above 0 seconds"):
            quiet(parabola, lr=[0.1], time_limit=seconds)
    with pytest.raises(ValueError, match="of joblib's own backend, 'loky'"):
        quiet(parabola, lr=[0.1], jobs=2, backend="threading", time_limit=1.0)
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(quiet, parabola, lr=[0.1], time_limit=1.0)
    with pytest.raises(ValueError, match="time_limit works in the main thread"):
        elsewhere.result()


# Bad input


def run(lr, seed, width=1):
    return lr


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, ValueError, r"the grid is empty: give values to try, as in lr="),
        ({"lr": []}, ValueError, "the grid is empty: lr has no value"),
        ({"lr": [0.1, -0.1]}, ValueError, r"finite and above 0, .* \[0.1, -0.1\]"),
        ({"lr": [0.0]}, ValueError, "finite and above 0"),
        ({"lr": [np.nan]}, ValueError, "finite and above 0"),
        ({"lr": ["0.1"]}, TypeError, "lr must be a list of numbers"),
        ({"lr": 0.1}, TypeError, r"lr must be a list of values to try, not 0.1: lr=\[...\]"),
        ({"lr": [0.1], "width": "12"}, TypeError, "width must be a list .* not '12'"),
        ({"lr": [0.1, 0.1]}, ValueError, "two values of lr look the same in a table: 0.1, 0.1"),
        ({"lr": [0.1], "width": [object()]}, TypeError, "and make the object inside run"),
        ({"lr": [0.1], "widht": [1]}, TypeError, r"run\(lr, seed, width=1\) .* 'widht'"),
        ({"width": [1]}, TypeError, "missing a required argument: 'lr'"),
        ({"lr": [0.1], "seeds": 0}, ValueError, "seeds must be at least 1, and it is 0"),
        ({"lr": [0.1], "seeds": [1, 1]}, ValueError, r"seed must be given once, .* \[1, 1\]"),
    ],
)
def test_bad_grids_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        quiet(run, **settings)


@pytest.mark.parametrize(
    "returned",
    [None, {}, "0.1", [], {"name": "x"}, [[1.0], []], {"loss": 1j}, [Tensor(1.0, True)]],
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_without_numbers_is_refused(returned, jobs):
    with pytest.raises(TypeError, match=r"run must return a number, .* run\(lr=0.1, seed=0\) ret"):
        quiet(lambda lr, seed: returned, lr=[0.1], jobs=jobs, seeds=1)


def test_run_must_take_a_seed():
    with pytest.raises(TypeError, match=r"run\(lr\) cannot be called with lr, seed"):
        quiet(lambda lr: lr, lr=[0.1])


def test_without_joblib_one_process_still_works(monkeypatch):
    imported = builtins.__import__

    def without_joblib(name, *args, **kwargs):
        if name == "joblib":
            raise ImportError("no joblib")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_joblib)
    assert len(quiet(run, lr=[0.1]).runs) == 3
    with pytest.raises(ImportError, match="jobs=-1 needs joblib: pip install joblib, or use jobs"):
        quiet(run, lr=[0.1], jobs=-1)


# The picture


def test_the_picture_of_a_sweep(tmp_path):
    def run(lr, optimizer, seed):
        if lr == 10.0:
            raise ValueError
        return [2.0, *[2 + lr**2 if lr > 1 else 2 - lr] * 9]

    found = quiet(run, lr=[0.01, 0.1, 1.0, 10.0], optimizer=["SGD", "Adam"], seeds=2)
    path = tmp_path / "sweep.png"
    ax = plot_sweep(found, path=path).axes[0]
    assert path.read_bytes().startswith(b"\x89PNG")
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "learning rate")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[:2] == ["optimizer=SGD", "optimizer=Adam"]
    assert "error" in labels
    names = plot_sweep(found, x="optimizer").axes[0].get_xticklabels()
    assert [text.get_text() for text in names] == ["SGD", "Adam"]
    failed = [mark for mark in ax.lines if mark.get_marker() == "P" and len(mark.get_xdata())]
    assert len(failed) == 4
    assert {float(mark.get_ydata()[0]) for mark in failed} == {0.95, 0.9}  # of the height: whole
    assert all(np.isnan(line.get_ydata()[-1]) for line in ax.lines if line.get_linestyle() == "-")
    with pytest.raises(ValueError, match="x is one of lr, optimizer, not 'rate'"):
        plot_sweep(found, x="rate")
    with pytest.raises(ValueError, match="metric is one of loss, not 'x'"):
        plot_sweep(found, metric="x")
    failed = quiet(run, lr=[10.0], optimizer=["SGD"])
    with pytest.raises(ValueError, match="metric is one of none, not 'loss'"):
        plot_sweep(failed)
    with pytest.raises(
        ValueError, match=r"no run returned a number; the first run: lr=10.0, .* Val"
    ):
        failed.best()


def test_the_path_may_be_a_string(tmp_path):
    quiet(run, lr=[0.1], path=str(tmp_path / "x"))
    assert Path(tmp_path / "x").exists()


@can_alarm
def test_an_alarm_that_was_set_before_still_rings():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.1)
        quiet(parabola, lr=[0.01], seeds=3, jobs=1, time_limit=60)
        time.sleep(0.5)
        assert len(rung) > 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_sweep_without_a_number_has_no_scale():
    found = quiet(lambda lr, seed: [np.nan] * 4, lr=[0.1, 0.2])
    ax = plot_sweep(found).axes[0]
    assert list(ax.get_yticks()) == []
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["diverged"]
