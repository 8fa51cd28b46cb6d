"""lab: a sampler of Optuna chooses the settings of a sweep; files, processes and rows are ours."""

import json
import logging
import math

import numpy as np
import pytest
from test_search import bowl, noted, sweep

from tinygrad_edu import lab

optuna = pytest.importorskip("optuna", reason="no Optuna: pip install 'tinygrad_edu[search]'")

SPACE = {"lr": lab.between(1e-4, 1.0, log=True), "width": lab.between(2, 64, whole=True, log=True)}


def tpe(seed=0):
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=5)


def alone(run, sampler, trials, space, direction="minimize"):
    """The settings that Optuna tries without us."""
    study = optuna.create_study(sampler=sampler, direction=direction)
    kinds = optuna.distributions
    for _ in range(trials):
        trial = study.ask(
            {
                name: kinds.IntDistribution(x.low, x.high, log=x.log)
                if x.whole
                else kinds.FloatDistribution(x.low, x.high, log=x.log)
                for name, x in space.items()
            }
        )
        study.tell(trial, run(**trial.params, seed=0))
    return [trial.params for trial in study.trials]


def test_the_settings_are_those_of_the_sampler():
    found = sweep(bowl, search=tpe(), trials=20, **SPACE)
    assert [row.settings for row in found.rows] == alone(bowl, tpe(), 20, SPACE)
    assert found.best().mean["loss"] < 0.1


def test_a_high_accuracy_is_looked_for_too():
    def run(lr, width, seed):
        loss = bowl(lr, width, seed)
        return {"loss": 1.0, "accuracy": -loss}

    found = sweep(run, search=tpe(), trials=20, metric="accuracy", mode="max", **SPACE)
    assert [row.settings for row in found.rows] == alone(
        lambda **x: -bowl(**x), tpe(), 20, SPACE, "maximize"
    )


def test_a_grid_is_tried_to_its_end_and_after_a_pause_too(tmp_path):
    grid = {"lr": [0.1, 0.01], "act": ["relu", "tanh", "none"]}

    def study():
        return optuna.create_study(sampler=optuna.samplers.GridSampler(grid, seed=0))

    run, calls = noted(lambda lr, act, seed: lr * len(act))
    sweep(run, search=study(), trials=4, path=tmp_path / "x.jsonl", **grid)
    assert len(sweep(run, search=study(), trials=100, path=tmp_path / "x.jsonl", **grid).rows) == 6
    assert len(calls) == 6

    asked = study()
    found = sweep(run, search=asked, trials=100, **grid)
    assert len(asked.trials) == 6  # then the sampler says that there are no more
    tried = {(row.settings["lr"], row.settings["act"]) for row in found.rows}
    assert len(found.rows) == len(tried) == 6
    assert found.best().settings["lr"] == 0.01


def relu(x):
    return x


def test_functions_lists_and_numbers_are_choices():
    def run(act, hidden, dropout, seed):
        assert act is relu or act is None
        return float(len(hidden)) + dropout

    space = {"act": [relu, None], "hidden": [(8,), (8, 8)], "dropout": [0, 0.5]}
    found = sweep(run, search=tpe(), trials=8, **space)
    assert len(found.rows) == 8  # all there are, although they are asked for more than once
    assert {type(row.settings["hidden"]) for row in found.rows} == {tuple}
    assert found.best().mean["loss"] == 1


def test_a_setting_is_told_when_its_seeds_are_done_by_their_mean():
    study = optuna.create_study(sampler=tpe())

    def run(lr, seed):
        return lr + seed

    found = sweep(run, search=study, trials=4, seeds=[0, 4], lr=SPACE["lr"])
    assert [trial.value for trial in study.trials] == [row.mean["loss"] for row in found.rows]
    assert [trial.params["lr"] + 2 for trial in study.trials] == pytest.approx(
        [trial.value for trial in study.trials]
    )


def test_what_diverged_is_infinitely_bad_and_an_error_is_no_value():
    study = optuna.create_study(sampler=tpe())

    def run(kind, seed):
        if kind == "error":
            raise ValueError("no such thing")
        return math.nan if kind == "nan" else 1.0

    sweep(run, search=study, trials=3, kind=["nan", "error", "good"])
    told = {trial.params["kind"]: (trial.state.name, trial.value) for trial in study.trials}
    assert told == {
        "nan": ("COMPLETE", math.inf),
        "error": ("FAIL", None),
        "good": ("COMPLETE", 1.0),
    }


