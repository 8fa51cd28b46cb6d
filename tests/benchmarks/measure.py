"""How is everything measured? All competitors take turns in rounds, each in its own process.

A *row* is one piece of work, such as a training step of one network. Each competitor gets the same
weights and the same data, and has its own process with one thread. The losses of the first steps
must agree. Then, in each round, every competitor makes steps for some milliseconds while the others
wait. Ratios are computed for each round, so a slow moment of the machine affects both times of a
ratio. The results are medians and quartiles over the rounds.
"""

import contextlib
import importlib.metadata
import multiprocessing
import os
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers import COMPETITORS, is_installed

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
os.environ.update(ONE_THREAD)

import numpy as np  # noqa: E402  after its number of threads is set
from worker import serve  # noqa: E402

STEPS = 5  # the losses of these first steps must agree


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # the time of a competitor in one round
    patience: float  # the longest time for one answer, in seconds

    def calls(self, seconds: float) -> int:
        return max(1, int(self.seconds / seconds))


QUICK, FULL = Effort(5, 0.002, 60), Effort(30, 0.02, 60)


@dataclass
class Limit:
    """The result of `what` is at most `at_most` times that of `of`; or at most `at_most` itself."""

    what: str
    of: str | None
    at_most: float


@dataclass
class Row:
    """One piece of work for several competitors; the first one is the reference."""

    name: str
    task: str
    arrays: dict[str, Any]
    competitors: list[str]
    options: dict[str, Any] = field(default_factory=dict)
    check: dict[str, Any] = field(default_factory=dict)  # options while the losses are compared
    limits: list[Limit] = field(default_factory=list)
    tolerance: float = 1e-5  # the allowed difference of losses, relative to the first loss


class Process:
    """A competitor in its own process; `cannot` is the reason if it has stopped."""

    def __init__(self, name: str) -> None:
        competitor = COMPETITORS[name]
        self.name, self.cannot = name, ""
        spawn = multiprocessing.get_context("spawn")
        self.connection, other = spawn.Pipe()
        arguments = other, competitor.module, competitor.settings, competitor.variables
        self.process = spawn.Process(target=serve, args=arguments)
        self.process.start()
        other.close()

    def ask(self, question: str, patience: float, **arguments: Any) -> Any:
        """The answer, or None if there is none."""
        if self.cannot:
            return None
        try:
            self.connection.send((question, arguments))
            if not self.connection.poll(patience):
                return self.give_up(f"more than {patience:.0f} s")
            state, answer = self.connection.recv()
        except (EOFError, OSError):
            return self.give_up("its process ended")
        return self.give_up(answer) if state == "cannot" else answer

    def give_up(self, why: str) -> None:
        self.cannot = why
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.send(None)
        self.process.join(0.5)
        self.process.kill()
        self.process.join()
        self.connection.close()


