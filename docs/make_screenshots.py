"""Write the screenshots of the pages in docs/images: python docs/make_screenshots.py

Needs Chromium and Playwright. Each shows what its caption says.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import viz

DOCS = Path(__file__).parent


def middle_of_the_backward_pass(page: Any) -> None:
    """The last step before the middle in which a gradient is multiplied by a value."""
    page.evaluate("""() => {
        const back = player.steps.map((step, i) => (step.phase === "backward" ? i : -1));
        const stops = back.filter((i) => i >= 0);
        const first = stops.slice(0, Math.ceil(stops.length / 2));
        player.go(first.findLast((i) => player.steps[i].reads.length > 0));
    }""")


def wrong_answer(page: Any) -> None:
    """The first question that knows several mistakes, answered by the first of them."""
    mistake = page.evaluate("""() => {
        player.go(player.steps.findIndex((step) => step.question?.mistakes?.length > 1));
        return player.steps[player.step].question.mistakes[0].answer;
    }""")
    page.fill("#answer", f"{mistake:.4g}")
    page.press("#answer", "Enter")


def power_forgotten(page: Any) -> None:
    """The first question about a power further along, answered as if it had no exponent."""
    find = """() => {
        const { reasons } = JSON.parse(document.getElementById("data").textContent);
        const found = practice.question.mistakes.find(
            ([, reason]) => /^At .*: The exponent goes down/.test(reasons[reason]));
        return found?.[0] ?? null;
    }"""
    while (mistake := page.evaluate(find)) is None:
        page.click("#onward")
    page.fill("#answer", f"{mistake:.4g}")
    page.press("#answer", "Enter")


def half_learned(page: Any) -> None:
    page.evaluate("player.go(Math.floor(player.steps.length / 2))")


def one_weight_dragged(page: Any) -> None:
    page.evaluate("explorer.take(0, 0.6)")


def valley(page: Any) -> None:
    page.evaluate("descent.choose(2)")


def neuron(w: Any, x: Any, b: Any) -> Any:
    return np.tanh(w * x + b)


# The width and the height of the window, and what is done in it first.
SHOTS = {
    "play": (1200, 680, middle_of_the_backward_pass),
    "quiz": (1200, 680, wrong_answer),
    "film": (1200, 680, half_learned),
    "practice": (1200, 680, power_forgotten),
    "explore": (900, 640, one_weight_dragged),
    "explore_descent": (900, 660, valley),
}


def write_pages(out: Path) -> None:
    """Each page of SHOTS in the folder `out`."""
    sys.path.insert(0, str(DOCS.parent / "examples"))
    import film_training
    import play_backprop

    play_backprop.main(out)
    film_training.main(out)
    viz.practice("chains", out / "practice.html", rng=np.random.default_rng(0))
    viz.explore(neuron, out / "explore.html", w=0.5, x=1.5, b=-0.5)
    viz.explore_descent(path=out / "explore_descent.html")


def main() -> None:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_pages(Path(folder))
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (width, height, prepare) in SHOTS.items():
            size = {"width": width, "height": height}
            page = browser.new_page(viewport=size, reduced_motion="reduce", color_scheme="light")
            page.goto((Path(folder) / f"{name}.html").as_uri())
            prepare(page)
            page.screenshot(path=DOCS / "images" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
