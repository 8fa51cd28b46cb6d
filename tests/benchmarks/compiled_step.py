"""What does a compiled training step cost, by hand, eager, and in PyTorch's eager mode?

A step is forward pass, loss, backward pass and update. Four tables:

- perceptrons with gradient descent, beside the NumPy that somebody would write by hand (see
  training_step.py): a program of NumPy, and loops where numba is installed;
- perceptrons with Adam, and the convolutional network, the transformer and the LSTM of the
  examples with their optimizers: compiled / eager, and compiled / PyTorch where torch is installed;
- single floats: the network of two moons of scalar_moons.py, where the program of one row runs for
  each of 100 points, beside micrograd's design in plain Python;
- a call: what it takes beyond the program itself.

Losses must agree over the first steps; PyTorch gets networks of the same shapes with weights of its
own. Then rounds of all alternate in one process, on one thread; a ratio is the median over rounds,
with its quartiles.

    pip install torch numba
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/compiled_step.py [--check]
"""

import argparse
import inspect
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
from scalar_moons import LEARNING_RATE as MOONS_RATE
from scalar_moons import SIZES, ClosureNetwork, baseline_step, hinge_of
from sklearn.datasets import make_moons
from training_step import LEARNING_RATE, alternately, by_hand, perceptron

from tinygrad_edu import compile, losses, manual_seed, nn, optim

sys.path.append(str(Path(__file__).parents[2] / "examples"))
NETWORKS = [  # layers, batch, dtype, at most this many times the step by hand
    ((2, 16, 16, 2), 100, np.float64, {"numpy": 0.95, "numba": 0.20}),
    ((64, 128, 64, 10), 64, np.float32, {"numpy": 0.92, "numba": 0.57}),
    ((784, 256, 128, 10), 128, np.float32, {"numpy": 0.92, "numba": 0.97}),
    ((784, 1024, 1024, 10), 256, np.float32, {"numpy": 0.97, "numba": 0.97}),
]
MICROGRAD = {"numpy": 50.0, "numba": 500.0}  # times as fast
CALL = 5.0  # µs
SMALL = 1e-6  # a rate at which thousands of steps learn nothing: else numbers get too small
CHARACTERS = 60

Step = Callable[[], object]


def backends() -> list[str]:
    """Those that there are."""
    numba = find_spec("numba") and "backend" in inspect.signature(compile).parameters
    return ["numpy", *["numba"] * bool(numba)]


def compiled(f, optimizer, backend="numpy", **options):
    chosen = {"backend": backend} if backend != "numpy" else {}
    return compile(f, optimizer, **chosen, **options)


def quartiles(times, i, j) -> tuple[float, str]:
    """The median of times i / j, and it with its quartiles in words."""
    low, ratio, high = np.percentile(times[:, i] / times[:, j], (25, 50, 75))
    return ratio, f"{ratio:9.3f}  {low:.2f}..{high:.2f}"


def agreed(steps: list[Step], name: str, tolerance: float) -> list[float]:
    """Take five steps; the seconds of each first one. Ends the program if losses differ."""
    first = []
    for i in range(5):
        found = []
        for step in steps:
            start = perf_counter()
            found.append(float(step()))
            first += [perf_counter() - start] * (i == 0)
        if np.ptp(found) > tolerance:
            sys.exit(f"the steps of {name} differ: losses {found}")
    return first


# Beside NumPy by hand


def data(sizes, batch, dtype):
    rng = np.random.default_rng(1)
    return rng.standard_normal((batch, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], batch)


def compare_with_hand() -> bool:
    print("gradient descent   backend  hand µs  ours µs   ratio  quartiles   limit  first call s")
    met = True
    for sizes, batch, dtype, limits in NETWORKS:
        name, (x, y) = "-".join(map(str, sizes)), data(sizes, batch, dtype)
        models = [perceptron(sizes, dtype, np.random.default_rng(0)) for _ in backends()]
        steps: list[Step] = [by_hand([p.data.copy() for p in models[0].parameters()], x, y)]
        for model, backend in zip(models, backends(), strict=True):
            sgd = optim.SGD(model.parameters(), lr=LEARNING_RATE)
            step = compiled(classifying(model), sgd, backend)
            steps.append(lambda step=step, x=x, y=y: step(x, y).data)
        first = agreed(steps, name, 1e-5)
        times = alternately(steps)
        for i, backend in enumerate(backends(), 1):
            hand, ours = np.median(times[:, [0, i]], axis=0) * 1e6
            ratio, shown = quartiles(times, i, 0)
            limit = limits[backend]
            print(f"{name:19}{backend:7}{hand:9.1f}{ours:9.1f}{shown}{limit:8.2f}{first[i]:9.2f}")
            met &= bool(ratio <= limit)
    return met


