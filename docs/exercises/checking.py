"""Is this answer right, and if not, where is it wrong?

Each exercise is a file with a question and a hole, which is written `...`. The file of the same
name in `answers/` says how an answer is checked:

    HINTS     the hints, from a nudge to nearly everything; the last hint is always the answer
    ANSWER    the code that belongs into the exercise
    MISTAKES  typical wrong answers: what to replace in ANSWER, by what, and words that must be said
    check     takes the names that the exercise defines; yields a line for each thing that is right,
              and raises AnswerError at the first thing that is not
    GIVEN     words that are said of the exercise as it is given; only where its hole is a mistake
              to be found, and no `...`
"""

import ast
import faulthandler
import math
import os
import re
import runpy
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import Node, backward_of, gradcheck, primitive
from tinygrad_edu.graph import RULES
from tinygrad_edu.nn import Module

FOLDER = Path(__file__).parent
SECONDS = 20  # an answer that runs longer will not end


class Names(dict[str, Any]):
    """What an exercise defines, by name."""

    def __missing__(self, name: str) -> Any:
        raise AnswerError(f"There is no {name} in the file. Keep the names that the exercise has.")

    def function(self, name: str) -> Any:
        """The function of this name."""
        found = self[name]
        if not callable(found) or isinstance(found, Node | Module):
            raise AnswerError(
                f"{name} should be a function, and its type is {type(found).__name__}. Keep the "
                f"line that begins with `def {name}`."
            )
        return found


class AnswerError(Exception):
    """Something in an answer is wrong; the message says where, in words and numbers."""


class HoleError(AnswerError):
    """An answer still has a hole."""


# What the checks of the exercises are written with


def compare(
    what: str,
    got: Any,
    wanted: Any,
    reasons: Mapping[float, str] | None = None,
    because: str = "",
    rtol: float = 1e-9,
) -> None:
    """Raise AnswerError unless got is wanted: the same shape, and the same numbers up to rounding.

    reasons  what leads to a typical wrong number, said if it is the one given
    because  why it should be `wanted`, said of every other wrong answer
    """
    numbers = as_numbers(what, got)
    expected = np.asarray(wanted, float)
    if numbers.shape != expected.shape:
        should = f"be {expected.shape}" if expected.ndim else "be a single number"
        raise AnswerError(f"{what} has the shape {numbers.shape}, and it should {should}.")
    if np.allclose(numbers, expected, rtol=rtol, atol=rtol):
        return
    for number, reason in (reasons or {}).items():
        if np.allclose(numbers, number, rtol=rtol, atol=rtol):
            because = reason
    raise AnswerError(
        f"{what} is {shown(numbers)}, and it should be {shown(expected)}. {because}".strip()
    )


def compare_steps(what: str, got: Sequence[Any], wanted: Sequence[Any], because: str = "") -> None:
    """Raise AnswerError at the first step in which two runs differ."""
    for step, (mine, right) in enumerate(zip(got, wanted, strict=False)):
        compare(f"{what} at step {step}", mine, right, because=because)
    if len(got) != len(wanted):
        raise AnswerError(f"{what}: there are {len(got)} steps, and there should be {len(wanted)}.")


def check_rule(function: Callable[..., Any], rule: Callable[..., Any], *inputs: Any) -> None:
    """Raise AnswerError, with what gradcheck says, unless the rule is the function's derivative."""
    operation = primitive(function)
    backward_of(operation)(rule)
    try:
        gradcheck(operation, *inputs, order=1)
    except AssertionError as error:
        said = re.sub(r", at the node of \S+:", ":", f"{error}")
        lines = said[max(0, said.find("The rule of ")) :].splitlines()  # and not of the whole twice
        if len(lines) > 5:
            lines[4:] = [f"  and {len(lines) - 4} more"]
        raise AnswerError(
            "gradcheck finds a wrong derivative. Analytic is what your rule gives, and numerical "
            "is the measured slope.\n" + "\n".join(lines)
        ) from error
    finally:
        RULES.pop(function)


def as_numbers(what: str, got: Any) -> Any:
    """got as an array of floats; raise AnswerError if it is none, such as text."""
    if got is None:
        raise AnswerError(
            f"{what} is None. Does the function return it? What is only printed is None as well."
        )
    data = got.data if isinstance(got, Node) else got
    try:
        if np.asarray(data).dtype.kind in "US":  # NumPy would read the text "9" as the number 9
            raise TypeError("text")
        return np.asarray(data, float)
    except (TypeError, ValueError):
        kind = type(got).__name__
        raise AnswerError(f"{what} should be a number or an array: its type is {kind}.") from None


