"""What did the call that made a node get? Operands that are nodes of a picture, and options."""

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, cast

from tinygrad_edu.graph import Function, Node
from tinygrad_edu.notation.numbers import written
from tinygrad_edu.notation.terms import Term
from tinygrad_edu.viz.graph.derivations import backward_terms, options_given
from tinygrad_edu.viz.graph.numbers import is_array


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


def operands_of(node: Node, g: Any) -> list[Operand]:
    """The arguments of a node, of which g is the gradient."""
    if node.rule is None:
        return []
    terms = backward_terms(node, g)
    return [
        Operand(x, i, isinstance(x, Node) or is_array(x) or (has_partial and x is not None), term)
        for i, (x, (has_partial, term)) in enumerate(zip(node.inputs, terms, strict=True))
    ]


@cache
def argument_names(rule: Function, n: int) -> tuple[str, ...]:
    """What the rule calls its n inputs: x, y, or inputs[0], inputs[1], ..."""
    names = []
    for name, slot in inspect.signature(rule).bind_partial(*range(n + 2)).arguments.items():
        names += [f"{name}[{i}]" for i in range(len(slot))] if isinstance(slot, tuple) else [name]
    return tuple(names[2:])  # without g and out


def options_text(node: Node, operands: Sequence[Operand]) -> str:
    """What the operation was given besides its operands, except defaults."""
    names = argument_names(cast(Function, node.rule), len(node.inputs))
    pairs = zip(names, operands)
    plain = {name: each.x for name, each in pairs if not each.is_drawn and each.x is not None}
    return ", ".join(f"{name}={written(x)}" for name, x in (plain | options_given(node)).items())


@cache
def source_of(rule: Function) -> str:
    """The rule as its author wrote it; its name, if the source is not there."""
    try:
        return inspect.cleandoc("\n" + inspect.getsource(rule))
    except (OSError, TypeError):
        return rule.__name__
