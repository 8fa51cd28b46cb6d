"""How is a program written as loops? As functions over i and j that numba compiles.

The plan decides which lines share a loop. A line that cannot become a loop stays a line of NumPy,
between the calls of these functions.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from tinygrad_edu.compiler.loops.compilation import compile_functions
from tinygrad_edu.compiler.loops.element_text import LETTERS
from tinygrad_edu.compiler.loops.expansion import expand
from tinygrad_edu.compiler.loops.functions import Function, FunctionText
from tinygrad_edu.compiler.loops.memory import Memory
from tinygrad_edu.compiler.loops.plan import Plan
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.text import (
    CHANGED,
    Writer,
    empty,
    folded,
    indented,
    listed,
    returned,
    what,
)
from tinygrad_edu.tracing import Line

LONGEST = 40
FOLDER = Path(__file__).parent
CACHED = '''
def jit(function):
    """Machine code, which stays on disk beside this file."""
    return njit(cache=True, **OPTIONS)(function)
'''
COMPILED: WeakValueDictionary[Any, Any] = WeakValueDictionary()  # functions of all programs
BLAS, ELEMENTARY = "tinygrad_edu.compiler.loops.blas", "tinygrad_edu.compiler.loops.elementary"
TOOLS = {BLAS: ("add", "gemm"), ELEMENTARY: ("aligned", "exp", "jit", "log", "tanh")}
INSIDE = re.compile(rf".+_([{LETTERS}]+|flat|sum|part|0)|at_\d+")  # the names of numbers in loops


class LoopWriter(Writer):
    """Writes one program as loops.

    functions  the functions of loops, by name
    longest    the most steps that are written as one function. In a longer program each step is a
               function of its own, and steps that do the same with other arrays share one: the time
               to compile a function grows faster than its number of loops
    """

    longest = LONGEST

    def __init__(self, program: Program) -> None:
        super().__init__(expand(program))
        self.program.memory = {}
        self.plan = Plan(self.program)
        self.kept = Memory(self.plan)
        self.taken |= {name for names in TOOLS.values() for name in names}
        self.taken |= {"abs", "memory", "min", "ok", "range", *LETTERS}
        self.functions: dict[str, Function] = {}
        self.prepared: set[Line] = set()
        self.aliases: dict[Line, str] = {}  # second names: a line of NumPy makes the array again
        self.held: list[str] = []

    def fresh(self, wish: str) -> str:
        return super().fresh(f"{wish}_" if INSIDE.fullmatch(wish) else wish)

    # The program

    def text(self) -> str:
        """Imports, memory, the functions, and one function that calls them."""
        self.name_everything()
        body = list(self.body())
        results = [self.names[self.plan.onto.get(x, x)] for x in self.program.returned()]
        step = [
            *listed("def step(", [self.names[line] for line in self.program.inputs], "):"),
            *indented([*body, *returned(results)]),
        ]
        functions = [["@jit", *x.text] for x in dict.fromkeys(self.functions.values())]
        parts = ["\n".join(map(folded, lines)) for lines in [*functions, step]]
        held = [f"# {name}: {what(x)}" for name, x in self.constants.items()]
        memory = [
            f"{name} = aligned({self.kept.totals[dtype]}, np.{dtype})"
            for dtype, name in self.memory_names.items()
        ]
        parts = ["\n".join(x) for x in ([*held, *memory, *self.held],) if x] + parts
        return "\n\n\n".join(["\n".join(self.imports("\n".join(parts))), *parts]) + "\n"

    def imports(self, text: str) -> Iterator[str]:
        if "math." in text:
            yield from ["import math", ""]
        yield from ["import numpy as np", ""]
        for module, names in TOOLS.items():
            used = [name for name in names if re.search(rf"(?<![\w.]){name}\b", text)]
            if used:
                yield f"from {module} import {', '.join(used)}"

    def name_everything(self) -> None:
        self.name_all()
        for copy, x in self.plan.copies.items():
            self.names[copy] = self.fresh(f"{self.names[x]}_copy")
        for line in self.plan.held.values():
            self.names[line] = self.constant(line.data)
        self.theirs = {self.program.owner(line) for line in self.program.results()}
        self.memory_names = {
            dtype: "memory" if i == 0 else self.fresh(f"memory_{dtype}")
            for i, dtype in enumerate(self.kept.totals)
        }

    def body(self) -> Iterator[str]:
        for line in self.program.lines:
            if line in self.plan.scalars:
                yield from self.statements(line)
        writer = FunctionText(self.kept, self.names, self.memory_names, self.program)
        is_long = sum(map(len, self.plan.steps)) > self.longest
        for steps, lines in zip(self.plan.steps, self.plan.python, strict=True):
            for line in lines:
                yield from self.numpy_line(line)
            if is_long:
                for step in steps:
                    yield from self.piece(writer, [step], shared=True)
            elif steps:
                yield from self.piece(writer, steps, shared=False)

    def numpy_line(self, line: Line) -> Iterator[str]:
        """A line that cannot become a loop."""
        yield from self.statements(line)

    # Functions

    def piece(self, writer: FunctionText, steps: list[Any], shared: bool) -> Iterator[str]:
        """The call of a function for these steps; equal steps share a function."""
        function = writer.function(steps, shared)
        if not function.body:
            return
        known = self.same_as.get(function.key) if shared else None
        if known is None:
            name = self.fresh(f"loops_{len(self.functions) + 1}")
            function.named(name)
            self.functions[name] = function
            if shared:
                self.same_as[function.key] = function
        else:
            name = known.name
        for line in function.arguments:
            yield from self.prepare(line)
        arguments = [self.aliases.get(x, self.names[x]) for x in function.arguments]
        arguments += [*map(str, function.offsets), *function.memory]
        results = [*["ok"] * function.asks, *(self.names[x] for x in function.numbers)]
        found = f"{', '.join(results)} = " if results else ""
        yield from listed(f"{found}{name}(", arguments, ")")
        if function.asks:
            yield from ("if not ok:", f"    return {CHANGED}")
        for line in function.numbers:
            yield from self.restored(line)

    def prepare(self, line: Line) -> Iterator[str]:
        """Lines that make an array that a function takes, unless it exists."""
        plan = self.plan
        if line in self.prepared or line not in plan.step_of or line not in plan.stored:
            if line in plan.reshaped and line not in self.prepared:
                yield from self.prepare_reshaped(line)
            return
        self.prepared.add(line)
        if line in plan.needed:
            made = f"{self.names[line]} = {empty(line.data)}"
            if line in self.theirs:
                yield made
            else:
                self.held.append(made)
        elif line in self.kept.places:
            dtype, offset = self.kept.places[line]
            shape = self.kept.shape(line)
            piece = f"{self.memory_names[dtype]}[{offset}:{offset + line.data.size}]"
            text = f"{piece}.reshape({', '.join(map(str, shape))})" if len(shape) > 1 else piece
            self.held.append(f"{self.names[line]} = {text}")

    def prepare_reshaped(self, line: Line) -> Iterator[str]:
        base = self.plan.reshaped[line]
        yield from self.prepare(base)
        self.prepared.add(line)
        shape = ", ".join(map(str, self.kept.shape(line)))
        name = self.names[line]
        if any(line in lines for lines in self.plan.python):
            name = self.aliases[line] = self.fresh(f"{name}_here")
        made = f"{name} = {self.names[self.plan.onto.get(base, base)]}.reshape({shape})"
        if base in self.kept.places:
            self.held.append(made)
        else:
            yield made

    def restored(self, line: Line) -> Iterator[str]:
        """Make a number of a compiled function NumPy's, or an array without axes."""
        name, x = self.names[line], line.data
        if isinstance(x, np.ndarray) and line in self.plan.needed:
            yield f"{name} = np.array({name}, np.{x.dtype.name})"
        elif isinstance(x, np.ndarray | np.generic):
            yield f"{name} = np.{x.dtype.name}({name})"

    def alone(self) -> str:
        """The text, with the source of the tools that it needs in place of their imports."""
        tools = [module for module in TOOLS if f"from {module} import" in self.source]
        text = re.sub(r"^from tinygrad_edu.*\n", "", self.source, flags=re.MULTILINE)
        sources = [Path(FOLDER, f"{module.rpartition('.')[2]}.py").read_text() for module in tools]
        return "\n\n".join([*sources, *[CACHED] * bool(tools), text])

    # Compiled

    def build(self) -> tuple[str, Callable[..., Any]]:
        """The text, and the function that it defines."""
        self.same_as: dict[Any, Function] = {}
        self.source = text = self.text()
        names: dict[str, Any] = {CHANGED: None, **self.constants}
        exec(compile(text, "<program>", "exec"), names)
        self.compile(text, names)
        return text, names["step"]

    def compile(self, text: str, names: dict[str, Any]) -> None:
        """Compile the functions in `names`, except those that another program has compiled."""
        new = {}
        for name, function in self.functions.items():
            if function.key in COMPILED:
                names[name] = COMPILED[function.key]
            else:
                new[name] = self.samples(function, names)
        compile_functions({name: names[name] for name in new}, new, text)
        for name in new:
            if self.functions[name].key is not None:
                COMPILED[self.functions[name].key] = names[name]

    def samples(self, function: Function, names: dict[str, Any]) -> list[Any]:
        """Arguments of the types that the function will be called with."""
        return [
            *(self.sample(line) for line in function.arguments),
            *function.offsets,
            *(names[name] for name in function.memory),
        ]

    def sample(self, line: Line) -> Any:
        x = line.data
        if line in self.plan.step_of and line in self.plan.stored and line not in self.plan.onto:
            if line in self.plan.needed:
                return np.empty_like(x)
            return np.empty(self.kept.shape(line), x.dtype)
        if line in self.plan.step_of and isinstance(x, np.ndarray):
            if line in self.plan.reshaped:
                return np.empty(x.shape, x.dtype)
            return x if line in self.plan.needed else x.flat[0]
        return x
