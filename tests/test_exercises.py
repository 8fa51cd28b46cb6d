"""Every exercise of the book: the hole is found, the answer is right, wrong ones are named."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs/exercises"
sys.path.insert(0, str(FOLDER))

import checking  # noqa: E402

EXERCISES = checking.exercises()
FOOT = '\n\nif __name__ == "__main__":\n    from checking import run\n\n    run(__file__)\n'


def name(path):
    return path.stem


def verdict(path, source):
    """All that is said of an answer, and whether it is right."""
    lines = []
    try:
        lines.extend(checking.examine(path, source))
    except checking.AnswerError as error:
        return f"{error}", False
    return lines, True


def as_given(path):
    """The exercise as it was handed out, also where a learner has filled it in since."""
    place = path.relative_to(FOLDER.parent.parent).as_posix()
    show = subprocess.run(
        ["git", "show", f"HEAD:{place}"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return show.stdout if show.returncode == 0 else path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_an_exercise_is_a_question_and_a_hole(path):
    given = as_given(path)
    said, right = verdict(path, given)
    assert not right
    assert said.startswith("There is still a hole")
    assert given.endswith(FOOT)
    assert len(checking.question(given).splitlines()[0]) < 100
    assert len(given.splitlines()) <= 60


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_the_answer_is_right(path):
    said, right = verdict(path, checking.answers(path)["ANSWER"])
    assert right, said
    assert said


MISTAKES = [
    pytest.param(path, mistake, id=f"{path.stem}-{i}")
    for path in EXERCISES
    for i, mistake in enumerate(checking.answers(path)["MISTAKES"])
]


@pytest.mark.parametrize(("path", "mistake"), MISTAKES)
def test_a_typical_mistake_is_named(path, mistake):
    right, wrong, words = mistake
    answer = checking.answers(path)["ANSWER"]
    assert right in answer
    said, passed = verdict(path, answer.replace(right, wrong))
    assert not passed
    assert words in said


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_there_are_two_mistakes_and_two_hints_before_the_answer(path):
    answers = checking.answers(path)
    assert len(answers["MISTAKES"]) >= 2
    assert len(answers["HINTS"]) == 2
    assert answers["ANSWER"].strip() in checking.hint(path, 3)
    assert all(answers["ANSWER"].strip() not in checking.hint(path, level) for level in (1, 2))
