"""How do the examples get into the gallery: their questions, their pictures, what they print?

sphinx-gallery runs a copy of each in docs/.examples, where it writes into `out`. What it has saved
there is shown: pictures, and pages to play. It stays there, as sphinx-gallery's own pages in
docs/gallery do, so that the next build runs only what has changed.
"""

import ast
import builtins
from html import escape
from pathlib import Path
from shutil import copy, copytree
from typing import Any

from prose import titled
from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADER = """What can one do with it?
========================

Each example asks one question, is short, needs no download, and was run when this page was made.
Its source is below its pictures; ``python examples/NAME.py`` runs it.
"""
PICTURES = (".gif", ".png", ".svg")


def stage(app: Sphinx, config: Any) -> None:
    """Copy the examples, and tell sphinx-gallery where they are."""
    folder = staged(app)
    copytree(EXAMPLES, folder, dirs_exist_ok=True)
    (folder / "GALLERY_HEADER.rst").write_text(HEADER, encoding="utf-8")
    config.sphinx_gallery_conf["examples_dirs"] = str(folder)


def staged(app: Sphinx) -> Path:
    return Path(app.srcdir) / ".examples"


def saved_by(source: Path) -> list[Path]:
    """What an example has saved."""
    return sorted((source.parent / "out" / source.stem).glob("*"))


def name_file(gallery_conf: dict[str, Any], name: str) -> None:
    """sphinx-gallery runs an example without a `__file__`, beside which some have their data."""
    builtins.__file__ = str(Path(gallery_conf["examples_dirs"]) / name)  # type: ignore[attr-defined]


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Show what an example has saved: sphinx-gallery calls this after it has run."""
    source, shown = Path(block_vars["src_file"]), []
    for file in saved_by(source):
        if file.suffix in PICTURES:
            path = Path(next(block_vars["image_path_iterator"])).with_suffix(file.suffix)
            copy(file, path)
            shown.append(figure_rst([path], gallery_conf["src_dir"], f"{file.stem}, {source.stem}"))
        elif file.suffix == ".html":
            shown.append(frame(file))
    return "\n".join(shown)


def frame(file: Path) -> str:
    """A page that the example has written, in a frame."""
    page, path = escape(file.read_text(encoding="utf-8")), file.with_suffix(".frame")
    path.write_text(
        f'<iframe srcdoc="{page}" title="{file.stem}" sandbox="allow-scripts" loading="lazy" '
        'class="page"></iframe>',
        encoding="utf-8",
    )
    return f"\n\n.. raw:: html\n    :file: ../.examples/{path.relative_to(path.parents[2])}\n\n"


def ask(app: Sphinx, page: str, source: list[str]) -> None:
    """The question of an example becomes the title of its page."""
    folder, _, name = page.rpartition("/")
    path = EXAMPLES / f"{name}.py"
    if folder == "gallery" and path.exists():
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")), clean=False)
        assert docstring in source[0], f"sphinx-gallery does not show the docstring of {path}"
        source[0] = source[0].replace(docstring, titled(docstring), 1)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", stage, priority=1)
    app.connect("source-read", ask)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
