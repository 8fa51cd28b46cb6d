"""Memory of a compiled program: what lives when, what lies where, and how much that is."""

import gc
import tracemalloc
from itertools import combinations, pairwise

import numpy as np
import pytest
from test_compile import LAYERS, World, assert_same_steps, small_network, squared_error

from tinygrad_edu import losses, nn, no_grad, optim
from tinygrad_edu.compiler import compile, passes
from tinygrad_edu.compiler.lifetimes import kept_bytes, lives_in, memory_bytes
from tinygrad_edu.compiler.passes import packing


def perceptron(*sizes, dtype=np.float32):
    rng = np.random.default_rng(0)
    layers = []
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m, rng=rng, dtype=dtype), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def classifier(*sizes, batch, optimizer=optim.SGD, **options):
    """A network, a step with its data, and that step compiled."""
    model = perceptron(*sizes)
    trained = optimizer(model.parameters(), lr=0.01)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], batch)

    def loss(x, y):
        return losses.cross_entropy(model(x), y)

    def eager():
        trained.zero_grad()
        out = loss(x, y)
        out.backward()
        trained.step()

    step = compile(loss, trained, check=False, **options)
    return trained, eager, lambda: step(x, y), step


def peak(f):
    """The bytes that f takes at most beyond what there is."""
    gc.collect()
    tracemalloc.start()
    try:
        f()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_step_takes_at_most_seven_tenths_of_the_memory():
    optimizer, eager, compiled, step = classifier(784, 1024, 1024, 10, batch=256)
    compiled()
    found = kept_bytes(step.latest.program) + peak(compiled)
    optimizer.zero_grad()
    expected = peak(eager)
    assert found <= 0.7 * expected
