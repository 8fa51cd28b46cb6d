"""How fast is the package, compared with NumPy by hand and with other frameworks?

    python tests/benchmarks/run.py [--quick] [--only perceptrons ...] [--check] [--write]

measures each subject in subjects/ (measure.py explains how) and prints the results. --write stores
the numbers in docs/benchmarks.json, and rewrites the tables and plots of docs/benchmarks.md.
--check exits with 1 if a limit is exceeded. `pip install -e ".[bench]"` installs the competitors;
those that are not installed are skipped. Close other programs first.
"""

import argparse
import importlib
import json
import sys

import measure
from page import DATA, report, write_page
from subjects import SUBJECTS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few short rounds: rough numbers")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, metavar="subject", default=SUBJECTS)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is exceeded")
    parser.add_argument("--write", action="store_true", help="store the numbers, write the page")
    chosen = parser.parse_args(arguments)

    effort = measure.QUICK if chosen.quick else measure.FULL
    before = stored()
    results = {"machine": measure.machine(), "versions": measure.versions(), "subjects": {}}
    for name in chosen.only:
        subject = importlib.import_module(f"subjects.{name}")
        say(f"\n{subject.TITLE}")
        rows = subject.measure(effort, say)
        results["subjects"][name] = {"title": subject.TITLE, "rows": rows}
        print(report(results["subjects"][name]), flush=True)
        if chosen.write:
            store(results)
    if chosen.write:
        write_page(json.loads(DATA.read_text(encoding="utf-8")))
    for line in changes(before, results):
        say(line)
    limits = [
        x for subject in results["subjects"].values() for r in subject["rows"] for x in r["limits"]
    ]
    exceeded = [x for x in limits if not x["found"] <= x["at_most"]]
    say(f"\n{len(limits) - len(exceeded)} of {len(limits)} limits are kept")
    for limit in exceeded:
        say(f"exceeded: {limit['text']}: {limit['found']:.4g}, at most {limit['at_most']:.4g}")
    return int(chosen.check and bool(exceeded))


def stored():
    return json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}


def is_same_place(before, results) -> bool:
    return all(before.get(key) == results[key] for key in ("machine", "versions"))


def changes(before, results):
    """Lines that name pairs in another order than on the page, if the machine is the same."""
    if not is_same_place(before, results):
        return
    for name, subject in results["subjects"].items():
        rows = {row["name"]: row for row in before["subjects"].get(name, {"rows": []})["rows"]}
        for row in subject["rows"]:
            for a, b in measure.reversed_pairs(rows.get(row["name"], row), row):
                yield f"{row['name']}: {a} is now before {b}; on the page it is after it"


def store(results) -> None:
    """Keep stored subjects that were not measured, if machine and versions are the same."""
    before = stored()
    same = is_same_place(before, results)
    subjects = {**(before["subjects"] if same else {}), **results["subjects"]}
    ordered = {name: subjects[name] for name in SUBJECTS if name in subjects}
    text = json.dumps({**results, "subjects": ordered}, indent=1, default=float)
    DATA.write_text(text + "\n", encoding="utf-8")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
