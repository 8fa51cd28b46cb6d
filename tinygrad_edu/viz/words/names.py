"""What is each node of a graph called in formulas? No two nodes have the same name."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any

from tinygrad_edu.notation.formula import Name, Numeral
from tinygrad_edu.notebook import printable
from tinygrad_edu.viz.graph.data import Graph, GraphNode

LENGTH = 32  # of a name in a formula, at most
LETTERS = {"root": "L", "parameter": "w", "input": "x", "constant": "c"}


def names_of(graph: Graph) -> tuple[Any, ...]:
    """A name for each node, in the order of their ids.

    A node keeps its own name, with its module in front if another node has the same name. A
    constant is its number. Without a name, the result is L, and other nodes get a letter and a
    number: z1, z2, ..., w1 for a parameter, x1 for an input, c1 for a constant array.
    """
    given = [shortened(node.name) for node in graph.nodes]
    shared = {name for name, n in Counter(given).items() if n > 1}
    given = [full(node, name) if name in shared else name for node, name in zip(graph.nodes, given)]
    taken = Counter(given)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(1))

    def free(start: str) -> str:
        """The next of start1, start2, ... that no node has."""
        return next(each for i in numbers[start] if (each := f"{start}{i}") not in taken)

    names: list[Any] = []
    for node, name in zip(graph.nodes, given):
        if node.is_plain_number and not isinstance(node.value, str):
            names.append(Numeral(node.value, is_int="int" in node.dtype))
            continue
        if not name:
            letter = LETTERS.get(node.role, "z")
            name = letter if node.role == "root" and "L" not in taken else free(letter)
        elif taken[name] > 1:
            name = free(f"{name}_")
        taken[name] += 1
        names.append(Name(name))
    return tuple(names)


def full(node: GraphNode, name: str) -> str:
    """The name with its module in front; the name of a folded module is its path already."""
    is_part = name and node.module and node.role != "module"
    return shortened(f"{node.module}.{node.name}") if is_part else name


def shortened(name: str, length: int = LENGTH) -> str:
    """The name in one line of at most `length` characters; unprintable ones are escaped."""
    text = printable(name[: length + 1])
    return text if len(text) <= length else f"{text[: length - 1]}…"
