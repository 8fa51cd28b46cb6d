"""The page of a descent computes the path that lab.descend computes, and judges it as it does."""

import numpy as np
import pytest
from page_controls import assert_controls_fit
from page_time import time_of_task

from tinygrad_edu import hessian, lab
from tinygrad_edu.viz import explore_descent
from tinygrad_edu.viz.pages.descents import STANDARD

RUN = """(runs) => runs.map(({ terrain, ...settings }) => {
    if (descent.state.terrain !== terrain) descent.choose(terrain);
    return descent.run(settings);
})"""


def on_tensors(terrain, settings):
    """The function of a terrain as lab.descend takes it."""
    if terrain.name.startswith("Rosenbrock"):
        return lab.SURFACES["rosenbrock"]
    if len(terrain.start) == 1:
        return terrain.f
    return lambda p: terrain.f(p[0], p[1], *settings)


def random_runs(rng, count):
    for k, terrain in enumerate(STANDARD):
        for _ in range(count):
            low, high = np.log(terrain.lr * 1e-2), np.log(terrain.lr * 20)
            yield {
                "terrain": k,
                "lr": float(np.exp(rng.uniform(low, high))),
                "momentum": float(rng.choice([0.0, rng.uniform(0, 0.95)])),
                "steps": int(rng.integers(1, 80)),
                "start": [float(rng.uniform(*each)) for each in terrain.bounds],
                "settings": [
                    float(np.exp(rng.uniform(np.log(low), np.log(high))))
                    for _, low, high in terrain.settings.values()
                ],
            }


def by_the_lab(run, nudge=0.0):
    f = on_tensors(STANDARD[run["terrain"]], run["settings"])
    start = np.array(run["start"]) * (1 + nudge)
    start = start if len(start) > 1 else start[0]
    return lab.descend(f, start, run["lr"], run["steps"], momentum=run["momentum"])


def test_paths_and_verdicts_are_those_of_the_lab(open_page):
    page = open_page(explore_descent())
    runs = list(random_runs(np.random.default_rng(0), 60))
    strict, kinds = [], set()
    for run, found in zip(runs, page.evaluate(RUN, runs), strict=True):
        path, nudged = by_the_lab(run), by_the_lab(run, nudge=1e-13)
        expected, other = (each.x.reshape(len(each.x), -1) for each in (path, nudged))
        x = np.array([[np.nan if y is None else y for y in row] for row in found["x"]], float)
        same = min(map(len, (x, expected, other)))
        is_finite = np.isfinite(expected[:same]) & np.isfinite(x[:same])
        with np.errstate(all="ignore"):
            error = np.abs(x[:same] - expected[:same])
            close = error <= 1e-12 * np.abs(expected[:same])
            # Where a path is chaotic, the last bit of a sine decides: it is free to go as far as
            # one that starts a little beside it.
            apart = np.abs(other[:same] - expected[:same]).max(axis=1)
            near = error.max(axis=1) <= np.maximum.accumulate(apart)
        assert np.all((close | ~is_finite).all(axis=1) | near), run
        strict.append(len(x) == len(expected) and bool(np.all(close | ~is_finite)))
        if strict[-1]:
            verdict = lab.verdict(path)
            assert (found["kind"], found["reason"]) == (verdict.kind, verdict.reason), run
            kinds.add(verdict.kind)

    assert np.mean(strict) > 0.9
    assert kinds == {"converged", "slow", "falling", "oscillating", "diverged"}


def run(page, terrain, **settings):
    (found,) = page.evaluate(RUN, [{"terrain": terrain, **settings}])
    return found


def test_the_limit_of_stability_is_two_over_the_curvature(open_page):
    page = open_page(explore_descent())
    quadratic = run(page, 0, lr=1.3)  # it diverges, and its limit is known all the same
    assert (quadratic["limit"], quadratic["everywhere"]) == (1.0, True)
    for k in (1.0, 17.0, 100.0):
        valley = run(page, 2, settings=[k], lr=0.01, momentum=0.9)
        assert valley["limit"] == pytest.approx(2 * 1.9 / k, rel=1e-12)
    sine = run(page, 1, start=[1.0], lr=1.0, steps=100)
    assert (sine["limit"], sine["everywhere"]) == (pytest.approx(2.0, rel=1e-12), False)
    for start in ([-1.5, 2.0], [0.5, -0.5], [1.0, 1.0]):
        found = run(page, 3, start=start, lr=5e-4, momentum=0.0, steps=50)
        matrix = hessian(lab.SURFACES["rosenbrock"])(np.array(found["x"][-1], float))
        assert found["curvature"] == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-10)
    flat = run(page, 1, start=[0.0], lr=1e-6, momentum=0.0, steps=1)  # sin is straight at 0
    assert flat["limit"] is None or flat["limit"] > 1e5


def test_below_the_mark_it_converges_and_above_it_diverges(open_page):
    page = open_page(explore_descent())
    for momentum in (0.0, 0.5, 0.9):
        limit = run(page, 2, lr=0.1, momentum=momentum, settings=[10.0])["limit"]
        settings = {"momentum": momentum, "settings": [10.0], "steps": 300, "start": [-2.5, 1.0]}
        assert run(page, 2, lr=0.98 * limit, **settings)["kind"] != "diverged"
        assert run(page, 2, lr=1.02 * limit, **settings)["kind"] == "diverged"


