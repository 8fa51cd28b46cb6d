"""Do the pages of the site work in a browser: no error, no other host, and for everybody?"""

import functools
import http.server
import threading

import pytest

SCREEN = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", "bypass_csp": True}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "bypass_csp": True}
WINDOWS = [SCREEN, PHONE]
# One of each kind; every page is opened anyway.
KINDS = [
    *("index", "04_backward", "08_learning_rate", "11_classes", "pictures", "backprop"),
    *("tour_graph", "reference/optimizers", "benchmarks"),
    *("gallery/index", "gallery/xor", "source/tinygrad_edu/graph", "search"),
]


@pytest.fixture(scope="module")
def address(site):
    """The site on a server of this computer."""
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Visit:
    """A window that notes every complaint, and every request that leaves the site."""

    def __init__(self, browser, window, home):
        self.home, self.complaints = home, []
        self.context = browser.new_context(**window)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self.asked)
        self.page.on("response", self.answered)

    def heard(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def asked(self, request):
        if not request.url.startswith((self.home, "data:", "blob:", "about:")):
            self.complaints.append(f"request: {request.url}")

    def answered(self, response):
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def overflow(self):
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


@pytest.fixture
def visit(browser, request):
    """visit(window, home): a window, closed after the test, which had no complaint."""
    visits = []

    def visit(window, home):
        visits.append(Visit(browser, window, home))
        return visits[-1]

    yield visit
    for each in visits:
        each.context.close()
    assert [complaint for each in visits for complaint in each.complaints] == []


@pytest.mark.parametrize("window", WINDOWS, ids=["screen", "phone"])
def test_every_page_opens_from_the_disk(site, visit, window):
    seen, wide = visit(window, site.as_uri()), []
    paths = [x for x in sorted(site.rglob("*.html")) if "source" not in x.relative_to(site).parts]
    assert len(paths) > 60
    for path in paths:
        seen.page.goto(path.as_uri())
        if seen.overflow() > 0:
            wide.append(path.name)
    assert wide == []


@pytest.mark.parametrize("window", WINDOWS, ids=["screen", "phone"])
@pytest.mark.parametrize("name", KINDS)
def test_a_page_breaks_no_rule_of_accessibility(address, visit, window, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe").Axe()
    seen = visit(window, address)
    seen.page.goto(f"{address}/{name}.html")
    found = axe.run(seen.page).response["violations"]
    assert [(x["id"], x["nodes"][0]["html"][:200]) for x in found] == []


def test_a_player_in_a_page_has_its_theme_and_plays(address, visit):
    seen = visit(SCREEN, address)
    seen.page.goto(f"{address}/index.html")
    frame = seen.page.frame_locator("iframe").first
    frame.locator("#play.playing").wait_for()
    frame.locator('html[style="color-scheme: light;"]').wait_for()
    while seen.page.locator("body").get_attribute("data-theme") != "dark":
        seen.page.locator(".theme-toggle:visible").first.click()
    frame.locator('html[style="color-scheme: dark;"]').wait_for()


def test_the_search_finds_a_word_from_the_disk(site, visit):
    seen = visit(SCREEN, site.as_uri())
    seen.page.goto(f"{(site / 'search.html').as_uri()}?q=momentum")
    seen.page.locator("#search-results li a").first.wait_for()


def test_an_equation_is_drawn(site, visit):
    seen = visit(SCREEN, site.as_uri())
    seen.page.goto((site / "backprop.html").as_uri())
    boxes = [x.bounding_box() for x in seen.page.locator("math mfrac").all()]
    assert boxes
    assert all(box["height"] > 12 for box in boxes)
