"""What do the functions for networks accept as an array?"""

from typing import Any

from tinygrad_edu.numpy_api.arguments import array


def arrays(*given: Any) -> list[Any]:
    """Each as an array: lists and numbers too, as in NumPy; Tensors and None as they are."""
    return [x if x is None else array(x) for x in given]
