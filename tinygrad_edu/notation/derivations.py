"""What did an operation get and do, and what does its rule say? Both run again, on traced operands.

In these terms Ref(i) is operand i, and Ref(OWN) the node itself.
"""

import inspect
import math
from collections.abc import Sequence
from functools import cache
from types import CodeType
from typing import Any, NamedTuple, cast

import numpy as np

from tinygrad_edu.graph import Function, Node
from tinygrad_edu.messages import operation, rule_name
from tinygrad_edu.notation.forms import FORMS
from tinygrad_edu.notation.numbers import is_array, written
from tinygrad_edu.notation.simplification import simplified, stands_for
from tinygrad_edu.notation.terms import (
    CANONICAL,
    Call,
    Ref,
    Term,
    is_algebra,
    is_short,
    length,
    spelled,
    summed,
)
from tinygrad_edu.tracing import Traced, lines, untraced

OWN = -1
LONGEST = 9  # calls in a term that somebody would still read


class Written(Traced):
    """A traced array that keeps a function of the package whole: sigmoid(x), not its formula.

    What nobody knows by its name is written as a user would.
    """

    __slots__ = ()

    def __primitive__(self, function: Function, inputs: Any, options: Any) -> Any:
        form = FORMS.get(function)
        return form(*inputs, **options) if form else self.call(function, inputs, options)


