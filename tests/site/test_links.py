"""Does every link of the site lead somewhere, and does no page need another host?"""

import importlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from os.path import normpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
LOADED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Page(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.path, self.ids, self.links, self.loaded = path, set(), [], []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        rel = (found.get("rel") or "").split()
        for name in found:
            if (tag, name) in LOADED and not {"index", "search", "next", "prev"} & {*rel}:
                self.loaded.append(found[name])


@pytest.fixture(scope="module")
def pages(site):
    """Every page of the site by its path."""
    found = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    assert len(found) > 100
    return found


def is_local(url):
    return not urlsplit(url).scheme and not url.startswith("//")


def leads_nowhere(page, url, pages):
    """Whether there is no such file, or no such anchor in it."""
    parts = urlsplit(url)
    target = page.path
    if parts.path:
        target = Path(normpath(page.path.parent / unquote(parts.path)))
    if target in pages:
        anchor = unquote(parts.fragment)
        return bool(anchor) and anchor not in pages[target].ids
    return not target.is_file()


def test_every_link_and_anchor_is_there(pages):
    wrong = [
        (page.path.name, url)
        for page in pages.values()
        for url in page.links
        if is_local(url) and leads_nowhere(page, url, pages)
    ]
    assert wrong == []


def test_all_that_a_page_loads_is_on_the_site(pages):
    wrong = [
        (page.path.name, url)
        for page in pages.values()
        for url in page.loaded
        if not url.startswith("data:") and (not is_local(url) or leads_nowhere(page, url, pages))
    ]
    assert wrong == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#x"><img src="//host/x.png">')
    (tmp_path / "b.html").write_text('<a name="y">')
    pages = {path: Page(path) for path in tmp_path.glob("*.html")}
    page = pages[tmp_path / "a.html"]
    assert leads_nowhere(page, "b.html#x", pages)
    assert leads_nowhere(page, "c.html", pages)
    assert not leads_nowhere(page, "#here", pages)
    assert not leads_nowhere(page, "b.html#y", pages)
    assert [is_local(url) for url in page.links + page.loaded] == [True, False]


def test_style_sheets_ask_for_nothing_elsewhere(site):
    for path in (site / "_static").rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", path.read_text("utf-8")), path


def test_every_public_name_has_an_entry_with_its_source(site, pages):
    entries = Counter()
    for page in (site / "reference").glob("*.html"):
        text = page.read_text("utf-8")
        (module,) = set(re.findall(r'id="module-([\w.]+)"', text))
        names = importlib.import_module(module).__all__
        public = [x for x in names if callable(getattr(importlib.import_module(module), x))]
        missing = [x for x in public if f"{module}.{x}" not in pages[page].ids]
        assert missing == [], module
        entries[module] = len(public)
        assert sum("../source/tinygrad_edu/" in url for url in pages[page].links) >= len(public) / 2
    assert len(entries) == 11


def test_every_example_is_in_the_gallery_with_what_it_prints(site):
    for example in (ROOT / "examples").glob("*.py"):
        text = (site / f"gallery/{example.stem}.html").read_text("utf-8")
        assert "sphx-glr-script-out" in text or "<iframe" in text, example.name
        words = re.findall("[a-z]{4,}", example.read_text("utf-8").split('"""')[1].splitlines()[0])
        title = re.search("<h1>(.*?)</h1>", text)[1]
        assert all(word in title for word in words), example.name


def notebooks(site):
    return sorted((site / "notebooks").rglob("*.ipynb"))


def test_a_notebook_has_its_outputs_and_its_pictures(site):
    nbformat = pytest.importorskip("nbformat")
    found = notebooks(site)
    assert len(found) >= 12
    for path in found:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert any(cell.get("outputs") for cell in notebook.cells), path.name
        for cell in notebook.cells:
            assert "remove-cell" not in cell.metadata.get("tags", [])
            if cell.cell_type == "markdown":
                shown = re.findall(r"\]\((attachment:[^)]*)\)", cell.source)
                attached = {f"attachment:{name}" for name in cell.get("attachments", {})}
                assert {*shown} == attached
                assert not re.search(r"\]\((?!https?:|attachment:)", cell.source), cell.source


def test_every_page_with_cells_offers_its_notebook(site, pages):
    for path in notebooks(site):
        name = path.relative_to(site / "notebooks").with_suffix(".html")
        if (ROOT / "docs" / name.with_suffix(".md")).exists() and name.stem != "index":
            assert any("notebooks/" in url for url in pages[site / name].links), name


def test_the_search_knows_the_pages(site):
    text = (site / "searchindex.js").read_text("utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert {"index", "reference/optimizers", "gallery/xor"} <= {*index["docnames"]}
