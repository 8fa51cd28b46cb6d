"""A table of rows that are learned."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.functional.indices import embedding, padding_row
from tinygrad_edu.nn.module import Module
from tinygrad_edu.rng import default_rng
from tinygrad_edu.tensor import Tensor


class Embedding(Module):
    """y = W[x], with W: (num_embeddings, embedding_dim), and a row y for each integer in x.

    padding_idx  a row that starts at 0 and gets no gradient; negative counts from the end
    The other rows start standard normal, as in PyTorch.
    Raises TypeError for an x that does not hold integers, IndexError for a row that does not exist,
    ValueError for a size below 1.

    Bengio et al. 2003, "A neural probabilistic language model", section 2.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        if num_embeddings < 1 or embedding_dim < 1:
            raise ValueError(
                f"Embedding needs at least one row and one column, not {num_embeddings} and "
                f"{embedding_dim}"
            )
        weight = default_rng(rng).standard_normal((num_embeddings, embedding_dim)).astype(dtype)
        if padding_idx is not None:
            padding_idx = padding_row(padding_idx, num_embeddings)
            weight[padding_idx] = 0
        self.padding_idx = padding_idx
        self.weight = Tensor(weight, requires_grad=True, name="weight")

    def __call__(self, x: Any) -> Any:
        return embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        n, m = self.weight.shape
        return f"num_embeddings={n}, embedding_dim={m}" + (
            "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        )