def test_every_control_changes_path_loss_and_verdict_at_once(open_page):
    page = open_page(explore_descent())
    verdict = page.locator("#verdict")
    assert verdict.inner_text().startswith("converged")
    page.fill("#dial-rate-number", "1.1")
    assert "grows by a factor of 1.2 in every step" in verdict.inner_text()
    page.fill("#dial-rate-number", "1")
    assert "100% of the steps turn back" in verdict.inner_text()
    before = page.locator("#landscape .path").get_attribute("d")
    page.focus("#dial-rate-slider")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#landscape .path").get_attribute("d") != before
    box = page.locator("#landscape .start").bounding_box()
    page.mouse.move(box["x"] + 7, box["y"] + 7)
    page.mouse.down()
    page.mouse.move(box["x"] + 107, box["y"] + 7)
    page.mouse.up()
    assert page.evaluate("descent.state.start[0]") > 0.5
    assert float(page.input_value("#dial-start-x-number")) == page.evaluate(
        "descent.state.start[0]"
    )
    page.fill("#dial-momentum-number", "0.5")
    assert "2 (1 + momentum) / curvature = 1.5" in page.locator("#limit").inner_text()
    page.fill("#dial-momentum-number", "2")  # it takes what is nearest, and says so
    page.keyboard.press("Tab")
    assert page.input_value("#dial-momentum-number") == "0.999"
    assert page.evaluate("descent.state.momentum") == 0.999
    page.fill("#dial-steps-number", "7")
    assert page.locator("#loss .points").get_attribute("d").count("M") == 8
    page.click("#reset")
    assert page.evaluate("descent.state.lr") == 0.1
    page.select_option("#terrain", "2")
    page.fill("#dial-setting-0-number", "50")
    assert "2 / curvature = 0.04" in page.locator("#limit").inner_text()
    assert page.locator("#landscape .contour").count() > 5


def test_the_mark_is_where_the_slider_has_the_limit(open_page):
    page = open_page(explore_descent())
    page.fill("#dial-rate-number", "1")  # 2 / curvature of (x - 2)²
    slider, mark = (page.locator(x).bounding_box() for x in ("#dial-rate-slider", ".limit-mark"))
    share = int(page.input_value("#dial-rate-slider")) / 1000
    middle = slider["x"] + 8 + share * (slider["width"] - 16)
    assert abs(mark["x"] + mark["width"] / 2 - middle) < 2


def test_another_branch_ends_the_path_and_is_said(open_page):
    page = open_page(explore_descent(lambda x: x * 2 if x > 1 else x * x, 3.0))
    assert "the function takes another branch" in page.locator("#verdict").inner_text()
    assert all(x[0] > 1 for x in page.evaluate("descent.latest.path.x"))


def test_a_start_on_another_branch_is_said_and_the_page_goes_on(open_page):
    page = open_page(explore_descent(lambda x: x * 2 if x > 1 else x * x, 3.0))
    page.fill("#dial-start-x-number", "0")
    assert page.locator("#verdict").inner_text() == (
        "not knownAt the start the function takes another branch, whose numbers are not known."
    )
    assert page.locator("#landscape .path").get_attribute("d") == ""
    assert page.locator(".limit-mark").is_hidden()
    page.fill("#dial-start-x-number", "2")
    assert page.locator("#verdict").inner_text().startswith("falling")


def test_a_path_beyond_all_bounds_is_drawn_as_far_as_it_goes(open_page):
    page = open_page(explore_descent())
    page.fill("#dial-steps-number", "300")
    page.fill("#dial-rate-number", "5")  # 9**300; the page may not complain
    assert page.locator("#verdict").inner_text().startswith("diverged")


@pytest.mark.parametrize(
    ("f", "start", "what"),
    [
        (lambda x: -x * x, 1.0, "Everywhere the function curves downwards: descent cannot settle"),
        (lambda x: x.cos(), 0.0, "curves downwards: descent cannot settle there at any"),
        (
            lambda x, y: x * x - y * y,
            (1.0, 0.1),
            "downwards in one direction: descent cannot settle there at any",
        ),
        (lambda x, y: x * y, (1.0, 1.0), "curves downwards in one direction: descent cannot"),
        (lambda x: 3 * x, 1.0, "does not curve: this sets no limit"),
        (abs, 1.05, "does not curve: this sets no limit"),
        (lambda x, y: x * x + 0 * y, (1.0, 1.0), "2 / curvature = 1"),
        (lambda x, y: (x + y) ** 2 * 0.1, (1.0, 1.0), "2 / curvature = 5"),
    ],
)
def test_there_is_a_limit_only_where_a_descent_can_settle(open_page, f, start, what):
    page = open_page(explore_descent(f, start))
    assert what in page.locator("#limit").inner_text()
    texts = page.evaluate("[...document.querySelectorAll('.tick')].map((x) => x.getBBox().x)")
    assert min(texts) >= 0  # the minus of -1.5e+04 too
    has_limit = page.evaluate("descent.latest.limit !== null")
    assert has_limit == page.locator(".limit-mark").is_visible() == ("2 / curvature" in what)


def test_an_update_takes_less_than_a_frame(open_page):
    page = open_page(explore_descent())
    page.select_option("#terrain", "3")
    act = """const slider = document.getElementById("dial-rate-slider");
        slider.value = 300 + 10 * i;
        slider.dispatchEvent(new Event("input"))"""
    assert time_of_task(page, act, 10) < 16


@pytest.mark.parametrize(
    "context", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}], indirect=True
)
def test_it_fits_a_phone_and_every_control_has_a_name(open_page):
    page = open_page(explore_descent())
    for k in range(len(STANDARD)):
        page.select_option("#terrain", str(k))
        assert_controls_fit(page, 390)
