"""Can every control of a page be told by its name, and reached on a phone?"""


def assert_controls_fit(page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator("input, select, button").all():
        name = control.evaluate(
            "x => x.getAttribute('aria-label') || x.labels?.[0]?.textContent || x.textContent"
        )
        assert name.strip()
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
