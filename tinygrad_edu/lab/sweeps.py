"""Which learning rate, which width, which optimizer is best? Try all, each with several seeds."""

import csv
import inspect
import io
import itertools
import json
import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.lab.curve import NO_FALL
from tinygrad_edu.lab.deadline import check_time_limit
from tinygrad_edu.lab.runner import Runner, Task
from tinygrad_edu.lab.runs import Run, Settings, key, label, labels, loss_name, settings_text, shown
from tinygrad_edu.lab.samplers import Questions, from_optuna, quiet, settings_of, study_of
from tinygrad_edu.lab.search import Between, Space, drawn, halved, without
from tinygrad_edu.lab.tables import read_table, write_table
from tinygrad_edu.lab.workers import workers_for
from tinygrad_edu.optim.settings import one_of, whole
from tinygrad_edu.progress import Progress

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
    """The runs of a grid, in the order of the grid. `print` shows a table and the best setting.

    budget  the name of the budget after `search="halving"`; None after other sweeps
    """

    runs: list[Run]
    budget: str | None = None

    @property
    def rows(self) -> list[Row]:
        """One Row for each combination of settings; after halving, with its largest budget."""
        furthest = {key(without(row.settings, self.budget)): row for row in self.every_row}
        return list(furthest.values())

    @property
    def every_row(self) -> list[Row]:
        """One Row for each combination of settings and each of its budgets."""
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

        After successive halving, only settings with the largest budget are compared.

        metric  the name of a number; default: the loss
        mode    "min", or "max" if a large value is good, such as an accuracy

        Raises ValueError for an unknown metric or mode, and if no row has a finite metric in all
        its runs.
        """
        if not self.metrics:
            raise ValueError(f"no run returned a number; the first run: {self.runs[0]}")
        rows = self.ranked(metric, mode)
        if not rows:
            name = metric or loss_name(self.metrics)
            raise ValueError(f"no setting has a finite {name} for every seed")
        if (budget := self.budget) is None:
            return rows[0]
        return max(rows, key=lambda row: row.settings[budget])  # the first of the largest

    def ranked(self, metric: str | None = None, mode: Literal["min", "max"] = "min") -> list[Row]:
        """Every row whose every run has a finite `metric`, the best mean first.

        Raises ValueError for an unknown metric or mode.
        """
        if not self.metrics:
            return []
        name = loss_name(self.metrics) if metric is None else metric
        if name is None or name not in self.metrics:
            raise unknown_metric(self.metrics, metric)
        one_of("mode", mode, "min", "max")
        sign = 1 if mode == "min" else -1
        rows = [row for row in self.every_row if row.finished(name)]
        return sorted(rows, key=lambda row: sign * row.mean[name])

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
            settings = [shown(x) for x in row.settings.values()]
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

    def save(self, path: str | Path) -> None:
        """Write the runs as a table, a row for each: .csv, .parquet or .sqlite.

        The columns are settings.<name> (of a budget, budget.<name>), seed, numbers.<name>,
        curves.<name>, verdict and reason. Functions and classes among the settings are written by
        their names. In a .sqlite file it is the table `runs`, and other tables stay.
        Raises ValueError for another suffix, ImportError if .parquet has no pyarrow.
        """
        write_table(self.runs, self.budget, path)

    def __str__(self) -> str:
        metric = loss_name(self.metrics)
        if metric is None or not self.ranked(metric):
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


def load_sweep(path: str | Path) -> Sweep:
    """What `Sweep.save` wrote, with functions and classes among the settings as their names.

    Raises ValueError for a file of something else, FileNotFoundError if there is none.
    """
    return Sweep(*read_table(path))


def sweep(
    run: Callable[..., Any],
    *,
    seeds: int | Iterable[int] = 3,
    jobs: int = -1,
    backend: str | None = None,
    path: str | Path | None = None,
    time_limit: float | None = None,
    progress: bool = True,
    search: Any = None,
    trials: int | None = None,
    rng: int | np.random.Generator = 0,
    budget: str | None = None,
    metric: str | None = None,
    mode: Literal["min", "max"] = "min",
    **grid: Iterable[Any] | Between,
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
    search    None: try all combinations. "random": try `trials` of them, drawn at random.
              "halving": all combinations, or `trials` of them, get the smallest budget; the best go
              on to the next budget, and so on. A sampler or a study of Optuna: it chooses `trials`
              settings. A setting may then be a range, as in lr=lab.between(1e-4, 1.0, log=True)
    trials    the number of combinations to try
    rng       the seed or the generator of the draw; the same seed draws the same settings
    budget    for "halving", the name of the setting whose values are the budgets. With "epochs" and
              epochs=[1, 3, 9], the best third of the settings gets three times the epochs
    metric, mode
              what "halving" and Optuna look for, as in `Sweep.best`; default: a low loss

    A run that raises an error, ends its process or exceeds the time limit gets the verdict "error",
    and the other runs go on. FloatingPointError and OverflowError count as diverged.
    Warns of damaged lines in the file, and of runs in it that another version of `run` made.
    Raises ValueError for an empty grid, a seed that is given twice, a learning rate that is not
    above 0, arguments of a search that do not fit together, a file that is not from a sweep, and a
    time limit that cannot be kept; TypeError for settings that `run` does not accept and for a
    `run` that returns no numbers; ImportError if joblib is needed and missing; ConnectionError if
    the scheduler of a cluster, or all its workers, are gone.
    """
    numbers = seed_list(seeds)
    trials = None if trials is None else whole("trials", trials)
    space: dict[str, Any] = {name: choices(name, values) for name, values in grid.items()}
    check_search(search, space, trials, budget)
    check_goal(search, metric, mode)
    check_arguments(run, ({name: one_of_them(x) for name, x in space.items()}, numbers[0]))
    workers = None if jobs == 1 and backend is None else workers_for(jobs, backend)
    check_time_limit(time_limit, workers)
    if from_optuna(search) and trials is not None:
        runner = Runner(run, numbers, workers, time_limit, path)
        return Sweep(sampled(runner, search, space, trials, metric, mode, progress))
    budgets = [] if budget is None else space.pop(budget)
    settings = combinations(space) if trials is None else drawn(space, trials, rng)
    runner = Runner(run, numbers, workers, time_limit, path)
    if budget is None:
        runner.expect(settings)
    else:
        runner.expect({**each, budget: x} for each in settings for x in budgets)
    if runner.log is not None:
        runner.done = runner.log.read()
    if budget is None:
        return Sweep(made(runner, settings, progress))
    runs = halved(
        settings,
        budget,
        sorted(budgets),
        make=lambda some: made(runner, some, progress),
        ranked=lambda runs: [row.settings for row in Sweep(runs).ranked(metric, mode)],
    )
    return Sweep(runs, budget)


