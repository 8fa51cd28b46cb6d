"""A formula as data: calls of functions on quantities and numbers.

`spelled` turns a trace of `tracing` into a term, one call for each line. simplification.py makes
a shorter term of it.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.tracing import Line, item

FEW = 8  # elements of an array; a larger one is not written out
MOST = 100  # calls in a trace; a longer trace gives no readable formula


@dataclass(frozen=True)
class Ref:
    """A quantity: the value of a node of a graph, or the gradient with respect to it.

    number  the value, if it is a constant number
    """

    node: int
    is_gradient: bool = False
    number: float | None = None


@dataclass(frozen=True)
class Call:
    """function(*operands, **options): operands are terms, or not data, such as an index."""

    function: Any
    operands: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()


Term = Ref | Call | float


def summed(x: Any) -> Any:
    """The sum over the axes along which an operand was broadcast."""
    return x


CANONICAL: dict[Any, Any] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.mod: np.remainder,
    operator.pow: np.power,
    operator.matmul: np.matmul,
    operator.neg: np.negative,
    operator.pos: np.positive,
    operator.abs: np.absolute,
    np.float_power: np.power,
    np.fabs: np.absolute,
    np.add.reduce: np.sum,
    np.maximum.reduce: np.max,
    np.minimum.reduce: np.min,
    np.multiply.reduce: np.prod,
}


def is_short(x: Any) -> bool:
    """Whether a trace has at most MOST calls.

    A line that is used twice counts twice, because it is written twice: a recurrence of 24 lines
    may be a formula of 46,000 calls.
    """
    stack, calls = [x], 0
    while stack and calls <= MOST:
        match stack.pop():
            case Line(function=function, inputs=inputs):
                stack += inputs
                calls += function is not None
            case tuple() | list() as several:
                stack += several
    return not stack


def spelled(x: Any) -> Any:
    """A trace as a term."""
    if isinstance(x, tuple | list):
        return type(x)(map(spelled, x))
    if not isinstance(x, Line):
        return x
    if x.function is None:
        return x.name
    function = CANONICAL.get(x.function, x.function)
    return Call(function, tuple(map(spelled, x.inputs)), tuple(x.options.items()))


def with_leaves(term: Any, by: Callable[[Any], Any]) -> Any:
    """A term with by(leaf) in place of each leaf: a Ref, a number, anything that is not a call."""
    match term:
        case Call(function=function, operands=operands, options=options):
            return Call(function, tuple(with_leaves(x, by) for x in operands), options)
        case tuple() | list():
            return type(term)(with_leaves(x, by) for x in term)
    return by(term)


def with_refs(term: Any, by: Callable[[Ref], Any]) -> Any:
    """A term with by(ref) in place of each Ref."""
    return with_leaves(term, lambda x: by(x) if isinstance(x, Ref) else x)


def evaluated(term: Any, values: Callable[[Ref], Any]) -> Any:
    """The value of a term, with values(ref) for each Ref."""
    match term:
        case Ref():
            return values(term)
        case Call(function=function, operands=operands, options=options):
            with np.errstate(all="ignore"):
                return function(*(evaluated(x, values) for x in operands), **dict(options))
        case tuple() | list():
            return type(term)(evaluated(x, values) for x in term)
    return term


def length(term: Any) -> float:
    """How many calls a term has; infinite if it holds an array that is too large to write."""
    match term:
        case Call(operands=operands):
            return 1 + sum(map(length, operands))
        case tuple() | list():
            return sum(map(length, term))
    return math.inf if isinstance(term, np.ndarray) and term.size > FEW else 0


def is_algebra(term: Any) -> bool:
    """Whether a term is written with operators, powers, roots and indices only."""
    match term:
        case Call(function=function, operands=(x, _)) if function is item:
            return is_algebra(x)
        case Call(function=function, operands=operands, options=()):
            return function in ALGEBRA and all(map(is_algebra, operands))
    return isinstance(term, Ref | float | int)


ALGEBRA = {np.add, np.subtract, np.multiply, np.divide, np.matmul, np.power, np.negative}
ALGEBRA |= {np.positive, np.remainder, np.square, np.reciprocal, np.sqrt, np.absolute}
