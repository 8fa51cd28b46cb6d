"""What did an operation do, and what does its rule say? Both run on traced operands, once more.

In these terms Ref(i) is operand i, and Ref(OWN) the node itself.
"""

import inspect
import math
from typing import Any, cast

import numpy as np

from tinygrad_edu.graph import Function, Node
from tinygrad_edu.notation.simplification import simplified
from tinygrad_edu.notation.terms import (
    CANONICAL,
    Call,
    Ref,
    Term,
    is_algebra,
    length,
    spelled,
    summed,
)
from tinygrad_edu.tracing import Traced, lines

OWN = -1
LONGEST = 9  # calls in a term that somebody would still read


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
