"""Which powers have their own function in NumPy?"""

import operator
from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import Program, is_array
from tinygrad_edu.tracing import Line

POWERS = {2: np.square, 0.5: np.sqrt}


def use_square(program: Program) -> Program:
    """Use np.square and np.sqrt for x**2 and x**0.5: they give the same bits and take `out=`."""
    new = program.with_lines(program.lines, {})
    for line in new.lines:
        if line.function is operator.pow and (function := function_of(*line.inputs)):
            line.function, line.inputs = function, line.inputs[:1]
    return new


def function_of(x: Any, exponent: Any) -> Any:
    """The function that NumPy calls for x**exponent instead of np.power; None if it does not."""
    if not isinstance(x, Line) or not is_array(x) or x.data.dtype.kind != "f":
        return None
    return POWERS.get(exponent) if type(exponent) in (int, float) else None
