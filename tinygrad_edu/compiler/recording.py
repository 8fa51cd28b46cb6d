"""How does a function become a program? It runs once, on recorded arrays instead of its own."""

import functools
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.compiler.calls import INSIDE, Call
from tinygrad_edu.compiler.holdings import Holdings, Part, Place, Settings, holdings_of
from tinygrad_edu.compiler.lifetimes import eager_bytes
from tinygrad_edu.compiler.program import (
    Effect,
    Program,
    is_array,
    lines_in,
    memory_of,
    operands,
    views_among,
)
from tinygrad_edu.compiler.tape import (
    CompileError,
    Origin,
    RecordedGenerator,
    Tape,
    note_value,
    on_tape,
)
from tinygrad_edu.graph import Node
from tinygrad_edu.memory import next_birth
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.structures import is_structure, leaves, rebuilt
from tinygrad_edu.tracing import Line, Traced, lines
from tinygrad_edu.transforms import called, outside

Function = Callable[..., Any]
NUMBERS = np.ndarray | np.generic | float


@dataclass(frozen=True)
class Argument:
    """Leaf number `index` of the arguments."""

    index: int


@dataclass(frozen=True)
class Held:
    """Leaf number `index` of the value at a place."""

    place: Place
    index: int


@dataclass(frozen=True)
class Gradient:
    """The `.grad` of a node that a result is added to: of a leaf that f holds, or an argument."""

    node: Any


class MissedError(Exception):
    """The function uses a leaf that was not found among what it holds."""

    def __init__(self, leaf: Node) -> None:
        super().__init__(leaf)
        self.leaf = leaf


class Lender:
    """Replaces real arrays by recorded ones. An array held in two places gets one recorded array.

    same  pairs of sources that hold the same array, so that a change in place is seen at both
    """

    def __init__(self) -> None:
        self.tape = Tape()
        self.lent: dict[int, Any] = {}
        self.sources: dict[Line, Any] = {}
        self.names: dict[Line, str] = {}
        self.same: list[tuple[Held, Held]] = []

    def lend(self, x: Any, source: Any, name: str) -> Any:
        if isinstance(x, bool) or not isinstance(x, NUMBERS | np.random.Generator):
            return x
        # Not for arguments: one array passed twice in this call may be two in the next.
        shared = isinstance(source, Held) and isinstance(x, np.ndarray | np.random.Generator)
        if shared and id(x) in self.lent:
            first, lent = self.lent[id(x)]
            self.same.append((first, source))
            return lent
        out = on_tape(Line(x, name=name), self.tape)
        self.sources[out.line], self.names[out.line] = source, name
        lent = RecordedGenerator(x, out) if isinstance(x, np.random.Generator) else out
        if shared:
            self.lent[id(x)] = source, lent
        return lent

    def ones(self, x: Any) -> Any:
        """The ones that a backward pass starts from, recorded as well."""
        shape, dtype = np.shape(x), np.result_type(x)
        return on_tape(Line(x), self.tape).made(
            Line(np.ones(shape, dtype), np.ones, (shape, dtype))
        )

    def lend_all(self, x: Any, source: Callable[[int], Any], name: str) -> Any:
        several = is_structure(x)
        found = (
            self.lend(y, source(i), f"{name}_{i}" if several else name)
            for i, y in enumerate(leaves(x))
        )
        return rebuilt(x, found)


@dataclass
class Recording:
    """What one run of a function has shown.

    program    what it does
    sources    where each input of the program is read
    holdings   what the function holds
    same       pairs of sources that have the same array or generator
    result     the structure of the result, and for each leaf the class of its node, or None
    eager      the bytes in use without a program, by the origin of each line
    """

    program: Program
    sources: dict[Line, Any]
    holdings: Holdings
    same: list[tuple[Held, Held]]
    result: tuple[Any, list[Any]]
    eager: dict[Origin, int]


