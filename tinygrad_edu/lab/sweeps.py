"""Which learning rate, which width, which optimizer is best? Try all, each with several seeds."""

import csv
import inspect
import io
import itertools
import json
import math
import operator
import os
import platform
import reprlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.graph import plain
from tinygrad_edu.lab.curve import NO_FALL, SHORTEST, curve_verdict
from tinygrad_edu.lab.deadline import TimeLimitError, check_time_limit, time_limit
from tinygrad_edu.lab.processes import Lost
from tinygrad_edu.lab.program import code_fingerprint
from tinygrad_edu.lab.run_log import RunLog
from tinygrad_edu.lab.runs import Run, Settings, key, label, labels, settings_text
from tinygrad_edu.lab.workers import Workers, workers_for
from tinygrad_edu.optim.settings import one_of
from tinygrad_edu.progress import Progress
from tinygrad_edu.rng import Package, manual_seed

Task = tuple[Settings, int]
# A run is as good as the best setting if the gap between its last loss and the best loss is at most
# NEAR - 1 times the best loss, and at most PART of the way from the run's start to the best loss;
# or if the gap is at most CLOSE of that way.
NEAR = 2.0
PART = 0.25
CLOSE = 0.01


@dataclass(frozen=True)
class Row:
    """All runs of one combination of settings.

    mean      {name: the mean of this number over the seeds}
    spread    {name: its standard deviation, with n - 1}; 0 for one seed
    verdicts  {verdict: how many runs got it}
    """

    settings: Settings
    runs: list[Run]

    @property
    def mean(self) -> dict[str, float]:
        with np.errstate(all="ignore"):  # infinity - infinity
            return {name: float(np.mean(self.values(name))) for name in metrics_of(self.runs)}

    @property
    def spread(self) -> dict[str, float]:
        return {name: deviation(self.values(name)) for name in metrics_of(self.runs)}

    @property
    def verdicts(self) -> dict[str, int]:
        return dict(Counter(run.verdict for run in self.runs).most_common())

    def __str__(self) -> str:
        """The settings, the numbers, and the failed runs with a reason."""
        numbers = ", ".join(f"{name} {self.number(name)}" for name in metrics_of(self.runs))
        reasons = {x.verdict: x.reason for x in reversed(self.runs)}  # the first of each
        failed = [
            f"{count} {verdict} ({reasons[verdict]})"
            for verdict, count in self.verdicts.items()
            if verdict in ("diverged", "error")
        ]
        said = "; ".join(x for x in (numbers, *failed) if x)
        return f"{settings_text(self.settings)}: {said}"

    def number(self, metric: str) -> str:
        """mean ± spread; "" if no run has this number."""
        if not self.values(metric):
            return ""
        spread = f" ± {self.spread[metric]:.2g}" if len(self.runs) > 1 else ""
        return f"{self.mean[metric]:.4g}{spread}"

    def values(self, metric: str) -> list[float]:
        return [run.numbers[metric] for run in self.runs if metric in run.numbers]

    def finished(self, metric: str) -> bool:
        """Whether every run has this number, and all of them are finite."""
        values = self.values(metric)
        return len(values) == len(self.runs) and all(map(math.isfinite, values))


