"""Attention: each query is compared with all keys, and gets a weighted mean of their values."""

import math
from typing import Any

import numpy as np

from tinygrad_edu import kernels
from tinygrad_edu.functional.activation import dropout
from tinygrad_edu.functional.arguments import arrays
from tinygrad_edu.graph import plain
from tinygrad_edu.precision import in_single


@in_single
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> Any:
    """softmax(Q K^T / sqrt(d) + mask) V, with Q: (..., L, d), K: (..., S, d), V: (..., S, d_v).

    attn_mask  broadcasts to (..., L, S): bools, True where a query may attend to a key, or floats,
               which are added to the scores; a query that may attend to no key gets 0
    dropout_p  probability that a weight is dropped, in every call: pass 0 outside of training
    is_causal  query i may attend to the keys 0 to i only
    scale      1 / sqrt(d) by default
    Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1.
    Raises ValueError for shapes that do not fit, TypeError for a mask of integers.
    """
    query, key, value, attn_mask = arrays(query, key, value, attn_mask)
    expect_rows_that_fit(query.shape, key.shape, value.shape)
    masks = [] if attn_mask is None else [attn_mask]
    if is_causal:
        masks.append(causal_mask(query, key))
    weights = attention_weights(query, key, *masks, scale=scale)
    return dropout(weights, dropout_p, dropout_p > 0, rng) @ value


def attention_weights(query: Any, key: Any, *masks: Any, scale: float | None = None) -> Any:
    """softmax(Q K^T / sqrt(d) + masks): the share of each value for a query, (..., L, S)."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.mT
    visible = None
    for mask in masks:
        check_mask(mask, scores)
        shown = mask
        if mask.dtype.kind == "f":
            shown = plain(mask) != -math.inf
            scores = scores + np.where(shown, mask, 0)
        visible = shown if visible is None else visible & shown
    return kernels.softmax(scores) if visible is None else kernels.masked_softmax(scores, visible)


def causal_mask(query: Any, key: Any) -> Any:
    """(L, S) bools, True where the key does not come after the query: j <= i."""
    return np.tri(query.shape[-2], key.shape[-2], dtype=bool)


def check_mask(mask: Any, scores: Any) -> None:
    if mask.dtype.kind not in "bf":
        raise TypeError(
            "attn_mask takes bools (True: may attend) or floats (added to the scores), not "
            f"{mask.dtype}; write attn_mask.astype(bool)"
        )
    lengths = zip(mask.shape[::-1], scores.shape[::-1], strict=False)
    if mask.ndim > scores.ndim or any(n not in (1, m) for n, m in lengths):
        raise ValueError(
            f"attn_mask of shape {mask.shape} does not broadcast to the scores, (..., L, S) = "
            f"{scores.shape}"
        )


def expect_rows_that_fit(query: Any, key: Any, value: Any) -> None:
    """The shapes of query, key and value are (..., L, d), (..., S, d) and (..., S, d_v)."""
    if (
        min(map(len, (query, key, value))) < 2
        or query[-1] != key[-1]
        or key[-2] != value[-2]
        or 0 in (*query[-2:], *key[-2:])
    ):
        raise ValueError(
            "attention takes query (..., L, d), key (..., S, d) and value (..., S, d_v), none of "
            f"them empty; query has shape {query}, key {key}, value {value}"
        )
