"""Which arrays are in nested lists, tuples and dicts, and how are these built again?"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.graph import plain


def is_structure(x: Any) -> bool:
    return isinstance(x, list | tuple | dict)


def leaves(x: Any) -> list[Any]:
    """The arrays in a structure, those of a dict in the order of its keys."""
    if not is_structure(x):
        return [x]
    parts = [x[k] for k in sorted(x, key=str)] if isinstance(x, dict) else x
    return [leaf for part in parts for leaf in leaves(part)]


def rebuilt(x: Any, parts: Iterator[Any]) -> Any:
    """The structure of x with `parts` as its leaves."""
    if isinstance(x, dict):
        new = {k: rebuilt(x[k], parts) for k in sorted(x, key=str)}
        return {k: new[k] for k in x}
    if not is_structure(x):
        return next(parts)
    items = [rebuilt(part, parts) for part in x]
    return x._make(items) if hasattr(x, "_make") else type(x)(items)


def shapes_in(x: Any) -> str:
    """The structure of x and the shapes in it, in words: to compare, and for an error message."""
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {shapes_in(x[k])}" for k in sorted(x, key=str)) + "}"
    if is_structure(x):
        return f"{type(x).__name__}({', '.join(map(shapes_in, x))})"
    return f"shape {np.shape(plain(x))}"


def check_match(what: str, x: Any, other: str, y: Any) -> None:
    if shapes_in(x) != shapes_in(y):
        raise ValueError(
            f"the {what}: {shapes_in(x)}; the {other}: {shapes_in(y)}; they must be equal"
        )
