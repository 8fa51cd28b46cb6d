"""A name is shown as its text, wherever it is shown: nothing in it runs, breaks out or is lost."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, nn, viz

HOSTILE = {
    "markup": "</script><img src=x onerror=alert(1)>",
    "comment": "<!--<script>",
    "quotes": "\"'`${1}` onload='alert(1)'",
    "backslashes": r"\N \G back\\ \u003c \textbf{x} $$ $x^2$",
    "newlines": "first\nsecond\r\n# third\n```\n",
    "direction": "\u202eright to left\u202c עברית",
    "control": "\x00\x1b[31m\x07\ud800",
    "markdown": "*b* _i_ [a](javascript:alert(1)) <b>| c |",
    "template": "$title ${data} {{x}} %s %(x)s",
    "entity": "&lt;b&gt; &amp;lt; &#60;",
}
LONG = {  # Graphviz reads strings of 16,384 characters, after escaping
    "long": "long name " * 1000,
    "longer than Graphviz reads": "long name " * 2000,
    "longer escaped": "<&>\\\x00\ud800" * 1000,
}
NAMES = [*HOSTILE.values(), *LONG.values()]
IDS = [*HOSTILE, *LONG]

hostile = pytest.mark.parametrize("name", NAMES, ids=IDS)


def scalars(*names):
    """Values, results and a loss with these names."""
    loss = Value(1.0)
    for name in names:
        a = Value(2.0, name=name)
        loss = loss * a + a
        loss.name = f"L{name}"
    return loss


def network(*names):
    """Tensors with these names, and layers that have them in their paths."""
    model = nn.Module()
    for name in names:
        setattr(model, name, nn.Linear(2, 2, rng=np.random.default_rng(0)))
    with viz.record(model) as made:
        x = Tensor(np.ones((1, 2)), name=names[0])
        for name in names:
            x = getattr(model, name)(x)
    return x.sum(), made


class Elements(HTMLParser):
    """The tags and the attributes of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]

    def handle_data(self, data):
        self.text.append(data)


def harmless(html, like):
    """Whether a page has the same elements as one with a good name."""
    found, expected = Elements(html), Elements(like)
    assert found.tags == expected.tags
    assert found.attributes == expected.attributes


@hostile
def test_dot(name):
    loss, made = network(name)
    for drawing in (viz.draw(scalars(name)), viz.draw(loss, record=made, depth=1)):
        assert len(drawing.source) < 25_000
        assert "\n" not in re.sub(r"\n\t|\n}|\n$|\n\s*", "", drawing.source)
        ET.fromstring(drawing.svg())


@hostile
def test_svg(name):
    loss, made = network(name)
    for drawing in (viz.draw(scalars(name)), viz.draw(loss, record=made)):
        tree = ET.fromstring(drawing.svg())
        tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
        assert not tags & {"script", "image", "foreignObject", "iframe", "use"}
        attributes = {name for element in tree.iter() for name in element.attrib}
        assert not any(each.startswith("on") or each.endswith("href") for each in attributes)


@hostile
def test_text(name):
    for line in viz.text(scalars(name)).splitlines():
        assert len(line) < 400
        assert all(c.isprintable() for c in line)


@hostile
def test_steps(name):
    steps = viz.backward_steps(scalars(name))
    assert len(steps) == 2
    for step in steps:
        assert all(len(line) < 600 and line.isprintable() for line in str(step).splitlines())


@hostile
def test_markdown(name):
    text = str(viz.worked_solution(scalars(name)))
    good = str(viz.worked_solution(scalars("n")))
    assert len(text.splitlines()) == len(good.splitlines())
    assert "<img" not in text
    assert "<script" not in text.lower()
    assert "](javascript" not in text


@hostile
def test_pages(name):
    loss, made = network(name)
    good, made_of_good = network("n")
    harmless(viz.play(scalars(name)).html, like=viz.play(scalars("n")).html)
    harmless(viz.quiz(scalars(name)).html, like=viz.quiz(scalars("n")).html)
    harmless(viz.film([scalars(name)]).html, like=viz.film([scalars("n")]).html)
    harmless(viz.play(loss, record=made).html, like=viz.play(good, record=made_of_good).html)
    harmless(viz.play(scalars(name))._repr_html_(), like=viz.play(scalars("n"))._repr_html_())


@hostile
def test_the_data_of_a_page_ends_where_it_should(name):
    html = viz.play(scalars(name)).html
    script = re.compile(r'<script id="data" type="application/json">(.*?)</script>', re.DOTALL)
    (data,) = script.findall(html)
    assert name in [node["name"] for node in json.loads(data)["nodes"]]


@hostile
def test_notebook_tables(name):
    for kind in (Value, Tensor):
        html = kind(1.0, name=name)._repr_html_()
        harmless(html, like=kind(1.0, name="n")._repr_html_())
        assert len(html) < 2000
        assert html.isprintable()


def test_a_long_name_ends_in_an_ellipsis_under_the_pointer():
    source = viz.draw(scalars("short", *LONG.values())).source
    tooltips = re.findall(r'tooltip="?(.*?)"?\]$', source, re.MULTILINE)
    assert sum(tooltip in ("short", "Lshort") for tooltip in tooltips) == 2
    assert sum(tooltip.endswith("…") for tooltip in tooltips) == 2 * len(LONG)


def test_a_name_that_fits_is_shown_whole():
    name = HOSTILE["markup"]
    assert name in "".join(Elements(Value(1.0, name=name)._repr_html_()).text)
    assert name[:28] in "".join(ET.fromstring(viz.draw(scalars(name)).svg()).itertext())
    assert name[:28] in viz.text(scalars(name))
