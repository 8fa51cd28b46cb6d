"""How is a program written as text? As the lines of NumPy that a person would write."""

import json
import keyword
import math
import operator
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu import value
from tinygrad_edu.compiler.lifetimes import freed_after, kept_bytes
from tinygrad_edu.compiler.program import ALIGNED, Program, is_array
from tinygrad_edu.compiler.tape import Origin, draw, guard
from tinygrad_edu.graph import forward_of
from tinygrad_edu.tracing import Line, astype, item, with_at, with_item, with_some

OPERATORS: dict[Any, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.matmul: "@",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}
BY_OPERATOR: dict[Any, Any] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.matmul: operator.matmul,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
}
BY_UFUNC = {
    **{function: ufunc for ufunc, function in BY_OPERATOR.items()},
    operator.neg: np.negative,
    operator.pos: np.positive,
    operator.abs: np.absolute,
}
SIGNS: dict[Any, str] = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}
# A method of an array is faster than NumPy's function, which first looks for other arrays.
METHODS = {np.reshape: "reshape", np.swapaxes: "swapaxes", np.ravel: "ravel"}
REDUCTIONS = {np.sum: np.add, np.max: np.maximum, np.min: np.minimum, np.prod: np.multiply}
CHANGED = "CHANGED"
BUILTINS = "abs", "bool", "float", "int", "object", "range", "slice", "sum"  # names that lines use
WIDTH = 88  # characters in a line, as formatters choose


def weighted_sum_text(*operands: str) -> str:
    """w1 x1 + ... + wn xn + b, added in the order in which Python's `sum` adds."""
    if sys.version_info >= (3, 12):  # sum() corrects the rounding of each addition
        return f"sum(({', '.join(products(operands))},), {operands[-1]})"
    return plain_sum_text(*operands)


def plain_sum_text(*operands: str) -> str:
    return " + ".join([operands[-1], *products(operands)])


def products(operands: tuple[str, ...]) -> list[str]:
    n = len(operands) // 2
    return [f"{w} * {x}" for w, x in zip(operands[:n], operands[n:-1])]


WEIGHTED_SUM = forward_of(value.weighted_sum)
# How functions of Values are written for floats
SCALARS: dict[Any, Callable[..., str]] = {
    value.relu: lambda x: f"{x} if {x} > 0 else 0.0",
    WEIGHTED_SUM: weighted_sum_text,
}


