"""The player's page with modules that open and close where they stand."""

import numpy as np
import pytest
from page_time import wait_until

from tinygrad_edu import nn, viz
from tinygrad_edu.losses import mse_loss

STILL = [{"reduced_motion": "reduce"}]


@pytest.fixture(scope="module")
def transformer():
    """A block of layers, and a Sequential in a Sequential: its loss, and the record."""
    rng = np.random.default_rng(0)
    block = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    inner = nn.Sequential(nn.Linear(4, 4, rng=rng), nn.Tanh())
    model = nn.Sequential(block, inner, nn.Linear(4, 2, rng=rng))
    with viz.record(model) as made:
        loss = mse_loss(model(rng.normal(size=(2, 3, 4))), np.zeros((2, 3, 2)))
    return loss, made


@pytest.fixture(scope="module")
def folded(transformer):
    loss, made = transformer
    return viz.play(loss, record=made, depth=1)


def press(page, path):
    """Open a module, or close it."""
    page.locator(f'.fold[data-path="{path}"]').first.dispatch_event("click")


def open_all(page):
    while page.locator(".node .fold").count():
        press(page, page.locator(".node .fold").first.get_attribute("data-path"))


# All that a page says: its steps, and what stands in each node and on each edge at the end.
SAID = """() => {
    player.go(player.steps.length - 1);
    const nodes = player.data.nodes;
    return {
        steps: player.steps.map(({ text, phase, use, uses, reads }) => [
            text, phase, use ?? 0, uses ?? 0, (reads ?? []).map((id) => nodes[id].title),
        ]),
        nodes: [...document.querySelectorAll(".node")].map((x) => x.ariaLabel).sort(),
        flows: player.data.edges.map(({ source, target }, k) => [
            nodes[source].title, nodes[target].title,
            document.getElementById(`flow-${k}`).textContent,
        ].join(" ")).sort(),
    };
}"""


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_all_opened_it_says_what_the_page_says_that_was_made_so(open_page, transformer, folded):
    loss, made = transformer
    page = open_page(folded)
    closed = page.evaluate(SAID)
    assert len(closed["nodes"]) == len(viz.describe(loss, record=made, depth=1).nodes)
    open_all(page)
    assert page.evaluate(SAID) == open_page(viz.play(loss, record=made)).evaluate(SAID)
    for path in ("layers.0", "layers.1", "layers.2"):
        press(page, path)
    assert page.evaluate(SAID) == closed


# What is wrong with the places: boxes outside or over each other, curves that do not end at their
# nodes, and curves that go through others.
MISPLACED = """() => {
    const { nodes, edges, size, groups } = player.data;
    const wrong = [];
    const boxes = nodes.map(({ x, y, w, h }) => [x - w / 2, y - h / 2, x + w / 2, y + h / 2]);
    const around = groups.map(({ box: [x, y, w, h] }) => [x, y, x + w, y + h]);
    const isIn = ([l, t, r, b], [l2, t2, r2, b2], by) =>
        l > l2 - by && r < r2 + by && t > t2 - by && b < b2 + by;
    const isOver = ([l, t, r, b], [l2, t2, r2, b2]) => l < r2 && l2 < r && t < b2 && t2 < b;
    const at = ({ x, y }) => [x, y, x, y];
    [...boxes, ...around].forEach((box, i) => {
        if (!isIn(box, [0, 0, ...size], 1)) wrong.push(["outside", i]);
    });
    boxes.forEach((box, i) => boxes.slice(0, i).forEach((other, j) => {
        if (isOver(box, other)) wrong.push(["over", nodes[i].title, nodes[j].title]);
    }));
    edges.forEach(({ source, target }, k) => {
        const path = document.querySelector(`#edge-${k} path`);
        const length = path.getTotalLength();
        if (!isIn(at(path.getPointAtLength(0)), boxes[source], 3)) wrong.push(["start", k]);
        if (!isIn(at(path.getPointAtLength(length)), boxes[target], 3)) wrong.push(["end", k]);
        const others = boxes.filter((_, i) => i !== source && i !== target);
        for (let s = 0; s < length; s += 40) {
            const hit = others.find((box) => isIn(at(path.getPointAtLength(s)), box, -3));
            if (hit) wrong.push(["through", nodes[boxes.indexOf(hit)].title, k]);
            if (hit) break;
        }
    });
    groups.filter((x) => x.isOpen).forEach(({ path }) => nodes.forEach(({ module, title }, i) => {
        const inside = module === path || module?.startsWith(`${path}.`);
        const rows = around.filter((_, g) => groups[g].path === path);
        const isHeld = rows.some((box) => isIn(boxes[i], box, 0));
        if (inside && !isHeld) wrong.push(["not in", path, title]);
    }));
    return wrong;
}"""


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_everything_has_its_place_whatever_is_open(open_page, folded):
    page = open_page(folded)
    assert page.evaluate(MISPLACED) == []
    for path in (
        "layers.1",
        "layers.0",
        "layers.0.self_attn",
        "layers.0.norm1",
        "layers.0.linear1",
    ):
        press(page, path)
        assert page.evaluate(MISPLACED) == [], path
        labels = page.locator("#map .all").get_attribute("d")
        assert labels.count("M") == page.evaluate("player.data.nodes.length")
    press(page, "layers.1")
    open_all(page)
    assert page.evaluate(MISPLACED) == []
    page.click("#fit")
    assert page.evaluate("stage.scrollWidth") == page.evaluate("stage.clientWidth")


