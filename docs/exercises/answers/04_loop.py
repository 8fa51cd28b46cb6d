"""Take out the youngest, call its rule, add each partial where it belongs."""

from checking import AnswerError, compare

HINTS = [
    "Four steps: max(grads, key=...) finds the youngest; grads.pop(node) takes out its gradient; "
    "RULES[node.function] is its rule; and each input with its partial comes from "
    "zip(node.inputs, partials).",
    "    node = max(grads, key=lambda node: node.birth)\n"
    "    g = grads.pop(node)\n"
    "    partials = RULES[node.function](g, *[x.data for x in node.inputs])\n"
    "For each input: if x.function is None, x is a leaf, and the partial is added to x.grad. "
    "Otherwise it is added to what waits: grads.get(x, 0.0) is 0 if nothing does.",
]

ANSWER = """
import operator
from itertools import count

clock = count()


class Number:
    def __init__(self, data, function=None, inputs=()):
        self.data, self.function, self.inputs = data, function, inputs
        self.birth, self.grad = next(clock), 0.0

    def __add__(self, other):
        return apply(operator.add, self, other)

    def __mul__(self, other):
        return apply(operator.mul, self, other)


def apply(function, *inputs):
    return Number(function(*[x.data for x in inputs]), function, inputs)


RULES = {
    operator.add: lambda g, x, y: (g, g),
    operator.mul: lambda g, x, y: (g * y, g * x),
}


def backward(root):
    grads = {root: 1.0}
    while grads:
        node = max(grads, key=lambda node: node.birth)
        g = grads.pop(node)
        partials = RULES[node.function](g, *[x.data for x in node.inputs])
        for x, partial in zip(node.inputs, partials):
            if x.function is None:
                x.grad += partial
            else:
                grads[x] = grads.get(x, 0.0) + partial
"""

MISTAKES = [
    ("max(", "min(", "youngest"),
    ("max(grads, key=lambda node: node.birth)", "list(grads)[-1]", "the youngest"),
    ("max(grads, key=lambda node: node.birth)", "list(grads)[0]", "the youngest"),
    ("grads.get(x, 0.0) + partial", "grads[x] + partial", "grads.get(x, 0.0)"),
    ("grads.pop(node)", "grads[node]", "does not end"),
    ("grads.get(x, 0.0) + partial", "partial", "overwritten"),
    ("x.grad += partial", "x.grad = partial", "overwritten"),
    ("if x.function is None:", "if False:", "a leaf"),
    ("grads[x] = grads.get(x, 0.0) + partial", "backward(x)", "begins with 1"),
    ("x.grad += partial", "x.grad += g", "unchanged"),
    ("node = max", "return max", "not reached"),
]

LIMIT = 3000  # calls of rules: more than any graph here needs, and soon reached


def check(names):
    number, backward = names["Number"], names["backward"]
    calls = count_calls(names["RULES"])
    for text, f, points, gradients, reasons in CASES:
        leaves = [number(x) for x in points]
        root = f(*leaves)
        run(backward, root)
        for name, point, leaf, wanted in zip("ab", points, leaves, gradients, strict=False):
            what = f"for {text}, the gradient of {name} at {point:g}"
            compare(what, leaf.grad, wanted, reasons)
        yield f"the gradients of {text}"
    yield from check_second_pass(number, backward)
    yield from check_order(number, backward, calls)


OVERWRITTEN = "A contribution was overwritten: a node that is used twice gets the sum of both."
UNCHANGED = "Here g went on unchanged: add what the rule returned."
MISSED = "Was the leaf not reached?"
ONE = (
    "The inner product passed on 1, and not what had arrived at it. Only the gradient of the "
    "result itself begins with 1."
)
CASES = [
    ("a + b", lambda a, b: a + b, (3.0, 4.0), (1, 1), {0: MISSED}),
    ("a * b", lambda a, b: a * b, (3.0, 4.0), (4, 3), {0: MISSED, 1: UNCHANGED}),
    ("a * a", lambda a, b: a * a, (3.0, 4.0), (6, 0), {3: OVERWRITTEN}),
    ("a * a * a", lambda a, b: a * a * a, (3.0, 4.0), (27, 0), {15: ONE}),
    (
        "s * b + s with s = a * a",
        lambda a, b: (s := a * a) * b + s,
        (3.0, 4.0),
        (30, 9),
        {6: OVERWRITTEN, 24: OVERWRITTEN},
    ),
]


def count_calls(rules):
    """Wrap the rules, so that a loop without end is found; returns the list that grows."""
    calls = []

    def counted(rule):
        def call(*args):
            calls.append(rule)
            if len(calls) > LIMIT:
                raise AnswerError(
                    f"The loop does not end: the rules were called {LIMIT} times. Is a node taken "
                    "out of grads when it is visited?"
                )
            return rule(*args)

        return call

    rules.update({function: counted(rule) for function, rule in rules.items()})
    return calls


def run(backward, root):
    try:
        backward(root)
    except KeyError as error:
        if type(error.args[0]) is type(root):
            raise AnswerError(
                "grads[x] was asked for, and nothing waits there yet: the node has received "
                "nothing, or was taken out before. grads.get(x, 0.0) is 0 then."
            ) from error
        if error.args != (None,):
            raise
        raise AnswerError(
            "RULES[None] was asked for: a leaf was visited. No function made it, so it has no "
            "rule: its contributions go to its grad."
        ) from error


def check_second_pass(number, backward):
    a = number(3.0)
    root = a * a
    for wanted in (6, 12):
        backward(root)
        compare("after another pass over a * a, a.grad", a.grad, wanted, {6: "Passes add up."})
    yield "two passes add up"


def check_order(number, backward, calls):
    """Eight diamonds: 16 nodes, and 510 visits if the oldest comes first.

    The sides take turns, so that neither the first nor the last to wait is always the youngest.
    """
    a, one = number(1.0), number(1.0)
    root = a
    for i in range(8):
        root = root + root * one if i % 2 else root * one + root
    del calls[:]
    backward(root)
    compare("after eight diamonds, a.grad", a.grad, 256)
    if len(calls) != 16:
        raise AnswerError(
            f"The gradients are right, but the rules were called {len(calls)} times for 16 nodes. "
            "A node must wait until its gradient is complete: visit the youngest first."
        )
    yield "each node is visited once"
