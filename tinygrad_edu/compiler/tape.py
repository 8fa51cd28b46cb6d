"""What does a step do? Its arrays record each call, in order, with the line of code it came from.

A `Recorded` array is a `Traced` array on a tape. What the tape cannot record correctly raises an
error that names the user's line. A branch on a number becomes a guard.
"""

import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.graph import Node, apply
from tinygrad_edu.messages import user_frame, user_line
from tinygrad_edu.nn import Module
from tinygrad_edu.operands import Operand
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.tracing import Line, Traced, astype, check_cast, item, lines, untraced

# Their results do not depend on the numbers, so they need no line.
STATIC = {np.shape, np.ndim, np.size, np.result_type, np.may_share_memory, np.iscomplexobj}
NUMBERS = np.ndarray | np.generic | float | int
# The shape of their results depends on the numbers of an operand, ...
BY_NUMBERS = {np.nonzero, np.flatnonzero, np.argwhere, np.compress, np.extract, np.delete}
BY_NUMBERS |= {np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values}
BY_NUMBERS |= {np.intersect1d, np.setdiff1d, np.setxor1d, np.union1d, np.trim_zeros, np.bincount}
BY_NUMBERS |= {np.histogram, np.histogram_bin_edges, np.insert}
# ... or on those of an operand after the first.
BY_SECOND = {np.repeat, np.reshape, np.broadcast_to, np.tile, np.resize, np.pad, np.linspace}
BY_SECOND |= {np.split, np.array_split}
CHANGES = {np.copyto, np.put, np.putmask, np.place, np.fill_diagonal, np.put_along_axis}
ENGINE = "tinygrad_edu.graph", "tinygrad_edu.rules"


