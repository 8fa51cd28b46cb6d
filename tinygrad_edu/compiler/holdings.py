"""What does a function hold? The numbers that it reads and changes beside its arguments.

They are found by walking what the function closes over, is bound to, and names among its globals:
the data and gradients of leaves, the buffers of modules, the state and settings of optimizers,
generators. Each is a `Place`: it is lent to a recording, and read anew by each run of a program.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node
from tinygrad_edu.memory import Memory
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.rng import Package
from tinygrad_edu.structures import is_structure

NUMBERS = np.ndarray | np.generic | float
PLAIN = bool | int | str | bytes | complex | None
SKIPPED = ModuleType | type | BuiltinFunctionType | CodeType | np.ndarray | np.generic | Memory


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
        if isinstance(self.owner, list | dict):
            return self.owner
        return None if isinstance(self.owner, Node | type) else vars(self.owner)

    def get(self) -> Any:
        inside = self.kept_in
        return getattr(self.owner, self.key) if inside is None else inside[self.key]

    def set(self, x: Any) -> None:
        inside = self.kept_in
        if inside is None:
            setattr(self.owner, self.key, x)
        else:
            inside[self.key] = x


@dataclass(frozen=True)
class Holdings:
    """places   what is read anew by each run
    settings    what a program takes for granted, such as `training`: (object, name)
    """

    places: list[Place]
    settings: list[tuple[Any, str]]

    def settings_now(self) -> list[Any]:
        return [getattr(x, name, None) for x, name in self.settings]


def holdings_of(*roots: Any) -> Holdings:
    """Everything that can be reached from functions and objects, in the order of definition."""
    places = [Place(Package, "rng", "rng")]
    settings: list[tuple[Any, str]] = []
    names = paths_of(roots)
    for x in reachable(roots):
        if isinstance(x, Node) and x.function is None:
            name = names.get(id(x)) or x.name or "w"
            places += [Place(x, "_array", name), Place(x, "grad", f"d_{name}")]
            settings.append((x, "_requires_grad"))
        elif isinstance(x, Module):
            path = names.get(id(x), "")
            places += in_container(vars(x), path, x)
            settings += [(x, "training"), *((x, k) for k, y in vars(x).items() if is_plain(y))]
        elif isinstance(x, Optimizer):
            places += state_of(x, names)
    return Holdings(places, settings)


def is_plain(x: Any) -> bool:
    return x is None or isinstance(x, bool | int | float | str)


def in_container(container: Any, path: str, owner: Any = None) -> Iterator[Place]:
    """The arrays and generators among the attributes of a module, in lists and dicts as well."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, x in items:
        name = f"{path}.{key}".lstrip(".")
        if isinstance(x, np.ndarray | np.random.Generator):
            yield Place(container if owner is None else owner, key, name)
        elif isinstance(x, list | dict):
            yield from in_container(x, name)


def state_of(optimizer: Optimizer, names: dict[int, str]) -> Iterator[Place]:
    """The settings of each group, numbers, and what is remembered of each parameter."""
    pairs = zip(optimizer.param_groups, optimizer.state, strict=True)
    for k, (group, states) in enumerate(pairs):
        for key, x in group.items():
            parts = x if isinstance(x, tuple) else (x,)
            if parts and all(isinstance(y, float) for y in parts):
                yield Place(group, key, key if k == 0 else f"{key}_{k}")
        for i, p in enumerate(group["params"]):
            yield Place(states, i, f"{names.get(id(p)) or p.name or 'w'}_state")


def paths_of(roots: tuple[Any, ...]) -> dict[int, str]:
    """A name for each parameter and module: its path, and before it that of the module's variable
    where there are several.
    """
    found = list(reachable(roots))
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


def reachable(roots: tuple[Any, ...]) -> Iterator[Any]:
    """Nodes, modules, optimizers and all else that can be reached, each once, depth first."""
    seen: set[int] = set()
    stack = list(reversed(roots))
    while stack:
        x = stack.pop()
        if x is None or isinstance(x, PLAIN | float | SKIPPED) or id(x) in seen:
            continue
        seen.add(id(x))
        yield x
        stack += reversed(list(parts(x)))


def parts(x: Any) -> Iterator[Any]:
    """What an object holds directly."""
    if isinstance(x, FunctionType):
        yield from (cell.cell_contents for cell in x.__closure__ or () if has_contents(cell))
        yield from x.__defaults__ or ()
        yield from (x.__kwdefaults__ or {}).values()
        if not is_ours(x.__module__):
            yield from (
                x.__globals__[name] for name in names_in(x.__code__) if name in x.__globals__
            )
    elif isinstance(x, MethodType):
        yield from (x.__self__, x.__func__)
    elif isinstance(x, functools.partial):
        yield from (x.func, *x.args, *x.keywords.values())
    elif isinstance(x, dict):
        yield from x.values()
    elif is_structure(x) or isinstance(x, set | frozenset):
        yield from x
    elif isinstance(x, Node):
        return
    elif hasattr(x, "__dict__"):
        yield from vars(x).values()
        for kind in type(x).__mro__:
            if not is_ours(kind.__module__) and kind.__module__ != "builtins":
                yield from (y for y in vars(kind).values() if isinstance(y, FunctionType))


def has_contents(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # a name that is not yet set
        return False
    return True


def is_ours(module: str | None) -> bool:
    """Whether code of this module holds no numbers of the user's."""
    return (module or "").partition(".")[0] in ("tinygrad_edu", "numpy")


def names_in(code: CodeType) -> Iterator[str]:
    """The global names that a function uses, and those inside it."""
    yield from code.co_names
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield from names_in(x)


Function = Callable[..., Any]
