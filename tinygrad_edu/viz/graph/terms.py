"""What does a rule say, as mathematics? It runs on traced operands, and this is what it wrote down.

A term is a call of a function on terms; its leaves are nodes of the graph and numbers. What serves
the shapes of arrays only, and what guards against cases that are not there, is left out, and each
such step is checked: a term that is left comes to the same numbers.
"""

import inspect
import itertools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tinygrad_edu.graph import Function, Node
from tinygrad_edu.tracing import Line, Traced, astype, item, lines, replaced

FEW = 8  # elements of an array that is written out
LONGEST = 9  # calls in a term that somebody would still read


@dataclass(frozen=True)
class Ref:
    """A node of the graph in a formula: its value, or the gradient of the root by it.

    number  the value itself, if the node is a plain number among the operands
    """

    node: int
    is_gradient: bool = False
    number: float | None = None


@dataclass(frozen=True)
class Call:
    """function(*operands, **options): operands are terms, or what is no data, such as an index."""

    function: Any
    operands: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()


Term = Ref | Call | float


def summed(x: Any) -> Any:
    """The sum over the axes along which an operand was broadcast."""
    return x


class Written(Traced):
    """A traced array that keeps a function of the package whole: sigmoid(x), not its formula."""

    __slots__ = ()

    def __primitive__(self, function: Function, inputs: Any, options: Any) -> Any:
        return self.call(function, inputs, options)


