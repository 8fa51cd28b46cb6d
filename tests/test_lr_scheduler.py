"""Schedules: PyTorch's numbers, saved and continued, drawn, and what they refuse."""

import copy
import json
import math

import numpy as np
import pytest
import references

from tinygrad_edu import Tensor, optim
from tinygrad_edu.optim import lr_scheduler

BASE_LRS = [0.1, 0.03]  # of make_schedules_reference.py
ROWS = references.stored("schedules")
FUNCTIONS = {
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda t: 0.95**t),
    "LambdaLR, one for each group": lambda optimizer: lr_scheduler.LambdaLR(
        optimizer, [lambda t: 1 / (1 + t), lambda t: 1 + np.sin(t)]
    ),
    "CyclicLR, scale_fn of the cycle": lambda optimizer: lr_scheduler.CyclicLR(
        optimizer, 0.01, 0.1, 12, scale_fn=lambda cycle: 1 / cycle
    ),
    "CyclicLR, scale_fn of the step": lambda optimizer: lr_scheduler.CyclicLR(
        optimizer, 0.01, 0.1, 12, scale_fn=lambda t: 0.99**t, scale_mode="iterations"
    ),
}
every_row = pytest.mark.parametrize("case", ROWS)


def optimizer_of(kind, **settings):
    parameters = [Tensor(np.zeros(1), requires_grad=True) for _ in BASE_LRS]
    return kind([{"params": [p], "lr": lr} for p, lr in zip(parameters, BASE_LRS)], **settings)


def sgd():
    return optimizer_of(optim.SGD, momentum=0.9)


def made(optimizer, case):
    """The schedule that a row of the reference is about."""
    if case in FUNCTIONS:
        return FUNCTIONS[case](optimizer)
    kind, settings = case.split(" ", 1)
    settings = json.loads(settings)
    if kind == "SequentialLR":
        parts = [f"{part} {json.dumps(own)}" for part, own in settings["schedulers"]]
        settings["schedulers"] = [made(optimizer, part) for part in parts]
    return getattr(lr_scheduler, kind)(optimizer, **settings)


def optimizer_and_schedule(case):
    optimizer = optimizer_of(optim.Adam) if case in FUNCTIONS else sgd()
    return optimizer, made(optimizer, case)


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


