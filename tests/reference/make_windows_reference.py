"""What PyTorch answers for windows of every kind: the numbers of tests/test_windows.py.

    pip install torch==2.13.0
    python tests/reference/make_windows_reference.py

writes windows.npz beside this file: convolutions, their transposes, pooling, unfold and fold, with
settings drawn at random. A row's name is the function and, in JSON, its settings.
"""

import json

import numpy as np
from make_reference import derivatives, save_rows
from torch.nn import functional

rng = np.random.default_rng(4)
ROWS = 8  # of each function


def drawn(low, high, n):
    """A whole number from low to high for each of n axes."""
    return [int(k) for k in rng.integers(low, high + 1, n)]


def normal(*shape):
    return rng.standard_normal(shape)


def convolution(n):
    kernel, stride, dilation = drawn(1, 3, n), drawn(1, 3, n), drawn(1, 3, n)
    padding, groups = drawn(0, 2, n), int(rng.integers(1, 3))
    size = [d * (k - 1) + 1 + extra for k, d, extra in zip(kernel, dilation, drawn(0, 3, n))]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    inputs = normal(2, 2, *size), normal(2, 2 // groups, *kernel), normal(2)
    return getattr(functional, f"conv{n}d"), options, inputs


def transposed():
    kernel, stride, dilation = drawn(1, 3, 2), drawn(1, 3, 2), drawn(1, 3, 2)
    # Less than the larger of the two, in PyTorch and here.
    more = [int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation)]
    size, groups = drawn(1, 3, 2), int(rng.integers(1, 3))
    length = [(m - 1) * s + d * (k - 1) + 1 for m, s, d, k in zip(size, stride, dilation, kernel)]
    padding = [int(rng.integers(0, min(3, (m + 1) // 2))) for m in length]
    options = {"stride": stride, "padding": padding, "output_padding": more}
    options |= {"groups": groups, "dilation": dilation}
    inputs = normal(2, 2, *size), normal(2, 2 // groups, *kernel), normal(2)
    return functional.conv_transpose2d, options, inputs


def pooling(kind, n):
    kernel, stride = drawn(1, 3, n), drawn(1, 3, n)
    dilation = drawn(1, 3, n) if kind == "max" else [1] * n
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    padding = [int(rng.integers(0, k // 2 + 1)) for k in kernel]
    size = [m + extra for m, extra in zip(span, drawn(0, 3, n))]
    options = {"kernel_size": kernel, "stride": stride, "padding": padding}
    options["ceil_mode"] = bool(rng.integers(2))
    if kind == "max":
        options["dilation"] = dilation
    else:
        options["count_include_pad"] = bool(rng.integers(2))
    return getattr(functional, f"{kind}_pool{n}d"), options, (normal(2, 2, *size),)


def columns(name):
    kernel, stride, dilation = drawn(1, 3, 2), drawn(1, 3, 2), drawn(1, 2, 2)
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    size = [m + extra for m, extra in zip(span, drawn(0, 3, 2))]
    options = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
    if name == "unfold":
        return functional.unfold, options, (normal(2, 2, *size),)
    windows = [(m - reach) // s + 1 for m, reach, s in zip(size, span, stride)]
    x = normal(2, 2 * kernel[0] * kernel[1], windows[0] * windows[1])
    return functional.fold, {"output_size": size} | options, (x,)


DRAWS = {
    "conv1d": lambda: convolution(1),
    "conv2d": lambda: convolution(2),
    "conv_transpose2d": transposed,
    "max_pool1d": lambda: pooling("max", 1),
    "max_pool2d": lambda: pooling("max", 2),
    "avg_pool1d": lambda: pooling("avg", 1),
    "avg_pool2d": lambda: pooling("avg", 2),
    "unfold": lambda: columns("unfold"),
    "fold": lambda: columns("fold"),
}

# An output longer than its last window: the derivative of the transpose must not read beyond.
LONG = {"stride": 1, "padding": 0, "output_padding": 1, "groups": 1, "dilation": 2}


def squared(function, options):
    # Squared, so that what is linear has a second derivative.
    return lambda *inputs: function(*inputs, **options) ** 2


if __name__ == "__main__":
    rows = {}
    for name, draw in DRAWS.items():
        for _ in range(ROWS):
            function, options, inputs = draw()
            case = f"{name} {json.dumps(options)}"
            rows[case] = derivatives(squared(function, options), *inputs)
    function = squared(functional.conv_transpose2d, LONG)
    for size in (1, 4):
        inputs = normal(1, 1, size, size), normal(1, 1, 2, 2)
        rows[f"conv_transpose2d, long {size} {json.dumps(LONG)}"] = derivatives(function, *inputs)
    save_rows("windows", rows)
