"""What did an operation compute, and what does its rule? Both run again, on traced operands.

In the resulting terms, Ref(i) is operand i, and Ref(OWN) is the node itself.
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
LONGEST = 9  # calls in a term; a longer term is hard to read and is not shown


class Written(Traced):
    """A traced array that keeps a function of the package whole: sigmoid(x), not its formula.

    A function whose name users do not know is replaced by its form in FORMS.
    """

    __slots__ = ()

    def __primitive__(self, function: Function, inputs: Any, options: Any) -> Any:
        form = FORMS.get(function)
        return form(*inputs, **options) if form else self.call(function, inputs, options)


class Opened(Traced):
    """A traced array that cannot be a condition, so that its trace holds for all numbers."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("this function chooses by its numbers")


def operand_refs(node: Node) -> list[Ref | None]:
    """A reference to each operand that is data; None for an index or a shape."""
    return [
        Ref(i, number=cast(float, x))
        if isinstance(x, bool | int | float | np.number)
        else Ref(i)
        if isinstance(x, Node | np.ndarray | np.generic)
        else None
        for i, x in enumerate(node.inputs)
    ]


def traced(node: Node, kind: type) -> list[Any]:
    """The operands of a node at its call, with those that are data traced."""
    pairs = zip(node.seen[1:], operand_refs(node))
    return [x if ref is None else kind(x, ref) for x, ref in pairs]


def backward_terms(node: Node, g: Any, flows: Sequence[Any]) -> list[tuple[bool, Term | None]]:
    """For each operand: whether the rule of a node returns a partial, and the term of this partial.

    g      the gradient of the node
    flows  the gradient that flowed to each operand in the backward pass

    The term is None for an operand that gets no gradient. It is also None if the term is too long
    to read, if the rule uses arrays that cannot be traced, and if the rule gives other numbers when
    it runs again. A rule that runs a program of its own, such as `checkpoint`, does not run again.
    """
    unknown: list[tuple[bool, Term | None]] = [(True, None)] * len(node.inputs)
    if hasattr(node.function, "rule"):
        return unknown
    rule = cast(Function, node.rule)
    gradient, out = Written(g, Ref(OWN, is_gradient=True)), Written(node.seen[0], Ref(OWN))
    with np.errstate(all="ignore"):
        try:
            partials = rule(gradient, out, *traced(node, Written), **node.options)
        except Exception:  # a user's own rule may raise anything
            return unknown
        partials = partials if isinstance(partials, tuple) else (partials,)
        missing = [None] * (len(node.inputs) - len(partials))
        return [
            (partial is not None, None if flow is None else readable(partial, x, node, flow))
            for partial, x, flow in zip([*partials, *missing], node.inputs, flows)
        ]


def broadcast_undone(partial: Any, shape: tuple[int, ...]) -> Any:
    """A partial that is larger than its operand, summed to the operand's shape."""
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


# The functions of these modules only compute: running them again changes nothing.
KNOWN = {"numpy", "operator", "_operator", "math", "tinygrad_edu"}


def forward_term(node: Node) -> Term:
    """The operation of a node: in operators, such as x W + b for `linear`, or as a user writes it.

    A user's own function does not run again: it may draw random numbers, or count its calls.
    """
    module = getattr(node.function, "__module__", None) or "numpy"
    is_known = module.partition(".")[0] in KNOWN and not hasattr(node.function, "rule")
    out = None
    with np.errstate(all="ignore"):
        try:
            if is_known:
                out = cast(Function, node.function)(*traced(node, Opened), **node.options)
            is_same = np.array_equal(untraced(out), node.seen[0], equal_nan=True)
        except Exception:  # it has a condition on numbers, or needs more than a traced array can
            is_same = False
    if is_same and is_short(line := lines(out)) and is_algebra(term := spelled(line)):
        return cast(Term, term)
    if (term := form_of(node)) is not None:
        return term
    operands = [x if ref is None else ref for x, ref in zip(node.inputs, operand_refs(node))]
    function = CANONICAL.get(node.function, node.function)
    return Call(function, tuple(operands), tuple(options_given(node).items()))


def form_of(node: Node) -> Term | None:
    """The operation of a node in the form that users know; None if there is no readable form."""
    form = FORMS.get(node.function)
    if form is None:
        return None
    with np.errstate(all="ignore"):
        try:
            out = form(*traced(node, Written), **options_given(node))
            is_same = stands_for(untraced(out), node.seen[0])
        except Exception:  # an array of another library may lack a method
            return None
    term = spelled(lines(out))
    return term if is_same and length(term) <= LONGEST else None


def operation_of(node: Node) -> str:
    """The name of the operation that the user called: one rule serves degrees and rad2deg."""
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

    is_drawn  whether it is a node of the picture; an index, a shape or a bound that is None is
              shown as an option of the operation
    term      the partial that the rule returns for it; None if there is none, or no readable one
    """

    x: Any
    position: int
    is_drawn: bool
    term: Term | None


def operands_of(node: Node, g: Any, flows: Sequence[Any], is_folded: bool) -> list[Operand]:
    """The arguments of a node with gradient g; `flows` are the gradients that flowed to them.

    Inside a folded node, terms are not shown and numbers are not drawn.
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
    """The names of the n inputs in the rule: x, y, or inputs[0], inputs[1], ..."""
    names = []
    for name, slot in inspect.signature(rule).bind_partial(*range(n + 2)).arguments.items():
        names += [f"{name}[{i}]" for i in range(len(slot))] if isinstance(slot, tuple) else [name]
    return tuple(names[2:])  # without g and out


def options_text(node: Node, operands: Sequence[Operand]) -> str:
    """The arguments of the operation that are not operands, except defaults."""
    plain = {}
    left = [each for each in operands if not each.is_drawn and each.x is not None]
    if left:
        names = names_in_rule(cast(Function, node.rule), len(node.inputs))
        plain = {names[each.position]: each.x for each in left}
    return ", ".join(f"{name}={written(x)}" for name, x in (plain | options_given(node)).items())


def source_of(rule: Function) -> str:
    """The source of a rule; its name, if the source cannot be read."""
    code = getattr(rule, "__code__", None)
    return (code and source_in(code)) or rule_name(rule)


@cache  # by the code: a rule itself may hold arrays, such as the rule of `checkpoint`
def source_in(code: CodeType) -> str | None:
    try:
        return inspect.cleandoc("\n" + inspect.getsource(code))
    except OSError:
        return None
