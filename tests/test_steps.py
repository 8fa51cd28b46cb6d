"""backward_steps, forward_steps and worked_solution: lines that are right and read well."""

import json
import math
import re
import time
from dataclasses import asdict

import numpy as np
import pytest
from drawn import THOROUGH
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, Value, losses, nn, relu, viz
from tinygrad_edu.graph import behind
from tinygrad_edu.notation.formula import expression
from tinygrad_edu.notation.numbers import number
from tinygrad_edu.tensor import unbroadcast
from tinygrad_edu.viz.words.names import names_of
from tinygrad_edu.viz.words.solution import worked_solution
from tinygrad_edu.viz.words.steps import backward_steps, forward_steps, forward_steps_of, steps_of

HOSTILE = "</script><img src=x onerror=alert(1)> $$ a_b `c` \\} *d*\n\u202e\"' " + "x" * 10_000


def neuron():
    """prediction = W x + b = 1.5, with half the squared error from 3: 1.125."""
    w, b = Value(2.0, name="W"), Value(-0.5, name="b")
    x, y = Value(1.0, requires_grad=False, name="x"), Value(3.0, requires_grad=False, name="y")
    prediction = w * x + b
    prediction.name = "prediction"
    error = prediction - y
    error.name = "error"
    return 0.5 * error**2


def labels_of(graph):
    return [expression(name).text for name in names_of(graph)]


def lines(steps):
    return "\n".join(map(str, steps)).splitlines()


def test_a_neuron_step_by_step():
    assert lines(forward_steps(neuron())) == [
        "z1 = W * x = 2.0 * 1.0 = 2.0",
        "prediction = z1 + b = 2.0 + (-0.5) = 1.5",
        "error = prediction - y = 1.5 - 3.0 = -1.5",
        "z2 = error**2 = (-1.5)**2 = 2.25",
        "L = 0.5 * z2 = 0.5 * 2.25 = 1.125",
    ]
    assert lines(backward_steps(neuron())) == [
        "dL/dL = 1.0",
        "dL/dz2 += dL/dL * 0.5 = 1.0 * 0.5 = 0.5",
        "dL/derror += dL/dz2 * 2 * error = 0.5 * 2 * (-1.5) = -1.5",
        "dL/dprediction += dL/derror = -1.5",
        "dL/dz1 += dL/dprediction = -1.5",
        "dL/db += dL/dprediction = -1.5",
        "dL/dW += dL/dz1 * x = -1.5 * 1.0 = -1.5",
    ]


def test_a_fan_out_is_a_running_sum():
    x = Value(3.0, name="x")
    assert lines(backward_steps(x * x + 2.0 * x))[3:] == [
        "dL/dx += dL/dz2 * 2.0 = 1.0 * 2.0 = 2.0, so far 2.0",
        "dL/dx += dL/dz1 * x = 1.0 * 3.0 = 3.0, so far 2.0 + 3.0 = 5.0",
        "dL/dx += dL/dz1 * x = 1.0 * 3.0 = 3.0, so far 5.0 + 3.0 = 8.0",
    ]


def test_a_neuron_that_is_one_node_names_the_other_operand():
    layer = nn.Neuron(2, nonlinearity=False, rng=np.random.default_rng(0))
    loss = layer([2.0, Value(4.0, name="v")])
    w0 = number(layer.weights[1].data)
    assert lines(backward_steps(loss))[1:4] == [
        "dL/dw0 += dL/dL * 2.0 = 1.0 * 2.0 = 2.0",
        "dL/dw1 += dL/dL * v = 1.0 * 4.0 = 4.0",
        f"dL/dv += dL/dL * w1 = 1.0 * {w0 if w0[0] != '-' else f'({w0})'} = {w0}",
    ]


