"""Attention with several heads, and the block of a transformer."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_edu.functional.attention import attention_weights, causal_mask
from tinygrad_edu.nn import init
from tinygrad_edu.nn.activation import GELU, ReLU
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.operands import as_array


class MultiheadAttention(Module):
    """[head_1 | ... | head_n] W_out, head_i = softmax(Q_i K_i^T / sqrt(d)) V_i, d = embed_dim / n.

    Q, K and V are linear functions of query, key and value. Each head takes d of their columns.

    query                 (L, N, E), with batch_first (N, L, E), or (L, E) without a batch
    key, value            (S, N, E), (N, S, E) or (S, E), in the same order
    key_padding_mask      (N, S), or (S,): keys that no query may attend to
    attn_mask             (L, S), or (N * heads, L, S): keys that a query may not attend to
    is_causal             query i may attend to the keys 0 to i only; combines with other masks
    need_weights          True: the second result is the attention weights, (N, L, S); False: None
    average_attn_weights  True: these weights are the mean over heads; False: (N, heads, L, S)
    dropout               the probability that a weight is set to 0 in training

    A mask of bools is True where attention is forbidden (in scaled_dot_product_attention, True
    means allowed). A mask of floats is added to the scores. A query that may attend to no key gets
    the bias of out_proj. As in PyTorch, the weights of q_proj, k_proj and v_proj start uniform in
    ±sqrt(6 / (4 E)), as one matrix of shape (E, 3 E) would (Glorot & Bengio 2010), and all biases
    start at 0.
    Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.
    Raises ValueError for an embed_dim that is not a multiple of num_heads and for shapes that do
    not fit, TypeError for a mask of integers.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ValueError(
                f"embed_dim {embed_dim} must be a multiple of num_heads {num_heads}: each head "
                "has embed_dim / num_heads columns"
            )
        self.embed_dim, self.num_heads, self.batch_first = embed_dim, num_heads, batch_first
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            Linear(embed_dim, embed_dim, bias, rng=rng, dtype=dtype) for _ in range(4)
        )
        bound = math.sqrt(6 / (4 * embed_dim))
        for layer in (self.q_proj, self.k_proj, self.v_proj):
            init.uniform_(layer.weight, -bound, bound, rng=rng)
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.out_proj):
            if layer.bias is not None:
                init.zeros_(layer.bias)
        self.dropout = Dropout(dropout, rng=rng)

    def __call__(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        query, key, value = as_array(query), as_array(key), as_array(value)
        self.expect_sequences(query.shape, key.shape, value.shape)
        q = self.heads(self.q_proj(query))
        k = self.heads(self.k_proj(key))
        v = self.heads(self.v_proj(value))
        masks = score_masks(q, k, key_padding_mask, attn_mask, is_causal)
        weights = self.dropout(attention_weights(q, k, *masks))
        out = self.out_proj(self.joined(weights @ v))
        if not need_weights:
            return out, None
        return out, weights.mean(axis=-3) if average_attn_weights else weights

    def heads(self, x: Any) -> Any:
        """x, such as (T, N, E), rearranged to (N, heads, T, E / heads)."""
        x = x.reshape(*x.shape[:-1], self.num_heads, -1)
        return np.moveaxis(x, self.time(x.ndim - 1), -2)

    def joined(self, x: Any) -> Any:
        """The inverse of `heads`: the columns of all heads side by side."""
        x = np.moveaxis(x, -2, self.time(x.ndim - 1))
        return x.reshape(*x.shape[:-2], self.embed_dim)

    def time(self, ndim: int) -> int:
        """The axis of time in a sequence."""
        return 1 if self.batch_first and ndim == 3 else 0

    def expect_sequences(self, *shapes: tuple[int, ...]) -> None:
        query, key, value = shapes
        ndim = len(query)
        batch = 1 - self.time(3)
        if (
            ndim not in (2, 3)
            or key != value
            or len(key) != ndim
            or any(shape[-1] != self.embed_dim or 0 in shape for shape in shapes)
            or (ndim == 3 and query[batch] != key[batch])
        ):
            e = self.embed_dim
            form = f"(N, L, {e})" if self.batch_first else f"(L, N, {e})"
            raise ValueError(
                f"MultiheadAttention takes a query {form}, or (L, {e}) without a batch, and a key "
                "and a value with S in place of L, none of them empty; this query has shape "
                f"{query}, key {key}, value {value}"
            )

    def extra_repr(self) -> str:
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}" + (
            ", batch_first=True" if self.batch_first else ""
        )


