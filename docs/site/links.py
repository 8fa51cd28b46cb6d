"""How does a link to a file of the repository become a link inside the site?

`../examples/xor.py` leads to its page of the gallery, `../tinygrad_edu/graph.py` to its listing.
"""

import re
from os.path import normpath
from pathlib import Path
from typing import Any

from listings import FOLDERS, ROOT, page_of
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

logger = getLogger(__name__)
LINK = re.compile(r"\]\((?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")


def resolve(app: Sphinx, page: str, source: list[str]) -> None:
    """Rewrite the links of a page to files outside docs/."""

    def resolved(match: re.Match[str]) -> str:
        path = Path(normpath(Path("docs") / Path(page).parent / match["path"]))
        if path.parts[0] == "docs":
            return match[0]
        if not (ROOT / path).exists():
            logger.warning("a link leads nowhere: %s", match["path"], location=page)
        return target(path, page, match["anchor"] or "") if is_on_the_site(path) else match[0]

    source[0] = LINK.sub(resolved, source[0])


def is_on_the_site(path: Path) -> bool:
    return path.parts[0] in FOLDERS or (path.parts[0] == "examples" and path.suffix != ".txt")


def target(path: Path, page: str, anchor: str) -> str:
    """Where a link goes in the words of MyST; a listing is no document of Sphinx."""
    if path.parts[0] == "examples":
        return f"](/gallery/{path.stem if path.suffix else 'index'}.rst)"
    line = re.sub("^#L(?=[0-9])", "#L-", anchor)
    return f"]({'../' * page.count('/')}{page_of(path)}.html{line}){{.external}}"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
