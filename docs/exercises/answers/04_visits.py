"""2 n, and 2 (2ⁿ - 1): each diamond visits all that lies behind it twice."""

from checking import compare

HINTS = [
    "There are two nodes for each turn. Youngest first, each is visited once. Oldest first, the "
    "new `a` sends something to the old one and to b; b then sends the rest to the old one. How "
    "often is the old one visited, with all that lies behind it?",
    "Oldest first, let V(n) be the number of visits. The last turn makes 2 of them, its own two "
    "nodes, and all that lies behind is visited twice: V(n) = 2 + 2 V(n - 1), and V(0) = 0.",
]

ANSWER = """
def visits_youngest_first(n):
    return 2 * n


def visits_oldest_first(n):
    return 2 ** (n + 1) - 2
"""

MISTAKES = [
    ("return 2 * n", "return n", "makes two nodes"),
    ("return 2 * n", "return 2 * n + 1", "counts a leaf"),
    ("2 ** (n + 1) - 2", "2 * n", "visited again"),
    ("2 ** (n + 1) - 2", "2 ** n", "Each turn adds two visits"),
    ("2 ** (n + 1) - 2", "2 ** (n + 1) - 1", "counts a leaf"),
    ("2 ** (n + 1) - 2", "4 * n - 2", "doubles"),
    ("2 ** (n + 1) - 2", "2 ^ (n + 1) - 2", "In Python ^ is not a power"),
    ("2 ** (n + 1) - 2", "(2 ^ (n + 1)) - 2", "In Python ^ is not a power"),
]


def check(names):
    youngest, oldest = names["visits_youngest_first"], names["visits_oldest_first"]
    for n in (1, 3, 6):
        wanted = visits(n, max)
        reasons = {n: "Each turn makes two nodes, b and the new a.", wanted + 1: LEAF}
        compare(f"visits_youngest_first({n})", youngest(n), wanted, reasons)
    yield "youngest first: each node once"
    for n in (1, 3, 6):
        wanted = visits(n, min)
        reasons = {
            4 * n - 2: "Right for n = 1 and 2. But each turn doubles all that lies behind it.",
            2**n: "Each turn adds two visits of its own to twice those behind it.",
            2 * n: "A node that has handed on too little is visited again, when the rest arrives.",
            (2 ^ (n + 1)) - 2: POWER,
            2 ^ (n - 1): POWER,
            wanted + 1: LEAF,
        }
        compare(f"visits_oldest_first({n})", oldest(n), wanted, reasons)
    yield "oldest first: each diamond doubles what lies behind it"


POWER = "In Python ^ is not a power: write 2 ** n."
LEAF = "That counts a leaf as well, and leaves are not visited."


def visits(n, pick):
    """Counted: node 2 k is the `a` after k turns, 2 k - 1 the b of turn k, and 0 the leaf."""
    waiting, count = {2 * n}, 0
    while waiting:
        node = pick(waiting)
        waiting.remove(node)
        count += 1
        older = {node - 1, node - 2} if node % 2 == 0 else {node - 1}
        waiting |= older - {0}
    return count