def test_arrays_have_shapes_and_norms():
    rng = np.random.default_rng(0)
    x, w = Tensor(rng.standard_normal((4, 3)), name="x"), Tensor(np.ones((3, 2)), True, name="W")
    b = Tensor(np.zeros(2), requires_grad=True, name="b")
    steps = lines(backward_steps((relu(x @ w + b) ** 2).mean()))
    g = viz.describe((relu(x @ w + b) ** 2).mean()).nodes
    norms = {node.name: number(node.norm) for node in g if node.name in ("W", "b")}
    assert f"dL/dW += x.T @ dL/dz1   (3, 2), norm {norms['W']}" in steps
    assert f"dL/db += sum(dL/dz2)   (2,), norm {norms['b']}" in steps  # it was broadcast
    assert steps[1].startswith("dL/dz4 += dL/dL / 8   (4, 2)")


def test_what_a_rule_computes_before_it_returns_is_in_its_formula():
    x, y = Tensor(3.0, requires_grad=True, name="x"), Tensor(4.0, requires_grad=True, name="y")
    assert lines(backward_steps(np.hypot(x, y))) == [
        "dL/dL = 1.0",
        "dL/dx += dL/dL / L * x = 1.0 / 5.0 * 3.0 = 0.6",
        "dL/dy += dL/dL / L * y = 1.0 / 5.0 * 4.0 = 0.8",
    ]


def test_a_formula_that_nobody_would_read_is_the_chain_rule():
    x = Value(0.5, name="x")
    assert lines(backward_steps(np.sinc(Tensor(0.5, requires_grad=True, name="x"))))[1] == (
        "dL/dx += dL/dL * dL/dx = 1.0 * (-1.273) = -1.273"
    )
    assert lines(backward_steps(x.sigmoid()))[1].startswith("dL/dx += dL/dL * L * (1 - L) = ")


def symbols(root, **options):
    """The formula of each contribution."""
    steps = backward_steps(root, **options)
    return [each.symbols.text for step in steps for each in step.contributions]


def leaf(name, *shape):
    data = np.random.default_rng(len(name)).uniform(0.5, 2, shape)
    return Tensor(data, requires_grad=True, name=name)


def test_vectors_in_a_product_are_written_as_vectors():
    u, v, a, b = leaf("u", 3), leaf("v", 3), leaf("A", 2, 3), leaf("B", 3, 2)
    assert symbols(u @ v) == ["dL/dL * v", "u * dL/dL"]
    assert symbols(a @ v, grad=np.ones(2)) == ["outer(dL/dL, v)", "A.T @ dL/dL"]
    assert symbols(u @ b, grad=np.ones(2)) == ["dL/dL @ B.T", "outer(u, dL/dL)"]
    assert symbols(a @ b, grad=np.ones((2, 2))) == ["dL/dL @ B.T", "A.T @ dL/dL"]
    column = leaf("C", 3, 1)
    assert symbols(a @ column, grad=np.ones((2, 1))) == ["dL/dL @ C.T", "A.T @ dL/dL"]


def test_what_serves_shapes_and_guards_is_left_out():
    x, y = leaf("x", 2, 3), Value(3.0, name="y")
    assert symbols(x.mean()) == ["dL/dL / 6"]
    assert symbols(x.sum(axis=1), grad=np.ones(2)) == ["(dL/dL)[:, None]"]
    assert symbols(x.sum(axis=0), grad=np.ones(3)) == ["dL/dL"]
    assert symbols(np.linalg.norm(x)) == ["dL/dL * (x / L)"]
    assert symbols(y**2) == ["dL/dL * 2 * y"]
    assert symbols(y ** Value(2.0, name="n")) == ["dL/dL * n * y**(n - 1)", "dL/dL * L * log(y)"]
    # A condition that decides is told, even where it holds everywhere.
    assert symbols(relu(x), grad=np.ones((2, 3))) == ["dL/dL * (L > 0)"]


