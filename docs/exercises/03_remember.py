"""Teach the toy to multiply, and to remember that it did.

`apply` is ready: it computes, and remembers. Replace each `...`, so that `x * y`, `2 * x` and
`2 - x` work. Python calls `x.__rmul__(2)` for `2 * x`, since the 2 knows nothing of a Number.
"""

import operator


class Number:
    def __init__(self, data):
        self.data = data
        self.function, self.inputs = None, ()

    def __sub__(self, other):  # x - other
        return apply(operator.sub, self, other)

    def __mul__(self, other):  # x * other
        return ...

    def __rmul__(self, other):  # other * x
        return ...

    def __rsub__(self, other):  # other - x
        return ...


def apply(function, *inputs):
    numbers = [x.data if isinstance(x, Number) else x for x in inputs]
    out = Number(function(*numbers))
    out.function, out.inputs = function, inputs
    return out


if __name__ == "__main__":
    from checking import run

    run(__file__)
