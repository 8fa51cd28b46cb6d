"""What PyTorch answers for activations and embeddings, written to activation.npz.

    python tests/reference/make_activation_reference.py

A new row here needs a row of the same name in tests/test_activation.py.
"""

import numpy as np
import torch
from make_reference import derivatives, save_rows
from torch.nn import functional

rng = np.random.default_rng(4)

# Ordinary numbers, every kink there is, and what overflows.
X = np.array([-2.5, -0.7, 0.3, 1.9, 25.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, -1000.0, 1000.0])


def hardsigmoid(x):
    """PyTorch's own has no second derivative, and its 1/6 is that of float32."""
    return functional.relu6(x + 3) / 6


ELEMENTWISE = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "leaky_relu, slope": lambda x: functional.leaky_relu(x, 0.3),
    "elu": functional.elu,
    "elu, alpha": lambda x: functional.elu(x, 0.7),
    "selu": functional.selu,
    "celu": functional.celu,
    "celu, alpha": lambda x: functional.celu(x, 0.5),  # PyTorch rounds 1 / alpha to float32
    "gelu": functional.gelu,
    "gelu, tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "softplus, beta": lambda x: functional.softplus(x, 2.0),
    "softplus, threshold": lambda x: functional.softplus(x, 0.5, 1.1),
    "softsign": functional.softsign,
    "sigmoid": functional.sigmoid,
    "logsigmoid": functional.logsigmoid,
    "tanh": functional.tanh,
    "hardtanh": functional.hardtanh,
    "hardtanh, bounds": lambda x: functional.hardtanh(x, -2.5, 3.0),
    "hardsigmoid": hardsigmoid,
    "hardswish": functional.hardswish,
    "relu6": functional.relu6,
    "erf": torch.erf,
}

ROWS = rng.standard_normal((3, 4))
HUGE = np.array([[1000.0, -1000.0, 0.0, 999.0], [-1000.0, -1000.0, 1.0, 1.0]])
INDEX = np.array([[0, 2, 2], [4, 0, 1]])

TABLE = {case: (f, X) for case, f in ELEMENTWISE.items()} | {
    "prelu": (functional.prelu, X[X != 0], np.array([0.25])),
    "prelu at 0": (functional.prelu, np.zeros(1), np.array([0.25])),
    "prelu, channels": (
        functional.prelu,
        np.array([[-1.0, 0.2, 2.0], [0.5, -1000.0, -0.3]]),
        rng.standard_normal(3),
    ),
    "prelu, images": (
        functional.prelu,
        rng.standard_normal((2, 3, 2, 2)),
        rng.standard_normal(3),
    ),
    "softmax": (lambda x: functional.softmax(x, -1), ROWS),
    "softmax, dim": (lambda x: functional.softmax(x, 0), ROWS),
    "softmax at 1000": (lambda x: functional.softmax(x, -1), HUGE),
    "log_softmax": (lambda x: functional.log_softmax(x, -1), ROWS),
    "log_softmax, dim": (lambda x: functional.log_softmax(x, 0), ROWS),
    "log_softmax at 1000": (lambda x: functional.log_softmax(x, -1), HUGE),
    "softmin": (lambda x: functional.softmin(x, -1), ROWS),
    "softmin, dim": (lambda x: functional.softmin(x, 0), ROWS),
    "softmin at 1000": (lambda x: functional.softmin(x, -1), HUGE),
    "glu": (functional.glu, ROWS),
    "glu, dim": (lambda x: functional.glu(x, 0), ROWS[:2]),
    "glu at 1000": (functional.glu, HUGE),
    "embedding": (
        lambda w: functional.embedding(torch.tensor(INDEX), w) ** 2,
        rng.standard_normal((5, 3)),
    ),
    "embedding, padding": (
        lambda w: functional.embedding(torch.tensor(INDEX), w, padding_idx=-3) ** 2,
        rng.standard_normal((5, 3)),
    ),
}

for case in [*ELEMENTWISE, *(case for case in TABLE if case.endswith("1000"))]:
    f, x = TABLE[case]
    TABLE[f"{case}, float32"] = f, x.astype(np.float32)

if __name__ == "__main__":
    rows = {case: derivatives(f, *inputs) for case, (f, *inputs) in TABLE.items()}
    for case, row in rows.items():
        if case.startswith(("elu", "selu", "celu", "prelu")):
            # At 0 PyTorch has the slope of the left with the curvature of the right. Here both are
            # of the left.
            row["second0"] = row["second0"].masked_fill(row["input0"] == 0, torch.nan)
    rows["prelu at 0"]["second1"] = torch.tensor([torch.nan]).double()
    save_rows("activation", rows)
