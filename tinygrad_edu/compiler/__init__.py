"""compile: a function of the package as a straight-line program of NumPy."""

from tinygrad_edu.compiler.compiled import Compiled, compile
from tinygrad_edu.compiler.tape import CompileError

__all__ = ["CompileError", "Compiled", "compile"]
