"""Each slide has a title, at most four lines, and one picture or one page of a chapter."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "slides.md").read_text("utf-8")
SLIDES = re.split("^## ", TEXT, flags=re.MULTILINE)[1:]

CELL = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^!\[.+\]\((images/\S+)\)$", re.MULTILINE)
NOTES = re.compile(
    r"^<details><summary>For the teacher</summary>\n\n(?P<text>.*?)\n\n</details>$",
    re.MULTILINE | re.DOTALL,
)
CHAPTER = re.compile(r"\[chapter (\d+)\]\((\d\d)_(\w+\.md)\)")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")


def title(slide):
    return slide.splitlines()[0]


def lines(slide):
    """The words on the screen, below the title."""
    rest = PICTURE.sub("", NOTES.sub("", CELL.sub("", slide)))
    return [line for line in rest.splitlines()[1:] if line]


def chapters(slide):
    """The text of the chapters that the notes name."""
    found = CHAPTER.findall(NOTES.search(slide)["text"])
    assert found
    assert all(int(number) == int(file) for number, file, _ in found)
    return "\n".join((DOCS / f"{file}_{name}").read_text("utf-8") for _, file, name in found)


@pytest.mark.parametrize("slide", SLIDES, ids=title)
def test_a_slide_is_a_title_and_a_few_lines_and_one_thing_to_see(slide):
    assert 5 < len(title(slide)) < 50
    assert 1 <= len(lines(slide)) <= 4
    for line in lines(slide):
        assert line.startswith("- ")
        assert len(line) <= 80
    pages = [cell for cell in CELL.findall(slide) if re.search(r"\bviz\.\w+\(.*\)\n\Z", cell)]
    assert len(pages) == len(CELL.findall(slide))
    assert len(pages) + len(PICTURE.findall(slide)) == 1
    assert len(pages) == 0 or len(lines(slide)) <= 2  # the page needs the room


@pytest.mark.parametrize("slide", SLIDES, ids=title)
def test_its_picture_and_its_numbers_are_those_of_the_chapter(slide):
    text = chapters(slide)
    for picture in PICTURE.findall(slide):
        assert (DOCS / picture).exists()
        assert f"({picture})" in text
    computed = NUMBER.findall(text.replace(",", ""))
    for number in NUMBER.findall(" ".join(lines(slide)).replace(",", "")):
        assert any(is_short_for(number, each) for each in computed), number


def is_short_for(number, computed):
    """A slide says 0.738 where the chapter has 0.7381."""
    digits = len(number.partition(".")[2])
    return number == computed or (digits > 0 and number == f"{float(computed):.{digits}f}")


def test_the_lessons_have_about_twenty_slides():
    assert 18 <= len(SLIDES) <= 24
    assert len(set(map(title, SLIDES))) == len(SLIDES)
