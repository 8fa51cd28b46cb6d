"""What does a function hold? The numbers that it reads and changes besides its arguments.

The search starts from the variables that the function closes over, the object that it is bound to,
and the globals that it names. It finds the data and gradients of leaves, the arrays of modules and
of other objects, the state and settings of optimizers, and generators. Each is a `Place`: a
recording puts a recorded array there, and each run of a program reads it again. All else found
there is a setting, and a program assumes that settings do not change.
"""

import copy
import functools
import operator
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.memory import Memory
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.rng import Package
from tinygrad_edu.structures import is_structure, leaves
from tinygrad_edu.tracing import Traced

Function = Callable[..., Any]
ABSENT = AttributeError, IndexError, KeyError, TypeError
LENT = np.ndarray | np.random.Generator
PLAIN = bool | int | float | str | bytes | complex | None
SKIPPED = BuiltinFunctionType | CodeType | np.ndarray | np.generic | Memory | np.random.Generator
ITEMS = list, dict, deque  # containers with a key or an index for each item
OF_MODULE = {"training"}  # attributes that are handled separately
OF_OPTIMIZER = {"defaults", "param_groups", "state", "kinds", "large"}
LOOK_UPS = {"getattr", "vars", "__dict__", "globals"}  # by names in string constants
CHANCE = random.Random | np.random.RandomState  # no program can draw from them


@dataclass(frozen=True)
class Place:
    """Where a number, an array, a generator, or a tuple of them is kept.

    owner  the object, list or dict that it is a part of
    key    the name of the attribute, or the key
    name   what it is called in a program
    """

    owner: Any
    key: Any
    name: str

    @property
    def kept_in(self) -> Any:
        """The list or dict that contains it, perhaps `vars(owner)`; None for other attributes."""
        if isinstance(self.owner, ITEMS):
            return self.owner
        slots = Node | type | CellType | FunctionType | functools.partial  # type: ignore[type-arg]
        inside = None if isinstance(self.owner, slots) else getattr(self.owner, "__dict__", None)
        return inside if inside is not None and self.key in inside else None

    def get(self) -> Any:
        inside = self.kept_in
        return getattr(self.owner, self.key) if inside is None else inside[self.key]

    def set(self, x: Any) -> None:
        inside = self.kept_in
        if inside is not None:
            inside[self.key] = x
        elif isinstance(self.owner, functools.partial):
            owner: Any = self.owner
            owner.__setstate__((owner.func, x, owner.keywords, vars(owner)))
        else:
            setattr(self.owner, self.key, x)


class Part(Place):
    """An array in a tuple: leaf number `key` of the value at the place `owner`."""

    def get(self) -> Any:
        return leaves(self.owner.get())[self.key]


class Settings(list[Any]):
    """What a program assumes: equal if each is the same object, or an equal number or text."""

    def __eq__(self, other: Any) -> bool:
        if len(self) != len(other):
            return False
        return all(map(operator.is_, self, other)) or all(map(equal, self, other))

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = None


def equal(x: Any, y: Any) -> bool:
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(equal, x, y))
    if isinstance(x, frozenset):
        return x == y
    return isinstance(x, PLAIN | np.generic) and repr(x) == repr(y)


class Watched(NamedTuple):
    """Settings that are kept in one object, list or dict.

    owner   the object that they belong to, for a message
    inside  the object that has them, as attributes or as items
    names   their names. If there are none, the number of items counts; in a set the items
            themselves; in a dict the keys and their order
    """

    owner: Any
    inside: Any
    names: tuple[Any, ...]

    def told(self) -> tuple[Any, ...]:
        """The names, for a message."""
        if isinstance(self.inside, CellType):
            pairs = zip(self.owner.__code__.co_freevars, self.owner.__closure__, strict=True)
            return tuple(name for name, cell in pairs if cell is self.inside)
        return self.names or ("the size",)

    def read(self) -> list[Any]:
        return [outline(x) if has_lent(x) else x for x in self.contents()]

    def contents(self) -> list[Any]:
        return [self.get(name) for name in self.names] or [self.size()]

    def get(self, name: Any) -> Any:
        return self.inside[name] if isinstance(self.inside, ITEMS) else getattr(self.inside, name)

    def size(self) -> Any:
        """The items of a set, the keys of a dict; else the number of attributes or items.

        `training` does not count, because it may be an attribute of the class.
        """
        if isinstance(self.inside, set):
            return frozenset(self.inside)
        if isinstance(self.owner, dict):  # a real dict: loops follow the order of its keys
            return tuple(self.inside)
        return len(self.inside) - (isinstance(self.inside, dict) and "training" in self.inside)

    def put_back(self, before: list[Any]) -> None:
        for name, x in zip(self.names, before, strict=True):
            if isinstance(self.inside, ITEMS):
                self.inside[name] = x
            elif getattr(self.inside, name) is not x:
                setattr(self.inside, name, x)