class Writer:
    """Writes one program.

    gives_up  the statement for a branch that goes another way than in the recording
    """

    gives_up = f"return {CHANGED}"

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names: dict[Line, str] = {}
        self.memory: dict[int, str] = {}
        self.taken = {"np", "math", CHANGED, "step", *BUILTINS}
        self.constants: dict[str, Any] = {}
        self.constant_names: dict[int, str] = {}
        self.scalars = SCALARS
        self.source = ""

    # Names

    def fresh(self, wish: str) -> str:
        wish = re.sub(r"\W", "_", wish).strip("_") or "x"
        wish = f"x_{wish}" if wish[0].isdigit() or keyword.iskeyword(wish) else wish
        name, n = wish, 2
        while name in self.taken:
            name, n = f"{wish}_{n}", n + 1
        self.taken.add(name)
        return name

    def constant(self, x: Any) -> str:
        """The name of a constant: the program holds an array, and the text only names it."""
        if id(x) not in self.constant_names:
            name = self.fresh(getattr(x, "__name__", f"c{len(self.constants) + 1}"))
            self.constant_names[id(x)] = name
            self.constants[name] = x
        return self.constant_names[id(x)]

    # Expressions

    def expression(self, x: Any) -> str:
        """An operand as text: a name, or a literal."""
        match x:
            case Line():
                return self.names[x]
            case tuple():
                inside = ", ".join(map(self.expression, x))
                return f"({inside},)" if len(x) == 1 else f"({inside})"
            case list():
                return f"[{', '.join(map(self.expression, x))}]"
            case dict():
                pairs = (f"{json.dumps(key)}: {self.expression(y)}" for key, y in x.items())
                return f"{{{', '.join(pairs)}}}"
            case slice():
                if any(isinstance(y, np.ndarray) for y in (x.start, x.stop, x.step)):
                    return self.constant(x)
                return f"slice({', '.join(map(self.expression, (x.start, x.stop, x.step)))})"
            case np.dtype():
                return f"np.{x.name}"
            case np.bool():
                return f"np.bool({bool(x)})"
            case np.generic():
                return f"np.{x.dtype.name}({x.item()!r})" if np.isfinite(x) else self.constant(x)
            case float() if not np.isfinite(x):
                return {"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}[repr(x)]
            case str():
                return json.dumps(x)
            case bool() | int() | float() | range() | None:
                return repr(x)
            case _ if x is Ellipsis:
                return "..."
            case type():
                return f"np.{x.__name__}" if issubclass(x, np.generic) else x.__name__
            case np.ufunc():
                return f"np.{x.__name__}"
        return self.constant(x)

    def operand(self, x: Any) -> str:
        """An operand of an operator as text: a negative number gets parentheses."""
        text = self.expression(x)
        return f"({text})" if text.startswith("-") else text

    def index(self, x: Any) -> str:
        """An index as text, to stand between brackets."""
        if isinstance(x, tuple) and x:
            return ", ".join(map(self.index, x)) + ("," if len(x) == 1 else "")
        if isinstance(x, slice) and not any(isinstance(y, Line) for y in (x.start, x.stop, x.step)):
            start, stop, step = (
                "" if y is None else self.expression(y) for y in (x.start, x.stop, x.step)
            )
            return f"{start}:{stop}" + (f":{step}" if step else "")
        return self.expression(x)

    def copy(self, x: Any) -> str:
        """A copy as text. It keeps the order of axes, which may change the last bit of a sum."""
        if isinstance(x, np.generic):  # an array without axes that was folded
            return f"np.array({self.expression(x)})"
        data = x.data if isinstance(x, Line) else x
        return f"{self.operand(x)}.copy({'' if data.flags.c_contiguous else repr('K')})"

    def arguments(self, inputs: Any, options: Any, out: str = "") -> str:
        found = [self.expression(x) for x in inputs]
        found += [f"{name}={self.expression(x)}" for name, x in options.items()]
        return ", ".join([*found, *([f"out={out}"] if out else [])])

    def call(self, line: Line, out: str = "") -> str:
        """The right-hand side of a line; its result goes to `out` if that is given."""
        function, inputs, options = line.function, line.inputs, line.options
        if out:
            function = BY_UFUNC.get(function, function)
        elif any(map(is_of_numpy, inputs)):  # + of two Python floats would give another type
            function = BY_OPERATOR.get(function, function)
        if function in OPERATORS and not out and not options:
            a, b = map(self.operand, inputs)
            if function is operator.pow and "(" not in a + b:
                return f"{a}**{b}"
            return f"{a} {OPERATORS[function]} {b}"
        if function in SIGNS and not out:
            return f"{SIGNS[function]}{self.operand(inputs[0])}"
        if function is operator.abs:
            return f"abs({self.expression(inputs[0])})"
        if function in (item, operator.getitem):
            return f"{self.operand(inputs[0])}[{self.index(inputs[1])}]"
        if function is astype:
            return f"{self.operand(inputs[0])}.astype({self.expression(inputs[1])})"
        if function in self.scalars:
            return self.scalars[function](*map(self.operand, inputs))
        if function is draw:
            rng, name, *rest = inputs
            return f"{self.names[rng]}.{name}({self.arguments(rest, options)})"
        if function is np.transpose and isinstance(inputs[0], Line):
            axes = [*inputs[1:], *options.values()]
            if axes in ([], [None]):
                return f"{self.names[inputs[0]]}.T"
            return f"{self.names[inputs[0]]}.transpose({self.arguments(axes, {})})"
        if function in METHODS and isinstance(inputs[0], Line) and is_array(inputs[0]):
            rest = self.arguments(inputs[1:], options)
            return f"{self.names[inputs[0]]}.{METHODS[function]}({rest})"
        if function in REDUCTIONS and is_array(inputs[0]) and len(inputs) == 1:
            options = {"axis": None, **options}
            reduce = f"np.{REDUCTIONS[function].__name__}.reduce"
            return f"{reduce}({self.arguments(inputs, options, out)})"
        return f"{self.function(function)}({self.arguments(inputs, options, out)})"

    def function(self, function: Callable[..., Any]) -> str:
        """The dotted name of a function of NumPy or `math`; the program holds other functions."""
        owner = getattr(function, "__self__", None)
        if isinstance(owner, np.ufunc):
            return f"np.{owner.__name__}.{function.__name__}"
        name, module = getattr(function, "__name__", ""), getattr(function, "__module__", "") or ""
        for path in (f"math.{name}", f"{module.replace('numpy', 'np', 1)}.{name}", f"np.{name}"):
            if found(path) is function:
                return path
        return self.constant(function)

    # Statements

    def statements(self, line: Line) -> Iterator[str]:
        function, inputs = line.function, line.inputs
        if function is guard:
            question, x, answer = inputs
            text = self.expression(x)
            differs = f"{text}.shape != {answer}" if question is np.shape else other(text, answer)
            yield from (f"if {differs}:", f"    {self.gives_up}")
        elif function is with_item:
            x, index, value = inputs
            yield f"{self.names[line]} = {self.copy(x)}"
            yield f"{self.names[line]}[{self.index(index)}] = {self.expression(value)}"
        elif function is with_at:
            ufunc, x, index, *values = inputs
            rest = ", ".join(map(self.expression, (index, *values)))
            yield f"{self.names[line]} = {self.copy(x)}"
            yield f"np.{ufunc.__name__}.at({self.names[line]}, {rest})"
        elif function is with_some:
            part, x, *operands = inputs
            rest = self.arguments(operands, line.options, self.names[line])
            yield f"{self.names[line]} = {self.copy(x)}"
            yield f"{self.function(part)}({rest})"
        else:
            out = self.memory.get(self.program.memory.get(line, -1), "")
            if line in self.program.targets:
                out = self.names[self.program.targets[line]]
            yield f"{self.names[line]} = {self.call(line, out)}"

    def name_all(self) -> None:
        """Name lines: h1, ... forward; d_h1 for a gradient, g1, ... beside it; u1, ... updates."""
        program = self.program
        for line in program.inputs:
            self.names[line] = self.fresh(program.names[line])
        counts: dict[str, int] = {}
        for line in program.lines:
            origin = program.origins.get(line, Origin())
            whose = program.gradients.get(line)
            if origin.phase == "backward" and whose in self.names:
                wish = f"d_{self.names[whose]}"
            else:
                letter = {"forward": "h", "backward": "g"}.get(origin.phase, "u")
                counts[letter] = counts.get(letter, 0) + 1
                wish = f"{letter}{counts[letter]}"
            self.names[line] = self.fresh(wish)

    def body(self) -> Iterator[str]:
        """The lines, with comments that name their sections, modules and rules."""
        phase = module = rule = None
        freed = freed_after(self.program)
        for line in self.program.lines:
            origin = self.program.origins.get(line, Origin())
            if origin.phase != phase:
                yield from [""] * (phase is not None)
                phase, module, rule = origin.phase, None, ""
                yield f"# {phase}"
            if phase == "forward" and origin.module is not module and origin.module is not None:
                module = origin.module
                path = self.program.paths.get(id(module), "")
                yield f"# {path or 'model'}: {type(module).__name__} ({origin.where})"
            first, *rest = self.statements(line)
            if origin.rule != rule and (rule := origin.rule):
                if len(first) + len(rule) + 8 <= WIDTH:
                    first = f"{first}  # {rule}"
                else:
                    yield f"# {rule}"
            yield from (first, *rest)
            if line in freed:
                yield f"del {', '.join(self.names[x] for x in freed[line])}"

    def text(self) -> str:
        """The whole program: its memory, then one function."""
        self.name_all()
        arrays = {i: line.data for line, i in reversed(self.program.memory.items())}
        self.memory = {i: self.fresh(f"m{i + 1}") for i in sorted(arrays)}
        body = [folded(line) if line else "" for line in indented(self.body())]
        results = [self.expression(line) for line in self.program.returned()]
        arguments = [self.names[line] for line in self.program.inputs]
        block, places = self.fresh("memory"), self.program.places
        memory = [
            f"{block} = np.empty({kept_bytes(self.program) + ALIGNED}, np.uint8)",
            f"{block} = {block}[-{block}.ctypes.data % {ALIGNED} :]",
        ] * bool(places)
        memory += [
            f"{name} = {empty(arrays[i], block, places.get(i))}" for i, name in self.memory.items()
        ]
        held = [f"# {name}: {what(x)}" for name, x in self.constants.items()]
        return "\n".join(
            [
                *held,
                *memory,
                *[""] * 2 * bool(held or memory),
                *listed("def step(", arguments, "):"),
                *body,
                "",
                *indented(returned(results)),
                "",
            ]
        )

    def build(self) -> tuple[str, Callable[..., Any]]:
        """The text, and the function that it defines."""
        self.source = text = self.text()
        names = {"np": np, "math": math, CHANGED: None, **self.constants}
        exec(compile(text, "<program>", "exec"), names)
        return text, names["step"]

    def alone(self) -> str:
        """The text that runs without this package."""
        return self.source


def other(text: str, answer: Any) -> str:
    """The condition that a number differs from this answer."""
    if isinstance(answer, bool):
        return f"not {text}" if answer else text
    return f"{text} != {answer!r}"


def is_of_numpy(x: Any) -> bool:
    return isinstance(x.data if isinstance(x, Line) else x, np.ndarray | np.generic)


def what(x: Any) -> str:
    """A description of a constant, for a comment."""
    if isinstance(x, np.ndarray):
        return f"an array that the program holds, of shape {x.shape}, {x.dtype}"
    return f"a {type(x).__name__} of {getattr(x, '__module__', 'the program')}"


def indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" if line else "" for line in lines)


def listed(before: str, parts: list[str], after: str) -> list[str]:
    """Parts in parentheses: on one line if there is room, else each on its own."""
    whole = f"{before}{', '.join(parts)}{after}"
    if len(whole) <= WIDTH:
        return [whole]
    return [before, *(f"    {part}," for part in parts), after]


def returned(results: list[str]) -> list[str]:
    if len(results) < 2:
        return [f"return ({''.join(f'{x},' for x in results)})"]
    whole = f"return {', '.join(results)}"
    return [whole] if len(whole) + 4 <= WIDTH else listed("return (", results, ")")


def folded(line: str) -> str:
    """A line; if it is too long, the arguments of its call get lines of their own."""
    if len(line) <= WIDTH or line.lstrip().startswith("#"):
        return line
    match = re.fullmatch(r"( *)(\w+ = [\w.]+\()([^()]*)\)", line)
    if match is None:
        return f"{line}  # fmt: skip"
    indent, before, inside = match.groups()
    if len(indent) + 4 + len(inside) <= WIDTH:
        return f"{indent}{before}\n{indent}    {inside}\n{indent})"
    parts = "".join(f"{indent}    {part},\n" for part in inside.split(", "))
    return f"{indent}{before}\n{parts}{indent})"


def empty(array: Any, block: str = "", place: int | None = None) -> str:
    """The text that makes an array of this shape, dtype and order of axes, perhaps in a block."""
    order = sorted(range(array.ndim), key=lambda i: -abs(array.strides[i]))
    shape = tuple(array.shape[i] for i in order)
    text = f"np.empty({shape}, np.{array.dtype.name})"
    if place is not None:
        text = f"np.ndarray({shape}, np.{array.dtype.name}, {block}, {place})"
    back = tuple(int(i) for i in np.argsort(order))
    return text if back == tuple(range(array.ndim)) else f"{text}.transpose{back}"


def found(path: str) -> Any:
    """The function of NumPy at a dotted path; None if there is none."""
    x: Any = {"np": np, "math": math}.get(path.partition(".")[0])
    for part in path.split(".")[1:]:
        x = getattr(x, part, None)
    return x
