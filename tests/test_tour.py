"""The tour of the source: each line of its three files is beside one note."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs/site"))
from pieces import MARK, definitions, pieces  # noqa: E402
from prose import rst, titled  # noqa: E402

sys.path.remove(str(ROOT / "docs/site"))
FILES = ("value", "graph", "rules")


@pytest.mark.parametrize("name", FILES)
def test_each_line_of_a_file_is_in_one_piece(name):
    source = (ROOT / f"tinygrad_edu/{name}.py").read_text("utf-8")
    page = (ROOT / f"docs/tour_{name}.md").read_text("utf-8")
    found = pieces(page)
    assert "".join(piece.text for piece in found) == source
    lines = source.splitlines()
    for piece in found[1:]:  # a piece begins with its definition, or with what belongs to it
        assert lines[piece.first - 1].lstrip().startswith(("def ", "class ", "@", "#"))
    notes = [note.strip() for note in MARK.split(page)[3::3]]
    assert all(len(note) > 60 for note in notes)


@pytest.mark.parametrize(
    ("marks", "error"),
    [
        (["", "nowhere"], "no such definition: nowhere"),
        (["", "Value.seed", "Value"], "not in the order of the file"),
        (["", "Value", "Value"], "not in the order of the file"),
        (["Value"], "from its start"),
    ],
)
def test_a_note_that_does_not_fit_is_named(marks, error):
    names = [f": {mark}" if mark else "" for mark in marks]
    page = "\n".join(f"<!-- tour: tinygrad_edu/value.py{name} -->" for name in names)
    with pytest.raises(ValueError, match=error):
        pieces(page)


def test_a_definition_begins_with_its_comments_and_decorators():
    source = "x = 1\n\n# of f\n\n# and g\n\n\n@d\ndef f(): pass\nclass C:\n    def f(self): pass\n"
    assert definitions(source) == {"f": 3, "C": 10, "C.f": 11}


def test_a_docstring_is_plain_text_and_becomes_markup():
    lines = [
        "|x_i| * `a_b`s",
        "",
        "one   what",
        "      it is",
        "two_three",
        "      more",
        "Raises.",
    ]
    assert rst(lines) == [
        *(r"\|x\_i\| \* ``a_b``\ s", "", ""),
        *("``one``", "    what", "    it is", "``two_three``", "    more", "", "Raises."),
    ]
    assert rst(["So:", "", "    a = b", "", "    c", "", "End"]) == [
        *("So:", "", "::", "", "    a = b", "", "    c", "", "", "End")
    ]
    assert titled("What is `x`?\n\nA *.\n").splitlines()[:2] == ["What is ``x``?", "=" * 14]
