"""How does a docstring become an entry of the reference?"""

from typing import Any

from prose import rst
from sphinx.application import Sphinx


def write(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """The first line, an equation or a sentence, stands out; the rest says what is what."""
    if what == "module":
        lines[:] = rst(lines)
    else:
        first = [f"    {line}" for line in rst(lines[:1])]
        lines[:] = [".. container:: equation", "", *first, "", *rst(lines[1:]), ""]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
