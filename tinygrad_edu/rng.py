"""The one random generator that everything draws from unless it is given its own."""

import numpy as np


class Package:
    """The package's own state: its generator."""

    rng = np.random.default_rng()


def manual_seed(seed: int) -> None:
    """Start the package's generator again from `seed`: the same seed, the same weights."""
    Package.rng = np.random.default_rng(seed)


def default_rng(rng: np.random.Generator | None = None) -> np.random.Generator:
    """The generator that was given, or else the package's. NumPy's global one is never touched."""
    if rng is None:
        return Package.rng
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, not {type(rng).__name__}: "
            "write rng=np.random.default_rng(seed), or call manual_seed(seed) once"
        )
    return rng
