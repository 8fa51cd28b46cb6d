"""The glossary has every term of the book, and sends the reader to its first use."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
CHAPTERS = {page.name: page.read_text("utf-8") for page in sorted(DOCS.glob("[0-9][0-9]_*.md"))}
ENTRY = re.compile(
    r"^- \*\*(?P<term>[^*]+)\*\*: (?P<definition>.*?)"
    r"\s\[Chapter (?P<number>\d+)\]\((?P<page>\S+)\)$",
    re.MULTILINE | re.DOTALL,
)
ENTRIES = [match.groupdict() for match in ENTRY.finditer((DOCS / "glossary.md").read_text("utf-8"))]

# A lead of a list or of a paragraph is bold too, and no term.
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LEAD = re.compile(r"^ *(- |\d+\. )\*\*[^*]*\*\*|(?<=\n\n)\*\*[^*]*\*\*,", re.MULTILINE)
BOLD = re.compile(r"\*\*(?P<words>[A-Za-z][^*\d/]*)\*\*")

PLURAL, ENDING = re.compile("(?<!s)s$"), re.compile("(ting|ing|ed|e)$")


def stem(words):
    """The same for `overfits` and `overfitting`, for `classes` and `class`."""
    return " ".join(ENDING.sub("", PLURAL.sub("", word)) for word in words.lower().split())


def bold_terms(text):
    """The stems of the terms that a chapter prints in bold, of at most three words."""
    words = (" ".join(bold["words"].split()) for bold in BOLD.finditer(LEAD.sub("", text)))
    return {stem(each) for each in words if len(each.split()) <= 3 and each[-1] not in ".?:"}


TERMS = {name: bold_terms(CODE.sub("", text)) for name, text in CHAPTERS.items()}


def is_of(entry, term):
    """A chapter may say `dead` of a neuron, and the glossary then has `dead neuron`."""
    return f"{stem(entry['term'])} ".startswith(f"{term} ")


@pytest.mark.parametrize("page", CHAPTERS)
def test_each_term_of_a_chapter_is_in_the_glossary(page):
    missing = {term for term in TERMS[page] if not any(is_of(entry, term) for entry in ENTRIES)}
    assert not missing


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["term"])
def test_a_term_is_used_where_its_entry_leads(entry):
    assert int(entry["page"][:2]) == int(entry["number"])
    defined = [page for page, terms in TERMS.items() if stem(entry["term"]) in terms]
    assert defined[:1] in ([], [entry["page"]])
    text = " ".join(CHAPTERS[entry["page"]].lower().split())
    assert all(word in text for word in stem(entry["term"]).split())
    assert 3 < len(entry["definition"].split()) < 50


def test_the_entries_are_in_the_order_of_the_alphabet():
    terms = [entry["term"].lower() for entry in ENTRIES]
    assert terms == sorted(set(terms))
    headings = re.findall("^## (.)$", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)
    assert headings == sorted({term[0].upper() for term in terms})


def test_no_line_of_the_glossary_is_lost():
    text = (DOCS / "glossary.md").read_text("utf-8")
    assert len(ENTRIES) == len(re.findall("^- ", text, re.MULTILINE))


WANTED = """
leaf, tape, vjp, heap, moment, loss, cost function, objective function, mean squared error,
cross-entropy, gradient, partial derivative, chain rule, backpropagation, optimizer, learning rate,
local minimum, global minimum, loss landscape, stochastic, mini-batch, epoch, iteration, momentum,
hyperparameter, overfitting, underfitting, converge, stalled, weight, bias, prediction, target,
forward pass, backward pass, Adagrad, RMSprop, Adam, schedule, activation function, softmax
"""


def test_the_terms_that_a_beginner_looks_up_first_are_there():
    terms = {entry["term"] for entry in ENTRIES}
    assert terms.issuperset(" ".join(WANTED.split()).split(", "))
