"""Which guards can run earlier?"""

from tinygrad_edu.compiler.program import Program, operands
from tinygrad_edu.compiler.tape import Origin, guard
from tinygrad_edu.tracing import Line


def ask_first(program: Program) -> Program:
    """Move each guard that reads only inputs to the start of its section.

    An update may change its parameter in place only if no later guard can stop the program. So the
    guards on the state of all parameters must come before the first update.
    """
    given = set(program.inputs)
    lines: list[Line] = []
    phase, start = "", 0
    for line in program.lines:
        now = program.origins.get(line, Origin()).phase
        if now != phase:
            phase, start = now, len(lines)
        if line.function is guard and given.issuperset(operands(line)):
            lines.insert(start, line)
            start += 1
        else:
            lines.append(line)
    return program.with_lines(lines, {})
