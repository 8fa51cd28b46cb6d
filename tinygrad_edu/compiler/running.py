"""How does a program run? It reads and leaves what the function itself would read and leave."""

import itertools
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_edu.compiler.holdings import Holdings, Place, Settings
from tinygrad_edu.compiler.program import Effect, Program, lines_in
from tinygrad_edu.compiler.recording import Argument, Gradient, Recording, is_data, is_generator
from tinygrad_edu.compiler.saving import write
from tinygrad_edu.compiler.tape import draw
from tinygrad_edu.compiler.text import Writer
from tinygrad_edu.graph import Node, adding
from tinygrad_edu.memory import memory_of, next_birth
from tinygrad_edu.structures import is_structure, leaves, rebuilt
from tinygrad_edu.tracing import Line

CHANGED = object()
ABSENT = AttributeError, IndexError, KeyError, TypeError


class Runner:
    """One program, bound to where it reads and where it leaves its results."""

    def __init__(self, recording: Recording, program: Program) -> None:
        used = set(lines_in([[line.inputs, line.options] for line in program.lines]))
        used.update(program.results())
        sources = recording.sources
        program.inputs = [line for line in program.inputs if line in used]
        program.inputs.sort(key=lambda line: not isinstance(sources[line], Argument))
        self.program, self.holdings = program, recording.holdings
        self.recorded = len(recording.program.lines)
        self.structure, self.kinds = recording.result
        places = [sources[line] for line in program.inputs]
        self.read = reader(places)
        self.given = [x.index for x in places if isinstance(x, Argument)]
        self.settings_now = recording.holdings.read
        self.settings = self.settings_now()
        self.expected = [
            (None if isinstance(source, Argument) else kind_of(line.data))
            for source, line in zip(places, program.inputs, strict=True)
        ]
        self.lock = RLock()
        written_to = set(program.targets.values())
        self.given_at = [i for i, x in enumerate(places) if isinstance(x, Argument)]
        self.written: set[int] = set()
        self.base: Any = None
        self.written_to = [i for i, x in enumerate(program.inputs) if x in written_to]
        self.known: list[Any] = [None] * len(places)
        effects = [x for x in program.effects if not is_written(x, program)]
        self.packed = packer(program.outputs, [x.value for x in effects])
        self.gradients = [
            (i, x.target.node) for i, x in enumerate(effects) if isinstance(x.target, Gradient)
        ]
        self.replaced = [
            (i, x.target.kept_in, x) for i, x in enumerate(effects) if isinstance(x.target, Place)
        ]
        written = [x.target for x in program.effects if is_written(x, program)]
        self.updated = [place.owner for place in written if is_data(place)]
        draws = any(line.function is draw for line in program.lines)
        inputs = enumerate(program.inputs)
        self.generators = [i for i, x in inputs if draws and is_generator(x.data)]
        self.writer = Writer(program)
        self.source, self.function = self.writer.build()
        for line in [*program.lines, *program.inputs]:
            line.data = shadow(line.data)
        # What has no number to read is taken for granted as well: a gradient that is None.
        targets = [x.target for x in program.effects if isinstance(x.target, Place)]
        self.absent = [place for place in targets if place.get() is None]

    def run(self, given: list[Any]) -> Any:
        """The result for these arguments; CHANGED, and nothing done, if the program is not right.

        It is not where a setting, a shape or a branch is another one.
        """
        values = self.values(given)
        if values is None:
            return CHANGED
        with self.lock:  # its memory serves one run at a time
            if not self.generators:
                results = self.function(*values)
                return CHANGED if results is None else self.left(given, results)
            generators = [values[i] for i in self.generators]
            states = [rng.bit_generator.state for rng in generators]
            results = self.function(*values)
            if results is not None:
                return self.left(given, results)
            for rng, state in zip(generators, states, strict=True):
                rng.bit_generator.state = state
            return CHANGED

    def values(self, given: list[Any]) -> Any:
        """What the program reads now; None if it was recorded for something else."""
        try:
            if differ(self.settings_now(), self.settings):
                return None
            values = self.read(given)
        except ABSENT:
            return None
        known, changed = self.known, False
        for i, (x, kind) in enumerate(zip(values, self.expected)):
            if kind is not None and x is not known[i]:
                if kind_of(x) != kind:
                    return None
                known[i], changed = x, True
        if self.written_to:
            if changed and not self.apart(values):
                return None
            for i in self.given_at:
                if self.may_change(values[i], values):  # while the program reads it
                    values = (*values[:i], values[i].copy("K"), *values[i + 1 :])
        return None if any(place.get() is not None for place in self.absent) else values

    def save(self, path: Path) -> None:
        """Write the program to a file, with what it reads beside its arguments."""
        names = [self.writer.names[line] for line in self.program.inputs]
        pairs = list(zip(names, self.expected, strict=True))
        values = self.read([None] * (1 + max(self.given, default=0)))
        held = {name: x for (name, kind), x in zip(pairs, values, strict=True) if kind is not None}
        write(
            path,
            self.source,
            self.writer.constants,
            held,
            [name for name, kind in pairs if kind is None],
            self.returned_names(),
        )

    def returned_names(self) -> list[str]:
        """What each number that the program returns is."""
        found = [
            f"{self.writer.names[line]}, of the result" for line in lines_in(self.program.outputs)
        ]
        names = {place.owner: place.name for place in self.holdings.places if is_data(place)}
        for effect in self.program.effects:
            target = effect.target
            if isinstance(target, Gradient):
                what = f"the gradient of {names.get(target.node, 'an argument')}"
            else:
                what = f"the new {target.name}"
            if not is_written(effect, self.program):
                found += [f"{self.writer.names[x]}, {what}" for x in lines_in(effect.value)]
        return found

    def may_change(self, x: Any, values: tuple[Any, ...]) -> bool:
        """Whether an argument lies in the memory of an array that the program writes to."""
        if id(x) not in self.written and getattr(x, "base", None) is self.base:
            return False
        return any(np.may_share_memory(x, values[j]) for j in self.written_to)

    def apart(self, values: tuple[Any, ...]) -> bool:
        """Whether each array that the program writes to has memory of its own."""
        arrays = [(i, x) for i, x in enumerate(values) if isinstance(x, np.ndarray)]
        arrays = [(i, x) for i, x in arrays if i not in self.given_at]
        written = [values[j] for j in self.written_to]
        self.written = {id(x) for x in written}
        # An argument that has no base cannot lie in them, if they have none either.
        self.base = None if all(x.base is None for x in written) else written
        pairs = [(values[j], x) for j in self.written_to for i, x in arrays if i != j]
        return not any(np.may_share_memory(x, y) for x, y in pairs)

    def left(self, given: list[Any], results: tuple[Any, ...]) -> Any:
        """Leave the effects where they belong, and put the result together."""
        found, values = self.packed(results)
        with adding:
            for i, target in self.gradients:
                node = given[target.index] if target.__class__ is Argument else target
                g = values[i]
                if node.grad is None and g.__class__ is np.ndarray:
                    node.grad = g
                else:
                    node.accumulate(g)
        for i, inside, effect in self.replaced:
            if inside is None or effect.in_place:
                leave(effect.target, values[i], effect.in_place)
            else:
                inside[effect.target.key] = values[i]
        birth = next_birth()
        for node in self.updated:  # younger than the graphs made before
            (node.memory or memory_of(node)).changed = birth
        for i, kind in enumerate(self.kinds):
            if kind is not None:
                found[i] = wrapped(kind, found[i])
        return rebuilt(self.structure, iter(found)) if is_structure(self.structure) else found[0]