def test_it_goes_on_from_its_file_and_the_sampler_knows_what_is_there(tmp_path):
    run, calls = noted(bowl)
    asked = {"path": tmp_path / "x.jsonl", **SPACE}
    first = sweep(run, search=tpe(), trials=8, **asked)
    assert sweep(run, search=tpe(1), trials=8, **asked) == first
    assert len(calls) == 8
    study = optuna.create_study(sampler=tpe(1))
    more = sweep(run, search=study, trials=12, **asked)
    assert len(calls) == 12
    assert more.rows[:8] == first.rows
    assert [trial.params for trial in study.trials] == [row.settings for row in more.rows]
    assert len(sweep(run, search=study, trials=14, **asked).rows) == 14
    assert len(study.trials) == 14  # none twice


def test_a_sweep_that_was_stopped_goes_on(tmp_path):
    mended = np.array(False)

    def stops(lr, width, seed):
        if len(calls) > 5 and not mended:
            raise KeyboardInterrupt
        return bowl(lr, width, seed)

    run, calls = noted(stops)
    study = optuna.create_study(sampler=tpe())
    asked = {"search": study, "trials": 6, "seeds": 2, "path": tmp_path / "x.jsonl", **SPACE}
    with pytest.raises(KeyboardInterrupt):
        sweep(run, **asked)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2 + ["FAIL"]
    mended[...] = True
    found = sweep(run, **asked)
    assert len(found.rows) == 6
    assert len(calls) == 6 + 7  # the second seed of the third setting, and three more settings


def test_a_changed_run_does_not_tell_old_values(tmp_path):
    path = tmp_path / "x.jsonl"
    sweep(lambda lr, seed: lr, search=tpe(), trials=3, path=path, lr=SPACE["lr"])
    study = optuna.create_study(sampler=tpe())
    with pytest.warns(UserWarning, match="3 of these runs from another version of run"):
        sweep(lambda lr, seed: 2 * lr, search=study, trials=3, path=path, lr=SPACE["lr"])
    assert [trial.value / trial.params["lr"] for trial in study.trials] == [2, 2, 2]


def test_other_settings_in_the_file_do_not_count(tmp_path):
    path = tmp_path / "x.jsonl"
    for lr in (2.0, 0.5):
        sweep(bowl, lr=[lr], width=[8], path=path)
    sweep(lambda lr, seed: lr, lr=[0.3], path=path)
    found = sweep(bowl, search=tpe(), trials=3, path=path, **SPACE)
    assert found.rows[0].settings == {"lr": 0.5, "width": 8}
    assert len(found.rows) == 3
    assert 2.0 not in [row.settings["lr"] for row in found.rows]
    assert path.read_text().count("\n") == 5


def test_processes_are_asked_for_settings_as_they_get_free(tmp_path):
    study = optuna.create_study(sampler=tpe())
    asked = {"trials": 10, "jobs": 2, "seeds": 2, "path": tmp_path / "x.jsonl", **SPACE}
    found = sweep(bowl, search=study, **asked)
    assert len(found.rows) == len(study.trials) == 10
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 10
    told = {json.dumps(trial.params): trial.value for trial in study.trials}
    assert told == {json.dumps(row.settings): row.mean["loss"] for row in found.rows}


def test_nothing_is_logged(capfd, caplog):
    before = optuna.logging.get_verbosity()
    with caplog.at_level(logging.DEBUG):
        sweep(bowl, search=tpe(), trials=3, progress=True, **SPACE)
    out, err = capfd.readouterr()
    assert (len(out.splitlines()), err, caplog.records) == (3, "", [])
    assert optuna.logging.get_verbosity() == before


def test_a_study_must_look_for_the_same():
    study = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match=r"direction is maximize, .* with direction='minimize'"):
        sweep(bowl, search=study, trials=2, **SPACE)
    with pytest.raises(ValueError, match="a search by Optuna needs trials="):
        sweep(bowl, search=tpe(), **SPACE)
    with pytest.raises(ValueError, match="metric is one of loss, not 'accuracy'"):
        sweep(bowl, search=tpe(), trials=2, metric="accuracy", **SPACE)


def test_a_sampler_that_is_not_made_yet_is_refused():
    with pytest.raises(ValueError, match="a sampler or study of Optuna, and it is <class"):
        sweep(bowl, search=optuna.samplers.TPESampler, trials=2, **SPACE)


def test_runs_that_are_not_asked_for_do_not_count_as_done_before(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    sweep(bowl, search=tpe(), trials=4, path=path, **SPACE)
    sweep(bowl, search=tpe(), trials=2, path=path, progress=True, **SPACE)
    assert "2 of 2 runs were done before" in capsys.readouterr().out
