"""How does a page with blocks of Python become a notebook that runs?

On a code host a block is shown with its output right below it. Here the block runs, and its output
is what it prints now.
"""

import re
from pathlib import Path
from typing import Any

from downloads import offered
from sphinx.application import Sphinx

HEAD = """---
file_format: mystnb
kernelspec:
  name: python3
---
"""

# A source that is quoted is no cell: it stays as it is.
BLOCK = re.compile(
    r"(?P<quoted><!-- source: [^>]* -->\n+)?"
    r"^```python\n(?P<code>.*?)^```\n"
    r"(?P<shown>\n```text\n.*?^```\n)?",
    re.MULTILINE | re.DOTALL,
)

# A screenshot of a page, for a code host: here the page itself is above, as the result of a cell.
STILL = re.compile(
    r"^!\[[^\n]*\]\(images/(?P<kind>play|quiz|practice|film|explore|page)(_\w+)?\.png\)\n",
    re.MULTILINE,
)
LIVE = re.compile(r"\b(play|quiz|practice|film|explore)(?:_descent)?\(")

PICTURES = """
from pathlib import Path as _Path
from shutil import copy as _copy

_made = _Path({folder!r})
_made.mkdir(parents=True, exist_ok=True)
for _picture in _Path().glob("*"):
    if _picture.suffix in {suffixes!r}:
        _copy(_picture, _made)
"""
SUFFIXES = (".gif", ".png", ".svg")


def has_cells(text: str) -> bool:
    return any(not block["quoted"] for block in BLOCK.finditer(text))


def notebook(text: str, page: str, folder: Path) -> str:
    """The page as a MyST notebook, whose cells leave their pictures in the folder."""
    live = {"page", *LIVE.findall(text)}
    text = STILL.sub(lambda still: "" if still["kind"] in live else still[0], text)
    text = text if page == "index" else offered(text, page)
    keep_pictures = PICTURES.format(folder=str(folder), suffixes=SUFFIXES)
    return HEAD + BLOCK.sub(cell, text) + hidden(keep_pictures)


def cell(block: re.Match[str]) -> str:
    if block["quoted"]:
        return block[0]
    return f"```{{code-cell}} python\n{block['code']}```\n"


def hidden(code: str) -> str:
    return f"\n```{{code-cell}} python\n:tags: [remove-cell]\n{code}```\n"


def made_by(app: Sphinx, page: str) -> Path:
    """Where the cells of a page leave their pictures."""
    return Path(app.doctreedir) / "made" / page


def read(app: Sphinx, page: str, source: list[str]) -> None:
    if app.env.doc2path(page).suffix == ".md" and has_cells(source[0]):
        source[0] = notebook(source[0], page, made_by(app, page))


def keep_notebooks_inside(app: Sphinx) -> None:
    """MyST-NB would put what it has run beside the folder of the site."""
    folder = Path(app.doctreedir) / "notebooks"
    app.env.mystnb_config = app.env.mystnb_config.copy(output_folder=str(folder))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", keep_notebooks_inside, priority=900)
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
