"""One thread for linear algebra; and where NO_SKIPS is set, what cannot run here fails."""

import os

import pytest

# The matrices of the tests are small, and threads that wait for each other are slower than one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and NO_SKIPS is set: {call.excinfo.value}"
    return report
