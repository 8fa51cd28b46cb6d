"""Write the loop of backpropagation for the toy.

`grads` holds what has arrived at a node and has not been passed on. As long as a node waits there:
take out the youngest with its gradient, call its rule on g and the data of its inputs, and add each
partial to the input's place in `grads`, or to its `grad` if it is a leaf. Replace the last `...`.
"""

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
    """Add d root / d leaf to the `grad` of each leaf behind root."""
    grads = {root: 1.0}
    while grads:
        ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
