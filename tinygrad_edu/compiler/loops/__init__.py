"""A program as loops over i and j that numba compiles: `compile(f, backend="numba")`."""

from tinygrad_edu.compiler.loops.writing import LoopWriter

__all__ = ["LoopWriter"]
