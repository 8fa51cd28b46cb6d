"""Where are results written? To memory that is allocated once and then reused."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.compiler.lifetimes import last_uses
from tinygrad_edu.compiler.program import Program, is_array, layout_of, operands
from tinygrad_edu.compiler.text import BY_UFUNC, REDUCTIONS
from tinygrad_edu.tracing import Line


def assign_buffers(program: Program) -> Program:
    """Assign memory to every result that NumPy can write with `out=`.

    An elementwise result takes the memory of an operand that is no longer needed, if there is one.
    Otherwise a result takes free memory of the same shape and dtype, or else new memory. Memory
    that the program returns, or returns a view of, belongs to the caller: such results are
    allocated in each run.
    """
    last = last_uses(program)
    theirs = {program.owner(line) for line in program.results()}
    memory: dict[Line, int] = {}
    free: dict[Any, list[int]] = {}
    new = itertools.count()
    for i, line in enumerate(program.lines):
        dying = {program.owner(x) for x in operands(line)}
        dying = {x for x in dying if last[x] == i and x in memory}
        kind = layout_of(line.data)
        if takes_out(line) and line not in theirs and line not in program.targets:
            for x in operands(line):
                if elementwise(line) and x in dying and layout_of(x.data) == kind:
                    memory[line] = memory[x]
                    dying.remove(x)
                    break
            else:
                memory[line] = free[kind].pop() if free.get(kind) else next(new)
        for x in dying:
            free.setdefault(layout_of(x.data), []).append(memory[x])
    return replace(program, memory=memory)


def takes_out(line: Line) -> bool:
    """Whether NumPy can write the result of the line with `out=`."""
    data = line.data
    if not is_array(line) or data.base is not None or data.dtype.hasobject or not data.size:
        return False
    if np.empty_like(data).strides != data.strides:
        return False
    function = BY_UFUNC.get(line.function, line.function)
    if isinstance(function, np.ufunc):
        return function.nout == 1 and not {"dtype", "out"} & line.options.keys()
    if function is np.dot:
        return bool(data.flags.c_contiguous)
    return function in REDUCTIONS and len(line.inputs) == 1 and is_array(line.inputs[0])


def elementwise(line: Line) -> bool:
    function = BY_UFUNC.get(line.function, line.function)
    return isinstance(function, np.ufunc) and function.signature is None