# Beside the eager step, and PyTorch's


def classifying(model):
    return lambda x, y: losses.cross_entropy(model(x), y)


def perceptrons():
    for sizes, batch, dtype, _ in NETWORKS:

        def network(sizes=sizes, dtype=dtype):
            model = perceptron(sizes, dtype, np.random.default_rng(0))
            return classifying(model), optim.Adam(model.parameters(), lr=SMALL)

        def twin(torch, sizes=sizes, dtype=dtype):
            layers = []
            for n, m in pairwise(sizes):
                layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
            kind = torch.float64 if dtype is np.float64 else torch.float32
            return torch.nn.Sequential(*layers[:-1]).to(kind), torch.optim.Adam

        yield f"Adam {'-'.join(map(str, sizes))}", network, twin, data(sizes, batch, dtype)


def convolutional():
    import digits_cnn

    def network():
        model = digits_cnn.network()[1:]  # its random shifts are no part of it
        return classifying(model), optim.AdamW(model.parameters(), lr=SMALL)

    def twin(torch):
        made = torch.nn
        model = made.Sequential(
            made.Conv2d(1, 16, 3, padding=1), made.BatchNorm2d(16), made.ReLU(),
            made.Conv2d(16, 32, 3, padding=1), made.BatchNorm2d(32), made.ReLU(),
            made.MaxPool2d(2), made.Flatten(), made.Dropout(0.5), made.Linear(512, 10),
        )  # fmt: skip
        return model, torch.optim.AdamW

    rng = np.random.default_rng(1)
    x = rng.standard_normal((64, 1, 8, 8)).astype(np.float32)
    return "digits_cnn.py, AdamW", network, twin, (x, rng.integers(0, 10, 64))


def windows(batch: int, length: int):
    text = np.random.default_rng(1).integers(0, CHARACTERS, (batch, length + 1))
    return text[:, :-1], text[:, 1:]


def transformer():
    import char_gpt

    def network():
        model = char_gpt.Writer(CHARACTERS)
        return classifying(model), optim.AdamW(model.parameters(), lr=SMALL)

    def twin(torch):
        made, width, length = torch.nn, char_gpt.WIDTH, char_gpt.LENGTH

        class Writer(made.Module):
            def __init__(self):
                super().__init__()
                self.token = made.Embedding(CHARACTERS, width)
                self.position = made.Embedding(length, width)
                layer = made.TransformerEncoderLayer(
                    width, char_gpt.HEADS, 4 * width, 0.0, batch_first=True, norm_first=True
                )
                self.blocks = made.TransformerEncoder(layer, 2, enable_nested_tensor=False)
                self.norm, self.head = made.LayerNorm(width), made.Linear(width, CHARACTERS)
                self.mask = made.Transformer.generate_square_subsequent_mask(length)

            def forward(self, x):
                h = self.token(x) + self.position(torch.arange(length))
                return self.head(self.norm(self.blocks(h, self.mask, is_causal=True)))

        return Writer(), torch.optim.AdamW

    return "char_gpt.py, AdamW", network, twin, windows(char_gpt.BATCH, char_gpt.LENGTH)


def recurrent():
    import char_lstm

    def network():
        model = char_lstm.Writer(CHARACTERS)
        return classifying(lambda x: model(x)[0]), optim.AdamW(model.parameters(), lr=SMALL)

    def twin(torch):
        made = torch.nn

        class Writer(made.Module):
            def __init__(self):
                super().__init__()
                self.embedding = made.Embedding(CHARACTERS, 32)
                self.lstm = made.LSTM(32, char_lstm.HIDDEN, batch_first=True)
                self.head = made.Linear(char_lstm.HIDDEN, CHARACTERS)

            def forward(self, x):
                return self.head(self.lstm(self.embedding(x))[0])

        return Writer(), torch.optim.AdamW

    return "char_lstm.py, AdamW", network, twin, windows(char_lstm.BATCH, char_lstm.LENGTH)


