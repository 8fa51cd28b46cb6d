"""Repair five rules: each of them has one mistake, and gradcheck names it.

These are the rules of np.sqrt(x), x * y, np.exp(x), x - y and np.tanh(x); `out` is the result. Run
the file, and read what gradcheck says. Repair what you have understood, and run the file again.
"""


def sqrt_backward(g, out, x):
    return g / out


def multiply_backward(g, out, x, y):
    return g * x, g * y


def exp_backward(g, out, x):
    return out


def subtract_backward(g, out, x, y):
    return g, g


def tanh_backward(g, out, x):
    return g * (1 - x * x)


if __name__ == "__main__":
    from checking import run

    run(__file__)
