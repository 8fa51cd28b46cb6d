"""What was a function called with? Its arguments, flat, and the signature that they have."""

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


# Whether a function that is compiled runs as it is, to be recorded or to be compared with.
INSIDE: ContextVar[bool] = ContextVar("inside", default=False)


class NestedError(Exception):
    """The call is a part of another function that is compiled."""


@dataclass(frozen=True)
class Call:
    """The arguments of a call: as they were given, and flat."""

    args: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def leaves(self) -> list[Any]:
        return leaves((self.args, self.options))

    def names(self, f: Function) -> list[str]:
        """What each leaf is called: the parameter of f, and where it is in that."""
        try:
            signature = inspect.signature(f)
            bound, parameters = signature.bind(*self.args, **self.options), signature.parameters
            names = [
                name
                for name, x in bound.arguments.items()
                for _ in (x if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL else (x,))
                if parameters[name].kind is not inspect.Parameter.VAR_KEYWORD
            ]
        except (TypeError, ValueError):  # f is called anyway, and says what is wrong
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
    """The leaves of the arguments, and what is equal for calls that one program can serve.

    That is as far as the arguments tell: what the function holds has a say as well.
    """
    if INSIDE.get():
        raise NestedError
    nesting = None
    given = list(args)
    if options or any(isinstance(x, STRUCTURES) for x in args):
        given, nesting = leaves((args, options)), (structure(args), structure(options))
    return given, (RECORDING.get() is not False, nesting, *map(described, given))


def described(x: Any) -> Any:
    """What a program takes for granted of an argument: of data its shape, of all else the whole."""
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
        f"an argument of class {kind.__name__} cannot be compiled: a program takes NumPy's arrays, "
        "Tensors, numbers, generators, and lists, tuples and dicts of them"
    )


def kind_of(x: Any) -> Any:
    """What a program takes for granted of the numbers that it reads, now and in each later run."""
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, None if x.flags.c_contiguous else x.strides
    return type(x)


def structure(x: Any) -> Any:
    """The nesting of lists, tuples and dicts; a dict in its order, in which a loop goes over it."""
    if isinstance(x, dict):
        return type(x), tuple((key, structure(y)) for key, y in x.items())
    if is_structure(x):
        return type(x), tuple(map(structure, x))
    return None
