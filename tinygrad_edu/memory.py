"""Which nodes lie in one memory, and was it changed in place after a graph was made of it?

Nodes and changes draw their numbers from one counter. A graph with a node that is older than a
change of one of its inputs is stale: the rule of that node may need what is no longer there.
"""

import itertools
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_edu.operands import Operand

next_birth = itertools.count().__next__
taking_turns = RLock()


class Memory:
    """Memory in which the data of one or more nodes lies: an array, and the views of it."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        self.changed = -1  # the running number of the last change in place


def memory_of(x: Any) -> Memory:
    """What x and its views have in common. It holds no node: a view keeps no graph alive."""
    if x.memory is None:
        with taking_turns:  # or two threads, each with a view, would each make one
            x.memory = x.memory or Memory()
    return x.memory


def viewed(data: Any, inputs: tuple[Any, ...]) -> Memory | None:
    """The memory of the first of the inputs that `data` is a view of."""
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