class Opened(Traced):
    """A traced array that makes no choices: what it writes down holds for all numbers."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("this function chooses by its numbers")


def operand_refs(node: Node) -> list[Ref | None]:
    """A reference to each operand that is data; an index or a shape is none."""
    return [
        Ref(i, number=cast(float, x))
        if isinstance(x, bool | int | float | np.number)
        else Ref(i)
        if isinstance(x, Node | np.ndarray | np.generic)
        else None
        for i, x in enumerate(node.inputs)
    ]


def traced(node: Node, kind: type) -> list[Any]:
    """What the call of a node saw, each operand that is data traced."""
    pairs = zip(node.seen[1:], operand_refs(node))
    return [x if ref is None else kind(x, ref) for x, ref in pairs]


def backward_terms(node: Node, g: Any, flows: Sequence[Any]) -> list[tuple[bool, Term | None]]:
    """For each operand, whether the rule of a node returns anything for it, and what that says.

    g      the gradient of the node
    flows  what flowed to each operand in the backward pass
    There is no term for an operand that gets no gradient, for what is too long to read, for what a
    rule computes with more than arrays that can be traced, and for what comes to other numbers when
    the rule runs again. A rule that runs a program of its own, as `checkpoint` does, is left alone.
    """
    unknown: list[tuple[bool, Term | None]] = [(True, None)] * len(node.inputs)
    if hasattr(node.function, "rule"):
        return unknown
    rule = cast(Function, node.rule)
    gradient, out = Written(g, Ref(OWN, is_gradient=True)), Written(node.seen[0], Ref(OWN))
    with np.errstate(all="ignore"):
        try:
            partials = rule(gradient, out, *traced(node, Written), **node.options)
        except Exception:  # a rule of somebody's own may do anything
            return unknown
        partials = partials if isinstance(partials, tuple) else (partials,)
        missing = [None] * (len(node.inputs) - len(partials))
        return [
            (partial is not None, None if flow is None else readable(partial, x, node, flow))
            for partial, x, flow in zip([*partials, *missing], node.inputs, flows)
        ]


def broadcast_undone(partial: Any, shape: tuple[int, ...]) -> Any:
    """The sum over a partial that is larger than its operand."""
    if np.broadcast_shapes(np.shape(partial), shape) == shape:
        return partial
    if np.size(partial) == math.prod(shape):
        return np.reshape(partial, shape)
    return partial.call(summed, (partial,), {})


def readable(partial: Any, x: Node, node: Node, flow: Any) -> Term | None:
    """The simplified term of the partial of an operand that gets a gradient."""
    try:
        partial = partial() if callable(partial) else partial
        if not isinstance(partial, Traced | float | int):  # it computed with other arrays
            return None
        if not stands_for(x.fit(untraced(partial), node), flow):  # it drew random numbers
            return None
        line = lines(broadcast_undone(partial, np.shape(x.data)))
        if not is_short(line):
            return None
        term, _ = simplified(line)
    except Exception:  # as above
        return None
    return term if length(term) <= LONGEST else None


KNOWN = {"numpy", "operator", "_operator", "math", "tinygrad_edu"}  # to do nothing but compute


def forward_term(node: Node) -> Term:
    """The operation of a node: in operators, x W + b for `linear`, or as a user writes it.

    A function of somebody's own is not run again: it may draw random numbers, or count its calls.
    """
    module = getattr(node.function, "__module__", None) or "numpy"
    is_known = module.partition(".")[0] in KNOWN and not hasattr(node.function, "rule")
    out = None
    with np.errstate(all="ignore"):
        try:
            if is_known:
                out = cast(Function, node.function)(*traced(node, Opened), **node.options)
            is_same = np.array_equal(untraced(out), node.seen[0], equal_nan=True)
        except Exception:  # it chooses by its numbers, or asks more of an array
            is_same = False
    if is_same and is_short(line := lines(out)) and is_algebra(term := spelled(line)):
        return cast(Term, term)
    if (term := form_of(node)) is not None:
        return term
    operands = [x if ref is None else ref for x, ref in zip(node.inputs, operand_refs(node))]
    function = CANONICAL.get(node.function, node.function)
    return Call(function, tuple(operands), tuple(options_given(node).items()))


def form_of(node: Node) -> Term | None:
    """The operation of a node in the form that a user knows, if there is one that one can read."""
    form = FORMS.get(node.function)
    if form is None:
        return None
    with np.errstate(all="ignore"):
        try:
            out = form(*traced(node, Written), **options_given(node))
            is_same = stands_for(untraced(out), node.seen[0])
        except Exception:  # an array of another kind may lack what it asks for
            return None
    term = spelled(lines(out))
    return term if is_same and length(term) <= LONGEST else None


def operation_of(node: Node) -> str:
    """What made a node, by the name that its author used: one rule serves degrees and rad2deg."""
    function = CANONICAL.get(node.function, node.function)
    return function.__name__ if isinstance(function, np.ufunc) else operation(node.rule)


def options_given(node: Node) -> dict[str, Any]:
    """The options of a call, except defaults."""
    if not node.options:
        return {}
    known = inspect.signature(cast(Function, node.rule)).parameters
    return {
        name: x
        for name, x in node.options.items()
        if name not in known or repr(x) != repr(known[name].default)
    }


class Operand(NamedTuple):
    """One argument of the call that made a node.

    is_drawn  whether it is a node of the picture; an index, a shape, a bound that is None is an
              option of the operation
    term      what the rule says about it, by the positions of the operands; None if it says nothing
              that can be written
    """

    x: Any
    position: int
    is_drawn: bool
    term: Term | None


def operands_of(node: Node, g: Any, flows: Sequence[Any], is_folded: bool) -> list[Operand]:
    """The arguments of a node, of which g is the gradient; `flows` is what flowed to each.

    Inside of a fold nobody reads terms, and numbers are not drawn.
    """
    if node.rule is None:
        return []
    nothing: list[tuple[bool, Term | None]] = [(False, None)] * len(node.inputs)
    terms = nothing if is_folded else backward_terms(node, g, flows)
    return [
        Operand(x, i, isinstance(x, Node) or is_array(x) or (has_partial and x is not None), term)
        for i, (x, (has_partial, term)) in enumerate(zip(node.inputs, terms, strict=True))
    ]


def names_in_rule(rule: Function, n: int) -> tuple[str, ...]:
    """What the rule calls its n inputs: x, y, or inputs[0], inputs[1], ..."""
    names = []
    for name, slot in inspect.signature(rule).bind_partial(*range(n + 2)).arguments.items():
        names += [f"{name}[{i}]" for i in range(len(slot))] if isinstance(slot, tuple) else [name]
    return tuple(names[2:])  # without g and out


def options_text(node: Node, operands: Sequence[Operand]) -> str:
    """What the operation was given besides its operands, except defaults."""
    plain = {}
    left = [each for each in operands if not each.is_drawn and each.x is not None]
    if left:
        names = names_in_rule(cast(Function, node.rule), len(node.inputs))
        plain = {names[each.position]: each.x for each in left}
    return ", ".join(f"{name}={written(x)}" for name, x in (plain | options_given(node)).items())


def source_of(rule: Function) -> str:
    """The rule as its author wrote it; its name, if the source is not there."""
    code = getattr(rule, "__code__", None)
    return (code and source_in(code)) or rule_name(rule)


@cache  # by the code: a rule may hold arrays, as that of `checkpoint` does
def source_in(code: CodeType) -> str | None:
    try:
        return inspect.cleandoc("\n" + inspect.getsource(code))
    except OSError:
        return None
