"""How Values and Tensors show themselves in a notebook, and the notebook of the documentation."""

import ast
import json
import warnings
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value
from tinygrad_edu.viz import Page

NOTEBOOK = Path(__file__).parents[1] / "docs" / "backprop.ipynb"


def shown(node):
    """The rows of the table: title and text."""
    rows = list(ET.fromstring(node._repr_html_()).iter("tr"))
    return {"kind": "".join(rows[0].itertext())} | {
        "".join(row[0].itertext()): "".join(row[1].itertext()) for row in rows[1:]
    }


def test_a_value_shows_name_value_and_gradient():
    w = Value(0.1 + 0.2, name="w")
    assert shown(w) == {"kind": "Value", "name": "w", "value": "0.3", "grad": "None"}
    (w * w).backward()
    assert shown(w) == {"kind": "Value", "name": "w", "value": "0.3", "grad": "0.6"}
    assert shown(Value(2, requires_grad=False)) == {"kind": "Value", "value": "2"}


def test_a_tensor_shows_its_shape_and_a_small_array_whole():
    t = Tensor([[1.0, 2.0], [3.0, 0.5]], requires_grad=True, name="t")
    (t * t).sum().backward(create_graph=True)
    assert shown(t) == {
        "kind": "Tensor",
        "name": "t",
        "shape": "(2, 2) float64",
        "value": "[[1. , 2. ],\n [3. , 0.5]]",
        "grad": "[[2., 4.],\n [6., 1.]]",
    }
    assert shown(Tensor([1, 2])) == {"kind": "Tensor", "shape": "(2,) int64", "value": "[1, 2]"}


def test_a_large_tensor_is_summarized():
    t = Tensor(np.arange(2000.0).reshape(2, 10, 100))
    assert shown(t)["shape"] == "(2, 10, 100) float64"
    assert shown(t)["value"] == "mean 999.5, min 0, max 1999"
    assert shown(Tensor(np.full(90, np.nan)))["value"] == "mean nan, min nan, max nan"
    assert shown(Tensor(np.zeros((0, 3))))["value"] == "[]"


def cells():
    return json.loads(NOTEBOOK.read_text("utf-8"))["cells"]


def test_the_notebook_has_no_stored_outputs():
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


def test_the_cells_run_from_top_to_bottom_and_what_they_show_has_a_picture():
    names, kinds = {}, []
    for cell in cells():
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "backprop.ipynb", "exec"), names)
        if last is not None:
            result = eval(compile(ast.Expression(last.value), "backprop.ipynb", "eval"), names)
            kinds += [result.kind] if isinstance(result, Page) else []
            for method in ("_repr_html_", "_repr_svg_"):
                if hasattr(result, method):
                    assert getattr(result, method)()
    assert kinds == ["play", "quiz", "practice"]
    nudged = names["loss_at"](0.8 + 1e-6) - names["loss_at"](0.8 - 1e-6)
    assert names["w"].grad == pytest.approx(nudged / 2e-6)
    assert names["correct"] > 0.95


def run_in_jupyter(notebook):
    nbclient = pytest.importorskip("nbclient", reason="no Jupyter: pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="no Jupyter: pip install nbclient ipykernel")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter's own
        nbclient.NotebookClient(notebook, timeout=60).execute()


def test_the_notebook_runs_in_jupyter():
    nbformat = pytest.importorskip("nbformat", reason="no Jupyter: pip install nbclient ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    run_in_jupyter(notebook)
    shown = [
        set(out.data) for cell in notebook.cells for out in cell.get("outputs", []) if "data" in out
    ]
    assert sum("image/svg+xml" in kinds for kinds in shown) == 2
    assert sum("text/html" in kinds for kinds in shown) == 6


def test_a_cell_shows_a_widget():
    nbformat = pytest.importorskip("nbformat", reason="no Jupyter: pip install nbclient ipykernel")
    pytest.importorskip("anywidget", reason='no widgets: pip install "tinygrad_edu[notebook]"')
    v4 = nbformat.v4
    lines = "w = viz.widget(lambda x: x**2, x=3.0)", "w", "w.inputs = {'x': -2.0}\nw.value"
    cells = [v4.new_code_cell(text) for text in ("from tinygrad_edu import viz", *lines)]
    notebook = v4.new_notebook(cells=cells)
    run_in_jupyter(notebook)
    assert [len(cell.outputs) for cell in cells] == [0, 0, 1, 1]
    view = cells[2].outputs[0].data["application/vnd.jupyter.widget-view+json"]
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    model = state[view["model_id"]]["state"]
    assert "export default { render }" in model["_esm"]
    (side,) = model["answer"]["sides"]
    assert model["answer"]["values"] == [-2.0]
    assert np.diff(side["ends"])[0] / (2 * side["step"]) == pytest.approx(-4.0)
    assert cells[3].outputs[0].data["text/plain"] == "4.0"
