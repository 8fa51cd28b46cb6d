"""compile: an ordinary function of the package as a program that can be read, run and kept."""

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
    """The function f as a program of NumPy, recorded when it is called and run from then on.

    f          returns a loss, a scalar with a graph: a call then adds the gradients to `.grad`, as
               loss.backward() would, and returns the loss without its graph. Or it returns arrays,
               Tensors under no_grad(), and nested lists, tuples and dicts of them
    optimizer  makes the whole update as well; `.grad` is neither read nor changed
    optimize   the passes that improve the program, all by default; () shows it as it was recorded
    check      run the step eagerly as well, the first time, and compare bit for bit; the loops of
               numba to rounding
    rows       f is the loss of one row, a function of floats: a call takes arrays with a row for
               each, and its loss is the mean. The program is that of one row, and runs for each
    backend    "numpy"; or "numba": loops, compiled to machine code, the same numbers to rounding

    There is one program for each signature: the shapes and dtypes of the arguments, the class of
    floats and all else by value, and what f holds that is no array, such as `training`.
    """
    passes = ALL if optimize is None else tuple(optimize)
    chosen = backend_of(backend)
    if rows:
        return CompiledRows(f, optimizer, passes, check, as_loops=not chosen.exact)
    return Compiled(f, optimizer, passes, check, chosen)
