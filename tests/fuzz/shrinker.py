"""A failing program made short: whatever can go goes, while the same kind of failure stays."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fuzz.checks import DifferenceError, check, plain_library
from fuzz.programs import Input, Operation, Program, arrays, run


def failure(program: Program) -> str | None:
    """The kind of difference that the check of a program finds; None if it finds none."""
    try:
        check(program)
    except DifferenceError as difference:
        return difference.kind
    return None


def shrunk(program: Program, failure: Callable[[Program], Any] = failure) -> Program:
    """The shortest program found that fails as this one does."""
    kind = failure(program)
    shorter: Program | None = program
    while shorter is not None:
        program = shorter
        shorter = next((p for p in simpler(program) if runs(p) and failure(p) == kind), None)
    return program


def runs(program: Program) -> bool:
    """Whether NumPy can run it, and there is something to differentiate."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            run(program, arrays(program), plain_library(program))
        except Exception:
            return False
    return bool(program.ends)


def simpler(program: Program) -> Iterator[Program]:
    """Programs that are a little simpler, those that drop most first."""
    inputs, operations = program
    count = len(inputs)
    for n in range(1, len(operations)):
        yield used(program._replace(operations=operations[:n]), [count + n - 1])
    for end in program.ends:
        if len(program.ends) > 1:
            yield used(program, [end])
            yield used(program, [i for i in program.ends if i != end])
    for i in reversed(range(count, count + len(operations))):
        yield with_input_for(program, i)
    for i, operation in enumerate(operations, count):
        for j in dict.fromkeys(operation.operands):
            yield replaced(program, i, j)
    for i, x in enumerate(inputs):
        for plainer in plainer_inputs(x):
            yield program._replace(inputs=(*inputs[:i], plainer, *inputs[i + 1 :]))


def plainer_inputs(x: Input) -> Iterator[Input]:
    if x.tracked:
        yield x._replace(tracked=False)
    if x.layout != "a":
        yield x._replace(layout="a")
    if isinstance(x.data, np.ndarray) and x.data.dtype == np.float32:
        yield x._replace(data=x.data.astype(float))
    if np.asarray(x.data).dtype.kind == "b":
        return
    rounded = x.data.round(1) if isinstance(x.data, np.ndarray) else round(x.data, 1)
    if np.any(x.data != rounded):
        yield x._replace(data=rounded)


def used(program: Program, ends: list[int]) -> Program:
    """The program without what does not lead to one of these values."""
    inputs, operations = program
    count = len(inputs)
    needed = set(ends)
    for i in reversed(range(len(operations))):
        if count + i in needed:
            needed.update(operations[i].operands)
    number = {old: new for new, old in enumerate(sorted(needed))}
    kept = [x for i, x in enumerate(operations, count) if i in needed]
    return Program(
        tuple(x for i, x in enumerate(inputs) if i in needed),
        tuple(Operation(x.text, tuple(number[j] for j in x.operands)) for x in kept),
    )


def replaced(program: Program, i: int, j: int) -> Program:
    """The program with value j wherever it used value i."""
    operations = [
        x._replace(operands=tuple(j if k == i else k for k in x.operands))
        for x in program.operations
    ]
    ends = [j if end == i else end for end in program.ends]
    return used(program._replace(operations=tuple(operations)), ends)


def with_input_for(program: Program, i: int) -> Program:
    """The program that gets value i as an input, instead of computing it."""
    inputs, operations = program
    count = len(inputs)
    value = run(program, arrays(program), plain_library(program))[i]
    new = Input(value if type(value) is float else np.array(value))

    def number(k: int) -> int:
        """What value k is called where one input is added and operation i is gone."""
        return count if k == i else k + (count <= k < i)

    kept = [x for k, x in enumerate(operations, count) if k != i]
    renumbered = [Operation(x.text, tuple(map(number, x.operands))) for x in kept]
    return used(Program((*inputs, new), tuple(renumbered)), list(map(number, program.ends)))
