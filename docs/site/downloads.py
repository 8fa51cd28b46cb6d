"""How does a page become a notebook to download, with its outputs and its pictures?

MyST-NB leaves what it has run. From that go the cells that only the site needs; pictures go into
the file, and links to other pages of the site become their text.
"""

import mimetypes
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx

FOLDER = "notebooks"
TITLE = re.compile(r"^# .*\n", re.MULTILINE)
OFFER = re.compile(r"^\[[^]]*\]\(\S*\)\{[^}]*\.notebook[^}]*\}\n+", re.MULTILINE)
WORDS = r"(?:[^][]|\[[^][]*\])*"  # which may have brackets of their own
PICTURE = re.compile(rf"!\[(?P<alt>{WORDS})\]\((?P<path>[^)\s]*)\)")
LINK = re.compile(rf"(?<!!)\[(?P<text>{WORDS})\]\((?!https?:)[^)\s]*\)(\{{[^}}]*\}})?")


def offered(text: str, page: str) -> str:
    """The text of a page with a link to its notebook below the title."""
    path = f"{'../' * page.count('/')}{FOLDER}/{page}.ipynb"
    link = f"\n[Download this page as a notebook]({path}){{.external .notebook}}\n"
    return TITLE.sub(lambda title: title[0] + link, text, count=1)


def write(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    source = Path(app.doctreedir) / "notebooks"
    for page in sorted(app.env.found_docs):
        file = source / f"{page}.ipynb"
        if file.exists():
            target = Path(app.outdir) / FOLDER / f"{page}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            made = downloadable(nbformat.read(file, as_version=4), app, page)
            nbformat.write(made, target)


def downloadable(notebook: Any, app: Sphinx, page: str) -> Any:
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [x for x in notebook.cells if "remove-cell" not in x.metadata.get("tags", [])]
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\g<text>", with_pictures(cell, app, page))
    return nbformat.from_dict({**notebook, "cells": cells})


def with_pictures(cell: Any, app: Sphinx, page: str) -> str:
    """The text of a cell; the pictures that it shows go into the cell itself."""

    def attached(match: re.Match[str]) -> str:
        path, _ = app.env.relfn2path(match["path"], page)
        name = app.env.images[path][1]
        data = (Path(app.outdir) / "_images" / name).read_bytes()
        kind, _ = mimetypes.guess_type(name)
        cell.setdefault("attachments", {})[name] = {kind: b64encode(data).decode()}
        return f"![{match['alt']}](attachment:{name})"

    return PICTURE.sub(attached, OFFER.sub("", cell.source))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", write, priority=600)  # when the pictures are those of this build
    return {"parallel_read_safe": True, "parallel_write_safe": True}
