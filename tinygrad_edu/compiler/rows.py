"""How can the program of one row compute a batch? It runs for each row, and its gradients add up.

The loss of a batch is the mean of the losses of its rows. A program of all rows would repeat the
same lines for each row. So the lines of one row are recorded, and run once for each row.
"""

import functools
import inspect
import operator
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_edu.compiler.calls import INSIDE, Call, Function
from tinygrad_edu.compiler.compiled import LIMIT, Compiled, taking_turns
from tinygrad_edu.compiler.loops.rows import RowsWriter, has_floats_only
from tinygrad_edu.compiler.recording import Argument, Gradient
from tinygrad_edu.compiler.reports import Report, reported
from tinygrad_edu.compiler.running import Runner
from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.compiler.timelines import Timeline
from tinygrad_edu.compiler.verification import compare, nearly_same, same_bits
from tinygrad_edu.modes import RECORDING, no_grad
from tinygrad_edu.transforms import called


@dataclass
class Batch:
    """The arguments of a call, row by row.

    columns  the arrays, each with the rows along its first axis
    table    a line for each row: its numbers from all columns, and then the number of rows
    """

    columns: list[Any]
    table: Any

    @functools.cached_property
    def rows(self) -> list[list[float]]:
        """The table as Python floats."""
        return self.table.tolist()

    def call(self, i: int) -> Call:
        """The call of the function for row i."""
        return Call((*(x[i].tolist() for x in self.columns), float(len(self.table))), {})

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for calls that can share programs: the shapes of a row, and if in no_grad()."""
        return RECORDING.get() is not False, *(x.shape[1:] for x in self.columns)


def batch_of(f: Function, args: tuple[Any, ...]) -> Batch:
    """The arguments as rows. Raises ValueError unless all have equally many rows, at least one."""
    columns = [np.asarray(x, dtype=float) for x in args]
    sizes = {x.shape[:1] for x in columns}
    if len(sizes) != 1 or sizes & {(), (0,)}:
        shapes = ", ".join(f"shape {x.shape}" for x in columns) or "no arguments"
        raise ValueError(
            f"{called(f)} is compiled with rows=True and was called with {shapes}: all arguments "
            "must be arrays with the same number of rows, at least one, along the first axis"
        )
    n = len(columns[0])
    flat = [x.reshape(n, -1) for x in columns]
    return Batch(columns, np.concatenate([*flat, np.full((n, 1), n)], axis=1))


class Sum:
    """The sum of what one program returns for its rows."""

    def __init__(self, runner: Runner, values: tuple[Any, ...]) -> None:
        self.runner = runner
        self.total: tuple[Any, ...] = ()
        self.columns = columns_of(runner)
        self.held = values[len(self.columns) :]

    def add(self, batch: Batch, i: int) -> int:
        """Add the results of row i and the next rows, until a row takes another branch.

        Returns the number of that row; the number of rows if there is none.
        """
        for row in batch.rows[i:]:
            results = self.runner.function(*(row[j] for j in self.columns), *self.held)
            if results is None:
                break
            self.total = tuple(map(operator.add, self.total, results)) if self.total else results
            i += 1
        return i


class LoopSum(Sum):
    """A `Sum` by a loop over the rows that numba has compiled."""

    def __init__(self, runner: Runner, values: tuple[Any, ...], loop: Callable[..., int]) -> None:
        super().__init__(runner, values)
        self.loop, self.numbers = loop, np.array(self.held, float)
        self.sums = np.full(len(runner.program.returned()), -0.0)  # -0 + x is x, even if x is -0

    def add(self, batch: Batch, i: int) -> int:
        after = self.loop(batch.table, i, self.numbers, self.sums)
        if after > i:
            self.total = tuple(self.sums.tolist())
        return after


def columns_of(runner: Runner) -> list[int]:
    """The position in a row of each argument of a program."""
    return [x.index for x in runner.inputs.sources if isinstance(x, Argument)]


class CompiledRows:
    """What `compile(f, rows=True)` returns, where f is the loss of one row.

    A call takes arrays with one row for each example and returns the mean loss.
    """

    def __init__(
        self,
        f: Function,
        optimizer: Any,
        optimize: tuple[Callable[..., Any], ...],
        check: bool,
        as_loops: bool,
    ) -> None:
        functools.update_wrapper(self, f, updated=())
        self.f, self.check = f, check
        self.row = Compiled(share_of(f), None, optimize, check)
        self.update = Compiled(optimizer.step, None, optimize, check) if optimizer else None
        self.optimizer = optimizer
        self.runners: dict[Any, list[Runner]] = {}
        self.as_loops, self.loops = as_loops, dict[Runner, tuple[str, Callable[..., int]]]()
        self.lock = RLock()

    def __call__(self, *args: Any) -> Any:
        if INSIDE.get():
            raise CompileError(
                f"{called(self.f)} is compiled with rows=True, and another compiled function "
                "cannot call it: call it outside"
            )
        batch = batch_of(self.f, args)
        with self.lock:
            runners = self.runners.setdefault(batch.key, [])
            sums, recorded = self.sums(batch, runners)
            if self.check and recorded:
                self.verify(batch, sums)
            runners += recorded
            return self.leave(sums)

    def sums(self, batch: Batch, runners: list[Runner]) -> tuple[list[Sum], list[Runner]]:
        """The sum of each program that computes a row, and the programs that are new."""
        first = batch.table[0].tolist()
        pairs = [(runner, runner.read(first)) for runner in runners]
        sums = [self.sum_of(runner, values) for runner, values in pairs if values is not None]
        recorded: list[Runner] = []
        i = 0
        while i < len(batch.table):
            after = next((j for x in sums if (j := x.add(batch, i)) > i), i)
            if after == i:
                recorded.append(self.recorded(batch.call(i), len(runners) + len(recorded)))
                values = recorded[-1].read(batch.table[i].tolist())
                if values is not None:
                    sums.append(self.sum_of(recorded[-1], values))
                    after = sums[-1].add(batch, i)
            if after == i:
                raise CompileError(
                    f"{called(self.f)} took another branch when it ran again on the same row: pass "
                    "everything that the branch depends on as an argument"
                )
            i = after
        return [x for x in sums if x.total], recorded

    def sum_of(self, runner: Runner, values: tuple[Any, ...]) -> Sum:
        """What adds up the results of a program; by numba, if the program has only floats."""
        if not self.as_loops or not has_floats_only(runner.program):
            return Sum(runner, values)
        if runner not in self.loops:
            self.loops[runner] = RowsWriter(runner.program, columns_of(runner)).build()
        return LoopSum(runner, values, self.loops[runner][1])

    def recorded(self, call: Call, known: int) -> Runner:
        """A program of one row. Raises CompileError if it does more than return a loss."""
        if known == LIMIT:
            raise CompileError(
                f"{called(self.f)} would need more than {LIMIT} programs, one for each way in "
                "which its rows can branch: write it with fewer branches on numbers"
            )
        with taking_turns:
            runner = self.row.record(call)
        targets = [effect.target for effect in runner.program.effects]
        changed = [x for x in targets if not isinstance(x, Gradient)]
        if runner.generators or changed:
            what = f"changes {changed[0].name}" if changed else "draws random numbers"
            raise CompileError(
                f"{called(self.f)} {what}, but with rows=True a function may only return a loss: "
                "compile it without rows=True"
            )
        if not targets:
            raise CompileError(
                f"{called(self.f)} returned no loss that depends on a parameter: return a number "
                "that is computed from parameters, and not under no_grad()"
            )
        self.row.latest = runner
        return runner

    def verify(self, batch: Batch, sums: list[Sum]) -> None:
        """Raise CompileError if the sums of the programs are not those of the function itself.

        The sum of one program must have the same bits, because it adds the rows in their order.
        Several programs have a sum each, so these sums, and those of numba, must only agree up to
        rounding.
        """
        same = nearly_same if self.as_loops or len(sums) > 1 else same_bits
        nodes = targets_of(sums)
        with without_gradients(nodes):
            losses = [self.row.f(*call.args) for call in map(batch.call, range(len(batch.rows)))]
            for loss in losses:
                loss.backward()
            loss = functools.reduce(operator.add, [x.data for x in losses])
            expected = [("the result", loss)]
            expected += [(f"the gradient of {p.name or 'a parameter'}", p.grad) for p in nodes]
        with without_gradients(nodes):
            result = self.left(sums)
            found = [("the result", result.data), *(("", p.grad) for p in nodes)]
            compare(expected, found, same)

    def leave(self, sums: list[Sum]) -> Any:
        """Add the gradients to `.grad`, or make the update; returns the loss."""
        if self.update is None:
            return self.left(sums)
        with without_gradients([*targets_of(sums), *self.optimizer.params]):
            loss = self.left(sums)
            self.update()
        return loss

    def left(self, sums: list[Sum]) -> Any:
        """The loss, with its gradients added to `.grad`."""
        with no_grad():
            return functools.reduce(operator.add, [x.runner.leave((), x.total) for x in sums])

    @property
    def source(self) -> str:
        """The text of the last recorded program of one row; with numba, of the loop over rows."""
        loop = self.loops.get(self.row.program_now())
        return self.row.source if loop is None else loop[0]

    def timeline(self) -> Timeline:
        """When each array is needed in the program of one row."""
        return self.row.timeline()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program of one row to a Python file that needs NumPy, and not this package.

        Raises CompileError before the first call.
        """
        self.row.save(path)

    def report(self, *args: Any, repeats: int = 100) -> Report:
        """What the program costs for the first row of these arguments."""
        batch = batch_of(self.f, args)
        for runner in self.runners.get(batch.key, ()):
            if (values := runner.read(batch.rows[0])) is not None:
                return reported(runner, values, repeats)
        raise CompileError("there is no program for these arguments yet: call the function once")


def share_of(f: Function) -> Function:
    """The function f / n: what one of n rows adds to the mean."""

    def share(*args: Any) -> Any:
        return f(*args[:-1]) / args[-1]

    share.__name__ = called(f)
    parameters = list(inspect.signature(f).parameters.values())
    if all(x.kind is x.POSITIONAL_OR_KEYWORD for x in parameters):  # keep the names
        last = inspect.Parameter("rows", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
        share.__signature__ = inspect.Signature([*parameters, last])  # type: ignore[attr-defined]
    return share


def targets_of(sums: list[Sum]) -> list[Any]:
    """The parameters that the programs have a gradient for, each once."""
    effects = (effect for x in sums for effect in x.runner.program.effects)
    return list(dict.fromkeys(effect.target.node for effect in effects))


@contextmanager
def without_gradients(nodes: Iterable[Any]) -> Iterator[None]:
    """Inside, `.grad` is None at first; afterwards it is as before."""
    before = [(p, p.grad) for p in nodes]
    for p, _ in before:
        p.grad = None
    try:
        yield
    finally:
        for p, g in before:
            p.grad = g
