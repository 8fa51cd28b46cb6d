"""The factor of a step decides; on x⁴ the mean curvature takes the place of the curvature."""

from checking import AnswerError, compare

from tinygrad_edu import lab

HINTS = [
    "Write one step down: x_new = x - lr * slope. Add 1 to both sides, and take x + 1 out of what "
    "is on the right. The rest is the factor. Its size tells whether the distance shrinks.",
    "The factor of f is 1 - 6 lr, and for a curvature a it is 1 - a lr. It is -1 at the limit. On "
    "x⁴ a step takes x to (1 - 4 lr x²) x; at which rate is that -x?",
]

ANSWER = """
def factor(lr):
    return 1 - 6 * lr


VERDICTS = {
    0.001: "crawls",
    0.1: "converges",
    0.3: "converges",
    1 / 3: "oscillates",
    0.4: "diverges",
}


def limit_of_quadratic(curvature):
    return 2 / curvature


def limit_of_quartic(start):
    return 1 / (2 * start**2)
"""

MISTAKES = [
    ("1 - 6 * lr", "1 - 2 * lr", "is the factor of (x - 2)²"),
    ("1 - 6 * lr", "6 * lr", "what the step takes away"),
    ("1 - 6 * lr", "abs(1 - 6 * lr)", "The size is right"),
    ("1 - 6 * lr", "6 * lr - 1", "the other sign"),
    ('0.3: "converges"', '0.3: "oscillates"', "changes sides in each step, and still comes closer"),
    ('0.3: "converges"', '0.3: "diverges"', "leaves 1.5e-06 of the distance"),
    ('0.001: "crawls"', '0.001: "converges"', "leaves 0.7 of the distance"),
    ('1 / 3: "oscillates"', '1 / 3: "diverges"', "neither grows nor shrinks"),
    ('0.4: "diverges"', '0.4: "fast"', "not one of the four words"),
    ('0.1: "converges"', '0.2: "converges"', "no verdict for the rate 0.1"),
    ("2 / curvature", "1 / curvature", "the fastest rate"),
    ("1 / (2 * start**2)", "2 / (12 * start**2)", "curvature at the start"),
    ("1 / (2 * start**2)", "0.5", "depends on the start"),
]

START, STEPS = 1.0, 60
WORDS = {
    "slow": "crawls",
    "converged": "converges",
    "oscillating": "oscillates",
    "diverged": "diverges",
}


def f(x):
    return 3 * (x + 1) ** 2


def quartic(x):
    return x**4


def check(names):
    for lr in (0.1, 0.4):
        reasons = {
            1 - 2 * lr: "1 - 2 lr is the factor of (x - 2)², which has the curvature 2. f has 6.",
            6 * lr: "6 lr (x + 1) is what the step takes away. What is left?",
            1 + 6 * lr: "The step goes against the slope: x - lr * slope.",
            6 * lr - 1: "That is the factor with the other sign.",
            abs(1 - 6 * lr): "The size is right. But a step that jumps over the minimum changes "
            "the sign of the distance.",
        }
        distances = lab.descend(f, START, lr, 1).x + 1
        because = (
            f"One step from x = 1 goes to {distances[1] - 1:.4g}: the distance 2 becomes "
            f"{distances[1]:.4g}."
        )
        compare(f"factor({lr})", names["factor"](lr), distances[1] / distances[0], reasons, because)
    yield "the factor of a step: 1 - 6 lr"
    verdicts = names["VERDICTS"]
    for lr in (0.001, 0.1, 0.3, 1 / 3, 0.4):
        if not isinstance(verdicts, dict) or lr not in verdicts:
            raise AnswerError(
                f"VERDICTS has no verdict for the rate {lr:.4g}. Keep the five rates, and replace "
                "the dots behind them."
            )
        check_verdict(lr, verdicts[lr])
    yield "what becomes of the five rates"
    for curvature in (2.0, 6.0):
        limit = 2 / curvature
        reasons = {
            limit / 2: "That is the fastest rate: its factor is 0, and one step arrives. "
            "At the limit the factor is -1.",
            curvature / 2: "A larger curvature needs a smaller rate.",
        }
        got = names["limit_of_quadratic"](curvature)
        compare(f"limit_of_quadratic({curvature:g})", got, limit, reasons)
    yield "the limit of a quadratic: 2 / curvature"
    for start in (1.0, 10.0):
        check_quartic(start, names["limit_of_quartic"](start))
    yield "the limit of x⁴: 1 / (2 start²)"


def check_verdict(lr, said):
    path = lab.descend(f, START, lr, STEPS)
    right = WORDS[lab.verdict(path).kind]
    if said == right:
        return
    what = f"Rate {lr:.4g}: you say {said!r}."
    if said not in WORDS.values():
        raise AnswerError(f"{what} This is not one of the four words {', '.join(WORDS.values())}.")
    factor = 1 - 6 * lr
    left = abs(factor) ** STEPS
    why = f"The factor is {factor:.4g}, and its power {STEPS} leaves {left:.2g} of the distance."
    if factor < 0 and said == "oscillates":
        why += " The path changes sides in each step, " + (
            "and still comes closer." if left < 1 else "and goes farther away each time."
        )
    if abs(factor) == 1:
        why = f"The factor is {factor:.4g}: the distance neither grows nor shrinks."
    raise AnswerError(f"{what} {why}")


def check_quartic(start, got):
    limit = 1 / (2 * start**2)
    reasons = {
        2 / (12 * start**2): "This is 2 / the curvature at the start. The curvature falls on the "
        "way to 0, so higher rates still converge.",
    }
    because = (
        f"At {limit:g} a step from {start:g} lands on "
        f"{lab.descend(quartic, start, limit, 1).x[1]:g}."
    )
    if start != 1:
        reasons[1 / 2] = f"1 / 2 is the limit from 1. It depends on the start. {because}"
    compare(f"limit_of_quartic({start:g})", got, limit, reasons, because)
