"""What is a program? Lines in the order in which they run, what goes in, and what comes out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_edu.compiler.tape import Origin, draw, guard
from tinygrad_edu.tracing import Line, replaced

ALIGNED = 64  # bytes: where a line of the cache begins


@dataclass(frozen=True)
class Effect:
    """What a run leaves behind: at `target` (what the caller understands) now is `value`.

    in_place  the array that was there is changed, so that all its holders see it
    before    the input line that stands for what was there
    """

    target: Any
    value: Any
    in_place: bool = False
    before: Any = None


@dataclass
class Program:
    """A straight line of calls.

    inputs     given lines: `source` of a line says where its data is read in each run
    lines      calls, each after all that it uses
    outputs    a structure with lines in it
    effects    what else a run changes
    origins    where a line came from
    names      what an input is called
    gradients  gradients[line]: the result whose gradient a line is
    memory     for a line whose result goes to memory that the program keeps: which, by number
    places     places[number]: where that memory lies in one block that all of them share, in bytes
    targets    targets[line]: the input whose array the result of a line is written to
    views      views[line]: the operand whose memory the result lies in
    paths      paths[id(module)]: where a module is in the network
    computed   computed[id(x)]: the line that would make x, an array of the program's own
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
        """The line that made the memory in which the result lies."""
        while line in self.views:
            line = self.views[line]
        return line

    def results(self) -> list[Line]:
        """The lines that leave the program."""
        return [*lines_in(self.outputs), *lines_in([effect.value for effect in self.effects])]

    def returned(self) -> list[Line]:
        """What a run returns: the results, except those that are written to their place."""
        return [line for line in self.results() if line not in self.targets]

    def with_lines(self, lines: Iterable[Line], taken: dict[Line, Any]) -> "Program":
        """The program of these lines; taken[line] stands wherever one that is gone was used."""
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
    """x with taken[line] in the place of each line, and of what stands there in turn."""

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
    """The operand whose memory a result lies in, for each result that is a view."""
    views = {}
    for line in lines:
        for x in operands(line):
            if isinstance(x.data, tuple | list):  # each of several results may be of another one
                x = next((y for y in operands(x) if shares_memory(line, y)), x)
            if shares_memory(line, x):
                views[line] = x
                break
    return views


def shares_memory(x: Line, y: Line) -> bool:
    return bool(memory_of(x.data) & memory_of(y.data))


def memory_of(x: Any) -> set[int]:
    """The arrays whose memory it lies in; a list of arrays may lie in several."""
    if isinstance(x, list | tuple):
        return {key for y in x for key in memory_of(y)}
    if not isinstance(x, np.ndarray):
        return set()
    while getattr(x, "base", None) is not None:  # that of a window is no array, and has a base
        x = x.base
    return {id(x)}


def owning_array(x: Any) -> Any:
    """The array that owns the memory in which x lies; None if it is not one of NumPy's."""
    whose = x if x.base is None else x.base
    return whose if whose.__class__ is np.ndarray and whose.base is None else None
