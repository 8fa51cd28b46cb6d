"""Causal attention, tested by changing the future."""

import numpy as np
from checking import AnswerError, compare

from tinygrad_edu.functional import scaled_dot_product_attention

HINTS = [
    "Entry i, j of the scores is the product of query i and key j, divided by the root of d: a "
    "matrix product with one of the two transposed.",
    "q @ k.T / np.sqrt(q.shape[-1]), and then np.where(visible, scores, -np.inf).",
]

ANSWER = """
import numpy as np


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    visible = np.tril(np.ones(scores.shape, bool))
    scores = np.where(visible, scores, -np.inf)
    return softmax(scores) @ v
"""

MISTAKES = [
    ("np.where(visible, scores, -np.inf)", "scores", "sees the future"),
    ("np.where(visible, scores, -np.inf)", "np.where(visible, scores, 0)", "minus infinity"),
    ("np.where(visible, scores, -np.inf)", "np.where(visible, -np.inf, scores)", "exchanged"),
    (" / np.sqrt(q.shape[-1])", "", "root of d"),
    ("q @ k.T", "k @ q.T", "transposed"),
    ("np.tril(", "np.triu(", "sees the future"),
]


def check(names):
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 5, 4))
    attention = names["attention"]
    with np.errstate(all="ignore"):
        out = attention(q, k, v)
    compare("the shape of the answer", np.shape(out), (5, 4))
    yield "the answer has the shape (positions, d)"
    if np.isnan(out[-1]).any():
        raise AnswerError(
            "The last row is nan: it sees nothing. Are the cases of np.where exchanged?"
        )
    expect_no_future(attention, q, k, v, out)
    yield "no row changes when the future changes"
    right = scaled_dot_product_attention(q, k, v, is_causal=True)
    for scale, product, reason in (
        (1.0, q @ k.T, "The scores are not divided by the root of d."),
        (0.5, k @ q.T, "The scores are transposed: entry i, j belongs to query i and key j."),
    ):
        if np.allclose(out, masked(product * scale, v)):
            raise AnswerError(reason)
    compare("the answer", out, right)
    yield "the numbers are those of the package"


def expect_no_future(attention, q, k, v, out):
    for i in range(4):
        changed_k, changed_v = k.copy(), v.copy()
        changed_k[i + 1 :] += 1.0
        changed_v[i + 1 :] += 1.0
        with np.errstate(all="ignore"):
            now = attention(q, changed_k, changed_v)
        if not np.allclose(now[i], out[i]):
            moved = np.abs(now[i] - out[i]).max()
            raise AnswerError(
                f"Row {i} sees the future: it moved by {moved:.3g} when later rows changed. Is a "
                "hidden score 0? Its share is then not 0, since exp(0) is 1: use minus infinity."
            )


def masked(scores, v):
    powers = np.where(np.tril(np.ones(scores.shape, bool)), np.exp(scores), 0)
    return powers / powers.sum(axis=-1, keepdims=True) @ v
