"""What of a trace would somebody read? Not what serves the shapes of arrays, nor guards.

A rule is right for arrays of every shape and at every number, and says so; its mathematics is
shorter. Each step here is checked with the data at hand: what is left comes to the same numbers.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.notation.terms import ALGEBRA, CANONICAL, Call, Ref
from tinygrad_edu.tracing import Line, astype, item, replaced, with_item

Shown = tuple[Any, Any]  # a term, and the data that it comes to

# What is asked so that a rule is right at every number. A rule that says `x > 0` means it.
GUARDS = {np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite, np.invert}
GUARDS |= {np.bitwise_or, np.bitwise_and, np.logical_or, np.logical_and, np.logical_not}
# What changes the shape of an array, or its dtype, and not its numbers
SHAPES = {np.broadcast_to, np.reshape, np.expand_dims, np.squeeze, np.ravel, np.copy, np.positive}
SHAPES |= {astype}
# What is computed at once where all operands are numbers; log(2) says more than 0.6931
FOLDED = ALGEBRA | SHAPES | GUARDS
TRANSPOSES = {np.swapaxes, np.transpose, np.moveaxis}


def simplified(x: Any) -> Shown:
    """The term of x without what serves shapes and guards, and the data that this comes to.

    The data may lack axes of length 1, and be as small as broadcasting allows.
    """
    if isinstance(x, tuple | list) and any(isinstance(y, Line) for y in x):
        pairs = [simplified(y) for y in x]
        return type(x)(term for term, _ in pairs), type(x)(data for _, data in pairs)
    if not isinstance(x, Line):
        return data_of(x), data_of(x)  # a slice tells its numbers
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
    """Whether a term is the same number whatever the operands are."""
    is_plain = isinstance(term, bool | int | float | np.number)
    return is_plain or (isinstance(term, Ref) and term.number is not None)


def is_guard(function: Any, operands: list[Shown]) -> bool:
    """Whether this is asked, or counted, so that a rule is right at every number."""
    if function is np.sum:
        return isinstance(operands[0][0], Call) and operands[0][0].function in GUARDS
    return function in GUARDS


def is_uniform(x: Line) -> bool:
    """Whether all elements are one number."""
    flat = np.ravel(x.data)
    return flat.size > 0 and bool(np.isfinite(flat[0]) and (flat == flat[0]).all())


def literal(x: Any) -> int | float:
    """A number as a formula has it: 2 for 2.0, and 1 for True."""
    return int(x) if float(x).is_integer() else float(x)


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
    """x, where it has no more than axes of length 1 before those of `whole`."""
    term, data = shown
    extra = np.ndim(data) - np.ndim(whole)
    if extra <= 0 or np.shape(data) != (1,) * extra + np.shape(whole):
        return []
    return [(term, np.reshape(data, np.shape(whole)))]


def with_axes(shown: Shown, whole: Any) -> list[Shown]:
    """x[:, None]: with axes of length 1 where `whole` has them, except the first ones."""
    term, data = shown
    if np.shape(data) != tuple(n for n in whole.shape if n != 1):
        return []
    index = tuple(None if n == 1 else slice(None) for n in whole.shape)
    return [(Call(item, (term, index)), data[index])]


def transposed(shown: Shown, x: Line) -> list[Shown]:
    """The transpose of x as x itself, x[:, None], x.T or x.mT, by the order of the axes alone."""
    term, data = shown
    n = data.ndim
    found = []
    if sum(size != 1 for size in data.shape) <= 1:
        vector = without_axes(shown)
        found = [vector, *with_axes(vector, x.data)]
    if n != x.data.ndim:
        return found
    # An array whose axes are as long as their numbers says where each of them goes.
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
    """A matrix product of what were vectors or numbers, as such: x @ y, x * y, or outer(x, y)."""
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
    """The x of x[:, None], with the axes that are its own."""
    match shown:
        case Call(function=function, operands=(x, index)), data if function is item:
            parts = index if isinstance(index, tuple) else (index,)
            if all(part is None or is_all(part) for part in parts):
                start = next((i for i, part in enumerate(parts) if part is ...), len(parts))
                new = (i if i < start else i - len(parts) for i, y in enumerate(parts) if y is None)
                return x, np.squeeze(data, axis=tuple(new))
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


def call_of(function: Any, operands: list[Shown], x: Line) -> Shown:
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
            operands = [in_full(shown, y) for shown, y in zip(operands, given)]
            data = x.data
    return Call(function, tuple(term for term, _ in operands), tuple(options)), data


def data_of(x: Any) -> Any:
    """x with the data of each line in its place."""
    return replaced(x, Line, lambda line: line.data)


def is_told(name: str, option: Any, x: Line) -> bool:
    """Whether an option says something about the numbers; axes kept in front say nothing."""
    if name == "keepdims":
        behind = itertools.dropwhile(lambda n: n == 1, np.shape(x.data))
        return bool(option) and 1 in behind
    return name not in ("dtype", "optimize") and option is not None


def is_data(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | float)


def in_full(shown: Shown, whole: Any) -> Shown:
    """An operand in the shape that it really has."""
    term, data = shown
    if not is_data(whole) or np.shape(data) == np.shape(whole):
        return shown
    function = np.reshape if np.size(data) == np.size(whole) else np.broadcast_to
    return Call(function, (term, np.shape(whole))), whole