@dataclass(frozen=True)
class Sweep:
    """The runs of a grid, in the order of the grid. `print` shows a table and the best setting."""

    runs: list[Run]

    @property
    def rows(self) -> list[Row]:
        """One Row for each combination of settings."""
        groups: dict[str, list[Run]] = {}
        for run in self.runs:
            groups.setdefault(key(run.settings), []).append(run)
        return [Row(runs[0].settings, runs) for runs in groups.values()]

    @property
    def metrics(self) -> list[str]:
        """The names of all numbers that the runs returned."""
        return metrics_of(self.runs)

    def best(self, metric: str | None = None, mode: Literal["min", "max"] = "min") -> Row:
        """The row with the best mean of `metric`, if the metric is finite in each of its runs.

        metric  the name of a number; default: the loss
        mode    "min", or "max" if a large value is good, such as an accuracy

        Raises ValueError for an unknown metric or mode, and if no row has a finite metric in all
        its runs.
        """
        if not self.metrics:
            raise ValueError(f"no run returned a number; the first run: {self.runs[0]}")
        metric = loss_name(self.metrics) if metric is None else metric
        if metric not in self.metrics:
            raise ValueError(f"metric is one of {', '.join(self.metrics)}, not {metric!r}")
        one_of("mode", mode, "min", "max")
        rows = [row for row in self.rows if row.finished(metric)]
        if not rows:
            raise ValueError(f"no setting has a finite {metric} for every seed")
        return (min if mode == "min" else max)(rows, key=lambda row: row.mean[metric])

    def table(self, style: Literal["plain", "markdown", "csv"] = "plain") -> str:
        """One line for each combination of settings: mean ± spread of each number, and verdicts.

        style  "plain", "markdown" or "csv"; in a csv table mean and spread have their own columns
        """
        rows = self.rows
        if style == "csv":
            return comma_separated(rows, self.metrics)
        lines = [[*rows[0].settings, *self.metrics, "verdict"]]
        for row in rows:
            numbers = [row.number(metric) for metric in self.metrics]
            settings = [str(label(x)) for x in row.settings.values()]
            lines.append([*settings, *numbers, verdict_counts(row.verdicts)])
        if style == "markdown":
            rule = ["---"] * len(lines[0])
            return "\n".join(
                "| " + " | ".join(x.replace("|", "\\|") for x in line) + " |"
                for line in [lines[0], rule, *lines[1:]]
            )
        if style != "plain":
            raise ValueError(f'style is "plain", "markdown" or "csv", not {style!r}')
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def __str__(self) -> str:
        metric = loss_name(self.metrics)
        if metric is None or not any(row.finished(metric) for row in self.rows):
            return self.table()
        best = self.best()
        found = f"best {metric} {best.mean[metric]:.4g}: {settings_text(best.settings)}"
        failed = sum(best.verdicts.get(x, 0) for x in ("diverged", "oscillating"))
        more = ""
        if failed:
            more = f"; but {failed} of its {len(best.runs)} runs diverged or oscillated"
        elif "falling" in best.verdicts:
            more = "; it still falls, and more steps would lower it"
        return f"{self.table()}\n{found}{more}"


def sweep(
    run: Callable[..., Any],
    *,
    seeds: int | Iterable[int] = 3,
    jobs: int = -1,
    backend: str | None = None,
    path: str | Path | None = None,
    time_limit: float | None = None,
    progress: bool = True,
    **grid: Iterable[Any],
) -> Sweep:
    """Call run(lr=..., width=..., seed=...) for all combinations of lr=[...], width=[...], ...

    run       a function that returns a number, a list (the loss of each step or epoch), or a dict
              of numbers and lists. The seed decides all random numbers of the package's generator
    seeds     a list of seeds, used for every setting; a number n stands for 0, 1, ..., n - 1;
              default: 3
    jobs      the number of processes that joblib starts; default: -1, one for each core; 1 without
              `backend`: no other process
    backend   joblib's name for what starts the processes; "dask": the cluster of the current
              `distributed.Client`; default: the choice of `joblib.parallel_config`, or "loky"
    path      a file that gets one line of JSON for each run, when the run is done. A later sweep
              reads undamaged lines of the file and makes only the other runs, if the version of the
              package and the code of `run` and of all that it calls are the same (`lab.program`
              says what counts as code). Runs that raised an error are made again. Several sweeps
              may use one file at the same time
    time_limit
              the seconds after which a run is stopped; a worker process that still runs after twice
              this time is killed. Without worker processes, a run in compiled code stops only when
              it returns to Python. On a Dask cluster a run is not stopped; its worker is killed
    progress  show a progress bar (tqdm, in a terminal), or print one line for each setting when its
              last run is done, in the order of the grid

    A run that raises an error, ends its process or exceeds the time limit gets the verdict "error",
    and the other runs go on. FloatingPointError and OverflowError count as diverged.
    Warns of damaged lines in the file, and of runs in it that another version of `run` made.
    Raises ValueError for an empty grid, a seed that is given twice, a learning rate that is not
    above 0, a file that is not from a sweep, and a time limit that cannot be kept; TypeError for
    settings that `run` does not accept and for a `run` that returns no numbers; ImportError if
    joblib is needed and missing; ConnectionError if the scheduler of a cluster, or all its workers,
    are gone.
    """
    numbers = seed_list(seeds)
    tasks = [(settings, seed) for settings in combinations(grid) for seed in numbers]
    check_arguments(run, tasks[0])
    workers = None if jobs == 1 and backend is None else workers_for(jobs, backend)
    check_time_limit(time_limit, workers)
    names = [key(*task) for task in tasks]
    log = None
    if path is not None:
        log = RunLog(Path(path), dict(zip(names, programs(run, tasks), strict=True)))
    done = {} if log is None else log.read()
    todo = not_done(tasks, names, log)
    with closing(outcomes(run, tasks, todo, workers, time_limit)) as runs:
        for name, one in watched(runs, tasks, done, progress):
            if log is not None:
                log.add(name, one)
    return Sweep(compared([replace(done[key(*task)], settings=task[0]) for task in tasks]))


