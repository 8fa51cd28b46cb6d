"""Passes: each takes a program and returns one that does the same with less work or memory."""

from tinygrad_edu.compiler.passes.buffers import assign_buffers
from tinygrad_edu.compiler.passes.common import share_common
from tinygrad_edu.compiler.passes.constants import fold_constants
from tinygrad_edu.compiler.passes.dead import remove_dead
from tinygrad_edu.compiler.passes.guards import ask_first
from tinygrad_edu.compiler.passes.identities import drop_identities
from tinygrad_edu.compiler.passes.packing import pack_memory
from tinygrad_edu.compiler.passes.powers import use_square
from tinygrad_edu.compiler.passes.products import use_dot
from tinygrad_edu.compiler.passes.updates import update_in_place
from tinygrad_edu.compiler.passes.zeros import use_zeros

ALL = (
    fold_constants,
    share_common,
    drop_identities,
    remove_dead,
    use_dot,
    use_square,
    use_zeros,
    ask_first,
    update_in_place,
    assign_buffers,
    pack_memory,
)

__all__ = [
    "ALL",
    "ask_first",
    "assign_buffers",
    "drop_identities",
    "fold_constants",
    "pack_memory",
    "remove_dead",
    "share_common",
    "update_in_place",
    "use_dot",
    "use_square",
    "use_zeros",
]
