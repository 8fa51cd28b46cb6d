"""Take the screenshots of the pages that one takes hold of, with Chromium and Playwright.

python docs/make_screenshots.py
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import sync_playwright

from tinygrad_edu import viz

IMAGES = Path(__file__).with_name("images")


def neuron(w, x, b):
    return np.tanh(w * x + b)


# The page, the height of its window, and what is done to it first
PAGES = {
    "explore": (viz.explore(neuron, w=0.5, x=1.5, b=-0.5), 640, "explorer.take(0, 0.6)"),
    "explore_descent": (viz.explore_descent(), 660, "descent.choose(2)"),
}


def main():
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (page, height, act) in PAGES.items():
            path = Path(folder) / f"{name}.html"
            page.save(path)
            window = browser.new_page(viewport={"width": 900, "height": height})
            window.goto(path.as_uri())
            window.evaluate(act)
            window.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