def test_numbers_have_the_digits_that_their_arithmetic_needs():
    (line,) = lines(backward_steps(Value(9.0, name="x").tanh()))[1:]
    assert line == (
        "dL/dx += dL/dL * (1 - L * L) = 1.0 * (1 - 0.99999996954 * 0.99999996954) = 6.092e-08"
    )
    assert lines(forward_steps(Value(1000.3, name="x") - 1000.0)) == [
        "L = x - 1000.0 = 1000.3 - 1000.0 = 0.3"
    ]


def test_labels_are_not_ambiguous():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with viz.record(model) as made:
        loss = model(np.ones((1, 2))).sum() * Tensor(1.0, requires_grad=True, name="L")
    graph = viz.describe(loss, record=made)
    labels = labels_of(graph)
    assert len(set(labels)) == len(labels)
    assert {"layers.0.weight", "layers.1.weight", "L", "L1"} <= set(labels)
    assert len(set(labels_of(viz.describe(loss)))) == len(labels)


def test_steps_of_a_folded_graph():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    with viz.record(model) as made:
        loss = losses.mse_loss(model(np.ones((4, 2))), np.zeros((4, 1)))
    graph = viz.describe(loss, record=made, depth=1)
    assert "dL/dlayers.0 += dL/dlayers.1 * dlayers.1/dlayers.0" in str(steps_of(graph)[-2])
    assert str(forward_steps_of(graph)[1]).startswith("layers.1 = Tanh(layers.0)")


def test_the_root_needs_a_gradient():
    with pytest.raises(ValueError, match="backward"):
        backward_steps(Value(1.0, requires_grad=False) * 2.0)
    with pytest.raises(ValueError, match="grad"):
        backward_steps(Tensor(np.ones(3), requires_grad=True) * 2.0)
    vector = Tensor(np.ones(3), requires_grad=True) * 2.0
    assert lines(backward_steps(vector, grad=np.ones(3)))[0] == "dL/dL = norm 1.732"


def test_steps_are_plain_data():
    loss = relu(Tensor(np.ones((2, 2)), requires_grad=True)).sum() * 2.0
    json.dumps([asdict(step) for step in backward_steps(loss)], allow_nan=False)


def expit(x):
    return 1 / (1 + math.exp(-x))


UNARY = [Value.tanh, Value.sigmoid, Value.sin, lambda x: -x, lambda x: x**2, lambda x: 1.5 * x]
BINARY = [lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / (1 + y * y)]


@st.composite
def expressions(draw):
    """A Value made of some leaves by random operations, and the leaves."""
    leaves = [Value(draw(st.floats(-2, 2))) for _ in range(3)]
    nodes = list(leaves)
    for _ in range(draw(st.integers(1, 8))):
        x, y = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        one, two = draw(st.sampled_from(UNARY)), draw(st.sampled_from(BINARY))
        nodes.append(one(x) if draw(st.booleans()) else two(x, y))
    return sum(nodes[1:], nodes[0]), leaves


@settings(max_examples=15 * THOROUGH, deadline=None)
@given(expressions())
def test_the_last_total_is_the_gradient(made):
    root, leaves = made
    graph, totals = viz.describe(root), {}
    for step in steps_of(graph):
        for each in step.contributions:
            assert (each.before or 0.0) + each.value == pytest.approx(each.total, abs=1e-12)
            assert each.before == totals.get(each.target)
            totals[each.target] = each.total
    assert all(leaf.grad is None for leaf in leaves)
    root.backward()
    births = {node.birth: node.id for node in graph.nodes}
    assert [totals[births[leaf.birth]] for leaf in leaves] == [leaf.grad for leaf in leaves]


FUNCTIONS = {"cos": math.cos, "sin": math.sin, "tanh": math.tanh, "sigmoid": expit, "exp": math.exp}


def assert_true(line, whole):
    """The sides of a printed equation come to its right side, to the digits that it shows."""
    *sides, result = (eval(side, FUNCTIONS) for side in line.split(" = "))
    unit = 10.0 ** (math.floor(math.log10(abs(result))) - 3) if result else 0.0
    unit = max(unit, 1e-320)  # smaller numbers have fewer digits
    for side in sides:
        assert abs(side - result) <= 0.5000001 * unit, whole


