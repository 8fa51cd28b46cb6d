"""How a Value or a Tensor shows itself in a notebook."""

from html import escape
from typing import Any

import numpy as np

from tinygrad_edu.graph import Node, plain
from tinygrad_edu.messages import array_text, library_of

NUMBERS = 36  # the largest array that is shown in full
LETTERS = 60  # the longest name that is shown in full


def html_table(node: Node) -> str:
    """Name, shape, value and gradient of a node, as a small table in HTML.

    It has no colours of its own, and so suits light and dark notebooks.
    """
    data = node.data
    rows = {"name": "" if node.name is None else short_name(node.name)}
    if hasattr(data, "shape"):
        rows["shape"] = f"{data.shape} {data.dtype}"
    rows["value"] = numbers(data)
    if node.requires_grad:
        rows["grad"] = numbers(plain(node.grad))
    body = "".join(html_row(title, text) for title, text in rows.items() if text)
    kind = f'<tr><th colspan="2" style="text-align: left">{type(node).__name__}</th></tr>'
    return f"<table><thead>{kind}</thead><tbody>{body}</tbody></table>"


def html_row(title: str, text: str) -> str:
    style = "text-align: left; white-space: pre; font-family: monospace"
    return (
        f'<tr><th scope="row" style="text-align: left">{title}</th>'
        f'<td style="{style}"><bdi>{escape(text)}</bdi></td></tr>'
    )


def short_name(text: str) -> str:
    """A name on one line, cut if it is long; see `printable`."""
    short = text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
    return printable(short)


def printable(text: str) -> str:
    """The text on one line: characters that cannot be shown, such as a newline, are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def numbers(x: Any) -> str:
    """A number or a small array itself; the mean and the range of a larger array."""
    if not hasattr(x, "shape"):
        return f"{x:.6g}" if isinstance(x, float) else str(x)
    if x.size <= NUMBERS or x.dtype.kind not in "biuf" or library_of(x):
        return array_text(x, precision=4, separator=", ", threshold=NUMBERS)
    with np.errstate(all="ignore"):
        mean, low, high = (float(f(x)) for f in (np.mean, np.min, np.max))
    return f"mean {mean:.4g}, min {low:.4g}, max {high:.4g}"