def score_masks(
    q: Any, k: Any, key_padding_mask: Any, attn_mask: Any, is_causal: bool
) -> list[Any]:
    """The masks that were given, as scaled_dot_product_attention takes them: True is allowed."""
    *batch, heads, queries, _ = q.shape
    keys = k.shape[-2]
    masks = []
    if key_padding_mask is not None:
        mask = checked(key_padding_mask, "key_padding_mask", (*batch, keys))
        masks.append(allowed(mask)[..., None, None, :])
    if attn_mask is not None:
        mask = checked(
            attn_mask, "attn_mask", (queries, keys), (math.prod(batch) * heads, queries, keys)
        )
        if mask.ndim == 3:
            mask = mask.reshape(*batch, heads, queries, keys)
        masks.append(allowed(mask))
    if is_causal:
        masks.append(causal_mask(q, k))
    return masks


def checked(mask: Any, name: str, *shapes: tuple[int, ...]) -> Any:
    """The mask as an array of bools or floats, in one of these shapes."""
    mask = as_array(mask)
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"{name} takes bools (True: may not attend) or floats (added to the scores), not "
            f"{mask.dtype}; write {name}.astype(bool)"
        )
    if mask.shape not in shapes:
        raise ValueError(
            f"{name} has shape {mask.shape}, and these query and key need "
            f"{' or '.join(map(str, shapes))}"
        )
    return mask


def allowed(mask: Any) -> Any:
    """True where attention is allowed; floats stay as they are."""
    return ~mask if mask.dtype == bool else mask


ACTIVATIONS: dict[str, type[Module]] = {"relu": ReLU, "gelu": GELU}


class TransformerEncoderLayer(Module):
    """x = x + attention(x), then x = x + W_2 f(W_1 x): two residual steps, each normalized.

    norm_first  False: x = norm(x + f(x)), the norm after each sum; True: x = x + f(norm(x)), which
                trains without a warm-up of the learning rate (Xiong et al. 2020, "On Layer
                Normalization in the Transformer Architecture", section 3.1)
    activation  f: "relu", "gelu" or a function
    dropout     the probability of a 0: in the attention, after f, and before each sum
    src         (T, N, E), with batch_first (N, T, E), or (T, E) without a batch
    src_mask, src_key_padding_mask, is_causal
                the keys that are masked: attn_mask, key_padding_mask and is_causal of
                MultiheadAttention
    Vaswani et al. 2017, "Attention Is All You Need", sections 3.1 and 3.3.
    Raises ValueError for shapes that do not fit and for an unknown activation.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: npt.DTypeLike = float,
    ) -> None:
        if isinstance(activation, str):
            if activation not in ACTIVATIONS:
                raise ValueError(f"activation is 'relu', 'gelu' or a function, not {activation!r}")
            activation = ACTIVATIONS[activation]()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, batch_first=batch_first, rng=rng, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, rng=rng, dtype=dtype)
        self.linear2 = Linear(dim_feedforward, d_model, rng=rng, dtype=dtype)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, dtype=dtype)
        self.dropout = Dropout(dropout, rng=rng)
        self.activation = activation
        self.norm_first = norm_first

    def __call__(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Any:
        def attention(x: Any) -> Any:
            out, _ = self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal
            )
            return self.dropout(out)

        def feedforward(x: Any) -> Any:
            return self.dropout(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = as_array(src)
        if self.norm_first:
            x = x + attention(self.norm1(x))
            return x + feedforward(self.norm2(x))
        x = self.norm1(x + attention(x))
        return self.norm2(x + feedforward(x))

    def extra_repr(self) -> str:
        return "norm_first=True" if self.norm_first else ""
