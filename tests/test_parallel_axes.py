"""viz.plots: the runs of a sweep over parallel axes."""

import math
import time

import numpy as np
import pytest
from figures import legible  # noqa: F401

from tinygrad_edu.lab import Run, Sweep
from tinygrad_edu.viz.coordinates import coordinates_of
from tinygrad_edu.viz.plots import plot_parallel

ACTIVATIONS = ["ReLU", "Tanh", "GELU", "LeakyReLUWithSlope"]


def drawn(count, seeds=1):
    """Random settings; the loss is lowest near lr=0.06, and rates above about 1.5 diverge."""
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(count):
        lr, width = float(10 ** rng.uniform(-4, 1)), int(2 ** rng.uniform(2, 8))
        settings = {"lr": lr, "width": width, "depth": int(rng.integers(1, 6))}
        settings |= {"act": ACTIVATIONS[rng.integers(4)], "dropout": float(rng.uniform(0, 0.5))}
        for seed in range(seeds):
            loss = 0.02 + 0.1 * (math.log10(lr) + 1.2) ** 2 + float(rng.exponential(0.05))
            if lr > 1.5:
                runs.append(Run(settings, seed, {"loss": math.nan}, {}, "diverged", "it is nan"))
            else:
                numbers = {"loss": loss, "accuracy": math.exp(-loss)}
                runs.append(Run(settings, seed, numbers, {}, "converged", "it is flat"))
    return Sweep(runs)


def simple(*results, **settings):
    """A run for each result; settings are lists of as many values."""
    return Sweep(
        [
            Run(
                {name: values[i] for name, values in settings.items()},
                0,
                {"loss": x},
                {},
                "finished",
                "",
            )
            for i, x in enumerate(results)
        ]
    )


@pytest.mark.usefixtures("legible")
@pytest.mark.parametrize("count", [1, 10, 10_000])
def test_the_picture_is_legible_with_few_runs_and_with_many(count, tmp_path):
    found = drawn(count)
    start = time.process_time()
    plot_parallel(found, path=tmp_path / "x.png")
    assert time.process_time() - start < 20  # it is about three seconds for ten thousand
    if count == 10:
        plot_parallel(found, "accuracy", "max", path=tmp_path / "x.png")


def test_each_run_is_a_line_and_the_best_are_bold_and_on_top():
    found = drawn(40, seeds=2)
    lines = {x.get_label(): x for x in plot_parallel(found).axes[0].collections}
    failed = sum(run.verdict == "diverged" for run in found.runs)
    assert len(lines["failed"].get_segments()) == failed > 0
    assert len(lines["runs"].get_segments()) == 80 - failed
    assert len(lines["best"].get_segments()) == 2
    assert lines["best"].get_linewidth()[0] > 2 * lines["runs"].get_linewidth()[0]
    assert lines["best"].get_zorder() > lines["runs"].get_zorder()
    assert {tuple(x[-1]) for x in lines["failed"].get_segments()} == {(5.0, 1.0)}
    assert lines["failed"].get_linestyle() != lines["runs"].get_linestyle()
    best = min(run.numbers["loss"] for run in found.best().runs)
    ends = [x[-1][1] for x in lines["runs"].get_segments()]
    assert ends == sorted(ends, reverse=True)  # the lowest loss is drawn last
    assert min(x[-1][1] for x in lines["best"].get_segments()) == pytest.approx(
        coordinates_of(found).result.place(best)
    )


def test_places_on_the_axes():
    rates, acts = [0.001, 0.01, 0.1, 0.1], ["relu", "tanh", "tanh", (8, 8)]
    found = coordinates_of(simple(1.0, 2.0, 3.0, 2.0, lr=rates, act=acts))
    lr, act = found.axes
    assert [x.log for x in (lr, act, found.result)] == [True, False, False]
    assert [lr.place(x) for x in lr.values] == pytest.approx([0, 0.5, 1, 1])
    assert [text for _, text in act.ticks] == ["relu", "tanh", "[8, 8]"]
    assert [act.place(x) for x in act.values] == pytest.approx([1 / 6, 1 / 2, 1 / 2, 5 / 6])
    assert [places[-1] for places in found.places()] == pytest.approx([0, 0.5, 1, 0.5])
    assert found.best == [True, False, False, False]


