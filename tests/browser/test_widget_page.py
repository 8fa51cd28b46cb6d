"""In a notebook the kernel's engine computes what the cell shows, for any branch of Python."""

import contextlib
import json

import numpy as np
import pytest
from random_scalars import RandomFunction
from test_explore_page import ERRORS, as_text, assert_shows, branching, expected_of, neuron, shown
from test_hostile_names import HOSTILE

from tinygrad_edu import Value, viz
from tinygrad_edu.viz.pages.exploration import Exploration

NOTEBOOK = """<!doctype html><html><head><title>A notebook</title><style>
h1 { color: rgb(1, 2, 3) } .node, .dial, main { display: none } button { background: red }
body { font: 21px serif; color: black; text-align: center }
.dark { background: black; color: white }
</style></head><body class="THEME"><h1>A heading</h1><main>not this</main>
<p id="graph">of its own</p>
<script>
window.cells = [];
window.keys = [];
document.addEventListener("keydown", (event) => keys.push(event.key));
async function show(k, state) {
  const esm = new Blob([state._esm], { type: "text/javascript" });
  const { default: { render } } = await import(URL.createObjectURL(esm));
  const listeners = new Set();
  const cell = cells[k] = { sent: [], awaited: 0, receive };
  function receive(updates) {
    for (const update of JSON.parse(updates)) {
      Object.assign(state, update);
      if ("answer" in update) for (const listener of listeners) listener();
    }
  }
  const model = {
    get: (name) => state[name],
    on: (event, listener) => listeners.add(listener),
    off: (event, listener) => listeners.delete(listener),
    send: async (question) => {
      cell.awaited += 1;
      cell.sent.push(question);
      receive(await window.toKernel(k, question));
      cell.awaited -= 1;
    },
  };
  const el = document.createElement("div");
  el.id = `cell-${k}`;
  document.body.append(el);
  cell.end = render({ model, el });
  cell.listeners = listeners;
}
</script></body></html>"""


class Notebook:
    """A page with a cell for each exploration, which talks to the widget in this process."""

    def __init__(self, open_page, *explorations, theme="light"):
        self.html = NOTEBOOK.replace("THEME", theme)
        self.explorations = explorations
        self.page = open_page(self)
        self.page.expose_function("toKernel", self.to_kernel)
        self.updates = []
        for k, each in enumerate(explorations):
            each.front._send = lambda message, buffers=None: self.updates.append(message["state"])
            state = {key: getattr(each.front, key) for key in ("_esm", "graph", "answer")}
            self.page.evaluate("([k, state]) => show(k, state)", [k, state])
        self.wait()

    def save(self, path):
        path.write_text(self.html, encoding="utf-8")

    def to_kernel(self, k, question):
        data = {"method": "custom", "content": question}
        self.explorations[k].front._handle_msg({"content": {"data": data}, "buffers": []})
        return self.sent_by_kernel()

    def sent_by_kernel(self):
        text = json.dumps(self.updates, allow_nan=False)
        self.updates.clear()
        return text

    def wait(self):
        self.page.wait_for_function("cells.every((cell) => cell.sent.length && !cell.awaited)")

    def set(self, k, inputs):
        """From Python."""
        self.explorations[k].inputs = inputs
        self.page.evaluate("([k, text]) => cells[k].receive(text)", [k, self.sent_by_kernel()])
        self.wait()

    def type(self, k, i, text):
        self.page.fill(f"#cell-{k} #dial-{i}-number", text)
        self.wait()

    def cell(self, k=0):
        return self.page.locator(f"#cell-{k}")


@pytest.fixture
def explore_in(open_page):
    """explore_in(f, **inputs): its widget in a notebook."""
    pytest.importorskip("anywidget", reason='no widgets: pip install "tinygrad_edu[notebook]"')

    def explore_in(f, **inputs):
        return Notebook(open_page, viz.widget(f, **inputs))

    return explore_in


