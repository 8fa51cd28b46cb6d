"""Attention: against PyTorch's numbers, and as properties of masks."""

import json
import pickle

import numpy as np
import pytest
from references import check, check_module, stored

from tinygrad_edu import Tensor, gradcheck
from tinygrad_edu.functional.attention import scaled_dot_product_attention
from tinygrad_edu.nn import attention
from tinygrad_edu.nn.attention import MultiheadAttention, TransformerEncoderLayer

FUNCTIONS = {
    "attention": scaled_dot_product_attention,
    "attention, bools": scaled_dot_product_attention,
    "attention, floats": scaled_dot_product_attention,
    "attention, causal": lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
    "attention, scale": lambda q, k, v: scaled_dot_product_attention(q, k, v, scale=0.3),
    "attention to nothing": scaled_dot_product_attention,
}
MODULES = [case for case in stored("attention") if case not in FUNCTIONS]
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def flat(result):
    """The output and the weights, if there are any, as one vector."""
    parts = [result] if isinstance(result, Tensor) else [x for x in result if x is not None]
    return np.concatenate([x.reshape(-1) for x in parts])


@pytest.mark.parametrize("case", FUNCTIONS)
def test_pytorch_gives_the_same_numbers_and_derivatives(case):
    check(stored("attention")[case], FUNCTIONS[case])


@pytest.mark.parametrize("case", MODULES)
def test_pytorch_s_module_gives_the_same_numbers(case):
    row = stored("attention")[case]
    about = json.loads(str(row["about"]))
    names, call = about["masks"], about["call"]

    def run(module, *inputs):
        start = len(inputs) - len(names)
        masks = dict(zip(names, inputs[start:], strict=True))
        return flat(module(*inputs[:start], **masks, **call))

    check_module(row, getattr(attention, about["class"])(**about["options"]), run)


def test_every_row_and_class_has_its_twin():
    rows = stored("attention")
    assert FUNCTIONS.keys() <= rows.keys()
    classes = {json.loads(str(rows[case]["about"]))["class"] for case in MODULES}
    assert classes == {"MultiheadAttention", "TransformerEncoderLayer"}


MASK = np.array([[True, False, False], [False, False, False]])


@pytest.mark.parametrize("options", [{}, {"attn_mask": MASK}, {"is_causal": True}])
def test_attention_passes_gradcheck(options):
    gradcheck(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, **options),
        normal(2, 2),
        normal(3, 2),
        normal(3, 1),
    )


def test_a_mask_of_floats_passes_gradcheck():
    gradcheck(scaled_dot_product_attention, *(normal(2, 3, 3) for _ in range(3)), normal(3, 3))


def test_heads_pass_gradcheck():
    heads = MultiheadAttention(2, 2, rng=np.random.default_rng(1))
    gradcheck(
        lambda q, k, v: flat(heads(q, k, v, is_causal=True)),
        normal(2, 1, 2),
        normal(3, 1, 2),
        normal(3, 1, 2),
        parameters=heads,
    )


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_passes_gradcheck(norm_first):
    block = TransformerEncoderLayer(
        4, 2, 3, 0.0, np.tanh, norm_first=norm_first, rng=np.random.default_rng(1)
    )
    gradcheck(lambda x: block(x, is_causal=True), normal(2, 1, 4), parameters=block)


def test_dropout_passes_gradcheck():
    block = TransformerEncoderLayer(2, 1, 3, 0.3, "gelu", rng=np.random.default_rng(1))
    gradcheck(block, normal(2, 2, 2))


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_what_is_causal_does_not_see_what_comes_later(norm_first, batch_first):
    block = TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=batch_first, norm_first=norm_first)
    x = normal(5, 5, 8)
    y = x.copy()
    (y.swapaxes(0, 1) if batch_first else y)[3:] += 1.0
    first, second = block(x, is_causal=True).data, block(y, is_causal=True).data
    if batch_first:
        first, second = first.swapaxes(0, 1), second.swapaxes(0, 1)
    np.testing.assert_array_equal(first[:3], second[:3])
    assert np.all(np.any(first[3:] != second[3:], axis=-1))
    assert np.any(block(x).data[0] != block(y).data[0])


def test_causal_is_the_same_as_its_mask():
    heads, x = MultiheadAttention(4, 2), normal(5, 2, 4)
    explicit = heads(x, x, x, attn_mask=~np.tri(5, dtype=bool))
    np.testing.assert_array_equal(flat(heads(x, x, x, is_causal=True)).data, flat(explicit).data)


