"""Pictures: the facts in the data and in the DOT text, never the pixels."""

import html
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import graphviz
import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, relu
from tinygrad_edu.graph import RULES, apply
from tinygrad_edu.kernels import linear, log_softmax
from tinygrad_edu.nn import LSTM
from tinygrad_edu.notation.formula import expression
from tinygrad_edu.numpy_api.elementwise import convert
from tinygrad_edu.numpy_api.joining import concatenate_arrays
from tinygrad_edu.value import weighted_sum
from tinygrad_edu.viz import describe, draw, text
from tinygrad_edu.viz.drawing.rendering import render
from tinygrad_edu.viz.words.chain import chain_rule
from tinygrad_edu.viz.words.names import names_of


def named(node, name):
    node.name = name
    return node


def neuron():
    """One neuron with target 3: o = W x + b, loss = (o - y)**2 / 2."""
    w, x = Value(2.0, name="W"), Value(1.0, requires_grad=False, name="x")
    b, y = Value(-0.5, name="b"), Value(3.0, requires_grad=False, name="y")
    o = named(w * x + b, "o")
    return named(0.5 * (o - y) ** 2, "loss")


def nodes_by_name(root):
    return {node.name: node for node in describe(root).nodes if node.name}


def flows(root, **options):
    """(operand, result, formula, number) of each edge; of nodes without a name, the operation."""
    graph = describe(root, **options)
    names = names_of(graph)
    title = {node.id: node.name or node.operation or node.role for node in graph.nodes}

    def formula(edge):
        if edge.contribution is None:
            return edge.formula
        return expression(chain_rule(graph, edge, names)[0]).text

    return [(title[e.source], title[e.target], formula(e), e.contribution) for e in graph.edges]


def plain_text(label):
    return html.unescape(re.sub(r"<.*?>", "", label.replace("<BR/>", " ")))


def dot_nodes(source):
    """The text in each node, cells apart by one space."""
    labels = re.findall(r"^\t\d+ \[label=<(.*)> ", source, re.MULTILINE)
    return [" ".join(plain_text(x.replace("</TD>", " ")).split()) for x in labels]


def dot_edges(source):
    """(tail, head, label, attributes) of each edge."""
    found = re.findall(r"^\t(\d+) -> (\d+)(?: \[label=<(.*)> (.*)\])?$", source, re.MULTILINE)
    return [(int(a), int(b), plain_text(label), style) for a, b, label, style in found]


def svg_text(drawing):
    texts = ET.fromstring(drawing.svg()).iter("{http://www.w3.org/2000/svg}text")
    return "".join(element.text for element in texts)


# The data


def test_a_neuron_has_its_roles_values_and_gradients():
    node = nodes_by_name(neuron())
    assert {name: node[name].role for name in node} == {
        "W": "parameter",
        "x": "input",
        "b": "parameter",
        "y": "input",
        "o": "intermediate",
        "loss": "root",
    }
    assert (node["loss"].operation, node["loss"].value, node["loss"].gradient) == (
        "multiply",
        1.125,
        1.0,
    )
    assert (node["o"].operation, node["o"].value, node["o"].gradient) == ("add", 1.5, -1.5)
    assert (node["W"].operation, node["W"].value, node["W"].gradient) == ("", 2.0, -1.5)
    assert (node["x"].value, node["x"].gradient) == (1.0, None)
    assert (node["W"].shape, node["W"].dtype) == ((), "float")


def test_edges_have_the_formulas_of_the_rules_in_the_names_of_the_graph():
    assert flows(neuron()) == [
        ("W", "multiply", "dloss/dz1 * x", -1.5),
        ("x", "multiply", None, None),
        ("multiply", "o", "dloss/do", -1.5),
        ("b", "o", "dloss/do", -1.5),
        ("o", "subtract", "dloss/dz2", -1.5),
        ("y", "subtract", None, None),
        ("subtract", "power", "dloss/dz3 * 2 * z2", -1.5),
        ("constant", "power", None, None),
        ("constant", "loss", None, None),
        ("power", "loss", "dloss/dloss * 0.5", 0.5),
    ]


