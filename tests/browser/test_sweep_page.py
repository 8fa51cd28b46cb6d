"""The page of a sweep: ranges by dragging and by keys, and the best of what is left."""

import math

import pytest
from page_time import wait_until
from random_sweeps import swept

from tinygrad_edu import viz
from tinygrad_edu.lab import Run, Sweep

COLORS = """() => {
    const { width, height } = canvas;
    const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const found = new Set();
    for (let i = 0; i < data.length; i += 4) found.add(data.slice(i, i + 3).join());
    return found.size;
}"""


def says(page, text):
    from playwright.sync_api import expect

    expect(page.locator("#status")).to_have_text(text)


def within(found, low=-math.inf, high=math.inf, name="lr"):
    """The runs in a range of a setting, the best first, those that failed last."""
    runs = [run for run in found.runs if low <= run.settings[name] <= high]
    return sorted(runs, key=lambda run: (math.isnan(run.numbers["loss"]), run.numbers["loss"]))


def seeds(page):
    return [int(x) for x in page.locator("td:nth-last-child(2)").all_inner_texts()]


def test_ranges_choose_runs_by_mouse_and_by_keys(open_page):
    found = swept()
    page = open_page(viz.explore_sweep(found))
    failed = sum(math.isnan(run.numbers["loss"]) for run in found.runs)
    best = min(run.numbers["loss"] for run in found.runs)
    everything = f"12 runs, {failed} of them failed; the best loss is {best:.4g}"
    says(page, everything)
    assert seeds(page) == [run.seed for run in within(found)][:10]

    # the upper handle of the result leaves out what failed
    page.get_by_role("slider", name="loss to").focus()
    page.keyboard.press("ArrowDown")
    says(page, f"{12 - failed} of 12 runs; the best loss is {best:.4g}")
    assert page.get_by_role("slider", name="loss to").get_attribute("aria-valuetext") != "failed"
    page.keyboard.press("End")
    says(page, everything)

    # the upper half of the axis of rates, by dragging along it
    rail = page.locator(".rail").first.bounding_box()
    x = rail["x"] + rail["width"] / 2
    page.mouse.move(x, rail["y"] + rail["height"] / 2)
    page.mouse.down()
    page.mouse.move(x, rail["y"] + rail["height"] / 4, steps=3)
    page.mouse.up()
    rates = sorted(run.settings["lr"] for run in found.runs)
    low, high = (rates[0] * (rates[-1] / rates[0]) ** share for share in (0.5, 0.75))
    half = within(found, low, high)
    assert 0 < len(half) < 12
    says(page, f"{len(half)} of 12 runs; the best loss is {half[0].numbers['loss']:.4g}")
    assert seeds(page) == [run.seed for run in half]

    # and its lower handle, to the bottom again
    box = page.get_by_role("slider", name="lr from").bounding_box()
    page.mouse.move(box["x"] + 14, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 14, rail["y"] + rail["height"] + 30, steps=3)
    page.mouse.up()
    more = within(found, high=high)
    says(page, f"{len(more)} of 12 runs; the best loss is {more[0].numbers['loss']:.4g}")
    page.click("#reset")
    says(page, everything)


def test_nothing_is_left(open_page):
    page = open_page(viz.explore_sweep(swept()))
    page.get_by_role("slider", name="act from").focus()
    page.keyboard.press("End")
    says(page, "0 of 12 runs")
    assert page.locator("table").count() == 0


def test_a_run_of_the_table_is_marked(open_page):
    page = open_page(viz.explore_sweep(swept()))
    assert page.locator("[aria-pressed=true]").all_inner_texts() == ["1"]
    before = page.screenshot()
    page.get_by_role("button", name="Show run 3 in the picture").click()
    assert page.locator("[aria-pressed=true]").all_inner_texts() == ["3"]
    assert page.screenshot() != before


@pytest.mark.parametrize("context", [{"color_scheme": "light"}], indirect=True)
def test_the_picture_changes_with_the_theme(open_page):
    page = open_page(viz.explore_sweep(swept()))
    says(page, page.inner_text("#status"))
    ground = "() => [...canvas.getContext('2d').getImageData(2, 2, 1, 1).data].join()"
    pens = "() => { const c = getComputedStyle(canvas); return [c.color, c.borderTopColor]; }"
    light = page.evaluate(pens)
    page.evaluate("window.before = canvas.toDataURL()")
    page.click("#theme")
    wait_until(page, "canvas.toDataURL() !== before")
    assert not set(light) & set(page.evaluate(pens))
    assert page.evaluate(ground) == "0,0,0,0"  # the ground is the page's


def test_ten_thousand_runs_are_opened_and_chosen_from_in_a_moment(open_page):
    page = open_page(viz.explore_sweep(swept(10_000)))
    page.wait_for_selector("table")
    took = "() => { const t = performance.now(); tell(); draw(); return performance.now() - t; }"
    assert page.evaluate(took) < 500  # it is about 20 milliseconds
    assert page.evaluate(COLORS) > 20
    page.get_by_role("slider", name="act to").focus()
    for _ in range(8):
        page.keyboard.press("PageDown")
    from playwright.sync_api import expect

    expect(page.locator("#status")).to_contain_text("3,334 of 10,000 runs")


def test_names_are_text(open_page):
    name = "<img src=x onerror=alert(1)>"
    runs = [Run({name: x}, 0, {name + "loss": 1.0}, {}, name, "") for x in (name, "</script>")]
    page = open_page(viz.explore_sweep(Sweep(runs)))
    assert page.locator("th").nth(1).inner_text() == name
    assert page.locator("img").count() == 0
    assert sorted(page.locator("td:nth-child(2)").all_inner_texts()) == ["</script>", name]


def test_whole_numbers_are_shown_in_full_and_nothing_is_called_failed_if_nothing_failed(open_page):
    runs = [Run({"width": 65536 + i}, 0, {"loss": 1.0 + i}, {}, "finished", "") for i in (0, 1)]
    page = open_page(viz.explore_sweep(Sweep(runs)))
    assert page.locator("td:nth-child(2)").all_inner_texts() == ["65536", "65537"]
    handle = page.get_by_role("slider", name="loss to")
    assert handle.get_attribute("aria-valuetext") == "2"
