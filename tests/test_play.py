"""The pages that play a graph: what is in the file, before any browser opens it."""

import json
import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, nn, viz
from tinygrad_edu.losses import mse_loss
from tinygrad_edu.notation.formula import Numeral, expression
from tinygrad_edu.viz import describe
from tinygrad_edu.viz.drawing import layout
from tinygrad_edu.viz.pages.player import Page, digest, film, play, play_data
from tinygrad_edu.viz.words.steps import backward_steps

FORMULAS = ("left", "symbols", "numbers", "result")  # the MathML of a step
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "a\"b'c\\d\ne",
    "\u202eright to left\u2028\u2029",
    "x" * 10_000,
    "${title} $data $$",
    "]]>&lt;&amp;",
]


def named(node, name):
    node.name = name
    return node


def test_a_page_says_in_a_plain_session_what_to_do_with_it():
    assert repr(viz.play(Value(1.0) * 2)) == (
        "<Page 'play': a notebook shows it; .save('page.html') is for a browser>"
    )


def diamond():
    """x goes three ways into L = x*x + x."""
    x = Value(3.0, name="x")
    return named(x * x + x, "L")


def network():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 16, rng=rng), nn.Tanh(), nn.Linear(16, 1, rng=rng))
    with viz.record(model, lines=True) as made:
        loss = mse_loss(model(rng.normal(size=(8, 2))), np.zeros((8, 1)))
    return loss, made, model


def data_of(page):
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page.html)
    return json.loads(text)


def steps(page, phase):
    return [step for step in data_of(page)["steps"] if step["phase"] == phase]


# Steps


def test_the_page_goes_forward_in_order_of_birth_and_back_as_the_engine_does():
    root = diamond()
    graph, page = describe(root), play(root)
    phases = [step["phase"] for step in data_of(page)["steps"]]
    assert phases == ["start", "forward", "forward", "seed"] + ["backward"] * 4
    assert [step["node"] for step in steps(page, "forward")] == [
        x.id for x in graph.nodes if x.operation
    ]
    back = [step["node"] for step in steps(page, "backward")]
    assert list(dict.fromkeys(back)) == [i for i in graph.order if graph.nodes[i].operation]


def test_at_a_fan_out_the_gradient_adds_up_to_the_engine_s():
    page = play(diamond())
    into_x = [step for step in steps(page, "backward") if step["to"] == 0]
    assert [(step["use"], step["uses"], step["total"]) for step in into_x] == [
        (1, 3, 1.0),
        (2, 3, 4.0),
        (3, 3, 7.0),
    ]


def test_the_text_of_the_page_is_what_the_steps_print():
    root = diamond()
    printed = "\n".join(map(str, backward_steps(root))).split("\n")
    shown = [x["text"] for phase in ("seed", "backward") for x in steps(play(root), phase)]
    assert sorted(shown) == sorted(printed)


def test_tables_of_a_shared_array_add_up():
    w = Tensor([1.0, -2.0, 3.0], requires_grad=True, name="w")
    page = play((w * w + w).sum())
    totals = [x["totals"]["rows"] for x in steps(page, "backward") if x["to"] == 0]
    np.testing.assert_allclose(totals[-1], [2 * w.data + 1])
    assert len(totals) == 3


def test_playing_changes_no_gradient_and_leaves_the_graph_usable():
    root = diamond()
    x = root.inputs[1]
    play(root)
    assert x.grad is None
    root.backward()
    assert x.grad == 7.0


def test_a_root_that_tracks_nothing_plays_forward_only():
    page = play(Value(2.0, requires_grad=False, name="x"))
    assert [step["phase"] for step in data_of(page)["steps"]] == ["start"]


def test_layers_fold_into_one_node_each():
    loss, made, _ = network()
    roles = [node["role"] for node in data_of(play(loss, record=made, depth=1))["nodes"]]
    assert roles.count("module") == 3


# The file


def test_a_page_refers_to_nothing_outside_itself():
    loss, made, _ = network()
    html = play(loss, record=made).html
    references = re.findall(
        r"""(?:src|href|action|url\(|@import|srcset)\s*[=(]?\s*["']?[^\s>]*""", html
    )
    assert [x for x in references if "//" in x] == []
    assert set(re.findall(r"https?://[^\"'\s]*", html)) <= {
        "http://www.w3.org/2000/svg",  # names of namespaces: nothing is fetched
        "http://www.w3.org/1998/Math/MathML",
    }
    assert "default-src 'none'" in html
    assert "unsafe" not in html


def test_the_policy_names_the_script_and_the_style_of_the_page():
    html = play(diamond()).html
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', html, re.DOTALL)
    for text in (style, script):
        assert f"'sha256-{digest(text)}'" in html


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_text(name):
    root = named(Value(2.0, name=name) * Value(3.0, name=name), name)
    ordinary, page = play(diamond()).html, play(root)
    data = data_of(page)
    assert {name} == {node["name"] for node in data["nodes"]}
    for mark in ("<script", "</script", "<img", "<!--"):
        assert page.html.count(mark) == ordinary.count(mark)
    assert len(page.html) < 200_000
    formulas = (step.get(x) or "" for step in data["steps"] for x in FORMULAS)
    assert not any("<img" in x or "<script" in x for x in formulas)


def test_a_notebook_shows_the_page_in_a_frame():
    shown = play(diamond())._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert shown.count("<") == 2  # all of the page is escaped


