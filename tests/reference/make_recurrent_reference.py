"""What PyTorch's recurrent layers and cells answer: the numbers of tests/test_recurrent.py.

    python tests/reference/make_recurrent_reference.py

writes recurrent.npz beside this file. A row holds the name of its class and its options, too.
"""

import json

import numpy as np
import torch
from make_reference import module_numbers, save_rows

rng = np.random.default_rng(4)
T, N, IN, H = 4, 2, 3, 2
CELLS = ["RNNCell", "GRUCell", "LSTMCell"]
LAYERS = ["RNN", "GRU", "LSTM"]


def normal(*shape):
    return rng.standard_normal(shape)


def flat(result):
    """The output and the last states as one vector."""
    if torch.is_tensor(result):
        return result.reshape(-1)
    return torch.cat([flat(x) for x in result])


def run(module, x, *state):
    hx = state if len(state) > 1 else state[0] if state else None
    return flat(module(x, hx))


def rename(name, x):
    """weight_ih_l1_reverse is cells.1.1.weight_ih here, and weights are transposed."""
    what, _, place = name.partition("_l")
    if place:
        layer, _, reverse = place.partition("_")
        what = f"cells.{layer}.{1 if reverse else 0}.{what}"
    return what, x.mT if x.ndim == 2 else x


def row(kind, x, *states, **options):
    options = {"input_size": IN, "hidden_size": H, **options}
    numbers = module_numbers(getattr(torch.nn, kind)(**options), x, *states, f=run, rename=rename)
    return numbers | {"class": np.array(kind), "options": np.array(json.dumps(options))}


def states(kind, *shape):
    return [normal(*shape) for _ in range(2 if "LSTM" in kind else 1)]


torch.manual_seed(0)
ROWS = {}
for kind in CELLS:
    ROWS[kind] = row(kind, normal(N, IN), *states(kind, N, H))
    ROWS[f"{kind}, unbatched"] = row(kind, normal(IN), *states(kind, H))
    ROWS[f"{kind}, from 0, no bias"] = row(kind, normal(N, IN), bias=False)
for kind in LAYERS:
    ROWS[f"{kind}, no bias"] = row(kind, normal(T, N, IN), bias=False)
    ROWS[f"{kind}, one step"] = row(kind, normal(1, N, IN), *states(kind, 1, N, H))
    ROWS[f"{kind}, bidirectional"] = row(kind, normal(T, N, IN), bidirectional=True)
    ROWS[f"{kind}, two layers, batch first"] = row(
        kind, normal(N, T, IN), *states(kind, 2, N, H), num_layers=2, batch_first=True
    )
    ROWS[f"{kind}, deep, unbatched"] = row(
        kind,
        normal(T, IN),
        *states(kind, 4, H),
        num_layers=2,
        bidirectional=True,
        batch_first=True,
    )
ROWS["RNNCell, relu"] = row("RNNCell", normal(N, IN), *states("RNN", N, H), nonlinearity="relu")
ROWS["RNN, relu"] = row("RNN", normal(T, N, IN), nonlinearity="relu")

if __name__ == "__main__":
    save_rows("recurrent", ROWS)
