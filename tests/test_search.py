"""lab: settings drawn at random, and successive halving, on the runners and files of sweeps."""

import math
import os
import warnings
from collections import Counter, deque
from unittest import mock

import numpy as np
import pytest

from tinygrad_edu import lab
from tinygrad_edu.lab.search import drawn, halved


def sweep(run, **settings):
    return lab.sweep(run, **{"jobs": 1, "seeds": 1, "progress": False} | settings)


def noted(run):
    """run, and how it was called: no list, which would count as a part of its program."""
    calls = deque()

    def watched(seed, **settings):
        calls.append({**settings, "seed": seed})
        return run(**settings, seed=seed)

    return watched, calls


def bowl(lr, width, seed):
    """A loss that is lowest at lr=0.01 and width=8."""
    return (math.log10(lr) + 2) ** 2 + (width - 8) ** 2 / 100


SPACE = {"lr": lab.between(1e-4, 1.0, log=True), "width": lab.between(2, 64, whole=True, log=True)}


# Ranges


def draws(count=4000, **options):
    low, high = options.pop("ends")
    rng = np.random.default_rng(0)
    return np.array([lab.between(low, high, **options).draw(rng) for _ in range(count)])


@pytest.mark.parametrize(
    ("options", "share"),
    [  # of the draws that are below 1
        ({"ends": (0.01, 100.0), "log": True}, 0.5),
        ({"ends": (-1.0, 3.0)}, 0.5),
        ({"ends": (0.0, 100.0)}, 0.01),
        ({"ends": (0, 9), "whole": True}, 0.1),
        ({"ends": (0, 1), "whole": True}, 0.5),
    ],
)
def test_a_range_is_drawn_from_evenly(options, share):
    found = draws(**options)
    assert np.mean(found < 1) == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5)
    low, high = options["ends"]
    assert low <= found.min() < found.max() <= high


def test_whole_numbers_are_drawn_with_both_ends():
    found = Counter(draws(ends=(1, 4), whole=True).tolist())
    assert sorted(found) == [1, 2, 3, 4]
    assert min(found.values()) > 900
    many = draws(ends=(1, 64), whole=True, log=True)
    assert many.dtype.kind == "i"
    assert set(many[:3000].tolist()) >= {1, 64}
    assert np.mean(many <= 8) == pytest.approx(0.58, abs=0.03)  # log(8.5 / 0.5) / log(64.5 / 0.5)


