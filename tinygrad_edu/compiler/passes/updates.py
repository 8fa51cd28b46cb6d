"""Which results can be written directly to the array that they replace?"""

from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.compiler.passes.buffers import elementwise, takes_out
from tinygrad_edu.compiler.program import Program, is_array, layout_of, operands, owning_array
from tinygrad_edu.compiler.tape import guard
from tinygrad_edu.tracing import Line


def update_in_place(program: Program) -> Program:
    """Write the result of `w -= step` directly to w, where no later line reads the old w.

    No guard may follow either: it could stop the program after w has changed. Elsewhere the new
    numbers get their own memory, and are copied to w at the end.
    """
    targets: dict[Line, Line] = {}
    results = program.results()
    given = {program.owner(x): x for x in program.inputs}
    for effect in program.effects:
        line = effect.value
        if not effect.in_place or not isinstance(line, Line) or line not in program.lines:
            continue
        at = program.lines.index(line)
        after = program.lines[at + 1 :]
        old = effect.before
        if (
            old in given
            and owning_array(old.data) is not None
            and takes_out(line)
            and elementwise(line)
            and layout_of(line.data) == layout_of(old.data)
            and results.count(line) == 1
            and line not in program.views.values()
            and not any(x.function is guard for x in after)
            and not any(np.may_share_memory(old.data, x) for x in others(program, old))
            and not any(program.owner(x) is old for y in after for x in operands(y))
            and not any(program.owner(x) is old for x in results)
            and not any(program.owner(x) is old for x in operands(line) if x is not old)
        ):
            targets[line] = old
    return replace(program, targets=targets)


def others(program: Program, old: Line) -> list[Any]:
    """The other arrays that the program reads."""
    return [x.data for x in program.inputs if x is not old and is_array(x)]
