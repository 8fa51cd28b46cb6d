"""What does an error say: which operation, which operands, which line, and what can be done?"""

import math
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_edu.modes import RECORDING
from tinygrad_edu.operands import Operand, is_lazy

Function = Callable[..., Any]

PLAIN_ERRORS = (  # made of a sentence alone
    *(ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError, NotImplementedError),
)
PACKAGE = str(Path(__file__).parent)


def rule_name(rule: Any) -> str:
    """The name of a rule; the name of its class if it has none."""
    return getattr(rule, "__name__", type(rule).__name__)


def operation(rule: Any) -> str:
    """The name of an operation: the name of its rule without `_backward`."""
    return rule_name(rule).removesuffix("_backward")


def name_of(function: Function) -> str:
    """The name of a function as a program writes it: np.exp, np.linalg.eig, np.add.reduce."""
    name = getattr(function, "__name__", repr(function))
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"{name_of(owner)}.{name}"
    module = (getattr(function, "__module__", "") or "numpy").replace("numpy", "np")
    return f"{module}.{name}"


def described(x: Any) -> str:
    """An operand in an error message: its name, if it has one, and its shape."""
    data, name = (x._array, x.name) if isinstance(x, Operand) else (x, None)
    name = repr(name) if name else None
    if hasattr(data, "shape"):
        return f"{name or 'an array'} of shape {data.shape}"
    return f"{name} = {data!r}" if name else repr(data)


def result(node: Any) -> str:
    """A node in an error message, by the operation that made it."""
    return f"the result of {operation(node.rule)}, {described(node)}"


def library_of(x: Any) -> str:
    """The library of an array, such as "dask" or "cupy"; "" for NumPy, a trace, and no array."""
    library = type(x).__module__.partition(".")[0]
    is_other = hasattr(x, "__array_function__") and library not in ("numpy", "tinygrad_edu")
    return library if is_other else ""


def advice(x: Any) -> str:
    """What to do where the library of the array x lacks a function."""
    ways = [f"x.{name}()" for name in ("compute", "get", "todense") if hasattr(x, name)]
    way = f" ({ways[0]})" if ways else ""
    return f"if {library_of(x)} lacks this function, convert the array to NumPy first{way}"


def array_text(x: Any, **options: Any) -> str:
    """An array as text: the numbers of NumPy's; of another, which may be large, what it says."""
    return repr(x) if library_of(x) else np.array2string(x, **options)


def user_frame() -> FrameType:
    """The innermost frame outside of this package."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame


def user_line() -> str:
    """The line outside of this package that is being run."""
    frame = user_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


# Errors of the engine, to be raised


def mixed_kinds(function: Function, kind: type, other: type) -> TypeError:
    return TypeError(
        f"{function.__name__}: a {kind.__name__} and a {other.__name__} do not mix; "
        "a Value is one float, a Tensor an array: use one of the two, or .data of one of them"
    )


def no_rule(function: Function) -> NotImplementedError:
    name = name_of(function)
    return NotImplementedError(
        f"{name} has no backward rule; add one, here or in rules.py: a function "
        f"(g, out, *inputs) under @backward_of({name}), as in docs/operations.md. "
        "To leave the graph on purpose, call it with t.data"
    )


def wrong_count(rule: Any, partials: tuple[Any, ...], inputs: tuple[Any, ...]) -> ValueError:
    returned = f"{len(partials)} partial" + "s" * (len(partials) != 1)
    takes = f"{len(inputs)} input" + "s" * (len(inputs) != 1)
    return ValueError(
        f"the rule of {operation(rule)} returned {returned} for {takes}: it must return a tuple "
        "with one for each input, None for an input without a gradient"
    )


def explained(error: Exception, rule: Function, inputs: tuple[Any, ...]) -> Exception:
    """The error of a forward call, with the names and shapes of its operands."""
    operands = " and ".join(described(x) for x in inputs)
    message = f"{operation(rule)} of {operands}: {error}"
    arrays = (x._array if isinstance(x, Operand) else x for x in inputs)
    other = next(filter(library_of, arrays), None)
    if other is not None:
        message += f"; {advice(other)}"
    if type(error) in PLAIN_ERRORS:
        return type(error)(message)
    error.add_note(message)
    return error


def noted(error: Exception, function: Function, args: Iterable[Any]) -> Exception:
    """The error of a call, or of a rule, with what to do if it got another library's array."""
    parts = [y for x in args for y in (x if isinstance(x, list | tuple) else [x])]
    arrays = (x._array if isinstance(x, Operand) else x for x in parts)
    other = next(filter(library_of, arrays), None)
    if other is not None and not hasattr(error, "__notes__"):
        error.add_note(f"This was {name_of(function)} of {described(other)}; {advice(other)}")
    return error


def converted(function: Function, arrays: Iterable[Any], data: Any) -> TypeError:
    """Lazy arrays went in, and something came out that was computed."""
    lazy = next(filter(is_lazy, arrays))
    return TypeError(
        f"{operation(function)} of {described(lazy)} of {library_of(lazy)} was computed at once, "
        f"and gave a {type(data).__name__}: {advice(lazy)}"
    )


def wrong_shape(rule: Any, partial: Any, x: Operand) -> ValueError:
    shape = x._array.shape
    if any(math.isnan(n) for n in shape):  # Dask's x[mask]
        return ValueError(
            f"the derivative of {operation(rule)} needs the shape of {described(x)}, and dask does "
            "not know it yet: call x.data.compute_chunk_sizes() on it before backward(), or use "
            "np.where(mask, x, 0) in place of x[mask]"
        )
    return ValueError(
        f"the rule of {operation(rule)} returned a partial of shape {partial.shape} for an input "
        f"of shape {shape}: it must have that shape, or a shape to which NumPy broadcasts that one"
    )


def stale(rule: Any, x: Any) -> RuntimeError:
    what = described(x) if x.name or x.rule is None else f"{result(x)},"
    return RuntimeError(
        f"{what} was changed after this graph was made, so the derivative of "
        f"{operation(rule)} may be wrong; compute the loss again, then call backward()"
    )


# And a warning


class LeavesGraphWarning(UserWarning):
    """A tracked node became a plain number, through which no gradient flows."""


def leaving(node: Any, number: Any, how: str) -> Any:
    """Return number = how(node); if node is tracked, warn once for each line of the user's code."""
    if node.requires_grad and RECORDING.get():
        frame = user_frame()
        warnings.warn_explicit(
            f"{how}() of {described(node)}, which requires a gradient: this number leaves the "
            "graph, and no gradient flows through it. np.exp(t), t.exp() and the like stay in the "
            "graph; t.item() leaves it on purpose, without a warning",
            LeavesGraphWarning,
            frame.f_code.co_filename,
            frame.f_lineno,
            registry=frame.f_globals.setdefault("__warningregistry__", {}),
        )
    return number