@settings(max_examples=60 * THOROUGH, deadline=None)
@given(expressions())
def test_the_printed_arithmetic_is_true(made):
    root, _ = made
    graph = viz.describe(root)
    for step in forward_steps_of(graph):
        assert_true(f"{step.numbers.text} = {str(step).rpartition(' = ')[2]}", step)
    for step in steps_of(graph):
        for each in step.contributions:
            line, _, so_far = str(each).partition(", so far ")
            assert_true(line.partition(f" += {each.symbols.text} = ")[2] or "0 = 0", each)
            if so_far:
                assert_true(so_far, each)


@settings(max_examples=15 * THOROUGH, deadline=None)
@given(expressions())
def test_the_arithmetic_of_a_worked_solution_is_true(made):
    for block in re.findall(r"\$\$\n(.*?)\n\$\$", str(worked_solution(made[0])), re.DOTALL):
        for line in block.split(r" \qquad "):
            sides = line.replace("&", "").replace(r"\\", " ").split(" = ")
            numbers = [in_python(x) for x in sides[1:] if not re.search(r"[a-zA-Z]", in_python(x))]
            if numbers:
                assert_true(" = ".join(numbers), line)


def in_python(latex):
    """The arithmetic of a formula of numbers as Python writes it."""
    # One number, not a product: that of 2.1 and a power of ten is rounded once more.
    latex = re.sub(r"([\d.]+) \\cdot 10\^\{(-?\d+)\}", r"\1e\2", latex)
    for _ in range(20):
        latex = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))", latex)
        latex = re.sub(r"\{([^{}]*)\}\^\{([^{}]*)\}", r"((\1)**(\2))", latex)
        latex = re.sub(r"10\^\{([^{}]*)\}", r"10.0**(\1)", latex)
    for sign, ours in ((r"\cdot", "*"), (r"\left", ""), (r"\right", ""), (r"\aligned", "")):
        latex = latex.replace(sign, ours)
    return latex.replace(r"\end{aligned}", "").strip()


REDUCTIONS = [lambda x: x.sum(axis=0), lambda x: x.mean(axis=0)]
ARRAY_UNARY = [np.tanh, np.sin, relu, np.negative, lambda x: x**2, *REDUCTIONS]


