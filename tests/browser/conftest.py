"""Pages in a real browser: it may show no error, and ask for nothing but the page itself."""

import pytest
from chromium import chromium

from tinygrad_edu import Value

# A page lays itself out when it is drawn for the first time. Nobody acts on it before that.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SERVED = "http://localhost/page.html"


@pytest.fixture(scope="module")
def browser():
    """One headless Chromium for the tests of a file."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser, request):
    """A window; `@pytest.mark.parametrize("context", [{...}], indirect=True)` says of what kind."""
    options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "no-preference"}
    context = browser.new_context(**options | getattr(request, "param", {}))
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def open_page(context, tmp_path):
    """open_page(what): save it as a file, open that, and watch it to the end of the test.

    `served=True` opens it from a server, for tests of what a page remembers: Chromium gives a file
    an empty localStorage after about one of 50 reloads, and the right one after the next.
    """
    complaints = []
    path = tmp_path / "page.html"

    def open_page(what, served=False):
        what.save(path)
        context.route(SERVED, lambda route: route.fulfill(path=path, content_type="text/html"))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", dismissed)
        page.on("request", lambda request: asked(request.url))
        page.goto(SERVED if served else path.as_uri())
        page.evaluate(DRAWN)
        return page

    def dismissed(dialog):
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def asked(url):
        if url not in (path.as_uri(), SERVED) and not url.startswith(("data:", "blob:")):
            complaints.append(f"request: {url[:200]}")

    yield open_page
    assert not complaints


@pytest.fixture
def neuron():
    """One neuron and its loss, with a fan-out: L = (tanh(w x + b) - y)^2 + w^2 / 10."""
    w, x, b = Value(0.8, name="w"), Value(1.5, requires_grad=False, name="x"), Value(-0.5, name="b")
    h = (w * x + b).tanh()
    h.name = "h"
    loss = (h - 1.0) ** 2 + 0.1 * w**2
    loss.name = "L"
    return loss