def test_the_frame_says_what_kind_of_page_it_shows():
    pages = {
        "play": play(diamond()),
        "film": film([diamond(), diamond()]),
        "quiz": viz.quiz(diamond()),
        "practice": viz.practice("chains", rng=np.random.default_rng(0)),
        "explore": viz.explore(lambda x: x * x, x=2.0),
        "explore_descent": viz.explore_descent(),
    }
    frames = [page._repr_html_() for page in pages.values()]
    assert [re.findall('" title="([^"]*)"', each) for each in frames] == [[x] for x in pages]


def test_the_page_is_saved_where_asked(tmp_path):
    page = play(diamond(), tmp_path / "page.html")
    assert isinstance(page, Page)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    with pytest.raises(FileNotFoundError):
        page.save(tmp_path / "nowhere" / "page.html")


def test_three_hundred_nodes_make_a_page_below_the_limit():
    rng = np.random.default_rng(0)
    y = Tensor(rng.normal(size=(16, 16)), requires_grad=True)
    for _ in range(98):
        y = np.tanh(y @ Tensor(rng.normal(size=(16, 16)) / 4, requires_grad=True))
    loss = (y * y).sum()
    assert len(describe(loss).nodes) == 297
    assert len(play(loss).html) < 1_200_000
    assert len(play(diamond()).html) < 150_000


def test_a_larger_graph_is_refused_with_advice():
    x = Value(1.0)
    for _ in range(500):
        x = x + 1.0
    with pytest.raises(ValueError, match="max_nodes=400: fold its modules"):
        play(x)


# Places


def test_every_box_and_every_curve_lies_in_the_picture():
    loss, made, _ = network()
    data = data_of(play(loss, record=made))
    width, height = data["size"]
    for node in data["nodes"]:
        assert node["w"] / 2 <= node["x"] <= width - node["w"] / 2
        assert node["h"] / 2 <= node["y"] <= height - node["h"] / 2
    assert len({edge["path"] for edge in data["edges"]}) == len(data["edges"])
    assert {x["path"] for x in data["groups"] if x["box"]} >= {"layers.0", "layers.1", "layers.2"}


def test_without_graphviz_each_node_stands_right_of_its_operands(monkeypatch):
    def render(source, format):
        raise RuntimeError("drawing needs Graphviz")

    monkeypatch.setattr(layout, "render", render)
    loss, made, _ = network()
    data = data_of(play(loss, record=made))
    assert len({edge["path"] for edge in data["edges"]}) == len(data["edges"])
    nodes = data["nodes"]
    for edge in data["edges"]:
        source, target = nodes[edge["source"]], nodes[edge["target"]]
        assert source["x"] + source["w"] / 2 < target["x"] - target["w"] / 2
    for a in nodes:
        for b in nodes[: a["id"]]:
            apart = abs(a["x"] - b["x"]) >= (a["w"] + b["w"]) / 2
            assert apart or abs(a["y"] - b["y"]) >= (a["h"] + b["h"]) / 2


# Films


def learning(n):
    x, y = Value(1.5, requires_grad=False, name="x"), Value(1.0, requires_grad=False, name="y")
    w = 2.0
    for _ in range(n):
        weight = Value(w, name="w")
        yield named((weight * x - y) ** 2, "loss")
        w -= 0.1 * 2 * (w * 1.5 - 1.0) * 1.5


def close(x):
    return x if x is None else pytest.approx(x, rel=1e-8)


def test_a_film_has_the_numbers_of_each_frame():
    graphs = [describe(loss) for loss in learning(5)]
    data = data_of(film(learning(5)))
    for graph, frame in zip(graphs, data["frames"], strict=True):
        np.testing.assert_allclose(frame["value"], [x.value for x in graph.nodes], rtol=1e-8)
        assert frame["gradient"] == [close(x.gradient) for x in graph.nodes]
        assert frame["contribution"] == [close(x.contribution) for x in graph.edges]
    assert film(graphs).html == film(learning(5)).html


def test_a_film_sees_a_generator_s_parameters_before_they_change():
    _, _, model = network()

    def frames():
        for _ in range(2):
            yield mse_loss(model(np.ones((4, 2))), np.zeros((4, 1)))
            for p in model.parameters():
                p.data = p.data * 0.5

    first, second = data_of(film(frames()))["frames"]
    assert first["value"] != second["value"]


def test_a_film_of_another_structure_names_the_first_difference():
    x = Value(1.0, name="x")
    with pytest.raises(ValueError, match=r"frame 1 .* node 1 is '' multiply .*, not .* add"):
        film([x + x, x * x])
    with pytest.raises(ValueError, match="there are no frames"):
        film([])


def test_a_long_film_of_arrays_is_refused_with_advice():
    loss, _, _ = network()
    graph = describe(loss)
    with pytest.raises(
        ValueError, match=r"1000 frames make .* MB, more than 1.5 MB: pass one frame of every \d+,"
    ):
        film([graph] * 1000)


def test_an_array_of_one_number_has_no_norm_but_a_sign():
    w = Tensor([[2.0]], requires_grad=True, name="w")
    data = play_data(describe((w * -3.0).sum()))
    assert [x["result"] for x in data["steps"] if x["phase"] == "backward"] == [
        expression(Numeral(x)).mathml for x in (1.0, -3.0)
    ]
