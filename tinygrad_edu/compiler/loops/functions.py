"""What does one function of loops look like? The pieces of memory that it needs, then its steps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tinygrad_edu.compiler.loops.element_text import ElementText, literal
from tinygrad_edu.compiler.loops.lowerings import dtype_of
from tinygrad_edu.compiler.loops.memory import Memory
from tinygrad_edu.compiler.loops.nests import Nest, Product, Single
from tinygrad_edu.compiler.loops.step_text import lines_of
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.tape import Origin
from tinygrad_edu.compiler.text import indented, listed
from tinygrad_edu.tracing import Line


@dataclass(eq=False)
class Function:
    """A function of loops.

    key         equal for functions that do the same with other arrays
    body        its lines
    arguments   the arrays and numbers that it takes
    parameters  their names in the text
    memory      the names of the memory that it takes as well
    numbers     what it returns
    asks        whether it has guards: then it first returns whether all went as recorded
    offsets     numbers in its indices, which it takes as well
    """

    key: Any
    body: list[str]
    arguments: list[Line]
    parameters: list[str]
    memory: list[str]
    numbers: list[Line]
    asks: bool
    name: str = ""
    offsets: list[int] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def named(self, name: str) -> None:
        self.name = name
        head = listed(f"def {name}(", [*self.parameters, *self.memory], "):")
        self.text = [*head, *indented(self.body)]


class Numbered(dict[Line, str]):
    """Names v0, v1, ... in order of first use: equal for two texts that do the same."""

    def __missing__(self, line: Line) -> str:
        self[line] = f"v{len(self)}"
        return self[line]


class FunctionText:
    """Writes functions of a program."""

    def __init__(
        self,
        memory: Memory,
        names: dict[Line, str],
        memory_names: dict[str, str],
        program: Program,
    ) -> None:
        self.memory, self.names, self.memory_names = memory, names, memory_names
        self.plan, self.program = memory.plan, program
        self.readers: dict[Line, list[Any]] = {}
        for steps in self.plan.steps:
            for step in steps:
                for line in self.plan.looked_at(step):
                    self.readers.setdefault(line, []).append(step)

    def key(self, steps: list[Any]) -> Any:
        """A key that is equal for steps that do the same with other arrays."""
        elements = ElementText(self.memory, Numbered(), True)
        text = tuple(line for step in steps for line in lines_of(step, elements))
        results = tuple(elements.names[x] for x in self.numbers(steps))
        kinds = [
            (dtype_of(x), elements.is_array(x) and elements.in_order(x)) for x in elements.names
        ]
        return text, results, tuple(kinds)

    def function(self, steps: list[Any], shared: bool) -> Function:
        """The function of these steps; a shared one takes all its arrays as arguments."""
        elements = ElementText(self.memory, self.names, shared)
        body: list[str] = []
        comments = Comments(self.program)
        for step in steps:
            if isinstance(step, Single) and step.line in self.plan.reshaped:
                continue
            body += comments.before(step)
            body += lines_of(step, elements)
        numbers = self.numbers(steps)
        asks = any(isinstance(x, Single) and x.line not in self.plan.reshaped for x in steps)
        failed = ", ".join(["False", *(literal(0, dtype_of(x)) for x in numbers)])
        body = [line.replace("FAILED", failed) for line in body]
        results = [*["True"] * asks, *(self.names[x] for x in numbers)]
        if results:
            body.append(f"return {', '.join(results)}")
        used = [self.plan.onto.get(x, x) for x in elements.used if x not in elements.defined]
        used = list(dict.fromkeys(used))
        if shared:
            names = [*(self.names[x] for x in used), *elements.offsets.values()]
            found = Function(self.key(steps), body, used, names, [], numbers, asks)
            found.offsets = list(elements.offsets)
            return found
        pieces = Pieces(self, steps, elements)
        for line in used:
            pieces.need(line)
        body = [*pieces.lines(), *body]
        names = [self.names[x] for x in pieces.given]
        return Function(None, body, pieces.given, names, pieces.memory(), numbers, asks)

    def results(self, steps: list[Any]) -> Iterator[str]:
        """What each step computes, in a few words."""
        for step in steps:
            lines = step.where if isinstance(step, Nest) else [step.line]
            names = ", ".join(self.names[self.plan.onto.get(x, x)] for x in lines)
            kind = type(step).__name__.lower()
            yield f"{kind} {names}"

    def numbers(self, steps: list[Any]) -> list[Line]:
        """The numbers that these steps compute and other lines need."""
        inside = set(map(id, steps))
        found = []
        for step in steps:
            for line in step.where if isinstance(step, Nest) else ():
                if line in self.plan.stored or self.plan.orders.get(line, ()):
                    continue
                others = any(id(x) not in inside for x in self.readers.get(line, ()))
                if line in self.plan.needed or others:
                    found.append(line)
        return sorted(found, key=self.plan.number)


class Pieces:
    """The arrays of one function that are pieces of memory.

    arrays  in the order in which they are named
    given   the arrays that the function takes as arguments
    """

    def __init__(self, text: FunctionText, steps: list[Any], elements: ElementText) -> None:
        self.text, self.plan, self.kept = text, text.plan, text.memory
        self.elements = elements
        self.arrays: list[Line] = []
        self.given: list[Line] = []
        self.makers: dict[Line, Any] = {}
        for step in steps:
            for line in step.where if isinstance(step, Nest) else [step.line]:
                self.makers[line] = step

    def need(self, line: Line) -> None:
        if line in self.arrays or line in self.given:
            return
        if line in self.plan.reshaped:
            self.need(self.plan.onto.get(self.plan.reshaped[line], self.plan.reshaped[line]))
            self.arrays.append(line)
        elif line in self.kept.places:
            if line in self.kept.same:
                self.need(self.kept.same[line])
            self.arrays.append(line)
        else:
            self.given.append(line)

    def memory(self) -> list[str]:
        dtypes = {self.kept.places[x][0] for x in self.arrays if x in self.kept.places}
        names = self.text.memory_names.items()
        return [name for dtype, name in names if dtype in dtypes]

    def lines(self) -> Iterator[str]:
        """A line for each array: a piece of memory, or the memory of an array no longer needed."""
        names = self.text.names
        for i, line in enumerate(self.arrays):
            if line in self.plan.reshaped:
                base = self.plan.reshaped[line]
                base = self.plan.onto.get(base, base)
                yield f"{names[line]} = {names[base]}.reshape({self.shape(line, i)})"
            elif line in self.kept.same:
                yield f"{names[line]} = {names[self.kept.same[line]]}"
            else:
                dtype, offset = self.kept.places[line]
                piece = f"{self.text.memory_names[dtype]}[{offset}:{offset + line.data.size}]"
                several = len(self.kept.shape(line)) != 1
                shaped = f".reshape({self.shape(line, i)})" if several else ""
                yield f"{names[line]} = {piece}{shaped}"

    def shape(self, line: Line, count: int) -> str:
        """The shape, read from other arrays: numbers would make the compiler unroll loops."""
        shape = self.kept.shape(line)
        known = {*self.given, *self.arrays[:count]}
        step = self.makers.get(line)
        near = sorted(self.plan.looked_at(step), key=self.plan.number) if step else []
        near = [self.plan.onto.get(x, x) for x in near]
        others = [x for x in [*near, *self.given, *self.arrays[:count]] if x in known]
        others = [x for x in others if self.elements.is_array(x) and x.data.ndim]
        if isinstance(step, Product) and len(near) == 2:
            others.sort(key=lambda x: x is not step.a.base and x is not step.b.base)
        for x in others:
            if len(shape) > 1 and self.stored_shape(x) == shape:
                return f"{self.text.names[x]}.shape"
        return ", ".join(self.length(n, i, others) for i, n in enumerate(shape))

    def length(self, n: int, axis: int, others: list[Line]) -> str:
        places = [(x, i) for x in others for i, m in enumerate(self.stored_shape(x)) if m == n]
        places.sort(key=lambda place: place[1] != axis)
        for x, i in places:
            return f"{self.text.names[x]}.shape[{i}]"
        return str(n)

    def stored_shape(self, line: Line) -> list[int]:
        return self.kept.shape(line) if line in self.plan.stored else list(line.data.shape)


class Comments:
    """Comments that name the sections, modules and rules of lines, each once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.phase: Any = None
        self.module: Any = None
        self.rules: Any = None

    def before(self, step: Any) -> Iterator[str]:
        nodes = list(step.nodes()) if isinstance(step, Nest) else [step]
        origins = [self.program.origins.get(x.line) or Origin() for x in nodes]
        if isinstance(step, Product) and step.onto is not None:
            origins = [Origin("update")]
        phase = origins[0].phase
        if phase != self.phase:
            yield f"# {phase}"
            self.phase, self.module, self.rules = phase, None, None
        for origin in origins:
            if phase == "forward" and origin.module not in (None, self.module):
                self.module = origin.module
                path = self.program.paths.get(id(origin.module), "")
                yield f"# {path or 'model'}: {type(origin.module).__name__} ({origin.where})"
        rules = ", ".join(dict.fromkeys(x.rule for x in origins if x.rule))
        if phase == "backward" and rules and rules != self.rules:
            self.rules = rules
            yield f"# {rules}"
