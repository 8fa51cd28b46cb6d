"""Is each picture of the site made by the build?

A picture in docs/images is there for a code host. Here it is replaced by the one that the page's
own cells or an example has made in this build.
"""

from pathlib import Path
from shutil import copy
from typing import Any

from cells import made_by
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

logger = getLogger(__name__)


def maker(app: Sphinx, picture: str, pages: set[str]) -> Path | None:
    """The file that a build has made for a picture of docs/images, if any."""
    name = Path(picture).name
    files = [made_by(app, page) / name for page in sorted(pages)]
    return next((file for file in files if file.exists()), None)


def replace(app: Sphinx, error: Exception | None) -> None:
    """Put what was made into the place of what was copied from docs/images."""
    if error or app.builder.format != "html":
        return
    for picture, (pages, name) in sorted(app.env.images.items()):
        if not picture.startswith("images/"):
            continue
        if made := maker(app, picture, pages):
            copy(made, Path(app.outdir) / "_images" / name)
        else:
            logger.warning("nothing makes %s, which is in %s", picture, ", ".join(sorted(pages)))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", replace)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