def programs(run: Callable[..., Any], tasks: Iterable[Task]) -> Iterator[str]:
    """The program of each run: the package's version and the fingerprint of its code."""
    version = sys.modules["tinygrad_edu"].__version__
    code = code_fingerprint(run)
    for settings, _ in tasks:
        yield f"{version} {code_fingerprint(code, *settings.values())}"


def not_done(
    tasks: Sequence[Task], names: Sequence[str], log: RunLog | None
) -> Iterator[tuple[int, Task]]:
    """Yield the numbered tasks whose runs are not in the file yet; other sweeps may add some."""
    for i, task in enumerate(tasks):
        if log is None or (names[i] not in log.runs and names[i] not in log.refresh()):
            yield i, task


# The grid


def seed_list(seeds: int | Iterable[int]) -> list[int]:
    found = [operator.index(x) for x in (range(seeds) if isinstance(seeds, int) else seeds)]
    if not found:
        raise ValueError(f"seeds must be at least 1, and it is {seeds}")
    if len(set(found)) < len(found):
        raise ValueError(f"every seed must be given once, and they are {found}")
    return found


def combinations(grid: Mapping[str, Iterable[Any]]) -> list[Settings]:
    """All combinations of the values; the last name changes fastest."""
    if not grid:
        raise ValueError("the grid is empty: give values to try, as in lr=[0.001, 0.01, 0.1]")
    lists = {name: choices(name, values) for name, values in grid.items()}
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def choices(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of values to try, not {values!r}: {name}=[...]")
    found = [x.item() if isinstance(x, np.generic) else x for x in values]
    if not found:
        raise ValueError(f"the grid is empty: {name} has no values, give one or more to try")
    if name == "lr":
        if not all(isinstance(x, int | float) for x in found):
            raise TypeError(f"lr must be a list of numbers, and it is {found}")
        if not all(0 < x < math.inf for x in found):
            raise ValueError(f"every lr must be finite and above 0, and they are {found}")
    seen = [json.dumps(label(x)) for x in found]
    if len(set(seen)) < len(seen):
        raise ValueError(f"two values of {name} look the same in a table: {', '.join(seen)}")
    return found


def check_arguments(run: Callable[..., Any], task: Task) -> None:
    settings, seed = task
    try:
        signature = inspect.signature(run)
    except ValueError:
        return  # some functions written in C have no signature
    try:
        signature.bind(**settings, seed=seed)
    except TypeError as error:
        raise TypeError(
            f"run{signature} cannot be called with {', '.join([*settings, 'seed'])}: {error}"
        ) from None


# One run

ALONE = threading.RLock()  # threads of one process share the package's generator


def this_process() -> tuple[str, int]:
    """The machine's name and the process's id: no other process has both."""
    return platform.node(), os.getpid()


def attempt(run: Callable[..., Any], limit: float | None, home: tuple[str, int], task: Task) -> Run:
    """Call run with its own seed and return its result. The generator is put back afterwards.

    home  the id of the sweep's own process; any other process may be killed at its time limit
    """
    settings, seed = task
    kill = this_process() != home
    try:
        with ALONE, seeded(seed), time_limit(limit, kill=kill), np.errstate(all="ignore"):
            returned = run(**settings, seed=seed)
    except (FloatingPointError, OverflowError) as error:
        return Run(settings, seed, {}, {}, "diverged", error_text(error))
    except (Exception, SystemExit, TimeLimitError) as error:
        return Run(settings, seed, {}, {}, "error", error_text(error))
    values = numbers_in(returned, settings, seed)
    curves = {name: x.tolist() for name, x in values.items() if x.ndim}
    numbers = {name: float(x if x.ndim == 0 else x[-1]) for name, x in values.items()}
    judged = loss_name(curves)
    if judged is not None and len(curves[judged]) >= SHORTEST:
        found = curve_verdict(curves[judged])
        return Run(settings, seed, numbers, curves, found.kind, found.reason)
    if not all(map(math.isfinite, numbers.values())):
        return Run(settings, seed, numbers, curves, "diverged", "a number is not finite")
    return Run(settings, seed, numbers, curves, "finished", "there is no curve of losses to judge")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block, the package's generator starts from this seed; then the old one is back."""
    before = Package.rng
    with afterwards(lambda: setattr(Package, "rng", before)):
        manual_seed(seed)
        yield


def error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def numbers_in(returned: Any, settings: Settings, seed: int) -> dict[str, npt.NDArray[Any]]:
    """What run returned, as arrays by name, each of shape () or (n,) with n > 0."""
    pairs = returned if isinstance(returned, Mapping) else {"loss": returned}
    try:
        values = {str(name): np.asarray(plain(x)) for name, x in pairs.items()}
    except (TypeError, ValueError):  # a list of Tensors, or of lists
        values = {}
    if values and all(x.dtype.kind in "biuf" and x.ndim < 2 and x.size for x in values.values()):
        return values
    raise TypeError(
        "run must return a number, a list of numbers (use .item() on a Tensor), or a dict of "
        f"these, and run({settings_text(settings)}, seed={seed}) returned {reprlib.repr(returned)}"
    )


# The runs in the order in which they are done


def outcomes(
    run: Callable[..., Any],
    tasks: Sequence[Task],
    todo: Iterable[tuple[int, Task]],
    workers: Workers | None,
    limit: float | None,
) -> Generator[Run]:
    """Yield each run when it is done. Without workers, this process makes one after the other."""
    one = partial(attempt, run, limit, this_process())
    if workers is None:
        yield from (one(task) for _, task in todo)
        return
    for i, out in workers.map(one, todo, limit):
        yield Run(*tasks[i], {}, {}, "error", str(out)) if isinstance(out, Lost) else out


def watched(
    runs: Iterable[Run], tasks: list[Task], done: dict[str, Run], show: bool
) -> Iterator[tuple[str, Run]]:
    """Yield (key, run) for each run, add it to `done`, and show the progress.

    A setting is shown when all its runs are done, and those before it in the grid are shown.
    """
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(key(task[0]), []).append(key(*task))
    waiting = [names for names in groups.values() if not done.keys() >= set(names)]
    with Progress(show, len(tasks), done=len(done), unit="run") as shown:

        def show_finished() -> None:
            while waiting and done.keys() >= set(waiting[0]):
                found = [done[name] for name in waiting.pop(0)]
                row = Row(found[0].settings, found)
                shown.tell(str(row), settings_text(row.settings))

        if done:
            shown.tell(f"{len(done)} of {len(tasks)} runs were done before", "")
        for one in runs:
            name = key(one.settings, one.seed)
            if one.verdict != "error" or name not in done:  # another sweep may have finished it
                done[name] = one
            shown.step()
            show_finished()
            yield name, one
        show_finished()  # those that another sweep has finished last


# Verdicts that use the other runs


def compared(runs: list[Run]) -> list[Run]:
    """The runs with verdicts that compare each with the best setting.

    A curve alone does not show whether a flat loss is at its minimum or far above it. Nor does it
    show whether a falling loss needs a larger learning rate or only more steps.
    """
    found = Sweep(runs)
    metric = loss_name(found.metrics)
    if metric is None or len(found.rows) < 2 or not any(x.finished(metric) for x in found.rows):
        return runs
    best = found.best(metric).mean[metric]
    return [judged_again(run, metric, best) for run in runs]


def judged_again(run: Run, metric: str, best: float) -> Run:
    if run.verdict not in ("converged", "slow") or metric not in run.curves:
        return run
    if run.reason.endswith(NO_FALL):
        return run  # a loss that never fell stays "slow", even near the best loss
    way, end = abs(run.curves[metric][0] - best), run.numbers[metric]
    near = end - best <= max(min((NEAR - 1) * abs(best), PART * way), CLOSE * way)
    if near == (run.verdict == "converged"):
        return run
    if near:
        return replace(run, verdict="falling")
    reason = f"{run.reason}, but the best setting reaches {best:.4g}"
    return replace(run, verdict="stalled", reason=reason)


# Numbers and words


def deviation(values: Sequence[float]) -> float:
    """The standard deviation (n - 1): exactly 0 for equal values, and without overflow."""
    with np.errstate(all="ignore"):  # infinity - infinity
        off = np.subtract(values, values[0])
        unit = np.max(np.abs(off)) or 1.0
        return float(unit * np.std(off / unit, ddof=1)) if len(values) > 1 else 0.0


def metrics_of(runs: Iterable[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.numbers))


def loss_name(names: Iterable[str]) -> str | None:
    """The name of the loss: "loss", or the first name that contains "loss"; None without one."""
    found = [name for name in names if "loss" in name]
    return "loss" if "loss" in found else next(iter(found), None)


def verdict_counts(verdicts: Mapping[str, int]) -> str:
    """The verdict, or the number of runs with each verdict if they differ."""
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())


def comma_separated(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    both = [f"{metric} {what}" for metric in metrics for what in ("mean", "spread")]
    writer.writerow([*rows[0].settings, *both, "verdict"])
    for row in rows:
        mean, spread = row.mean, row.spread
        numbers = [table.get(metric, "") for metric in metrics for table in (mean, spread)]
        writer.writerow([*labels(row.settings).values(), *numbers, verdict_counts(row.verdicts)])
    return text.getvalue()
