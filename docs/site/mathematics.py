"""How is an equation typeset without a script? As MathML, which browsers draw themselves."""

import re
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

logger = getLogger(__name__)
MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)

# What tex2mathml does not know, or reads in another way than LaTeX.
DOTS = re.compile(r"\\dots(?![a-zA-Z])")
BARE_FRACTION = re.compile(r"\\([td]?frac)\s*(\d)\s*(\d)")


def mathml(latex: str, is_block: bool) -> str:
    """An equation as MathML."""
    latex = BARE_FRACTION.sub(r"\\\1{\2}{\3}", DOTS.sub(r"\\ldots", latex))
    text = tex2mathml(latex, as_block=is_block).replace("&ApplyFunction;", "\u2061")
    root = ElementTree.fromstring(text)
    for element in root.iter(f"{{{MATHML}}}munderover"):
        put_index_beside(element)
    return ElementTree.tostring(root, encoding="unicode")


def put_index_beside(element: ElementTree.Element) -> None:
    """The index of an accented letter stands beside it: tex2mathml puts it below, as of a sum."""
    base, index, accent = element
    if base.tag.endswith("}mo") or not accent.tag.endswith("}mo"):
        return
    letter = ElementTree.Element(f"{{{MATHML}}}mover", accent="true")
    letter.extend([base, accent])
    element.tag = f"{{{MATHML}}}msub"
    element[:] = [letter, index]


def written(node: nodes.Element, is_block: bool) -> str:
    try:
        return mathml(node.astext(), is_block)
    except MathError as error:
        logger.warning("no equation: %s in %s", error, node.astext(), location=node)
        return ""


def write_inline(translator: Any, node: nodes.Element) -> None:
    translator.body.append(f'<span class="math">{written(node, False)}</span>')
    raise nodes.SkipNode


def write_block(translator: Any, node: nodes.Element) -> None:
    start = translator.starttag(node, "div", CLASS="math")
    translator.body.append(f"{start}{written(node, True)}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
