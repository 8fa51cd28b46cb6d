"""Which lines of a source file does a note of the tour speak of?

A note names a definition. Its piece goes from there, with the comments right above, to where the
piece of the next note begins; so each line of the file is in one piece.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"^<!-- tour: (?P<file>[^:\s]+)(?:: (?P<name>\S+))? -->$", re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    name: str  # of the definition where it begins; empty for the start of the file
    first: int  # the number of its first line
    text: str


def pieces(page: str) -> list[Piece]:
    """The pieces of the file that a page goes through, in the order of its notes.

    Raises ValueError for a name that is not in the file, and for notes in another order.
    """
    marks = list(MARK.finditer(page))
    files = {mark["file"] for mark in marks}
    if len(files) != 1 or marks[0]["name"]:
        raise ValueError(f"a tour goes through one file, from its start: {sorted(files)}")
    source = (ROOT / files.pop()).read_text(encoding="utf-8")
    lines, starts = source.splitlines(keepends=True), definitions(source)
    names = [mark["name"] or "" for mark in marks]
    unknown = [name for name in names if name and name not in starts]
    if unknown:
        raise ValueError(f"no such definition: {', '.join(unknown)}")
    firsts = [starts[name] if name else 1 for name in names]
    if firsts != sorted(set(firsts)):
        raise ValueError(f"the notes are not in the order of the file: {', '.join(names)}")
    ends = [*firsts[1:], len(lines) + 1]
    return [
        Piece(name, first, "".join(lines[first - 1 : end - 1]))
        for name, first, end in zip(names, firsts, ends, strict=True)
    ]


def definitions(source: str) -> dict[str, int]:
    """Where each function, class and method begins, by dotted name, the first of that name."""
    lines, found = source.splitlines(), {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min([node.lineno, *(x.lineno for x in node.decorator_list)])
                found.setdefault(prefix + node.name, with_comments(lines, first))
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(source).body, "")
    return found


def with_comments(lines: list[str], first: int) -> int:
    """The first line of a definition, or of the comments above it."""
    above = first
    while above > 1 and (not lines[above - 2].strip() or lines[above - 2].lstrip()[0] == "#"):
        above -= 1
        if lines[above - 1].strip():
            first = above
    return first
