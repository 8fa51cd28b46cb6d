"""lab.run_log: what is damaged in a file of runs, and many that write to it at once."""

import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from drawn import THOROUGH
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu
from tinygrad_edu.lab.run_log import BEGINS, RunLog, line_of, locked, runs_in
from tinygrad_edu.lab.runs import Run, key
from tinygrad_edu.lab.sweeps import sweep


def run_of(n, name="", curve=(0.5, 0.25)):
    return Run({"n": n, "name": name}, n, {"loss": 1 / (n + 1)}, {"loss": list(curve)}, "slow", "")


def fields_of(run):
    return dict(vars(run))


# Damage

CHECK = b', "crc32": "'
NAMES = st.sampled_from(["", "a\nb", '"', "\\", "é", BEGINS.decode(), CHECK.decode()]) | st.text()
GARBAGE = st.sampled_from([b"\n", b"\0" * 50, BEGINS, CHECK, b"}", b'"}']) | st.binary(min_size=1)


@st.composite
def damaged_files(draw):
    """Runs, the bytes of their file after one damage, and the numbers of those it has not hit."""
    runs = [run_of(n, name) for n, name in enumerate(draw(st.lists(NAMES, min_size=1, max_size=5)))]
    lines = [line_of(run, "p") for run in runs]
    data = b"".join(lines)
    ends = [sum(map(len, lines[: n + 1])) - 1 for n in range(len(lines))]  # without \n
    begins = [0, *(end + 1 for end in ends)]
    first = draw(st.integers(0, len(data) - 1))
    kind = draw(st.sampled_from(["flip", "cut", "lose", "insert", "repeat"]))
    last = first  # the bytes from first to last are not there any more
    new = b""
    if kind == "flip":
        last, new = first + 1, bytes([data[first] ^ draw(st.integers(1, 255))])
    elif kind == "cut":
        last = len(data)
    elif kind == "lose":
        last = draw(st.integers(first + 1, len(data)))
    elif kind == "insert":
        new = draw(GARBAGE)
    else:
        new = data[draw(st.integers(0, first)) : draw(st.integers(first, len(data)))]
    whole = [
        n
        for n, (begin, end) in enumerate(zip(begins, ends, strict=False))
        if end <= first or begin >= last
    ]
    return runs, data[:first] + new + data[last:], whole


@settings(max_examples=100 * THOROUGH, deadline=None)
@given(damaged_files())
def test_only_the_runs_that_are_hit_are_lost(tmp_path_factory, drawn):
    runs, data, whole = drawn
    with warnings.catch_warnings(action="ignore"):
        try:
            found = runs_in(data, "x.jsonl")
        except ValueError:  # nothing of a sweep is left
            assert not whole
            return
    for n in whole:
        assert found[key(runs[n].settings, n), "p"] == fields_of(runs[n])
    assert all(fields in map(fields_of, runs) for fields in found.values())

    path = tmp_path_factory.getbasetemp() / "damaged.jsonl"
    path.write_bytes(data)
    new = run_of(9)
    with mock.patch("os.fsync"):  # which takes long
        RunLog(path, {"new": "p"}).add("new", new)
    with warnings.catch_warnings(action="ignore"):
        assert runs_in(path.read_bytes(), path) == found | {
            (key(new.settings, 9), "p"): fields_of(new)
        }


def test_lines_that_have_run_together_are_still_two():
    """As when a sweep was killed in the middle of a line, and what came after did not notice."""
    first, second = line_of(run_of(1), "p"), line_of(run_of(2), "p")
    for data, damaged in (
        (first[:-1] + second, None),
        (first[:40] + second, 1),
        (first + b"\xff" + second, 2),
    ):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = runs_in(data, "x.jsonl")
        assert (key(run_of(2).settings, 2), "p") in found
        assert len(found) == (1 if damaged == 1 else 2)
        assert len(said) == (damaged is not None)
        assert damaged is None or f"damaged in lines [{damaged}]" in str(said[0].message)


# Many at once


def test_nobody_reads_or_writes_while_another_does(tmp_path):
    log = RunLog(tmp_path / "x.jsonl", {"a": "p"})
    with ThreadPoolExecutor(2) as pool:
        with locked(log.path):
            waiting = [pool.submit(log.add, "a", run_of(0)), pool.submit(log.refresh)]
            time.sleep(0.2)
            assert not any(x.done() for x in waiting)
        for x in waiting:
            x.result(timeout=10)


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[4]]
from test_run_log import run_of
from tinygrad_edu.lab.run_log import RunLog
path, first, many = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
log = RunLog(path, {str(n): "p" for n in range(1000)})
log.refresh()
print("ready", flush=True)
sys.stdin.readline()
for n in range(first, first + many):
    log.add(str(n), run_of(n, curve=[1 / 3] * (1 + 997 * n % 20000)))
    log.refresh()
