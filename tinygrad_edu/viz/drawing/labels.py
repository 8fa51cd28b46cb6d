"""The text in a picture, in Graphviz's subset of HTML. An empty element is an error there."""

import textwrap
from collections.abc import Sequence
from html import escape

from tinygrad_edu.notation.numbers import number
from tinygrad_edu.notebook import printable
from tinygrad_edu.viz.drawing.themes import ink_on
from tinygrad_edu.viz.graph.data import GraphNode
from tinygrad_edu.viz.words.names import shortened

LINES = 4  # of a formula, at most
WIDTH = 30  # characters in a line of a formula, at most
POINTED = 300  # characters of each part of a tooltip: Graphviz accepts strings up to 16,384


def bold(name: str) -> str:
    return f"<B>{escaped(shortened(name))}</B>" if name else ""


def colored(label: str, color: str) -> str:
    return f'<FONT COLOR="{color}">{label}</FONT>'


def row(title: str, lines: list[str], color: str | None = None) -> str:
    content = "<BR/>".join(f"&#160; {escaped(line)}" for line in lines)
    if color:
        title, content = colored(title, color), colored(content, color)
    return (
        f'<TD ALIGN="LEFT" VALIGN="TOP">{title}</TD><TD ALIGN="RIGHT" BALIGN="RIGHT">{content}</TD>'
    )


def stacked(sides: Sequence[str]) -> list[str]:
    """a = b = c in one line if it is short, or else a line for each side."""
    line = " = ".join(sides)
    if len(line) <= WIDTH:
        return [line]
    return [line for i, side in enumerate(sides) for line in wrapped("= " * (i > 0) + side)]


def wrapped(line: str) -> list[str]:
    lines = textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], "\u2026"]


def swatch(fill: str, label: str) -> str:
    return f'<TD BGCOLOR="{fill}">{colored(escaped(label), ink_on(fill))}</TD>'


def html_rows(rows: list[str], padding: int) -> str:
    inside = "".join(f"<TR>{row}</TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="{padding}">{inside}</TABLE>>'


def plain_text(x: float | str) -> str:
    return x if isinstance(x, str) else number(x)


def tooltip(node: GraphNode) -> str:
    """What a browser shows under the pointer: more of the name, and the line of the program."""
    parts = [node.name or node.operation or node.role, node.options, node.line or ""]
    text = "   ".join(shortened(part, POINTED) for part in parts if part)
    return quoted(text)


def quoted(text: str) -> str:
    """Text for an attribute other than a label."""
    # Graphviz replaces \\ by \ twice, and \N by an id: so four backslashes stand for one.
    return escape(text).replace("\\", "\\" * 4).replace("\n", "\\n")


def escaped(x: str) -> str:
    """HTML text that shows exactly x."""
    # Graphviz replaces \N by an id, \\ by \, and more: put each backslash into its own element.
    return escape(printable(x)).replace("\\", "<FONT>\\</FONT>")
