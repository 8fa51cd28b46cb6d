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


def pytest_terminal_summary(terminalreporter):
    """What test_fuzz.py found, of all processes together."""
    reports = [x for kind in terminalreporter.stats.values() for x in kind if hasattr(x, "when")]
    properties = [dict(x.user_properties) for x in reports if x.when == "call"]
    counts = [x["fuzz"] for x in properties if "fuzz" in x]
    if counts:
        programs, failed, unjudged, seconded = map(sum, zip(*counts, strict=True))
        terminalreporter.write_line(
            f"fuzz: {programs} random programs, {failed} failed; {unjudged} are ill-conditioned, "
            f"{seconded} agree with autograd as well"
        )