def as_number(what: str, got: Any) -> float:
    """got as one finite float; raise AnswerError if it is none."""
    numbers = as_numbers(what, got)
    if numbers.size != 1:
        raise AnswerError(f"{what} has the shape {numbers.shape}, and it should be one number.")
    number: float = numbers.item()
    if not math.isfinite(number):
        raise AnswerError(f"{what} is {number}, and it should be a finite number.")
    return number


def shown(numbers: Any) -> str:
    return f"{numbers:.6g}" if numbers.ndim == 0 else str(numbers.round(6)).replace("\n", "")


# One exercise


def answers(path: Path) -> dict[str, Any]:
    """What `answers/` says of an exercise."""
    return runpy.run_path(str(FOLDER / "answers" / path.name))


def exercises() -> list[Path]:
    """All exercises in the order of the book."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def question(source: str) -> str:
    return (ast.get_docstring(ast.parse(source)) or "").strip()


def title(path: Path) -> str:
    """The first line of the question, or what keeps one from reading it."""
    try:
        return (question(path.read_text(encoding="utf-8")) or path.stem).splitlines()[0]
    except SyntaxError as error:
        return f"(line {error.lineno} is not Python: {error.msg})"


def hole(source: str) -> int | None:
    """The first line with a `...` that is no index, or None."""
    tree = ast.parse(source)
    indices = {
        each
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        for each in ast.walk(node.slice)
    }
    lines = (
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value is ... and node not in indices
    )
    return min(lines, default=None)


def examine(path: Path, source: str | None = None) -> Iterator[str]:
    """Yield what is right in the answer, line by line, and raise AnswerError at what is not."""
    source = path.read_text(encoding="utf-8") if source is None else source
    try:
        line = hole(source)
        if line is not None:
            raise HoleError(f"There is still a hole, `...`, in line {line}.")
        names = {"__name__": "exercise", "__file__": str(path)}
        exec(compile(source, str(path), "exec"), names)
        yield from answers(path)["check"](Names(names))
    except AnswerError:
        raise
    except (Exception, SystemExit) as error:  # an exit() in the file would end as if all were right
        raise AnswerError(place(error, path, source)) from error


def place(error: Exception | SystemExit, path: Path, source: str) -> str:
    """Where in the exercise an error happened, with its line."""
    numbers = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    number = error.lineno if isinstance(error, SyntaxError) else numbers[-1] if numbers else None
    message = error.msg if isinstance(error, SyntaxError) else f"{error}"
    said = f"{type(error).__name__}: {message}"
    if number is None and isinstance(error, TypeError) and " argument" in message:
        return f"{message}. Keep the arguments that the exercise has."
    if number is None:
        return f"The check cannot use what the file gives.\n{said}"
    return f"Line {number} raises an error:\n  {source.splitlines()[number - 1].strip()}\n{said}"


def hint(path: Path, level: int) -> str:
    """The hint of a level from 1 to 3; the last one is the answer."""
    found = answers(path)
    hints = [*found["HINTS"], "The answer:\n" + found["ANSWER"].strip()]
    return hints[max(1, min(level, len(hints))) - 1]


def report(path: Path) -> bool:
    """Print what is right and what is wrong in an exercise; whether all is right."""
    command = f"python {os.path.relpath(path)}"
    try:
        for line in examine(path):
            print(f"  right: {line}")
    except HoleError as error:
        print(f"  {error} Fill it in, and run this again.")
    except AnswerError as error:
        print("  wrong: " + str(error).replace("\n", "\n         "))
    else:
        print("  All of it is right.")
        return True
    print(f"  For a hint: {command} --hint 1 (or 2; 3 is the answer)")
    return False


def run(file: str) -> None:
    """What an exercise does when it is run: check itself, or give the hint that was asked for."""
    path = Path(file)
    print(title(path))
    if "--hint" in sys.argv:
        level = sys.argv[sys.argv.index("--hint") + 1 :]
        print(hint(path, int(level[0]) if level and level[0].isdecimal() else 1))
        return
    slow = threading.Timer(0.8 * SECONDS, print, ["  This takes long. Does a loop never end?"])
    slow.daemon = True
    slow.start()
    faulthandler.dump_traceback_later(SECONDS, exit=True)  # says in which line a loop hangs
    try:
        right = report(path)
    finally:
        slow.cancel()
    raise SystemExit(not right)
