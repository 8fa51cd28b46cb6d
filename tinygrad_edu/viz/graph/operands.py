"""What did the call that made a node get? Operands that are nodes of a picture, and options."""

import inspect
from functools import cache
from typing import Any, NamedTuple, cast

from tinygrad_edu.graph import Function, Node
from tinygrad_edu.notation.numbers import written
from tinygrad_edu.notation.terms import Term
from tinygrad_edu.viz.graph.derivations import backward_terms, has_partials, options_given
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
    term: Term | None = None


def operands_of(node: Node, g: Any = None) -> list[Operand]:
    """The arguments of a node; with terms, if g is the gradient of the node."""
    if node.rule is None:
        return []
    terms = [None] * len(node.inputs) if g is None else backward_terms(node, g)
    drawn = [is_data(x) for x in node.inputs]
    if any(isinstance(x, int | float) for x in node.inputs):
        drawn = [
            is_drawn or (has_partial and x is not None)
            for x, is_drawn, has_partial in zip(node.inputs, drawn, has_partials(node))
        ]
    return [
        Operand(x, i, is_drawn, term)
        for i, (x, is_drawn, term) in enumerate(zip(node.inputs, drawn, terms, strict=True))
    ]


def is_data(x: Any) -> bool:
    return isinstance(x, Node) or is_array(x)


@cache
def argument_names(rule: Function, n: int) -> tuple[str, ...]:
    """What the rule calls its n inputs: x, y, or inputs[0], inputs[1], ..."""
    names = []
    for name, slot in inspect.signature(rule).bind_partial(*range(n + 2)).arguments.items():
        names += [f"{name}[{i}]" for i in range(len(slot))] if isinstance(slot, tuple) else [name]
    return tuple(names[2:])  # without g and out


def options_text(node: Node) -> str:
    """What the operation was given besides its operands, except defaults."""
    names = argument_names(cast(Function, node.rule), len(node.inputs))
    plain = {name: each.x for name, each in zip(names, operands_of(node)) if not each.is_drawn}
    plain = {name: x for name, x in plain.items() if x is not None}
    return ", ".join(f"{name}={written(x)}" for name, x in (plain | options_given(node)).items())


@cache
def source_of(rule: Function) -> str:
    """The rule as its author wrote it; its name, if the source is not there."""
    try:
        return inspect.cleandoc("\n" + inspect.getsource(rule))
    except (OSError, TypeError):
        return rule.__name__
