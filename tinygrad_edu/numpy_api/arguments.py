"""How do the arguments of a call of NumPy become the inputs and the options of a rule?"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Set
from functools import cache
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, plain
from tinygrad_edu.messages import name_of
from tinygrad_edu.operands import as_array

Function = Callable[..., Any]


# The form of a call


@cache
def defaults_of(function: Function) -> dict[str, Any]:
    """A function's arguments with their defaults; empty for some functions of NumPy in C."""
    try:
        return {p.name: p.default for p in inspect.signature(function).parameters.values()}
    except ValueError:
        return {}


def as_of_rule(
    function: Function, rule: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs and the options of a call, whose arguments come by position or by name."""
    names, count, known = parameters(function, rule)
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    try:
        inputs = tuple(named.pop(name) for name in names[:count])
    except KeyError as missing:
        raise TypeError(f"{name_of(function)} of a Tensor needs the argument {missing}") from None
    options = known_among(known, function, named)
    return inputs, {name: constant(function, name, x) for name, x in options.items()}


@cache
def parameters(function: Function, rule: Function) -> tuple[list[str], int, Set[str]]:
    """The names of a function's arguments, how many are inputs, and the options its rule knows.

    An argument of the rule without a default is an input; an argument with a default is an option.
    """
    of_rule = list(inspect.signature(rule).parameters.values())[2:]
    inputs = [p.name for p in of_rule if p.default is p.empty]
    options = [p.name for p in of_rule if p.default is not p.empty]
    names = list(defaults_of(function)) or [*inputs, *options]
    return names, len(inputs), frozenset(options)


def constant(function: Function, option: str, x: Any) -> Any:
    """The data of an option: no rule has a derivative with respect to an option."""
    if isinstance(x, Node) and x.requires_grad:
        raise TypeError(
            f"{name_of(function)} has no derivative with respect to {option}=; "
            "pass a plain number or array, t.data of a Tensor"
        )
    return plain(x)


def as_of_composition(
    function: Function, composition: Function, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The options of a call that the composition for `function` takes."""
    known = defaults_of(composition).keys()
    return options if "options" in known else known_among(known, function, options)


def known_among(
    known: Set[str], function: Function, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The known options; an unknown option is allowed only with the value of its default."""
    if options.keys() <= known:
        return options
    defaults = defaults_of(function)
    unknown = [k for k, x in options.items() if k not in known and x is not defaults.get(k)]
    if unknown:
        refuse(function, unknown)
    return {k: x for k, x in options.items() if k in known}


def outputs(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The arrays that the call writes its result into, as a tuple."""
    place = place_of_out(function)
    out = args[place] if len(args) > place else kwargs.get("out")
    return out if isinstance(out, tuple) else (out,)


@cache
def place_of_out(function: Function) -> int:
    """The position of `out` among a function's arguments; beyond the last if it has no `out`."""
    names = list(defaults_of(function))
    return names.index("out") if "out" in names else sys.maxsize


def refuse(function: Function, options: Iterable[str]) -> None:
    named = ", ".join(f"{option}=" for option in sorted(options))
    raise TypeError(
        f"{name_of(function)} of a Tensor does not take {named}; leave it out, or use t.data"
    )


# The data of a call


def array(x: Any) -> Any:
    """x with a shape and a dtype: nodes and arrays as they are, numbers and lists as arrays."""
    x = as_array(x)
    return x if isinstance(x, Node) or hasattr(x, "__array_function__") else np.asarray(x)


def common_dtype(operands: Iterable[Any]) -> np.dtype[Any]:
    """The dtype in which NumPy computes with all of them; a Python number only gives a kind."""
    return np.result_type(*[x if isinstance(x, int | float) else array(x).dtype for x in operands])


def in_one_dtype(arrays: Iterable[Any]) -> list[Any]:
    """The arrays, all in the dtype in which NumPy computes with all of them."""
    arrays = [array(x) for x in arrays]
    dtype = common_dtype(arrays)
    return [x if x.dtype == dtype else x.astype(dtype) for x in arrays]
