"""Functions of networks, each a composition of functions that have derivatives."""

from tinygrad_edu.functional.embedding import one_hot

__all__ = ["one_hot"]
