"""Is each picture of the site made by the build?

A picture in docs/images is there for a code host. Here it is replaced by the one that the page's
own cells, an example or the numbers of the benchmarks have made in this build.
"""

import json
import sys
from pathlib import Path
from shutil import copy
from typing import Any

from cells import made_by
from gallery import staged
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

logger = getLogger(__name__)
BENCHMARKS = Path(__file__).parents[2] / "tests/benchmarks"

# What examples save under another name.
SAVED_AS = {
    "race_valley.png": "race_optimizers/valley.png",
    "race_saddle.png": "race_optimizers/saddle.png",
    "race_valley.gif": "race_optimizers/valley.gif",
    "race_saddle.gif": "race_optimizers/saddle.gif",
    "sine_regression.png": "sine_regression/fits.png",
    "spirals.gif": "spirals/training.gif",
    "vanishing_gradients.png": "vanishing_gradients/sizes.png",
}
NOT_MADE = {
    "watch.png": "a screenshot of a page while it watches a training",
    "play_unfolded.png": "a screenshot of a page on which somebody has opened a layer",
}


def maker(app: Sphinx, picture: str, pages: set[str]) -> Path | None:
    """The file that this build has made for a picture of docs/images, if any."""
    name, out = Path(picture).name, staged(app) / "out"
    files = [made_by(app, page) / name for page in sorted(pages)]
    files += [out / SAVED_AS[name]] if name in SAVED_AS else sorted(out.glob(f"*/{name}"))
    files += [benchmarks(app) / name]
    return next((file for file in files if file.exists()), None)


def benchmarks(app: Sphinx) -> Path:
    return made_by(app, "benchmarks")


def draw_benchmarks(app: Sphinx) -> None:
    """The plots of docs/benchmarks.json: measuring anew would take hours."""
    sys.path.insert(0, str(BENCHMARKS))
    import page

    sys.path.remove(str(BENCHMARKS))
    folder = benchmarks(app)
    folder.mkdir(parents=True, exist_ok=True)
    for name, subject in json.loads(page.DATA.read_text("utf-8"))["subjects"].items():
        page.draw(name, subject).savefig(folder / f"benchmarks_{name}.png", dpi=100)


def replace(app: Sphinx, error: Exception | None) -> None:
    """Put what was made into the place of what was copied from docs/images."""
    if error or app.builder.format != "html":
        return
    draw_benchmarks(app)
    for picture, (pages, name) in sorted(app.env.images.items()):
        if not picture.startswith("images/") or Path(picture).name in NOT_MADE:
            continue
        if made := maker(app, picture, pages):
            copy(made, Path(app.outdir) / "_images" / name)
        else:
            logger.warning("nothing makes %s, which is in %s", picture, ", ".join(sorted(pages)))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", replace)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