def test_each_use_in_a_fan_out_has_an_edge_of_its_own():
    a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    y = named(a * b + a, "y")
    assert flows(y) == [
        ("a", "multiply", "dy/dz1 * b", -3.0),
        ("b", "multiply", "dy/dz1 * a", 2.0),
        ("multiply", "y", "dy/dy", 1.0),
        ("a", "y", "dy/dy", 1.0),
    ]
    assert nodes_by_name(y)["a"].gradient == -2.0


def test_an_operand_used_twice_has_two_edges():
    x = Value(4.0, name="x")
    edge = ("x", "multiply", "dL/dL * x", 4.0)
    assert flows(x * x) == [edge, edge]
    assert [edge.position for edge in describe(x * x).edges] == [0, 1]


def test_a_weighted_sum_names_the_element_of_each_list():
    w = [Value(1.0, name="w1"), Value(2.0, name="w2")]
    x = [Value(3.0, name="x1"), Value(4.0, name="x2")]
    y = named(weighted_sum(*w, *x, Value(5.0, name="b")), "y")
    assert flows(y) == [
        ("w1", "y", "dy/dy * x1", 3.0),
        ("w2", "y", "dy/dy * x2", 4.0),
        ("x1", "y", "dy/dy * w1", 1.0),
        ("x2", "y", "dy/dy * w2", 2.0),
        ("b", "y", "dy/dy", 1.0),
    ]


def test_the_order_is_that_of_the_backward_pass():
    graph = describe(neuron())
    place = {i: n for n, i in enumerate(graph.order)}
    carrying = [edge for edge in graph.edges if edge.contribution is not None]
    assert graph.nodes[graph.order[0]].role == "root"
    assert all(place[edge.target] < place[edge.source] for edge in carrying)
    assert sorted(graph.order) == [n.id for n in graph.nodes if n.gradient is not None]


def test_nodes_come_in_the_order_of_the_forward_pass_then_constants():
    graph = describe(neuron())
    assert [node.id for node in graph.nodes] == list(range(len(graph.nodes)))
    assert [node.role for node in graph.nodes[-2:]] == ["constant", "constant"]
    assert all(e.source < e.target for e in graph.edges if graph.nodes[e.source].role != "constant")


def test_a_tensor_is_summarized():
    x = Tensor(np.array([[1.0, 2.0], [3.0, 6.0]]), requires_grad=True, name="x")
    graph = describe((x * 3.0).sum())
    assert graph.nodes[0].shape == (2, 2)
    assert graph.nodes[0].dtype == "float64"
    assert graph.nodes[0].value == "mean 3, min 1, max 6"
    assert graph.nodes[0].gradient == "norm 6"
    assert [edge.contribution for edge in graph.edges] == [6.0, None, 2.0]


def test_a_tensor_of_one_number_shows_it_with_its_sign():
    x = Tensor([[2.0]], requires_grad=True, name="x")
    (node, *_), (edge, *_) = describe(x * -3.0).nodes, describe(x * -3.0).edges
    assert (node.shape, node.value, node.gradient) == ((1, 1), 2.0, -3.0)
    assert edge.contribution == -3.0
    assert "x parameter shape (1, 1) float64 data 2 grad -3" in dot_nodes(draw(x * -3.0).source)


def test_an_empty_tensor_is_summarized():
    x = Tensor(np.zeros((0, 3)), requires_grad=True, name="x")
    assert describe(x.sum()).nodes[0].value == "empty"


def test_arrays_among_the_operands_are_constants():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = named(np.vdot(x, np.array([3.0, 4.0])), "y")
    assert flows(y) == [("x", "y", "dy/dy * c1", 5.0), ("constant", "y", None, None)]
    assert describe(y).nodes[-1].value == "mean 3.5, min 3, max 4"


X = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (X.sum(), ""),
        (X.sum(axis=0), "axis=0"),
        (X.mean(axis=(0, 1), keepdims=True), "axis=(0, 1), keepdims=True"),
        (X.std(axis=1, ddof=1), "axis=1, ddof=1"),
        (X[1:, ::2], "index=(1:, ::2)"),
        (X[..., None], "index=(..., None)"),
        (X[[0, 0]], "index=([0, 0],)"),
        (X.reshape(3, 2), "shape=(3, 2)"),
        (X.T, ""),
        (np.moveaxis(X, 0, 1), "source=0, destination=1"),
        (np.clip(X, None, 3.0), ""),
        (convert(X, np.float32), "dtype=float32"),
        (log_softmax(X, axis=0), "axis=0"),
    ],
)
def test_indices_shapes_and_options_are_text(y, text):
    (node,) = [node for node in describe(y, grad=np.ones(y.shape)).nodes if node.role == "root"]
    assert node.options == text


def test_the_values_are_those_that_the_forward_pass_saw():
    w = Value(2.0, name="w")
    y = w * w
    w.data = 5.0
    assert nodes_by_name(y)["w"].value == 2.0
    assert nodes_by_name(y)["w"].gradient == 4.0


def test_the_description_is_json():
    graph = describe(neuron())
    data = json.loads(graph.json())
    assert [node["name"] for node in data["nodes"]][:4] == [*"Wxby"]
    assert data["edges"][0]["formula"]["function"] == "multiply"
    assert [x["node"] for x in data["edges"][0]["formula"]["operands"]] == [4, 1]
    for root in (linear(X, np.ones((3, 1)), np.zeros(1)).sum(), X[1:, ::2].sum()):
        json.loads(describe(root).json())


def test_only_a_node_is_described():
    with pytest.raises(TypeError, match="root must be a Value or a Tensor, not a float"):
        describe(1.0)


# The formulas


def test_a_rule_that_delegates_says_what_the_other_says():
    x = Tensor([1.0, 3.0], True, "x")
    assert flows(named(x.min(), "y")) == [
        ("x", "y", "dy/dy * (x == y)", 1.0),
    ]


def test_a_rule_of_several_operands_has_a_formula_for_each():
    x, y = Tensor([1.0], True, "x"), Tensor([2.0, 3.0], True, "y")
    edges = flows(concatenate_arrays(x, y), grad=np.array([1.0, 3.0, 4.0]))
    assert edges == [
        ("x", "concatenate", "(dL/dL)[0:1]", 1.0),
        ("y", "concatenate", "(dL/dL)[1:3]", 5.0),
    ]


def made_by(rule, monkeypatch):
    def double(x):
        return 2 * x

    monkeypatch.setitem(RULES, double, rule)
    return apply(double, Value(3.0, name="x"))


def test_a_rule_typed_in_a_repl_has_its_formula_and_is_quoted_by_its_name(monkeypatch):
    typed = {}
    exec("def double_backward(g, out, x):\n    return 2 * g", typed)
    y = made_by(typed["double_backward"], monkeypatch)
    assert flows(y) == [("x", "double", "2 * dL/dL", 2.0)]
    assert describe(y).nodes[1].rule == "double_backward"
    assert "2 · ∂L/∂L = 2 · 1 = 2" in svg_text(draw(y))


def test_a_rule_that_takes_plain_numbers_only_has_the_chain_rule(monkeypatch):
    def double_backward(g, out, x):
        return math.fsum([g, g])

    y = made_by(double_backward, monkeypatch)
    assert flows(y) == [("x", "double", "dL/dL * dL/dx", 2.0)]
    assert "return math.fsum([g, g])" in describe(y).nodes[1].rule


# The drawing


def test_every_node_is_drawn_with_name_operation_value_and_gradient():
    assert dot_nodes(draw(neuron()).source) == [
        "W parameter data 2 grad -1.5",
        "x input data 1",
        "z₁ = multiply data 2 grad -1.5",
        "b parameter data -0.5 grad -1.5",
        "o = add data 1.5 grad -1.5",
        "y input data 3",
        "z₂ = subtract data -1.5 grad -1.5",
        "2",
        "0.5",
        "z₃ = power data 2.25 grad 0.5",
        "loss = multiply data 1.125 grad 1",
    ]


