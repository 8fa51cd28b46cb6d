"""What PyTorch answers: the numbers that tests/test_convolution.py compares with.

    pip install torch
    python tests/reference/make_convolution_reference.py

writes convolution.npz beside this file. A new row here needs a row of the same name there.
"""

import numpy as np
import torch
from make_reference import derivatives, module_numbers, save_rows
from torch import nn
from torch.nn import functional

rng = np.random.default_rng(2)
torch.manual_seed(2)


def normal(*shape):
    return rng.standard_normal(shape)


def called(function, **options):
    return lambda *inputs: function(*inputs, **options)


IMAGE, SIGNAL = normal(2, 2, 4, 5), normal(2, 2, 7)

FUNCTIONS = {
    "conv1d": (functional.conv1d, SIGNAL, normal(3, 2, 3), normal(3)),
    "conv1d, all": (
        called(functional.conv1d, stride=2, padding=3, dilation=2, groups=2),
        *(SIGNAL, normal(4, 1, 3), normal(4)),
    ),
    "conv1d, same": (called(functional.conv1d, padding="same"), SIGNAL, normal(2, 2, 4)),
    "conv1d, no batch": (functional.conv1d, SIGNAL[0], normal(3, 2, 2), normal(3)),
    "conv2d": (functional.conv2d, IMAGE, normal(3, 2, 3, 2), normal(3)),
    "conv2d, no bias": (functional.conv2d, IMAGE, normal(3, 2, 3, 3)),
    "conv2d, no batch": (
        called(functional.conv2d, padding=1),
        *(IMAGE[0], normal(3, 2, 3, 3), normal(3)),
    ),
    "conv2d, stride": (
        called(functional.conv2d, stride=(2, 3)),
        *(IMAGE, normal(2, 2, 2, 2), normal(2)),
    ),
    "conv2d, padding": (
        called(functional.conv2d, padding=(2, 1)),
        *(IMAGE, normal(2, 2, 3, 3), normal(2)),
    ),
    "conv2d, dilation": (
        called(functional.conv2d, dilation=(2, 3)),
        *(IMAGE, normal(2, 2, 2, 2), normal(2)),
    ),
    "conv2d, groups": (
        called(functional.conv2d, groups=2),
        *(IMAGE, normal(4, 1, 3, 3), normal(4)),
    ),
    "conv2d, one channel each": (
        called(functional.conv2d, groups=2, padding=1),
        *(IMAGE, normal(2, 1, 3, 3), normal(2)),
    ),
    "conv2d, all": (
        called(functional.conv2d, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        *(IMAGE, normal(4, 1, 3, 3), normal(4)),
    ),
    "conv2d, same": (
        called(functional.conv2d, padding="same", dilation=(1, 2)),
        *(IMAGE, normal(2, 2, 3, 2), normal(2)),
    ),
    "conv2d, valid": (
        called(functional.conv2d, padding="valid"),
        *(IMAGE, normal(2, 2, 1, 1), normal(2)),
    ),
    "conv_transpose2d": (functional.conv_transpose2d, IMAGE, normal(2, 3, 3, 2), normal(3)),
    "conv_transpose2d, no batch": (
        called(functional.conv_transpose2d, stride=2),
        *(IMAGE[0], normal(2, 3, 2, 2)),
    ),
    "conv_transpose2d, output_padding": (
        called(functional.conv_transpose2d, stride=(3, 2), output_padding=(2, 1)),
        *(IMAGE, normal(2, 2, 2, 3), normal(2)),
    ),
    "conv_transpose2d, all": (
        called(
            functional.conv_transpose2d,
            stride=2,
            padding=(1, 2),
            output_padding=(1, 0),
            groups=2,
            dilation=(2, 1),
        ),
        *(IMAGE, normal(2, 2, 3, 3), normal(4)),
    ),
    "max_pool1d": (called(functional.max_pool1d, kernel_size=2), SIGNAL),
    "max_pool1d, all": (
        called(functional.max_pool1d, kernel_size=3, stride=2, padding=1, dilation=2),
        SIGNAL,
    ),
    "max_pool2d": (called(functional.max_pool2d, kernel_size=2), IMAGE),
    "max_pool2d, no batch": (called(functional.max_pool2d, kernel_size=(3, 2)), IMAGE[0]),
    "max_pool2d, overlap": (called(functional.max_pool2d, kernel_size=3, stride=1), IMAGE),
    "max_pool2d, padding of negatives": (
        called(functional.max_pool2d, kernel_size=3, stride=2, padding=1),
        -abs(IMAGE),
    ),
    "max_pool2d, all": (
        called(
            functional.max_pool2d,
            kernel_size=(2, 3),
            stride=(1, 2),
            padding=1,
            dilation=(2, 1),
            ceil_mode=True,
        ),
        IMAGE,
    ),
    "max_pool2d, ceil_mode": (called(functional.max_pool2d, kernel_size=2, ceil_mode=True), IMAGE),
    "avg_pool1d": (called(functional.avg_pool1d, kernel_size=3, stride=2, padding=1), SIGNAL),
    "avg_pool2d": (called(functional.avg_pool2d, kernel_size=2), IMAGE),
    "avg_pool2d, no batch": (
        called(functional.avg_pool2d, kernel_size=2, stride=1, count_include_pad=False, padding=1),
        IMAGE[0],
    ),
    "avg_pool2d, padding": (
        called(functional.avg_pool2d, kernel_size=3, stride=(2, 1), padding=(1, 0)),
        IMAGE,
    ),
    "avg_pool2d, ceil_mode": (
        called(functional.avg_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True),
        normal(1, 2, 6, 5),
    ),
    "avg_pool2d, all": (
        called(
            functional.avg_pool2d,
            kernel_size=3,
            stride=2,
            padding=1,
            ceil_mode=True,
            count_include_pad=False,
        ),
        normal(1, 2, 6, 5),
    ),
    "adaptive_avg_pool2d": (called(functional.adaptive_avg_pool2d, output_size=(2, 4)), IMAGE),
    "adaptive_avg_pool2d, one": (called(functional.adaptive_avg_pool2d, output_size=1), IMAGE),
    "adaptive_avg_pool2d, None": (
        called(functional.adaptive_avg_pool2d, output_size=(None, 7)),
        IMAGE[0],
    ),
    "pad": (lambda x: functional.pad(x, (1, 0, 2, 3), value=1.5) ** 2, IMAGE[0]),
    **{
        f"pad, {mode}": (lambda x, mode=mode: functional.pad(x, (1, 0, 3, 2), mode) ** 2, IMAGE[0])
        for mode in ("reflect", "replicate", "circular")
    },
}

MODULES = {
    "Conv1d": (nn.Conv1d(2, 3, 3, 2, 1), SIGNAL),
    "Conv2d": (nn.Conv2d(2, 4, (3, 2), stride=2, padding=1, dilation=2, groups=2), IMAGE),
    "Conv2d, no bias": (nn.Conv2d(2, 3, 3, padding="same", bias=False), IMAGE[0]),
    "ConvTranspose2d": (nn.ConvTranspose2d(2, 2, 3, 2, 1, 1, 2, True, 2), IMAGE),
    "MaxPool1d": (nn.MaxPool1d(3, 2, 1), SIGNAL),
    "MaxPool2d": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), IMAGE),
    "AvgPool1d": (nn.AvgPool1d(3, 2, 1, True, False), SIGNAL),
    "AvgPool2d": (nn.AvgPool2d(3, 2, 1, True, False), IMAGE),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((3, 2)), IMAGE),
}

if __name__ == "__main__":
    rows = {case: derivatives(f, *inputs) for case, (f, *inputs) in FUNCTIONS.items()}
    rows |= {case: module_numbers(module, *inputs) for case, (module, *inputs) in MODULES.items()}
    save_rows("convolution", rows)