def sampled(
    runner: Runner,
    search: Any,
    space: Space,
    trials: int,
    metric: str | None,
    mode: Literal["min", "max"],
    show: bool,
) -> list[Run]:
    """The runs of the settings that a sampler of Optuna chose, now or before (in the file)."""
    known: list[Settings] = []
    if runner.log is not None:
        found = [settings_of(labels, space) for labels in runner.log.settings()]
        there = [settings for settings in found if settings is not None]
        runner.expect(there)
        runner.done = runner.log.read()
        known = [x for x in there if any(key(*task) in runner.done for task in runner.tasks([x]))]

    def row_of(settings: Settings) -> Row | None:
        """The row of these settings, if all its runs are done."""
        names = [key(*task) for task in runner.tasks([settings])]
        runs = [runner.done[name] for name in names if name in runner.done]
        return Row(settings, runs) if len(runs) == len(names) else None

    def value(settings: Settings) -> float | None:
        row = row_of(settings)
        return None if row is None else worth(row, metric, mode)

    known = known[:trials]
    before = sum(key(*task) in runner.done for task in runner.tasks(known))
    total = trials * len(runner.seeds)
    with quiet(), Progress(show, total, done=before, unit="run") as shown:
        if before:
            shown.tell(f"{before} of {total} runs were done before", "")
        questions = Questions(study_of(search, mode), space, trials, known, value)

        def settings() -> Iterator[Settings]:
            yield from known
            for each in questions.asked():
                runner.expect([each])
                yield each

        with (
            afterwards(questions.give_up),
            closing(runner.results(runner.tasks(settings()))) as runs,
        ):
            for _ in runs:
                shown.step()
                for each in questions.tell():
                    shown.tell(str(row_of(each)), settings_text(each))
    return compared(runner.runs_of(questions.settings.values()))


def worth(row: Row, metric: str | None, mode: str) -> float:
    """The mean of the metric; infinitely bad if a run diverged, nan if a run raised an error."""
    names = metrics_of(row.runs)
    name = loss_name(names) if metric is None else metric
    if "error" in row.verdicts:
        return math.nan
    if name is not None and row.finished(name):
        return row.mean[name]
    if names and name not in names:
        raise unknown_metric(names, metric)
    return math.inf if mode == "min" else -math.inf


