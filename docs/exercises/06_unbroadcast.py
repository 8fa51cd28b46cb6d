"""Write `unbroadcast`: the gradient of an array that NumPy has broadcast.

An array of `shape` was broadcast to the shape of g. For this NumPy wrote new axes in front, and it
repeated axes of length 1. The gradient of a copy is a sum. Replace each `...` by a sum of g over
one axis, so that the result has `shape`.
"""


def unbroadcast(g, shape):
    for _ in range(g.ndim - len(shape)):
        g = ...  # the first axis is new: it goes away
    for axis in range(len(shape)):
        if shape[axis] == 1:
            g = ...  # this axis had the length 1: it has the length 1 again
    return g


if __name__ == "__main__":
    from checking import run

    run(__file__)
