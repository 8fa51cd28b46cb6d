"""Which matrix products can use np.dot, which starts faster?"""

import operator

import numpy as np

from tinygrad_edu.compiler.program import Program, is_array
from tinygrad_edu.tracing import Line

MATMUL = operator.matmul, np.matmul


def use_dot(program: Program) -> Program:
    """Use np.dot for the product of two matrices: it calls the same BLAS function, 0.5 µs sooner.

    Other products keep np.matmul: it also multiplies stacks of matrices, and treats vectors and
    arrays that BLAS cannot read in its own way.
    """
    new = program.with_lines(program.lines, {})
    for line in new.lines:
        if line.function in MATMUL and not line.options and all(map(is_plain_matrix, line.inputs)):
            line.function = np.dot
    return new


def is_plain_matrix(x: object) -> bool:
    """Whether x is a matrix of floats, stored by rows or by columns without gaps."""
    if not isinstance(x, Line) or not is_array(x):
        return False
    data = x.data
    flags = data.flags
    return (
        data.ndim == 2
        and data.dtype in (np.float32, np.float64)
        and min(data.shape) > 1
        and (flags.c_contiguous or flags.f_contiguous)
    )