def eager(f, optimizer, x, y) -> Step:
    def step():
        loss = f(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def by_pytorch(twin, x, y) -> Step:
    import torch

    torch.set_num_threads(1)
    model, kind = twin(torch)
    optimizer = kind(model.parameters(), lr=SMALL)
    x, y = torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(y))

    def step():
        loss = torch.nn.functional.cross_entropy(model(x).flatten(0, -2), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def compare_with_eager() -> None:
    print("\nnetwork, optimizer        backend  ours µs  / eager  quartiles   / PyTorch  quartiles")
    networks = [*perceptrons(), convolutional(), transformer(), recurrent()]
    for name, network, twin, (x, y) in networks:
        steps: list[Step] = []
        for backend in (None, *backends()):
            manual_seed(0)
            f, optimizer = network()
            if backend is None:
                steps.append(eager(f, optimizer, x, y))
            else:
                step = compiled(f, optimizer, backend)
                steps.append(lambda step=step, x=x, y=y: step(x, y).item())
        random = "cnn" in name  # dropout: one generator draws for all
        agreed(steps, name, np.inf if random else 1e-3)
        if find_spec("torch"):
            steps.append(by_pytorch(twin, x, y))
        times = alternately(steps, rounds=20)
        for i, backend in enumerate(backends(), 1):
            ours = np.median(times[:, i]) * 1e6
            beside = quartiles(times, i, len(steps) - 1)[1] if find_spec("torch") else ""
            print(f"{name:26}{backend:7}{ours:9.1f} {quartiles(times, i, 0)[1]}   {beside}")


# Single floats


def by_rows(model, backend):
    def hinge(point, label):
        return (1 - label * model(point)).relu()

    return compiled(hinge, optim.SGD(model.parameters(), lr=MOONS_RATE), backend, rows=True)


def compare_with_micrograd() -> bool:
    print(
        "\ntwo moons, Values  backend  micrograd ms  ours ms  times as fast  quartiles   required"
    )
    points, classes = make_moons(100, noise=0.1, random_state=0)
    labels, met = 2.0 * classes - 1, True
    model = nn.MLP(2, SIZES, rng=np.random.default_rng(0))
    steps: list[Step] = [
        baseline_step(ClosureNetwork(model), points.tolist(), labels.tolist(), hinge_of)
    ]
    for backend in backends():
        step = by_rows(nn.MLP(2, SIZES, rng=np.random.default_rng(0)), backend)
        steps.append(lambda step=step: step(points, labels).data)
    agreed(steps, "two moons", 1e-9)
    times = alternately(steps, rounds=10)
    for i, backend in enumerate(backends(), 1):
        theirs, ours = np.median(times[:, [0, i]], axis=0) * 1e3
        ratio, shown = quartiles(times, 0, i)
        required = MICROGRAD[backend]
        print(f"2-16-16-1          {backend:7}{theirs:14.1f}{ours:9.2f}{shown}{required:12.0f}")
        met &= bool(ratio >= required)
    return met


# A call


def beyond(sizes, batch, dtype, backend) -> float:
    """The median µs of a call less those of its program, which take turns."""
    model, (x, y) = perceptron(sizes, dtype, np.random.default_rng(0)), data(sizes, batch, dtype)
    step = compiled(classifying(model), optim.SGD(model.parameters(), lr=SMALL), backend)
    step(x, y)
    runner = step.latest
    values = runner.read([x, y])
    times = np.empty((4000, 3))
    for row in times:
        row[0] = perf_counter()
        step(x, y)
        row[1] = perf_counter()
        runner.function(*values)
        row[2] = perf_counter()
    call, program = np.median(np.diff(times), axis=0) * 1e6
    return float(call - program)


def measure_calls() -> bool:
    print("\na call             backend  µs beyond the program   limit")
    met = True
    for sizes, batch, dtype, _ in NETWORKS[:2]:
        for backend in backends():
            more, name = beyond(sizes, batch, dtype, backend), "-".join(map(str, sizes))
            print(f"{name:19}{backend:7}{more:23.1f}{CALL:8.1f}")
            met &= more <= CALL
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a limit is exceeded")
    check = parser.parse_args().check
    met = [compare_with_hand(), measure_calls(), compare_with_micrograd()]
    compare_with_eager()
    if check and not all(met):
        sys.exit(1)


if __name__ == "__main__":
    main()
