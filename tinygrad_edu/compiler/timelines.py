"""When is each array needed, by its name in the text? Plain data, to draw or to compare."""

from collections.abc import Mapping
from dataclasses import dataclass

from tinygrad_edu.compiler.lifetimes import (
    kept_bytes,
    lives_in,
    living_bytes,
    memory_bytes,
    program_bytes,
)
from tinygrad_edu.compiler.program import Program, is_array
from tinygrad_edu.compiler.tape import Origin, guard
from tinygrad_edu.tracing import Line


@dataclass(frozen=True)
class Input:
    """An array that the program reads.

    kind        "argument", "parameter", or "other": what an optimizer remembers, for example
    changed_at  the number of the line that writes new numbers to it; None if it stays as it is
    """

    name: str
    nbytes: int
    kind: str
    changed_at: int | None = None


@dataclass(frozen=True)
class Living:
    """An array that a line makes.

    start   the number of that line
    end     the number of the first line that does not need it
    until   the number of the first line that runs without it: its memory may be kept for longer
    memory  the name of the memory that it uses; "" if each run allocates it
    """

    name: str
    start: int
    end: int
    until: int
    nbytes: int
    memory: str = ""


@dataclass(frozen=True)
class Timeline:
    """What `step.timeline()` returns. Lines are counted from 0; all sizes are in bytes.

    lines   the name of the result of each line; "" for a guard, which has none
    phases  the section of each line: "forward", "backward" or "update"
    inputs  arguments, and the arrays that the function holds; the sizes below do not count them
    arrays  what the lines make, in order
    memory  the size of each memory that the program keeps
    needed  at each line, the arrays whose content is still needed
    taken   at each line, the memory that the program keeps and the arrays that this run has made
    eager   at each line, what the step takes without a program
    kept    the memory that the program keeps: less than the sum of `memory` if some of it overlaps
    """

    lines: list[str]
    phases: list[str]
    inputs: list[Input]
    arrays: list[Living]
    memory: dict[str, int]
    needed: list[int]
    taken: list[int]
    eager: list[int]
    kept: int


def timeline_of(
    program: Program,
    names: Mapping[Line, str],
    memory_names: Mapping[int, str],
    kinds: Mapping[Line, str],
    eager: Mapping[Origin, int],
) -> Timeline:
    """The timeline of a program whose text has these names.

    kinds  what each input is
    eager  the bytes in use without a program, by the origin of each line that was recorded
    """
    n = len(program.lines)
    numbers = {line: i for i, line in enumerate(program.lines)}
    changed = {target: numbers[line] for line, target in program.targets.items()}
    lives = lives_in(program)
    return Timeline(
        ["" if line.function is guard else names[line] for line in program.lines],
        [program.origins.get(line, Origin()).phase for line in program.lines],
        [
            Input(names[x], x.data.nbytes, kinds[x], changed.get(x))
            for x in program.inputs
            if is_array(x)
        ],
        [
            Living(
                names[x.line],
                x.start,
                x.end,
                x.end if x.is_freed else n,
                x.nbytes,
                "" if x.memory is None else memory_names[x.memory],
            )
            for x in lives
        ],
        {memory_names[number]: nbytes for number, nbytes in sorted(memory_bytes(program).items())},
        living_bytes([(x.start, x.end, x.nbytes) for x in lives], n),
        program_bytes(program),
        at_lines(program, eager),
        kept_bytes(program),
    )


def at_lines(program: Program, eager: Mapping[Origin, int]) -> list[int]:
    """The most bytes in use without a program, at each line of the program.

    A line covers what was recorded since the line before it; the last line also covers the rest.
    """
    sizes = list(eager.values())
    numbers = {origin: i for i, origin in enumerate(eager)}
    found, done = [], 0
    for line in program.lines:
        until = max(numbers.get(program.origins.get(line, Origin()), done) + 1, done)
        found.append(max(sizes[done:until], default=sizes[max(done - 1, 0)]))
        done = until
    if found:
        found[-1] = max([found[-1], *sizes[done:]])
    return found
