"""Has a function changed since its results were saved? Each version has a fingerprint."""

import dis
import functools
import hashlib
import importlib.util
import os
import sys
import sysconfig
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from pathlib import PurePath
from types import CellType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_edu.messages import PACKAGE

# What is as good as its text.
PLAIN = bool, int, float, complex, str, bytes, range, slice, PurePath, np.generic, np.dtype
FOLDERS = PACKAGE, *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
LIBRARIES = tuple(os.path.join(folder, "") for folder in FOLDERS)

OF_A_NAME = {  # the instructions that look up a name outside the function
    "LOAD_CLASSDEREF",
    "LOAD_DEREF",
    "LOAD_FROM_DICT_OR_DEREF",
    "LOAD_FROM_DICT_OR_GLOBALS",
    "LOAD_GLOBAL",
    "LOAD_NAME",
}


def code_fingerprint(*functions: Any) -> str:
    """A short text that stays the same as long as these functions or classes do the same.

    It depends on their code, on their default values, and on the numbers, strings, paths, lists,
    dicts and namespaces that they use by name. The same holds for each function, class and object
    of a class that they use by name or import, if the class or function is the user's own. It does
    not depend on comments, line numbers, arrays, the code of libraries, or other objects of a
    library's classes.
    """
    seen: set[int] = set()
    text = "\n".join(word for function in functions for word in words(function, seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def words(x: Any, seen: set[int]) -> Iterator[str]:
    """Words that describe what x does. An object that may contain itself is described only once."""
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
        if from_a_library(x):  # it may call a function of the user's, as grad(f) does
            yield from filter(callable, closed_over(x).values())
        else:
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
    elif isinstance(x, functools.cached_property):
        yield x.func
    elif isinstance(x, staticmethod | classmethod):
        yield x.__func__
    elif "__wrapped__" in getattr(x, "__dict__", ()):  # a function with functools.cache
        yield x.__wrapped__
    elif isinstance(x, SimpleNamespace | Namespace):
        yield from vars(x).items()
    elif isinstance(x, Enum):
        yield from (type(x), x.name)
    elif callable(x) or not from_a_library(type(x)):  # an object
        yield type(x)
        if not from_a_library(type(x)):
            yield from attributes(x)
        else:  # such as np.vectorize(f)
            inside = getattr(x, "__dict__", {}).values()
            yield from (y for y in inside if isinstance(y, FunctionType))


def from_a_library(x: Any) -> bool:
    """Whether the function, class or module x is Python's, this package's, or installed."""
    name = x.__name__ if isinstance(x, ModuleType) else x.__module__ or ""
    return is_library(name, getattr(sys.modules.get(name), "__file__", None))


def is_library(name: str, file: str | None) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names or (file or "").startswith(LIBRARIES)


def is_behaviour(name: str, attribute: Any) -> bool:
    """Whether an attribute of a class can decide what it does, unlike `__doc__` or `__module__`."""
    return callable(attribute) or not (name.startswith("__") and name.endswith("__"))


def attributes(x: Any) -> Iterator[tuple[str, Any]]:
    """Those of an object, in its dict and in its slots."""
    state = object.__getstate__(x)
    for part in state if isinstance(state, tuple) else (state,):
        yield from (part or {}).items()


def closed_over(function: FunctionType) -> dict[str, Any]:
    """The values that a function takes from the functions around it, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if cell != CellType()}


def named_in(function: FunctionType) -> Iterator[Any]:
    """The values of the names that a function takes from modules or from functions around it."""
    known = function.__globals__ | closed_over(function)
    for code in codes(function.__code__):
        instructions = list(dis.get_instructions(code))
        used = {x.argval for x in instructions if x.opname in OF_A_NAME}
        values = [known[name] for name in sorted(used & known.keys())]
        values += [own_module(x.argval) for x in instructions if x.opname == "IMPORT_NAME"]
        yield from (x for x in values if not isinstance(x, ModuleType))
        modules = [x for x in values if isinstance(x, ModuleType) and not from_a_library(x)]
        for module in modules:  # it grows: a package has modules
            for x in (vars(module)[name] for name in code.co_names if name in vars(module)):
                if not isinstance(x, ModuleType):
                    yield x
                elif x not in modules and not from_a_library(x):
                    modules.append(x)


def own_module(name: str) -> ModuleType | None:
    """The user's own module that a function imports; None if it is a library's or is missing."""
    with suppress(ImportError, ValueError):  # ValueError: the name is relative, or of `__main__`
        spec = importlib.util.find_spec(name.partition(".")[0])
        if spec and not is_library(name, spec.origin):
            return importlib.import_module(name)
    return None


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of the functions inside it."""
    yield code
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield from codes(x)
