"""What the call that made a node says, and what its rule says about each operand."""

import ast
import inspect
import textwrap
from functools import cache
from typing import Any, NamedTuple, cast

from tinygrad_edu.graph import Function, Node
from tinygrad_edu.viz.graph.numbers import is_array, written


class Operand(NamedTuple):
    """One argument of the call that made a node."""

    x: Any
    position: int
    argument: str
    formula: str | None

    @property
    def is_drawn(self) -> bool:
        """Not so an index, a shape, a bound that is None: these are options of the operation."""
        is_data = isinstance(self.x, Node) or is_array(self.x)
        return is_data or (self.x is not None and self.formula is not None)


def arguments(node: Node) -> list[Operand]:
    if node.rule is None:
        return []
    n = len(node.inputs)
    names, quotes = argument_names(node.rule, n), formulas(node.rule, n)
    return [Operand(*each) for each in zip(node.inputs, range(n), names, quotes, strict=True)]


@cache
def argument_names(rule: Function, n: int) -> tuple[str, ...]:
    """What the rule calls its n inputs: x, y, or inputs[0], inputs[1], ..."""
    names = []
    for name, slot in inspect.signature(rule).bind_partial(*range(n + 2)).arguments.items():
        names += [f"{name}[{i}]" for i in range(len(slot))] if isinstance(slot, tuple) else [name]
    return tuple(names[2:])  # without g and out


def options_text(node: Node) -> str:
    """What the operation was given besides its operands, except defaults."""
    known = inspect.signature(cast(Function, node.rule)).parameters
    given = {x.argument: x.x for x in arguments(node) if not x.is_drawn} | node.options
    return ", ".join(
        f"{name}={written(x)}"
        for name, x in given.items()
        if name not in known or repr(x) != repr(known[name].default)
    )


@cache
def formulas(rule: Function, n: int) -> tuple[str | None, ...]:
    """What the rule returns for each of its n inputs, quoted from its source.

    The name of the rule instead, if its source is not there or has not exactly one `return`.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(rule)))
    except (OSError, TypeError, SyntaxError):
        return (rule.__name__,) * n
    match [each.value for each in ast.walk(tree) if isinstance(each, ast.Return)]:
        case [ast.expr() as returned]:
            return tuple(map(quoted, partials(returned, n)))
    return (rule.__name__,) * n


def partials(returned: ast.expr, n: int) -> list[ast.expr]:
    """What of a returned expression is for each of n inputs: all of it, unless it is a tuple.

    Starred parts share equally what the others leave, as in a weighted sum; where that does not
    come out even, each input again gets all of it.
    """
    if not isinstance(returned, ast.Tuple):
        return [returned] * n
    parts = returned.elts
    stars = sum(isinstance(part, ast.Starred) for part in parts)
    share, rest = divmod(n - len(parts) + stars, stars or 1)
    if stars and rest:
        return [returned] * n
    spread = [x for x in parts for _ in range(share if isinstance(x, ast.Starred) else 1)]
    return (spread + [ast.Constant(None)] * n)[:n]  # `backward`, too, reads a short tuple so


def quoted(partial: ast.expr) -> str | None:
    """The source of one partial: of a thunk its body, of a starred comprehension its element."""
    match partial:
        case ast.Starred(ast.ListComp(element) | ast.GeneratorExp(element)):
            return quoted(element)
        case ast.Lambda(body=body):
            return quoted(body)
        case ast.Constant(None):
            return None
    return ast.unparse(partial)
