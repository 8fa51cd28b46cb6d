"""lab.sweep, interrupted, and killed with its workers: no finished run is lost, and none is wrong.

Most of it takes long, and .ci/run does it.
"""

import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import pytest
import swept
from drawn import long

from tinygrad_edu.lab import cluster as clusters
from tinygrad_edu.lab.sweeps import sweep

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no such signals")
FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def undisturbed():
    with mock.patch.dict(os.environ, SECONDS="0"):
        return sweep(swept.run, **swept.GRID, jobs=1, progress=False)


@pytest.fixture(scope="module")
def cluster():
    """Four worker processes, which start again when they die."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    import dask

    with (
        dask.config.set(
            {
                "distributed.deploy.lost-worker-timeout": "10 minutes",  # to start again
                "distributed.worker.multiprocessing-method": "forkserver",  # which is faster
            }
        ),
        warnings.catch_warnings(action="ignore"),
        mock.patch.dict(os.environ),  # Dask leaves settings of malloc there
        distributed.LocalCluster(
            n_workers=4,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster):
    """A connection to the cluster, with all its workers there."""
    from distributed import Client

    with warnings.catch_warnings(action="ignore"), Client(cluster) as client:
        client.wait_for_workers(4, timeout=60)
        yield client


def start(path, where, **environment):
    """A sweep in a process of its own, in which the runs have begun."""
    process = subprocess.Popen(
        [sys.executable, "swept.py", str(path), where],
        cwd=FOLDER,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def lines_in(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def has_lines(path, count):
    return lines_in(path) >= count


def processes_of(session):
    """Those that are alive in a session."""
    table = subprocess.run(
        ["ps", "-eo", "pid,sess,stat"], capture_output=True, text=True, check=True
    )
    rows = (line.split() for line in table.stdout.splitlines()[1:])
    return [int(pid) for pid, sid, stat in rows if sid == str(session) and stat[0] != "Z"]


def assert_whole(path, expected):
    """Every run is in the file once, and they come to what they come to undisturbed."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    names = [json.dumps([line["settings"], line["seed"]]) for line in lines]
    assert len(set(names)) == len(names) == len(expected.runs)
    with warnings.catch_warnings(action="error"), mock.patch.object(swept.time, "sleep") as called:
        assert sweep(swept.run, **swept.GRID, jobs=1, path=path, progress=False) == expected
    called.assert_not_called()  # no run was made again


# Interrupts


@pytest.mark.parametrize(
    ("where", "group"),  # a terminal sends the signal to all processes of a group
    [
        ("1", False),
        pytest.param("2", False, marks=long),
        pytest.param("2", True, marks=long),
        pytest.param("dask", False, marks=long),
    ],
)
def test_ctrl_c_keeps_what_is_done_and_leaves_no_process(where, group, tmp_path, request):
    path = tmp_path / "x.jsonl"
    if where == "dask":
        where = request.getfixturevalue("client").scheduler.address
    process = start(path, where, SECONDS="0.2")
    wait_for(partial(has_lines, path, 3))
    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    begun = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begun < 15
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    wait_for(lambda: not processes_of(process.pid), 5)
    lines = path.read_bytes().splitlines(keepends=True)
    assert 3 <= len(lines) < 48
    assert all(line.endswith(b'"}\n') for line in lines)


@long
def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path):
    path, both = tmp_path / "x.jsonl", tmp_path / "both"
    both.mkdir()
    process = start(path, "2", SECONDS="0.1", BOTH=str(both))
    wait_for(partial(has_lines, path, 3))
    done = lines_in(path)
    assert len(processes_of(process.pid)) > 2
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not processes_of(process.pid), 10)
    assert lines_in(path) >= done


# Two sweeps on one file


def test_two_sweeps_at_the_same_time_on_one_file_find_what_one_finds(tmp_path, undisturbed):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"settings": {"lr"')  # as a third one that was killed has left it
    both = [start(path, "1", SECONDS=seconds) for seconds in ("0.01", "0.015")]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    _, *lines = path.read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b'"}\n') for line in lines)
    runs = [json.loads(line) for line in lines]
    assert len({json.dumps([run["settings"], run["seed"]]) for run in runs}) == 48
    assert 48 <= len(runs) <= 96
    with (
        mock.patch.object(swept.time, "sleep") as called,
        pytest.warns(UserWarning, match=r"damaged in lines \[1\]"),
    ):
        found = sweep(swept.run, **swept.GRID, jobs=1, path=path, progress=False)
    called.assert_not_called()  # no run is made again
    assert found == undisturbed