"""


def test_processes_and_threads_that_add_at_once_leave_whole_lines(tmp_path):
    path, many = tmp_path / "x.jsonl", 10
    path.write_bytes(line_of(run_of(999), "p")[:50])  # half a line, which all of them find
    command = [sys.executable, "-c", WRITER, str(path)]
    folder = str(__file__).rpartition("/")[0]
    processes = [
        subprocess.Popen(
            [*command, str(first), str(many), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in (0, 100)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"

    def write(first):
        log = RunLog(path, {str(n): "p" for n in range(1000)})
        for n in range(first, first + many):
            log.add(str(n), run_of(n, curve=[1 / 3] * 5000))

    threads = [threading.Thread(target=write, args=(first,)) for first in (300, 400)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with pytest.warns(UserWarning, match=r"damaged in lines \[1\]"):
        found = runs_in(path.read_bytes(), path)
    expected = [n + k for n in (0, 100, 300, 400) for k in range(many)]
    assert sorted(fields["seed"] for fields in found.values()) == expected
    assert path.read_bytes().count(b"\n") == len(expected) + 1


def test_a_sweep_does_not_repeat_what_another_has_finished_meanwhile(tmp_path, capsys):
    path, calls = tmp_path / "x.jsonl", deque()
    grid = {"seeds": 1, "jobs": 1, "path": path}

    def run(lr, seed):
        calls.append(lr)
        if lr in (0.1, 0.3):
            sweep(run, lr=[lr + 0.1], **grid, progress=False)
        return lr

    found = sweep(run, lr=[0.1, 0.2, 0.3, 0.4], **grid)
    assert list(calls) == [0.1, 0.2, 0.3, 0.4]
    rows = [f"lr={lr}: loss {lr}" for lr in (0.1, 0.2, 0.3, 0.4)]
    assert capsys.readouterr().out.splitlines() == rows  # the last one too
    assert [run.numbers["loss"] for run in found.runs] == [0.1, 0.2, 0.3, 0.4]
    assert path.read_bytes().count(b"\n") == 4


def test_an_error_does_not_hide_a_run_that_another_sweep_has_finished(tmp_path):
    path = tmp_path / "x.jsonl"
    log = RunLog(path, {"a": "p"})
    log.add("a", run_of(0))
    log.add("a", Run({"n": 0, "name": ""}, 0, {}, {}, "error", "its process died"))
    ((_, fields),) = runs_in(path.read_bytes(), path).items()
    assert fields["verdict"] == "slow"


def test_another_version_of_the_package_makes_the_runs_again(tmp_path, monkeypatch):
    grid = {"lr": [0.1], "seeds": 1, "jobs": 1, "path": tmp_path / "x.jsonl", "progress": False}

    def run(lr, seed):
        return lr

    sweep(run, **grid)
    monkeypatch.setattr(tinygrad_edu, "__version__", "99.0")
    with pytest.warns(UserWarning, match=r"another version of run, .* or of tinygrad_edu") as said:
        sweep(run, **grid)
    assert said[0].filename == __file__
    sweep(run, **grid)  # and says nothing
    assert grid["path"].read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    "grid", [{"settings": ["a", "b"]}, {"lr": [0.1, 0.2], "crc32": ["01234567"]}]
)
def test_settings_and_numbers_may_have_the_names_that_the_file_uses(grid, tmp_path):
    calls = deque()

    def run(seed, **settings):
        calls.append(settings)
        return {"settings": 0.5, "loss": 0.1}

    for _ in range(2):
        sweep(run, **grid, seeds=1, jobs=1, path=tmp_path / "x.jsonl", progress=False)
    assert len(calls) == 2


def test_a_run_that_changes_the_folder_is_added_to_the_same_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    def run(lr, seed):
        monkeypatch.chdir(tmp_path / "other")
        return lr

    sweep(run, lr=[0.1, 0.2], seeds=1, jobs=1, path="x.jsonl", progress=False)
    assert (tmp_path / "x.jsonl").read_bytes().count(b"\n") == 2