class CompileError(RuntimeError):
    """A function cannot be recorded as a program, or its program gives wrong numbers."""


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a call came from.

    phase   "forward", "backward" or "update"
    where   the user's line, file:number
    module  the innermost module whose `__call__` made it
    rule    the name of the rule that made it
    """

    phase: str = "forward"
    where: str = ""
    module: Any = None
    rule: str = ""


class Tape:
    """The lines of a recording in order, and what else is known about them.

    origins    origins[line]: where it came from
    gradients  gradients[line]: the node whose gradient it is
    ends       ends[line]: how many lines there were when Python freed its result
    changed    changed[line]: for a change in place, the line whose array was changed
    replaced   changes in place: (line, number of lines before the change, user's line)
    refusals   the errors that were raised, because the function may have caught them
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.origins: dict[Line, Origin] = {}
        self.gradients: dict[Line, Node] = {}
        self.ends: dict[Line, int] = {}
        self.changed: dict[Line, Line] = {}
        self.replaced: list[tuple[Line, int, str]] = []
        self.refusals: list[CompileError] = []

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.origins[line] = self.origin()

    def refused(self, why: str) -> CompileError:
        """An error, with the user's line, for what the tape cannot record correctly."""
        self.refusals.append(CompileError(f"{user_line()}: {why}"))
        return self.refusals[-1]

    def origin(self) -> Origin:
        """Where this call came from, read from Python's frames: the engine need not report it."""
        phase, module, rule = "forward", None, ""
        frame: Any = sys._getframe(1)
        inner = frame
        while frame is not None and frame.f_code is not self.recorder:
            code, own = frame.f_code, frame.f_locals.get("self")
            if code is Node.backward.__code__:
                if phase == "forward":
                    phase, called = "backward", inner.f_code.co_qualname.partition(".")[0]
                    rule = called if called.endswith("_backward") else ""
                self.note_gradients(frame.f_locals)
            elif code.co_name == "step" and isinstance(own, Optimizer):
                phase = "update"
            elif code.co_name == "__call__" and isinstance(own, Module) and module is None:
                module = own
            inner, frame = frame, frame.f_back
        user = user_frame()
        where = f"{Path(user.f_code.co_filename).name}:{user.f_lineno}"
        return Origin(phase, where, module, rule)

    recorder: ClassVar[Any] = None  # the code of `record`: no frame outside it counts

    def note_gradients(self, inside: dict[str, Any]) -> None:
        """Note which node the gradient `g`, a local variable of `backward`, belongs to."""
        g = inside.get("g")
        if isinstance(g, Node):
            g = g.data
        if isinstance(g, Traced) and isinstance(inside.get("node"), Node):
            self.gradients.setdefault(g.line, inside["node"])


class Recorded(Traced):
    """An array or a number on a tape."""

    __slots__ = ("tape",)

    def __init__(self, data: Any, tape: Tape) -> None:
        super().__init__(data)
        self.tape = tape

    def __del__(self) -> None:
        self.tape.ends[self.line] = len(self.tape.lines)

    def made(self, line: Line) -> Any:
        data = line.data
        if line.function in STATIC:
            return data
        self.tape.add(line)
        if isinstance(data, NUMBERS):
            if isinstance(data, np.ndarray) and depends_on_numbers(line):
                self.tape.add(Line(data.shape, guard, (np.shape, line, data.shape)))
            return on_tape(line, self.tape)
        if isinstance(data, tuple | list):
            items = [self.made(Line(x, item, (line, i))) for i, x in enumerate(data)]
            return type(data)(*items) if hasattr(data, "_fields") else type(data)(items)
        raise self.refused(f"{getattr(line.function, '__name__', line.function)}()")

    def become(self, other: Any) -> None:
        self.tape.replaced.append((self.line, len(self.tape.lines), user_line()))
        super().become(other)

    # With a Tensor among the operands, Tensor's own method computes, and finds this array as data.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(x, Operand) for x in inputs):
            return NotImplemented
        return super().__array_ufunc__(ufunc, method, *inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(kind, Operand) for kind in types):
            return NotImplemented
        if function in CHANGES or (function is np.nan_to_num and kwargs.get("copy") is False):
            raise self.tape.refused(
                f"np.{function.__name__} changes an array in place, which a program cannot record: "
                "write x[index] = value or x += y instead"
            )
        return super().__array_function__(function, types, args, kwargs)

    # A branch on a number becomes a guard: each run asks again, and stops if the answer differs.

    def __bool__(self) -> bool:
        if in_value():  # inside a function of Values, such as relu: the whole call is one line
            return bool(self.data)
        return self.decided(operator.truth)

    def __index__(self) -> int:
        return self.decided(operator.index)

    def decided(self, question: Callable[[Any], Any]) -> Any:
        answer = question(self.data)
        self.tape.add(Line(answer, guard, (question, self.line, answer)))
        return answer

    # Conversions that would leave the tape

    def refused(self, what: str) -> CompileError:
        kind = f"array of shape {self.shape}" if self.ndim else "number"
        return self.tape.refused(
            f"{what} asks for the value of a computed {kind} while the function is recorded, and "
            "every run of the program would use that same value. Return it from the function "
            "instead, or compute with Tensors and NumPy's functions"
        )

    def __hash__(self) -> int:  # for x in {1.0, 2.0}, {1.0: ...}.get(x)
        raise self.refused("a look-up in a dict or a set")

    def __round__(self, digits: Any = None) -> Any:
        raise self.refused("round()")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{user_line()}: .{name} of an array or a number cannot be recorded: use a NumPy "
            "function that returns its result, such as np.sort(x) instead of x.sort()"
        )

    def __copy__(self) -> Any:
        return self.copy("K")

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy("K")

    def __float__(self) -> float:
        raise self.refused("float()")

    def __int__(self) -> int:
        if np.result_type(self.data).kind in "iub":
            return self.decided(operator.index)
        raise self.refused("int()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise self.refused("np.asarray()")

    def item(self, *index: Any) -> Any:
        raise self.refused(".item()")

    def tolist(self) -> Any:
        raise self.refused(".tolist()")

    def __repr__(self) -> str:
        raise self.refused("a conversion to text")

    def __format__(self, spec: str) -> str:
        raise self.refused("a conversion to text")


def binary(function: Callable[..., Any], reflected: bool = False) -> Callable[..., Any]:
    """A Python operator. It gives a float for two floats, where NumPy's function would not."""

    def method(self: Recorded, other: Any) -> Any:
        if isinstance(other, Operand):
            return NotImplemented
        pair = (other, self) if reflected else (self, other)
        if function is operator.pow and sys._getframe(1).f_globals["__name__"] in ENGINE:
            # For single numbers, Python's power and NumPy's may differ in the last bit.
            pair = as_of_tensors(pair)
        return self.call(function, pair, {})

    return method


def in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator such as +=: an array keeps its memory and its dtype; a number is replaced."""

    def method(self: Recorded, other: Any) -> Any:
        out = self.call(function, (self, other), {})
        if not isinstance(self.data, np.ndarray):
            return out
        if out.shape != self.shape:
            raise ValueError(
                f"an array of shape {self.shape} cannot be changed in place to shape {out.shape}: "
                "write x = x + y instead of x += y"
            )
        check_cast(out, self)
        if out.dtype != self.dtype:
            out = self.call(astype, (out, self.dtype), {})
        self.tape.changed[out.line] = self.line
        self.become(out)
        return self

    return method


def as_of_tensors(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands, with each NumPy number as an array without axes, as Tensors keep it."""
    return tuple(
        x.call(np.asarray, (x,), {})
        if isinstance(x, Recorded) and isinstance(x.data, np.generic)
        else x
        for x in operands
    )


NAMES = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"]
NAMES += ["and_", "or_", "xor", "lshift", "rshift"]
for _name in NAMES:
    _function, _name = getattr(operator, _name), _name.strip("_")
    setattr(Recorded, f"__{_name}__", binary(_function))
    setattr(Recorded, f"__r{_name}__", binary(_function, reflected=True))
    setattr(Recorded, f"__i{_name}__", in_place(_function))
for _name in ["eq", "ne", "lt", "le", "gt", "ge"]:
    setattr(Recorded, f"__{_name}__", binary(getattr(operator, _name)))


def unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self: self.call(function, (self,), {})


for _name in ["neg", "pos", "abs", "invert"]:
    setattr(Recorded, f"__{_name}__", unary(getattr(operator, _name)))


class RecordedFloat(Recorded):
    """A float on a tape. Its __class__ is float, so that a Value accepts it as data."""

    __slots__ = ()
    __class__ = property(lambda self: float)

    def __float__(self) -> float:
        if in_value():  # math.exp and the like: `note_value` records the whole call
            return float(self.data)
        raise self.refused("float()")


def on_tape(line: Line, tape: Tape) -> Any:
    """The recorded array or float that stands for the result of a line."""
    out: Any = object.__new__(RecordedFloat if type(line.data) is float else Recorded)
    out.line, out.tape = line, tape
    return out


def in_value() -> bool:
    """Whether `apply`, or a function that it calls for a tracked Value, asks for a number."""
    asks: Any = sys._getframe(2)
    for frame in (asks, asks.f_back):
        if frame is not None and frame.f_code is apply.__code__:
            return frame.f_locals.get("tracked") is True and not frame.f_locals["kind"].broadcasts
    return False


def note_value(node: Node) -> None:
    """Record the call that made a Value. `apply` calls this function for each node it makes."""
    if node.broadcasts or node.function is None:
        return
    recorded = next((x for x in node.seen if isinstance(x, Recorded)), None)
    if recorded is None:
        return
    data = untraced(node.data)
    line = Line(data, node.function, lines(node.seen[1:]), node.options)
    recorded.tape.add(line)
    node._array = on_tape(line, recorded.tape)
    node.seen = (node._array, *node.seen[1:])


def guard(question: Callable[[Any], Any], x: Any, answer: Any) -> Any:
    """question(x), which was `answer` when the program was recorded."""
    return question(x)


def depends_on_numbers(line: Line) -> bool:
    """Whether the shape of a result depends on the numbers of its operands."""
    function, inputs = line.function, line.inputs
    if function is item:
        x, index = inputs
        if isinstance(x.data, tuple | list):  # one of several results, as of np.where(x)
            return x.function is np.where or depends_on_numbers(x)
        return any(map(chooses, index if isinstance(index, tuple) else (index,)))
    if function in BY_SECOND or function is draw:
        return has_line([*inputs[1:], *line.options.values()])
    return function in BY_NUMBERS


def has_line(x: Any) -> bool:
    return isinstance(x, Line) or (isinstance(x, tuple | list) and any(map(has_line, x)))


def chooses(index: Any) -> bool:
    """Whether an index selects more or fewer elements if its numbers change."""
    if isinstance(index, slice):
        return any(isinstance(x, Line) for x in (index.start, index.stop, index.step))
    return isinstance(index, Line) and np.result_type(index.data).kind == "b"


def draw(rng: np.random.Generator, name: str, *args: Any, **options: Any) -> Any:
    """rng.name(*args, **options)."""
    return getattr(rng, name)(*args, **options)


UNRECORDED = "shuffle", "spawn", "__reduce__", "__reduce_ex__"


class RecordedGenerator(np.random.Generator):
    """A generator whose draws are recorded: the program draws again, in the same order."""

    def __init__(self, rng: np.random.Generator, recorded: Recorded) -> None:
        super().__init__(rng.bit_generator)
        self.recorded = recorded

    def __getattribute__(self, name: str) -> Any:
        if (name.startswith("_") and "reduce" not in name) or name == "recorded":
            return super().__getattribute__(name)
        if not callable(getattr(np.random.Generator, name)) or name in UNRECORDED:
            raise self.recorded.tape.refused(
                f"rng.{name} cannot be recorded: draw with methods that return new numbers, such "
                "as rng.permuted(x)"
            )

        def drawn(*args: Any, **options: Any) -> Any:
            recorded = self.recorded
            rng: Any = recorded.data
            if options.get("out") is not None:
                raise recorded.tape.refused(
                    f"rng.{name}() with out= cannot be recorded: use the array that it returns"
                )
            data = draw(rng, name, *untraced(args), **untraced(options))
            inputs = (recorded.line, name, *lines(args))
            return recorded.made(Line(data, draw, inputs, lines(options)))

        return drawn
