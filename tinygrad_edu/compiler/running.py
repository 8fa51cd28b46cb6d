"""How does a program run? It reads and leaves what the function itself would read and leave."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.compiler.holdings import Holdings, Place
from tinygrad_edu.compiler.program import Program, lines_in
from tinygrad_edu.compiler.recording import Argument, Gradient, Recording
from tinygrad_edu.compiler.tape import draw
from tinygrad_edu.compiler.text import Writer
from tinygrad_edu.graph import Node, adding
from tinygrad_edu.structures import is_structure, leaves, rebuilt
from tinygrad_edu.tracing import Line

CHANGED = object()
ABSENT = AttributeError, IndexError, KeyError, TypeError


class Runner:
    """One program, bound to where it reads and where it leaves its results."""

    def __init__(self, recording: Recording, program: Program) -> None:
        used = set(lines_in([[line.inputs, line.options] for line in program.lines]))
        used.update(program.results())
        program.inputs = [line for line in program.inputs if line in used]
        self.program, self.holdings = program, recording.holdings
        self.settings = recording.holdings.settings_now()
        self.structure, self.kinds = recording.result
        sources = [recording.sources[line] for line in program.inputs]
        self.read = reader(sources)
        self.expected = [
            (None if isinstance(source, Argument) else kind_of(line.data))
            for source, line in zip(sources, program.inputs, strict=True)
        ]
        self.known: list[Any] = [None] * len(sources)
        self.draws = any(line.function is draw for line in program.lines)
        self.generators = [line.data for line in program.inputs if is_generator(line.data)]
        self.source, self.function = Writer(program).build()
        self.places = [x.target for x in program.effects if isinstance(x.target, Place)]
        self.kept = [structure_of(place.get()) for place in self.places]

    def run(self, given: list[Any]) -> Any:
        """The result for these arguments; CHANGED, and nothing done, if the program is not right.

        It is not where a setting, a shape or a branch is another one.
        """
        if self.holdings.settings_now() != self.settings:
            return CHANGED
        try:
            values = self.read(given)
        except ABSENT:
            return CHANGED
        known = self.known
        for i, (x, kind) in enumerate(zip(values, self.expected)):
            if kind is not None and x is not known[i]:
                if kind_of(x) != kind:
                    return CHANGED
                known[i] = x
        if self.places and [structure_of(place.get()) for place in self.places] != self.kept:
            return CHANGED
        states = [x.bit_generator.state for x in self.generators] if self.draws else ()
        results = self.function(*values)
        if results is None:
            for rng, state in zip(self.generators, states):
                rng.bit_generator.state = state
            return CHANGED
        return self.left(given, iter(results))

    def left(self, given: list[Any], results: Iterator[Any]) -> Any:
        """Leave the effects where they belong, and put the result together."""
        found = [filled(x, results) for x in self.program.outputs]
        for effect in self.program.effects:
            value = filled(effect.value, results)
            target = effect.target
            if isinstance(target, Gradient):
                node = target.node
                node = given[node.index] if isinstance(node, Argument) else node
                with adding:
                    node.accumulate(value)
            else:
                leave(target, value, effect.in_place)
        out = (
            x if kind is None else kind(x, requires_grad=False)
            for x, kind in zip(found, self.kinds)
        )
        return rebuilt(self.structure, out) if is_structure(self.structure) else next(out)


def leave(place: Place, value: Any, in_place: bool) -> None:
    """Put a value where it belongs; a node is then younger than the graphs made before."""
    if in_place:
        array = place.get()
        if array is not value:
            array[...] = value
        value = array
    if isinstance(place.owner, Node) and place.key == "_array":
        place.owner.data = value
    else:
        place.set(value)


def filled(x: Any, results: Iterator[Any]) -> Any:
    """x with the next results in the place of its lines; what is held is copied."""
    if isinstance(x, Line):
        return next(results)
    if is_structure(x):
        return rebuilt(x, (filled(y, results) for y in leaves(x)))
    return x.copy() if isinstance(x, np.ndarray) else x


def is_generator(x: Any) -> bool:
    return isinstance(x, np.random.Generator)


def kind_of(x: Any) -> Any:
    """What a program takes for granted of what it reads."""
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, None if x.flags.c_contiguous else x.strides
    return type(x)


def structure_of(x: Any) -> Any:
    """The kind of each leaf."""
    return [kind_of(y) for y in leaves(x)] if is_structure(x) else kind_of(x)


def reader(sources: list[Any]) -> Callable[[list[Any]], tuple[Any, ...]]:
    """A function that reads all inputs, written out: a step of a small network takes 50 µs."""
    names: dict[str, Any] = {}
    parts = []
    for i, source in enumerate(sources):
        if isinstance(source, Argument):
            parts.append(f"data_of(given[{source.index}])")
            continue
        place = source.place
        names[f"owner{i}"] = place.owner if place.kept_in is None else place.kept_in
        names[f"key{i}"] = place.key
        where = f"owner{i}.{place.key}" if place.kept_in is None else f"owner{i}[key{i}]"
        value = place.get()
        if is_structure(value):
            where = f"leaves({where})" if any(map(is_structure, value)) else where
            where = f"{where}[{source.index}]"
        parts.append(where)
    text = f"def read(given):\n    return ({''.join(f'{part}, ' for part in parts)})"
    names |= {"data_of": data_of, "leaves": leaves}
    exec(text, names)
    return names["read"]


def data_of(x: Any) -> Any:
    return x.data if isinstance(x, Node) else x


# Beside the eager step


@contextmanager
def snapshot(holdings: Holdings, given: list[Any]) -> Iterator[Callable[[], None]]:
    """Gives what puts everything back as it is now, the contents of arrays too."""
    places = [*holdings.places]
    places += [
        Place(x, key, "") for x in given if isinstance(x, Node) for key in ("_array", "grad")
    ]
    values = [place.get() for place in places]
    copies = [[np.copy(x) if isinstance(x, np.ndarray) else x for x in leaves(v)] for v in values]
    generators = [x for v in [*values, *given] for x in leaves(v) if is_generator(x)]
    states = [rng.bit_generator.state for rng in generators]

    def restore() -> None:
        for place, value, copy in zip(places, values, copies, strict=True):
            for x, y in zip(leaves(value), copy, strict=True):
                if isinstance(x, np.ndarray) and not same_bits(x, y):
                    x[...] = y
            place.set(value)
        for rng, state in zip(generators, states, strict=True):
            rng.bit_generator.state = state

    yield restore


def numbers_now(holdings: Holdings, given: list[Any]) -> list[tuple[str, Any]]:
    """A copy of every number that the function holds, by name."""
    found = [(place.name, place.get()) for place in holdings.places]
    found += [("an argument's gradient", x.grad) for x in given if isinstance(x, Node)]
    return [
        (name, np.copy(data_of(x)) if isinstance(x, np.ndarray | Node) else x)
        for name, value in found
        for x in leaves(value)
        if not is_generator(x)
    ]


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays or numbers are equal in dtype, shape and bits; one nan is like another."""
    x, y = np.asarray(x), np.asarray(y)
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        return False
    if x.tobytes() == y.tobytes():
        return True
    if x.dtype.kind != "f":
        return False
    nan = np.isnan(x)
    return bool(np.array_equal(nan, np.isnan(y)) and x[~nan].tobytes() == y[~nan].tobytes())
