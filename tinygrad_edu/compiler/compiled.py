"""Which program does a call run? The one recorded for the same signature, or a new one."""

import functools
import os
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_edu.compiler.backends import Backend, backend_of
from tinygrad_edu.compiler.calling import CHANGED, data_of
from tinygrad_edu.compiler.calls import INSIDE, Call, Function, NestedError, flat, signature_text
from tinygrad_edu.compiler.holdings import Holdings, holdings_of
from tinygrad_edu.compiler.recording import MissedError, checked_root, graph_roots, record
from tinygrad_edu.compiler.reports import Report, reported
from tinygrad_edu.compiler.running import Runner
from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.compiler.timelines import Timeline
from tinygrad_edu.compiler.verification import (
    compare,
    compare_to_rounding,
    nudged,
    numbers_now,
    rounding_of,
    snapshot,
)
from tinygrad_edu.graph import Node
from tinygrad_edu.modes import RECORDING, WATCH, no_grad, temporarily
from tinygrad_edu.structures import leaves, rebuilt
from tinygrad_edu.transforms import called

LIMIT = 16  # programs for each function
taking_turns = RLock()  # a recording replaces the arrays that f holds: one at a time


class Compiled:
    """What `compile` returns. Call it like f."""

    def __init__(
        self,
        f: Function,
        optimizer: Any,
        optimize: tuple[Callable[..., Any], ...],
        check: bool,
        backend: Backend | None = None,
    ) -> None:
        functools.update_wrapper(self, f, updated=())
        self.f, self.optimizer, self.optimize, self.check = f, optimizer, optimize, check
        self.backend = backend or backend_of("numpy")
        self.programs: dict[Any, list[Runner]] = {}
        self.latest: Runner | None = None

    def __call__(self, *args: Any, **options: Any) -> Any:
        latest = self.latest
        if latest is not None and latest.quick is not None and not options:
            out = latest.quick(args)
            if out is not CHANGED:
                return out
        try:
            given, key = flat(args, options)
        except NestedError:  # inside another compiled function
            return self.f(*args, **options)
        if callable(RECORDING.get()) or WATCH.get() is not None:
            return self.watched_run(Call(args, options))
        if (out := self.known_run(key, given)) is not CHANGED:
            return out
        with taking_turns:
            # No program fits while another thread records, because f then holds recorded arrays.
            if (out := self.known_run(key, given)) is not CHANGED:
                return out
            return self.first_run(key, Call(args, options))

    def known_run(self, key: Any, given: list[Any]) -> Any:
        """Run the first program that fits and return its result; CHANGED if none fits."""
        for runner in self.programs.get(key, ()):
            out = runner.run(given)
            if out is not CHANGED:
                self.latest = runner
                return out
        return CHANGED

    @property
    def source(self) -> str:
        """The text of the last program that ran. Raises CompileError before the first call."""
        return self.program_now().source

    def program_now(self) -> Runner:
        if self.latest is None:
            raise CompileError("there is no program yet: call the function once")
        return self.latest

    def report(self, *args: Any, repeats: int = 100, **options: Any) -> Report:
        """What the program for these arguments costs: lines, memory, and the time of each line.

        The program runs `repeats` times on copies, so nothing changes. Raises CompileError if no
        program was recorded for such arguments yet.
        """
        given, key = flat(args, options)
        # Programs that differ only in their guards all fit: prefer the one that ran last.
        for runner in sorted(self.programs.get(key, ()), key=lambda x: x is not self.latest):
            if (values := runner.read(given)) is not None:
                return reported(runner, values, repeats, self.backend.timed)
        raise CompileError("there is no program for these arguments yet: call the function once")

    def timeline(self) -> Timeline:
        """When each array of the last program is needed, and the bytes in use at each line.

        Plain data; `viz.plots.plot_program` draws it. Raises CompileError before the first call.
        """
        return self.program_now().timeline()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the last program that ran to a Python file that does not need this package.

        The file needs NumPy, and numba if that is the backend. It defines `step`, and `held`: a
        copy of what the program reads besides its arguments. Raises CompileError before the first
        call, and for a program that draws random numbers.
        """
        self.program_now().save(Path(path))

    def first_run(self, key: Any, call: Call) -> Any:
        """Record a program, compare a run of it with the eager step, and keep it if they agree."""
        if sum(map(len, self.programs.values())) >= LIMIT:
            raise CompileError(self.too_many(key))
        runner = self.record(call)
        given = call.leaves
        with snapshot(runner.holdings, given) as restore:
            try:
                if self.check:
                    expected = self.expected(call, runner.holdings)
                    restore()
                    others = [] if self.backend.exact else self.others(call, runner, restore)
                out = runner.run(given)
                if out is CHANGED:
                    raise CompileError(
                        f"{called(self.f)} took another branch when it ran again on the same "
                        "arguments: pass everything that the branch depends on as an argument"
                    )
                if self.check:
                    found = [("the result", data_of(x)) for x in leaves(out)]
                    found += numbers_now(runner.holdings, given)
                    if self.backend.exact:
                        compare(expected, found)
                    else:
                        rounding = rounding_of(runner.program)
                        compare_to_rounding(expected, found, others, rounding)
            except BaseException:
                restore()
                raise
        self.programs.setdefault(key, []).append(runner)
        self.latest = runner
        return out

    def record(self, call: Call) -> Runner:
        extra: list[Node] = []
        while True:
            try:
                recording = record(self.f, call, self.optimizer, extra)
            except MissedError as missed:
                extra.append(missed.leaf)
                continue
            program = recording.program
            for improve in self.optimize:
                program = improve(program)
            return Runner(call, recording, program, self.backend.writer)

    def expected(self, call: Call, holdings: Holdings) -> list[tuple[str, Any]]:
        """Take the step without a program; returns all numbers after it, as (name, number)."""
        out = self.eagerly(call, holdings.leaves)
        results = [("the result", np.copy(data_of(x))) for x in leaves(out)]
        return [*results, *numbers_now(holdings, call.leaves)]

    def others(self, call: Call, runner: Runner, restore: Callable[[], None]) -> list[Any]:
        """The numbers of the function itself when its inputs change in their last digit.

        Raises CompileError if the function gives different numbers on the same inputs.
        """
        found = []
        for other in chain([call, call], nudged(call, runner.holdings)):
            found.append(self.expected(other, runner.holdings))
            restore()
        first, again, *others = found
        compare(first, again)
        return others

    def eagerly(self, call: Call, leaves_held: Iterable[Node]) -> Any:
        """Take the step without a program. Returns the result, with its graph."""
        held = []
        if self.optimizer is not None:
            nodes = [*leaves_held, *(x for x in call.leaves if isinstance(x, Node))]
            held = [(x, x.grad) for x in nodes]
            self.optimizer.zero_grad()
        with temporarily(INSIDE, True):
            out = self.f(*call.args, **call.options)
        if roots := graph_roots(out):
            checked_root(self.f, roots).backward()
        if self.optimizer is not None:
            self.optimizer.step()
            for p, g in held:
                p.grad = g
        return out

    def watched_run(self, call: Call) -> Any:
        """Take the step without a program, because `detect_anomaly` or the like watches it."""
        out: Any = self.eagerly(call, holdings_of(self.f, self.optimizer).leaves)
        with no_grad():
            return rebuilt(out, (+x if isinstance(x, Node) else x for x in leaves(out)))

    def too_many(self, key: Any) -> str:
        many = f"{called(self.f)} would need more than {LIMIT} programs."
        for runner in self.programs.get(key, ())[-1:]:
            if change := runner.holdings.changed(runner.inputs.settings):
                return f"{many} What it uses keeps changing, now {change}: use an array instead"
        before, now = signature_text(list(self.programs)[-1]), signature_text(key)
        if before == now:
            now = "the same in other lists, tuples and dicts"
        return (
            f"{many} It was called with {before} and now with {now}: pass what changes as an array "
            "whose shape stays the same"
        )