def test_forward_edges_are_solid_and_backward_edges_dashed_with_formula_and_number():
    graph, edges = describe(neuron()), dot_edges(draw(neuron()).source)
    forward = [(a, b) for a, b, label, style in edges if not style and not label]
    backward = [(a, b, label) for a, b, label, style in edges if "dashed" in style]
    assert forward == [(edge.source, edge.target) for edge in graph.edges]
    assert len(forward) + len(backward) == len(edges)
    assert all("dir=back" in style for *_, style in edges if style)
    assert [label for *_, label in backward] == [
        "∂loss/∂z₁ · x = -1.5 · 1 = -1.5",
        "∂loss/∂o = -1.5",
        "∂loss/∂o = -1.5",
        "∂loss/∂z₂ = -1.5",
        "∂loss/∂z₃ · 2 · z₂ = 0.5 · 2 · (-1.5) = -1.5",
        "∂loss/∂loss · 0.5 = 1 · 0.5 = 0.5",
    ]


def test_a_picture_of_tensors_shows_shapes_and_norms():
    w, b = Tensor(np.ones((3, 2)), True, "w"), Tensor(np.zeros(2), True, "b")
    h = relu(linear(Tensor(np.ones((4, 3)), name="x"), w, b))
    loss = named(np.vdot(np.full((4, 2), -0.25), log_softmax(h)), "loss")
    source = draw(loss).source
    assert "x input shape (4, 3) float64 data mean 1 min 1 max 1" in dot_nodes(source)
    assert "b parameter shape (2,) float64 data mean 0 min 0 max 0 grad norm 0" in dot_nodes(source)
    assert "∂loss/∂z₂ · [z₂ > 0] norm 0" in [label for *_, label, _ in dot_edges(source)]


def test_numbers_have_four_significant_digits():
    x = Value(1 / 3, name="x")
    assert dot_nodes(draw(x.exp() * -1e-9).source)[0] == "x parameter data 0.3333 grad -1.396e-09"


def test_roles_differ_in_outline_and_not_by_colour_alone():
    source = re.sub(r"(fillcolor|tooltip)=[^\s\]]+", "", draw(neuron()).source)
    styles = dict(re.findall(r"^\t(\d+) \[label=<.*> (.*)\]$", source, re.MULTILINE))
    by_role = {
        node.role: " ".join(styles[str(node.id)].split()) for node in describe(neuron()).nodes
    }
    assert len(set(by_role.values())) == 5


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (r'<b>"x"</b>\n', r'<b>"x"</b>\n'),
        ('<b>"x"</b>\n', r'<b>"x"</b>\n'),
        ("back\\", "back\\"),
        (r"\N\G\L \\N \l \\\ {a|b} [c]; d", r"\N\G\L \\N \l \\\ {a|b} [c]; d"),
        ("&amp; & <script>f('1')</script>", "&amp; & <script>f('1')</script>"),
        ("<BR/>", "<BR/>"),
        (">", ">"),
        (" ", " "),
        ("a -> b", "a -> b"),
        ("\x00\x1b\ud800\u202e", r"\x00\x1b\ud800\u202e"),
        ("größe ∂ 損失", "größe ∂ 損失"),
    ],
)
def test_any_name_is_drawn_as_exactly_its_text(name, shown):
    assert f"chain rule{shown} parameterdata" in svg_text(draw(Value(1.0, name=name) * 2))
    assert f"{shown} = multiplydata" in svg_text(draw(named(Value(1.0) * 2, name)))


def test_a_root_that_tracks_no_gradient_is_drawn_forward_only():
    x = Tensor([1.0, 2.0], name="x")
    for root in (x, x * 2, Value(1.0, requires_grad=False)):
        graph = describe(root)
        assert graph.order == ()
        assert all(node.gradient is None for node in graph.nodes)
        assert "dashed" not in draw(root).source
        assert "data" in svg_text(draw(root))


def test_a_lone_parameter_is_drawn():
    assert dot_nodes(draw(Value(1.0, name="w")).source) == ["w root data 1 grad 1"]


