"""How does the program of one row become a loop over all rows? Its lines become the body."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.compiler.loops.compilation import compile_functions
from tinygrad_edu.compiler.program import Program, is_array
from tinygrad_edu.compiler.text import WEIGHTED_SUM, Writer, indented, plain_sum_text

TABLE, VECTOR = np.empty((1, 1)), np.empty(1)


class RowsWriter(Writer):
    """Writes a program of floats as `step(rows, i, held, sums)`.

    It adds the results of row i and the next rows to `sums`, until a row takes another branch. It
    returns the number of that row, or the number of rows if there is none. `held` are the numbers
    that are read besides the rows.

    columns  the position in a row of each argument
    """

    gives_up = "return i"

    def __init__(self, program: Program, columns: list[int]) -> None:
        super().__init__(program)
        self.columns = columns
        self.taken |= {"rows", "i", "held", "sums", "njit"}
        self.scalars = {**self.scalars, WEIGHTED_SUM: plain_sum_text}

    def text(self) -> str:
        self.name_all()
        names = [self.names[line] for line in self.program.inputs]
        given, held = names[: len(self.columns)], names[len(self.columns) :]
        results = map(self.expression, self.program.returned())
        row = [
            *(f"{name} = rows[i, {j}]" for name, j in zip(given, self.columns, strict=True)),
            *self.body(),
            "",
            *(f"sums[{k}] += {x}" for k, x in enumerate(results)),
        ]
        body = [
            *(f"{name} = held[{k}]" for k, name in enumerate(held)),
            "for i in range(i, len(rows)):",
            *indented(row),
            "return len(rows)",
        ]
        head = ["import math", "", "import numpy as np", "from numba import njit", "", ""]
        return "\n".join([*head, "@njit", "def step(rows, i, held, sums):", *indented(body), ""])

    def build(self) -> tuple[str, Callable[..., Any]]:
        text = self.text()
        names: dict[str, Any] = dict(self.constants)
        exec(compile(text, "<program>", "exec"), names)
        compile_functions({"step": names["step"]}, {"step": [TABLE, 0, VECTOR, VECTOR]}, text)
        return text, names["step"]


def has_floats_only(program: Program) -> bool:
    """Whether there is no array in a program."""
    return not any(map(is_array, [*program.inputs, *program.lines]))
