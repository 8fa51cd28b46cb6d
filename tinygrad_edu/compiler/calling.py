"""What happens around a program in each call? Check its assumptions, read inputs, store results.

A step of a small network takes 50 µs, and a loop over everything that the function holds would take
10 µs of that. So this work is written out, for each program, as functions without a loop.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_edu.compiler.calls import INSIDE, Call, kind_of
from tinygrad_edu.compiler.holdings import ABSENT, ITEMS, Place, equal, has_lent, outline
from tinygrad_edu.compiler.program import Effect, Program, owning_array
from tinygrad_edu.compiler.recording import Argument, Gradient, Held, Recording, is_data
from tinygrad_edu.graph import Node, adding
from tinygrad_edu.memory import memory_of, next_birth
from tinygrad_edu.modes import RECORDING, WATCH
from tinygrad_edu.structures import is_structure, leaves, rebuilt
from tinygrad_edu.tracing import Line

CHANGED = object()


class Text:
    """Writes functions, and keeps the objects that their names stand for."""

    def __init__(self, **names: Any) -> None:
        self.names = names
        self.fresh = itertools.count()

    def name(self, x: Any) -> str:
        """A name or a literal for this very object."""
        if x is None or x is True or x is False:
            return str(x)
        name = f"x{next(self.fresh)}"
        self.names[name] = x
        return name

    def place(self, place: Place) -> str:
        """The expression that reads a place."""
        if place.kept_in is None:
            return f"{self.name(place.owner)}.{place.key}"
        return f"{self.name(place.kept_in)}[{self.name(place.key)}]"

    def source(self, source: Argument | Held) -> str:
        """The expression that reads a value."""
        if isinstance(source, Argument):
            x = f"given[{source.index}]"
            return f"{x} if {x}.__class__ is ndarray else data_of({x})"
        where = self.place(source.place)
        value = source.place.get()
        if not is_structure(value):
            return where
        return f"{f'leaves({where})' if any(map(is_structure, value)) else where}[{source.index}]"

    def whole(self, x: Any, names: Iterator[str]) -> str:
        """The expression that builds x, with the next of `names` in place of each line.

        Any other array in x belongs to the program, so the caller gets a copy.
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


def signature_of(call: Call, text: Text) -> list[str]:
    """Conditions that arguments have the signature of this call.

    Only a call with plain arrays gets them. For any other the list is empty, and calls like it take
    the general way: `calls.flat`.
    """
    plain = all(x.__class__ is np.ndarray and x.flags.c_contiguous for x in call.args)
    remembers = RECORDING.get()
    if call.options or not call.args or not plain or callable(remembers):
        return []
    recording, inside, watch = map(text.name, (RECORDING.get, INSIDE.get, WATCH.get))
    conditions = [f"len(given) == {len(call.args)}", f"not {inside}()", f"{watch}() is None"]
    conditions += [f"{recording}() is {remembers}"]
    for i, x in enumerate(call.args):
        conditions += [f"given[{i}].__class__ is ndarray", f"given[{i}].shape == {x.shape}"]
        conditions += [f"given[{i}].dtype is {text.name(x.dtype)}"]
        conditions += [f"given[{i}].flags.c_contiguous"]
    return conditions


def conjunction(conditions: Iterable[str]) -> str:
    return " and ".join(conditions) or "True"