def run(optimizer, scheduler, row, start=0, stop=None):
    """The rates and momentums at the steps from start to the last of the row."""
    steps = len(row["lr"]) if stop is None else stop
    rates, momentums = [], []
    for t in range(start, steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        momentums.append([momentum_of(group) for group in optimizer.param_groups])
        assert scheduler.get_last_lr() == rates[-1]
        assert all(type(lr) is float for lr in rates[-1])  # float32 stays float32
        if t < len(row["lr"]) - 1:
            scheduler.step(*([row["metrics"][t]] if "metrics" in row else []))
    return rates, momentums


@every_row
def test_rates_and_momentums_are_those_of_pytorch(case):
    row = ROWS[case]
    optimizer, scheduler = optimizer_and_schedule(case)
    rates, momentums = run(optimizer, scheduler, row)
    np.testing.assert_allclose(rates, row["lr"], rtol=1e-12, atol=1e-12)
    expected = row.get("momentum", np.full_like(row["lr"], momentum_of(optimizer.param_groups[0])))
    np.testing.assert_allclose(momentums, expected, rtol=1e-12, atol=1e-12)


def test_every_schedule_and_function_has_a_row():
    classes = {
        name
        for name, x in vars(lr_scheduler).items()
        if isinstance(x, type) and issubclass(x, lr_scheduler.LRScheduler)
    }
    assert {case.split()[0].strip(",") for case in ROWS} == classes - {
        "LRScheduler",
        "MomentumCycle",
    }
    assert set(FUNCTIONS) <= set(ROWS)


@every_row
def test_a_state_continues_exactly(case):
    row = ROWS[case]
    middle = len(row["lr"]) // 2
    optimizer, scheduler = optimizer_and_schedule(case)
    run(optimizer, scheduler, row, stop=middle)
    state = json.loads(json.dumps(scheduler.state_dict()))  # plain data
    expected = run(optimizer, scheduler, row, start=middle)
    other, continued = optimizer_and_schedule(case)
    continued.load_state_dict(state)
    assert run(other, continued, row, start=middle) == expected


def test_state_is_a_copy():
    scheduler = lr_scheduler.MultiStepLR(sgd(), [3, 5])
    state = scheduler.state_dict()
    state["milestones"].append(7)
    other = lr_scheduler.MultiStepLR(sgd(), [1])
    other.load_state_dict(state)
    state["milestones"].append(9)
    assert scheduler.milestones == [3, 5]
    assert other.milestones == [3, 5, 7]


def test_a_state_of_another_schedule_is_refused_whole():
    optimizer = sgd()
    parts = [lr_scheduler.StepLR(optimizer, 3), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    scheduler = lr_scheduler.SequentialLR(optimizer, parts, [4])
    before, rates = scheduler.state_dict(), [group["lr"] for group in optimizer.param_groups]
    first = scheduler.state_dict()["schedulers"][0] | {"gamma": 0.5}
    second = scheduler.state_dict()["schedulers"][1]
    for state, message in [
        (first, r"(?s)missing: milestones.*missing: schedulers.*unknown: step_size"),
        (before | {"schedulers": [first, first], "last_epoch": 2}, "(?s)ExponentialLR.*step_size"),
        (before | {"schedulers": [first]}, "has 1 schedulers.* has 2"),
        (before | {"base_lrs": [0.1]}, "1 parameter groups, expected 2"),
        (before | {"base_lrs": 0.1}, "base_lrs: 0.1, expected something like"),
        (before | {"base_lrs": ["a", "b"]}, "base_lrs: .'a', 'b'., expected something like"),
        (before | {"last_epoch": [1, 2]}, "last_epoch: .1, 2., expected something like 0"),
        (
            before | {"schedulers": [first | {"base_lrs": [-1.0, 1.0]}, second]},
            "group 0 the learning rate -1.0 at step 0",
        ),
        (before | {"schedulers": [first | {"gamma": "x"}, {}]}, "gamma: 'x'"),
    ]:
        with pytest.raises(ValueError, match=message):
            scheduler.load_state_dict(state)
        assert scheduler.state_dict() == before
        assert [group["lr"] for group in optimizer.param_groups] == rates
    with pytest.raises(ValueError, match="missing: step_size"):
        parts[0].load_state_dict(parts[1].state_dict())


def test_a_state_brings_its_settings():
    def sequence(gamma):
        optimizer = sgd()
        parts = [lr_scheduler.ExponentialLR(optimizer, gamma) for _ in range(2)]
        return lr_scheduler.SequentialLR(optimizer, parts, [4])

    scheduler, other = sequence(0.9), sequence(0.5)
    other.load_state_dict(scheduler.state_dict())
    assert other.curve(8) == scheduler.curve(8)


@every_row
def test_plot_changes_nothing(case):
    pytest.importorskip("matplotlib")
    optimizer, scheduler = optimizer_and_schedule(case)
    groups, state = copy.deepcopy(optimizer.param_groups), scheduler.state_dict()
    (axes,) = scheduler.plot().axes
    assert len(axes.lines) == len(BASE_LRS)
    assert len(axes.lines[0].get_ydata()) == scheduler.span
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "learning rate")
    for before, after in zip(groups, optimizer.param_groups):
        assert {**before, "params": None} == {**after, "params": None}
    assert scheduler.state_dict() == state


def test_plot_draws_the_rates_and_saves_the_picture(tmp_path):
    image = pytest.importorskip("matplotlib.image")
    case = 'CosineAnnealingLR {"T_max": 200}'
    (axes,) = optimizer_and_schedule(case)[1].plot(steps=150, path=tmp_path / "cosine.png").axes
    for i, line in enumerate(axes.lines):
        np.testing.assert_allclose(line.get_ydata(), ROWS[case]["lr"][:150, i], rtol=1e-12)
    height, width, _ = image.imread(tmp_path / "cosine.png").shape
    assert (height, width) == (400, 800)


@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(("mode", "better"), [("min", [2.0, 1.0]), ("max", [1.0, 2.0])])
def test_nan_is_a_worse_metric_than_any_number(mode, better, threshold_mode):
    optimizer = optimizer_of(optim.SGD)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, 0.5, patience=1, threshold_mode=threshold_mode
    )
    rates = []
    for metric in [math.nan, better[0], math.nan, better[1], math.nan, math.nan, math.nan]:
        scheduler.step(metric)
        rates.append(optimizer.lr / BASE_LRS[0])
    assert rates == [1, 1, 1, 1, 1, 0.5, 0.5]
    assert scheduler.best == better[1]


def test_plot_of_a_plateau_shows_a_metric_that_never_improves():
    pytest.importorskip("matplotlib")
    scheduler = lr_scheduler.ReduceLROnPlateau(sgd(), patience=2, cooldown=1)
    (axes,) = scheduler.plot(steps=8).axes
    rates = [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), rates)


def test_a_schedule_of_ones_own_is_one_method():
    class InverseLR(lr_scheduler.LRScheduler):
        def factor(self, t):
            return 1 / (1 + t)

    scheduler = InverseLR(sgd())
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.015]
    with pytest.raises(NotImplementedError, match=r"LRScheduler has no factor\(t\)"):
        lr_scheduler.LRScheduler(sgd())