@st.composite
def array_expressions(draw):
    """The mean of a Tensor made of arrays of shapes that broadcast."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    shapes = [(2, 3), (3,), (2, 1), ()]
    nodes = [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]
    for _ in range(draw(st.integers(1, 8))):
        x, y = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        one, two = draw(st.sampled_from(ARRAY_UNARY)), draw(st.sampled_from(BINARY))
        nodes.append(two(x, y) if draw(st.booleans()) or x.ndim == 0 else one(x))
    whole = sum(nodes[1:], nodes[0] @ np.ones((3, 3)))
    return sum(one(whole) for one in ARRAY_UNARY).mean()


@settings(max_examples=30 * THOROUGH, deadline=None)
@given(array_expressions())
def test_the_symbols_of_a_line_come_to_its_array(root):
    graph = viz.describe(root)
    labels = labels_of(graph)
    nodes = {node.birth: node for node in behind(root)}
    root.backward(inputs=nodes.values())
    names = {"cos": np.cos}
    for label, shown in zip(labels, graph.nodes, strict=True):
        if shown.birth in nodes:
            names |= {label: nodes[shown.birth].data, f"d{label}": nodes[shown.birth].grad}
        elif shown.values:
            names[label] = np.reshape(shown.values.rows, shown.shape)
    for step in steps_of(graph):
        for each in step.contributions:
            formula = re.sub(r"\bdL/d(\w+)", r"d\1", each.symbols.text)
            assert not re.search(r"\bd\w+/d\w+", formula), each
            found = eval(formula, names | {"sum": lambda x, to=each.shape: unbroadcast(x, to)})
            same_size = np.size(found) == math.prod(each.shape)  # axes of length 1 are not told
            found = (np.reshape if same_size else np.broadcast_to)(found, each.shape)
            expected = found.item() if found.size == 1 else np.linalg.norm(found)
            assert each.value == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_total_of_arrays_is_that_of_the_engine():
    w = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    loss = (w * w).sum() + w.mean() + w[0].sum()
    last = [c for step in backward_steps(loss) for c in step.contributions][-1]
    middle = next(c for step in backward_steps(loss) for c in step.contributions if c.use == 2)
    loss.backward()
    np.testing.assert_allclose(last.totals.rows, w.grad)
    assert last.total == pytest.approx(np.linalg.norm(w.grad))
    assert middle.total == pytest.approx(np.linalg.norm(middle.totals.rows))


def test_the_solution_of_a_neuron():
    solution = worked_solution(neuron())
    assert solution._repr_markdown_() == str(solution)
    blocks = re.findall(r"\$\$\n(.*?)\n\$\$", str(solution), re.DOTALL)
    assert re.findall("### (.*)", str(solution)) == ["Given", "Forward", "Backward", "Answer"]
    assert blocks[0] == r"W = 2 \qquad b = -0.5 \qquad x = 1 \qquad y = 3"
    assert blocks[4] == r"z_{2} = {\mathit{error}}^{2} = {\left(-1.5\right)}^{2} = 2.25"
    assert blocks[-2] == (
        r"\frac{\partial L}{\partial W} = \frac{\partial L}{\partial z_{1}} \cdot x"
        r" = -1.5 \cdot 1 = -1.5"
    )


def test_the_solution_adds_up_a_fan_out_and_writes_matrices():
    x = Value(3.0, name="x")
    solution = str(worked_solution(x * x - x))
    assert r"&= -1 + 3 + 3 \\ &= 5 \end{aligned}" in solution
    row = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    assert r"\begin{pmatrix} 2 & 4 \end{pmatrix}" in str(worked_solution((row * row).sum()))
    assert r"\text{(100,): norm 10}" in str(worked_solution(Tensor(np.ones(100), True).sum()))


def test_a_hostile_name_is_text():
    x = Value(2.0, name=HOSTILE)
    solution = str(worked_solution(x * x))
    assert "<" not in solution
    assert "`" not in solution
    assert len(solution) < 5000
    assert solution.count("$$") % 2 == 0
    assert solution.count("{") == solution.count("}")
    for step in backward_steps(x * x):
        assert len(str(step).splitlines()) <= 3
        assert "<img" not in step.contributions[0].gradient.mathml


def test_labels_of_a_large_graph_are_made_at_once():
    x = Value(1.0, name="x")
    for _ in range(5_000):
        x = x * 1.5
    graph = viz.describe(x)
    start = time.process_time()
    labels = set(labels_of(graph))
    assert time.process_time() - start < 5
    assert {"z1", "z4999", "L", "x"} <= labels


@pytest.mark.parametrize("write", [backward_steps, forward_steps, worked_solution])
def test_a_graph_that_nobody_would_read_is_refused_with_advice(write):
    x = Value(1.0)
    for _ in range(50):
        x = -x
    with pytest.raises(ValueError, match="51 nodes, more than max_nodes=50: fold"):
        write(x, max_nodes=50)
    write(x, max_nodes=None)


def test_a_power_that_is_no_number_has_the_digits_that_say_so():
    x, y = Tensor(-443.4321, requires_grad=True), Tensor(-1329.9994)
    with np.errstate(invalid="ignore"):
        (line,) = lines(forward_steps(x**y))  # (-443.4)**(-1330.0) would be 0
    assert line == "L = w1**x1 = (-443.4321)**(-1329.999) = nan"
