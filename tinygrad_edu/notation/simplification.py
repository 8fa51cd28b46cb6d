"""Which parts of a trace does a reader need? Not the steps for shapes of arrays, nor the guards.

A rule must be right for arrays of every shape and for every number, and has steps for that; its
mathematics is shorter. Each simplification is checked on the data of the trace: the shorter term
must give the same numbers.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.notation.terms import ALGEBRA, CANONICAL, Call, Ref
from tinygrad_edu.tracing import Line, astype, item, replaced, with_item

Shown = tuple[Any, Any]  # a term and its data

# Functions that guard against special numbers. `x > 0` is not one: it belongs to the mathematics.
GUARDS = {np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite, np.invert}
GUARDS |= {np.bitwise_or, np.bitwise_and, np.logical_or, np.logical_and, np.logical_not}
# Functions that change the shape or the dtype of an array, but not its numbers
SHAPES = {np.broadcast_to, np.reshape, np.expand_dims, np.squeeze, np.ravel, np.copy, np.positive}
SHAPES |= {astype}
# Functions that become a number if all operands are numbers; log stays: log(2) is clearer than 0.69
FOLDED = ALGEBRA | SHAPES | GUARDS
TRANSPOSES = {np.swapaxes, np.transpose, np.moveaxis}


def simplified(x: Any) -> Shown:
    """The term of x without the steps for shapes and guards, and the data of this term.

    The data may lack axes of length 1, and be as small as broadcasting allows.
    """
    if isinstance(x, tuple | list) and any(isinstance(y, Line) for y in x):
        pairs = [simplified(y) for y in x]
        return type(x)(term for term, _ in pairs), type(x)(data for _, data in pairs)
    if not isinstance(x, Line):
        return data_of(x), data_of(x)  # in a slice, data replaces the lines
    if x.function is None:
        return x.name, x.data
    function = CANONICAL.get(x.function, x.function)
    operands = [simplified(y) for y in x.inputs]
    is_constant = function in FOLDED and all(is_number(term) for term, _ in operands)
    if (is_constant or is_guard(function, operands)) and is_uniform(x):
        number = literal(np.ravel(x.data)[0])
        return number, np.asarray(number)
    for term, data in simpler(function, operands, x):
        if stands_for(data, x.data):
            return term, data
    if function is np.matmul:
        for term, data in products(*operands):
            whole = np.squeeze(x.data)
            if np.squeeze(data).shape == whole.shape and stands_for(np.squeeze(data), whole):
                return term, data
    return call_of(function, operands, x)


def is_number(term: Any) -> bool:
    """Whether a term is a number that does not depend on the operands."""
    is_plain = isinstance(term, bool | int | float | np.number)
    return is_plain or (isinstance(term, Ref) and term.number is not None)


def is_guard(function: Any, operands: list[Shown]) -> bool:
    """Whether this is a guard, or the count of elements where a guard is True."""
    if function is np.sum:
        return isinstance(operands[0][0], Call) and operands[0][0].function in GUARDS
    return function in GUARDS


def is_uniform(x: Line) -> bool:
    """Whether all elements are the same finite number."""
    flat = np.ravel(x.data)
    return flat.size > 0 and bool(np.isfinite(flat[0]) and (flat == flat[0]).all())


def literal(x: Any) -> int | float:
    """A number as it is written in a formula: 2 for 2.0, and 1 for True."""
    return int(x) if float(x).is_integer() else float(x)


def simpler(function: Any, operands: list[Shown], x: Line) -> list[Shown]:
    """Terms that are simpler than function(*operands); the caller checks that they are equal."""
    terms = [literal(term) if isinstance(term, int | float) else None for term, _ in operands]
    match function, terms:
        case (np.multiply, [1, _]) | (np.add, [0, _]) | (np.where, [0, _, _]):
            return operands[-1:]
        case (np.multiply | np.divide | np.power, [_, 1]) | (np.add | np.subtract, [_, 0]):
            return operands[:1]
        case (np.where, [1, _, _]):
            return operands[1:2]
        case (np.multiply, [0, _] | [_, 0]) | (np.divide, [0, _]):
            return [(0, np.asarray(0))]
        case (np.bitwise_or, [_, 0]) | (np.bitwise_and, [_, 1]):
            return operands[:1]
    if function in TRANSPOSES:
        return transposed(operands[0], x)
    if function is with_item and is_all(x.inputs[1]):
        return operands[2:]
    is_view = function is item and takes_all(x.inputs[1]) and is_data(operands[0][1])
    if function in SHAPES or is_view:
        shown = operands[0]
        return [shown, *without_first_axes(shown, x.data), *with_axes(shown, x.data)]
    return []


def takes_all(index: Any) -> bool:
    """Whether an index takes all of an array, or removes axes of length 1."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(i is None or isinstance(i, int) or is_all(i) for i in parts)


def is_all(index: Any) -> bool:
    return index is ... or (isinstance(index, slice) and index == slice(None))


def without_first_axes(shown: Shown, whole: Any) -> list[Shown]:
    """x without extra first axes of length 1, if its other axes are those of `whole`."""
    term, data = shown
    extra = np.ndim(data) - np.ndim(whole)
    if extra <= 0 or np.shape(data) != (1,) * extra + np.shape(whole):
        return []
    return [(term, np.reshape(data, np.shape(whole)))]


