"""lab: the runs of a sweep as CSV, Parquet and SQLite, and back."""

import csv
import math
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest

from tinygrad_edu import lab, nn
from tinygrad_edu.lab import Run, Sweep

SUFFIXES = [
    ".csv",
    ".sqlite",
    pytest.param(
        ".parquet",
        marks=pytest.mark.skipif(not find_spec("pyarrow"), reason="pyarrow is not installed"),
    ),
]
formats = pytest.mark.parametrize("suffix", SUFFIXES)


def back(found, folder, suffix):
    found.save(folder / f"sweep{suffix}")
    return lab.load_sweep(folder / f"sweep{suffix}")


def shown(found):
    """All of a sweep as a text: nan is not equal to itself, and 1 is equal to 1.0 and True."""
    return repr((found.runs, found.budget))


def of_settings(values):
    return Sweep([Run({"x": x}, 0, {}, {}, "finished", "") for x in values])


@formats
def test_what_a_sweep_finds_comes_back(suffix, tmp_path):
    def run(lr, act, seed):
        if lr == 1.0:
            raise ValueError('a "quoted" reason,\nof two lines; é, ≤')
        return {"loss": [1.0, lr, lr / 3, np.nan if act is nn.ReLU else lr / 7], "rate": 1 / 3}

    found = lab.sweep(run, lr=[0.1, 1.0], act=[nn.ReLU, "a|b"], seeds=2, jobs=1, progress=False)
    there = back(found, tmp_path, suffix)
    assert str(there) == str(found)
    for ours, theirs in zip(there.runs, found.runs, strict=True):
        assert ours.settings == theirs.settings | {"act": label(theirs)}
        assert repr(vars(ours) | {"settings": 0}) == repr(vars(theirs) | {"settings": 0})
    assert [row.verdicts for row in there.rows] == [row.verdicts for row in found.rows]


def label(run):
    return getattr(run.settings["act"], "__qualname__", run.settings["act"])


@formats
@pytest.mark.parametrize(
    "values",
    [
        [1, 2, -(2**63), 2**63 - 1],
        [2**63, 10**40],
        [0.1, 1e-300, 0.0, math.inf, -math.inf, 5e-324],
        [0.1, math.nan],
        [True, False],
        [True, None, False],
        ["", "a,b", '"', "1", "true", "null", "NaN", "[1]", "é\n≤", "=1+1", " ", "\r"],
        [None, None],
        [None, "a", ""],
        [1, "1", True, "True", None, 1.5],
        [[], [1], [4, [8, "a", None]]],
    ],
    ids=str,
)
def test_every_setting_comes_back_as_it_was(values, suffix, tmp_path):
    found = of_settings(values)
    assert shown(back(found, tmp_path, suffix)) == shown(found)


@formats
def test_numbers_and_curves_come_back_as_they_were(suffix, tmp_path):
    curves = [{"loss": [1.0, math.nan, math.inf, 5e-324]}, {}, {"loss": [0.1]}, {"other": [2.0]}]
    numbers = [{"loss": math.nan}, {"loss": -math.inf}, {}, {"loss": 0.0, "accuracy": 0.1}]
    found = Sweep(
        [Run({"lr": 0.1}, i, numbers[i], curves[i], "finished", "") for i in range(4)],
    )
    assert shown(back(found, tmp_path, suffix)) == shown(found)


@formats
def test_a_setting_may_have_the_name_of_anything_else(suffix, tmp_path):
    names = ["loss", "seed", "verdict", 'a "b" [c]; DROP TABLE runs', "settings.x", "numbers.x"]
    run = Run(dict.fromkeys(names, 1), 7, {"loss": 2.0, "x": 3.0}, {"loss": [2.0]}, "falling", "r")
    found = Sweep([run, run], budget="loss")
    there = back(found, tmp_path, suffix)
    assert there == found


@formats
def test_a_sweep_without_runs_and_one_without_numbers(suffix, tmp_path):
    assert back(Sweep([]), tmp_path, suffix) == Sweep([])
    assert back(of_settings([1]), tmp_path, suffix) == of_settings([1])


@formats
def test_how_far_each_setting_got_comes_back(suffix, tmp_path):
    def run(lr, epochs, seed):
        return lr / epochs

    found = lab.sweep(
        run, lr=[0.1, 0.2, 0.3], epochs=[1, 3], budget="epochs", search="halving", jobs=1, seeds=2,
        progress=False,
    )  # fmt: skip
    there = back(found, tmp_path, suffix)
    assert there == found
    assert there.best().settings == {"lr": 0.1, "epochs": 3}


@formats
def test_ten_thousand_runs_in_a_moment(suffix, tmp_path):
    rng = np.random.default_rng(0)
    runs = [
        Run(
            {"lr": lr, "width": 32, "act": "relu"}, i, {"loss": lr}, {"loss": curve},
            "converged", "the loss went from 1 to 0.1 and is flat",
        )
        for i, (lr, curve) in enumerate(zip(rng.random(10_000), rng.random((10_000, 20)).tolist()))
    ]  # fmt: skip
    found = Sweep(runs)
    start = time.process_time()
    there = back(found, tmp_path, suffix)
    assert time.process_time() - start < 5  # it is about one second
    assert there == found


