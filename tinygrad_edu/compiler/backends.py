"""How is a program written? As lines of NumPy, or as loops that numba compiles."""

from importlib.util import find_spec
from typing import NamedTuple

from tinygrad_edu.compiler.loops import LoopWriter
from tinygrad_edu.compiler.reports import Timed, TimedLoopWriter, TimedWriter
from tinygrad_edu.compiler.text import Writer

NEEDS = 'backend="numba" needs numba: pip install "tinygrad_edu[compile]"'


class Backend(NamedTuple):
    """How programs are written.

    writer  writes a program
    timed   writes a program that measures the time of its lines
    exact   whether a program gives the same bits as the function; otherwise equal up to rounding
    """

    writer: type[Writer]
    timed: type[Timed]
    exact: bool


BACKENDS = {
    "numpy": Backend(Writer, TimedWriter, True),
    "numba": Backend(LoopWriter, TimedLoopWriter, False),
}


def backend_of(name: str) -> Backend:
    """The backend of this name.

    Raises ValueError for an unknown name, and ImportError if numba is needed and not installed.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend is {name!r}, but must be {' or '.join(map(repr, BACKENDS))}")
    if name == "numba" and find_spec("numba") is None:
        raise ImportError(NEEDS)
    return BACKENDS[name]
