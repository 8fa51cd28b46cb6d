"""How is a program saved? As one Python file that does not need this package."""

import base64
import inspect
import io
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_edu.compiler.tape import CompileError
from tinygrad_edu.compiler.text import CHANGED

HEAD = '''"""One step of a function, recorded by tinygrad_edu as a program.

    from {module} import held, step

    results = step({arguments}, **held)

`held` is what the step reads besides its arguments, as it was when this file was saved. The result
is None if a branch goes another way than in the recording. Otherwise it is a tuple of:

{results}
"""

import base64
import io
import math

import numpy as np

{changed} = None


def unpacked(text):
    """The arrays that a text holds, by name."""
    return dict(np.load(io.BytesIO(base64.b85decode(text.replace("\\n", "")))))


'''


def write(
    path: Path,
    source: str,
    constants: dict[str, Any],
    held: dict[str, Any],
    arguments: list[str],
    results: list[str],
) -> None:
    """Write a program, with what it holds, to a file."""
    arrays = {name: x for name, x in constants.items() if isinstance(x, np.ndarray | np.generic)}
    functions = {name: x for name, x in constants.items() if isinstance(x, FunctionType)}
    for name, x in constants.items():
        if name not in arrays and name not in functions:
            raise CompileError(f"the program uses {x!r} as {name}, which cannot be saved to a file")
    for name, x in held.items():
        if isinstance(x, np.random.Generator):
            raise CompileError(
                f"this program draws from the generator {name}, which cannot be saved to a file: "
                "save the program of the network in eval mode"
            )
    head = HEAD.format(
        module=path.stem,
        arguments=", ".join(arguments),
        results="\n".join(f"    {name}" for name in results),
        changed=CHANGED,
    )
    parts = [head]
    for name, x in functions.items():
        alias = "" if name == x.__name__ else f"{name} = {x.__name__}\n"
        parts.append(f"{inspect.getsource(x)}\n\n{alias}")
    if arrays:
        parts.append(f"globals().update(unpacked({packed(arrays)}))\n\n")
    numbers = {name: x for name, x in held.items() if not isinstance(x, np.ndarray)}
    kept = {name: x for name, x in held.items() if name not in numbers}
    parts.append(f"held = {numbers!r}\n")
    if kept:
        parts.append(f"held.update(unpacked({packed(kept)}))\n")
    parts.append(f"\n\n{source}")
    path.write_text("".join(parts))


def packed(arrays: dict[str, Any]) -> str:
    """Arrays and numbers as a text."""
    file = io.BytesIO()
    whole: Any = {name: np.asarray(x) for name, x in arrays.items()}
    np.savez_compressed(file, **whole)
    text = base64.b85encode(file.getvalue()).decode()
    lines = (text[i : i + 96] for i in range(0, len(text), 96))
    return 'r"""\n' + "\n".join(lines) + '\n"""'
