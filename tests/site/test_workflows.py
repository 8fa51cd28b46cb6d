"""What a code host is told to do: it runs the lines that the README and .ci/run have."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(name):
    yaml = pytest.importorskip("yaml", reason="no yaml: it comes with the extra docs")
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text("utf-8"))


def lines(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_each_workflow_may_read_only_unless_it_publishes():
    assert [path.stem for path in WORKFLOWS] == ["site", "tests"]
    for path in WORKFLOWS:
        assert read(path.stem)["permissions"] == {"contents": "read"}


def test_the_tests_run_on_every_system_and_every_python():
    job = read("tests")["jobs"]["tests"]
    matrix = job["strategy"]["matrix"]
    assert [x.split("-")[0] for x in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python"] == [f"3.{i}" for i in range(11, 15)]
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert needed["requires-python"] == f">={matrix['python'][0]}"
    readme = (ROOT / "README.md").read_text("utf-8")
    assert lines(job)[0] in readme


def test_the_site_is_built_as_contributing_says():
    jobs = read("site")["jobs"]
    built = lines(jobs["build"])
    assert any(re.fullmatch(r"sphinx-build -W docs \S+", line) for line in built)
    assert "sphinx-build -W docs" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert "main" in jobs["publish"]["if"]
    assert jobs["publish"]["needs"] == "build"