# Kills of the sweep


def test_a_sweep_that_is_killed_and_begun_again_many_times_is_whole(tmp_path, undisturbed):
    path, rng, done = tmp_path / "x.jsonl", random.Random(0), [0]
    server = start(path, "again", SECONDS="0.02")

    def begin():
        server.stdin.write("\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    for _ in range(20):
        process, target = begin(), min(done[-1] + rng.randint(0, 2), 47)
        wait_for(partial(has_lines, path, target))
        time.sleep(rng.uniform(0, 0.03))
        os.kill(process, signal.SIGKILL)
        assert server.stdout.readline() == "over\n"
        done.append(lines_in(path))
    assert done == sorted(done)
    assert done[-1] < 48
    assert len(set(done)) > 5
    begin()
    server.communicate(timeout=30)
    assert_whole(path, undisturbed)


# A cluster whose workers die


def seconds(client, monkeypatch, each):
    """How long a run takes on the workers that are there, and on those that come instead."""
    client.run(os.environ.__setitem__, "SECONDS", each)
    for nanny in client.cluster.workers.values():
        monkeypatch.setitem(nanny.env, "SECONDS", each)


def on_the_cluster(path, **settings):
    patience = {"wait_for_workers_timeout": 120}  # this machine may do a lot at the same time
    with joblib.parallel_config(backend="dask", **patience):
        return sweep(swept.run, **swept.GRID, path=path, progress=False, **settings)


def kill(process):
    with suppress(ProcessLookupError):  # it has just died of itself
        os.kill(process, signal.SIGKILL)


@long
def test_workers_that_are_killed_one_by_one_lose_nothing(
    client, cluster, tmp_path, undisturbed, monkeypatch
):
    path = tmp_path / "x.jsonl"
    first = [worker.pid for worker in cluster.workers.values()]
    assert len(set(first)) == 4

    def kills():
        for k, process in enumerate(first):
            wait_for(partial(has_lines, path, 6 * k + 3))
            kill(process)

    seconds(client, monkeypatch, "0.1")
    with ThreadPoolExecutor(1) as pool:
        killer = pool.submit(kills)
        found = on_the_cluster(path)
        killer.result(timeout=60)
    assert found == undisturbed
    assert_whole(path, undisturbed)
    assert not set(first) & {worker.pid for worker in cluster.workers.values()}


@long
def test_twenty_kills_of_workers_at_random_times_lose_nothing(
    client, cluster, tmp_path, undisturbed, monkeypatch
):
    path, rng, over = tmp_path / "x.jsonl", random.Random(0), threading.Event()
    killed = []
    seconds(client, monkeypatch, "0.3")

    def kills():
        while len(killed) < 20 and not over.is_set():
            time.sleep(rng.uniform(0, 0.5))
            names = [worker.name for worker in cluster.scheduler.workers.values()]
            process = cluster.workers[rng.choice(names)].pid if names else None
            if process is not None:
                killed.append(process)
                kill(process)

    with ThreadPoolExecutor(1) as pool:
        killer = pool.submit(kills)
        try:
            found = on_the_cluster(path)
        finally:
            over.set()
        killer.result(timeout=60)
    assert len(killed) == 20, "the sweep was over too early"
    assert found == undisturbed
    assert_whole(path, undisturbed)


@long
def test_a_run_that_kills_or_hangs_its_worker_is_a_row(client, cluster, tmp_path, monkeypatch):
    import distributed

    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 1)  # 3 by default

    def run(lr, seed):
        if lr == 0.2:
            os.kill(os.getpid(), signal.SIGKILL)
        if lr in (0.3, 0.4):
            (tmp_path / f"{lr}.txt").write_text(distributed.get_worker().address)
        while lr == 0.3:
            pass
        if lr == 0.4:
            re.match(r"(a+)+$", "a" * 60 + "b")  # it holds the interpreter, and all threads, up
        return lr

    path, grid = tmp_path / "x.jsonl", {"lr": [0.1, 0.2, 0.3, 0.4, 0.5], "seeds": 1}
    found = sweep(run, **grid, backend="dask", path=path, time_limit=1, progress=False)
    assert [one.verdict for one in found.runs] == [
        *("finished", "error", "error", "error", "finished")
    ]
    killed, *late = [one.reason for one in found.runs if one.verdict == "error"]
    assert killed == "its worker died 2 times, and 2 times more when it ran alone"
    assert late == ["it took longer than 1 s; at 2 s its worker is killed"] * 2
    assert lines_in(path) == 5
    # Until both workers are killed: the next test counts deaths.
    held_up = {address.read_text() for address in tmp_path.glob("*.txt")}
    assert len(held_up) == 2
    wait_for(lambda: not held_up & cluster.scheduler.workers.keys())