def with_axes(shown: Shown, whole: Any) -> list[Shown]:
    """x[:, None]: x with axes of length 1 where `whole` has them."""
    term, data = shown
    if np.shape(data) != tuple(n for n in whole.shape if n != 1):
        return []
    index = tuple(None if n == 1 else slice(None) for n in whole.shape)
    return [(Call(item, (term, index)), data[index])]


def transposed(shown: Shown, x: Line) -> list[Shown]:
    """The transpose of x as x itself, x[:, None], x.T or x.mT; only the order of axes decides."""
    term, data = shown
    n = data.ndim
    found = []
    if sum(size != 1 for size in data.shape) <= 1:
        vector = without_axes(shown)
        found = [vector, *with_axes(vector, x.data)]
    if n != x.data.ndim:
        return found
    # Axis i of this empty array has length i, so its new shape shows where each axis goes.
    probe = x.function(np.empty(range(n)), *map(data_of, x.inputs[1:]), **data_of(x.options))
    order = list(probe.shape)
    if order == [*range(n)]:
        found.append(shown)
    elif order == [*reversed(range(n))]:
        found.append((Call(np.transpose, (term,)), data.T))
    elif order == [*range(n - 2), n - 1, n - 2]:
        found.append((Call(np.matrix_transpose, (term,)), data.swapaxes(-1, -2)))
    return found


def products(x: Shown, y: Shown) -> Iterator[Shown]:
    """A matrix product without the axes added to vectors or numbers: x @ y, x * y, outer(x, y)."""
    rows, columns = (without_axes(x), x), (without_axes(y), y)
    for (a, left), (b, right) in itertools.product(rows, columns):
        if min(np.ndim(left), np.ndim(right)) and np.shape(right)[-2:][0] == np.shape(left)[-1]:
            yield Call(np.matmul, (a, b)), np.matmul(left, right)
    (a, left), (b, right) = x, columns[0]
    if np.shape(left)[-1:] == (1,) and np.ndim(right) == 1 < np.ndim(left) - 1:
        yield Call(np.multiply, (a, b)), np.multiply(left, right)  # outer products
    (a, left) = rows[0]
    if min(np.ndim(left), np.ndim(right)) == 0:
        yield Call(np.multiply, (a, b)), np.multiply(left, right)
    if np.ndim(left) == np.ndim(right) == 1:
        yield Call(np.outer, (a, b)), np.outer(left, right)


def without_axes(shown: Shown) -> Shown:
    """x and its data, for a term such as x[:, None]; other terms as they are."""
    match shown:
        case Call(function=function, operands=(x, index)), data if function is item:
            parts = index if isinstance(index, tuple) else (index,)
            if all(part is None or is_all(part) for part in parts):
                start = next((i for i, part in enumerate(parts) if part is ...), len(parts))
                new = (i if i < start else i - len(parts) for i, y in enumerate(parts) if y is None)
                return x, np.squeeze(data, axis=tuple(new))
    return shown


def stands_for(data: Any, whole: Any) -> bool:
    """Whether data, broadcast to the shape of `whole`, is equal to it up to rounding."""
    if np.shape(data) != np.shape(whole):
        try:
            data = np.broadcast_to(data, np.shape(whole))
        except ValueError:
            return False
    close = 1e-3 if np.result_type(data, whole) == np.float16 else 1e-6
    return np.allclose(data, whole, close, 0, equal_nan=True)


def call_of(function: Any, operands: list[Shown], x: Line) -> Shown:
    """function(*operands); operands get their full shapes back if the result would differ."""
    options = [(name, y) for name, y in x.options.items() if is_told(name, y, x)]
    given = [data_of(y) for y in x.inputs]
    data = x.data
    if any(np.shape(less) != np.shape(y) for (_, less), y in zip(operands, given) if is_data(y)):
        try:
            data = x.function(*(less for _, less in operands), **data_of(x.options))
        except (ValueError, IndexError, TypeError):
            data = None
        if data is None or not stands_for(data, x.data):
            operands = [in_full(shown, y) for shown, y in zip(operands, given)]
            data = x.data
    return Call(function, tuple(term for term, _ in operands), tuple(options)), data


def data_of(x: Any) -> Any:
    """x with the data of each line in place of the line."""
    return replaced(x, Line, lambda line: line.data)


def is_told(name: str, option: Any, x: Line) -> bool:
    """Whether an option matters to the numbers; axes of length 1 kept in front do not."""
    if name == "keepdims":
        behind = itertools.dropwhile(lambda n: n == 1, np.shape(x.data))
        return bool(option) and 1 in behind
    return name not in ("dtype", "optimize") and option is not None


def is_data(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | float)


def in_full(shown: Shown, whole: Any) -> Shown:
    """An operand in its full shape."""
    term, data = shown
    if not is_data(whole) or np.shape(data) == np.shape(whole):
        return shown
    function = np.reshape if np.size(data) == np.size(whole) else np.broadcast_to
    return Call(function, (term, np.shape(whole))), whole
