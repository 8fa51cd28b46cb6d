"""What PyTorch's attention answers: the numbers of tests/test_attention.py.

    python tests/reference/make_attention_reference.py

writes attention.npz beside this file. A row of a module holds the name of its class, its options,
those of the call, and which masks follow the query, key and value.
"""

import json

import numpy as np
import torch
from make_reference import derivatives, module_numbers, save_rows
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

rng = np.random.default_rng(5)
L, S, N, E = 3, 4, 2, 4
BOOLS = np.array([[1, 0, 1, 0], [0, 1, 1, 1], [0, 0, 1, 0]], dtype=bool)
PADDING = np.array([[0, 0, 0, 1], [0, 1, 0, 1]], dtype=bool)


def normal(*shape):
    return rng.standard_normal(shape)


def sequences(*batch):
    return normal(*batch, L, 2), normal(*batch, S, 2), normal(*batch, S, 3)


FUNCTIONS = {
    "attention": (scaled_dot_product_attention, *sequences()),
    "attention, bools": (scaled_dot_product_attention, *sequences(2), BOOLS),
    "attention, floats": (scaled_dot_product_attention, *sequences(2), normal(2, L, S)),
    "attention, causal": (
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
        *sequences(2, 2),
    ),
    "attention, scale": (
        lambda q, k, v: scaled_dot_product_attention(q, k, v, scale=0.3),
        *sequences(),
    ),
    "attention to nothing": (
        scaled_dot_product_attention,
        *sequences(),
        BOOLS & np.array([[True], [False], [True]]),
    ),
}


def rows_of_one(numbers):
    """PyTorch's in_proj is q_proj, k_proj and v_proj in one."""
    split = {}
    for name, x in numbers.items():
        if "in_proj_" not in name:
            split[name] = x
            continue
        parts = x.chunk(3, dim=-1)
        split |= {
            name.replace("in_", f"{q}_").replace("proj_", "proj."): part
            for q, part in zip("qkv", parts, strict=True)
        }
    return split


def transposed(name, x):
    return name, x.mT if x.ndim == 2 else x


def row(kind, *arrays, masks=(), call=None, **options):
    """`arrays` are the inputs, the masks last."""
    call = call or {}
    start = len(arrays) - len(masks)

    def run(module, *inputs):
        result = module(*inputs[:start], **dict(zip(masks, inputs[start:], strict=True)), **call)
        parts = [result] if torch.is_tensor(result) else [x for x in result if x is not None]
        return torch.cat([x.reshape(-1) for x in parts])

    module = getattr(torch.nn, kind)(**options)
    with torch.no_grad():
        for p in module.parameters():  # biases and norms start from numbers that hide mistakes
            p += 0.3 * torch.cos(torch.arange(p.numel())).reshape(p.shape)
    about = {"class": kind, "options": options, "call": call, "masks": masks}
    numbers = module_numbers(module, *arrays, f=run, rename=transposed)
    return rows_of_one(numbers) | {"about": np.array(json.dumps(about))}


def attention(*arrays, batch_first=True, **options):
    arrays = (normal(N, L, E), normal(N, S, E), normal(N, S, E), *arrays)
    if not batch_first:
        arrays = (*(x.swapaxes(0, 1) for x in arrays[:3]), *arrays[3:])
    return row(
        "MultiheadAttention",
        *arrays,
        embed_dim=E,
        num_heads=2,
        batch_first=batch_first,
        **options,
    )


def block(*arrays, batch_first=True, **options):
    x = normal(N, S, E) if batch_first else normal(S, N, E)
    return row(
        "TransformerEncoderLayer",
        x,
        *arrays,
        d_model=E,
        nhead=2,
        dim_feedforward=5,
        dropout=0.0,
        batch_first=batch_first,
        **options,
    )


torch.manual_seed(0)
CAUSAL = ~np.tri(S, dtype=bool)
MODULES = {
    "heads": attention(batch_first=False),
    "heads, batch first": attention(),
    "heads, no bias": attention(bias=False),
    "heads, no weights": attention(call={"need_weights": False}),
    "heads, weights of each": attention(call={"average_attn_weights": False}),
    "heads, unbatched": row(
        "MultiheadAttention",
        normal(L, E),
        normal(S, E),
        normal(S, E),
        PADDING[0],
        masks=["key_padding_mask"],
        embed_dim=E,
        num_heads=2,
    ),
    "heads, mask": attention(~BOOLS, masks=["attn_mask"]),
    "heads, mask of floats": attention(normal(L, S), masks=["attn_mask"]),
    "heads, mask of each head": attention(normal(N * 2, L, S), masks=["attn_mask"]),
    "heads, padding": attention(PADDING, masks=["key_padding_mask"], batch_first=False),
    "heads, padding of floats": attention(normal(N, S), masks=["key_padding_mask"]),
    "heads, mask and padding": attention(
        np.eye(L, S, dtype=bool), PADDING, masks=["attn_mask", "key_padding_mask"]
    ),
    "block": block(batch_first=False),
    "block, norm first": block(norm_first=True),
    "block, gelu": block(activation="gelu"),
    "block, norm first, gelu, eps, masks": block(
        CAUSAL,
        PADDING,
        masks=["src_mask", "src_key_padding_mask"],
        activation="gelu",
        norm_first=True,
        layer_norm_eps=0.1,
    ),
}

if __name__ == "__main__":
    with sdpa_kernel(SDPBackend.MATH):
        functions = {case: derivatives(f, *inputs) for case, (f, *inputs) in FUNCTIONS.items()}
    save_rows("attention", functions | MODULES)
