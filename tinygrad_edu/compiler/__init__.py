"""compile: turn a training step into a plain program that you can read, run and save."""

from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_edu.compiler.backends import backend_of
from tinygrad_edu.compiler.calls import Function
from tinygrad_edu.compiler.compiled import Compiled
from tinygrad_edu.compiler.passes import ALL
from tinygrad_edu.compiler.rows import CompiledRows
from tinygrad_edu.compiler.tape import CompileError

__all__ = ["CompileError", "Compiled", "CompiledRows", "compile"]


def compile(
    f: Function,
    optimizer: Any = None,
    *,
    optimize: Iterable[Callable[..., Any]] | None = None,
    check: bool = True,
    rows: bool = False,
    backend: str = "numpy",
) -> Compiled | CompiledRows:
    """A function that computes what f computes, forward and backward, by a program of NumPy.

    The first call records f as a program; later calls run that program.

    f          returns a loss: a scalar with a graph. A call then adds the gradients to `.grad`, as
               loss.backward() would, and returns the loss without its graph. Or f returns arrays,
               Tensors computed under no_grad(), or nested lists, tuples and dicts of these
    optimizer  the program also makes the update of this optimizer, and leaves `.grad` alone
    optimize   the passes that improve the program; None means all, () leaves it as recorded
    check      compare the first run of each program with f itself: bit for bit, or up to rounding
               for backend="numba"
    rows       f is the loss of one row, a function of floats. A call takes arrays with one row for
               each example and returns the mean loss. The program computes one row, and runs once
               for each
    backend    "numpy"; or "numba", loops in machine code, equal to NumPy's numbers up to rounding

    Each signature has its own program. A signature is the shape, dtype and order of axes of each
    array, the class of each float, the value of each other argument, and each setting that f uses,
    such as `training`.

    Raises ValueError for an unknown backend and ImportError if numba is not installed. A call
    raises CompileError if f cannot be recorded, if the check fails, or if f would need more than 16
    programs; it then changes nothing.
    """
    passes = ALL if optimize is None else tuple(optimize)
    chosen = backend_of(backend)
    if rows:
        return CompiledRows(f, optimizer, passes, check, as_loops=not chosen.exact)
    return Compiled(f, optimizer, passes, check, chosen)