def quartiles(values: Iterable[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [float(x) for x in np.percentile(list(values), (25, 50, 75))]


def ratios(values: Iterable[float], reference: Iterable[float]) -> list[float]:
    """The quartiles of the ratios over the rounds."""
    return quartiles(np.divide(list(values), list(reference)))


def result_of(
    name: str,
    unit: str,
    rounds: dict[str, list[float]],
    cannot: dict[str, str] | None = None,
    limits: Iterable[Limit] = (),
) -> dict[str, Any]:
    """A row in the form in which it is stored; the first competitor is the reference."""
    reference = next(iter(rounds), None)
    results: dict[str, Any] = {}
    for competitor in COMPETITORS:
        if competitor in rounds:
            values = rounds[competitor]
            results[competitor] = {
                "quartiles": quartiles(values),
                "ratio": ratios(values, rounds[reference]),
            }
        elif competitor in (cannot or {}):
            results[competitor] = {"cannot": cannot[competitor]}
    found = [judged(name, unit, limit, rounds) for limit in limits if is_known(limit, rounds)]
    about = {"name": name, "unit": unit, "reference": reference}
    return {**about, "results": results, "limits": found}


def is_known(limit: Limit, rounds: dict[str, list[float]]) -> bool:
    return limit.what in rounds and (limit.of is None or limit.of in rounds)


def judged(name: str, unit: str, limit: Limit, rounds: dict[str, list[float]]) -> dict[str, Any]:
    """The limit with the measured number: a ratio, which has no unit, or an amount."""
    values = rounds[limit.what]
    unit = "" if limit.of else unit
    found = quartiles(values) if limit.of is None else ratios(values, rounds[limit.of])
    text = f"{name}: {limit.what}" + (f" / {limit.of}" if limit.of else "")
    return {"text": text, "found": found[1], "at_most": limit.at_most, "unit": unit}


def reversed_pairs(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of competitors whose order has changed, with quartiles that do not overlap."""

    def faster(row: dict[str, Any]) -> set[tuple[str, str]]:
        found = {name: x["quartiles"] for name, x in row["results"].items() if "quartiles" in x}
        return {(a, b) for a, x in found.items() for b, y in found.items() if x[2] < y[0]}

    return sorted((a, b) for a, b in faster(now) if (b, a) in faster(before))


def compare(row: Row, effort: Effort, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of a step of each competitor."""
    say(row.name)
    names = [name for name in row.competitors if is_installed(name)]
    for name in set(row.competitors) - set(names):
        say(f"  {name} is not installed: skipped")
    processes = {name: Process(name) for name in names}
    try:
        agree(row, processes, effort)
        calls = prepare(row, processes, effort, say)
        rounds: dict[str, list[float]] = {name: [] for name in calls}
        for i in range(effort.rounds):
            for name in list(rounds)[:: 1 if i % 2 else -1]:
                found = processes[name].ask("seconds", effort.patience, calls=calls[name])
                if found is None:
                    del rounds[name]
                else:
                    rounds[name].append(found)
    finally:
        for process in processes.values():
            process.close()
    cannot = {name: process.cannot for name, process in processes.items() if process.cannot}
    return result_of(row.name, "s", rounds, cannot, row.limits)


def agree(row: Row, processes: dict[str, Process], effort: Effort) -> None:
    """Exclude competitors whose first losses differ; raise ArithmeticError if it is ours."""
    options = {**row.options, **row.check}
    expected = None
    for process in processes.values():
        question = {"task": row.task, "arrays": row.arrays, "options": options, "n": STEPS}
        losses = process.ask("losses", effort.patience, **question)
        if losses is None:
            continue
        expected = expected or losses
        difference = np.abs(np.subtract(losses, expected)).max() / max(1e-300, abs(expected[0]))
        if difference <= row.tolerance:
            continue
        process.give_up(f"its losses differ by {difference:.1e}")
        if COMPETITORS[process.name].module == "ours":
            raise ArithmeticError(
                f"{row.name}: the losses of {process.name} differ by {difference:.1e}: "
                f"{losses}, not {expected}"
            )


def prepare(
    row: Row, processes: dict[str, Process], effort: Effort, say: Callable[[str], None]
) -> dict[str, int]:
    """Build all networks; return the number of steps of each competitor in a round."""
    calls = {}
    for name, process in processes.items():
        question = {"task": row.task, "arrays": row.arrays, "options": row.options}
        process.ask("build", effort.patience, **question)
        process.ask("seconds", effort.patience, calls=3)
        seconds = process.ask("seconds", effort.patience, calls=2)
        if process.cannot:
            say(f"  {name}: {process.cannot}")
        else:
            calls[name] = effort.calls(seconds)
            say(f"  {name}: {seconds * 1e3:.3f} ms")
    return calls


def machine() -> dict[str, Any]:
    """The machine, without names of folders or hosts."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": blas(),
        "threads": 1,
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor()


def blas() -> str:
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found['name']} {found['version']}"


def versions() -> dict[str, str]:
    """{package: version} of all installed competitors, of NumPy and of numba."""
    found = {}
    for package in ("numpy", *sorted({x.package for x in COMPETITORS.values()} - {"numpy"})):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
