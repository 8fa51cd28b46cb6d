"""How is an equation typeset without a script? As MathML, which browsers draw themselves."""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

logger = getLogger(__name__)
BARE_ACCENT = re.compile(r"\\(hat|bar|tilde|vec|dot|ddot)\s+(\\[a-zA-Z]+|\w)")


def mathml(latex: str, is_block: bool) -> str:
    r"""An equation as MathML. `\hat y_i` is read as `\hat{y}_i`, as LaTeX does."""
    return tex2mathml(BARE_ACCENT.sub(r"\\\1{\2}", latex), as_block=is_block)


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