class Opened(Traced):
    """A traced array that makes no choices: what it writes down holds for all numbers."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("this function chooses by its numbers")


# From a node of the computation to its terms, in which Ref(i) is operand i, and Ref(OWN) the node

OWN = -1


def operand_refs(node: Node) -> list[Ref | None]:
    """A reference to each operand that is data; an index or a shape is none."""
    return [
        Ref(i, number=x)
        if isinstance(x, bool | int | float)
        else Ref(i)
        if isinstance(x, Node | np.ndarray | np.generic)
        else None
        for i, x in enumerate(node.inputs)
    ]


def traced(node: Node, kind: type) -> list[Any]:
    """What the call of a node saw, each operand that is data traced."""
    pairs = zip(node.seen[1:], operand_refs(node))
    return [x if ref is None else kind(x, ref) for x, ref in pairs]


def backward_terms(node: Node, g: Any) -> list[Term | None]:
    """What the rule of a node makes of its gradient g, for each operand.

    None where that is nothing, where it is too long to read, and where the rule looks at more than
    arrays that can be traced.
    """
    rule = cast(Function, node.rule)
    gradient, out = Written(g, Ref(OWN, is_gradient=True)), Written(node.seen[0], Ref(OWN))
    with np.errstate(all="ignore"):
        try:
            partials = in_a_row(rule(gradient, out, *traced(node, Written), **node.options), node)
            return [
                None if x is None else readable(broadcast_undone(x, np.shape(data)))
                for x, data in zip(partials, node.seen[1:])
            ]
        except Exception:  # a rule of somebody's own may do anything
            return [None] * len(node.inputs)


def has_partials(node: Node) -> list[bool]:
    """For each operand, whether the rule returns anything for it."""
    one = np.ones_like(node.seen[0]) if hasattr(node.seen[0], "shape") else 1.0
    with np.errstate(all="ignore"):
        try:
            partials = cast(Function, node.rule)(one, *node.seen, **node.options)
        except Exception:  # a rule of somebody's own may do anything
            return [True] * len(node.inputs)
    return [x is not None for x in in_a_row(partials, node, call=False)]


def in_a_row(partials: Any, node: Node, call: bool = True) -> list[Any]:
    """What a rule returned, one for each operand, with thunks called."""
    partials = list(partials) if isinstance(partials, tuple) else [partials]
    partials += [None] * (len(node.inputs) - len(partials))
    return [x() if call and callable(x) else x for x in partials]


def forward_term(node: Node) -> Term:
    """The operation of a node: in operators, x W + b for `linear`, or else as a call."""
    with np.errstate(all="ignore"):
        try:
            out = cast(Function, node.function)(*traced(node, Opened), **node.options)
        except Exception:  # it chooses by its numbers, or asks more of an array
            out = None
    term = spelled(lines(out))
    if is_algebra(term):
        return cast(Term, term)
    operands = [x if ref is None else ref for x, ref in zip(node.inputs, operand_refs(node))]
    function = CANONICAL.get(node.function, node.function)
    return Call(function, tuple(operands), tuple(options_given(node).items()))


def options_given(node: Node) -> dict[str, Any]:
    """The options of a call, except defaults."""
    known = inspect.signature(cast(Function, node.rule)).parameters
    return {
        name: x
        for name, x in node.options.items()
        if name not in known or repr(x) != repr(known[name].default)
    }


def spelled(x: Any) -> Any:
    """What was written down, as a term."""
    if not isinstance(x, Line):
        return x
    if x.function is None:
        return x.name
    function = CANONICAL.get(x.function, x.function)
    return Call(function, tuple(map(spelled, x.inputs)), tuple(x.options.items()))


def is_algebra(term: Any) -> bool:
    """Whether operators alone write this term."""
    match term:
        case Call(function=function, operands=(x, _)) if function is item:
            return is_algebra(x)
        case Call(function=function, operands=operands, options=()):
            return function in ALGEBRA and all(map(is_algebra, operands))
    return isinstance(term, Ref | float | int)


ALGEBRA = {np.add, np.subtract, np.multiply, np.divide, np.matmul, np.power, np.negative}
ALGEBRA |= {np.positive, np.remainder, np.square, np.reciprocal, np.sqrt, np.absolute}


def broadcast_undone(partial: Any, shape: tuple[int, ...]) -> Any:
    """The sum over a partial that is larger than its operand."""
    if np.broadcast_shapes(np.shape(partial), shape) == shape:
        return partial
    if np.size(partial) == math.prod(shape):
        return np.reshape(partial, shape)
    return partial.call(summed, (partial,), {})


def readable(partial: Any) -> Term | None:
    """The simplified term of a partial, unless it is too long or holds an array of its own."""
    term, _ = simplified(lines(partial))
    return term if 0 <= length(term) <= LONGEST else None


def length(term: Any) -> float:
    """How many calls a term has; infinite if it holds what cannot be written."""
    match term:
        case Call(operands=operands):
            return 1 + sum(map(length, operands))
        case tuple() | list():
            return sum(map(length, term))
    return math.inf if isinstance(term, np.ndarray) and term.size > FEW else 0


# Simpler terms

Shown = tuple[Any, Any]  # a term, and the data that it comes to

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
# What is asked so that a rule is right at every number. A rule that says `x > 0` means it.
GUARDS = {np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite, np.invert}
GUARDS |= {np.bitwise_or, np.bitwise_and, np.logical_or, np.logical_and, np.logical_not}
# What changes the shape of an array, or its dtype, and not its numbers
SHAPES = {np.broadcast_to, np.reshape, np.expand_dims, np.squeeze, np.ravel, np.copy, np.positive}
SHAPES |= {astype}
TRANSPOSES = {np.swapaxes, np.transpose, np.moveaxis}


def simplified(x: Any) -> Shown:
    """The term of x without what serves shapes and guards, and the data that this comes to.

    The data may lack axes of length 1, and be as small as broadcasting allows.
    """
    if isinstance(x, tuple | list) and any(isinstance(y, Line) for y in x):
        pairs = [simplified(y) for y in x]
        return type(x)(term for term, _ in pairs), type(x)(data for _, data in pairs)
    if not isinstance(x, Line):
        return x, x
    if x.function is None:
        return x.name, x.data
    function = CANONICAL.get(x.function, x.function)
    operands = [simplified(y) for y in x.inputs]
    if (function in GUARDS or all(is_constant(term) for term, _ in operands)) and is_uniform(x):
        number = literal(np.ravel(x.data)[0])
        return number, np.asarray(number)
    for term, data in simpler(function, operands, x):
        if stands_for(data, x.data):
            return term, data
    if function is np.matmul:
        for term, data in products(*operands):
            if stands_for(np.squeeze(data), np.squeeze(x.data)):
                return term, data
    return called(function, operands, x)


def is_constant(term: Any) -> bool:
    """Whether a term is the same number whatever the operands are."""
    is_number = isinstance(term, bool | int | float | np.number)
    return is_number or (isinstance(term, Ref) and term.number is not None)


def is_uniform(x: Line) -> bool:
    """Whether all elements are one number."""
    flat = np.ravel(x.data)
    return flat.size > 0 and bool(np.isfinite(flat[0]) and (flat == flat[0]).all())


def literal(x: Any) -> int | float:
    """A number as a formula has it: 2 for 2.0, and 1 for True."""
    return int(x) if x == int(x) else float(x)


def simpler(function: Any, operands: list[Shown], x: Line) -> list[Shown]:
    """Terms that are simpler than function(*operands), where they come to the same."""
    terms = [literal(term) if isinstance(term, int | float) else None for term, _ in operands]
    match function, terms:
        case (np.multiply, [1, _]) | (np.add, [0, _]) | (np.where, [0, _, _]):
            return operands[-1:]
        case (np.multiply | np.divide | np.power, [_, 1]) | (np.add | np.subtract, [_, 0]):
            return operands[:1]
        case (np.where, [1, _, _]):
            return operands[1:2]
        case (np.multiply, [0, _] | [_, 0]):
            return [(0, np.asarray(0))]
        case (np.bitwise_or, [_, 0]) | (np.bitwise_and, [_, 1]):
            return operands[:1]
        case (np.moveaxis, [_, source, destination]) if source == destination:
            return operands[:1]
    if function in TRANSPOSES:
        return transposed(operands[0], x.data)
    is_view = function is item and is_whole(x.inputs[1]) and is_data(operands[0][1])
    if function in SHAPES or is_view:
        return [operands[0], *with_axes(operands[0], x.data)]
    return []


def is_whole(index: Any) -> bool:
    """Whether an index takes all of an array, or removes axes of length 1."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is ... or i == slice(None) or isinstance(i, int) for i in parts)


