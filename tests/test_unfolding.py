"""All views of a graph whose modules fold and unfold."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, viz
from tinygrad_edu.losses import mse_loss
from tinygrad_edu.viz.graph.unfolding import unfolding_of


class Recurrent(nn.Module):
    """A cell that is called three times, and arrays that enter it or are made there."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.cell = nn.RNNCell(2, 3, rng=rng)
        self.heads = [nn.Linear(3, 1, rng=rng), nn.Sequential(nn.Linear(3, 1, rng=rng), nn.Tanh())]

    def __call__(self, x):
        h = None
        for each in x:
            h = self.cell(each, h) * 0.5
        return self.heads[0](h) * self.heads[1](h)


def recurrent():
    model, x = Recurrent(), np.random.default_rng(1).normal(size=(3, 4, 2))
    with viz.record(model) as made:
        loss = mse_loss(model(Tensor(x, name="x")), np.zeros((4, 1)))
    return loss, made


def transformer():
    block = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    model = nn.Sequential(block, nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Linear(4, 2))
    with viz.record(model) as made:
        loss = mse_loss(model(np.random.default_rng(0).normal(size=(2, 3, 4))), np.zeros((2, 3, 2)))
    return loss, made


def unfolding(loss, made, depth=1):
    return unfolding_of(loss, grad=None, record=made, depth=depth, max_nodes=400)


def view(found, closed):
    """What is seen where these modules are folded: the nodes and the edges, as text."""
    nodes = found.graph.nodes

    def is_open(node):
        return node.name not in closed

    def is_seen(i):
        home = found.homes[i]
        folded = nodes[i].role == "module" and not is_open(nodes[i])
        return (folded or nodes[i].role != "module") and is_there(home)

    def is_there(home):
        return home is None or (is_open(nodes[home]) and is_there(found.homes[home]))

    seen = {i for i in range(len(nodes)) if is_seen(i)}
    edges = [x for x in found.graph.edges if {x.source, x.target} <= seen]
    used = {x.source for x in edges}
    shown = [nodes[i] for i in seen if nodes[i].role != "constant" or i in used]
    return told(shown, edges, nodes)


def told(shown, edges, nodes):
    def node(x):
        told = (x.name, x.operation, x.options, x.role, x.value, x.gradient, x.norm, x.birth)
        return str((*told, x.module, x.leaving, x.size, x.values, x.gradients, x.rule))

    def edge(x):
        ends = nodes[x.source], nodes[x.target]
        return str((*map(node, ends), x.contribution, x.local, x.count, x.size, x.contributions))

    return sorted(map(node, shown)), sorted(map(edge, edges))


@pytest.mark.parametrize("network", [recurrent, transformer])
def test_a_view_is_what_describe_says_at_that_depth(network):
    loss, made = network()
    found = unfolding(loss, made)
    assert any(x.role == "module" for x in found.graph.nodes)
    for depth in (1, 2, 3, None):
        graph = viz.describe(loss, record=made, depth=depth)
        folded = {x.name for x in graph.nodes if x.role == "module"}
        assert view(found, folded) == told(graph.nodes, graph.edges, graph.nodes)


def test_an_edge_stands_for_uses_that_follow_each_other_on_the_way_back():
    found = unfolding(*transformer())
    of_source = {}
    for edge, uses in zip(found.graph.edges, found.covers, strict=True):
        of_source.setdefault(edge.source, []).append(uses)
    for covers in of_source.values():
        in_order = sorted({use for uses in covers for use in uses})
        for uses in covers:
            first = in_order.index(uses[0])
            assert in_order[first : first + len(uses)] == list(uses)


def test_a_module_that_is_called_several_times_opens_with_all_its_calls():
    found = unfolding(*recurrent())
    calls = [x.id for x in found.graph.nodes if x.name == "cell"]
    assert len(calls) == 3
    assert all(calls.count(home) <= 1 for home in calls)
    assert {home for home in found.homes if home in calls} == set(calls)


def test_a_graph_that_is_too_large_when_it_is_open_stays_folded():
    loss, made = transformer()
    size = len(viz.describe(loss, record=made).nodes)
    assert unfolding_of(loss, grad=None, record=made, depth=1, max_nodes=size) is not None
    assert unfolding_of(loss, grad=None, record=made, depth=1, max_nodes=size - 1) is None
    assert (
        "insides"
        not in viz.play(loss, record=made, depth=1, max_nodes=size - 1)
        .html.split('<script id="data"')[1]
        .split("</script>")[0]
    )
