"""When does an array live? From the line that makes it to the last line that needs it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate

from tinygrad_edu.compiler.program import Program, is_array, operands
from tinygrad_edu.compiler.tape import Tape
from tinygrad_edu.optim.blocks import BLOCK, LARGE
from tinygrad_edu.tracing import Line, with_at, with_item, with_some

FREED = 2**16  # bytes: an array this large is deleted after its last use, and not at the end


@dataclass(frozen=True)
class Life:
    """An array that a line makes.

    line    the line that makes it
    start   the number of that line
    end     the number of the first line that runs without it: the one after its last use, or the
            one that writes its own result to the same memory
    nbytes  its size
    memory  the number of the memory of the program that it uses; None if each run allocates it
    """

    line: Line
    start: int
    end: int
    nbytes: int
    memory: int | None = None

    @property
    def is_freed(self) -> bool:
        """Whether its memory is freed as soon as nobody needs it."""
        return self.memory is None and self.nbytes >= FREED


def lives_in(program: Program) -> list[Life]:
    """The arrays that the lines make, in order. An array that is returned lives to the end.

    A view is no array of its own, and neither is a result that is written to an input, such as a
    parameter.
    """
    last, n = last_uses(program), len(program.lines)
    lives: list[Life] = []
    latest: dict[int, int] = {}  # latest[memory]: the index in `lives` of its last array
    for i, line in enumerate(program.lines):
        if not is_array(line) or line in program.views or line in program.targets:
            continue
        memory = program.memory.get(line)
        if memory is not None:
            before = latest.get(memory)
            if before is not None and lives[before].end > i:
                lives[before] = replace(lives[before], end=i)
            latest[memory] = len(lives)
        end = min(last.get(line, i) + 1, n)
        lives.append(Life(line, i, end, line.data.nbytes, memory))
    return lives


def last_uses(program: Program) -> dict[Line, int]:
    """The number of the last line that reads the memory of a line, or a view of it."""
    last: dict[Line, int] = {}
    for i, line in enumerate(program.lines):
        last.update(dict.fromkeys(map(program.owner, operands(line)), i))
    return last | dict.fromkeys(map(program.owner, program.results()), len(program.lines))


def living_bytes(spans: Iterable[tuple[int, int, int]], n: int) -> list[int]:
    """The bytes in use at each of n lines, from spans (start, end, bytes)."""
    change = [0] * (n + 1)
    for start, end, nbytes in spans:
        change[start] += nbytes
        change[end] -= nbytes
    return list(accumulate(change[:-1]))


def memory_bytes(program: Program) -> dict[int, int]:
    """The size of each memory of the program, by number."""
    return {number: line.data.nbytes for line, number in program.memory.items()}


def kept_bytes(program: Program) -> int:
    """The bytes of the memory that the program keeps between its runs."""
    sizes, places = memory_bytes(program), program.places
    block = max((places[x] + nbytes for x, nbytes in sizes.items() if x in places), default=0)
    return block + sum(nbytes for x, nbytes in sizes.items() if x not in places)


def program_bytes(program: Program) -> list[int]:
    """The bytes in use at each line: memory that the program keeps, and arrays of this run.

    The arrays of a run are local variables: they live until it returns, except large ones.
    """
    n, kept = len(program.lines), kept_bytes(program)
    made = [x for x in lives_in(program) if x.memory is None]
    spans = [(x.start, x.end if x.is_freed else n, x.nbytes) for x in made]
    return [kept + x for x in living_bytes(spans, n)]


def freed_after(program: Program) -> dict[Line, list[Line]]:
    """The variables to delete after each line: large arrays, with all their views."""
    views: dict[Line, list[Line]] = {}
    for line in program.lines:
        if line in program.views:
            views.setdefault(program.owner(line), []).append(line)
    found: dict[Line, list[Line]] = {}
    for x in lives_in(program):
        if x.is_freed and x.end < len(program.lines):
            found.setdefault(program.lines[x.end - 1], []).extend((x.line, *views.get(x.line, ())))
    return found


def eager_bytes(program: Program, tape: Tape) -> list[int]:
    """The bytes in use without a program, at each line that was recorded.

    While it was recorded, the step ran as usual, with its graph, and the tape noted when Python
    freed each array.
    """
    lines, n = tape.lines, len(tape.lines)
    home = dict(program.views) | tape.changed
    for line in lines:
        if line.function in (with_item, with_at, with_some):
            home[line] = line.inputs[line.function is not with_item]

    def owner(line: Line) -> Line:
        while line in home:
            line = home[line]
        return line

    ends: dict[Line, int] = {}
    for line in lines:
        ends[owner(line)] = max(ends.get(owner(line), 0), tape.ends.get(line, n))
    spans = []
    for i, line in enumerate(lines):
        if is_array(line) and line not in home:
            nbytes = line.data.nbytes
            if nbytes > LARGE and tape.origins[line].phase == "update":
                nbytes = BLOCK  # a large parameter is updated some rows at a time,
                spans.append((i, i + 1, BLOCK))  # while the step of the rows before is still held
            spans.append((i, max(i + 1, ends[line]), nbytes))
    return living_bytes(spans, n)
