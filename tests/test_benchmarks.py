"""The page of benchmarks agrees with its numbers, and the suite that measures them works."""

import importlib
import json
import re
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "tests/benchmarks"
sys.path.append(str(SUITE))

import measure  # noqa: E402
import page  # noqa: E402
from peers import COMPETITORS, HAND, OURS, PYTORCH  # noqa: E402
from subjects import SUBJECTS, perceptrons  # noqa: E402

RESULTS = json.loads(page.DATA.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", page.PAGES, ids=lambda path: path.name)
def test_a_page_says_what_the_numbers_say(path):
    text = path.read_text(encoding="utf-8")
    assert page.MARK.search(text)
    assert page.filled(text, RESULTS) == text


@pytest.mark.parametrize("path", page.PAGES, ids=lambda path: path.name)
def test_no_number_begins_a_line(path):
    """There a comment would end the paragraph, says Markdown."""
    assert not re.search(r"^ *<!-- value", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_a_changed_number_is_found():
    text = page.PAGES[1].read_text(encoding="utf-8")
    changed = page.MARK.sub(lambda match: f"{match[1]}0.001{match[5]}", text)
    assert page.filled(changed, RESULTS) == text != changed


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_subject_has_numbers_a_table_and_a_plot(name):
    subject, text = importlib.import_module(f"subjects.{name}"), page.PAGE.read_text("utf-8")
    assert RESULTS["subjects"][name]["title"] == subject.TITLE
    assert f"<!-- table: {name} -->" in text
    assert f"(images/benchmarks_{name}.png)" in text
    assert (page.IMAGES / f"benchmarks_{name}.png").exists()


def test_the_numbers_name_the_machine_and_no_place():
    assert RESULTS["machine"].keys() == measure.machine().keys()
    assert "numpy" in RESULTS["versions"]
    assert not re.search(r"/(home|tmp|root|usr)/", page.DATA.read_text(encoding="utf-8"))


def test_ratios_are_taken_round_by_round():
    assert measure.quartiles([4, 1, 3, 2, 5]) == [2, 3, 4]
    slow_moments = [1.0, 10.0, 1.0, 10.0, 1.0]
    assert measure.ratios([2 * x for x in slow_moments], slow_moments) == [2, 2, 2]


def test_a_row_is_stored_with_its_reference_its_limits_and_who_cannot():
    rounds = {HAND: [1.0, 2.0, 3.0], OURS: [2.0, 4.0, 6.0]}
    limits = [measure.Limit(OURS, HAND, 1.5), measure.Limit(OURS, PYTORCH, 1.0)]
    limits.append(measure.Limit(OURS, None, 5.0))
    row = measure.result_of("a row", "s", rounds, {PYTORCH: "no reason"}, limits)
    assert row["reference"] == HAND
    assert row["results"][OURS] == {"quartiles": [3, 4, 5], "ratio": [2, 2, 2]}
    assert row["results"][PYTORCH] == {"cannot": "no reason"}
    assert [(x["found"], x["at_most"]) for x in row["limits"]] == [(2, 1.5), (4, 5)]


def test_a_pair_that_changed_its_order_is_found_if_its_quartiles_are_apart():
    def row(hand, ours):
        return measure.result_of("a row", "s", {HAND: hand, OURS: ours})

    slower = row([1.0, 1.1, 1.2], [2.0, 2.1, 2.2])
    faster = row([1.0, 1.1, 1.2], [0.5, 0.6, 0.7])
    about_the_same = row([1.0, 1.1, 1.2], [0.9, 1.0, 1.2])
    assert measure.reversed_pairs(slower, faster) == [(OURS, HAND)]
    assert measure.reversed_pairs(slower, slower) == []
    assert measure.reversed_pairs(slower, about_the_same) == []


def test_amounts_have_three_digits_and_a_unit_that_fits():
    amounts = [page.amount(x, "s") for x in (1.25e-4, 0.01234, 2.0, 5e-9)]
    assert amounts == ["125 µs", "12.3 ms", "2.00 s", "5.00 ns"]
    assert page.amount(1234.0, "B") == "1.23 kB"


def test_who_has_no_number_is_named_with_the_reason():
    row = measure.result_of("a row", "s", {HAND: [1.0]}, {PYTORCH: "no row", "JAX, jit": "no row"})
    text = page.subject_table({"rows": [row]})
    assert "PyTorch, JAX, jit: no row." in text


def test_a_row_is_measured_from_end_to_end():
    said = []
    effort = measure.Effort(rounds=3, seconds=0.001, patience=60)
    competitors = [HAND, OURS]
    (row,) = perceptrons.measure(effort, said.append, perceptrons.SIZES[:1], competitors)
    assert list(row["results"]) == competitors
    assert all(x["ratio"][1] > 0 for x in row["results"].values())
    assert row["limits"][0]["at_most"] == 1.45
    assert "2-16-16-2" in said[0]


@pytest.mark.parametrize("name", [OURS, PYTORCH])
def test_losses_that_differ_have_no_time(name):
    answers = iter([[1.0, 0.9], [1.0, 0.8]])

    class Process:
        def __init__(self, name):
            self.name = name

        def ask(self, *_, **__):
            return next(answers)

        def give_up(self, why):
            self.cannot = why

    row = measure.Row("a row", "perceptron", {}, [HAND, name])
    processes = {HAND: Process(HAND), name: Process(name)}
    stops = pytest.raises(ArithmeticError, match=f"the losses of {name} differ by 1.0e-01")
    with stops if name == OURS else nullcontext():
        measure.agree(row, processes, measure.QUICK)
    assert processes[name].cannot == "its losses differ by 1.0e-01"


def test_every_competitor_has_a_module_and_every_module_a_competitor():
    modules = {path.stem for path in (SUITE / "peers").glob("*.py")}
    helpers = {"__init__", "formulas", "updates"}
    assert modules - helpers == {x.module for x in COMPETITORS.values()}