def test_the_answers_on_random_graphs_are_the_engines():
    rng = np.random.default_rng(1)
    seen = {"numbers": 0, "branch": 0, "error": 0}
    for _ in range(60):
        f = RandomFunction(rng)
        points = [f.point(rng) for _ in range(3)]
        try:
            made = Exploration(f, points[0])
        except ERRORS:
            continue
        choices = f.choices
        for point in points[1:]:
            made.inputs = point
            inputs = {name: Value(x) for name, x in point.items()}
            root = None
            with contextlib.suppress(*ERRORS):
                root = f(**inputs)
            assert made.error.startswith("At these inputs, Python raises") == (root is None)
            if root is None:
                seen["error"] += 1
                continue
            seen["branch" if f.choices != choices else "numbers"] += 1
            with np.errstate(all="ignore"):
                root.backward()
            expected = [root.data, *(x.grad or 0.0 for x in inputs.values())]
            np.testing.assert_array_equal([made.value, *made.gradients.values()], expected)
    assert seen["numbers"] > 40
    assert seen["branch"] > 10
    assert seen["error"] > 1


def test_every_way_to_change_an_input_asks_the_engine(explore_in):
    notebook = explore_in(neuron, w=2.0, x=1.5, b=-0.5)
    cell, page = notebook.cell(), notebook.page
    assert_shows(cell, neuron, w=2.0, x=1.5, b=-0.5)
    notebook.type(0, 0, "-1.25")
    assert_shows(cell, neuron, w=-1.25, x=1.5, b=-0.5)
    page.focus("#dial-1-slider")
    page.keyboard.press("ArrowRight")
    notebook.wait()
    assert_shows(cell, neuron, w=-1.25, x=1.51, b=-0.5)
    page.locator("#dial-2-number").press("Control+a")
    page.keyboard.type("1.50")
    notebook.wait()
    assert page.input_value("#dial-2-number") == "1.50"  # as it was typed
    assert_shows(cell, neuron, w=-1.25, x=1.51, b=1.5)
    assert page.evaluate("keys") == []  # nothing reaches the notebook's shortcuts
    box = cell.locator(".handle").nth(2).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 20)
    page.mouse.up()
    notebook.wait()
    assert_shows(cell, neuron, w=-1.25, x=1.51, b=2.5)
    assert dict(notebook.explorations[0].inputs) == {"w": -1.25, "x": 1.51, "b": 2.5}
    gradient = as_text(notebook.explorations[0].gradients["b"])
    assert f"At b = 2.5 the slope of the tangent is {gradient}" in (
        cell.locator("#caption").inner_text()
    )
    assert cell.get_by_label("agrees").count() == 3
    page.select_option("#h", "1")
    notebook.wait()
    assert cell.locator("#tangent .secant").count() == 1
    page.click("#reset")
    notebook.wait()
    assert_shows(cell, neuron, w=2.0, x=1.5, b=-0.5)


def test_python_moves_the_sliders(explore_in):
    notebook = explore_in(neuron, w=2.0, x=1.5, b=-0.5)
    notebook.set(0, {"w": 30.0, "b": 1.0})
    assert_shows(notebook.cell(), neuron, w=30.0, x=1.5, b=1.0)
    assert notebook.page.input_value("#dial-0-number") == "30"
    assert notebook.page.input_value("#dial-2-slider") == "600"
    assert notebook.cell().locator(".curve").count() == 1
    notebook.type(0, 1, "1")
    assert_shows(notebook.cell(), neuron, w=30.0, x=1.0, b=1.0)


def test_another_branch_draws_another_graph_even_while_one_drags(explore_in):
    notebook = explore_in(branching, x=1.0, w=0.5)
    cell, page = notebook.cell(), notebook.page
    box = cell.locator(".handle").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    for pixels, x in ((-80, -1.0), (-120, -2.0), (80, 3.0)):  # 400 from -5 to 5
        page.mouse.move(box["x"] + 20 + pixels, box["y"] + 400)  # below the graph
        notebook.wait()
        assert_shows(cell, branching, x=x, w=0.5)
        kinds = cell.locator(".kind").all_text_contents()
        assert kinds[-1] == ("multiply" if x > 0 else "power")
    page.mouse.up()
    assert cell.locator(".unknown").count() == 0


