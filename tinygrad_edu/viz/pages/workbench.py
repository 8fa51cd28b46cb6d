"""A page that computes: its script contains a program, and its sliders run it."""

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.compiler.javascript import arithmetic
from tinygrad_edu.viz.pages.player import Page, assembled, assets


def computing_page(data: dict[str, Any], programs: Sequence[str], part: str, *scripts: str) -> Page:
    """The page of `part` (a style and a script) that shows data and runs the programs.

    scripts  more script files, after that of `part`

    The programs are a part of the script, whose digest the page allows: it needs no `eval`.
    """
    table = ",\n".join(programs)
    script = "\n".join(
        [
            assets("js", "dom"),
            arithmetic(),
            f"const programs = [\n{table}\n];",
            assets("js", "workbench", "theme", part, *scripts),
        ]
    )
    return assembled("workbench", data, assets("css", "page", "workbench", part), script)
