"""draw and text: modules, styles, themes, gradient colours, hostile names, size, golden texts.

`python tests/test_draw.py` writes the golden files again: look at the difference, then keep it.
"""

import html
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from test_viz import dot_edges, dot_nodes, neuron

from tinygrad_edu import Tensor, Value, losses, nn, viz
from tinygrad_edu.viz.drawing.picture import DECADES, THEMES, draw, ink_on
from tinygrad_edu.viz.words.tree import text

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "\"quotes\" 'and' \\N \\G back\\slashes\\\\",
    "two\nlines\r\n\tand a tab",
    "\u05d0\u05d1\u05d2 \u202etfel ot thgir",
    "&lt;b&gt; &amp; <B>bold</B>",
    "<TABLE>",
    "x" * 10_000,
]


class Square(nn.Module):
    def __call__(self, x):
        return x * x


def network():
    """Loss and record of two layers of weights that are halves, so that every sum is exact."""
    model = nn.Sequential(nn.Linear(2, 2), Square(), nn.Sequential(nn.Linear(2, 1)))
    for p in model.parameters():
        p.data = (np.arange(p.size).reshape(p.shape) - 1) / 2
    x = Tensor([[1.0, 2.0], [-1.0, 0.0]], name="x")
    with viz.record(model) as made:
        loss = losses.mse_loss(model(x), np.array([[1.0], [0.0]]))
    loss.name = "loss"
    return loss, made


def golden():
    loss, made = network()
    x = Value(2.0, name="x")
    y = x**3
    y.backward(create_graph=True)
    x.grad.name = "dy/dx"
    return {
        "neuron.dot": draw(neuron()).source,
        "neuron_forward_print.dot": draw(neuron(), style="forward", theme="print").source,
        "layers.dot": draw(loss, record=made).source,
        "folded.dot": draw(loss, record=made, depth=1, theme="dark", rankdir="TB").source,
        "gradients.dot": draw(loss, style="backward", color_by_gradient=True).source,
        "derivative.dot": draw(x.grad).source,
        "neuron.txt": text(neuron()) + "\n",
        "layers.txt": text(loss, record=made) + "\n",
    }


@pytest.mark.parametrize("name", sorted(golden()))
def test_golden(name):
    assert golden()[name] == (GOLDEN / name).read_text(), "look, then: python tests/test_draw.py"


def fills(drawing):
    """The fill of each node, by its id."""
    return dict(re.findall(r'^\t+(\d+) \[label=.*fillcolor="(#\w+)"', drawing.source, re.MULTILINE))


def nodes_and_boxes(source):
    """The title of the innermost box around each node, by the node's id."""
    around, found = [], {}
    for line in source.splitlines():
        if line.strip().startswith("subgraph"):
            around.append(None)
        elif line.strip() == "}" and around:
            around.pop()
        elif around and around[-1] is None and (label := re.search(r"label=<(.*?)> label", line)):
            around[-1] = re.sub("<.*?>", "", label[1]).strip()
        elif (node := re.match(r"\t+(\d+) \[label", line)) and around:
            found[int(node[1])] = around[-1]
    return found


# Modules


def test_each_module_is_a_box_around_its_nodes():
    loss, made = network()
    inside = nodes_and_boxes(draw(loss, record=made).source)
    nodes = viz.describe(loss, record=made).nodes
    kinds = {"layers.0": "Linear", "layers.1": "Square", "layers.2.layers.0": "Linear"}
    for node in nodes:
        expected = f"{node.module} {kinds[node.module]}" if node.module else None
        assert inside.get(node.id) == expected


def test_boxes_are_nested_as_the_modules_are():
    loss, made = network()
    source = draw(loss, record=made).source
    opened = re.findall(r"^(\t+)subgraph cluster_\d+ {", source, re.MULTILINE)
    assert sorted(map(len, opened)) == [1, 2, 2, 2, 3]


def test_a_number_stands_in_the_box_of_the_operation_that_uses_it():
    class Half(nn.Module):
        def __call__(self, x):
            return 0.5 * x

    model = Half()
    with viz.record(model) as made:
        y = model(Value(3.0, name="x")) + 7.0
    graph = viz.describe(y, record=made)
    numbers = {x.value: x.id for x in graph.nodes if x.role == "constant"}
    inside = nodes_and_boxes(draw(y, record=made).source)
    assert inside[numbers[0.5]] == "Half"
    assert numbers[7.0] not in inside


def test_depth_draws_one_node_for_each_layer():
    loss, made = network()
    source = draw(loss, record=made, depth=1).source
    titles = re.findall(r"layers\.\d</B> = \w+", source)
    assert titles == ["layers.0</B> = Linear", "layers.1</B> = Square", "layers.2</B> = Sequential"]
    assert set(nodes_and_boxes(source).values()) == {"Sequential"}


# Styles, themes and choices


