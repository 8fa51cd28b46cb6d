"""draw and text: modules, styles, themes, gradient colours, hostile names, size, golden texts.

`python tests/test_draw.py` writes the golden files again: look at the difference, then keep it.
"""

import html
import io
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from drawn import long
from test_viz import dot_edges, dot_nodes, neuron

from tinygrad_edu import Tensor, Value, losses, nn, viz
from tinygrad_edu.viz.drawing.picture import draw
from tinygrad_edu.viz.drawing.rendering import FITTED, real_messages, render
from tinygrad_edu.viz.drawing.themes import THEMES, Scale, ink_on, scale_around
from tinygrad_edu.viz.words.tree import text

SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = Path(__file__).parent / "golden"
IMAGES = Path(__file__).parents[1] / "docs/images"
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


def test_a_weight_stands_in_the_box_of_the_only_module_that_uses_it():
    class Scaled(nn.Module):
        def __init__(self, scales):
            self.scales = {*scales}  # a module looks for its parameters in no set

        def __call__(self, x):
            for scale in self.scales:
                x = x * scale
            return x

    own, shared = Value(2.0, name="own"), Value(3.0, name="shared")
    model = nn.Sequential(Scaled([own, shared]), Scaled([shared]))
    with viz.record(model) as made:
        y = model(Value(1.0, requires_grad=False, name="x"))
    ids = {node.name: node.id for node in viz.describe(y, record=made).nodes}
    inside = nodes_and_boxes(draw(y, record=made).source)
    assert inside[ids["own"]] == "layers.0 Scaled"
    assert ids["shared"] not in inside
    assert ids["x"] not in inside


def test_what_goes_from_layer_to_layer_is_drawn_once_with_its_count():
    class Halves(nn.Module):
        def __call__(self, x):
            return [x.tanh(), x * 3.0]

    class Product(nn.Module):
        def __call__(self, both):
            return both[0] * both[1]

    model = nn.Sequential(Halves(), Product())
    with viz.record(model) as made:
        loss = model(Tensor([1.0, 2.0], requires_grad=True, name="x")).sum()
    source = draw(loss, record=made, depth=1).source
    assert source.count("2 values<BR/>norm ") == 1
    assert len(re.findall(r"^\t+\d+ -> \d+", source, re.MULTILINE)) == 6  # three there, three back


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
        ({"style": "back"}, "style must be one of 'both', 'forward', 'backward', not 'back'"),
        ({"theme": "blue"}, "theme must be one of 'light', 'dark', 'print', not 'blue'"),
        ({"rankdir": "UP"}, "rankdir must be one of 'LR', 'TB', 'RL', 'BT', not 'UP'"),
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
    scale = Scale(-8, 4)
    shades = [lightness(theme.shade(scale.place(10.0**d))) for d in np.arange(-8, 4.1, 0.25)]
    steps = np.diff(shades)
    assert (steps < 0).all() or (steps > 0).all()
    for size, color in ((1e-30, 0), (0.0, 0), (1e-8, 0), (1e4, -1), (1e300, -1)):
        assert theme.shade(scale.place(size)) == theme.ramp[color]


@pytest.mark.parametrize(
    ("sizes", "low", "high"),
    [
        ([1e-9, 1.0, 1e-3], -9, 0),
        ([0.0, float("nan"), float("inf"), 1e-5, 1e-2], -5, -2),
        ([2.0], np.log10(2) - 0.5, np.log10(2) + 0.5),  # less than a decade is made one
        ([1.0, 10**0.5], -0.25, 0.75),
        ([0.0, float("nan")], -0.5, 0.5),
        ([], -0.5, 0.5),
        ([5e-324, 1e308], np.log10(5e-324), 308),
    ],
)
def test_a_scale_goes_from_the_smallest_to_the_largest_gradient(sizes, low, high):
    scale = scale_around(sizes)
    assert (scale.low, scale.high) == pytest.approx((low, high))
    assert len(set(scale.marks(7))) == 7


def test_marks_are_the_sizes_at_their_places():
    for scale in (Scale(-8, 4), Scale(-2.6, -1.6), Scale(-300.0, 300.0)):
        marks = [float(mark) for mark in scale.marks(7)]
        np.testing.assert_allclose(marks, 10 ** np.linspace(scale.low, scale.high, 7), rtol=0.06)
    assert Scale(-8, 4).marks(7) == ["1e-8", "1e-6", "1e-4", "0.01", "1", "100", "1e4"]


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

    shades = [theme.shade(place) for place in np.linspace(0, 1, 49)] + [theme.not_finite]
    assert all(contrast(fill, ink_on(fill)) >= 4.5 for fill in shades)
    for fill in [*theme.fills.values(), theme.paper, theme.box]:
        assert contrast(fill, theme.ink) >= 4.5
        assert contrast(fill, theme.back) >= 4.0


