"""Has a function changed since its results were written down? One short text for each version."""

import dis
import functools
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from enum import Enum
from pathlib import PurePath
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.messages import PACKAGE

# What is as good as its text.
PLAIN = bool, int, float, complex, str, bytes, range, slice, PurePath, np.generic, np.dtype
LIBRARIES = PACKAGE, *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}

OF_A_NAME = {  # the instructions that look up what is not a function's own
    "LOAD_CLASSDEREF",
    "LOAD_DEREF",
    "LOAD_FROM_DICT_OR_DEREF",
    "LOAD_FROM_DICT_OR_GLOBALS",
    "LOAD_GLOBAL",
    "LOAD_NAME",
}


def code_fingerprint(*functions: Any) -> str:
    """A text that stays the same as long as these functions, or classes, do the same.

    It is made of their code, their defaults, the numbers, strings and paths that they name, and
    lists and dicts of these; and so on for each function, class and object of a class that they
    name, as far as these are the user's own. Comments and the places of lines do not count; nor do
    arrays, nor what is inside a library or an object of its classes.
    """
    seen: set[int] = set()
    text = "\n".join(word for function in functions for word in words(function, seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def words(x: Any, seen: set[int]) -> Iterator[str]:
    """What x does, in words. What may refer to itself, such as a function, is described once."""
    if x is None or isinstance(x, PLAIN):
        yield repr(x)
        return
    name = getattr(x, "__qualname__", None)
    yield name if isinstance(name, str) else type(x).__qualname__
    if isinstance(x, set | frozenset):
        yield from sorted(word for y in x for word in words(y, seen))
    elif id(x) not in seen:
        if isinstance(x, FunctionType | type | list | dict) or not from_a_library(type(x)):
            seen.add(id(x))
        for part in deciding_parts(x):
            yield from words(part, seen)


def deciding_parts(x: Any) -> Iterator[Any]:
    """The parts of x that decide what it does."""
    if isinstance(x, tuple | list):
        yield from x
    elif isinstance(x, dict):
        yield from x.items()
    elif isinstance(x, CodeType):
        yield from (x.co_code, x.co_exceptiontable, x.co_names, x.co_varnames, x.co_consts)
    elif isinstance(x, FunctionType):
        if not from_a_library(x):
            yield from (x.__code__, x.__defaults__, *sorted((x.__kwdefaults__ or {}).items()))
            yield from named_in(x)
    elif isinstance(x, type):
        if not from_a_library(x):
            yield from x.__bases__
            yield from (y for name, y in vars(x).items() if is_behaviour(name, y))
    elif isinstance(x, functools.partial):
        yield from (x.func, x.args, *sorted(x.keywords.items()))
    elif isinstance(x, MethodType):
        yield from (x.__func__, x.__self__)
    elif isinstance(x, property):
        yield from (x.fget, x.fset)
    elif isinstance(x, staticmethod | classmethod):
        yield x.__func__
    elif "__wrapped__" in getattr(x, "__dict__", ()):  # as in that of functools.cache
        yield x.__wrapped__
    elif isinstance(x, Enum):
        yield from (type(x), x.name)
    elif callable(x) or not from_a_library(type(x)):  # an object
        yield type(x)
        if not from_a_library(type(x)):
            yield from attributes(x)


def from_a_library(x: Any) -> bool:
    """Whether x, a function, class or module, is Python's, this package's, or an installed one."""
    name = x.__name__ if isinstance(x, ModuleType) else x.__module__ or ""
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return name.partition(".")[0] in sys.stdlib_module_names or file.startswith(LIBRARIES)


def is_behaviour(name: str, attribute: Any) -> bool:
    """Whether an attribute of a class is more than Python's own notes about it."""
    return callable(attribute) or not (name.startswith("__") and name.endswith("__"))


def attributes(x: Any) -> Iterator[tuple[str, Any]]:
    """Those of an object, in its dict and in its slots."""
    state = object.__getstate__(x)
    for part in state if isinstance(state, tuple) else (state,):
        yield from (part or {}).items()


def named_in(function: FunctionType) -> Iterator[Any]:
    """The values of the names in a function that are closed over or its module's."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closed = {name: cell.cell_contents for name, cell in cells if cell != CellType()}
    known = function.__globals__ | closed
    for code in codes(function.__code__):
        used = {x.argval for x in dis.get_instructions(code) if x.opname in OF_A_NAME}
        for x in (known[name] for name in sorted(used & known.keys())):
            if not isinstance(x, ModuleType):
                yield x
            elif not from_a_library(x):  # `import helpers`: what is used of it
                yield from (vars(x)[name] for name in code.co_names if name in vars(x))


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function, and that of the functions inside it."""
    yield code
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield from codes(x)
