"""Which questions can be asked sooner?"""

from tinygrad_edu.compiler.program import Program, operands
from tinygrad_edu.compiler.tape import Origin, guard
from tinygrad_edu.tracing import Line


def ask_first(program: Program) -> Program:
    """With the guards that only look at inputs at the start of their section.

    An update may change its parameter in place if nothing after it can give up: the questions about
    the state of the next parameter come before.
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