def test_forward_has_no_gradient_and_backward_only_what_has_one():
    forward, backward = (draw(neuron(), style=s).source for s in ("forward", "backward"))
    assert "grad" not in forward
    assert "dashed" not in forward
    assert len(dot_edges(forward)) == len(viz.describe(neuron()).edges)
    assert len(dot_nodes(backward)) == len(viz.describe(neuron()).order)
    assert all("dashed" in style for *_, style in dot_edges(backward))
    assert "loss = multiply grad 1" in dot_nodes(backward)


def test_backward_of_what_tracks_nothing_is_an_error():
    with pytest.raises(ValueError, match="draws gradients, and this graph tracks none"):
        draw(Tensor([1.0], name="x"), style="backward")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"style": "back"}, "style='back' is none of 'both', 'forward', 'backward'"),
        ({"theme": "blue"}, "theme='blue' is none of 'light', 'dark', 'print'"),
        ({"rankdir": "UP"}, "rankdir='UP' is none of 'LR', 'TB', 'RL', 'BT'"),
    ],
)
def test_an_unknown_choice_is_told_the_known_ones(wrong, message):
    with pytest.raises(ValueError, match=message):
        draw(neuron(), **wrong)


def test_print_is_black_on_white():
    loss, made = network()
    for root, options in ((neuron(), {}), (loss, {"record": made, "depth": 1})):
        colors = set(re.findall(r"#[0-9A-F]{6}", draw(root, theme="print", **options).source))
        assert colors == {"#000000", "#FFFFFF"}


def test_the_derivative_reads_as_a_graph_of_its_own():
    x = Value(2.0, name="x")
    y = x**3
    y.backward(create_graph=True)
    x.grad.name = "dy/dx"
    titles = dot_nodes(draw(x.grad).source)
    assert "dy/dx = multiply data 12 grad 1" in titles
    assert "x parameter data 2 grad 12" in titles


def test_a_long_formula_is_wrapped_and_cut():
    x = Tensor(np.ones((2, 2)), requires_grad=True)
    loss = losses.cross_entropy(x, np.array([0, 1]))
    for label in re.findall(r"CELLPADDING=\"3\"><TR><TD>(.*?)</TD>", draw(loss).source):
        lines = html.unescape(label).split("<BR/>")
        assert len(lines) <= 5
        assert max(map(len, lines)) <= 40


# Gradient colours


def lightness(color):
    r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_the_scale_goes_one_way_in_lightness_and_ends_where_it_says(theme):
    shades = [lightness(theme.shade(10.0**d)) for d in np.arange(-8, 4.1, 0.25)]
    steps = np.diff(shades)
    assert (steps < 0).all() or (steps > 0).all()
    assert theme.shade(1e-30) == theme.ramp[0] == theme.shade(1e-8)
    assert theme.shade(1e30) == theme.ramp[-1] == theme.shade(1e4)
    assert len(theme.ramp) == len(DECADES)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_on_every_fill_has_a_contrast_of_4_5_to_1(theme):
    def luminance(color):
        channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722]

    def contrast(a, b):
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    shades = [theme.shade(10.0**d) for d in np.arange(-8, 4.1, 0.25)] + [theme.not_finite]
    assert all(contrast(fill, ink_on(fill)) >= 4.5 for fill in shades)
    for fill in [*theme.fills.values(), theme.paper, theme.box]:
        assert contrast(fill, theme.ink) >= 4.5
        assert contrast(fill, theme.back) >= 4.0


def test_color_is_by_the_root_mean_square_and_not_by_the_norm():
    small, large = Tensor(np.ones(1), True, "a"), Tensor(np.ones(10_000), True, "b")
    loss = small.sum() + large.sum()  # every element of both has the gradient 1
    drawing = draw(loss, color_by_gradient=True)
    assert set(fills(drawing).values()) == {THEMES["light"].shade(1.0)}
    assert "rms 1" in " ".join(dot_nodes(drawing.source))


def test_zero_and_not_finite_and_no_gradient_are_told_apart():
    a, b = (Tensor([1.0, 0.0], True, name) for name in "ab")
    c = Tensor([1.0, 1.0], name="c")
    with np.errstate(all="ignore"):
        drawing = draw(((a * 0.0) + np.sqrt(b) * c).sum(), color_by_gradient=True)
    lines = {
        name: next(x for x in drawing.source.splitlines() if f"<B>{name}</B>" in x)
        for name in "abc"
    }
    assert "dashed" in lines["a"]
    assert THEMES["light"].paper in lines["a"]
    assert THEMES["light"].not_finite in lines["b"]
    assert "dashed" not in lines["c"]
    assert THEMES["light"].paper in lines["c"]


