"""A real browser for the tests of pages."""

import shutil
from contextlib import contextmanager

import pytest


@contextmanager
def chromium():
    """One headless Chromium; without it, or without Playwright, the test is skipped."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        pytest.skip('no Playwright: pip install "tinygrad_edu[browser]"')
    expect.set_options(timeout=20_000)  # a busy machine needs more than the five seconds of its own
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--headless"]
        )
        yield browser
        browser.close()
