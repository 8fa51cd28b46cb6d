"""A page that computes: its script carries a program, and its sliders run it."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from tinygrad_edu.compiler.javascript import arithmetic
from tinygrad_edu.viz.pages.player import Page, digest, embedded


def computing_page(data: dict[str, Any], programs: Sequence[str], part: str) -> Page:
    """The page of `part` (a style and a script) that shows data and runs the programs.

    The programs are part of the script whose digest the page allows: nothing is evaluated.
    """
    folder = files("tinygrad_edu.viz.pages") / "assets"

    def asset(name: str) -> str:
        return (folder / name).read_text("utf-8")

    style = "".join(asset(f"{name}.css") for name in ("page", "workbench", part))
    table = ",\n".join(programs)
    script = "\n".join(
        [
            '"use strict";',
            arithmetic(),
            f"const programs = [\n{table}\n];",
            asset("workbench.js"),
            asset(f"{part}.js"),
        ]
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest(style)}'; "
        f"script-src 'sha256-{digest(script)}'"
    )
    return Page(
        Template(asset("workbench.html")).substitute(
            policy=policy,
            title=escape(data["title"]),
            style=style,
            script=script,
            data=embedded(data),
        )
    )