@pytest.mark.parametrize("junk", [1e3, -7.0])
def test_padding_is_as_good_as_absence(junk):
    block = TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
    short = normal(2, 3, 8)
    padded = np.concatenate([short, np.full((2, 2, 8), junk)], axis=1)
    padding = np.tile(np.arange(5) >= 3, (2, 1))
    out = block(padded, src_key_padding_mask=padding)
    np.testing.assert_allclose(out.data[:, :3], block(short).data, rtol=1e-12)


def test_masks_of_bools_and_of_minus_infinity_are_the_same():
    heads, x = MultiheadAttention(4, 2), normal(3, 2, 4)
    mask, padding = np.eye(3, dtype=bool), np.array([[False, False, True]] * 2)
    bools = heads(x, x, x, padding, attn_mask=mask)
    floats = heads(x, x, x, np.where(padding, -np.inf, 0.0), attn_mask=np.where(mask, -np.inf, 0.0))
    np.testing.assert_array_equal(flat(bools).data, flat(floats).data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_who_may_look_at_nothing_gets_0_and_sends_no_gradient(dtype):
    q, k, v = (Tensor(normal(2, 3).astype(dtype), requires_grad=True) for _ in range(3))
    out = scaled_dot_product_attention(q, k, v, np.array([[False, False], [True, True]]))
    np.testing.assert_array_equal(out.data[0], 0.0)
    out.sum().backward()
    np.testing.assert_array_equal(q.grad[0], 0.0)
    assert all(np.all(np.isfinite(x.grad)) for x in (q, k, v))
    heads = MultiheadAttention(4, 2)
    heads.out_proj.bias.data += 1.0
    x = normal(2, 1, 4)
    out, weights = heads(x, x, x, np.array([[True, True]]))
    np.testing.assert_array_equal(out.data, 1.0)
    np.testing.assert_array_equal(weights.data, 0.0)


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_large_scores_do_not_overflow(size):
    q = Tensor(np.full((2, 4), size, np.float32), requires_grad=True)
    out = scaled_dot_product_attention(q, q, q)
    out.sum().backward()
    np.testing.assert_array_equal(out.data, size)
    assert np.all(np.isfinite(q.grad))


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf])
def test_what_is_hidden_has_no_influence_whatever_it_is(junk):
    key = np.array([[0.0, 0.0], [junk, junk]])
    query, value = np.ones((2, 2)), np.array([[1.0, 1.0], [5.0, 5.0]])
    mask = np.array([[True, False], [False, False]])
    with np.errstate(invalid="ignore"):
        out = scaled_dot_product_attention(query, key, value, mask)
    np.testing.assert_array_equal(out, [[1, 1], [0, 0]])


def test_nan_in_a_mask_of_floats_is_seen():
    mask = np.array([[0.0, np.nan], [0.0, 0.0]])
    out = scaled_dot_product_attention(np.ones((2, 2)), np.ones((2, 2)), np.eye(2), mask)
    np.testing.assert_array_equal(np.isnan(out), [[True, True], [False, False]])


def test_attention_does_not_know_the_order_of_keys():
    q, k, v = normal(3, 2), normal(4, 2), normal(4, 2)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        scaled_dot_product_attention(q, k[order], v[order]),
        scaled_dot_product_attention(q, k, v),
    )


