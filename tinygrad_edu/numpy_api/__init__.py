"""NumPy's functions on Tensors, by topic: signature, primitive and rule of each one together."""

from tinygrad_edu.numpy_api import (
    contractions,
    dispatch,
    elementwise,
    factorizations,
    grids,
    indexing,
    joining,
    linalg,
    norms,
    products,
    reductions,
    shapes,
    sorting,
)

__all__ = [
    "contractions",
    "dispatch",
    "elementwise",
    "factorizations",
    "grids",
    "indexing",
    "joining",
    "linalg",
    "norms",
    "products",
    "reductions",
    "shapes",
    "sorting",
]
