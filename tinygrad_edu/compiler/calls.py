"""What was a function called with? A flat list of its arguments, and their signature."""

import inspect
import reprlib
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

    The key covers the arguments only; each program itself checks what the function holds. Raises
    NestedError inside another compiled function, and CompileError for an argument that no program
    can take.
    """
    if INSIDE.get():
        raise NestedError
    nesting = None
    given = list(args)
    if options or any(isinstance(x, STRUCTURES) for x in args):
        given, nesting = leaves((args, options)), (structure(args), structure(options))
    return given, (RECORDING.get() is not False, nesting, *map(described, given))


def described(x: Any) -> Any:
    """What a program assumes of an argument: what `kind_of` says, a float's class, or a value."""
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


def signature_text(key: Any) -> str:
    """The values of a call in words, from its key: shapes, dtypes, and what is no array."""
    records, _, *kinds = key
    text = ", ".join(map(kind_text, kinds)) or "no arguments"
    return f"({text})" if records else f"({text}) under no_grad()"


def kind_text(kind: Any) -> str:
    """What `described` returned, in words."""
    match kind:
        case type():
            return f"a {kind.__name__}"
        case (tuple(shape), np.dtype() as dtype, strides):
            order = "" if strides is None else f" with strides {strides}"
            return f"an array of shape {shape}, {dtype}{order}"
        case (type() as node, requires_grad, bool(), data):
            gradient = " that requires a gradient" if requires_grad else ""
            return f"a {node.__name__} of {kind_text(data)}{gradient}"
        case (_, x):
            return getattr(x, "__name__", None) or reprlib.repr(x)
    return str(kind)


def kind_of(x: Any) -> Any:
    """What a program assumes of x: the shape, dtype and strides of an array; else the type."""
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
