"""Where the boxes, the curves and the numbers of the player's page stand."""

import re

import numpy as np
import pytest
from test_draw import network, network_of_values, steps_that_share_a_weight

from tinygrad_edu import viz
from tinygrad_edu.viz.drawing import layout
from tinygrad_edu.viz.drawing.layout import arranged

SIZE = 120.0, 60.0  # of each box
TEXT = 46.0, 16.0  # of a number


@pytest.fixture(params=["with Graphviz", "without Graphviz"])
def graphviz(request, monkeypatch):
    def render(source, format):
        raise RuntimeError("drawing needs Graphviz")

    if request.param == "without Graphviz":
        monkeypatch.setattr(layout, "render", render)


def places_of(root, **options):
    graph = viz.describe(root, **options)
    return graph, arranged(graph, [SIZE] * len(graph.nodes))


def points(path):
    """Points along a path, some six pixels apart."""
    found = []
    for part in path.split("M")[1:]:
        numbers = np.array(re.findall(r"-?[\d.]+", part), float).reshape(-1, 2)
        start, curves = numbers[0], numbers[1:].reshape(-1, 3, 2)
        for a, b, c in curves:
            t = np.linspace(0, 1, int(np.hypot(*(c - start)) / 6) + 8)[:, None]
            found.append((1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * a)
            found[-1] += 3 * t**2 * (1 - t) * b + t**3 * c
            start = c
    return np.concatenate(found)


def overlapping(a, b, size_a, size_b):
    return (np.abs(np.subtract(a, b)) < np.add(size_a, size_b) / 2).all()


def overlaps(a, b, size_a, size_b):
    """How many boxes around points of a lie over one around a point of b."""
    apart = np.abs(np.array(a)[:, None] - np.array(b))
    return (apart < np.add(size_a, size_b) / 2).all(axis=2).sum()


@pytest.mark.usefixtures("graphviz")
def test_numbers_stand_beside_the_middle_of_their_curve_in_a_large_graph():
    graph, places = places_of(network_of_values())
    assert len(graph.nodes) > 300
    shown = [k for k, edge in enumerate(graph.edges) if edge.contribution is not None]
    to_curve, to_middle = [], []
    for k in shown:
        curve = points(places.paths[k])
        lengths = np.cumsum(np.hypot(*np.diff(curve, axis=0, prepend=curve[:1]).T))
        middle = curve[np.searchsorted(lengths, lengths[-1] / 2)]
        to_curve.append(np.hypot(*(curve - places.labels[k]).T).min())
        to_middle.append(np.hypot(*(middle - places.labels[k])))
    assert np.median(to_curve) < 30
    assert max(to_curve) < 70
    assert np.median(to_middle) < 40
    labels = [places.labels[k] for k in shown]
    on_nodes = overlaps(labels, places.nodes, TEXT, SIZE)
    on_labels = overlaps(labels, labels, TEXT, TEXT) - len(labels)
    assert on_nodes == 0
    assert on_labels / 2 <= 0.02 * len(labels)


@pytest.mark.usefixtures("graphviz")
def test_a_curve_goes_from_its_source_to_its_target_around_other_nodes():
    graph, places = places_of(network_of_values())
    for edge, path in zip(graph.edges, places.paths, strict=True):
        curve = points(path)
        for end, node in ((curve[0], edge.source), (curve[-1], edge.target)):
            assert overlapping(end, places.nodes[node], (8, 8), SIZE)
        apart = np.abs(curve[:, None] - np.array(places.nodes))
        crossed = (apart < np.array(SIZE) / 2 - 4).all(axis=2).any(axis=0)
        assert {*np.flatnonzero(crossed)} <= {edge.source, edge.target}


@pytest.mark.usefixtures("graphviz")
def test_a_weight_that_many_steps_share_has_a_curve_to_each():
    graph, places = places_of(steps_that_share_a_weight())
    for edge, path in zip(graph.edges, places.paths, strict=True):
        start, *_, last = np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2)
        for end, node in ((start, edge.source), (last, edge.target)):
            assert overlapping(end, places.nodes[node], (8, 8), SIZE)
    assert len(set(places.paths)) == len(places.paths)


def test_boxes_of_layers_stand_beside_each_other_and_not_in_a_staircase():
    loss, made = network()
    _, places = places_of(loss, record=made)
    inner = [box for path, box in places.groups.items() if path]
    middles = [top + height / 2 for _, top, _, height in inner]
    assert max(middles) - min(middles) < max(height for *_, height in inner) / 2
    left, top, width, height = places.groups[""]
    for x, y, w, h in inner:
        assert left < x < x + w < left + width
        assert top < y < y + h < top + height
