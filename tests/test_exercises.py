"""Every exercise of the book: the hole is found, the answer is right, wrong ones are named."""

import ast
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

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


def the_command():
    """What `python docs/exercises` runs, as a module."""
    spec = importlib.util.spec_from_file_location("command", FOLDER / "__main__.py")
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    return command


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_an_exercise_is_a_question_and_a_hole(path):
    given = as_given(path)
    said, right = verdict(path, given)
    assert not right
    assert checking.answers(path).get("GIVEN", "There is still a hole") in said
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


@pytest.mark.parametrize(
    ("exercise", "answer", "other"),
    [
        ("01_slopes", "/ (2 * h)", "/ 2 / h"),
        ("02_rules", "g * y, g * x", "lambda: y * g, lambda: x * g"),
        ("03_remember", "apply(operator.sub, other, self)", "Number(other) - self"),
        ("03_remember", "apply(operator.mul, other, self)", "self * other"),
        ("03_remember", "operator.mul, self", "np.multiply, self"),
        ("05_broken_rules", "g / (2 * out)", "g * 0.5 * x**-0.5"),
        ("06_unbroadcast", "g.sum(axis=0)", "sum(g)"),
        ("08_rates", "1 / (2 * start**2)", "limit_of_quadratic(4 * start**2)"),
        ("09_costs", "best, lowest = (w, b), ", "best, lowest = [w, b], "),
        ("12_variance", "epochs * np.ceil(rows / size)", "epochs * -(-rows // size)"),
        ("18_conjugate_gradients", "share = (residual @ residual)", "share = sum(residual**2)"),
    ],
)
def test_a_right_answer_in_other_words_is_right(exercise, answer, other):
    path = FOLDER / f"{exercise}.py"
    given = checking.answers(path)["ANSWER"]
    assert answer in given
    said, right = verdict(path, "import numpy as np\n" + given.replace(answer, other))
    assert right, said


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_there_are_two_mistakes_and_two_hints_before_the_answer(path):
    answers = checking.answers(path)
    assert len(answers["MISTAKES"]) >= 2
    assert len(answers["HINTS"]) == 2
    assert answers["ANSWER"].strip() in checking.hint(path, 3)
    assert all(answers["ANSWER"].strip() not in checking.hint(path, level) for level in (1, 2))


def test_text_is_no_number_and_a_shape_is_said():
    with pytest.raises(checking.AnswerError, match="its type is str"):
        checking.compare("loss", "9", 9)
    with pytest.raises(checking.AnswerError, match="be a single number"):
        checking.compare("loss", [9.0], 9)
    with pytest.raises(checking.AnswerError, match="only printed"):
        checking.compare("loss", None, 9)
    for wrong in ([1.0, 2.0], float("nan"), "1", None):
        with pytest.raises(checking.AnswerError):
            checking.as_number("lr", wrong)


def test_what_a_file_does_to_the_check_is_said_in_words():
    path = FOLDER / "16_initialization.py"
    for source, words in (
        ("def sigma(n):\n    exit()\n", "Line 2 raises an error:\n  exit()"),
        ("def sigma():\n    return 1.0\n", "Keep the arguments"),
        ("sigma = 1.0\n", "sigma should be a function"),
        ("def sigma(n:\n", "SyntaxError: '(' was never closed"),
        ("def std(n):\n    return 1.0\n", "There is no sigma in the file"),
    ):
        said, right = verdict(path, source)
        assert not right
        assert words in said


def test_a_wrong_derivative_is_said_once_and_briefly():
    path = FOLDER / "11_cross_entropy.py"
    answer = checking.answers(path)["ANSWER"].replace("(softmax(z) - y)", "(softmax(z) - y) ** 3")
    said, right = verdict(path, answer)
    assert not right
    assert said.startswith("gradcheck finds a wrong derivative.")
    assert said.count("operand 0[0, 0]") == 1
    assert "input 0[0, 0]" not in said
    assert len(said.splitlines()) == 6
    assert said.endswith(" more")


def test_the_first_hole_is_named_wherever_it_stands():
    assert checking.hole("def f():\n    if True:\n        return ...\n\n\nx = ...\n") == 3
    assert checking.hole("x = y[..., None]  # ...\n") is None


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_the_question_counts_its_holes(path):
    given = as_given(path)
    holes = sum(
        isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(ast.parse(given))
    )
    if "Replace the two `...`" in checking.question(given):
        assert holes == 2
    if "Replace the `...`" in checking.question(given):
        assert holes == 1


def test_answers_in_another_style_are_right():
    for stem, changes in {
        "10_xor": (("nn.Tanh()", "nn.ReLU()"),),
        "11_cross_entropy": (
            (
                "    e = np.exp(z - z.max(axis=1, keepdims=True))\n    return e / e.sum(axis=1, "
                "keepdims=True)",
                "    return np.array([np.exp(r - max(r)) / sum(np.exp(r - max(r))) for r in z])",
            ),
        ),
        "13_rmsprop": (("return w, s", "return [w, s]"),),
        "15_early_stopping": (("epoch - best >= patience", "epoch - best == patience"),),
        "17_mask": (("scores = q @", "q /= 1.0\n    scores = q @"), ("-np.inf", "-1e9")),
        "19_dead_lines": (("return kept[::-1]", "return (line for line in kept[::-1])"),),
    }.items():
        path = FOLDER / f"{stem}.py"
        answer = checking.answers(path)["ANSWER"]
        for right, other in changes:
            assert right in answer
            answer = answer.replace(right, other)
        said, passed = verdict(path, answer)
        assert passed, said