def has_lent(x: Any) -> bool:
    """Whether x is a tuple with an array or a generator in it, recorded or not."""
    return isinstance(x, tuple) and any(isinstance(y, LENT | Traced) or has_lent(y) for y in x)


def outline(x: Any) -> Any:
    """A tuple with classes in place of its arrays, floats and generators: each run reads those."""
    if isinstance(x, tuple):
        return tuple(map(outline, x))
    if isinstance(x, Traced):
        x = x.data
    if isinstance(x, np.random.Generator):
        return np.random.Generator
    return type(x) if isinstance(x, np.ndarray | np.generic | float) else x


@dataclass(frozen=True)
class Holdings:
    """Everything that a function holds.

    places      what each run reads again
    settings    what a program assumes, such as `training`
    containers  lists and dicts, also those of attributes
    names       names[id(x)]: the name of a parameter or a module
    chance      generators that no program can draw from
    """

    places: list[Place]
    settings: list[Watched]
    containers: list[Any]
    names: dict[int, str]
    chance: list[Any]

    @property
    def leaves(self) -> list[Node]:
        return [place.owner for place in self.places if place.key == "grad"]

    def read(self) -> list[Any]:
        """All settings, one after the other."""
        return [x for watched in self.settings for x in watched.read()]

    def settings_now(self) -> Settings:
        try:
            return Settings(self.read())
        except ABSENT:  # one is no longer there
            return Settings()

    def keep(self) -> Callable[[], None]:
        """A function that restores everything that is no place, in case f has changed it."""
        copies = [copy.copy(x) for x in self.containers]
        before = [x for watched in self.settings for x in watched.contents()]

        def put_back() -> None:
            for x, old in zip(self.containers, copies, strict=True):
                if len(x) != len(old) or not isinstance(x, list):
                    refill(x, old)
            i = 0
            for watched in self.settings:
                watched.put_back(before[i : i + len(watched.names)])
                i += len(watched.names) or 1

        return put_back

    def changed(self, before: Settings) -> str:
        """Which setting has changed, in words; empty if none has."""
        now = self.settings_now()
        if now == before:
            return ""
        names = [(x.owner, name) for x in self.settings for name in x.told()]
        for (owner, name), old, new in zip(names, before, now, strict=False):
            if not equal(old, new):
                return f"{str(name).lstrip('_')} of {told(owner)} from {old!r:.60} to {new!r:.60}"
        return "what it holds"


def refill(x: Any, old: Any) -> None:
    """Give a list or a set its old items, and a dict its old keys."""
    if isinstance(x, list):
        x[:] = old
    elif isinstance(x, set):
        x.clear()
        x.update(old)
    elif isinstance(x, deque):
        x.clear()
        x.extend(old)
    else:
        for key in [key for key in x if key not in old]:
            del x[key]
        for key in [key for key in old if key not in x]:
            x[key] = old[key]


def told(owner: Any) -> str:
    if isinstance(owner, CellType | FunctionType):
        return "the function"
    return f"a {type(owner).__name__}" if is_structure(owner) else type(owner).__name__


def holdings_of(*roots: Any) -> Holdings:
    """Everything that can be reached from functions and objects, in the order of definition."""
    places = [Place(Package, "rng", "rng")]
    nodes: list[Node] = []
    settings: list[Watched] = []
    used = names_used(roots)
    paths = paths_of(roots, used)
    names = dict(paths)
    containers = []
    chance = []
    known = set()
    for x in reachable(roots, used):
        if isinstance(x, Node):
            if x.function is None:
                name = names.get(id(x)) or x.name or "w"
                places += [Place(x, "_array", name), Place(x, "grad", f"d_{name}")]
                nodes.append(x)
            continue
        if isinstance(x, Optimizer):
            places += state_of(x, names)
            settings += settings_of(x)
        if isinstance(x, CHANCE):
            chance.append(x)
        kept: dict[int, tuple[Any, list[Any]]] = {}
        for place in slots(x, used, names.get(id(x), "")):
            value = place.get()
            if (id(place.owner), place.key) in known:
                continue
            known.add((id(place.owner), place.key))
            if is_lent(value):
                places.append(place)
            if not is_lent(value) or isinstance(value, tuple):
                inside = place.owner if place.kept_in is None else place.kept_in
                kept.setdefault(id(inside), (inside, []))[1].append(place.key)
                if isinstance(value, list | dict):
                    names.setdefault(id(value), place.name)
        settings += [Watched(x, inside, tuple(keys)) for inside, keys in kept.values()]
        if isinstance(x, Module):
            settings.append(Watched(x, x, ("training",)))
        inside = x if isinstance(x, (*ITEMS, set)) else getattr(x, "__dict__", None)
        if isinstance(inside, (*ITEMS, set)) and not isinstance(x, FunctionType | ModuleType):
            settings.append(Watched(x, inside, ()))
            containers.append(inside)
    settings += [Watched(x, x, ("_requires_grad",)) for x in nodes]
    return Holdings(places, settings, containers, paths, chance)


