"""A training step of the convolutional network of the digits, and single layers."""

import numpy as np
from measure import Limit, Row, compare
from peers import DEZERO, HAND, MYGRAD, OURS, PYTORCH

from subjects import networks

TITLE = "Convolution"
LAYERS = [((64, 16, 8, 8), 32), ((32, 16, 28, 28), 32)]  # x, output channels
LAYER_LIMIT = 3.0


def measure(effort, say):
    rows = [networks.convolution(limits=[Limit(OURS, PYTORCH, 1.15)])]
    rows += [layer(*shapes) for shapes in LAYERS]
    return [compare(row, effort, say) for row in rows]


def layer(shape, channels) -> Row:
    """conv2d, 3 x 3 with a border, the sum of its output, and the gradients of all its inputs."""
    rng = np.random.default_rng(0)
    n, *others = shape
    arrays = {
        "x": rng.standard_normal((*others, n)).astype(np.float32),  # peers move the last axis first
        "weight": rng.standard_normal((channels, shape[1], 3, 3)).astype(np.float32),
        "bias": rng.standard_normal(channels).astype(np.float32),
    }
    name = f"conv2d {' x '.join(map(str, shape))} to {channels}"
    limits = [Limit(OURS, HAND, LAYER_LIMIT)]
    competitors = [HAND, OURS, PYTORCH, MYGRAD, DEZERO]
    return Row(name, "convolution_layer", arrays, competitors, {}, {}, limits, 1e-2)
