"""What writes a program down? As NumPy, or as loops that numba compiles."""

from importlib.util import find_spec
from typing import NamedTuple

from tinygrad_edu.compiler.loops import LoopWriter
from tinygrad_edu.compiler.reports import Timed, TimedLoopWriter, TimedWriter
from tinygrad_edu.compiler.text import Writer

NEEDS = 'backend="numba" needs numba: pip install "tinygrad_edu[compile]"'


class Backend(NamedTuple):
    """writer  writes a program
    timed   writes a program that is timed
    exact   whether the program gives the bits of the function itself, or its numbers to rounding
    """

    writer: type[Writer]
    timed: type[Timed]
    exact: bool


BACKENDS = {
    "numpy": Backend(Writer, TimedWriter, True),
    "numba": Backend(LoopWriter, TimedLoopWriter, False),
}


def backend_of(name: str) -> Backend:
    """The backend of this name. Raises ImportError if numba is needed and not installed."""
    if name not in BACKENDS:
        raise ValueError(f"backend is {name!r}, and must be {' or '.join(map(repr, BACKENDS))}")
    if name == "numba" and find_spec("numba") is None:
        raise ImportError(NEEDS)
    return BACKENDS[name]
