"""Every row of the table, compiled: value and gradients are the same bits as without."""

import numpy as np
import pytest
import test_rules
import test_rules_linalg
import test_rules_shapes
from drawn import THOROUGH
from test_rules import at, name

from tinygrad_edu import Tensor, Value
from tinygrad_edu.compiler import compile

ROWS = test_rules.TABLE + test_rules_linalg.TABLE + test_rules_shapes.TABLE


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_row_compiled_is_the_same_bits(row):
    def loss(*xs):
        y = row.f(*xs)
        y = y[0] if isinstance(y, list | tuple) else y
        return (y * weights(y.shape)).sum()

    for optimize in (None, ())[: 1 + (THOROUGH > 1)]:
        step = compile(loss, optimize=optimize)
        for seed in range(2):
            xs, ys = ([Tensor(x, requires_grad=True) for x in at(row, seed)] for _ in range(2))
            expected = loss(*xs)
            expected.backward()
            found = step(*ys)
            np.testing.assert_array_equal(found.data, expected.data, strict=True)
            for x, y in zip(xs, ys, strict=True):
                if x.grad is None:
                    assert y.grad is None
                else:
                    np.testing.assert_array_equal(y.grad, x.grad, strict=True)


def weights(shape):
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize("optimize", [{}, {"optimize": ()}], ids=["all passes", "none"])
@pytest.mark.parametrize("row", test_rules.VALUE_TABLE, ids=name)
def test_a_row_of_values_compiled_is_the_same_bits(row, optimize):
    step = compile(row.f, **optimize)
    for seed in range(3):
        xs, ys = ([Value(x.item()) for x in at(row, seed)] for _ in range(2))
        expected, found = row.f(*xs), step(*ys)
        expected.backward()
        assert found.data == expected.data
        assert [y.grad for y in ys] == [x.grad for x in xs]
