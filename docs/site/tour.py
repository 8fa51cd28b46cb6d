"""How does a page go through a source file, with its prose beside the code?

Below a heading, `<!-- tour: FILE: NAME -->` says which definition the text is about; the first mark
of a page has no name. Here the lines of the file are put beside each text.
"""

from typing import Any

from pieces import MARK, Piece, pieces
from sphinx.application import Sphinx

SECTION = """::::::{{container}} tour
:::::{{container}} note-of-tour
{note}
:::::
:::::{{container}} code-of-tour
```{{code-block}} python
:lineno-start: {first}

{code}
```
:::::
::::::

"""


def go_through(app: Sphinx, page: str, source: list[str]) -> None:
    text = source[0]
    marks = list(MARK.finditer(text))
    if not marks:
        return
    parts = ["---\nhide-toc: true\n---\n", text[: marks[0].start()]]
    for mark, following, piece in zip(marks, [*marks[1:], None], pieces(text), strict=True):
        end = following.start() if following else len(text)
        note, heading = split(text[mark.end() : end])
        parts += [section(note, piece), heading]
    source[0] = "".join(parts)


def split(text: str) -> tuple[str, str]:
    """A note, and the heading of the next one."""
    note, line, rest = text.partition("\n## ")
    return note.strip(), f"{line.lstrip()}{rest}"


def section(note: str, piece: Piece) -> str:
    code = piece.text.strip("\n")
    blank = len(piece.text) - len(piece.text.lstrip("\n"))
    return SECTION.format(note=note, first=piece.first + blank, code=code)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", go_through, priority=400)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def outdated(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> Any:
    """A tour is read again whenever the site is built: its file may have changed."""
    return [page for page in env.found_docs if page.startswith("tour_")]