def test_color_is_by_the_root_mean_square_and_not_by_the_norm():
    small, large = Tensor(np.ones(1), True, "a"), Tensor(np.ones(10_000), True, "b")
    loss = small.sum() + large.sum()  # every element of both has the gradient 1
    drawing = draw(loss, color_by_gradient=True)
    assert set(fills(drawing).values()) == {THEMES["light"].shade(0.5)}
    assert "rms 1" in " ".join(dot_nodes(drawing.source))


def test_the_root_mean_square_of_several_values_is_that_of_all_their_elements():
    class Parts(nn.Module):
        def __call__(self, x):
            return x * 2.0, x.sum() * 2.0

    class Sum(nn.Module):
        def __call__(self, many, one):
            return many.sum() + one

    model = nn.Module()
    model.parts, model.sum = Parts(), Sum()
    x = Tensor(np.ones(8), requires_grad=True, name="x")
    with viz.record(model) as made:
        loss = model.sum(*model.parts(x)) * 1.0  # every element between the two has the gradient 1
    drawing = draw(loss, record=made, depth=1, color_by_gradient=True)
    (parts,) = [line for line in drawing.source.splitlines() if "= Parts<" in line]
    assert "norm 3" in parts
    assert "rms 1<" in parts


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


def two_sizes():
    """Gradients of 1 and of 1e-6."""
    return Value(1.0, name="a") * 1e-6 + Value(2.0, name="b")


def texts(drawing):
    return [x.text for x in ET.fromstring(drawing.svg()).iter(f"{SVG}text")]


@pytest.mark.parametrize("theme", THEMES)
def test_colours_are_scaled_to_the_graph_and_the_bar_says_how(theme):
    drawing, ramp = draw(two_sizes(), color_by_gradient=True, theme=theme), THEMES[theme].ramp
    assert {ramp[0], ramp[-1]} <= set(fills(drawing).values())
    assert [x for x in texts(drawing) if x in ("1e-6", "1e-5", "1e-4", "0.001", "0.01", "0.1")] == [
        *("1e-6", "1e-5", "1e-4", "0.001", "0.01", "0.1")
    ]
    assert not any("\u2264" in x or "\u2265" in x or "nan" in x for x in texts(drawing))


def test_a_fixed_scale_makes_pictures_comparable_and_names_what_lies_beyond():
    a, b = (draw(x, color_by_gradient=(1e-8, 1e4)) for x in (two_sizes(), two_sizes() * 1e-9))
    assert fills(a)["2"] == THEMES["light"].shade(8 / 12)  # a gradient of 1
    assert "\u2264 1e-8" in texts(b)
    assert "1e-8" in texts(a)
    reversed_, long = (1e4, 1e-8), (1.0, 2.0, 3.0)
    same = (1e300, np.nextafter(1e300, np.inf))  # of one logarithm
    for wrong in (
        (1.0, 1.0),
        (0.0, 1.0),
        (1.0, float("inf")),
        reversed_,
        long,
        same,
        1,
        None,
        "ab",
    ):
        with pytest.raises(ValueError, match="is not a scale: give the smallest and the largest"):
            draw(neuron(), color_by_gradient=wrong)


def test_the_width_of_a_dashed_edge_is_the_size_of_what_flows():
    widths = [
        float(re.search(r"penwidth=([\d.]+)", style)[1])
        for *_, style in dot_edges(draw(two_sizes(), color_by_gradient=True).source)
        if "dashed" in style
    ]
    assert widths == [0.6, 5.0, 5.0]
    assert "penwidth" not in " ".join(x[-1] for x in dot_edges(draw(two_sizes()).source))


def test_a_legend_names_the_scale_only_where_it_is_used():
    title = "colour of a node, width of a dashed edge: root mean square (rms) of the gradient:"
    assert title in texts(draw(neuron(), color_by_gradient=True))
    assert title not in texts(draw(neuron()))


# The file


def test_every_node_has_a_title_and_the_picture_a_text_instead_of_it():
    loss, made = network()
    for drawing in (draw(neuron()), draw(loss, record=made)):
        root = ET.fromstring(drawing.svg())
        assert root.get("role") == "img"
        assert root.get("aria-label") == drawing.description
        titles = [
            group.findtext(f"{SVG}title")
            for group in root.iter(f"{SVG}g")
            if group.get("class") in ("node", "cluster")
        ]
        assert all(titles)
        assert not any(title.isdigit() or "cluster" in title for title in titles)
    assert "layers.0 Linear" in titles
    assert "weight" in titles
    assert drawing.description == (
        f"A graph of {len(viz.describe(loss).nodes)} nodes, which ends in loss. Solid edges go "
        "forward. Dashed edges carry the gradients back."
    )
    assert "Dashed" not in draw(neuron(), style="forward").description