def is_lent(x: Any) -> bool:
    """Whether x is an array or a generator, or a tuple with one and without lists and dicts."""
    if isinstance(x, tuple):
        return any(map(is_lent, x)) and not may_change(x)
    return isinstance(x, LENT)


def may_change(x: Any) -> bool:
    return isinstance(x, list | dict) or (isinstance(x, tuple) and any(map(may_change, x)))


def slots(x: Any, used: set[str], path: str) -> Iterator[Place]:
    """The places in an object that a function may use, by these names or through its methods."""
    if isinstance(x, FunctionType):
        for name, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            if has_contents(cell):
                yield Place(cell, "cell_contents", name)
        if x.__defaults__:
            yield Place(x, "__defaults__", "default")
        yield from (Place(x.__globals__, name, name) for name in globals_of(x))
        yield from (Place(x, name, name) for name in vars(x) if name in used)
    elif isinstance(x, functools.partial):
        yield Place(x, "args", "given")
    elif isinstance(x, ITEMS):
        keys = x if isinstance(x, dict) else range(len(x))
        yield from (Place(x, key, f"{path}.{key}".strip(".")) for key in keys)
    elif isinstance(x, type):
        yield from (Place(x, name, name) for name in data_of_class(x, used))
    elif not isinstance(x, MethodType):
        names = used | names_in_class(x.__class__, used)
        apart = OF_OPTIMIZER if isinstance(x, Optimizer) else OF_MODULE
        for name in attributes(x):
            if name in names and name not in apart:
                yield Place(x, name, f"{path}.{name}".strip("."))


def state_of(optimizer: Optimizer, names: dict[int, str]) -> Iterator[Place]:
    """The places of an optimizer: the numbers in its groups, and the state of each parameter."""
    pairs = zip(optimizer.param_groups, optimizer.state, strict=True)
    for k, (group, states) in enumerate(pairs):
        for key, x in group.items():
            if is_number(x):
                yield Place(group, key, key if k == 0 else f"{key}_{k}")
        for i, p in enumerate(group["params"]):
            yield Place(states, i, f"{names.get(id(p)) or p.name or 'w'}_state")


def is_number(x: Any) -> bool:
    """Whether a setting of an optimizer is a float or a tuple of them."""
    parts = x if isinstance(x, tuple) else (x,)
    return bool(parts) and all(isinstance(y, float) for y in parts)


def settings_of(optimizer: Optimizer) -> Iterator[Watched]:
    """The groups, their parameters, the lists of the state, and options such as `nesterov`."""
    lists = [optimizer.param_groups, optimizer.state]
    yield Watched(optimizer, optimizer, ("param_groups", "state"))
    for x in [*lists, *(group["params"] for group in optimizer.param_groups)]:
        yield Watched(optimizer, x, tuple(range(len(x))))
        yield Watched(optimizer, x, ())
    for group in optimizer.param_groups:
        keys = [key for key in ("params", *optimizer.defaults) if not is_number(group[key])]
        yield Watched(optimizer, group, tuple(keys))


def paths_of(roots: tuple[Any, ...], used: set[str] | None = None) -> dict[int, str]:
    """A name for each parameter and module: its path.

    If there are several models, the paths begin with model_0, model_1, ...
    """
    found = list(reachable(roots, used))
    inside = {
        id(y) for x in found if isinstance(x, Module) for _, y in x.named_modules() if y is not x
    }
    outermost = [x for x in found if isinstance(x, Module) and id(x) not in inside]
    names: dict[int, str] = {}
    for i, module in enumerate(outermost):
        before = f"model_{i}." if len(outermost) > 1 else ""
        for path, x in [*module.named_modules(), *module.named_parameters()]:
            names.setdefault(id(x), f"{before}{path}".strip("."))
    return names


def reachable(roots: tuple[Any, ...], used: set[str] | None = None) -> Iterator[Any]:
    """Nodes, modules, optimizers and all else that can be reached, each once, depth first.

    used  the names of attributes to follow; those that an object's own methods use count too
    """
    seen: set[int] = set()
    stack = list(reversed(roots))
    while stack:
        x = stack.pop()
        if x is None or isinstance(x, PLAIN | SKIPPED) or id(x) in seen:
            continue
        if isinstance(x, type) and is_library(x.__module__):
            continue
        if isinstance(x, ModuleType) and is_library(x.__name__):
            continue
        seen.add(id(x))
        yield x
        stack += reversed(list(parts(x, used)))