def with_axes(shown: Shown, whole: Any) -> list[Shown]:
    """x[:, None]: with axes of length 1 where `whole` has them, but for the first ones."""
    term, data = shown
    if np.shape(data) != tuple(n for n in whole.shape if n != 1):
        return []
    index = tuple(None if n == 1 else slice(None) for n in whole.shape)
    return [(Call(item, (term, index)), data[index])]


def transposed(shown: Shown, whole: Any) -> list[Shown]:
    term, data = shown
    if sum(n != 1 for n in np.shape(data)) <= 1:
        vector = without_axes(shown)
        return [vector, *with_axes(vector, whole)]
    if data.ndim != whole.ndim:
        return []
    if data.ndim == 2:
        return [(Call(np.transpose, (term,)), data.T)]
    return [(Call(np.matrix_transpose, (term,)), data.swapaxes(-1, -2))]


def products(x: Shown, y: Shown) -> Iterator[Shown]:
    """A matrix product of what were vectors or numbers, as such: x @ y, x * y, or outer(x, y)."""
    rows, columns = (without_axes(x), x), (without_axes(y), y)
    for (a, left), (b, right) in itertools.product(rows, columns):
        if min(np.ndim(left), np.ndim(right)) and np.shape(right)[-2:][0] == np.shape(left)[-1]:
            yield Call(np.matmul, (a, b)), np.matmul(left, right)
    (a, left), (b, right) = rows[0], columns[0]
    if min(np.ndim(left), np.ndim(right)) == 0:
        yield Call(np.multiply, (a, b)), np.multiply(left, right)
    if np.ndim(left) == np.ndim(right) == 1:
        yield Call(np.outer, (a, b)), np.outer(left, right)


def without_axes(shown: Shown) -> Shown:
    """The x of x[:, None]."""
    match shown:
        case Call(function=function, operands=(x, index)), data if function is item and is_whole(
            index
        ):
            return x, np.squeeze(data)
    return shown


def stands_for(data: Any, whole: Any) -> bool:
    """Whether data is `whole`, once it is broadcast to its shape."""
    if np.shape(data) != np.shape(whole):
        try:
            data = np.broadcast_to(data, np.shape(whole))
        except ValueError:
            return False
    close = 1e-3 if np.result_type(data, whole) == np.float16 else 1e-6
    return np.allclose(data, whole, close, 0, equal_nan=True)


def called(function: Any, operands: list[Shown], x: Line) -> Shown:
    """function(*operands), where an operand that lost too much for it gets its shape back."""
    options = [(name, y) for name, y in x.options.items() if is_told(name, y, x)]
    given = [data_of(y) for y in x.inputs]
    data = x.data
    if any(np.shape(less) != np.shape(y) for (_, less), y in zip(operands, given) if is_data(y)):
        try:
            data = x.function(*(less for _, less in operands), **data_of(x.options))
        except (ValueError, IndexError, TypeError):
            data = None
        if data is None or not stands_for(data, x.data):
            operands = [explicit(shown, y) for shown, y in zip(operands, given)]
            data = x.data
    return Call(function, tuple(term for term, _ in operands), tuple(options)), data


def data_of(x: Any) -> Any:
    """x with the data of each line in its place."""
    return replaced(x, Line, lambda line: line.data)


def is_told(name: str, option: Any, x: Line) -> bool:
    """Whether an option says something about the numbers; axes kept in front say nothing."""
    if name == "keepdims":
        return bool(option) and np.size(x.data) != 1 and x.data.shape[0] != 1
    return name not in ("dtype", "optimize") and option is not None


def is_data(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | float)


def explicit(shown: Shown, whole: Any) -> Shown:
    """An operand in the shape that it really has."""
    term, data = shown
    if not is_data(whole) or np.shape(data) == np.shape(whole):
        return shown
    function = np.reshape if np.size(data) == np.size(whole) else np.broadcast_to
    return Call(function, (term, np.shape(whole))), whole


def with_refs(term: Any, by: Callable[[Ref], Any]) -> Any:
    """A term with something else in the place of each node."""
    match term:
        case Ref():
            return by(term)
        case Call(function=function, operands=operands, options=options):
            return Call(function, tuple(with_refs(x, by) for x in operands), options)
        case tuple() | list():
            return type(term)(with_refs(x, by) for x in term)
    return term


def evaluated(term: Any, values: Callable[[Ref], Any]) -> Any:
    """What a term comes to, with `values` for its nodes."""
    match term:
        case Ref():
            return values(term)
        case Call(function=function, operands=operands, options=options):
            with np.errstate(all="ignore"):
                return function(*(evaluated(x, values) for x in operands), **dict(options))
        case tuple() | list():
            return type(term)(evaluated(x, values) for x in term)
    return term
