"""Answers on paper that the chapters hide from the reader: their numbers are computed here."""

import re
import runpy

import numpy as np
import pytest
from test_docs import ROOT

from tinygrad_edu import Tensor, grad, nn, sigmoid
from tinygrad_edu.losses import half_squared_error
from tinygrad_edu.viz.plots.losses import LOGIT


def answers(chapter):
    """What stands in the blocks that open on a click, in one line each."""
    page = (ROOT / f"docs/{chapter}.md").read_text()
    found = re.findall(r"<summary>Answer</summary>\n(.*?)</details>", page, re.DOTALL)
    return [" ".join(answer.split()) for answer in found]


def test_the_neuron_whose_bias_moves_too():
    answer, _ = answers("07_loss")
    slope = 1.5 - 3.0
    w, b = 2 - 0.1 * slope, -0.5 - 0.1 * slope
    assert f"$b$ becomes {b:.2f}" in answer
    assert f"{w:.2f} - 0.35 = {w + b:.1f}" in answer
    assert f"the loss is {half_squared_error(w + b, 3.0):.2f} in place of" in answer
    assert f"{half_squared_error(w - 0.5, 3.0):.3f}" in answer


def test_the_loss_that_joins_two():
    _, answer = answers("07_loss")
    assert "half squared error for small" in answer
    assert "absolute error less" in answer
    e = np.array([1e-3, 20.0])
    assert np.log(np.cosh(e)) == pytest.approx([e[0] ** 2 / 2, e[1] - np.log(2)])


def test_xor_by_hand():
    answer, _ = answers("10_networks")
    assert "x_1 + x_2 - 1" in answer
    assert "$h_1 - 2 h_2$" in answer
    ones = np.array([0, 1, 1, 2])
    h1, h2 = np.maximum(ones, 0), np.maximum(ones - 1, 0)
    assert (h1 - 2 * h2).tolist() == [0, 1, 1, 0]
    assert f"For (1, 1) these are {h1[3]}, {h2[3]} and {h1[3] - 2 * h2[3]}." in answer


def test_the_parameters_of_a_network_for_digits():
    _, answer = answers("10_networks")
    layers = nn.Linear(784, 128), nn.Linear(128, 10)
    sizes = [sum(p.size for p in layer.parameters()) for layer in layers]
    assert [f"= {size}$" in answer for size in sizes] == [True, True]
    assert f"{sum(sizes)} together" in answer


def test_a_probability_that_doubles():
    answer, _ = answers("11_classes")
    assert f"= {np.log(2):.3f}$ nats, which is 1 bit" in answer


def test_the_steepest_place_of_the_squared_error():
    _, answer = answers("11_classes")
    slope, steepest = grad(LOGIT["squared, of the sigmoid"]), -np.log(2)
    assert "$-8/27 = -0.296$" in answer
    assert slope(steepest) == pytest.approx(-8 / 27)
    assert grad(slope)(steepest) == pytest.approx(0, abs=1e-12)
    assert "$p = 1/3$" in answer
    assert sigmoid(steepest) == pytest.approx(1 / 3)


def test_two_rules_for_the_engine_in_one_file():
    page = (ROOT / "docs/one_file.md").read_text(encoding="utf-8")
    relu_rule, outer, inner = "(g * (x > 0),)", "np.outer(g, w)", "x.T @ g"
    assert all(f"`{rule}`" in page for rule in (relu_rule, outer, inner))
    engine = runpy.run_path(str(ROOT / "docs/one_file.py"))
    derivative_of, node, mean = engine["derivative_of"], engine["Node"], engine["mean"]

    def rule_of(text, names):
        return eval(f"lambda g, out, {names}: {text}", {"np": np})

    relu = derivative_of(lambda x: np.maximum(x, 0))(rule_of(relu_rule, "x"))
    x = node([-1.0, 2.0])
    mean(relu(x)).backward()
    assert x.grad.tolist() == [0.0, 0.5]

    product = derivative_of(np.matmul)(rule_of(f"({outer}, {inner})", "x, w"))
    x, w = np.arange(6.0).reshape(3, 2), np.array([2.0, -1.0])
    mine = node(x), node(w)
    mean(product(*mine)).backward()
    theirs = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
    (theirs[0] @ theirs[1]).mean().backward()
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one.grad, other.grad)