def record(f: Function, call: Call, optimizer: Any = None, extra: Any = ()) -> Recording:
    """Run f once on the arguments of `call`, and record what it does.

    Afterwards everything is as before, generators included. With an optimizer the program makes
    the whole update. `extra` are leaves that f uses and that were not found among what it holds. A
    model or a function that is an argument is searched for numbers like f itself.

    Raises CompileError for what a program cannot do, and MissedError for a leaf to put in `extra`.
    """
    found = holdings_of(f, optimizer, *filter(callable, call.leaves), *extra)
    lender = Lender()
    originals = [place.get() for place in found.places]
    settings = found.settings_now()
    mode = RECORDING.get()

    def note(node: Node) -> None:
        note_value(node)
        if callable(mode):
            mode(node)

    listening = temporarily(RECORDING, mode and note)
    with undisturbed(f, found.chance, originals, call), borrowed(found, originals), listening:
        lent = []
        for place, x in zip(found.places, originals, strict=True):
            value = lender.lend_all(x, functools.partial(Held, place), place.name)
            lent.append((value, lines(value)))
            place.set(value)
        names = call.names(f)
        given = arguments(names, lender, call, found)
        refusals = lender.tape.refusals
        try:
            out, effects = run(f, given, optimizer, found, lender)
        except Exception as error:
            if refusals and error is not refusals[0]:  # f or NumPy raised another error instead
                raise refusals[0] from error
            raise
        if refusals:  # f caught the error and went on
            raise refusals[0]
        effects += changes(found.places, lent, optimizer)
        check_arguments(names, given, found)
        check_settings(f, found, settings)
        kinds = [type(x) if isinstance(x, Node) else None for x in leaves(out)]
        results = [lines(x.data if isinstance(x, Node) else x) for x in leaves(out)]
        structure = rebuilt(out, iter(range(len(results))))
        check_views(lender, [results, [effect.value for effect in effects]])
    tape = lender.tape
    gradients = {
        g: node.data.line for g, node in tape.gradients.items() if isinstance(node.data, Traced)
    }
    program = Program(
        list(lender.sources),
        tape.lines,
        results,
        effects,
        tape.origins,
        lender.names,
        gradients,
        views=views_among(tape.lines),
        paths=found.names,
    )
    eager = dict(zip(tape.origins.values(), eager_bytes(program, tape), strict=True))
    return Recording(program, lender.sources, found, lender.same, (structure, kinds), eager)


Tape.recorder = record.__code__


@contextmanager
def undisturbed(f: Function, chance: list[Any], originals: list[Any], call: Call) -> Iterator[None]:
    """Inside, f may draw numbers from recorded generators only.

    `chance` are the generators that f holds and that cannot be recorded. Afterwards all generators
    are as before. Raises CompileError if f drew from one that is not recorded.
    """
    given = [x for found in [*originals, *call.leaves] for x in leaves(found)]
    recorded = {id(x.bit_generator) for x in given if is_generator(x)}
    legacy: Any = np.random.mtrand._rand
    hidden = [x._bit_generator if hasattr(x, "_bit_generator") else x for x in [legacy, *chance]]
    # The global generators of NumPy and Python cannot be recorded either.
    sources = {id(x): x for x in [*hidden, random._inst]}
    sources |= {id(x.bit_generator): x.bit_generator for x in given if is_generator(x)}
    before = [(x, state_of(x)) for x in sources.values()]
    unseen = []

    def restore() -> None:
        for x, state in before:
            if pickle.dumps(state_of(x)) != pickle.dumps(state):
                unseen.extend([x] * (id(x) not in recorded))
                set_state(x, state)

    with afterwards(restore):
        yield
    if unseen:
        raise CompileError(
            f"{called(f)} draws from a {type(unseen[0]).__name__} that a program cannot draw from: "
            "draw with the methods of a np.random.Generator that is an argument of the function or "
            "a variable that it uses"
        )


def is_generator(x: Any) -> bool:
    return isinstance(x, np.random.Generator)


def state_of(x: Any) -> Any:
    return x.getstate() if isinstance(x, random.Random) else x.state


def set_state(x: Any, state: Any) -> None:
    if isinstance(x, random.Random):
        x.setstate(state)
    else:
        x.state = state