def test_dropped_weights_are_drawn_from_the_generator_and_in_training_only():
    q, k, v = normal(3, 2), normal(40, 2), np.eye(40)
    plain = scaled_dot_product_attention(q, k, v)
    drawn = [
        scaled_dot_product_attention(q, k, v, dropout_p=0.25, rng=np.random.default_rng(s))
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.any(drawn[0] != drawn[2])
    kept = drawn[0] != 0
    np.testing.assert_allclose(drawn[0][kept], plain[kept] / 0.75)
    assert 0.5 < kept.mean() < 0.95
    heads, x = MultiheadAttention(4, 2, dropout=0.5), normal(6, 2, 4)
    assert np.any(heads(x, x, x)[0].data != heads(x, x, x)[0].data)
    heads.eval()
    np.testing.assert_array_equal(heads(x, x, x)[0].data, heads(x, x, x)[0].data)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_float32_stays_float32(activation):
    block = TransformerEncoderLayer(4, 2, 8, 0.5, activation, dtype=np.float32)
    x = Tensor(normal(3, 2, 4).astype(np.float32), requires_grad=True)
    padding = np.array([[False, False, True]] * 2)
    out = block(x, src_key_padding_mask=padding, is_causal=True)
    out.sum().backward()
    assert {y.dtype for y in (out, x.grad, *(p.grad for p in block.parameters()))} == {
        np.dtype(np.float32)
    }


def test_parameters_start_as_pytorch_s_do():
    heads = MultiheadAttention(64, 4, rng=np.random.default_rng(0))
    for layer, bound in [(heads.q_proj, (6 / 256) ** 0.5), (heads.out_proj, 1 / 8)]:
        assert np.abs(layer.weight.data).max() <= bound
        assert np.var(layer.weight.data) == pytest.approx(bound**2 / 3, rel=0.05)
        assert not np.any(layer.bias.data)
    assert len(MultiheadAttention(4, 2, bias=False).parameters()) == 4


def test_an_activation_with_parameters_is_trained():
    class Slope(attention.Module):
        def __init__(self):
            self.slope = Tensor(0.3, requires_grad=True)

        def __call__(self, x):
            return self.slope * x

    block = TransformerEncoderLayer(4, 2, 8, activation=Slope())
    assert "activation.slope" in dict(block.named_parameters())


SHAPES = [
    ((3, 2), (4, 5), (4, 2)),
    ((3, 2), (4, 2), (5, 2)),
    ((2,), (4, 2), (4, 2)),
    ((3, 2), (0, 2), (0, 2)),
]


@pytest.mark.parametrize("shapes", SHAPES)
def test_rows_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match=r"query \(\.\.\., L, d\)") as error:
        scaled_dot_product_attention(*map(np.ones, shapes))
    assert all(str(shape) in str(error.value) for shape in shapes)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones((3, 4), int), TypeError, r"int64; write attn_mask\.astype\(bool\)"),
        (np.ones((4, 3), bool), ValueError, r"\(4, 3\) does not broadcast .* \(3, 4\)"),
        (np.ones((2, 3, 4), bool), ValueError, r"\(2, 3, 4\) does not broadcast"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask, error, message):
    with pytest.raises(error, match=message):
        scaled_dot_product_attention(np.ones((3, 2)), np.ones((4, 2)), np.ones((4, 2)), mask)


X = np.ones((3, 2, 4))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"attn_mask": np.ones((3, 3), int)}, TypeError, "attn_mask takes bools"),
        ({"attn_mask": np.ones((1, 3), bool)}, ValueError, r"\(3, 3\) or \(4, 3, 3\)"),
        ({"attn_mask": np.ones((2, 3, 3), bool)}, ValueError, r"attn_mask has shape \(2, 3, 3\)"),
        ({"key_padding_mask": np.ones((2, 3), int)}, TypeError, "key_padding_mask takes bools"),
        ({"key_padding_mask": np.ones((3, 2), bool)}, ValueError, r"need \(2, 3\)"),
        ({"query": np.ones((3, 2, 5))}, ValueError, r"query \(L, N, 4\).* \(3, 2, 5\)"),
        ({"query": np.ones((3, 1, 4))}, ValueError, r"query has shape \(3, 1, 4\)"),
        ({"value": np.ones((4, 2, 4))}, ValueError, r"value \(4, 2, 4\)"),
        ({"query": np.ones((3, 4))}, ValueError, r"query has shape \(3, 4\)"),
        ({"query": np.ones((0, 2, 4))}, ValueError, "none of them empty"),
    ],
)
def test_heads_say_what_does_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        MultiheadAttention(4, 2)(**{"query": X, "key": X, "value": X, **options})


@pytest.mark.parametrize(("embed_dim", "num_heads"), [(6, 4), (4, 0), (0, 2)])
def test_heads_share_equally_or_not_at_all(embed_dim, num_heads):
    with pytest.raises(ValueError, match=f"embed_dim {embed_dim} .* num_heads {num_heads}"):
        MultiheadAttention(embed_dim, num_heads)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_out_of_range_is_refused(p):
    for make in (lambda: MultiheadAttention(4, 2, p), lambda: TransformerEncoderLayer(4, 2, 8, p)):
        with pytest.raises(ValueError, match=str(p)):
            make()
    with pytest.raises(ValueError, match=str(p)):
        scaled_dot_product_attention(X, X, X, dropout_p=p)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="'relu', 'gelu' or a function, not 'swish'"):
        TransformerEncoderLayer(4, 2, activation="swish")


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_block_goes_through_pickle(activation):
    block, x = TransformerEncoderLayer(4, 2, 8, 0.0, activation), normal(3, 2, 4)
    twin = pickle.loads(pickle.dumps(block))
    np.testing.assert_array_equal(twin(x).data, block(x).data)
