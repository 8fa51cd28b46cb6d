"""Every block of code in the README and the docs runs, and what they quote is the source."""

import ast
import importlib.util
import inspect
import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu import (
    Tensor,
    functional,
    gradcheck,
    lab,
    logsumexp,
    losses,
    nn,
    optim,
    relu,
    train,
    viz,
)
from tinygrad_edu.graph import RULES, backward_of
from tinygrad_edu.viz import plots

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()
NEEDS = {"arrays.md": ("dask.array", "sparse")}  # what all blocks of a page need
EXTRAS = {name for name in ("optuna", "pyarrow", "tensorboardX") if not find_spec(name)}
REFERENCE = sorted((ROOT / "docs/reference").glob("*.md"))


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


QUOTE = r"<!-- source: (\S+): (.*?) -->\n+```python\n(.*?)^```$"


@pytest.fixture
def rules_of_before():
    """The table is put back: what a page adds goes with it."""
    before = RULES.copy()
    yield
    RULES.clear()
    RULES.update(before)


CELL = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
RESULT = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.(\d*))?(?:e([-+]\d+))?(?![\d.])")


def cells(text):
    """Each block of Python with what the page says that it prints.

    That is the block of text right below it, or else the comment behind each print.
    """
    for code, shown in CELL.findall(re.sub(QUOTE, "", text, flags=re.MULTILINE | re.DOTALL)):
        yield code, shown or "\n".join(RESULT.findall(code))


def assert_shown(printed, shown):
    """The same words, and the same numbers up to the last digit shown.

    Another computer may round that digit of a long number otherwise; what it has left of a 0, below
    1e-8, is not compared.
    """
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
    for a, b in zip(NUMBER.finditer(printed), NUMBER.finditer(shown), strict=True):
        x, y = float(a[0]), float(b[0])
        last_digit = 10.0 ** (int(b[2] or 0) - len(b[1] or ""))
        if max(abs(x), abs(y)) > 1e-8:
            tolerance = min(1.01 * last_digit, 1e-3 * abs(y)) if b[1] else 0.0
            assert isclose(x, y, rel_tol=1e-9, abs_tol=tolerance), f"{a[0]}, not {b[0]}"


@pytest.mark.usefixtures("rules_of_before")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_of_a_page_prints_what_the_page_shows(page, tmp_path, monkeypatch):
    """The blocks run in their order, as a reader would type them into one session."""
    for library in NEEDS.get(page.name, ()):
        pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    names, missing = {"__name__": page.stem}, set()
    for code, shown in cells(page.read_text()):
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                exec(compile(code.replace("breakpoint()\n", ""), "lesson.py", "exec"), names)
        except ImportError as error:
            if error.name not in EXTRAS:
                raise
            missing.add(error.name)
            continue
        assert_shown(printed.getvalue(), shown)
    for picture in tmp_path.glob("*.svg"):
        on_the_page = ROOT / "docs/images" / picture.name
        if on_the_page.exists():
            assert_shown(words(picture), words(on_the_page))
    if missing:
        pytest.skip(f"the blocks that need {', '.join(sorted(missing))}, as it is not installed")


def words(svg):
    return "\n".join(
        x.text for x in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_output_is_shown_that_nobody_compares(page):
    text = page.read_text()
    compared = [shown for _, shown in CELL.findall(text) if shown]
    others = [shown for shown in blocks(text, "text") if shown not in compared]
    assert all("(Pdb)" in shown for shown in others)  # that is a test of its own
    assert len(others) == (page.name == "README.md")


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("", "1.0"),
        ("1.0", ""),
        ("1.0", "1.1 2.0"),
        ("0.29", "0.31"),
        ("-0.29", "0.29"),
        ("loss 3", "loss 4"),
        ("loss 3", "cost 3"),
        ("1.9e-07", "2.1e-07"),
        ("12.0000001", "12.0000003"),
        ("[1. 2.]", "[1. 3.]"),
        ("0.2", "0.3"),
        ("1e-6", "1e-14"),
        ("diverged", "nan"),
    ],
)
def test_a_wrong_result_on_a_page_is_found(printed, shown):
    with pytest.raises(AssertionError):
        assert_shown(printed, shown)


def test_what_differs_between_two_computers_is_no_wrong_result():
    assert_shown("order 1: 22.414436161 (± 3e-15)\n", "order 1: 22.414436162\n (± 1e-14)")
    assert_shown("[0.1  -2.]", "[0.1 -2.]")


def test_the_quick_start_is_two_lines():
    start = r"^## Quick start\n.*?^```bash\n(.*?)^```"
    block = re.search(start, README, re.MULTILINE | re.DOTALL)
    assert block[1].splitlines() == [
        'pip install -e ".[examples]" && python examples/quickstart.py',
        'pip install -e ".[test]" && pytest',
    ]


