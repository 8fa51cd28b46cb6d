"""Causal attention, tested by changing the future."""

import numpy as np
from checking import AnswerError, as_numbers, compare

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
    ("np.sqrt(q.shape[-1])", "q.shape[-1]", "not by its root"),
    ("np.sqrt(q.shape[-1])", "np.sqrt(len(q))", "d is 4"),
    ("q @ k.T", "k @ q.T", "transposed"),
    ("q @ k.T", "q @ v.T", "queries and keys"),
    ("-np.inf", "-20.0", "minus infinity"),
    ("np.ones(scores.shape, bool)", "np.ones(scores.shape, bool), -1", "Row 0 is nan"),
    ("    return softmax(scores) @ v", "    softmax(scores) @ v", "is None"),
    ("    return softmax(scores) @ v", "    return softmax(scores)", "has the shape (5, 5)"),
    ("    return softmax(scores) @ v", "    return 'x'", "its type is str"),
    ("np.tril(", "np.triu(", "sees the future"),
]


def check(names):
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 5, 4))
    attention = answer_of(names.function("attention"))
    out = attention(q, k, v)
    yield "the answer has the shape (positions, d)"
    if np.isnan(out).any():
        row = int(np.isnan(out).any(axis=1).nonzero()[0][-1])
        raise AnswerError(
            f"Row {row} is nan. A row that sees nothing has no shares. Are the cases of np.where "
            "exchanged? Each position sees itself, and a hidden score is minus infinity."
        )
    expect_no_future(attention, q, k, v, out)
    yield "no row changes when the future changes"
    right = scaled_dot_product_attention(q, k, v, is_causal=True)
    for scale, product, reason in (
        (1.0, q @ k.T, "The scores are not divided by the root of d."),
        (0.25, q @ k.T, "The scores are divided by d, and not by its root."),
        (
            5**-0.5,
            q @ k.T,
            "The scores are divided by the root of the number of positions, 5. d is 4.",
        ),
        (0.5, k @ q.T, "The scores are transposed: entry i, j belongs to query i and key j."),
    ):
        if np.allclose(out, masked(product * scale, v)):
            raise AnswerError(reason)
    worst = int(np.abs(out - right).max(axis=1).argmax())
    because = "Are the scores products of queries and keys, and is a hidden score minus infinity?"
    compare(f"row {worst} of the answer", out[worst], right[worst], because=because)
    yield "the numbers are those of the package"


def answer_of(function):
    """The function, on copies of its inputs and with the shape of its answer checked."""

    def attention(q, k, v):
        with np.errstate(all="ignore"):
            out = as_numbers("the answer", function(q.copy(), k.copy(), v.copy()))
        if out.shape != v.shape:
            raise AnswerError(
                f"The answer has the shape {out.shape}, and it should have that of v, {v.shape}: a "
                "row for each position."
            )
        return out

    return attention


def expect_no_future(attention, q, k, v, out):
    for i in range(4):
        changed_k, changed_v = k.copy(), v.copy()
        changed_k[i + 1 :] += 1.0
        changed_v[i + 1 :] += 1.0
        now = attention(q, changed_k, changed_v)
        if not np.allclose(now[i], out[i], rtol=1e-12, atol=1e-12):
            moved = np.abs(now[i] - out[i]).max()
            raise AnswerError(
                f"Row {i} sees the future: it moved by {moved:.3g} when later rows changed. Is a "
                "hidden score 0? Its share is then not 0, since exp(0) is 1: use minus infinity."
            )


def masked(scores, v):
    powers = np.where(np.tril(np.ones(scores.shape, bool)), np.exp(scores), 0)
    return powers / powers.sum(axis=-1, keepdims=True) @ v
