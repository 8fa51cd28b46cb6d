"""How does DOT text become a picture?"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from xml.etree import ElementTree

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", LINK)

# No wider than the page, until a click shows the picture in its full width.
FITTED = (
    ".graph-in-page{max-width:100%;height:auto;cursor:zoom-in}"
    ".graph-in-page:focus{max-width:none;cursor:zoom-out}"
)
one_at_a_time = Lock()


def render(source: str, format: str) -> bytes:
    """The picture, laid out by the Graphviz inside pygraphviz, else by the program `dot`."""
    if format == "png":
        source = source.replace("{", "{\n\tdpi=160", 1)  # sharp on a slide
    try:
        import pygraphviz
    except ImportError:
        return render_by_program(source, format)
    with one_at_a_time, real_messages():
        return pygraphviz.AGraph(string=source).draw(format=format, prog="dot")


def render_by_program(source: str, format: str) -> bytes:
    import graphviz

    try:
        return graphviz.Source(source).pipe(format=format)
    except graphviz.ExecutableNotFound:
        raise RuntimeError(
            'drawing needs Graphviz: pip install "tinygrad_edu[draw]", or install the program '
            '`dot` from graphviz.org; without it, .save("x.dot") still saves the DOT text'
        ) from None


@contextmanager
def real_messages() -> Iterator[None]:
    """Pass on what the libraries of Graphviz write to stderr, except for one warning.

    The fontconfig inside pygraphviz does not know an element of the settings of newer Debians.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # a program without a stderr
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written.read().decode(errors="replace").splitlines():
                if not is_unknown_setting(line):
                    pass_on(line)


def pass_on(line: str) -> None:
    """Write to Python's stderr, which a notebook shows, or to that of the process."""
    if getattr(sys.stderr, "closed", True):
        os.write(2, f"{line}\n".encode())
    else:
        print(line, file=sys.stderr)


def is_unknown_setting(line: str) -> bool:
    return line.startswith("Fontconfig warning:") and line.endswith('element "reset-dirs"')


def titled(svg: bytes, title: str) -> ElementTree.Element:
    """The picture with readable titles in place of the ids that Graphviz writes."""
    root = ElementTree.fromstring(svg)
    for group in root.iter(f"{{{SVG}}}g"):
        if (own := group.find(f"{{{SVG}}}title")) is not None:
            linked = group.find(f".//{{{SVG}}}a[@{{{LINK}}}title]")
            if linked is None or group.get("class") == "graph":
                group.remove(own)
            else:
                own.text = linked.get(f"{{{LINK}}}title")
    root.set("role", "img")
    root.set("aria-label", title)
    return root


def file_of(picture: ElementTree.Element) -> bytes:
    return ElementTree.tostring(picture, encoding="utf-8", xml_declaration=True)


def part_of_a_page(picture: ElementTree.Element) -> str:
    picture.set("class", "graph-in-page")
    picture.set("tabindex", "0")
    style = ElementTree.Element(f"{{{SVG}}}style")
    style.text = FITTED
    picture.insert(0, style)
    return ElementTree.tostring(picture, encoding="unicode")
