"""The networks of several subjects: weights, data and what is asked of a step.

Losses are compared at a rate that learns; time is measured at a rate that hardly does, because
thousands of steps on one batch would end in numbers so small that processors get slow.
"""

from itertools import pairwise

import numpy as np
from measure import Row
from peers import NETWORKS, example

from tinygrad_edu import manual_seed

SLOW = 1e-6
SIZES = [  # layers, batch, dtype
    ((2, 16, 16, 2), 100, np.float64),
    ((64, 128, 64, 10), 64, np.float32),
    ((784, 256, 128, 10), 128, np.float32),
    ((784, 1024, 1024, 10), 256, np.float32),
]
CHARACTERS = 60


def perceptron(sizes, batch, dtype, optimizer="SGD", competitors=NETWORKS, limits=()) -> Row:
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.standard_normal((batch, sizes[0])).astype(dtype),
        "y": rng.integers(0, sizes[-1], batch),
    }
    for i, (n, m) in enumerate(pairwise(sizes)):
        bound = n**-0.5
        arrays[f"W{i}"] = rng.uniform(-bound, bound, (n, m)).astype(dtype)
        arrays[f"b{i}"] = rng.uniform(-bound, bound, m).astype(dtype)
    name = f"{'-'.join(map(str, sizes))}, batch {batch}, {np.dtype(dtype)}"
    options, check = (
        {"optimizer": optimizer, "lr": SLOW},
        {"lr": 0.01 if optimizer == "SGD" else 1e-3},
    )
    return Row(name, "perceptron", arrays, list(competitors), options, check, list(limits))


def weights_of(model) -> dict[str, np.ndarray]:
    return {name: np.array(p.data) for name, p in model.named_parameters()}


def convolution(competitors=NETWORKS, limits=()) -> Row:
    manual_seed(0)
    rng = np.random.default_rng(1)
    arrays = weights_of(example("digits_cnn").network()[1:])
    arrays["x"] = rng.standard_normal((64, 1, 8, 8)).astype(np.float32)
    arrays["y"] = rng.integers(0, 10, 64)
    options, check = {"lr": SLOW, "dropout": 0.5}, {"lr": 1e-3, "dropout": 0.0}
    name = "examples/digits_cnn.py, batch 64, AdamW"
    return Row(name, "convolution", arrays, list(competitors), options, check, list(limits), 1e-4)


def transformer(competitors=NETWORKS, limits=()) -> Row:
    manual_seed(0)
    char_gpt = example("char_gpt")
    arrays = weights_of(char_gpt.Writer(CHARACTERS))
    text = np.random.default_rng(1).integers(0, CHARACTERS, (char_gpt.BATCH, char_gpt.LENGTH + 1))
    arrays["x"], arrays["y"] = text[:, :-1].copy(), text[:, 1:].copy()
    options, check = {"lr": SLOW, "heads": char_gpt.HEADS}, {"lr": 1e-3}
    name = f"examples/char_gpt.py, batch {char_gpt.BATCH}, AdamW"
    return Row(name, "transformer", arrays, list(competitors), options, check, list(limits), 1e-4)


def recurrent(competitors=NETWORKS, limits=()) -> Row:
    steps, batch, inputs, hidden = 64, 16, 64, 128
    rng = np.random.default_rng(0)
    bound = hidden**-0.5

    def uniform(*shape):
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    arrays = {
        "x": rng.standard_normal((steps, batch, inputs)).astype(np.float32),
        "y": uniform(steps, batch, hidden),
        "weight_ih": uniform(inputs, 4 * hidden),
        "weight_hh": uniform(hidden, 4 * hidden),
        "bias_ih": uniform(4 * hidden),
        "bias_hh": uniform(4 * hidden),
    }
    name = f"LSTM, {inputs} to {hidden}, {steps} steps, batch {batch}, SGD"
    options, check = {"lr": SLOW}, {"lr": 1.0}
    return Row(name, "recurrent", arrays, list(competitors), options, check, list(limits))
