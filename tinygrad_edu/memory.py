"""Which nodes share memory, and was it changed in place after a graph used it?

Nodes and changes get their numbers from one counter. A graph is stale if one of its nodes is older
than a change of one of its inputs: the rule of that node may need data that is no longer there.
"""

import itertools
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_edu.operands import Operand

next_birth = itertools.count().__next__
taking_turns = RLock()


class Memory:
    """Memory that holds the data of one or more nodes: an array and its views."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        self.changed = -1  # the running number of the last change in place


def memory_of(x: Any) -> Memory:
    """The Memory that x shares with its views. It refers to no node, so it keeps no graph alive."""
    if x.memory is None:
        with taking_turns:  # otherwise two threads, each with a view, could make two
            x.memory = x.memory or Memory()
    return x.memory


def viewed(data: Any, inputs: tuple[Any, ...]) -> Memory | None:
    """The memory of the first of the inputs that `data` is a view of; None if there is none."""
    base = getattr(data, "base", None)
    for x in inputs:
        if isinstance(x, Operand) and (
            data is x._array  # np.squeeze, where there is nothing to squeeze
            or base is x._array
            or (base is not None and base is getattr(x._array, "base", None))
            or np.may_share_memory(data, x._array)
        ):
            return memory_of(x)
    return None
