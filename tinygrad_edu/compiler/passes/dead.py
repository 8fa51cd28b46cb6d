"""Which lines does nobody need?"""

from tinygrad_edu.compiler.program import Program, must_stay, operands
from tinygrad_edu.tracing import Line


def remove_dead(program: Program) -> Program:
    """Remove the lines whose result is not used, such as the gradient of the data."""
    needed: set[Line] = set(program.results())
    for line in reversed(program.lines):
        if line in needed or must_stay(line):
            needed.add(line)
            needed.update(operands(line))
    return program.with_lines([line for line in program.lines if line in needed], {})