def moment(page):
    return page.evaluate(
        """(({ phase, node, to }) => [phase, node, to].map((x) => player.data.nodes[x]?.title ?? x))
            (player.steps[player.step])"""
    )


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_the_step_stays_the_same_moment(open_page, folded):
    page = open_page(folded)
    for step in range(page.evaluate("player.steps.length")):
        page.evaluate(f"player.go({step})")
        before = moment(page)
        press(page, "layers.1")
        phase, *nodes = moment(page)
        assert phase == before[0]
        for name, old in zip(nodes, before[1:], strict=True):
            inside = page.evaluate(
                "(name) => player.data.nodes.find((x) => x.title === name)?.module ?? ''", name
            )
            assert name == old or (old == "layers.1" and inside.startswith("layers.1")), before
        press(page, "layers.1")
        assert moment(page) == before
        assert page.evaluate("player.step") == step
    assert page.inner_text("#count") == f"{step + 1} / {step + 1}"
    press(page, "layers.1")  # from inside it goes to the step of the module
    inside = "player.data.nodes[x.node]?.module === 'layers.1.layers.1'"
    for phase in ("forward", "backward"):
        find = f"player.steps.findIndex((x) => x.phase === '{phase}' && {inside})"
        page.evaluate(f"player.go({find})")
        press(page, "layers.1")
        assert moment(page)[:2] == [phase, "layers.1"]
        press(page, "layers.1")


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_keys_open_and_close_and_the_focus_stays_there(open_page, folded):
    page = open_page(folded)

    def focus():
        return page.evaluate(
            "player.data.nodes[document.activeElement.id.slice('node-'.length)]?.module"
        )

    node = page.locator(".node", has=page.locator('.fold[data-path="layers.1"]'))
    assert node.get_attribute("aria-expanded") == "false"
    node.focus()
    assert "o opens it" in page.inner_text("#details")
    page.keyboard.press("o")
    assert focus().startswith("layers.1.")
    assert page.inner_text("#live") == "layers.1 is open"
    page.keyboard.press("o")
    assert focus().startswith("layers.1.layers.0")
    assert page.locator(".node .fold[data-path='layers.1.layers.0']").count() == 0
    page.keyboard.press("o")
    assert focus() == "layers.1.layers.0"
    close = page.get_by_role("button", name="Close layers.1", exact=True)
    assert close.get_attribute("aria-expanded") == "true"
    close.focus()
    page.keyboard.press("Enter")
    assert focus() == "layers.1"
    assert page.get_by_role("button", name="Close layers.1", exact=True).count() == 0
    page.click(
        '.fold[data-path="layers.1"] circle >> nth=1'
    )  # a click on the mark is none on the node
    assert page.locator("[data-path='layers.1'][aria-expanded]").count() == 1


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_the_address_says_what_is_open(open_page, folded):
    page = open_page(folded)
    press(page, "layers.1")
    page.evaluate("player.go(5)")
    wait_until(page, "location.hash === '#step=6&open=layers.1'")
    before = page.inner_text("#now")
    page.reload()
    assert page.inner_text("#now") == before
    assert page.locator("[data-path='layers.1'][aria-expanded]").count() == 1
    page.evaluate("location.hash = '#step=2&open=layers.0,%E0%A4%A,nothing'")
    wait_until(page, "player.step === 1")
    assert page.locator("[aria-expanded=true]").evaluate_all(
        "all => all.map((x) => x.dataset.path)"
    ) == ["layers.0"]
    page.evaluate("location.hash = '#step=2'")
    wait_until(page, "!document.querySelector('[aria-expanded=true]')")


@pytest.mark.parametrize("context", STILL, indirect=True)
def test_one_goes_by_layer_whatever_is_open(open_page, folded):
    page = open_page(folded)
    page.select_option("#stride", "layer")
    page.evaluate("document.getElementById('stage').focus()")

    def strides():
        page.keyboard.press("Home")
        found = []
        while page.evaluate("player.step < player.steps.length - 1"):
            page.keyboard.press("ArrowRight")
            found.append(moment(page)[0])
        return found

    closed = strides()
    press(page, "layers.1")
    assert strides() == closed
