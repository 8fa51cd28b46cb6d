"""A pass that removes dead lines, compared line by line."""

from checking import AnswerError

HINTS = [
    "Whoever uses a result comes after it. So walk through the lines from the last one to the "
    "first: then you know of each line whether somebody needs it.",
    "reversed(lines), and needed.update(operands).",
]

ANSWER = """
def remove_dead(lines, results):
    needed = set(results)
    kept = []
    for name, function, operands in reversed(lines):
        if name in needed:
            kept.append((name, function, operands))
            needed.update(operands)
    return kept[::-1]
"""

MISTAKES = [
    ("reversed(lines)", "lines", "from the last line"),
    ("needed.update(operands)", "needed.add(operands[0])", "all operands"),
    ("needed.update(operands)", "pass", "is missing"),
    ("        if name in needed:\n", "        if True:\n", "is dead"),
    ("return kept[::-1]", "return kept", "order"),
    ("    return kept[::-1]", "    kept[::-1]", "None"),
    ("return kept[::-1]", "return 3", "whole lines"),
    ("kept.append((name, function, operands))", "kept.append(name)", "whole lines"),
    ("(name, function, operands))", "(name, function, ()))", "was changed"),
    ("return kept[::-1]", "return [x for x in kept[::-1] for _ in '12']", "is there 2 times"),
    ("needed.update(operands)", "needed.add(operands)", "is missing"),
]

PROGRAM = [
    ("h1", "matmul", ("x", "w1")),
    ("h2", "tanh", ("h1",)),
    ("h3", "matmul", ("h2", "w2")),
    ("d_h3", "ones_like", ("h3",)),
    ("t2", "transpose", ("h2",)),
    ("d_w2", "matmul", ("t2", "d_h3")),
    ("t_w2", "transpose", ("w2",)),
    ("d_h2", "matmul", ("d_h3", "t_w2")),
    ("slope", "tanh_slope", ("h2",)),
    ("d_h1", "multiply", ("d_h2", "slope")),
    ("t_x", "transpose", ("x",)),
    ("d_w1", "matmul", ("t_x", "d_h1")),
    ("t_w1", "transpose", ("w1",)),
    ("d_x", "matmul", ("d_h1", "t_w1")),
    ("unused", "exp", ("d_x",)),
]


def check(names):
    remove_dead = names.function("remove_dead")
    expect(remove_dead, [PROGRAM[0], PROGRAM[1]], ["h2"], "two lines that are both needed")
    yield "a program without dead lines stays as it is"
    expect(remove_dead, PROGRAM, ["h3", "d_w1", "d_w2"], "a backward pass")
    yield "a backward pass loses the gradient of the data, and what used it"
    expect(remove_dead, PROGRAM, ["h3"], "the same program without gradients")
    yield "without gradients only the forward pass is left"


def expect(remove_dead, lines, results, what):
    kept = as_lines(remove_dead(list(lines), list(results)))
    right = wanted(lines, results)
    got, expected = [line[0] for line in kept], [line[0] for line in right]
    for name in expected:
        if name not in got:
            raise AnswerError(
                f"In {what}, the line of {name} is missing: it is a result, or a line that is kept "
                "needs it. Walk from the last line to the first, and note all operands of a line."
            )
    for name in got:
        if name not in expected:
            raise AnswerError(f"In {what}, the line of {name} is dead: nobody uses it. Remove it.")
        if got.count(name) > 1:
            raise AnswerError(f"In {what}, the line of {name} is there {got.count(name)} times.")
    if got != expected:
        raise AnswerError(f"In {what}, the lines are right, but not their order: {got}.")
    for mine, line in zip(kept, right, strict=True):
        if mine != line:
            raise AnswerError(f"In {what}, a line was changed: {mine}, and it should be {line}.")


def as_lines(kept):
    """What was returned, as a list of tuples."""
    if kept is None:
        raise AnswerError("remove_dead returns None. Does it return the lines that are kept?")
    try:
        lines = [() if isinstance(line, str) else tuple(line) for line in kept]
    except TypeError:
        lines = [()]
    if any(len(line) != 3 for line in lines):
        raise AnswerError(
            "remove_dead returns a list of whole lines (name, function, operands), and yours "
            f"returns {kept!s:.60}."
        )
    return lines


def wanted(lines, results):
    needed, kept = set(results), []
    for line in reversed(lines):
        if line[0] in needed:
            kept.insert(0, line)
            needed.update(line[2])
    return kept
