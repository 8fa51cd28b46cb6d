"""What was a function called with? A flat list of its arguments, and their signature."""

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.graph import Node
from tinygrad_edu.modes import RECORDING
from tinygrad_edu.structures import is_structure, leaves
from tinygrad_edu.tracing import Traced

Function = Callable[..., Any]
STRUCTURES = list, tuple, dict


# Whether a compiled function runs without its program, to be recorded or compared.
INSIDE: ContextVar[bool] = ContextVar("inside", default=False)


class NestedError(Exception):
    """A compiled function was called inside another compiled function."""


@dataclass(frozen=True)
class Call:
    """The arguments of a call, as they were given and as a flat list of leaves."""

    args: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def leaves(self) -> list[Any]:
        return leaves((self.args, self.options))

    def names(self, f: Function) -> list[str]:
        """The name of each leaf: the parameter of f, and the path of the leaf inside it."""
        try:
            signature = inspect.signature(f)
            bound, parameters = signature.bind(*self.args, **self.options), signature.parameters
            names = [
                name
                for name, x in bound.arguments.items()
                for _ in (x if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL else (x,))
                if parameters[name].kind is not inspect.Parameter.VAR_KEYWORD
            ]
        except (TypeError, ValueError):  # the call of f itself will say what is wrong
            names = []
        names = [*names, *(f"x{i}" for i in range(len(names), len(self.args)))][: len(self.args)]
        options = sorted(self.options, key=str)
        pairs = [
            *zip(names, self.args, strict=True),
            *((name, self.options[name]) for name in options),
        ]
        return [path for name, x in pairs for path in paths(name, x)]


def paths(name: str, x: Any) -> list[str]:
    """The name of each leaf of x."""
    if not is_structure(x):
        return [name]
    keys = sorted(x, key=str) if isinstance(x, dict) else range(len(x))
    return [path for key in keys for path in paths(f"{name}_{key}", x[key])]


def flat(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[list[Any], Any]:
    """The leaves of the arguments, and a key that is equal for calls that can share a program.

    The key covers the arguments only; a program checks what the function holds by itself. Raises
    NestedError inside another compiled function.
    """
    if INSIDE.get():
        raise NestedError
    nesting = None
    given = list(args)
    if options or any(isinstance(x, STRUCTURES) for x in args):
        given, nesting = leaves((args, options)), (structure(args), structure(options))
    return given, (RECORDING.get() is not False, nesting, *map(described, given))


def described(x: Any) -> Any:
    """What a program assumes of an argument: an array's shape, a float's class, or a value."""
    kind = x.__class__
    if kind is np.ndarray:
        return kind_of(x)
    if isinstance(x.data if isinstance(x, Node) else x, Traced):
        raise NestedError
    if isinstance(x, Node):
        return kind, x.requires_grad, x.function is None, described(x.data)
    if kind is float or isinstance(x, np.generic | np.random.Generator):
        return kind
    if x is None or isinstance(x, bool | int | str | type | np.dtype) or callable(x):
        return kind, x
    raise CompileError(
        f"a program cannot take an argument of class {kind.__name__}: pass NumPy's arrays, "
        "Tensors, numbers, generators, or lists, tuples and dicts of them"
    )


def kind_of(x: Any) -> Any:
    """What a program assumes in each run: an array's shape, dtype and strides; another's type."""
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, None if x.flags.c_contiguous else x.strides
    return type(x)


def structure(x: Any) -> Any:
    """The nesting of lists, tuples and dicts, with the keys of a dict in their order."""
    if isinstance(x, dict):
        return type(x), tuple((key, structure(y)) for key, y in x.items())
    if is_structure(x):
        return type(x), tuple(map(structure, x))
    return None