def differ(now: list[Any], before: list[Any]) -> bool:
    """Whether settings are others: the same objects, almost always, and else equal numbers."""
    same = len(now) == len(before) and all(map(operator.is_, now, before))
    return not same and Settings(now) != Settings(before)


def is_written(effect: Effect, program: Program) -> bool:
    """Whether the program itself puts the new numbers into their place."""
    return isinstance(effect.value, Line) and effect.value in program.targets


def wrapped(kind: Any, x: Any) -> Any:
    """A node around a result, without a graph."""
    out: Any = object.__new__(kind)
    Node.__init__(out, x if x.__class__ is kind.native else kind.adopt(x), False, None)
    return out


def leave(place: Place, value: Any, in_place: bool) -> None:
    """Put a value where it belongs; a node is then younger than the graphs made before."""
    owner = place.owner
    if in_place:
        array = place.get()
        if array is not value:
            array[...] = value
        if is_data(place):
            (owner.memory or memory_of(owner)).changed = next_birth()
    elif is_data(place):
        owner.data = value
    else:
        place.set(value)


def packer(*wholes: list[Any]) -> Callable[[tuple[Any, ...]], tuple[list[Any], ...]]:
    """A function that puts what a program returns into the place of its lines, written out.

    An array that is in a result and is no line is held by the program, and copied.
    """
    names: dict[str, Any] = {}
    count = itertools.count()

    def text(x: Any) -> str:
        if isinstance(x, Line):
            return f"results[{next(count)}]"
        if type(x) in (list, tuple):
            inside = "".join(f"{text(y)}, " for y in x)
            return f"[{inside}]" if isinstance(x, list) else f"({inside})"
        name = f"held{len(names)}"
        names[name] = x
        return f"{name}.copy()" if isinstance(x, np.ndarray) else name

    exec(f"def pack(results):\n    return {', '.join(map(text, wholes))}", names)
    pack: Callable[[tuple[Any, ...]], tuple[list[Any], ...]] = names["pack"]
    return pack


def shadow(x: Any) -> Any:
    """The shape, dtype and strides of an array without its numbers, which nobody reads any more."""
    if isinstance(x, list | tuple):
        return tuple(map(shadow, x))
    if not isinstance(x, np.ndarray):
        return x
    one = np.empty((1,) * x.ndim, x.dtype)
    return np.lib.stride_tricks.as_strided(one, x.shape, x.strides, writeable=False)


def kind_of(x: Any) -> Any:
    """What a program takes for granted of what it reads."""
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, None if x.flags.c_contiguous else x.strides
    return type(x)


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
