"""What does a program cost? Its lines, its memory, and the time of each line, measured."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from tinygrad_edu.compiler.lifetimes import kept_bytes, program_bytes
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
    unshared   bytes that the same results take if each has its own
    peak       bytes that it takes at most: that memory, and the arrays that a run makes
    eager      bytes that the step takes at most without a program
    times      (seconds, line), the slowest first
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
            f"{self.memory / 1e3:,.1f} kB of memory, {self.unshared / 1e3:,.1f} kB unshared",
            f"{self.peak / 1e3:,.1f} kB at most, {self.eager / 1e3:,.1f} kB without a program",
            f"{total * 1e6:,.1f} µs in all",
        ]
        rows = [
            f"{seconds * 1e6:9,.1f} µs {seconds / total:5.0%}  {text}"
            for seconds, text in self.times
        ]
        return "\n".join([*head, *rows])


def reported(runner: Runner, values: tuple[Any, ...], repeats: int) -> Report:
    """Run the program some times on copies of what it reads now, so that nothing changes."""
    program, values = runner.program, copy.deepcopy(values)
    writer = TimedWriter(program)
    _, function = writer.build()
    best = [float("inf")] * len(program.lines)
    for _ in range(repeats):
        spent = writer.constants["spent"]
        spent[:] = [0.0] * len(program.lines)
        function(*values)
        best = list(map(min, best, spent))
    texts = ["; ".join(Writer.statements(writer, line)) for line in program.lines]
    return Report(
        runner.recorded,
        len(program.lines),
        kept_bytes(program),
        sum(line.data.nbytes for line in program.memory),
        max(program_bytes(program), default=0),
        max(runner.eager.values(), default=0),
        sorted(zip(best, texts, strict=True), reverse=True),
    )


class TimedWriter(Writer):
    """Writes a program that notes how long each line takes."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.taken |= {"spent", "clock", "start"}
        self.constants |= {"spent": [], "clock": perf_counter}
        self.numbers = {line: i for i, line in enumerate(program.lines)}

    def statements(self, line: Line) -> Iterator[str]:
        yield "start = clock()"
        yield from super().statements(line)
        yield f"spent[{self.numbers[line]}] = clock() - start"
