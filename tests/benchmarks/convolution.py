"""What does a convolution cost on top of the NumPy that somebody would write by hand?

Forward and backward pass of one layer and a sum, with the gradients of all that goes in: conv2d
with kernel 3 x 3 and padding 1, then max_pool2d over 2 x 2. `convolution_by_hand` is im2col: the
windows copied into the columns of one matrix, in the order of memory that is fastest here, and
their gradients added back slice by slice. Both must agree; then rounds of the two alternate in one
process: a ratio is the median over rounds of package / by hand, printed with its quartiles.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/convolution.py [--check]
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from training_step import alternately

from tinygrad_edu import Tensor
from tinygrad_edu.functional.windows import conv2d, max_pool2d

SHAPES = [  # x, output channels
    ((64, 1, 8, 8), 16),
    ((64, 16, 8, 8), 32),
    ((32, 16, 28, 28), 32),
    ((8, 64, 14, 14), 64),
]
LIMITS = {"conv2d": 3.0, "max_pool2d": 4.5}


def convolution_by_hand(x, weight, bias):
    """sum(y) and the gradients of x, weight and bias; inside, the batch is the last axis."""
    x = np.moveaxis(x, 0, -1)
    channels, height, width, batch = x.shape
    image = np.zeros((channels, height + 2, width + 2, batch), x.dtype)
    image[:, 1:-1, 1:-1] = x
    windows = np.empty((channels, 3, 3, height, width, batch), x.dtype)
    for i, j in np.ndindex(3, 3):
        windows[:, i, j] = image[:, i : i + height, j : j + width]
    columns, rows = windows.reshape(channels * 9, -1), weight.reshape(len(weight), -1)
    y = rows @ columns
    y += bias[:, None]

    g = np.ones_like(y)
    windows = (rows.T @ g).reshape(channels, 3, 3, height, width, batch)
    image_grad = np.zeros_like(image)
    for i, j in np.ndindex(3, 3):
        image_grad[:, i : i + height, j : j + width] += windows[:, i, j]
    return (
        y.sum(),
        np.moveaxis(image_grad[:, 1:-1, 1:-1], -1, 0),
        (g @ columns.T).reshape(weight.shape),
        g.sum(axis=1),
    )


def pooling_by_hand(x):
    """sum(y) and the gradient of x, which all share that are the maximum."""
    parts = [x[..., i::2, j::2] for i, j in np.ndindex(2, 2)]
    y = np.maximum(np.maximum(parts[0], parts[1]), np.maximum(parts[2], parts[3]))
    ties = [part == y for part in parts]
    share = 1 / sum(tie.astype(y.dtype) for tie in ties)
    x_grad = np.empty_like(x)
    for (i, j), tie in zip(np.ndindex(2, 2), ties, strict=True):
        np.multiply(tie, share, out=x_grad[..., i::2, j::2])
    return y.sum(), x_grad


def by_package(function: Callable, *arrays):
    inputs = [Tensor(x, requires_grad=True) for x in arrays]
    inputs[0].data = arrays[0]  # not a copy: in the memory in which another layer leaves it

    def step():
        for x in inputs:
            x.grad = None
        total = function(*inputs).sum()
        total.backward()
        return total.item(), *(x.grad for x in inputs)

    return step


def compare(name: str, hand: Callable, function: Callable, *arrays) -> bool:
    steps = [lambda: hand(*arrays), by_package(function, *arrays)]
    for expected, ours in zip(*(step() for step in steps), strict=True):
        if not np.allclose(expected, ours, rtol=1e-3, atol=1e-1):
            sys.exit(f"{name}: by hand and here differ by {abs(expected - ours).max()}")
    times = alternately(steps)
    hand_time, our_time = np.median(times, axis=0) * 1e6
    limit = LIMITS[name.split()[0]]
    low, ratio, high = np.percentile(times[:, 1] / times[:, 0], (25, 50, 75))
    print(
        f"{name:32}{hand_time:9.1f}{our_time:9.1f}{ratio:8.2f}  {low:.2f}..{high:.2f}{limit:8.2f}"
    )
    return bool(ratio <= limit)


def normal(rng, batch, *shape):
    """Images whose memory has the batch last, as a convolution leaves it."""
    return np.moveaxis(rng.standard_normal((*shape, batch)).astype(np.float32), -1, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a limit is exceeded")
    check = parser.parse_args().check
    met = []
    np.empty(
        30_000_000, np.uint8
    )  # once freed, the C library keeps what is freed for the next step
    print("layer                             hand µs  ours µs   ratio  quartiles   limit")
    for shape, out_channels in SHAPES:
        channels = shape[1]
        rng = np.random.default_rng(0)
        x = normal(rng, *shape)
        weight = rng.standard_normal((out_channels, channels, 3, 3)).astype(np.float32)
        bias = rng.standard_normal(out_channels).astype(np.float32)
        met += [
            compare(
                f"conv2d {shape} to {out_channels}",
                convolution_by_hand,
                lambda *inputs: conv2d(*inputs, padding=1),
                *(x, weight, bias),
            ),
            compare(f"max_pool2d {shape}", pooling_by_hand, lambda x: max_pool2d(x, 2), x),
        ]
    if check and not all(met):
        sys.exit(1)


if __name__ == "__main__":
    main()
