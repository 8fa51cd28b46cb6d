"""Which memory can overlap? Memory whose contents are never needed at the same time."""

from dataclasses import replace

from tinygrad_edu.compiler.lifetimes import kept_bytes, lives_in, memory_bytes
from tinygrad_edu.compiler.program import ALIGNED, Program

WORTH = 2**20  # bytes that one block must save; otherwise the text is clearer without it


def pack_memory(program: Program) -> Program:
    """Put all memory into one block, if that saves a megabyte.

    Gradients can then reuse the memory of forward results that have other shapes. The largest
    memory is placed first, each at the lowest offset that is free whenever it is needed: "greedy by
    size" of Pisarchyk and Lee 2020, "Efficient memory management for deep neural net inference".
    Gaps separate neighbours: NumPy 2.0 treats arrays that touch as overlapping, and then takes
    another path with other last bits.
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