def test_a_schedule_drives_the_optimizer():
    w = Tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    for _ in range(4):
        w.grad = -np.ones(1)
        optimizer.step()
        scheduler.step()
    assert w.data == 1 + 1 / 2 + 1 / 4 + 1 / 8


def test_a_second_schedule_starts_from_the_rate_before_the_first():
    optimizer = sgd()
    lr_scheduler.ConstantLR(optimizer, factor=0.5)
    assert lr_scheduler.ExponentialLR(optimizer, 0.9).base_lrs == BASE_LRS


def test_warm_restarts_may_step_between_epochs():
    optimizer = sgd()
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 10, 2)
    scheduler.step(20.0)  # the middle of the second period
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    scheduler.step(22.5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(
        0.05 * (1 + math.cos(math.pi * 12.5 / 20))
    )
    scheduler.step()
    assert scheduler.last_epoch == 23.5


def test_one_cycle_ends():
    optimizer = sgd()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10, anneal_strategy="linear")
    for _ in range(9):
        scheduler.step()
    last = scheduler.get_last_lr()
    assert last == pytest.approx([0.1 / 25 / 1e4] * 2)
    scheduler.step()  # the usual loop steps after its last batch too
    assert scheduler.get_last_lr() == last
    with pytest.raises(ValueError, match=r"ends after total_steps=10.* step 11"):
        scheduler.step()
    assert scheduler.last_epoch == 10


def test_one_cycle_of_a_rise_in_one_step_starts_at_the_top():
    scheduler = lr_scheduler.OneCycleLR(sgd(), 0.1, total_steps=10, pct_start=0.1)
    assert scheduler.get_last_lr() == [0.1, 0.1]  # PyTorch divides by 0


def test_a_plateau_reduces_the_rate_of_now():
    optimizer = sgd()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    scheduler.step(Tensor(1.0, requires_grad=True))
    optimizer.param_groups[0]["lr"] = 4.0
    scheduler.step(1.0)
    assert scheduler.get_last_lr() == [2.0, 0.015]


def test_warmup_cosine_stays_at_the_end():
    scheduler = lr_scheduler.WarmupCosineLR(sgd(), 3, 10, min_lr=0.01)
    assert scheduler.curve(3) == [
        pytest.approx([base * n / 4 for base in BASE_LRS]) for n in (1, 2, 3)
    ]
    assert scheduler.lrs(10) == scheduler.lrs(99) == [0.01, 0.01]


def test_momentum_of_adam_is_beta1():
    optimizer = optimizer_of(optim.Adam, betas=(0.9, 0.99))
    scheduler = lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up=4)
    for _ in range(4):
        scheduler.step()
    assert optimizer.param_groups[0]["betas"] == (pytest.approx(0.8), 0.99)


