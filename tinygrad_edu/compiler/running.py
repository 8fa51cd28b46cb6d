"""How does a program run? It reads and changes what the function itself would read and change."""

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.compiler.calling import Inputs, Outputs, caller, is_written
from tinygrad_edu.compiler.calls import Call
from tinygrad_edu.compiler.program import Program, lines_in
from tinygrad_edu.compiler.recording import Argument, Gradient, Recording, is_data, is_generator
from tinygrad_edu.compiler.saving import write
from tinygrad_edu.compiler.tape import draw
from tinygrad_edu.compiler.text import Writer
from tinygrad_edu.compiler.timelines import Timeline, timeline_of
from tinygrad_edu.graph import Node


class Runner:
    """One program, with the places that it reads from and stores its results in."""

    def __init__(
        self, call: Call, recording: Recording, program: Program, writer: type[Writer]
    ) -> None:
        used = {*lines_in([[line.inputs, line.options] for line in program.lines])}
        used |= {*program.results(), *program.targets.values()}
        sources = recording.sources
        program.inputs = [line for line in program.inputs if line in used]
        program.inputs.sort(key=lambda line: not isinstance(sources[line], Argument))
        self.program, self.holdings = program, recording.holdings
        self.recorded, self.eager = len(recording.program.lines), recording.eager
        self.inputs = Inputs(call, recording, program.inputs, set(program.targets.values()))
        self.outputs = Outputs(recording, program)
        draws = any(line.function is draw for line in program.lines)
        inputs = enumerate(program.inputs)
        self.generators = [i for i, x in inputs if draws and is_generator(x.data)]
        self.writer = writer(program)
        self.source, self.function = self.writer.build()
        self.read, self.leave = self.inputs.read, self.outputs.leave
        step = self.drawn if self.generators else self.function
        self.run = caller(self.inputs, self.outputs, step)
        self.quick = caller(self.inputs, self.outputs, step, call)
        for line in [*program.lines, *program.inputs]:
            line.data = shadow(line.data)

    def drawn(self, *values: Any) -> Any:
        """Run the program; if it returns None, restore the generators that it has drawn from."""
        generators = [values[i] for i in self.generators]
        states = [rng.bit_generator.state for rng in generators]
        results = self.function(*values)
        if results is None:
            for rng, state in zip(generators, states, strict=True):
                rng.bit_generator.state = state
        return results

    def timeline(self) -> Timeline:
        """When each array is needed, line by line."""
        pairs = zip(self.program.inputs, self.inputs.sources, strict=True)
        kinds = {line: input_kind(source) for line, source in pairs}
        writer = Writer(self.program)
        writer.text()  # gives every line its name
        return timeline_of(self.program, writer.names, writer.memory, kinds, self.eager)

    def save(self, path: Path) -> None:
        """Write the program to a file, with what it reads besides its arguments."""
        names = [self.writer.names[line] for line in self.program.inputs]
        kinds = self.inputs.kinds
        values = self.inputs.now()
        held = {name: values[i] for i, name in enumerate(names) if kinds[i] is not None}
        write(
            path,
            self.writer.alone(),
            self.writer.constants,
            held,
            [name for i, name in enumerate(names) if kinds[i] is None],
            self.returned_names(),
        )

    def returned_names(self) -> list[str]:
        """A description of each result that the program returns."""
        names, program = self.writer.names, self.writer.program  # in the lines that were written
        found = [f"{names[line]}, of the result" for line in lines_in(program.outputs)]
        owners = {place.owner: place.name for place in self.holdings.places if is_data(place)}
        for effect in program.effects:
            target = effect.target
            if isinstance(target, Gradient):
                what = f"the gradient of {owners.get(target.node, 'an argument')}"
            else:
                what = f"the new {target.name}"
            if not is_written(effect, program):
                found += [f"{names[x]}, {what}" for x in lines_in(effect.value)]
        return found


def input_kind(source: Any) -> str:
    """What an input is, in a word."""
    if isinstance(source, Argument):
        return "argument"
    return "parameter" if isinstance(source.place.owner, Node) else "other"


def shadow(x: Any) -> Any:
    """An array of the same shape, dtype and strides that takes no memory for its numbers."""
    if isinstance(x, list | tuple):
        return tuple(map(shadow, x))
    if not isinstance(x, np.ndarray):
        return x
    one = np.empty((1,) * x.ndim, x.dtype)
    return np.lib.stride_tricks.as_strided(one, x.shape, x.strides, writeable=False)