@contextmanager
def borrowed(found: Holdings, originals: list[Any]) -> Iterator[None]:
    """Inside, everything in `found` may change; afterwards it is as before."""
    places, put_back = found.places, found.keep()
    nodes = {p.owner: p.owner.memory for p in places if isinstance(p.owner, Node)}
    changed = {node: memory.changed for node, memory in nodes.items() if memory is not None}

    def restore() -> None:
        for place, x in zip(places, originals, strict=True):
            place.set(x)
        for node, memory in nodes.items():
            node.memory = memory
            if memory is not None:
                memory.changed = changed[node]
        put_back()

    with afterwards(restore):
        yield


def arguments(names: list[str], lender: Lender, call: Call, found: Holdings) -> Any:
    """(args, options) with recorded arrays, also inside Tensors; Tensors that f holds stay."""
    given: list[Any] = []
    held = set(map(id, found.leaves))
    for i, (x, name) in enumerate(zip(call.leaves, names, strict=True)):
        if not isinstance(x, Node):
            given.append(lender.lend(x, Argument(i), name))
            continue
        if id(x) in held:
            given.append(x)
            continue
        if x.function is not None and x.requires_grad:
            raise CompileError(
                f"argument {name} is the result of operations outside the compiled function, and "
                "no gradient would reach them: compute it inside, or pass x.detach()"
            )
        shell: Any = object.__new__(type(x))
        Node.__init__(shell, lender.lend(x.data, Argument(i), name), x.requires_grad, x.name)
        given.append(shell)
    return rebuilt((call.args, call.options), iter(given))


def run(
    f: Function, given: Any, optimizer: Any, found: Holdings, lender: Lender
) -> tuple[Any, list[Effect]]:
    """The result of f, and the gradients that its backward pass adds."""
    if optimizer is not None:
        optimizer.zero_grad()
    start = next_birth()
    before = [place.get() for place in found.places]
    args, options = given
    with temporarily(INSIDE, True):
        out = f(*args, **options)
    roots = graph_roots(out)
    if RECORDING.get() and isinstance(out, Node) and out.requires_grad and not roots:
        raise CompileError(
            f"{called(f)} returned a parameter itself, which has no graph: return w * 1.0 for a "
            "loss, or w.detach() for its number"
        )
    if not roots:
        if optimizer is not None:
            raise CompileError(
                f"{called(f)} returned no loss that depends on a parameter: return a scalar that "
                "is computed from the optimizer's parameters, and not under no_grad()"
            )
        return out, []
    root = checked_root(f, roots)
    check_gradients(f, found, before)
    nodes: dict[Any, Any] = {place.owner: place.owner for place in found.places if is_data(place)}
    given_nodes = {x: Argument(i) for i, x in enumerate(leaves(given)) if isinstance(x, Node)}
    nodes = given_nodes | nodes
    for leaf in outside([root], start):
        if leaf not in nodes:
            raise MissedError(leaf)
    seed = lender.ones(root.data) if root.broadcasts else None
    gradients: dict[Node, Any] = {}
    root.backward(seed, into=gradients)
    if optimizer is not None:
        for leaf, g in gradients.items():  # backward() would make plain floats of a Value's
            leaf.grad = g
        optimizer.step()
        return out, []
    reached = [(nodes[leaf], g) for leaf, g in gradients.items() if leaf in nodes]
    return out, [Effect(Gradient(leaf), lines(g)) for leaf, g in reached]


def check_gradients(f: Function, found: Holdings, before: list[Any]) -> None:
    """Raise CompileError if f has called backward() itself: the gradients would count twice."""
    for place, x in zip(found.places, before, strict=True):
        if isinstance(place.owner, Node) and place.key == "grad" and place.get() is not x:
            raise CompileError(
                f"{called(f)} calls backward() itself and returns a loss with its graph, so the "
                "program would add the gradients twice: return loss.detach()"
            )


def is_data(place: Place) -> bool:
    return isinstance(place.owner, Node) and place.key == "_array"