def test_a_legend_names_the_scale_only_where_it_is_used():
    svg = draw(neuron(), color_by_gradient=True).svg()
    texts = [x.text for x in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    for shown in ("root mean square of the gradient", "0", "\u2264 1e-8", "\u2265 1e4", "nan, inf"):
        assert shown in texts
    assert "nan, inf" not in draw(neuron()).svg()


# Names


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_and_nothing_runs(name):
    class Layer(nn.Module):
        def __call__(self, x):
            return x * 2.0

    Layer.__name__ = name
    model = nn.Module()
    model.layer = Layer()
    x = Value(1.0, name=name)
    with viz.record(model) as made:
        loss = model.layer(x) + 1.0
    loss.name = name
    for options in ({}, {"depth": 1}, {"color_by_gradient": True}):
        drawing = draw(loss, record=made, **options)
        tree = ET.fromstring(drawing.svg())
        tags = {element.tag.split("}")[1] for element in tree.iter()}
        assert tags <= {"svg", "g", "title", "polygon", "path", "polyline", "text", "a", "ellipse"}
        for element in tree.iter():
            for key, value in element.attrib.items():
                assert not key.startswith("on")
                assert not key.endswith("href")
                assert "javascript" not in value
        shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
        texts = [x.text for x in tree.iter("{http://www.w3.org/2000/svg}text")]
        assert max(map(len, texts)) < 120
        assert shown[:20] in "".join(texts)
        titles = [x.get("{http://www.w3.org/1999/xlink}title") for x in tree.iter()]
        assert shown[:299] in [str(title).removesuffix("…") for title in titles]
    for line in text(loss, record=made).splitlines():
        assert line.isprintable()
        assert len(line) < 250


# Size


def seconds_to_draw(root, **options):
    """Of this process, whatever else the machine does."""
    start = time.process_time()
    draw(root, **options).svg()
    return time.process_time() - start


def chain_with_a_fan_out():
    x = y = Value(0.5, name="x")
    for _ in range(50):
        y = ((y * 0.9 + x).tanh() * x) + 0.1
    return y


def network_of_values():
    rng = np.random.default_rng(0)
    layer = [Value(x, name=f"x{i}") for i, x in enumerate(rng.standard_normal(4))]
    for _ in range(3):
        weights = rng.standard_normal((6, len(layer)))
        layer = [sum((w * x for w, x in zip(row, layer)), Value(0.0)).tanh() for row in weights]
    return sum(layer)


def deep_layers():
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(70)])
    with viz.record(model) as made:
        y = model(Tensor(np.ones((1, 2)), name="x")).sum()
    return y, made


def test_300_nodes_are_drawn_in_under_3_seconds():
    y, made = deep_layers()
    for root, record in ((chain_with_a_fan_out(), None), (network_of_values(), None), (y, made)):
        size = len(viz.describe(root).nodes)
        assert 280 <= size <= 400
        assert seconds_to_draw(root, record=record) < 3


def test_100_000_nodes_are_drawn_folded():
    class Chain(nn.Module):
        def __call__(self, x):
            for _ in range(100_000):
                x = -x
            return x

    model = nn.Sequential(nn.Linear(1, 1), Chain())
    with viz.record(model) as made:
        loss = model(Tensor([[1.0]], name="x")).sum()
    with pytest.raises(ValueError, match=r"more than max_nodes=400: fold .* depth=1"):
        draw(loss, record=made)
    assert seconds_to_draw(loss, record=made, depth=1) < 10
    assert "Chain" in text(loss, record=made, depth=1)


# Text


def test_text_is_a_tree_with_the_result_first():
    assert text(neuron()).splitlines()[1:5] == [
        "loss = multiply               1.125  1",
        "├─ 0.5",
        "└─ z3 = power                 2.25   0.5",
        "   ├─ z2 = subtract           -1.5   -1.5",
    ]


def test_a_shared_node_is_written_once_and_marked():
    a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    lines = [" ".join(line.split()) for line in text((a + b) * (a - 1.0)).splitlines()]
    assert lines[3] == "│ ├─ a (parameter) [1] 2 0"
    assert "├─ a (parameter), see [1]" in lines[6]
    assert text(a * a).count("[1]") == 2


def test_text_columns_are_aligned():
    loss, made = network()
    head, *lines = text(loss, record=made).splitlines()
    for column in ("shape", "value", "gradient", "module"):
        at = head.index(column)
        assert all(len(line) <= at or line[at - 1] == " " for line in lines)
    assert all(f"({role})" in text(neuron()) for role in ("parameter", "input"))
    plain = text(Value(1.0, name="\u640d\u5931") + Value(1.0, name="ab")).splitlines()
    assert plain[2].index("1") + 2 == plain[3].index("1")  # two wide characters


def test_text_in_ascii_has_no_other_characters():
    loss, made = network()
    shown = text(loss, record=made, ascii=True)
    assert shown.isascii()
    assert "|- " in shown
    assert "`- " in shown


def test_text_of_a_deep_graph_needs_no_recursion():
    x = Value(1.0)
    for _ in range(1500):
        x = -x
    assert len(text(x, max_nodes=None).splitlines()) == 1502
    with pytest.raises(ValueError, match="max_nodes=400"):
        text(x)


def test_drawing_and_writing_leave_the_gradients_alone():
    loss, made = network()
    loss.backward()
    before = [p.grad.copy() for p in made.model.parameters()]
    draw(loss, record=made, color_by_gradient=True)
    text(loss, record=made, depth=1)
    for p, g in zip(made.model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.grad, g)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, source in golden().items():
        (GOLDEN / name).write_text(source)