@long
def test_dead_workers_that_held_the_code_are_not_the_fault_of_a_run(client, cluster, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    submit, codes = client.submit, []

    def submit_deadly_code(function, *args, key, **options):
        if function is bytes:
            codes.append(key)
            function = (lambda data: os.kill(os.getpid(), 9)) if len(codes) == 1 else bytes
        return submit(function, *args, key=key, **options)

    monkeypatch.setattr(client, "submit", submit_deadly_code)
    found = sweep(lambda lr, seed: lr, lr=[0.1], seeds=8, backend="dask", progress=False)
    assert [one.verdict for one in found.runs] == ["finished"] * 8
    assert len(codes) == 2


@long
def test_a_limit_that_is_not_reached_changes_nothing_on_a_cluster(
    client, undisturbed, tmp_path, monkeypatch
):
    seconds(client, monkeypatch, "0")
    assert on_the_cluster(tmp_path / "x.jsonl", time_limit=60, jobs=2) == undisturbed


@long
def test_runs_on_a_worker_do_not_see_what_others_change(client):
    data = np.ones(100_000)

    def run(lr, seed):
        data[0] += lr
        return data[0]

    found = sweep(run, lr=[1.0], seeds=12, backend="dask", progress=False)
    assert {one.numbers["loss"] for one in found.runs} == {2.0}


@long
def test_an_error_in_the_sweep_itself_is_raised_and_the_cluster_goes_on(client):
    with pytest.raises(TypeError, match="run must return a number"):
        sweep(lambda lr, seed: None, lr=[0.1], backend="dask", progress=False)
    with pytest.raises(ValueError, match="jobs must be at least 1, or -1 for all, and it is 0"):
        sweep(lambda lr, seed: lr, lr=[0.1], jobs=0, backend="dask", progress=False)
    assert len(sweep(lambda lr, seed: lr, lr=[0.1], backend="dask", progress=False).runs) == 3


@long
def test_without_a_client_it_says_what_to_do(cluster):
    with pytest.raises(ValueError, match="first create a Dask Client"):
        sweep(lambda lr, seed: lr, lr=[0.1], backend="dask", progress=False)


@long
@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_a_cluster_that_is_gone_is_an_error_and_the_runs_are_kept(part, tmp_path, monkeypatch):
    from distributed import Client

    monkeypatch.setattr(clusters, "PATIENCE", 2)
    path, scheduler_file = tmp_path / "x.jsonl", tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(scheduler_file), "--no-dashboard"]
    commands = {"scheduler": ["--port", "0"], "worker": ["--nthreads", "1", "--no-nanny"]}
    with ExitStack() as stack, warnings.catch_warnings(action="ignore"):
        processes = {}
        for name, more in commands.items():
            processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{name}", *options, *more],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"SECONDS": "0.1", "PYTHONPATH": f"{FOLDER.parent}:{FOLDER}"},
            )
            stack.callback(processes[name].wait)
            stack.callback(processes[name].kill)
            wait_for(scheduler_file.exists)
        client = stack.enter_context(Client(scheduler_file=str(scheduler_file), timeout=2))
        client.wait_for_workers(1, timeout=60)

        def kill_it():
            wait_for(partial(has_lines, path, 3))
            processes[part].kill()

        with ThreadPoolExecutor(1) as pool:
            killer = pool.submit(kill_it)
            with (
                pytest.raises(
                    ConnectionError,
                    match=r"the Dask cluster is gone: .* start the same sweep again",
                ),
                joblib.parallel_config(backend="dask", wait_for_workers_timeout=1),
            ):
                sweep(swept.run, **swept.GRID, path=path, progress=False)
            killer.result(timeout=60)
    assert 3 <= lines_in(path) < 48
    with mock.patch.dict(os.environ, SECONDS="0"):
        again = sweep(swept.run, **swept.GRID, path=path, jobs=1, progress=False)
    assert lines_in(path) == len(again.runs) == 48


@long
def test_workers_that_are_threads_of_this_process_keep_no_time_limit(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    with (
        warnings.catch_warnings(action="ignore"),
        distributed.Client(processes=False, n_workers=1, dashboard_address=None),
        pytest.raises(ValueError, match="on a Dask cluster whose workers are processes"),
    ):
        on_the_cluster(tmp_path / "x.jsonl", time_limit=1)