def test_the_debugging_session_is_real(tmp_path):
    (program,) = [code for code in blocks(README, "python") if "breakpoint()" in code]
    (session,) = [text for text in blocks(README, "text") if "(Pdb)" in text]
    path = tmp_path / "neuron.py"
    path.write_text(program)
    commands = re.findall(r"^\(Pdb\) (.*)$", session, re.MULTILINE)
    typed = "\n".join(commands) + "\n"
    run = subprocess.run(
        [sys.executable, str(path)], input=typed, text=True, capture_output=True, check=True
    )
    # pdb does not echo what it reads from a pipe; how it starts differs between versions of Python
    answers = [part.strip() for part in run.stdout.split("(Pdb) ")[1:]]
    shown = [re.sub(r"^.*\n?", "", part, count=1).strip() for part in session.split("(Pdb) ")[1:]]
    shown += [""] * (len(answers) - len(shown))
    assert [without_places(x) for x in answers] == [without_places(x) for x in shown]


def without_places(text):
    """A debugger's answer without the folders and the line numbers."""
    text = re.sub(r"\S*?((?:tinygrad_edu/)?\w+\.py)", r"\1", text)
    return re.sub(r"(\.py)(\(\d+\)|:\d+)", r"\1", text)


def quotes():
    for page in PAGES:
        for file, what, code in re.findall(QUOTE, page.read_text(), re.MULTILINE | re.DOTALL):
            yield pytest.param(file, code, id=f"{page.name}: {what}")


@pytest.mark.parametrize(("file", "code"), list(quotes()))
def test_a_quoted_source_is_the_source(file, code):
    def without_layout(text):
        return re.sub(r"\s+", "", text)

    assert without_layout(code) in without_layout((ROOT / file).read_text())


def kinks():
    page = (ROOT / "docs/kinks.md").read_text()
    rows = re.findall(r"^\| `(.*?)` \| `(.*?)` \| `(.*?)` \|", page, re.MULTILINE)
    assert len(rows) > 10
    return rows


@pytest.mark.parametrize(("expression", "at", "gradient"), kinks())
def test_the_convention_at_a_kink(expression, at, gradient):
    names = {"np": np, "relu": relu, "logsumexp": logsumexp}
    x = Tensor(eval(at, names), requires_grad=True)
    with np.errstate(all="ignore"):
        out = eval(expression, {**names, "x": x})
        out.backward(np.ones(out.shape))
    np.testing.assert_array_equal(x.grad, eval(gradient, names))


def test_adding_an_operation_is_one_def_and_one_row_as_contributing_says(monkeypatch):
    rule, row = blocks((ROOT / "CONTRIBUTING.md").read_text(), "python")
    functions = ast.parse(row).body[0].value.elts[0].args
    assert ast.unparse(functions[0]) == "np.arctan"
    monkeypatch.delitem(RULES, np.arctan)  # the table has it; put back after the test
    exec(rule, {"np": np, "backward_of": backward_of})
    gradcheck(np.arctan, np.random.default_rng(0).standard_normal((2, 3)))


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PUBLIC = [tinygrad_edu, functional, lab, losses, nn, nn.init, optim, optim.lr_scheduler]
PUBLIC += [train, viz, plots]


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_every_public_name_has_an_entry_in_the_reference(module):
    """Sphinx makes one for each name of `__all__` that has a docstring."""
    entries = rf"^\.\. automodule:: {module.__name__}\n    :members:$"
    pages = [x for x in REFERENCE if re.search(entries, x.read_text("utf-8"), re.MULTILINE)]
    assert len(pages) == 1
    assert f"(reference/{pages[0].name})" in (ROOT / "docs/reference.md").read_text("utf-8")
    names = [name for name in module.__all__ if callable(getattr(module, name))]
    assert [name for name in names if not inspect.getdoc(getattr(module, name))] == []


def test_a_module_that_says_what_is_public_is_in_the_reference():
    for name, module in vars(tinygrad_edu).items():
        if isinstance(module, ModuleType) and name in tinygrad_edu.__all__:
            assert module in PUBLIC, name


def test_the_coverage_page_is_what_the_tables_say():
    coverage = script("make_coverage")
    lists, text = coverage.lists(), coverage.PAGE.read_text()
    if f"NumPy {np.__version__} " in text:
        assert "" not in lists, f"in no list: {lists['']}"
        assert coverage.page() == text
    for name in lists["They have a rule"]:
        assert f"`{name}`" in text


@pytest.mark.parametrize(
    "page", [*PAGES, *REFERENCE, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name
)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_pytorch_prints_the_same_numbers_as_the_page_side_by_side():
    """The stored output is that of these very programs: a changed block must be run again."""
    page = (ROOT / "docs/pytorch.md").read_text()
    rows = json.loads((ROOT / "tests/reference/side_by_side.json").read_text())
    assert [row["program"] for row in rows] == blocks(page, "py")
    assert [row["printed"] for row in rows] == blocks(page, "text")