S = lr_scheduler
BAD = [
    (lambda o: S.StepLR(o, 0), "step_size must be a whole number of at least 1, and it is 0"),
    (lambda o: S.StepLR(o, 2.5), r"step_size must be a whole number .* 2\.5"),
    (lambda o: S.StepLR(o, 3, -0.1), r"gamma must be finite and at least 0.* -0\.1"),
    (lambda o: S.ExponentialLR(o, math.nan), "gamma .*nan"),
    (lambda o: S.ExponentialLR(o, "0.9"), r"gamma .*'0\.9'"),
    (lambda o: S.ConstantLR(o, 1.5), r"factor must be in \[0, 1\], and it is 1\.5"),
    (lambda o: S.ConstantLR(o, total_iters=0), "total_iters .* at least 1.* 0"),
    (lambda o: S.LinearLR(o, -0.1), r"start_factor .* -0\.1"),
    (lambda o: S.LinearLR(o, end_factor=2.0), r"end_factor .* 2\.0"),
    (lambda o: S.PolynomialLR(o, power=-1.0), r"power .* -1\.0"),
    (lambda o: S.MultiStepLR(o, [5, 3]), r"milestones must increase.*\[5, 3\]"),
    (lambda o: S.MultiStepLR(o, [0, 3]), "milestones must be a whole number of at least 1"),
    (lambda o: S.CosineAnnealingLR(o, 0), "T_max .* at least 1.* 0"),
    (lambda o: S.CosineAnnealingLR(o, 5, -1.0), r"eta_min .* -1\.0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 0), "T_0 .* 0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 5, 0), "T_mult .* 0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 5).step(-1), "epoch .* -1"),
    (lambda o: S.WarmupCosineLR(o, -1, 5), "warmup_steps .* at least 0.* -1"),
    (lambda o: S.WarmupCosineLR(o, 5, 5), "total_steps .* at least 6.* 5"),
    (lambda o: S.CyclicLR(o, 0.1, 1.0, mode="round"), "mode must be one of triangular,.* 'round'"),
    (lambda o: S.CyclicLR(o, 0.1, 1.0, scale_mode="x"), "scale_mode must be one of .* 'x'"),
    (lambda o: S.CyclicLR(o, 0.1, 1.0, 0), "step_size_up .* 0"),
    (lambda o: S.CyclicLR(o, 0.1, 1.0, 5, -5), "step_size_down .* -5"),
    (lambda o: S.CyclicLR(o, [0.1], 1.0), "base_lr has 1 values.* 2 parameter groups"),
    (lambda o: S.CyclicLR(o, 0.1, [1.0] * 3), "max_lr has 3 values.* 2 parameter groups"),
    (lambda o: S.CyclicLR(o, 0.1, 1.0, max_momentum=1.2), r"max_momentum .*\[0, 1\].* 1\.2"),
    (lambda o: S.OneCycleLR(o, 0.1), "total_steps, or both epochs and steps_per_epoch"),
    (lambda o: S.OneCycleLR(o, 0.1, epochs=3), "epochs 3, steps_per_epoch None"),
    (lambda o: S.OneCycleLR(o, 0.1, -5), "total_steps .* -5"),
    (lambda o: S.OneCycleLR(o, 0.1, 9, pct_start=1.5), r"pct_start .*\[0, 1\].* 1\.5"),
    (
        lambda o: S.OneCycleLR(o, 0.1, 9, pct_start=0.6, three_phase=True),
        r"pct_start .*\[0, 0\.5\]",
    ),
    (lambda o: S.OneCycleLR(o, 0.1, 9, anneal_strategy="sin"), "anneal_strategy .* 'sin'"),
    (lambda o: S.OneCycleLR(o, 0.1, 9, div_factor=0), "div_factor must be above 0"),
    (lambda o: S.OneCycleLR(o, [0.1], 9), "max_lr has 1 values.* 2 parameter groups"),
    (lambda o: S.ReduceLROnPlateau(o, "mean"), "mode must be one of min, max.* 'mean'"),
    (lambda o: S.ReduceLROnPlateau(o, factor=1.0), r"factor must be below 1.* 1\.0"),
    (lambda o: S.ReduceLROnPlateau(o, threshold_mode="x"), "threshold_mode .* 'x'"),
    (lambda o: S.ReduceLROnPlateau(o, patience=-1), "patience .* -1"),
    (lambda o: S.ReduceLROnPlateau(o, min_lr=[0.1]), "min_lr has 1 values.* 2 parameter groups"),
    (lambda o: S.LambdaLR(o, [abs]), "lr_lambda has 1 values.* 2 parameter groups"),
    (lambda o: S.LambdaLR(o, lambda t: -1.0), r"LambdaLR gives group 0 .* -0\.1 at step 0"),
    (lambda o: S.SequentialLR(o, [], []), "one milestone fewer than schedulers: 0 schedulers"),
    (lambda o: S.SequentialLR(o, [S.StepLR(o, 3)], [4]), r"1 schedulers, .*\[4\]"),
    (lambda o: S.SequentialLR(o, [S.StepLR(o, 3)] * 3, [4, 2]), r"milestones must increase"),
    (lambda o: S.SequentialLR(o, [S.StepLR(sgd(), 3)], []), r"\[0\], a StepLR, .* another optim"),
    (lambda o: S.SequentialLR(o, [S.ReduceLROnPlateau(o)], []), "needs a metric for every step"),
    (lambda o: S.StepLR(o, 3).plot(steps=0), "steps must be a whole number of at least 1"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_a_bad_setting_is_named_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make(sgd())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S.StepLR([1.0], 3), "a schedule needs an optimizer.* list"),
        (lambda: S.OneCycleLR(None, 0.1, 9), "a schedule needs an optimizer.* NoneType"),
        (lambda: S.LambdaLR(sgd(), 0.5), r"lr_lambda must be a function.* 0\.5"),
        (lambda: S.SequentialLR(sgd(), [0.1], []), r"schedulers\[0\], a float, is not a schedule"),
    ],
)
def test_the_wrong_kind_of_thing_is_named(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_momentum_cannot_cycle_where_there_is_none():
    optimizer = optimizer_of(optim.Optimizer, lr=0.1)
    with pytest.raises(ValueError, match=r"cycle_momentum=True needs .* Optimizer has neither"):
        lr_scheduler.CyclicLR(optimizer, 0.01, 0.1)
    lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, cycle_momentum=False)


def test_a_group_that_came_later_is_named():
    optimizer = sgd()
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    optimizer.add_param_group({"params": [Tensor(0.0, requires_grad=True)]})
    with pytest.raises(ValueError, match="made for 2 parameter groups, and the optimizer has 3"):
        scheduler.step()
