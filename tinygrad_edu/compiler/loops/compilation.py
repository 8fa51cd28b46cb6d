"""How do the functions of loops become machine code? All at once, before the program first runs."""

import sys
from time import perf_counter
from typing import Any

from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.progress import Progress

PATIENCE = 2  # seconds before the first message
REMEDY = 'unset it before Python starts, or compile with backend="numpy"'
ADVICE = (
    'compile with backend="numpy", which accepts every program, and please report the function '
    "that you compiled"
)


def compile_functions(functions: dict[str, Any], samples: dict[str, list[Any]], text: str) -> None:
    """Compile each function for arguments like these samples.

    Raises CompileError, with the line of the program, where numba cannot.
    """
    from numba import config, typeof
    from numba.core.errors import NumbaError

    if config.DISABLE_JIT:
        raise CompileError(f"numba compiles nothing while NUMBA_DISABLE_JIT is set: {REMEDY}")
    start, told = perf_counter(), False
    with Progress(True, len(functions), unit="function", delay=PATIENCE) as progress:
        for number, (name, function) in enumerate(functions.items(), start=1):
            try:
                function.compile(tuple(map(typeof, samples[name])))
            except NumbaError as error:
                raise CompileError(refusal(name, error, text)) from error
            progress.step()
            left = len(functions) - number
            if progress.bar is None and left and not told and perf_counter() - start > PATIENCE:
                print(f"numba is compiling: {left} more of {len(functions)}", file=sys.stderr)
                told = True


def refusal(name: str, error: Exception, text: str) -> str:
    """What numba could not compile, by its line in the program."""
    lines = text.splitlines()
    number = getattr(getattr(error, "loc", None), "line", 0)
    line = lines[number - 1].strip() if 0 < number <= len(lines) else name
    reason = str(error).strip().splitlines()
    return (
        f"numba cannot compile the line `{line}` of {name} ({reason[-1] if reason else error}): "
        f"{ADVICE}"
    )
