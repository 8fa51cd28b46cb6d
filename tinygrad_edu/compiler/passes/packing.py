"""Which memory can lie in the same place? That whose contents are never needed at once."""

from dataclasses import replace

from tinygrad_edu.compiler.lifetimes import kept_bytes, lives_in, memory_bytes
from tinygrad_edu.compiler.program import ALIGNED, Program

WORTH = 2**20  # bytes; for less the text keeps an array for each memory


def pack_memory(program: Program) -> Program:
    """With one block for all memory, if that saves a megabyte.

    What the forward pass has left behind is used again by gradients of other shapes. The largest
    memory is placed first, each at the lowest place that is free whenever it is needed: "greedy by
    size" of Pisarchyk and Lee 2020, "Efficient memory management for deep neural net inference".
    No two touch: NumPy 2.0 takes that for an overlap, and another path with other last bits.
    """
    sizes = memory_bytes(program)
    needed = dict.fromkeys(sizes, 0)  # a bit for each line
    for life in lives_in(program):
        if life.memory is not None:
            needed[life.memory] |= (1 << life.end) - (1 << life.start)
    places: dict[int, int] = {}
    for number in sorted(sizes, key=lambda number: (-sizes[number], number)):
        place = 0
        for other in sorted(places, key=places.__getitem__):
            if needed[other] & needed[number]:
                if place + sizes[number] < places[other]:
                    break
                end = places[other] + sizes[other]
                place = max(place, (end // ALIGNED + 1) * ALIGNED)
        places[number] = place
    packed = replace(program, places=places)
    return packed if kept_bytes(program) - kept_bytes(packed) >= WORTH else program