def graph_roots(out: Any) -> list[Any]:
    """The results that have a graph."""
    return [x for x in leaves(out) if isinstance(x, Node) and x.requires_grad and x.function]


def checked_root(f: Any, roots: list[Any]) -> Any:
    if len(roots) > 1:
        raise CompileError(
            f"{called(f)} returned {len(roots)} results with a graph, but backward() starts from "
            "one: detach() the others, or add them up"
        )
    (root,) = roots
    if np.size(root.data) != 1:
        raise CompileError(
            f"{called(f)} returned a result of shape {root.shape}, but a loss is a scalar: sum it, "
            "or compute it under no_grad() if you need no gradient"
        )
    return root


def changes(places: list[Place], lent: list[Any], optimizer: Any) -> list[Effect]:
    """An effect for each place whose value is no longer the one that was lent."""
    effects = []
    for place, (value, before) in zip(places, lent, strict=True):
        if isinstance(place.owner, Node) and place.key == "grad" and optimizer is not None:
            continue
        now = place.get()
        if isinstance(now, Node):
            now = now.data
        after = lines(now)
        if same(after, before):
            continue
        if is_structure(value) and is_structure(now):
            parts = changed_parts(place, value, now, before)
            effects += parts
            stays = {effect.target.key: Held(place, effect.target.key) for effect in parts}
            after = rebuilt(after, (stays.get(i, x) for i, x in enumerate(leaves(after))))
        effects.append(
            Effect(place, after, in_place=now is value and isinstance(now, Traced), before=before)
        )
    return effects


def changed_parts(place: Place, value: Any, now: Any, before: Any) -> list[Effect]:
    """The arrays of a tuple that were changed in place, as Adam changes its running means."""
    leaf = zip(leaves(value), leaves(now), leaves(before))
    return [
        Effect(Part(place, i, place.name), new.line, in_place=True, before=line)
        for i, (old, new, line) in enumerate(leaf)
        if new is old and isinstance(new, Traced) and new.line is not line
    ]


def same(x: Any, y: Any) -> bool:
    if is_structure(x) and is_structure(y):
        xs, ys = leaves(x), leaves(y)
        return len(xs) == len(ys) and all(map(same, xs, ys))
    return x is y


def check_arguments(names: list[str], given: Any, found: Holdings) -> None:
    held = set(map(id, found.leaves))
    for x, name in zip(leaves(given), names, strict=True):
        if id(x) in held:
            continue
        data = x.data if isinstance(x, Node) else x
        if isinstance(data, Traced) and data.line.function is not None:
            raise CompileError(
                f"argument {name} is changed in place, but a program must not change the caller's "
                "array: make a new array instead"
            )


def check_views(lender: Lender, results: Any) -> None:
    """Raise CompileError if an array is read whose memory was changed through another array.

    In a program a change in place makes a new array. Arrays that were made before the change, and
    views of them, keep their old numbers.
    """
    tape, given = lender.tape, lender.sources
    if not tape.replaced:
        return
    readers: dict[int, list[tuple[int, Line]]] = {}
    uses = [(i, x) for i, line in enumerate(tape.lines) for x in operands(line)]
    for i, x in [*uses, *((len(tape.lines), x) for x in lines_in(results))]:
        for key in memory_of(x.data):
            readers.setdefault(key, []).append((i, x))
    for line, number, where in tape.replaced:
        later = [x for key in memory_of(line.data) for i, x in readers.get(key, ()) if i >= number]
        # Inputs can be seen outside of the program, so no view of an input may change.
        later += [] if line in given else given
        if any(np.may_share_memory(line.data, x.data) for x in later if is_array(x)):
            raise CompileError(
                f"{where}: an array is changed in place, and another array in the same memory is "
                "used later. A program cannot record such a change: change a copy instead"
            )


def check_settings(f: Function, found: Holdings, before: Settings) -> None:
    if change := found.changed(before):
        raise CompileError(
            f"{called(f)} changes {change}, which a program cannot do: change it outside"
        )