@pytest.mark.parametrize("path", sorted(IMAGES.glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_in_the_docs_is_legible_and_says_what_it_shows(path):
    """On a page that is 830 pixels wide; a point of a picture in its own size is 4/3 pixels."""
    root = ET.parse(path).getroot()
    scale = min(4 / 3, 830 / float(root.get("viewBox").split()[2]))
    sizes = [float(x.get("font-size")) * scale for x in root.iter(f"{SVG}text")]
    assert min(sizes) >= 9
    assert root.get("aria-label").startswith("A graph of ")


def test_a_folded_layer_says_how_much_flows_and_not_by_which_rule():
    loss, made = network()
    labels = [label for *_, label, _ in dot_edges(draw(loss, record=made, depth=1).source)]
    into_layers = re.findall(r"<TD>(norm [^<]*)</TD>", draw(loss, record=made, depth=1).source)
    assert len(into_layers) == 2
    assert any("\u2202loss" in label for label in labels)


def test_a_saved_picture_has_its_own_size_and_one_in_a_page_fits(tmp_path):
    drawing = draw(neuron())
    drawing.save(tmp_path / "x.svg")
    saved, shown = ET.fromstring((tmp_path / "x.svg").read_bytes()), ET.fromstring(drawing.svg())
    for root in (saved, shown):
        assert root.get("aria-label") == drawing.description
        assert root.get("viewBox").split()[2] + "pt" == root.get("width").replace("pt", ".00pt")
    assert saved.find(f"{SVG}style") is None
    assert "max-width:100%" in shown.findtext(f"{SVG}style")


def stderr_of(code):
    program = f"from tinygrad_edu.viz.drawing.rendering import render\n{code}"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stderr


def test_drawing_writes_nothing_to_stderr_but_what_graphviz_complains_of():
    assert stderr_of("render('digraph {a -> b}', 'svg')") == ""
    complaint = stderr_of("render('digraph {a [shape=nosuch]}', 'svg')")
    assert complaint == "Warning: using box for unknown shape nosuch\n"


def test_one_warning_alone_is_left_out(capfd):
    warning = 'Fontconfig warning: "/etc/fonts/x.conf", line 6: unknown element "reset-dirs"'
    others = [
        'Fontconfig warning: "/etc/fonts/x.conf", line 6: unknown element "other"',
        "Fontconfig error: Cannot load default config file",
        'Error: in label of node "reset-dirs"',
    ]
    with real_messages():
        os.write(2, "\n".join([others[0], warning, *others[1:], ""]).encode())
    assert capfd.readouterr().err.splitlines() == others


def closed_stream():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed_stream()])
def test_a_message_is_passed_on_where_python_has_no_stderr(capfd, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    with real_messages():
        os.write(2, b"a real message\n")
    assert capfd.readouterr() == ("", "a real message\n")


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
        shapes = {"polygon", "path", "polyline", "ellipse"}
        assert tags <= {"svg", "style", "g", "title", "text", "a", *shapes}
        assert tree.findtext(f"{SVG}style") == FITTED
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


def is_drawn_in(seconds, root, **options):
    """One time of three: those of this process, which a busy machine makes longer as well."""

    def took():
        start = time.process_time()
        draw(root, **options).svg()
        return time.process_time() - start

    return any(took() < seconds for _ in range(3))


def chain_with_a_fan_out():
    x = y = Value(0.5, name="x")
    for _ in range(50):
        y = ((y * 0.9 + x).tanh() * x) + 0.1
    return y


def network_of_values(width=6):
    rng = np.random.default_rng(0)
    layer = [Value(x, name=f"x{i}") for i, x in enumerate(rng.standard_normal(4))]
    for _ in range(3):
        weights = rng.standard_normal((width, len(layer)))
        layer = [sum((w * x for w, x in zip(row, layer)), Value(0.0)).tanh() for row in weights]
    return sum(layer)


def deep_layers():
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(70)])
    with viz.record(model) as made:
        y = model(Tensor(np.ones((1, 2)), name="x")).sum()
    return y, made


def steps_that_share_a_weight():
    w = h = Value(0.5, name="w")
    for _ in range(110):
        h = (w * h + 0.1).tanh()
    return h


def test_300_nodes_are_drawn_in_under_3_seconds():
    y, made = deep_layers()
    for root, record in ((chain_with_a_fan_out(), None), (network_of_values(), None), (y, made)):
        size = len(viz.describe(root).nodes)
        assert 280 <= size <= 400
        assert is_drawn_in(3, root, record=record)


