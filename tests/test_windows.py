"""Windows with settings drawn at random: convolution, pooling, unfold and fold against PyTorch.

tests/reference/make_windows_reference.py made the numbers; test_convolution.py has the rest.
"""

import json

import numpy as np
import pytest
from references import check, stored

from tinygrad_edu import kernels
from tinygrad_edu.functional import windows


def unfold(x, kernel_size, stride, dilation):
    """(N, C, H, W) as (N, C kernel, windows): PyTorch's layout of `kernels.unfold`."""
    windows = kernels.unfold(
        np.moveaxis(x, 0, -1), kernel_size=kernel_size, stride=stride, dilation=dilation
    )
    c, i, j, h, w, n = windows.shape
    return np.moveaxis(windows, -1, 0).reshape((n, c * i * j, h * w))


def fold(windows, output_size, kernel_size, stride, dilation):
    n = windows.shape[0]
    output = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(output_size, kernel_size, stride, dilation, strict=True)
    ]
    windows = np.moveaxis(windows.reshape((n, -1, *kernel_size, *output)), 0, -1)
    out = kernels.fold(windows, size=output_size, stride=stride, dilation=dilation)
    return np.moveaxis(out, -1, 0)


FUNCTIONS = {**vars(windows), "unfold": unfold, "fold": fold}


def tuples(options):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}


@pytest.mark.parametrize("case", stored("windows"))
def test_windows_are_pytorchs_to_second_order(case):
    start, _, options = case.partition(" {")
    function, options = FUNCTIONS[start.partition(",")[0]], tuples(json.loads("{" + options))
    check(stored("windows")[case], lambda *inputs: function(*inputs, **options) ** 2)