def parts(x: Any, used: set[str] | None) -> Iterator[Any]:
    """What an object holds directly."""
    if isinstance(x, FunctionType):
        yield from (cell.cell_contents for cell in x.__closure__ or () if has_contents(cell))
        yield from x.__defaults__ or ()
        if x.__kwdefaults__:
            yield x.__kwdefaults__
        yield from (x.__globals__[name] for name in globals_of(x))
        yield from (y for name, y in vars(x).items() if used is None or name in used)
    elif isinstance(x, MethodType):
        yield from (x.__self__, x.__func__)
    elif isinstance(x, functools.partial):
        yield from (x.func, *x.args, x.keywords)
    elif is_structure(x) or isinstance(x, deque | set | frozenset):
        yield from x.values() if isinstance(x, dict) else x
        yield from type(x).__mro__
        if hasattr(x, "__dict__"):  # of a class of the user's
            yield vars(x)
    elif isinstance(x, type):
        yield from functions_of(x, used)
        yield from (vars(x)[name] for name in data_of_class(x, used))
    elif isinstance(x, Node):
        return
    elif isinstance(x, Optimizer):
        yield from x.params
        yield from (y for name, y in vars(x).items() if name not in OF_OPTIMIZER)
        yield from type(x).__mro__
    elif type(x).__module__.startswith("tinygrad_edu.compiler."):  # another function, compiled
        yield from (getattr(x, "f", None), getattr(x, "optimizer", None))
    else:
        names = None if used is None else used | names_in_class(x.__class__, used)
        yield from (y for name, y in attributes(x).items() if names is None or name in names)
        yield from type(x).__mro__


def attributes(x: Any) -> dict[str, Any]:
    """The attributes of an object: those in its `__dict__`, and in slots of the user's classes."""
    found: dict[str, Any] = getattr(x, "__dict__", {})
    slots = [
        name
        for kind in type(x).__mro__
        if not is_library(kind.__module__)
        for name, slot in vars(kind).items()
        if isinstance(slot, MemberDescriptorType) and hasattr(x, name)
    ]
    return {**found, **{name: getattr(x, name) for name in slots}} if slots else found


def has_contents(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # a name that is not yet set
        return False
    return True


# Names


def names_used(roots: tuple[Any, ...]) -> set[str]:
    """The names of globals and attributes in all of the user's functions that may be called."""
    used: set[str] = set()
    while True:
        found = {
            name
            for x in reachable(roots, used)
            if isinstance(x, FunctionType) and not is_library(x.__globals__.get("__name__"))
            for name in names_in(x.__code__)
        }
        if found <= used:
            return used
        used |= found


def names_in(code: CodeType) -> Iterator[str]:
    """The names of globals and attributes that a function uses, nested functions included."""
    yield from code.co_names
    if not LOOK_UPS.isdisjoint(code.co_names):
        yield from (x for x in code.co_consts if isinstance(x, str) and x.isidentifier())
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield from names_in(x)


def globals_of(f: FunctionType) -> list[str]:
    """The names of the globals that a user's function uses."""
    if is_library(f.__globals__.get("__name__")):
        return []
    return [name for name in dict.fromkeys(names_in(f.__code__)) if name in f.__globals__]


def names_in_class(kind: Any, used: set[str]) -> set[str]:
    """The names that the methods of a class use, as far as they may be called."""
    found: set[str] = set()
    while True:
        functions = [f for base in kind.__mro__ for f in functions_of(base, used | found)]
        new = {name for f in functions for name in names_in(f.__code__)}
        if new <= found:
            return found
        found |= new


def functions_of(kind: type, used: set[str] | None) -> Iterator[FunctionType]:
    """The methods of a class with these names, and the special ones that Python calls itself."""
    called_by_us = {"step", "update"} if issubclass(kind, Optimizer) else set()
    for name, x in vars(kind).items():
        f = getattr(x, "__func__", None) or getattr(x, "fget", None) or x
        called = used is None or name in used | called_by_us or name.startswith("__")
        if isinstance(f, FunctionType) and called and name not in ("__init__", "__new__"):
            yield f


def data_of_class(kind: Any, used: set[str] | None) -> list[str]:
    """The names of attributes of a user's class that are used and are not methods."""
    return [
        name
        for name, x in vars(kind).items()
        if (used is None or name in used)
        and not name.startswith("__")
        and not hasattr(type(x), "__get__")
    ]


@functools.lru_cache(1000)
def is_library(module: str | None) -> bool:
    """Whether a module is a library's, so that it holds no numbers of the user."""
    top = (module or "").partition(".")[0]
    if top in ("tinygrad_edu", "numpy") or top in sys.stdlib_module_names:
        return True
    path = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path