@formats
def test_a_table_replaces_the_one_before(suffix, tmp_path):
    back(of_settings([1, 2, 3]), tmp_path, suffix)
    assert back(of_settings(["a"]), tmp_path, suffix) == of_settings(["a"])


@formats
def test_a_file_of_something_else_is_refused(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    with pytest.raises(FileNotFoundError, match="there is no file"):
        lab.load_sweep(path)
    assert not path.exists()
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"is not a (table that Sweep.save|Parquet|SQLite)"):
        lab.load_sweep(path)


def test_other_formats_are_refused(tmp_path):
    for call in (of_settings([1]).save, lab.load_sweep):
        with pytest.raises(ValueError, match=r"must end in .csv, .parquet, .sqlite, and it is"):
            call(tmp_path / "x.xlsx")


# Read by others


def finished():
    def run(lr, seed):
        return {"loss": math.nan if lr > 1 else lr * 2 + seed, "steps": 5.0}

    return lab.sweep(run, lr=[0.25, 2.0], seeds=2, jobs=1, progress=False)


def test_sql_finds_numbers_and_leaves_nan_out(tmp_path):
    path = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE others (name TEXT)")
    finished().save(path)
    with closing(sqlite3.connect(path)) as connection:
        question = 'SELECT "settings.lr", avg("numbers.loss"), avg("numbers.steps") FROM runs'
        found = connection.execute(question + ' GROUP BY "settings.lr"').fetchall()
        assert connection.execute("SELECT count(*) FROM others").fetchone() == (0,)
    assert found == [(0.25, 1.0, 5.0), (2.0, None, 5.0)]


def test_a_spreadsheet_reads_plain_cells(tmp_path):
    finished().save(tmp_path / "x.csv")
    with open(tmp_path / "x.csv", newline="") as file:
        first, *_ = csv.DictReader(file)
    told = {name: first[name] for name in ("settings.lr", "seed", "numbers.loss", "verdict")}
    assert told == {
        "settings.lr": "0.25",
        "seed": "0",
        "numbers.loss": "0.5",
        "verdict": "finished",
    }


def test_pandas_reads_the_columns_of_a_parquet_file(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    finished().save(tmp_path / "x.parquet")
    found = pandas.read_parquet(tmp_path / "x.parquet")
    assert found["settings.lr"].tolist() == [0.25, 0.25, 2.0, 2.0]
    assert found.groupby("settings.lr")["numbers.loss"].mean()[0.25] == 1.0


def test_without_pyarrow_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'needs pyarrow: pip install "tinygrad_edu\[tables\]"'):
        finished().save(tmp_path / "x.parquet")


@formats
def test_a_folder_that_is_missing_is_named(suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such_folder"):
        of_settings([1]).save(tmp_path / "no_such_folder" / f"x{suffix}")


def test_a_table_runs_of_another_program_is_neither_dropped_nor_read(tmp_path):
    path = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE runs (name BIGINT)")
        connection.execute("INSERT INTO runs VALUES (7)")
    for call in (of_settings([1]).save, lab.load_sweep):
        with pytest.raises(ValueError, match=r"the table runs in .* is not a sweep's"):
            call(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM runs").fetchall() == [(7,)]


def test_names_that_sqlite_cannot_tell_apart_are_refused_and_the_old_table_stays(tmp_path):
    path = tmp_path / "x.sqlite"
    of_settings([1]).save(path)
    found = Sweep([Run({"x": 1}, 0, {"f1": 1.0, "F1": 2.0}, {}, "finished", "")])
    with pytest.raises(ValueError, match=r"numbers\.f1 and numbers\.F1 .* save as .csv"):
        found.save(path)
    assert lab.load_sweep(path) == of_settings([1])


def test_a_database_in_use_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "x.sqlite"
    of_settings([1]).save(path)
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            lab.load_sweep(path)


def test_csv_is_utf_8_whatever_the_language_of_the_system(tmp_path):
    path = tmp_path / "x.csv"
    of_settings(["é", "≤"]).save(path)
    code = (
        "import sys; from tinygrad_edu import lab; print(ascii(lab.load_sweep(sys.argv[1]).runs))"
    )
    plain = os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    asked = [sys.executable, "-c", code, str(path)]
    shown = subprocess.run(
        asked, env=plain, capture_output=True, text=True, check=False, timeout=60
    )
    assert r"'x': '\xe9'" in shown.stdout, shown.stderr


def test_csv_from_a_spreadsheet_is_read(tmp_path):
    """Some write a byte order mark before the first name."""
    path = tmp_path / "x.csv"
    of_settings([1, 2]).save(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert lab.load_sweep(path) == of_settings([1, 2])


def test_a_row_of_csv_that_is_cut_off_is_named(tmp_path):
    path = tmp_path / "x.csv"
    of_settings([1, 2]).save(path)
    with open(path, "a") as file:
        file.write("1,2")
    with pytest.raises(ValueError, match=r"row 4 of .*x.csv has 2 cells, and row 1 has 4"):
        lab.load_sweep(path)
