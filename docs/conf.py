"""How the site is built: sphinx-build -W docs OUT. Its parts are in docs/site/."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "site"))  # no package: Python has a module `site` of its own

from listings import linkcode_resolve  # noqa: E402, F401

import tinygrad_edu  # noqa: E402

project = "tinygrad_edu"
author = "The tinygrad_edu authors"
project_copyright = author
version = release = tinygrad_edu.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    *("gallery", "reference", "listings"),
    *("tour", "links", "cells", "mathematics", "pictures", "downloads"),
]
exclude_patterns = [".examples", "site", "exercises"]

# Pages

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
html_math_renderer = "mathml"

# Cells: a warning or an error in one fails the build; of a result, only what has a picture is shown

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "warn"
nb_ipywidgets_js = {}  # they would come from another host
nb_mime_priority_overrides = [
    ("html", "text/plain", None),
    ("html", "application/vnd.jupyter.widget-view+json", None),
]
suppress_warnings = ["mystnb.mime_priority"]

# Examples, and the reference

sphinx_gallery_conf = {
    "gallery_dirs": "gallery",  # their folder: see docs/site/gallery.py
    "filename_pattern": r"\.py$",
    "image_scrapers": ("gallery.scrape",),
    "default_thumb_file": str(DOCS / "site/static/page.svg"),
    "reset_modules": ("gallery.name_file",),
    "capture_repr": (),
    "notebook_extensions": set(),
    "download_all_examples": False,
    "write_computation_times": False,
    "inspect_global_variables": False,
    "show_signature": False,
    "parallel": 2,
}
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"

# How it looks

html_theme = "furo"
html_title = "tinygrad_edu"
html_show_sphinx = False
html_copy_source = False
html_favicon = "site/static/favicon.svg"
html_show_search_summary = False  # it would read other pages, which a browser forbids on a disk
html_static_path = ["site/static"]
html_css_files = ["site.css", "slides.css"]
html_js_files = [(name, {"defer": "defer"}) for name in ("frames.js", "access.js", "slides.js")]
html_use_index = False
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {}
if repository := os.environ.get("GITHUB_REPOSITORY"):  # on a code host: "edit this page"
    html_theme_options = {
        "source_repository": f"https://github.com/{repository}/",
        "source_branch": os.environ.get("GITHUB_REF_NAME", "main"),
        "source_directory": "docs/",
    }
