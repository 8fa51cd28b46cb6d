"""What do the pages of the theme lack for those who do not see them?"""

from typing import Any

from sphinx.application import Sphinx

HEADING = 'class="caption" role="heading"'


def complete(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Give the captions of lists of pages their level: a screen reader asks for it."""
    for part in ("body", "furo_navigation_tree"):
        if part in context:
            context[part] = context[part].replace(HEADING, f'{HEADING} aria-level="2"')


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", complete, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
