"""Where does a link to a source file lead? To a page of the site that lists the file."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
FOLDERS = ("tinygrad_edu", "tests")


def files() -> list[Path]:
    """All that is listed, from the top of the repository."""
    return sorted(x.relative_to(ROOT) for name in FOLDERS for x in (ROOT / name).rglob("*.py"))


def page_of(path: Path) -> str:
    """The page of a source file, or of a folder with source files."""
    return f"source/{path.with_suffix('') if path.suffix else path / 'index'}"


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    listed = files()
    for path in listed:
        body = f"<h1>{path}</h1>{listing(app, ROOT / path)}"
        yield page_of(path), {"title": str(path), "body": body}, "page.html"
    for folder in sorted({parent for path in listed for parent in path.parents} - {Path()}):
        inside = [x for x in listed if x.parent == folder]
        inside += sorted({x.parent for x in listed if x.parent.parent == folder})
        rows = "".join(f"<tr><td>{link(x, folder)}</td><td>{summary(x)}</td></tr>" for x in inside)
        table = f'<div class="table-wrapper"><table class="docutils">{rows}</table></div>'
        context = {"title": f"{folder}/", "body": f"<h1>{folder}/</h1>{table}"}
        yield page_of(folder), context, "page.html"


def listing(app: Sphinx, path: Path) -> str:
    """The file with the number of each line, and an anchor at each: #L-12."""
    highlighter = app.builder.highlighter  # type: ignore[attr-defined]
    text = path.read_text(encoding="utf-8")
    return str(highlighter.highlight_block(text, "python", linenos="inline", lineanchors="L"))


def link(path: Path, folder: Path) -> str:
    target = f"{path.stem}.html" if path.suffix else f"{path.name}/index.html"
    return f'<a href="{target}"><code>{path.name}{"" if path.suffix else "/"}</code></a>'


def summary(path: Path) -> str:
    """The first line of a module: the question that it answers."""
    file = ROOT / path if path.suffix else ROOT / path / "__init__.py"
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) if file.exists() else None
    return escape((docstring or "").partition("\n")[0])


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where an entry of the reference is defined; its pages are one folder deep."""
    found = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    try:
        found = inspect.unwrap(getattr(found, "fget", None) or found)
        path = Path(inspect.getsourcefile(found) or "")
        line = inspect.getsourcelines(found)[1]
    except (TypeError, OSError):  # data, and what is written in C
        return None
    if not path.is_relative_to(ROOT):
        return None
    return f"../{page_of(path.relative_to(ROOT))}.html#L-{line}"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