@pytest.mark.parametrize(("mode", "end", "far"), [("min", 1.0, 3.0), ("max", 0.0, 1.0)])
def test_what_failed_is_beyond_the_bad_end(mode, end, far):
    found = coordinates_of(
        simple(1.0, 2.0, 3.0, math.nan, math.inf, lr=[1, 2, 3, 4, 5]), "loss", mode
    )
    assert [places[-1] for places in found.places()][3:] == [end, end]
    assert abs(found.result.place(far) - end) == pytest.approx(0.1)
    assert found.result.ticks[-1] == (end, "failed")
    numbers = {text: place for place, text in found.result.ticks[:-1]}
    assert numbers == {x: pytest.approx(found.result.place(float(x))) for x in ("1", "2", "3")}


def test_a_finite_loss_of_a_run_that_diverged_does_not_stretch_the_axis():
    runs = simple(1.0, 2.0, lr=[1, 2]).runs
    runs.append(Run({"lr": 3}, 0, {"loss": 1e59}, {}, "diverged", ""))
    assert coordinates_of(Sweep(runs)).result.high == pytest.approx(1 + 1 / 0.9)


def test_the_scale_is_the_one_on_which_the_values_are_spread_out():
    rng = np.random.default_rng(0)
    even, log = rng.uniform(0, 0.5, 999).tolist(), (10 ** rng.uniform(-4, 0, 999)).tolist()
    found = coordinates_of(simple(*even, even=even, log=log))
    assert [axis.log for axis in found.axes] == [False, True]
    assert [text for _, text in found.axes[1].ticks][1:-1] == ["0.001", "0.01", "0.1"]


def test_after_successive_halving_each_setting_has_its_largest_budget():
    runs = [Run({"lr": lr, "epochs": n}, 0, {"loss": lr / n}, {}, "finished", "")
            for n, rates in ((1, [3.0, 1.0, 2.0]), (3, [1.0])) for lr in rates]  # fmt: skip
    found = coordinates_of(Sweep(runs, budget="epochs"))
    assert [(run.settings["lr"], run.settings["epochs"]) for run in found.runs] == [
        (3.0, 1),
        (1.0, 3),
        (2.0, 1),
    ]
    assert found.best == [False, True, False]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="metric is one of loss, not 'x'"):
        plot_parallel(simple(1.0, lr=[1]), "x")
    with pytest.raises(ValueError, match="no setting has a finite loss"):
        plot_parallel(simple(math.nan, lr=[1]))


def test_values_that_look_alike_are_different_choices():
    values = [None, "None", 1, "1", True, 0.12345678, 0.12345111]
    (axis,) = coordinates_of(simple(*range(7), x=values)).axes
    assert axis.values == [0, 1, 2, 3, 4, 5, 6]
    assert axis.choices == ["None", "None", "1", "1", "True", "0.1235", "0.1235"]


def test_a_setting_that_is_infinite_is_a_choice():
    found = coordinates_of(simple(1.0, 2.0, max_norm=[1.0, math.inf]))
    assert found.axes[0].choices == ["1.0", "inf"]
    assert [places[0] for places in found.places()] == [0.25, 0.75]


def test_a_large_number_that_is_always_the_same_has_an_axis():
    found = coordinates_of(simple(1e20, 1e20, n=[10**17] * 2))
    assert found.places() == [[0.5, 0.5]] * 2


def test_whole_numbers_are_written_in_full():
    widths = [12345, 16384, 65536]
    (axis,) = coordinates_of(simple(1.0, 2.0, 3.0, width=widths)).axes
    assert [text for _, text in axis.ticks] == ["12345", "16384", "65536"]
