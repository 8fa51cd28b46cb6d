"""What happens around a program in each call? What it takes for granted is looked at, what it needs
is read, and what it has made is left where it belongs.

A step of a small network takes 50 µs, and a loop over what it holds 10 of them. So each program
gets functions of its own for this, written out and without a loop.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.compiler.calls import INSIDE, Call, kind_of
from tinygrad_edu.compiler.holdings import ABSENT, ITEMS, Place, equal, has_lent, outline
from tinygrad_edu.compiler.program import Effect, Program, owner
from tinygrad_edu.compiler.recording import Argument, Gradient, Held, Recording, is_data
from tinygrad_edu.graph import Node, adding
from tinygrad_edu.memory import memory_of, next_birth
from tinygrad_edu.modes import RECORDING
from tinygrad_edu.structures import is_structure, leaves, rebuilt
from tinygrad_edu.tracing import Line


class Text:
    """Lines of a function that is about to be written, and the objects that it names."""

    def __init__(self, **names: Any) -> None:
        self.names = names
        self.fresh = itertools.count()

    def name(self, x: Any) -> str:
        """A name, or a literal, that stands for this very object."""
        if x is None or x is True or x is False:
            return str(x)
        name = f"x{next(self.fresh)}"
        self.names[name] = x
        return name

    def place(self, place: Place) -> str:
        """What reads a place."""
        if place.kept_in is None:
            return f"{self.name(place.owner)}.{place.key}"
        return f"{self.name(place.kept_in)}[{self.name(place.key)}]"

    def source(self, source: Argument | Held) -> str:
        """What reads a value."""
        if isinstance(source, Argument):
            x = f"given[{source.index}]"
            return f"{x} if {x}.__class__ is ndarray else data_of({x})"
        where = self.place(source.place)
        value = source.place.get()
        if not is_structure(value):
            return where
        return f"{f'leaves({where})' if any(map(is_structure, value)) else where}[{source.index}]"

    def whole(self, x: Any, names: Iterator[str]) -> str:
        """What puts x together, with the next of the names in the place of each line.

        An array in it that is no line is held by the program, and copied.
        """
        if isinstance(x, Line):
            return next(names)
        if isinstance(x, Held):  # changed in place
            return self.source(x)
        if type(x) in (list, tuple):
            inside = "".join(f"{self.whole(y, names)}, " for y in x)
            return f"[{inside}]" if isinstance(x, list) else f"({inside})"
        return f"{self.name(x)}.copy()" if isinstance(x, np.ndarray) else self.name(x)

    def function(self, head: str, lines: Iterable[str]) -> Callable[..., Any]:
        """The function with this head and these lines."""
        exec("\n".join([f"def function{head}:", *(f"    {line}" for line in lines)]), self.names)
        function: Callable[..., Any] = self.names.pop("function")
        return function


def recognizer(call: Call) -> Callable[[tuple[Any, ...]], bool] | None:
    """Whether arguments have the signature of this call: for a call with plain arrays alone.

    None for any other call, which takes the general way: `calls.flat`.
    """
    plain = all(x.__class__ is np.ndarray and x.flags.c_contiguous for x in call.args)
    if call.options or not call.args or not plain:
        return None
    text = Text(ndarray=np.ndarray, recording=RECORDING.get, inside=INSIDE.get)
    conditions = [f"len(args) == {len(call.args)}", "not inside()"]
    conditions += ["recording() is not False" if RECORDING.get() else "recording() is False"]
    for i, x in enumerate(call.args):
        conditions += [f"args[{i}].__class__ is ndarray", f"args[{i}].shape == {x.shape}"]
        conditions += [f"args[{i}].dtype is {text.name(x.dtype)}"]
        conditions += [f"args[{i}].flags.c_contiguous"]
    return text.function("(args)", [f"return {conjunction(conditions)}"])


def conjunction(conditions: Iterable[str]) -> str:
    return " and ".join(conditions) or "True"


class Inputs:
    """What a program reads: `read(given)` gives its values; None if it takes others for granted.

    sources   where each value is found
    kinds     what is taken for granted of each that is held; None for an argument
    written   the numbers of those that the program writes to
    known     the arrays that were found right before
    owners    the arrays that own the memory which is written to, by id
    """

    def __init__(
        self, call: Call, recording: Recording, lines: list[Line], written: set[Line]
    ) -> None:
        self.sources = [recording.sources[line] for line in lines]
        self.kinds = [
            None if isinstance(source, Argument) else kind_of(line.data)
            for source, line in zip(self.sources, lines, strict=True)
        ]
        self.written = [i for i, line in enumerate(lines) if line in written]
        self.nodes = [(i, x) for i, x in enumerate(call.leaves) if isinstance(x, Node)]
        self.holdings, self.same = recording.holdings, recording.same
        self.settings = self.holdings.settings_now()
        self.known: list[Any] = [None] * len(lines)
        self.owners: set[int] = set()
        targets = [x.target for x in recording.program.effects if isinstance(x.target, Place)]
        self.absent = [place for place in targets if place.get() is None]
        self.read = self.written_out()

    def written_out(self) -> Callable[[Sequence[Any]], tuple[Any, ...] | None]:
        """The function `read`: quick where all is the very object that it was before."""
        text = Text(ABSENT=ABSENT, equal=equal, leaves=leaves, data_of=data_of, ndarray=np.ndarray)
        same, admitted = text.name(self.has_same_settings), text.name(self.admitted)
        apart, known, owners = map(text.name, (self.apart, self.known, self.owners))
        names = [f"v{i}" for i in range(len(self.sources))]
        reads = zip(names, map(text.source, self.sources), strict=True)
        values = f"({''.join(f'{name}, ' for name in names)})"
        held = [
            f"v{i} is {known}[{i}]"
            if isinstance(kind, tuple)
            else f"v{i}.__class__ is {text.name(kind)}"
            for i, kind in enumerate(self.kinds)
            if kind is not None
        ]
        # A gradient that was None when the function was recorded has no number to read.
        absent = [f"{text.place(place)} is None" for place in self.absent]
        same_array = [" is ".join(map(text.source, pair)) for pair in self.same]
        lines = [
            f"    if not ({conjunction(self.settings_in(text))}) and not {same}():",
            "        return None",
            f"    if not ({conjunction([*absent, *same_array, *self.same_nodes(text)])}):",
            "        return None",
            *(f"    {name} = {where}" for name, where in reads),
        ]
        after = [f"if not ({conjunction(held)}) and not {admitted}({values}):", "    return None"]
        for name, source in zip(names, self.sources, strict=True):
            if self.written and isinstance(source, Argument):
                may_lie = f"{name}.base is not None or id({name}) in {owners}"
                after.append(f"if {name}.__class__ is ndarray and ({may_lie}):")
                after.append(f"    {name} = {apart}({name})")
        lines = ["try:", *lines, "except ABSENT:", "    return None", *after, f"return {values}"]
        return text.function("(given)", lines)

    def now(self) -> dict[int, Any]:
        """The values that are held, by number."""
        sources = enumerate(self.sources)
        return {i: leaves(x.place.get())[x.index] for i, x in sources if isinstance(x, Held)}

    def same_nodes(self, text: Text) -> Iterator[str]:
        """The conditions that say which nodes that are given are held as well."""
        held = {id(x): x for x in self.holdings.leaves}
        for i, x in self.nodes if held else ():
            if id(x) in held:
                yield f"given[{i}] is {text.name(x)}"
            else:
                yield f"id(given[{i}]) not in {text.name(held)}"

    def settings_in(self, text: Text) -> Iterator[str]:
        """The conditions that say that each setting is the object that it was."""
        settings = iter(self.settings)
        for watched in self.holdings.settings:
            inside = text.name(watched.inside)
            for key in watched.names:
                items = isinstance(watched.inside, ITEMS)
                where = f"{inside}[{text.name(key)}]" if items else f"{inside}.{key}"
                setting = next(settings)
                if has_lent(watched.get(key)):
                    yield f"equal({text.name(outline)}({where}), {text.name(setting)})"
                else:
                    yield f"{where} is {text.name(setting)}"
            if not watched.names and isinstance(watched.size(), frozenset | tuple):
                kind = "tuple" if isinstance(watched.owner, dict) else ""
                yield f"{kind}({inside}) == {text.name(next(settings))}"
            elif not watched.names:
                may_train = isinstance(watched.inside, dict)
                training = f" - ('training' in {inside})" * may_train
                yield f"len({inside}){training} == {next(settings)}"

    def has_same_settings(self) -> bool:
        """Whether those that are not the same objects are equal numbers."""
        return self.holdings.settings_now() == self.settings

    def admitted(self, values: tuple[Any, ...]) -> bool:
        """Whether these values, some of them new, are what the program was recorded for."""
        pairs = zip(values, self.kinds, strict=True)
        if any(kind is not None and kind_of(x) != kind for x, kind in pairs):
            return False
        if self.written:
            held = [i for i, kind in enumerate(self.kinds) if isinstance(kind, tuple)]
            both = ((values[i], values[j]) for i in self.written for j in held if i != j)
            if any(np.may_share_memory(x, y) for x, y in both):
                return False
            owners = [owner(values[i]) for i in self.written]
            if any(x is None for x in owners):
                return False
            self.owners.clear()
            self.owners.update(map(id, owners))
        for i, kind in enumerate(self.kinds):
            self.known[i] = values[i] if isinstance(kind, tuple) else None
        return True

    def apart(self, x: Any) -> Any:
        """An argument; a copy of it if it lies in memory that the program writes to."""
        whose = owner(x)
        if whose is not None and id(whose) not in self.owners:
            return x
        written = (self.known[i] for i in self.written)
        return x.copy("K") if any(np.may_share_memory(x, y) for y in written) else x


class Outputs:
    """What a program leaves: `leave(given, results)` does so, and gives the result of the call."""

    def __init__(self, recording: Recording, program: Program) -> None:
        self.structure, self.kinds = recording.result
        self.outputs = program.outputs
        self.written = [x.target for x in program.effects if is_written(x, program)]
        self.effects = [x for x in program.effects if not is_written(x, program)]
        self.leave = self.written_out(len(program.returned()))

    def written_out(self, count: int) -> Callable[[Sequence[Any], tuple[Any, ...]], Any]:
        """The function `leave`, for a program that returns so many numbers."""
        text = Text(ndarray=np.ndarray, adding=adding, next_birth=next_birth)
        text.names |= {"memory_of": memory_of, "leave": leave, "wrapped": wrapped}
        text.names |= {"rebuilt": rebuilt, "structure": self.structure}
        names = [f"r{i}" for i in range(count)]
        found = iter(names)
        results = [text.whole(x, found) for x in self.outputs]
        effects = [(x, text.whole(x.value, found)) for x in self.effects]
        lines = [f"{', '.join(names)}, = results"] if names else []
        if gradients := [(x.target.node, g) for x, g in effects if isinstance(x.target, Gradient)]:
            lines.append("with adding:")
            for node, g in gradients:
                is_given = isinstance(node, Argument)
                p = f"given[{node.index}]" if is_given else text.name(node)
                lines.append(f"    if {p}.grad is None and {g}.__class__ is ndarray:")
                lines.append(f"        {p}.grad = {g}")
                lines.append("    else:")
                lines.append(f"        {p}.accumulate({g})")
        for effect, value in effects:
            place = effect.target
            if isinstance(place, Gradient):
                continue
            if place.kept_in is None or effect.in_place:
                lines.append(f"leave({text.name(place)}, {value}, {effect.in_place})")
            else:
                lines.append(f"{text.place(place)} = {value}")
        if updated := [text.name(place.owner) for place in self.written if is_data(place)]:
            lines.append("birth = next_birth()")  # younger than the graphs made before
            lines += [f"({p}.memory or memory_of({p})).changed = birth" for p in updated]
        for i, kind in enumerate(self.kinds):
            if kind is not None:
                results[i] = f"wrapped({text.name(kind)}, {results[i]})"
        if is_structure(self.structure):
            lines.append(f"return rebuilt(structure, iter(({''.join(f'{x}, ' for x in results)})))")
        else:
            lines.append(f"return {results[0]}")
        return text.function("(given, results)", lines)


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


def data_of(x: Any) -> Any:
    return x.data if isinstance(x, Node) else x
