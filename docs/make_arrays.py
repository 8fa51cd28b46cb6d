"""Which functions work on the arrays of which library? Writes the lists in arrays.md.

    python docs/make_arrays.py

They are made of tests/array_libraries.json, which tests/test_array_libraries.py writes and checks.
"""

import json
import re
from pathlib import Path

PAGE = Path(__file__).parent / "arrays.md"
STORED = Path(__file__).parent.parent / "tests/array_libraries.json"
BETWEEN = re.compile(r"(?<=<!-- outcomes -->\n).*?(?=<!-- end of outcomes -->)", re.DOTALL)

TITLES = {
    "works": "Works",
    "computes": "Works, and computes something on the way",
    "dense": "Works, with some answers in NumPy's arrays",
    "signs": "Works, with signs of its own, which the factorization leaves open",
    "part": "Works in part",
    "raises": "Raises an error",
}
INTRODUCTIONS = {
    "foreign": "### A library like CuPy",
    "dask": "### Dask, in chunks of rows",
    "sparse": "### sparse",
}
NOTE = {
    "foreign": (
        "There is no GPU where this page is made. A small array class of the tests, whose arrays "
        "never become NumPy's\nunasked, stands in for CuPy. On a GPU the same test runs with CuPy."
    ),
    "dask": "Version {version}, two chunks of rows.",
    "sparse": "Version {version}, arrays of the class `COO`.",
}


def by_function(outcomes: dict[str, str]) -> dict[str, list[str]]:
    """The functions, layers and losses of each title; "part" counts what works."""
    found: dict[str, list[str]] = {}
    for name, outcome in outcomes.items():
        found.setdefault(re.split(r"[\[(]", name)[0], []).append(outcome)
    lists: dict[str, list[str]] = {title: [] for title in TITLES}
    for name, each in found.items():
        rank = max(each, key=list(TITLES).index)
        if rank == "raises" and set(each) != {"raises"}:
            working = len(each) - each.count("raises")
            lists["part"].append(f"`{name}` ({working} of {len(each)})")
        else:
            lists[rank].append(f"`{name}`")
    return {title: sorted(names) for title, names in lists.items() if names}


def section(title: str, stored: dict[str, object]) -> str:
    outcomes: dict[str, str] = stored["outcomes"]  # type: ignore[assignment]
    working = sum(x != "raises" for x in outcomes.values())
    text = [INTRODUCTIONS[title], "", NOTE[title].format(**stored), ""]
    if working == len(outcomes):
        text += [f"All {len(outcomes)} cases work.", ""]
    else:
        text += [f"{working} of {len(outcomes)} cases work.", "", "| | |", "|---|---|"]
        for kind, names in by_function(outcomes).items():
            text.append(f"| {TITLES[kind]} | {', '.join(names)} |")
        text.append("")
    return "\n".join(text)


def page() -> str:
    stored = json.loads(STORED.read_text())
    sections = [section(title, stored[title]) for title in INTRODUCTIONS]
    return BETWEEN.sub(lambda _: "\n" + "\n".join(sections) + "\n", PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(page())