def test_an_error_is_shown_in_words(explore_in):
    notebook = explore_in(lambda x, y: x.log() / y, x=2.0, y=1.0)
    notebook.type(0, 0, "-2")
    status = notebook.cell().locator(".status")
    assert "At these inputs, Python raises ValueError: log of 'x' = -2.0" in status.inner_text()
    assert shown(notebook.cell())["L"] == ("?", "?")
    assert shown(notebook.cell())["x"] == ("\u22122", "?")
    notebook.type(0, 0, "4")
    assert status.text_content() == ""
    assert expected_of(lambda x, y: x.log() / y, x=4.0, y=1.0).items() <= (
        shown(notebook.cell()).items()
    )


def test_one_question_is_on_its_way_and_the_latest_is_next(explore_in):
    notebook = explore_in(neuron, w=2.0, x=1.5, b=-0.5)
    before = notebook.page.evaluate("cells[0].sent.length")
    notebook.page.evaluate("""() => {
        const { shadowRoot } = document.querySelector("#cell-0 > div");
        const slider = shadowRoot.getElementById("dial-0-slider");
        for (let i = 0; i <= 100; i += 1) {
            slider.value = 5 * i + 100;
            slider.dispatchEvent(new Event("input"));
        }
    }""")
    notebook.wait()
    assert notebook.page.evaluate("cells[0].sent.length") == before + 2
    assert notebook.page.input_value("#dial-0-slider") == "600"
    assert_shows(notebook.cell(), neuron, w=1.0, x=1.5, b=-0.5)


def total(**inputs):
    return sum(inputs.values())


def test_two_widgets_and_their_notebook_do_not_disturb_each_other(open_page):
    pytest.importorskip("anywidget", reason='no widgets: pip install "tinygrad_edu[notebook]"')
    names = dict.fromkeys(HOSTILE.values(), 1.0)
    made = (
        viz.widget(neuron, w=2.0, x=1.5, b=-0.5),
        viz.widget(lambda **x: sum(x.values()), **names),
    )
    notebook = Notebook(open_page, *made, theme="dark")
    page = notebook.page
    notebook.type(1, 3, "5")
    notebook.type(0, 1, "3")
    assert_shows(notebook.cell(0), neuron, w=2.0, x=3.0, b=-0.5)
    assert shown(notebook.cell(1))["L"][0] == as_text(len(names) + 4)
    assert page.locator("img, iframe, script:not(:first-of-type)").count() == 0
    color = "element => getComputedStyle(element).color"
    assert page.locator("body > h1").evaluate(color) == "rgb(1, 2, 3)"
    assert page.locator("#cell-0 h1").evaluate(color) == "rgb(233, 235, 239)"  # dark, as the page
    assert page.locator("body > main").is_hidden()
    assert page.locator("#cell-0 main").is_visible()
    assert page.locator("#cell-0 button").evaluate("x => getComputedStyle(x).backgroundColor") == (
        "rgb(20, 23, 28)"
    )
    assert page.locator("body > #graph").inner_text() == "of its own"
    for k in range(2):
        page.evaluate("k => cells[k].end()", k)
    assert page.evaluate("cells.map((cell) => cell.listeners.size)") == [0, 0]


def test_a_widget_in_two_cells_shows_the_same(open_page):
    pytest.importorskip("anywidget", reason='no widgets: pip install "tinygrad_edu[notebook]"')
    made = viz.widget(branching, x=1.0, w=0.5)
    notebook = Notebook(open_page, made, made)
    notebook.type(1, 0, "-3")
    notebook.page.evaluate(  # Jupyter sends to both
        "text => cells[0].receive(text)",
        json.dumps([{"graph": made.graph, "answer": made.answer}]),
    )
    notebook.wait()
    for k in range(2):
        assert_shows(notebook.cell(k), branching, x=-3.0, w=0.5)
    assert notebook.page.input_value("#cell-0 #dial-0-number") == "-3"


@pytest.mark.parametrize("context", [{"viewport": {"width": 860, "height": 900}}], indirect=True)
def test_it_fits_the_cell_and_grows_with_it(explore_in):
    notebook = explore_in(neuron, w=2.0, x=1.5, b=-0.5)
    page = notebook.page
    for width in (860, 600, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("""() => {
            const cell = document.querySelector("#cell-0 > div");
            const plot = cell.shadowRoot.getElementById("curve");
            return Math.abs(plot.viewBox.baseVal.width - plot.clientWidth) < 40;
        }""")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for control in page.locator("input, select, button").all():
            box = control.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
