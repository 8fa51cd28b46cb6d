"""What is a program? Lines in the order in which they run, what goes in, and what comes out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_edu.compiler.tape import Origin, draw, guard
from tinygrad_edu.tracing import Line, replaced

ALIGNED = 64  # bytes: the size of a line of the cache


@dataclass(frozen=True)
class Effect:
    """A change that a run makes outside: `value` is stored at `target`, a place or a gradient.

    in_place  the array at the place is changed, so that everything that holds it sees the change
    before    the input line that stands for what was there before
    """

    target: Any
    value: Any
    in_place: bool = False
    before: Any = None


@dataclass
class Program:
    """A list of calls that run one after the other.

    inputs     lines without a call: each run reads their data anew
    lines      calls, each after all that it uses
    outputs    what the function returns, with a line in place of each array
    effects    what else a run changes
    origins    origins[line]: where it came from
    names      names[line]: the name of an input
    gradients  gradients[line]: the line whose gradient it is
    memory     memory[line]: the number of the memory, kept by the program, that its result goes to
    targets    targets[line]: the input whose array its result is written to
    views      views[line]: the operand whose memory its result shares
    paths      paths[id(module)]: where a module is in the network
    places     places[number]: the offset of a memory, in bytes, in one block that all memory shares
    computed   computed[id(x)]: a line that computes x, an array that belongs to the program
    """

    inputs: list[Line]
    lines: list[Line]
    outputs: Any
    effects: list[Effect] = field(default_factory=list)
    origins: dict[Line, Origin] = field(default_factory=dict)
    names: dict[Line, str] = field(default_factory=dict)
    gradients: dict[Line, Line] = field(default_factory=dict)
    memory: dict[Line, int] = field(default_factory=dict)
    targets: dict[Line, Line] = field(default_factory=dict)
    views: dict[Line, Line] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    computed: dict[int, Line] = field(default_factory=dict)

    def owner(self, line: Line) -> Line:
        """The line that made the memory of the result: of a view, the line that it is a view of."""
        while line in self.views:
            line = self.views[line]
        return line

    def results(self) -> list[Line]:
        """The lines whose results leave the program."""
        return [*lines_in(self.outputs), *lines_in([effect.value for effect in self.effects])]

    def returned(self) -> list[Line]:
        """What a run returns: the results, except those that are written to their place."""
        return [line for line in self.results() if line not in self.targets]

    def with_lines(self, lines: Iterable[Line], taken: dict[Line, Any]) -> "Program":
        """A copy of the program with these lines; taken[line] replaces each removed line."""
        new: dict[Line, Any] = dict(taken)
        copies = []
        for line in lines:
            copy = Line(line.data, line.function, swapped(line.inputs, new))
            copy.options = swapped(line.options, new)
            new[line] = copy
            copies.append(copy)

        def keyed(found: dict[Line, Any]) -> dict[Line, Any]:
            pairs = [(swapped(line, new), x) for line, x in found.items()]
            return {line: x for line, x in reversed(pairs) if isinstance(line, Line)}

        views = [(x, swapped(y, new)) for x, y in self.views.items()]
        return Program(
            self.inputs,
            copies,
            swapped(self.outputs, new),
            [replace(x, value=swapped(x.value, new)) for x in self.effects],
            keyed(self.origins),
            self.names,
            keyed({line: swapped(x, new) for line, x in self.gradients.items()}),
            keyed(self.memory),
            keyed(self.targets),
            keyed({x: y for x, y in views if x not in taken and isinstance(y, Line)}),
            self.paths,
            self.places,
            self.computed,
        )


def lines_in(x: Any) -> Iterator[Line]:
    """The lines in a structure."""
    if isinstance(x, Line):
        yield x
    elif isinstance(x, tuple | list):
        for y in x:
            yield from lines_in(y)
    elif isinstance(x, dict):
        yield from lines_in(list(x.values()))
    elif isinstance(x, slice):
        yield from lines_in([x.start, x.stop, x.step])


def operands(line: Line) -> Iterator[Line]:
    """The lines that a line uses."""
    yield from lines_in(line.inputs)
    yield from lines_in(line.options)


def swapped(x: Any, taken: dict[Line, Any]) -> Any:
    """x with taken[line] in place of each line, and so on while taken[line] is itself replaced."""

    def last(line: Line) -> Any:
        found: Any = line
        while isinstance(found, Line) and found in taken:
            found = taken[found]
        return found

    return replaced(x, Line, last)


def must_stay(line: Line) -> bool:
    """Whether a line does more than compute its result."""
    return line.function in (guard, draw)


def is_array(line: Line) -> bool:
    return isinstance(line.data, np.ndarray)


def layout_of(x: Any) -> Any:
    """What two results must have in common for one to take the place of the other."""
    return (x.shape, x.dtype, x.strides) if isinstance(x, np.ndarray) else type(x)


def views_among(lines: Iterable[Line]) -> dict[Line, Line]:
    """views[line]: the operand whose memory its result shares, for each result that is a view."""
    views = {}
    for line in lines:
        for x in operands(line):
            if isinstance(x.data, tuple | list):  # one of several results
                # Each of them may be a view of a different operand.
                x = next((y for y in operands(x) if shares_memory(line, y)), x)
            if shares_memory(line, x):
                views[line] = x
                break
    return views


def shares_memory(x: Line, y: Line) -> bool:
    return bool(memory_of(x.data) & memory_of(y.data))


def memory_of(x: Any) -> set[int]:
    """The ids of the arrays that own the memory of x: several, perhaps, for a list of arrays."""
    if isinstance(x, list | tuple):
        return {key for y in x for key in memory_of(y)}
    if not isinstance(x, np.ndarray):
        return set()
    while getattr(x, "base", None) is not None:  # of a window, this may be no array
        x = x.base
    return {id(x)}


def owning_array(x: Any) -> Any:
    """The array that owns the memory of x; None if no NumPy array owns it."""
    whose = x if x.base is None else x.base
    return whose if whose.__class__ is np.ndarray and whose.base is None else None