def test_a_root_that_is_no_scalar_needs_a_gradient():
    y = Tensor([1.0, 2.0], requires_grad=True) * 2
    with pytest.raises(ValueError, match=r"backward\(\) starts from a scalar"):
        draw(y)
    assert "∂L/∂L · 2 norm 10" in [
        label for *_, label, _ in dot_edges(draw(y, grad=np.array([3.0, 4.0])).source)
    ]


def test_a_graph_with_too_many_nodes_is_refused_without_recursion():
    x = Value(1.0)
    for _ in range(100_000):
        x = -x
    with pytest.raises(ValueError, match="has 100001 nodes, more than max_nodes=400: fold its mod"):
        draw(x)


def test_max_nodes_counts_all_that_would_be_drawn():
    y = Value(1.0) * 2 + 3
    assert len(dot_nodes(draw(y, max_nodes=5).source)) == 5
    with pytest.raises(ValueError, match="has 5 nodes"):
        draw(y, max_nodes=4)


def test_drawing_changes_no_grad_and_leaves_the_graph_usable():
    w, x = Tensor([1.0, 2.0], True, "w"), Tensor([3.0, 4.0], True, "x")
    loss = (w * x).sum()
    w.grad = np.array([7.0, 7.0])
    draw(loss)
    assert w.grad.tolist() == [7.0, 7.0]
    assert x.grad is None
    loss.backward()
    assert w.grad.tolist() == [10.0, 11.0]
    assert x.grad.tolist() == [1.0, 2.0]


def test_rankdir_turns_the_picture():
    assert "rankdir=LR" in draw(neuron()).source
    assert "rankdir=TB" in draw(neuron(), rankdir="TB").source


# Files and engines


@pytest.mark.parametrize(
    ("suffix", "signature"),
    [("svg", b"<?xml"), ("png", b"\x89PNG\r\n"), ("PDF", b"%PDF-"), ("dot", b"digraph {")],
)
def test_a_picture_is_saved_in_four_formats(tmp_path, suffix, signature):
    path = tmp_path / f"picture.{suffix}"
    draw(neuron()).save(path)
    assert path.read_bytes().startswith(signature)
    draw(neuron()).save(str(path))


def test_another_suffix_is_refused_with_the_four(tmp_path):
    with pytest.raises(ValueError, match=r"'x\.jpg' .* \.svg, \.png, \.pdf, \.dot"):
        draw(neuron()).save(tmp_path / "x.jpg")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.*: create it first"):
        draw(neuron()).save(tmp_path / "nowhere" / "x.svg")


def test_a_notebook_shows_the_svg():
    drawing = draw(neuron())
    assert drawing._repr_svg_() == drawing.svg()
    assert "<svg" in drawing.svg()


def test_a_constant_array_of_one_number_has_a_name():
    lstm = LSTM(2, 1)  # its first state is such an array
    loss = (lstm(np.ones((3, 1, 2)))[0] ** 2).sum()
    loss.backward()
    assert "c2 (constant)" in text(loss)
    assert any(x.startswith("c₂ constant shape (1, 1)") for x in dot_nodes(draw(loss).source))


def test_without_pygraphviz_the_program_draws(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr(graphviz.Source, "pipe", lambda self, **options: str(options).encode())
    assert render("digraph {a}", "json") == b"{'format': 'json'}"


def test_without_any_graphviz_the_error_names_both_remedies_and_dot_is_saved(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    drawing = draw(neuron())
    with pytest.raises(RuntimeError, match=r'pip install "tinygrad_edu\[draw\]", or .* `dot` .*'):
        drawing.svg()
    drawing.save(tmp_path / "x.dot")
    assert (tmp_path / "x.dot").read_text() == drawing.source


def test_importing_the_package_imports_no_graphviz():
    loaded = "{'graphviz', 'pygraphviz'} & set(sys.modules)"
    program = f"import sys, tinygrad_edu.viz; sys.exit(bool({loaded}))"
    subprocess.run([sys.executable, "-c", program], check=True)
