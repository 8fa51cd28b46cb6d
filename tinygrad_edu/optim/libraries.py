"""Whose is an array: NumPy's, CuPy's, Dask's, ...? And how does it become another library's?"""

from typing import Any

import numpy as np

TO_NUMPY = "compute", "get", "todense"  # methods of Dask's, CuPy's and sparse's arrays


def is_of_another(x: Any) -> bool:
    """Whether x is an array of a library other than NumPy; a trace is no library of its own."""
    return any(hasattr(x, name) for name in TO_NUMPY)


def as_numpy(x: Any) -> Any:
    """An array of any library as NumPy's; NumPy's own, and numbers, as they are."""
    while not isinstance(x, np.ndarray | np.generic) and hasattr(x, "__array_function__"):
        method = next((name for name in TO_NUMPY if hasattr(x, name)), None)
        if method is None:
            return np.asarray(x)
        x = getattr(x, method)()
    return x


def beside(x: Any, data: Any) -> Any:
    """NumPy's array x in the library of `data`, to be computed with beside it."""
    if isinstance(data, np.ndarray | np.generic):
        return x
    return np.asarray(x, like=data) if hasattr(data, "__array_function__") else x


def in_library(x: Any, library: Any) -> Any:
    """An array as one of this array module: numpy, cupy, dask.array, ...

    Raises TypeError for what is no array module, or has arrays that NumPy's functions do not take.
    """
    if not callable(getattr(library, "asarray", None)):
        raise TypeError(
            "to() takes an array module, such as numpy, cupy or dask.array (import cupy, then "
            f"to(cupy)), and this is {library!r}"
        )
    array = library.asarray(np.asarray(as_numpy(x)))  # that of one number may be a number
    if not hasattr(array, "__array_function__"):
        raise TypeError(
            f"{library.__name__}.asarray gives a {type(array).__name__}, on which NumPy's "
            "functions do not work: it lacks __array_function__. Libraries with it are numpy, "
            "cupy, dask.array and sparse"
        )
    return array
