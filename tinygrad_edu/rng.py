"""The random generator of the package: everything uses it, unless you pass another one."""

from contextvars import ContextVar

import numpy as np

# A generator that replaces the package's one, in one thread only.
INSTEAD: ContextVar[np.random.Generator | None] = ContextVar("instead", default=None)


class Package:
    """The package's own state: its generator."""

    rng = np.random.default_rng()


def manual_seed(seed: int) -> None:
    """Restart the package's generator: the same seed gives the same random numbers."""
    Package.rng = np.random.default_rng(seed)


def default_rng(rng: np.random.Generator | None = None) -> np.random.Generator:
    """`rng`, or the package's generator if it is None. NumPy's global one is never used."""
    if rng is None:
        return INSTEAD.get() or Package.rng
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, not {type(rng).__name__}: "
            "write rng=np.random.default_rng(seed), or call manual_seed(seed) once"
        )
    return rng