def test_which_numbers_are_in_a_range():
    wide, whole = lab.between(0, 1), lab.between(0, 8, whole=True)
    assert [x in wide for x in (0.0, 0.5, 1.0, 1.1, 1, True, "a")] == [True] * 3 + [False] * 4
    assert [x in whole for x in (0, 8, 9, 1.0, True)] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 1.0, "high": 1.0}, r"between\(1.0, 1.0\) needs finite numbers, the lower one fi"),
        ({"low": 2, "high": 1}, "the lower one first"),
        ({"low": 0.0, "high": math.inf}, "needs finite numbers"),
        ({"low": math.nan, "high": 1.0}, "needs finite numbers"),
        ({"low": -1e308, "high": 1e308}, "needs finite numbers"),
        ({"low": 0.0, "high": 1.0, "log": True}, "with log=True needs numbers above 0"),
        ({"low": 0.5, "high": 8, "whole": True}, "with whole=True needs two whole numbers"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        lab.between(**arguments)


# Random search


def test_a_random_search_draws_as_many_settings_as_it_is_told():
    run, calls = noted(bowl)
    found = sweep(run, search="random", trials=20, seeds=2, **SPACE)
    assert len(calls) == 40
    assert len(found.rows) == len({row.settings["lr"] for row in found.rows}) == 20
    assert all(1e-4 <= row.settings["lr"] <= 1 for row in found.rows)
    assert {type(row.settings["width"]) for row in found.rows} == {int}
    assert [one.seed for one in found.runs] == [0, 1] * 20
    assert found.best().mean["loss"] == min(one.numbers["loss"] for one in found.runs)


def test_the_same_seed_draws_the_same_settings_and_more_trials_go_on_from_there():
    asked = {"search": "random", "act": ["relu", "tanh"], **SPACE}

    def run(seed, **settings):
        return 1.0

    def settings(**more):
        return [row.settings for row in sweep(run, **asked, **more).rows]

    assert settings(trials=8) == settings(trials=8) == settings(trials=20)[:8]
    assert settings(trials=8, rng=1) != settings(trials=8)
    assert settings(trials=8, rng=np.random.default_rng(1)) == settings(trials=8, rng=1)


def test_lists_are_drawn_without_repeating_a_combination():
    def run(a, b, seed):
        return a * b

    found = sweep(run, search="random", trials=12, a=[1, 2, 3], b=[1.0, 2.0, 4.0, 8.0])
    assert len(found.rows) == 12
    with pytest.raises(ValueError, match=r"only 12 combinations .*: give trials=12 or fewer"):
        sweep(run, search="random", trials=13, a=[1, 2, 3], b=[1.0, 2.0, 4.0, 8.0])
    few = [sweep(run, search="random", trials=3, rng=k, a=[1, 2, 3], b=[1.0]) for k in range(4)]
    assert {len(each.rows) for each in few} == {3}
    assert len({tuple(row.settings["a"] for row in each.rows) for each in few}) > 1


def test_thousands_of_settings_are_drawn_in_a_moment():
    found = drawn({"a": list(range(50)), "b": list(range(50))}, 2500, 0)
    assert len({(x["a"], x["b"]) for x in found}) == 2500


def test_a_random_search_goes_on_from_its_file(tmp_path):
    run, calls = noted(bowl)
    asked = {"search": "random", "path": tmp_path / "x.jsonl", **SPACE}
    first = sweep(run, trials=5, **asked)
    again = sweep(run, trials=5, **asked)
    more = sweep(run, trials=9, **asked)
    assert len(calls) == 9
    assert again == first
    assert more.rows[:5] == first.rows


def test_processes_search_as_one_does():
    asked = {"search": "random", "trials": 6, **SPACE}
    assert sweep(bowl, jobs=2, **asked) == sweep(bowl, **asked)


def test_a_number_that_was_drawn_is_printed_with_few_digits(capsys):
    found = sweep(bowl, search="random", trials=3, progress=True, **SPACE)
    lr = found.best().settings["lr"]
    assert f"lr={lr:.4g}, width=" in str(found).splitlines()[-1]
    assert all(len(line.split()[0]) <= 9 for line in found.table().splitlines())
    assert f"lr={lr:.4g}, width=" in capsys.readouterr().out
    assert repr(lr) in found.table("csv")  # whole, since it is read by programs


# Successive halving


def curve(lr, width, epochs, seed):
    """Better with more epochs; the order of the settings does not change."""
    return [1 + bowl(lr, width, seed) / (1 + k) for k in range(epochs)]


HALVING = {"search": "halving", "budget": "epochs", "epochs": [1, 3, 9, 27]}


def test_the_best_third_goes_on_with_three_times_as_much():
    run, calls = noted(curve)
    found = sweep(run, trials=27, **HALVING, **SPACE)
    assert Counter(one["epochs"] for one in calls) == {1: 27, 3: 9, 9: 3, 27: 1}
    assert [one["epochs"] for one in calls] == sorted(one["epochs"] for one in calls)

    def loss(settings):
        return bowl(settings["lr"], settings["width"], 0)

    first = [one for one in calls if one["epochs"] == 1]
    for epochs, count in ((3, 9), (9, 3), (27, 1)):
        gone_on = [loss(one) for one in calls if one["epochs"] == epochs]
        assert gone_on == sorted(map(loss, first))[:count]
    assert len(found.runs) == 40
    assert len(found.rows) == 27
    assert Counter(row.settings["epochs"] for row in found.rows) == {1: 18, 3: 6, 9: 2, 27: 1}
    assert found.best().settings["epochs"] == 27
    assert [x.split()[2] for x in found.table().splitlines()[:2]] == [
        "epochs",
        str(found.rows[0].settings["epochs"]),
    ]


def test_every_budget_costs_about_the_same():
    """Of n settings floor(n b₁ / b) get the budget b, as in Li et al. 2018, algorithm 1."""

    def made(settings):
        asked.append((len(settings), settings[0]["b"]))
        return settings

    for n, budgets, expected in [
        (81, [1, 3, 9, 27, 81], [81, 27, 9, 3, 1]),
        (10, [2, 4, 8, 16], [10, 5, 2, 1]),
        (10, [1, 10, 100], [10, 1, 1]),
        (7, [0.1, 0.3], [7, 2]),
        (3, [0.1, 0.3], [3, 1]),  # 0.1 / 0.3 is a little less than a third in floating point
    ]:
        asked = []
        halved([{"a": i} for i in range(n)], "b", budgets, made, lambda runs: runs)
        assert asked == list(zip(expected, budgets, strict=True))


def test_the_best_is_compared_at_equal_budgets():
    """A loss that is lower with few epochs, and a setting that fails with many."""

    def run(kind, epochs, seed):
        if kind == "breaks" and epochs == 4:
            return math.nan
        return {"early": 0.1, "breaks": 0.2, "late": 0.3, "last": 0.4}[kind] * epochs

    kinds = ["last", "late", "breaks", "early"]
    found = sweep(run, kind=kinds, search="halving", budget="epochs", epochs=[1, 2, 4])
    assert found.best().settings == {"kind": "early", "epochs": 4}
    assert found.best().mean["loss"] == 0.4  # although others were lower with fewer epochs
    found = sweep(run, kind=["breaks", "late"], search="halving", budget="epochs", epochs=[1, 2, 4])
    assert {row.settings["kind"]: row.settings["epochs"] for row in found.rows} == {
        "breaks": 4,
        "late": 1,
    }
    assert found.best().settings == {"kind": "breaks", "epochs": 2}


def test_what_fails_does_not_go_on():
    def run(kind, epochs, seed):
        if kind == "raises":
            raise ValueError("no such thing")
        return math.nan if kind == "nan" else 1 / epochs

    found = sweep(run, kind=["raises", "nan", "good"], **HALVING | {"epochs": [1, 2]})
    assert [row.settings["epochs"] for row in found.rows] == [1, 1, 2]


def test_if_all_fail_the_sweep_ends_with_their_errors():
    def run(kind, steps, seed):
        raise ValueError("no such thing")

    found = sweep(run, kind=[1, 2], search="halving", budget="steps", steps=[1, 2])
    assert [(one.settings["steps"], one.verdict) for one in found.runs] == [(1, "error")] * 2


def test_halving_looks_for_the_metric_that_it_is_told():
    def run(kind, epochs, seed):
        return {"loss": kind, "accuracy": kind / 10}

    found = sweep(run, kind=[1, 2, 3], metric="accuracy", mode="max", **HALVING)
    assert found.best("accuracy", "max").settings == {"kind": 3, "epochs": 27}
    with pytest.raises(ValueError, match="metric is one of loss, accuracy, not 'acc'"):
        sweep(run, kind=[1, 2, 3], metric="acc", **HALVING)


def test_halving_goes_on_from_its_file(tmp_path):
    def stops(lr, width, epochs, seed):
        if epochs == 9 and not mended:
            raise KeyboardInterrupt
        return curve(lr, width, epochs, seed)

    mended = np.array(False)
    run, calls = noted(stops)
    asked = {"trials": 9, "path": tmp_path / "x.jsonl", **HALVING, **SPACE}
    with pytest.raises(KeyboardInterrupt):
        sweep(run, **asked)
    assert len(calls) == 9 + 3 + 1
    mended[...] = True
    found = sweep(run, **asked)
    assert len(calls) == 13 + 2
    assert found == sweep(run, **asked | {"path": None})


def test_halving_in_processes_finds_what_one_finds():
    asked = {"trials": 9, "seeds": 2, **HALVING, **SPACE}
    assert sweep(curve, jobs=2, **asked) == sweep(curve, **asked)


def test_it_is_shown_how_each_budget_went(capsys, tmp_path):
    asked = {"lr": [0.1, 0.01], "width": [8], "path": tmp_path / "x", "progress": True}
    asked |= {"search": "halving", "budget": "epochs", "epochs": [1, 2]}
    sweep(curve, **asked)
    lines = ["lr=0.1, width=8, epochs=1: loss 2", "lr=0.01, width=8, epochs=1: loss 1"]
    assert capsys.readouterr().out.splitlines() == [*lines, "lr=0.01, width=8, epochs=2: loss 1"]
    sweep(curve, **asked)
    assert capsys.readouterr().out.splitlines() == [
        "2 of 2 runs were done before",
        "1 of 1 runs were done before",
    ]


# What does not fit together

RANGE = lab.between(0.1, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"search": "bayes"}, r'search is None, "random", "halving", .* and it is \'bayes\''),
        ({"search": "random"}, r'search="random" needs trials='),
        ({"search": "random", "trials": 0}, "trials must be a whole number of at least 1"),
        ({"trials": 3}, r'trials is for a search: search="random"'),
        ({"lr": RANGE}, r"lr is a range, .* say how many to try"),
        ({"lr": RANGE, **HALVING}, r"lr is a range, .* say how many to try"),
        ({"lr": lab.between(0, 1), "search": "random", "trials": 2}, "every lr must be above 0"),
        ({"search": "halving"}, "needs the name of a setting as its budget, and it is None"),
        (HALVING | {"budget": [1, 3]}, r"as its budget, and it is \[1, 3\]"),
        (HALVING | {"budget": "steps"}, "as its budget, and it is 'steps'"),
        ({"metric": "accuracy", "mode": "max"}, r"ask the result for .best\('accuracy', 'max'\)"),
        ({"search": "random", "trials": 2, "mode": "max"}, "metric and mode decide which settings"),
        (HALVING | {"mode": "most"}, "mode must be one of min, max, and it is 'most'"),
        ({"budget": "epochs", "epochs": [1, 2]}, "budget='epochs' is for search=\"halving\""),
        (HALVING | {"epochs": [1]}, r"epochs must be two or more numbers above 0, .* \[1\]"),
        (HALVING | {"epochs": [0, 1]}, "numbers above 0"),
        (HALVING | {"epochs": ["a", "b"]}, "numbers above 0"),
        (
            HALVING | {"epochs": [1, 1.0, 3]},
            r"each budget must be given once, and epochs is \[1, 1",
        ),
        (HALVING | {"epochs": RANGE, "trials": 2}, "numbers above 0"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        sweep(lambda lr, seed, epochs=1: lr, **{"lr": [0.1, 0.2]} | settings)


def test_a_search_needs_a_metric_if_no_number_is_called_a_loss():
    message = "no number is called a loss: choose one of acc, as in metric="
    with pytest.raises(ValueError, match=message):
        sweep(lambda lr, seed, epochs: {"acc": lr}, lr=[0.1, 0.2], **HALVING)
    with pytest.raises(ValueError, match=message):
        sweep(lambda lr, seed: {"acc": lr}, lr=[0.1, 0.2]).best()


def test_the_number_of_trials_may_be_written_as_a_float():
    assert len(sweep(bowl, search="random", trials=2.0, **SPACE).rows) == 2


def test_run_must_take_the_budget():
    with pytest.raises(TypeError, match=r"run\(lr, seed\) cannot be called with lr, epochs, seed"):
        sweep(lambda lr, seed: lr, lr=[0.1, 0.2], **HALVING)
    with pytest.raises(ValueError, match="there is nothing to try but epochs"):
        sweep(lambda epochs, seed: epochs, **HALVING)


def test_halving_on_a_cluster_of_dask_finds_what_one_process_finds(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    asked = {"trials": 9, **HALVING, **SPACE}
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with (
        warnings.catch_warnings(action="ignore"),
        mock.patch.dict(os.environ),  # Dask leaves settings of malloc there
        distributed.LocalCluster(**options, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        there = sweep(curve, jobs=-1, backend="dask", path=tmp_path / "x.jsonl", **asked)
    assert there == sweep(curve, **asked)
