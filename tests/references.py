"""How the tests compare with the numbers in tests/reference/, which PyTorch computed."""

from functools import cache
from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor

REFERENCE = Path(__file__).parent / "reference"


@cache
def stored(name):
    """What a file holds, by row: {"case/what": x, ...} becomes {case: {what: x, ...}, ...}."""
    rows = {}
    with np.load(REFERENCE / f"{name}.npz") as arrays:
        for key, x in arrays.items():
            case, _, what = key.rpartition("/")
            rows.setdefault(case, {})[what] = x
    return rows


def group(row, what):
    """The arrays of a row named what0, what1, ..."""
    return [x for key, x in row.items() if key.startswith(what)]


def weights(x, start=0):
    """The weights of make_reference.py."""
    return np.cos(np.arange(start, start + x.size, dtype=x.dtype)).reshape(x.shape)


def gradients(out, inputs):
    """d out / d input as nodes that can be differentiated again."""
    for x in inputs:
        x.grad = None
    if out.requires_grad:
        out.backward(create_graph=True)
    return [type(x)(np.nan_to_num(x.data) * 0) if x.grad is None else x.grad for x in inputs]


def check(row, f):
    """f has the value and the derivatives of a row. Where PyTorch answers nan, any is right."""
    arrays = group(row, "input")
    inputs = [Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x for x in arrays]
    tracked = [x for x in inputs if isinstance(x, Tensor)]
    out = f(*inputs)
    first = gradients((weights(out) * out).sum(), tracked)
    slope = sum((weights(g, start) * g).sum() for start, g in enumerate(first, start=1))
    second = gradients(slope, tracked)
    expected = [row["value"], *group(row, "first"), *group(row, "second")]
    for ours, theirs in zip([out, *first, *second], expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert_close(np.where(np.isnan(theirs), theirs, ours.data), theirs)


def assert_close(ours, theirs):
    rtol = 1e-10 if theirs.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(ours, theirs, rtol, atol=rtol)


def check_module(row, module, f=None):
    """A module has the output and the gradients of a row, in inputs and parameters.

    Its parameters and buffers are set from the row first; buffers are compared after the pass.
    `f(module, *inputs)` is the pass, where it is not `module(*inputs)`.
    """
    entries = {
        start: {key.removeprefix(f"{start} "): x for key, x in row.items() if key.startswith(start)}
        for start in ("state", "gradient", "buffer")
    }
    module.load_state_dict(entries["state"])
    inputs = [
        Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x for x in group(row, "input")
    ]
    out = module(*inputs) if f is None else f(module, *inputs)
    (weights(out) * out).sum().backward()
    assert out.dtype == row["value"].dtype
    assert_close(out.data, row["value"])
    tracked = [x for x in inputs if isinstance(x, Tensor)]
    for x, theirs in zip(tracked, group(row, "first"), strict=True):
        assert_close(x.grad, theirs)
    parameters = dict(module.named_parameters())
    assert parameters.keys() == entries["gradient"].keys()
    for name, p in parameters.items():
        assert_close(p.grad, entries["gradient"][name])
    for name, x in module.named_buffers():
        assert_close(x, entries["buffer"][name])
