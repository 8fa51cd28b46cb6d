"""Write a pass that removes dead lines from a program.

A program is a list of lines (name, function, operands): the result `name` is what `function` makes
of the results or inputs named in `operands`. Keep the lines whose result is needed, in their order.
A result is needed if it is in `results`, or if a line that is kept uses it. Replace the two `...`.
"""


def remove_dead(lines, results):
    needed = set(results)
    kept = []
    for name, function, operands in ...:  # in which order?
        if name in needed:
            kept.append((name, function, operands))
            needed.update(...)  # what does this line need?
    return kept[::-1]


if __name__ == "__main__":
    from checking import run

    run(__file__)
