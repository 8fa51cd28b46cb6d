"""What does a program cost? Its lines, its memory, and the time of each line, measured."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from tinygrad_edu.compiler.lifetimes import kept_bytes, program_bytes
from tinygrad_edu.compiler.loops import LoopWriter
from tinygrad_edu.compiler.loops.functions import FunctionText
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.running import Runner
from tinygrad_edu.compiler.text import Writer
from tinygrad_edu.tracing import Line


@dataclass(frozen=True)
class Report:
    """What `step.report()` returns; printed, it is a table.

    recorded   how many lines were recorded
    lines      how many the program has
    memory     bytes of the memory that it keeps
    unshared   bytes that the same results would take without sharing
    peak       the most bytes in use: that memory, and the arrays that a run makes
    eager      the most bytes in use without a program
    times      (seconds, line or loops), the slowest first
    """

    recorded: int
    lines: int
    memory: int
    unshared: int
    peak: int
    eager: int
    times: list[tuple[float, str]]

    def __str__(self) -> str:
        total = sum(seconds for seconds, _ in self.times)
        head = [
            f"{self.recorded} lines were recorded, {self.lines} are left",
            f"{self.memory / 1e3:,.1f} kB of memory, {self.unshared / 1e3:,.1f} kB without sharing",
            f"{self.peak / 1e3:,.1f} kB at most, {self.eager / 1e3:,.1f} kB without a program",
            f"{total * 1e6:,.1f} µs in all",
        ]
        rows = [
            f"{seconds * 1e6:9,.1f} µs {seconds / total:5.0%}  {text}"
            for seconds, text in self.times
        ]
        return "\n".join([*head, *rows])


class Timed(Writer):
    """Writes a program that measures how long each of its pieces takes.

    pieces  the text of each piece
    """

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.taken |= {"spent", "clock", "start"}
        self.constants |= {"spent": [], "clock": perf_counter}
        self.pieces: list[str] = []

    def timed(self, lines: Iterable[str], text: str) -> Iterator[str]:
        """The lines, with a call of the clock before and after them."""
        yield "start = clock()"
        yield from lines
        yield f"spent[{len(self.pieces)}] = clock() - start"
        self.pieces.append(text)

    def memory_sizes(self) -> tuple[int, int, int]:
        """Bytes: kept memory, the same memory without sharing, and the most in use."""
        unshared = sum(line.data.nbytes for line in self.program.memory)
        peak = max(program_bytes(self.program), default=0)
        return kept_bytes(self.program), unshared, peak


class TimedWriter(Timed):
    """Writes NumPy, and times each line."""

    def statements(self, line: Line) -> Iterator[str]:
        lines = list(super().statements(line))
        yield from self.timed(lines, "; ".join(lines))


class TimedLoopWriter(Timed, LoopWriter):
    """Writes loops, with a function for each nest, and times each nest and each line of NumPy."""

    longest = 0

    def numpy_line(self, line: Line) -> Iterator[str]:
        lines = list(super().numpy_line(line))
        yield from self.timed(lines, f"NumPy: {'; '.join(lines)}")

    def piece(self, writer: FunctionText, steps: list[Any], shared: bool) -> Iterator[str]:
        lines = list(super().piece(writer, steps, shared))
        if lines:
            yield from self.timed(lines, f"loops: {'; '.join(writer.results(steps))}")

    def compile(self, text: str, names: dict[str, Any]) -> None:
        """Do nothing: each function is compiled when it is first called."""

    def memory_sizes(self) -> tuple[int, int, int]:
        totals = self.kept.totals.items()
        memory = sum(count * np.dtype(name).itemsize for name, count in totals)
        seen = sum(x.data.nbytes for x in self.plan.stored if x in self.plan.needed)
        return memory, sum(x.data.nbytes for x in self.kept.places), memory + seen


def reported(
    runner: Runner, values: tuple[Any, ...], repeats: int, timed: type[Timed] = TimedWriter
) -> Report:
    """Run the program `repeats` times on copies of its inputs; each line's best time counts."""
    program, values = runner.program, copy.deepcopy(values)
    writer = timed(program)
    _, function = writer.build()
    best = [float("inf")] * len(writer.pieces)
    for _ in range(repeats):
        spent = writer.constants["spent"]
        spent[:] = [0.0] * len(writer.pieces)
        function(*values)
        best = list(map(min, best, spent))
    times = sorted(zip(best, writer.pieces, strict=True), reverse=True)
    eager = max(runner.eager.values(), default=0)
    return Report(runner.recorded, len(program.lines), *writer.memory_sizes(), eager, times)
