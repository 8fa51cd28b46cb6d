"""The teacher's page: its two lessons fill 45 minutes each, and no exercise lacks its answer."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "teaching.md").read_text("utf-8")
LESSONS = re.findall(r"^### \w+ lesson: .*?\n\n(.*?)\n\n", TEXT, re.MULTILINE | re.DOTALL)
EXERCISES = [path.stem for path in sorted((DOCS / "exercises").glob("[0-9]*.py"))]
CHAPTERS = sorted(path.name for path in DOCS.glob("[0-9][0-9]_*.md"))


def rows(table):
    """The cells of a table, without its head."""
    lines = re.findall(r"^\| (.*) \|$", table, re.MULTILINE)
    return [[each.strip() for each in line.split(" | ")] for line in lines[1:]]


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


def anchor(title):
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def headings(page):
    text = CODE.sub("", (DOCS / page).read_text("utf-8"))
    return {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def test_each_lesson_fills_its_45_minutes():
    assert len(LESSONS) == 2
    for lesson in LESSONS:
        at = 0
        for minutes, screen, action, question, answer in rows(lesson):
            begin, end = map(int, minutes.split("-"))
            assert begin == at < end
            assert all([screen, action, answer])
            assert question.endswith("?")
            at = end
        assert at == 45


def test_the_lessons_show_all_slides_in_their_order():
    slides = re.findall(r"^## (.*)$", (DOCS / "slides.md").read_text("utf-8"), re.MULTILINE)
    shown = re.findall(r"\d \| \[(.*?)\]\(slides\.md#", "\n".join(LESSONS))
    assert shown == slides


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_exercise_is_in_the_plan_and_in_the_key(exercise):
    assert f"`{exercise}`" in section(r"What happens in a term\?")
    assert f"`{exercise}`" in section(r"Where are the answers\?")
    assert (DOCS / f"exercises/answers/{exercise}.py").exists()


@pytest.mark.parametrize("page", CHAPTERS)
def test_the_key_counts_the_exercises_of_a_chapter(page):
    """Each is a file that checks itself, a quiz, or has its answer on the page."""
    whole = (DOCS / page).read_text("utf-8")
    text = re.search(r"^## Exercises\n(.*?)^## ", whole, re.MULTILINE | re.DOTALL)[1]
    numbers = {int(number) for number in re.findall(r"^(\d)\. ", text, re.MULTILINE)}
    (row,) = [row for row in rows(section(r"Where are the answers\?")) if page in row[2]]
    assert int(row[0]) == int(page[:2])
    answered = set(map(int, re.findall(r"\d", row[2].partition("]")[0])))
    quizzes = set(map(int, re.findall(r"(\d) is a quiz", row[1])))
    files = set(range(1, 1 + len(re.findall(r"`\w+`", row[1]))))
    assert answered | quizzes | files == numbers
    assert text.count("<summary>Answer</summary>") == len(answered)
    assert ("viz.quiz(" in text) == bool(quizzes)


@pytest.mark.parametrize("page", ["teaching.md", "slides.md", "glossary.md"])
def test_the_anchors_of_its_links_exist(page):
    for target, name in re.findall(r"\]\((\w+\.md)#([\w-]+)\)", (DOCS / page).read_text("utf-8")):
        assert name in headings(target), f"{target}#{name}"