def test_a_file_that_lost_its_end_or_its_syntax_is_not_solved(tmp_path):
    progress = the_command()
    path = tmp_path / "16_initialization.py"
    path.write_text("def sigma(n):\n    return 1.0\n", encoding="utf-8")
    assert not progress.solved(path)
    assert checking.title(path) == "16_initialization"
    path.write_text("def sigma(n:\n", encoding="utf-8")
    assert not progress.solved(path)
    assert checking.title(path) == "(line 1 is not Python: '(' was never closed)"


def test_the_first_exercise_names_what_is_not_installed(monkeypatch):
    path = FOLDER / "00_installation.py"
    answer = checking.answers(path)["ANSWER"]

    def no_graphviz(source, format):
        raise RuntimeError("drawing needs Graphviz")

    with monkeypatch.context() as patch:
        patch.setattr("tinygrad_edu.viz.drawing.picture.render", no_graphviz)
        said, right = verdict(path, answer)
        assert not right
        assert "drawing needs Graphviz" in said
        assert "pip install" in said
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "click" else 1)
    said, right = verdict(path, answer)
    assert not right
    assert said.startswith("Not installed: click.")


# The commands, in a copy of the folder that has two of the exercises


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "exercises"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in EXERCISES:
        if path.name in ("02_rules.py", "04_loop.py"):
            (folder / path.name).write_text(as_given(path), encoding="utf-8")
        else:
            (folder / path.name).unlink()
    return folder


def answered(path, *changes):
    """Fill in the answer, with changes such as a mistake makes."""
    text = checking.answers(path)["ANSWER"]
    for right, wrong in changes:
        assert right in text
        text = text.replace(right, wrong)
    path.write_text(f'"""The question."""\n{text}{FOOT}', encoding="utf-8")


def started(*arguments, folder):
    """A process of its own, as a learner starts it beside the folder."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
    )


def as_a_program(monkeypatch, path, *arguments):
    """Run an exercise, and return the status of its end; it must end, since nothing stops it."""
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    monkeypatch.setattr("faulthandler.dump_traceback_later", lambda *_, **__: None)
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        return int(end.code)
    return 0


def test_an_exercise_that_is_run_checks_itself(copy, monkeypatch, capsys):
    path = copy / "02_rules.py"
    answered(path)
    assert as_a_program(monkeypatch, path) == 0
    assert capsys.readouterr().out.endswith("All of it is right.\n")

    answered(path, ("g * y, g * x", "g * x, g * y"))
    assert as_a_program(monkeypatch, path) == 1
    said = capsys.readouterr().out
    assert "right: the derivative of add\n" in said
    assert "wrong: In the rule of multiply" in said
    assert "--hint 1" in said


def test_an_exercise_gives_the_hint_that_is_asked_for(copy, monkeypatch, capsys):
    path = copy / "02_rules.py"
    hints = []
    for arguments in (["--hint"], ["--hint", "1"], ["--hint", "2"], ["--hint", "3"]):
        assert as_a_program(monkeypatch, path, *arguments) == 0
        question, hint = capsys.readouterr().out.split("\n", 1)
        assert question == "Write three derivative rules: of a sum, of a product, and of a square."
        hints.append(hint)
    answers = checking.answers(path)
    assert hints[0] == hints[1]
    assert [hint.strip() for hint in hints[1:3]] == answers["HINTS"]
    assert hints[3].strip() == "The answer:\n" + answers["ANSWER"].strip()


def test_a_loop_without_end_is_stopped_and_its_line_is_said(copy):
    checks = copy / "checking.py"
    text = checks.read_text(encoding="utf-8")
    assert "\nSECONDS = 20 " in text
    checks.write_text(text.replace("\nSECONDS = 20 ", "\nSECONDS = 0.2 "), encoding="utf-8")
    path = copy / "04_loop.py"
    answered(path, ("while grads:", "while True: pass\n    while grads:"))
    lines = path.read_text(encoding="utf-8").splitlines()
    with started(path, folder=copy) as process:
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "Does a loop never end?" in said
    assert f'04_loop.py", line {lines.index("    while True: pass") + 1} in backward' in said


def test_the_command_names_the_first_exercise_that_is_not_solved(monkeypatch):
    command = the_command()
    done = {EXERCISES[0], *EXERCISES[3:]}
    monkeypatch.setattr(command, "solved", lambda path: path in done)
    ran = CliRunner().invoke(command.main)
    assert ran.exit_code == 0
    marks = [line[:3] for line in ran.output.splitlines()[: len(EXERCISES)]]
    assert marks == ["[x]", "[ ]", "[ ]", *["[x]"] * (len(EXERCISES) - 3)]
    assert ran.output.endswith(f"\nNext: {os.path.relpath(EXERCISES[1])}\n")

    done.update(EXERCISES)
    ran = CliRunner().invoke(command.main)
    assert ran.output.endswith("All exercises are solved.\n")


def test_an_exercise_is_checked_when_it_is_saved(copy):
    answered(copy / "02_rules.py")
    path = copy / "04_loop.py"
    found = threading.Event()

    def save():
        while not found.wait(0.5):  # until the first time at which the watching has begun
            answered(path, ("max(", "min("))

    with started(copy.name, "--watch", folder=copy) as process:
        alarm = threading.Timer(60, process.kill)
        alarm.start()
        saving = threading.Thread(target=save)
        said = []
        try:
            for line in process.stdout:
                said.append(line.rstrip("\n"))
                if line.startswith("Watching"):
                    saving.start()
                if "visit the youngest first" in line:
                    break
        finally:
            found.set()
            alarm.cancel()
            process.kill()
            if saving.is_alive():
                saving.join()
    assert [line[:12] for line in said[:2]] == ["[x] 02_rules", "[ ] 04_loop "]
    assert said[3] == f"Next: {Path('exercises/04_loop.py')}"
    assert "visit the youngest first" in said[-1], "\n".join(said)