def test_a_graph_of_680_edges_is_drawn_in_about_a_second():
    root = network_of_values(width=8)
    assert len(viz.describe(root).edges) == 680
    assert is_drawn_in(2, root, max_nodes=None)  # 0.7 on an idle machine


def test_a_weight_that_many_steps_share_reaches_them_over_one_line():
    root = steps_that_share_a_weight()
    graph, drawing = viz.describe(root, max_nodes=None), draw(root, max_nodes=None)
    assert is_drawn_in(3, root, max_nodes=None)
    (w,) = [node.id for node in graph.nodes if node.name == "w"]
    uses = [edge for edge in graph.edges if edge.source == w]
    starts = re.findall(rf'^\t"?({w}(?:_\d+)?)"? -> \d+ \[', drawing.source, re.MULTILINE)
    assert len(starts) == len(uses) == 111  # the dashed edges, and no leaf stands alone
    assert starts.count(str(w)) < 10
    assert max(starts.count(x) for x in starts) < 10
    pieces = re.findall(rf'^\t"?{w}[_\d]*"? -> "{w}_\d+"', drawing.source, re.MULTILINE)
    assert len(pieces) == 2 * len(set(pieces))  # forward and backward


class Box:
    """A rectangle around points."""

    def __init__(self, points):
        self.left, self.top = np.min(points, axis=0)
        self.right, self.bottom = np.max(points, axis=0)


def numbers_in(text):
    return np.array([float(x) for x in re.findall(r"-?\d+\.?\d*", text)]).reshape(-1, 2)


def along(path):
    """Points of a path of cubic curves, close to each other."""
    start, *rest = numbers_in(path)
    points = []
    for a, b, c in np.reshape(rest, (-1, 3, 2)):
        s = np.linspace(0, 1, 20)[:, None]
        points.append((1 - s) ** 3 * start + 3 * s * (1 - s) ** 2 * a)
        points[-1] += 3 * s**2 * (1 - s) * b + s**3 * c
        start = c
    return np.concatenate(points)


def drawn(drawing):
    """The box of each node, by its id, and the curves from node to node, by their ids."""
    root = ET.fromstring(render(drawing.source, "svg"))
    nodes, curves = {}, {}
    for group in root.iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title")
        if group.get("class") == "node" and (shape := group.find(f".//{SVG}path")) is not None:
            nodes[title] = Box(numbers_in(shape.get("d")))
        elif group.get("class") == "node" and (shape := group.find(f".//{SVG}polygon")) is not None:
            nodes[title] = Box(numbers_in(shape.get("points")))
        elif group.get("class") == "edge":
            path = group.find(f".//{SVG}path").get("d")
            curves.setdefault(tuple(title.split("->")), []).append(path)
    return nodes, curves


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_edges_of_a_large_graph_go_around_nodes_and_back_on_ways_of_their_own(rankdir):
    root = network_of_values()
    nodes, curves = drawn(draw(root, rankdir=rankdir))
    assert sum(map(len, curves.values())) > 300
    assert all(len(set(paths)) == len(paths) for paths in curves.values())
    assert max(map(len, curves.values())) == 2
    corners = np.array([(box.left, box.top, box.right, box.bottom) for box in nodes.values()])
    for ends, paths in curves.items():
        for path in paths:
            points = along(path)[:, None]
            inside = (corners[:, :2] + 3 < points) & (points < corners[:, 2:] - 3)
            crossed = {i for i, hit in zip(nodes, inside.all(axis=2).any(axis=0)) if hit}
            assert crossed <= {*ends}, f"the edge {ends} goes through node {crossed}"


def forty_layers(depth=None):
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(40)])
    with viz.record(model) as made:
        y = model(Tensor(np.ones((1, 2)), name="x")).sum()
    return draw(y, record=made, depth=depth)


@pytest.mark.parametrize(("depth", "width"), [(None, 900), (1, 400)])
def test_forty_layers_stand_below_each_other_on_a_page(depth, width):
    """As wide as a page, and so legible; boxes in a staircase were as wide as they were high."""
    drawing = forty_layers(depth)
    assert "rankdir=TB" in drawing.source
    root = ET.fromstring(drawing.svg())
    assert float(root.get("width").removesuffix("pt")) < width
    boxes = [x for x in drawn(drawing)[0].values() if x.right - x.left > 60]
    assert max(box.right for box in boxes) - min(box.left for box in boxes) < width


def test_a_graph_of_few_ranks_reads_from_left_to_right():
    assert "rankdir=LR" in draw(neuron()).source
    y = Value(1.0)
    for _ in range(7):
        y = -y
    assert "rankdir=TB" in draw(y).source
    assert "rankdir=LR" in draw(y, rankdir="LR").source


@long
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
    assert is_drawn_in(10, loss, record=made, depth=1)
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
