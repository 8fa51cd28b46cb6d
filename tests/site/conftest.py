"""The site that .ci/run has built, in the folder that the variable SITE names."""

import os
from pathlib import Path

import pytest
from chromium import chromium


@pytest.fixture(scope="session")
def site():
    folder = os.environ.get("SITE")
    if folder is None:
        pytest.skip("no site: sphinx-build -W docs OUT, then SITE=OUT pytest tests/site")
    return Path(folder).resolve()


@pytest.fixture(scope="module")
def browser():
    """One headless Chromium for the tests of a file."""
    with chromium() as browser:
        yield browser