def unknown_metric(names: Sequence[str], metric: str | None) -> ValueError:
    known = ", ".join(names)
    if metric is None:
        return ValueError(f"no number is called a loss: choose one of {known}, as in metric=...")
    return ValueError(f"metric is one of {known}, not {metric!r}")


def made(runner: Runner, settings: list[Settings], progress: bool) -> list[Run]:
    """All runs of these settings. Their verdicts compare them with each other."""
    with closing(runner.results(runner.tasks(settings))) as runs:
        watch(runs, list(runner.tasks(settings)), runner.done, progress)
    return compared(runner.runs_of(settings))


# The grid

SEARCHES = None, "random", "halving"


def check_search(search: Any, space: Space, trials: int | None, budget: str | None) -> None:
    """Raise ValueError if the arguments of a search do not fit together."""
    optuna = from_optuna(search)
    if not optuna and search not in SEARCHES:
        raise ValueError(
            'search is None, "random", "halving", or a sampler or study of Optuna, and it is '
            f"{search!r}"
        )
    if trials is not None and search is None:
        raise ValueError('trials is for a search: search="random" tries so many combinations')
    if not space:
        raise ValueError("the grid is empty: give values to try, as in lr=[0.001, 0.01, 0.1]")
    ranges = [name for name, x in space.items() if isinstance(x, Between)]
    if (search == "random" or optuna) and trials is None:
        what = 'search="random"' if search == "random" else "a search by Optuna"
        raise ValueError(f"{what} needs trials=: how many combinations it tries")
    if ranges and trials is None:
        raise ValueError(
            f"{ranges[0]} is a range, which has no end of values: say how many to try, as with "
            'search="random", trials=20'
        )
    if search == "halving":
        check_budgets(space, budget)
    elif budget is not None:
        raise ValueError(f'budget={budget!r} is for search="halving"')


def check_goal(search: Any, metric: str | None, mode: str) -> None:
    one_of("mode", mode, "min", "max")
    if search in (None, "random") and (metric is not None or mode == "max"):
        raise ValueError(
            "metric and mode decide which settings a search tries next, and this one tries all: "
            f"leave them out here, and ask the result for .best({metric!r}, {mode!r})"
        )


def check_budgets(space: Space, budget: str | None) -> None:
    if not isinstance(budget, str) or budget not in space:
        raise ValueError(
            f'search="halving" needs the name of a setting as its budget, and it is {budget!r}: '
            'budget="epochs", epochs=[1, 3, 9]'
        )
    values = space[budget]
    if isinstance(values, Between) or not all(is_budget(x) for x in values) or len(values) < 2:
        raise ValueError(
            f"{budget} must be two or more numbers above 0, such as [1, 3, 9], and it is {values}"
        )
    if len(set(values)) < len(values):
        raise ValueError(f"each budget must be given once, and {budget} is {values}")
    if len(space) == 1:
        raise ValueError(f"the grid is empty: there is nothing to try but {budget}")


def is_budget(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and 0 < x < math.inf


def combinations(space: Mapping[str, Any]) -> list[Settings]:
    """Every combination of the values, the last name changing the fastest."""
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


def one_of_them(values: list[Any] | Between) -> Any:
    return values.low if isinstance(values, Between) else values[0]


def seed_list(seeds: int | Iterable[int]) -> list[int]:
    found = [operator.index(x) for x in (range(seeds) if isinstance(seeds, int) else seeds)]
    if not found:
        raise ValueError(f"seeds must be at least 1, and it is {seeds}")
    if len(set(found)) < len(found):
        raise ValueError(f"every seed must be given once, and they are {found}")
    return found


def choices(name: str, values: Any) -> list[Any] | Between:
    """The values to try, checked."""
    if isinstance(values, Between):
        if name == "lr" and values.low <= 0:
            raise ValueError(f"every lr must be above 0, and it is {values}")
        return values
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


# Runs and their progress


def watch(runs: Iterable[Run], tasks: list[Task], done: dict[str, Run], show: bool) -> None:
    """Wait for the runs, which appear in `done`; show each setting in the order of the grid."""
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(key(task[0]), []).append(key(*task))
    waiting = [names for names in groups.values() if not done.keys() >= set(names)]
    before = sum(name in done for names in groups.values() for name in names)
    with Progress(show, len(tasks), done=before, unit="run") as shown:

        def show_finished() -> None:
            while waiting and done.keys() >= set(waiting[0]):
                found = [done[name] for name in waiting.pop(0)]
                row = Row(found[0].settings, found)
                shown.tell(str(row), settings_text(row.settings))

        if before:
            shown.tell(f"{before} of {len(tasks)} runs were done before", "")
        for _ in runs:
            shown.step()
            show_finished()
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
