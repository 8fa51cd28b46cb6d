"""What does an error say: which operation, which operands, which line, and what can be done?"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_edu.modes import RECORDING
from tinygrad_edu.operands import Operand

Function = Callable[..., Any]

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
    if type(error) in (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError):
        return type(error)(message)
    error.add_note(message)
    return error


def stale(rule: Any, x: Operand) -> RuntimeError:
    return RuntimeError(
        f"{described(x)} was changed after this graph was made, so the derivative of "
        f"{operation(rule)} would be wrong; compute the loss again, then call backward()"
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