class Inputs:
    """What a program reads: `read(given)` returns the values, or None if the program does not fit.

    sources   where each value is found
    kinds     what the program assumes of each value that the function holds; None for an argument
    written   the indices of the values that the program writes to
    known     the arrays that were last accepted
    owners    the ids of the arrays that own memory which the program writes to
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
        self.lock = RLock()
        text = Text(ndarray=np.ndarray)
        reading = [*self.lines(text, "return None"), f"return ({self.names})"]
        self.read: Callable[[Sequence[Any]], Any] = text.function("(given)", reading)

    @property
    def names(self) -> str:
        """The names of the values in the lines that read them."""
        return "".join(f"v{i}, " for i in range(len(self.sources)))

    def lines(self, text: Text, otherwise: str) -> list[str]:
        """Lines that read the values from `given` and from where they are held.

        They are fast if every object is the same as in the last run. They run `otherwise` if the
        program does not fit.
        """
        text.names |= {"ABSENT": ABSENT, "equal": equal, "leaves": leaves, "data_of": data_of}
        same, admitted = text.name(self.has_same_settings), text.name(self.admitted)
        apart, known, owners = map(text.name, (self.apart, self.known, self.owners))
        names = [f"v{i}" for i in range(len(self.sources))]
        reads = zip(names, map(text.source, self.sources), strict=True)
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
            f"        {otherwise}",
            f"    if not ({conjunction([*absent, *same_array, *self.same_nodes(text)])}):",
            f"        {otherwise}",
            *(f"    {name} = {where}" for name, where in reads),
        ]
        changed = f"not ({conjunction(held)}) and not {admitted}(({self.names}))"
        after = [f"if {changed}:", f"    {otherwise}"]
        for name, source in zip(names, self.sources, strict=True):
            if self.written and isinstance(source, Argument):
                may_lie = f"{name}.base is not None or id({name}) in {owners}"
                after.append(f"if {name}.__class__ is ndarray and ({may_lie}):")
                after.append(f"    {name} = {apart}({name})")
        return ["try:", *lines, "except ABSENT:", f"    {otherwise}", *after]

    def now(self) -> dict[int, Any]:
        """The values that the function holds now, by index."""
        sources = enumerate(self.sources)
        return {i: leaves(x.place.get())[x.index] for i, x in sources if isinstance(x, Held)}

    def same_nodes(self, text: Text) -> Iterator[str]:
        """Conditions that the function holds each given node, or does not, as when recorded."""
        held = {id(x): x for x in self.holdings.leaves}
        for i, x in self.nodes if held else ():
            if id(x) in held:
                yield f"given[{i}] is {text.name(x)}"
            else:
                yield f"id(given[{i}]) not in {text.name(held)}"

    def settings_in(self, text: Text) -> Iterator[str]:
        """Conditions that each setting is still the same object."""
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
        """Whether each setting is still the same object, or an equal number or text."""
        return self.holdings.settings_now() == self.settings

    def admitted(self, values: tuple[Any, ...]) -> bool:
        """Whether the program fits these values, some of which are new objects."""
        pairs = zip(values, self.kinds, strict=True)
        if any(kind is not None and kind_of(x) != kind for x, kind in pairs):
            return False
        if self.written:
            held = [i for i, kind in enumerate(self.kinds) if isinstance(kind, tuple)]
            both = ((values[i], values[j]) for i in self.written for j in held if i != j)
            if any(np.may_share_memory(x, y) for x, y in both):
                return False
            owners = [owning_array(values[i]) for i in self.written]
            writeable = all(values[i].flags.writeable for i in self.written)
            if not writeable or any(x is None for x in owners):
                return False
            self.owners.clear()
            self.owners.update(map(id, owners))
        for i, kind in enumerate(self.kinds):
            self.known[i] = values[i] if isinstance(kind, tuple) else None
        return True

    def apart(self, x: Any) -> Any:
        """The argument x, or a copy of it if it shares memory that the program writes to."""
        whose = owning_array(x)
        if whose is not None and id(whose) not in self.owners:
            return x
        written = (self.known[i] for i in self.written)
        return x.copy("K") if any(np.may_share_memory(x, y) for y in written) else x


class Outputs:
    """Where results go: `leave(given, results)` stores them and returns the result of the call."""

    def __init__(self, recording: Recording, program: Program) -> None:
        self.structure, self.kinds = recording.result
        self.outputs = program.outputs
        self.written = [x.target for x in program.effects if is_written(x, program)]
        self.effects = [x for x in program.effects if not is_written(x, program)]
        self.count = len(program.returned())
        text = Text(ndarray=np.ndarray)
        self.leave = text.function("(given, results)", self.lines(text))

    def lines(self, text: Text) -> list[str]:
        """Lines that store each of `results` in its place, and return the result of the call."""
        text.names |= {"adding": adding, "next_birth": next_birth, "memory_of": memory_of}
        text.names |= {"fill": fill, "wrapped": wrapped, "rebuilt": rebuilt}
        text.names |= {"structure": self.structure}
        names = [f"r{i}" for i in range(self.count)]
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
                lines.append(f"fill({text.name(place)}, {value}, {effect.in_place})")
            else:
                lines.append(f"{text.place(place)} = {value}")
        if updated := [text.name(place.owner) for place in self.written if is_data(place)]:
            lines.append("birth = next_birth()")  # graphs made before are now stale
            lines += [f"({p}.memory or memory_of({p})).changed = birth" for p in updated]
        for i, kind in enumerate(self.kinds):
            if kind is not None:
                results[i] = f"wrapped({text.name(kind)}, {results[i]})"
        if is_structure(self.structure):
            lines.append(f"return rebuilt(structure, iter(({''.join(f'{x}, ' for x in results)})))")
        else:
            lines.append(f"return {results[0]}")
        return lines


def caller(
    inputs: Inputs, outputs: Outputs, step: Callable[..., Any], call: Call | None = None
) -> Any:
    """A function of `given` that reads the inputs, runs `step`, and stores the results.

    It returns the result of the call; or CHANGED, without any effect, if the program does not fit.
    With `call` it also checks the signature of the arguments; None if these are not plain arrays.
    """
    text = Text(ndarray=np.ndarray, CHANGED=CHANGED, step=step, lock=inputs.lock)
    signature = [] if call is None else signature_of(call, text)
    if call is not None and not signature:
        return None
    run = [
        *inputs.lines(text, "return CHANGED"),
        "with lock:",  # its memory serves one run at a time
        f"    results = step({inputs.names})",
        "    if results is None:",
        "        return CHANGED",
        *(f"    {line}" for line in outputs.lines(text)),
    ]
    return text.function(
        "(given)", [f"if not ({conjunction(signature)}):", "    return CHANGED", *run]
    )


def is_written(effect: Effect, program: Program) -> bool:
    """Whether the program itself writes the new numbers to their place."""
    return isinstance(effect.value, Line) and effect.value in program.targets


def wrapped(kind: Any, x: Any) -> Any:
    """A node of this class around a result, without a graph."""
    out: Any = object.__new__(kind)
    if x.__class__ is not kind.native:
        x = np.asarray(x) if kind.broadcasts and isinstance(x, np.generic) else kind.adopt(x)
    Node.__init__(out, x, False, None)
    return out


def fill(place: Place, value: Any, in_place: bool) -> None:
    """Store a value in its place; for a node, graphs made before are then stale."""
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
