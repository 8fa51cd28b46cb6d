"""The page that shows a training while it runs, and the file that is left of it."""

from itertools import pairwise

import numpy as np
import pytest

from tinygrad_edu import losses, manual_seed, nn, optim, train, viz

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (64, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A test need not wait a second for new numbers."""
    monkeypatch.setattr("tinygrad_edu.viz.pages.monitor.EVERY", 0.05)


def hide(page, hidden):
    """As a browser does with a page behind another one."""
    page.evaluate("""hidden => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }""", hidden)  # fmt: skip


def says(page, text):
    """Wait until the status of the page contains a text."""
    from playwright.sync_api import expect

    expect(page.locator("#status")).to_contain_text(text)


def fit(history, between=lambda history: None, epochs=3):
    manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    adam = optim.Adam(model.parameters(), lr=0.03)
    train.fit(
        model, losses.cross_entropy, adam, train.batches(X, Y, 16), (X, Y), epochs=epochs,
        metrics={"accuracy": train.accuracy}, history=history, progress=False,
        callbacks=[between],
    )  # fmt: skip


@pytest.fixture
def visit(context):
    """visit(url): a page whose complaints fail the test, unless they are expected."""
    complaints = []

    def visit(url):
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: asked(request.url, url))
        page.goto(url)
        return page

    def asked(url, page):
        if not url.startswith((page, "data:")):
            complaints.append(f"request: {url[:200]}")

    visit.complaints = complaints
    yield visit
    assert not complaints


def points_of(page, curve=0):
    line = page.locator("polyline").nth(curve)
    return len(line.get_attribute("points").split()) if line.count() else 0


def test_curves_grow_while_it_trains_and_the_page_can_be_saved(visit, open_page, tmp_path):
    history, seen = train.History(), []
    with viz.watch(history, browser=False) as watched:
        page = visit(watched.url)
        assert page.locator("svg text").first.text_content() == "no numbers yet"

        def look(history):
            says(page, f"step {4 * len(history)}:")
            seen.append((points_of(page), points_of(page, 1)))

        fit(history, look, epochs=2)
        says(page, "finished")
        hide(page, True)  # it draws when one comes back to it
        fit(history)
        while "step 12" not in page.evaluate("byId('data').textContent"):
            page.wait_for_timeout(20)
        assert "step 8" in page.locator("#status").text_content()
        hide(page, False)
        says(page, "finished, step 12")
        fit(history, look, epochs=4)  # and on
        says(page, "finished, step 16")
    assert seen == [(4, 1), (8, 2), (16, 4)]
    titles = page.locator("figcaption").all_text_contents()
    assert titles == ["loss", "norm of the gradient, by layer", "metrics", "prediction"]
    assert page.locator(".t1").first.text_content() == "validation"
    assert page.locator("svg").first.get_attribute("aria-label").startswith("loss by step; last:")
    # Saved by the browser: what it shows now.
    saved = tmp_path / "saved.html"
    saved.write_text(page.content())
    file = visit(saved.as_uri())
    assert "finished, step 16" in file.locator("#status").text_content()
    assert points_of(file) == 16
    watched.save(tmp_path / "other.html")
    assert points_of(visit((tmp_path / "other.html").as_uri())) == 16


def test_the_plane_has_the_colours_of_its_answers(open_page):
    history = train.History()
    history.live = train.Live()
    fit(history, epochs=1)
    cells = np.zeros((2, 2, 2))
    cells[0, 0, 1] = cells[1, 0, 1] = cells[1, 1, 1] = 1.0  # all but the lower right are class 1
    history.live.plane = history.live.plane._replace(answer=cells)
    with viz.watch(history, browser=False) as watched:
        page = open_page(watched)
    corners = page.evaluate("""async () => {
        const image = new Image();
        image.src = document.querySelector("image").getAttribute("href");
        await image.decode();
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 2;
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const {data} = context.getImageData(0, 0, 2, 2);
        return [data[0], data[4], data[8], data[12]];
    }""")
    orange, blue = corners[0], corners[3]
    assert corners == [orange, orange, orange, blue]
    assert orange > blue
    assert page.locator("path.dot").count() == 64 + 2  # and the two of the legend


def test_a_page_whose_training_was_killed_keeps_its_numbers(visit, monkeypatch):
    history = train.History()
    with viz.watch(history, browser=False) as watched:
        page = visit(watched.url)
        fit(history, epochs=1)
        history.live.finished = False
        says(page, "step 4:")
        monkeypatch.setattr("tinygrad_edu.viz.pages.monitor.numbers_of", lambda *args: gone())
        says(page, "no connection")
        assert points_of(page) == 4
        page.close()


def gone():
    raise ConnectionError


@pytest.mark.parametrize("context", [{"viewport": {"width": 380, "height": 700}}], indirect=True)
def test_it_fits_a_narrow_screen_and_labels_do_not_overlap(open_page):
    history = train.History()
    history.live = train.Live()
    fit(history)
    for k in range(7):
        history.live.norms[f"a layer with a name {k}"] = [1.0 + 1e-3 * k] * 3
    history.live.norm_steps = [1, 2, 3]
    with viz.watch(history, browser=False) as watched:
        page = open_page(watched)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    letters = page.locator("svg text").first.bounding_box()["height"]
    assert letters >= 13  # not made smaller with the drawing
    boxes = page.evaluate("""[...document.querySelectorAll("figure:nth-child(2) [class^=t]")]
        .filter(x => x.getAttribute("class") !== "tick")
        .map(x => { const box = x.getBBox(); return [box.y, box.y + box.height]; })""")
    assert len(boxes) == 7
    assert all(a[1] <= b[0] + 2 for a, b in pairwise(sorted(boxes)))
